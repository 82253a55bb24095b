//! The program `speed`.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use data::lake::Lake;
use serde::Serialize;
use speed::cli::{CheckRulesArgs, Cli, Command, RunArgs, StatusArgs, VerifyArgs, WatchArgs};
use speed::config::RawConfig;
use speed::error::{Error, Result};
use speed::verify::{self, verify};
use speed::watch::Wishes;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Status(args) => status(&args),
        Command::Verify(args) => prove(&args),
        Command::Watch(args) => watch(&args),
        Command::CheckRules(args) => check_rules(&args),
        Command::DryRun(args) => speed::dry_run::dry_run(&args).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(args: &RunArgs) -> Result<ExitCode> {
    speed::telemetry::start_log(args.quiet);
    let config = RawConfig::read(args.common.config.as_deref())?.check(args)?;
    let runtime = runtime()?;
    let ran = runtime.block_on(speed::run::run(config, asked_to_stop()));
    // A request to brokers that do not answer would hold it up.
    runtime.shutdown_background();
    ran?;
    Ok(ExitCode::SUCCESS)
}

fn prove(args: &VerifyArgs) -> Result<ExitCode> {
    speed::telemetry::start_log(true);
    let raw = RawConfig::read(args.common.config.as_deref())?;
    let place = raw.place(&args.common)?;
    let settings = verify::Settings {
        kafka: place.kafka,
        lake: Lake::open_existing(&place.lake)?,
        group: place.group,
        topics: place.topics,
        dates: raw.dates(args.date_format.as_deref())?,
    };
    let say = |what: &str| {
        if !args.quiet {
            let _ = writeln!(std::io::stderr(), "{what}");
        }
    };
    let report = verify(&settings, runtime()?.handle(), &say)?;
    print(&report, args.json)?;
    Ok(if report.is_exact() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn status(args: &StatusArgs) -> Result<ExitCode> {
    speed::telemetry::start_log(true);
    let place = RawConfig::read(args.common.config.as_deref())?.place(&args.common)?;
    print(&speed::status::status(&place, runtime()?.handle())?, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// A report for a person, or as one JSON document.
fn print(report: &(impl Display + Serialize), json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = if json {
        serde_json::to_writer(&mut out, report).map_err(std::io::Error::from).and_then(|()| writeln!(out))
    } else {
        write!(out, "{report}")
    };
    written.map_err(|source| Error::Io { what: "writing to stdout".to_owned(), source })
}

fn watch(args: &WatchArgs) -> Result<ExitCode> {
    speed::telemetry::start_log(true);
    let place = RawConfig::read(args.common.config.as_deref())?.place(&args.common)?;
    let duration = args.seconds.map(Duration::from_secs);
    speed::watch::watch(&place, Wishes { json: args.json, limit: args.limit, duration })?;
    Ok(ExitCode::SUCCESS)
}

fn check_rules(args: &CheckRulesArgs) -> Result<ExitCode> {
    let report = speed::dry_run::check(&args.rules);
    print(&report, args.json)?;
    Ok(if report.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| Error::Io { what: "starting".to_owned(), source })
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
