//! What `data replay` and `data produce` share: flags, progress and the summary.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use data::kafka::embedded::EmbeddedFailure;
use data::kafka::{KafkaSettings, parse_property};
use data::live::{self, Delivery, Pace, Progress, Source, Summary};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::interrupt;

/// Partitions of a topic that has to be made.
const PARTITIONS: u32 = 4;
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Steps of the bar.
const STEPS: u64 = 10_000;

/// Where to, and what to say about it
#[derive(Args, Clone, Debug)]
pub struct BrokerArgs {
    /// Kafka brokers to begin with
    #[arg(long, env = "CLIENTELE_BROKERS", value_name = "HOST:PORT,…")]
    brokers: String,
    /// Any property of librdkafka: --kafka security.protocol=SASL_SSL; may be given several times
    #[arg(long = "kafka", value_name = "KEY=VALUE", value_parser = parse_property)]
    properties: Vec<(String, String)>,
    /// Print the summary as a JSON document on stdout
    #[arg(long)]
    json: bool,
    /// Neither progress nor a summary for people
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{flag}: {reason}")]
    Option { flag: &'static str, reason: String },
    #[error(transparent)]
    Live(#[from] live::Error),
    #[error(transparent)]
    Broker(#[from] EmbeddedFailure),
    #[error("cannot write {what}: {source}")]
    Write { what: String, source: io::Error },
    #[error("cannot listen for Ctrl-C: {source}")]
    Signals { source: io::Error },
}

impl Error {
    /// The process's exit status: 2 for what the user gave, else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Option { .. } => 2,
            _ => 1,
        }
    }
}

/// The summary of a run, with the counts of its source.
#[derive(Serialize)]
struct Document<'a, C> {
    #[serde(flatten)]
    summary: &'a Summary,
    source: C,
}

/// Sends what `open` gives once the brokers are reached. Whether all of it was delivered.
///
/// # Errors
/// [`Error::Live`] when no broker answers or the source cannot be read.
pub fn send<S: Source, C: Serialize>(
    args: &BrokerArgs,
    topics: &[String],
    open: impl FnOnce() -> S,
    pace: Pace,
    limit: Option<u64>,
    counts: impl Fn(&S) -> (C, Vec<String>),
) -> Result<bool, Error> {
    data::telemetry::start(args.quiet);
    let stop = interrupt::flag().map_err(|source| Error::Signals { source })?;
    let settings = KafkaSettings::new(&args.brokers).with(args.properties.iter().cloned());
    let delivery = Delivery::connect(&settings, topics, PARTITIONS)?;
    let mut source = open();
    let mut display = Display::new(args.quiet, source.share().is_some());
    let sent = live::run(&mut source, delivery, pace, limit, &stop, &mut |progress| display.show(progress));
    display.finish();
    let summary = sent?;
    let (counts, notes) = counts(&source);
    if args.json {
        say(&json(&Document { summary: &summary, source: counts })?)?;
    } else if !args.quiet {
        say(&report(&summary, &notes))?;
    }
    if let Some(reason) = &summary.reason {
        let _ = writeln!(io::stderr(), "error: {} messages were not delivered: {reason}", grouped(summary.failed));
    }
    Ok(summary.failed == 0)
}

fn say(text: &str) -> Result<(), Error> {
    let mut out = io::stdout();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.map_err(|source| Error::Write { what: "stdout".to_owned(), source })
}

fn json(document: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(document);
    text.map(|text| text + "\n")
        .map_err(|source| Error::Write { what: "the summary".to_owned(), source: source.into() })
}

fn report(summary: &Summary, notes: &[String]) -> String {
    let mut text = format!(
        "{} {} messages to topic {} in {:.1} s: {} a second\n",
        if summary.stopped { "stopped after" } else { "delivered" },
        grouped(summary.delivered),
        summary.topic,
        summary.seconds,
        grouped(rounded(summary.per_second)),
    );
    text.extend(notes.iter().map(|note| format!("  {note}\n")));
    text
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates; rates are positive")]
fn rounded(rate: f64) -> u64 {
    rate.round() as u64
}

/// Digits in threes: `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", grouped(number / 1_000), number % 1_000) }
}

/// Progress on stderr: a bar on a terminal, a line every few seconds elsewhere.
struct Display {
    bar: ProgressBar,
    /// When the next line is due; `None` when a bar shows, or nothing shall.
    next_line: Option<Duration>,
}

impl Display {
    /// With or without an end to be seen.
    fn new(quiet: bool, ends: bool) -> Self {
        let on_terminal = io::stderr().is_terminal();
        let bar = if quiet || !on_terminal { ProgressBar::hidden() } else { ProgressBar::new(STEPS) };
        let template = if ends { "sending {wide_bar} {msg}, {eta} left" } else { "sending {spinner} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, next_line: (!quiet && !on_terminal).then_some(LINE_EVERY) }
    }

    fn show(&mut self, progress: Progress) {
        let due = self.next_line.is_some_and(|due| progress.elapsed >= due);
        if self.bar.is_hidden() && !due {
            return;
        }
        let rate = progress.counts.delivered as f64 / progress.elapsed.as_secs_f64().max(1e-3);
        let mut line = format!("{} delivered, {} a second", grouped(progress.counts.delivered), grouped(rounded(rate)));
        if progress.counts.failed > 0 {
            line += &format!(", {} failed", grouped(progress.counts.failed));
        }
        if due {
            // Progress that nobody can read is no reason to stop.
            let _ = writeln!(io::stderr(), "{line}");
            self.next_line = Some(progress.elapsed + LINE_EVERY);
        }
        self.bar.set_position(rounded(progress.share.unwrap_or_default() * STEPS as f64));
        self.bar.set_message(line);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
