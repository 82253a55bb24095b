//! The program `kafka`: a real broker in the foreground.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use kafka::{Broker, BrokerOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// Start a real Apache Kafka on 127.0.0.1; Ctrl-C stops it
#[derive(Parser)]
#[command(name = "kafka", version)]
struct Cli {
    /// Port for clients
    #[arg(long, value_name = "N", default_value_t = 9092)]
    port: u16,
    /// Folder that keeps topics from one start to the next [default: none; they go with the broker]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let mut out = std::io::stdout();
    writeln!(out, "starting Kafka (a few seconds)")?;
    let fate = match &cli.data {
        Some(data) => format!("topics stay in {}", data.display()),
        None => "topics go when it stops".to_owned(),
    };
    let mut broker = Broker::start(BrokerOptions { port: Some(cli.port), data: cli.data, ..BrokerOptions::default() })?;
    let address = broker.bootstrap();
    write!(
        out,
        "Kafka listens on {address} (process {}); {fate}; Ctrl-C stops it\n\
         live orders:    data replay orders.csv --brokers {address} --rate 1000\n\
         and their join: speed run --brokers {address} --lake ./lake\n",
        broker.pid()
    )?;
    runtime.block_on(end(&mut broker))?;
    writeln!(out, "stopping Kafka")?;
    broker.stop()?;
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM, or for the broker's own end, which is an error.
async fn end(broker: &mut Broker) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            () = sleep(Duration::from_millis(500)) => {
                if !broker.is_running() {
                    bail!("the broker has ended; the end of its log:\n{}", broker.log_tail());
                }
            }
        }
    }
}
