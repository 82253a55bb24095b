//! The program `speed`.

mod allocator;

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use data::lake::Lake;
use serde::Serialize;
use speed::cli::{
    CheckRulesArgs, CheckWebhooksArgs, Cli, Command, RunArgs, StatusArgs, VerifyArgs, WatchArgs, WebhooksArgs,
};
use speed::config::RawConfig;
use speed::error::{Error, Result};
use speed::verify::{self, verify};
use speed::watch::Wishes;
use speed::webhooks;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    allocator::keep_small();
    let done = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Status(args) => status(&args),
        Command::Verify(args) => prove(&args),
        Command::Watch(args) => watch(&args),
        Command::CheckRules(args) => check_rules(&args),
        Command::Webhooks(args) => tell_webhooks(&args),
        Command::CheckWebhooks(args) => check_webhooks(&args),
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
    match written {
        // Nobody reads on, as behind `| head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|source| Error::Io { what: "writing to stdout".to_owned(), source }),
    }
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

fn tell_webhooks(args: &WebhooksArgs) -> Result<ExitCode> {
    speed::telemetry::start_log(args.quiet);
    let raw = RawConfig::read(args.common.config.as_deref())?;
    let (place, listen) = (raw.place(&args.common)?, raw.listen(args.listen.as_deref())?);
    let webhooks = read_webhooks(&args.webhooks)?;
    let runtime = runtime()?;
    let ran = runtime.block_on(webhooks::run(&place, webhooks, args.from, listen, asked_to_stop()));
    runtime.shutdown_background();
    ran.map(|()| ExitCode::SUCCESS)
}

fn read_webhooks(path: &Path) -> Result<Vec<webhooks::config::Webhook>> {
    webhooks::config::read(path, &|name| std::env::var(name).ok()).map_err(Error::Webhooks)
}

fn check_webhooks(args: &CheckWebhooksArgs) -> Result<ExitCode> {
    let webhooks = read_webhooks(&args.webhooks)?;
    let mut text = format!("good: {} webhooks\n", webhooks.len());
    let mut answered = true;
    if args.send {
        for (name, answer) in runtime()?.block_on(webhooks::try_out(&webhooks))? {
            answered &= answer.is_ok();
            text += &format!("{name}: {}\n", answer.err().unwrap_or_else(|| "it took the alert".to_owned()));
        }
    }
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(|source| Error::Io { what: "writing to stdout".to_owned(), source })?;
    Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
