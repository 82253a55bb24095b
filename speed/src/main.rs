//! The program `speed`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use speed::cli::{Cli, Command, RunArgs, WatchArgs};
use speed::config::RawConfig;
use speed::error::{Error, Result};
use speed::watch::Wishes;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Watch(args) => watch(&args),
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
    speed::telemetry::start_log(args.quiet);
    let config = RawConfig::read(args.common.config.as_deref())?.check(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| Error::Io { what: "starting".to_owned(), source })?;
    runtime.block_on(speed::run::run(config, asked_to_stop()))
}

fn watch(args: &WatchArgs) -> Result<()> {
    speed::telemetry::start_log(true);
    let place = RawConfig::read(args.common.config.as_deref())?.place(&args.common);
    let duration = args.seconds.map(Duration::from_secs);
    speed::watch::watch(&place, Wishes { json: args.json, limit: args.limit, duration })
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
