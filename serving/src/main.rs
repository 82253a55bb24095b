//! The program `serving`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use serving::cli::{Cli, Command, RunArgs};
use serving::config::RawConfig;
use serving::error::{Error, Result};

/// Answers are made of many small pieces: with it a lookup costs a tenth less than with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Openapi => describe(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(args: &RunArgs) -> Result<()> {
    serving::telemetry::start_log(args.quiet);
    let config = RawConfig::read(args.config.as_deref())?.check(args)?;
    let is_live = config.kafka.is_some();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::Io { what: "starting".to_owned(), source })?;
    let served = runtime.block_on(serving::run::run(config, asked_to_stop(), |address| {
        let what = if is_live { "the lake and live orders" } else { "the lake alone, without live orders" };
        let _ = writeln!(std::io::stdout(), "serving {what}, on http://{address}/");
    }));
    // What still waits for brokers is not waited for.
    runtime.shutdown_background();
    served
}

fn describe() -> Result<()> {
    let failed = |source| Error::Io { what: "writing to stdout".to_owned(), source };
    let text = serving::api::document().to_pretty_json().map_err(|error| failed(std::io::Error::from(error)))?;
    writeln!(std::io::stdout(), "{text}").map_err(failed)
}

/// Ends with the first SIGTERM or SIGINT.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
