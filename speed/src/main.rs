//! The program `speed`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use speed::cli::{Cli, Command, RunArgs};
use speed::config::RawConfig;
use speed::error::{Error, Result};

fn main() -> ExitCode {
    let Command::Run(args) = Cli::parse().command;
    match run(&args) {
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
