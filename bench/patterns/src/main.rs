//! What `bench/patterns.py` runs.
//!
//! `patterns-bench match RULES CLICKS OUT`: a line for each alert into `OUT/PATTERN.alerts`, as the peer writes them, and what
//! it took on stdout. `patterns-bench conditions`: evaluations of conditions a second.
#![allow(clippy::print_stdout, reason = "a measurement reports")]

mod conditions;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use rules::{Alert, DryRun, Event, RuleSet, Topic, events};

type Failure = Box<dyn std::error::Error>;

/// As in `speed`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events that are handed in together.
const SOME: usize = 64;
/// As the peer's watermark.
const OUT_OF_ORDER_MS: i64 = 10_000;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["match", rules, clicks, out] => find(Path::new(rules), Path::new(clicks), Path::new(out)),
        ["conditions"] => conditions::measure(),
        _ => Err("usage: patterns-bench match RULES CLICKS OUT | patterns-bench conditions".into()),
    }
}

fn find(rules: &Path, clicks: &Path, out: &Path) -> Result<(), Failure> {
    let rules = RuleSet::load(rules).map_err(|errors| errors.iter().map(ToString::to_string).collect::<String>())?;
    std::fs::create_dir_all(out)?;
    let mut writer = Writer { fields: Fields::new()?, found: Vec::new(), failed: None };
    for rule in &rules.patterns {
        let file = BufWriter::with_capacity(1 << 16, File::create(out.join(format!("{}.alerts", rule.id)))?);
        writer.found.push(Found { pattern: &rule.id, file, alerts: 0 });
    }
    let mut run = DryRun::new(&rules, OUT_OF_ORDER_MS)?;
    let mut some = Vec::with_capacity(SOME);
    for event in events(clicks)? {
        some.push(event?);
        if some.len() == SOME {
            run.push(&some, &mut |alert| writer.write(&alert));
            some.clear();
        }
    }
    run.push(&some, &mut |alert| writer.write(&alert));
    let report = run.finish(&mut |alert| writer.write(&alert));
    // The process ends: what is remembered goes with it, all at once.
    std::mem::forget(run);
    if let Some(error) = writer.failed {
        return Err(error.into());
    }
    for found in &mut writer.found {
        found.file.flush()?;
    }
    let alerts: BTreeMap<&str, u64> = writer.found.iter().map(|found| (found.pattern, found.alerts)).collect();
    println!(
        "{{\"events\": {}, \"late\": {}, \"shed\": {}, \"alerts\": {alerts:?}}}",
        report.events,
        report.late.len(),
        report.shed
    );
    Ok(())
}

struct Writer<'r> {
    fields: Fields,
    found: Vec<Found<'r>>,
    failed: Option<std::io::Error>,
}

/// What was found of a pattern.
struct Found<'r> {
    pattern: &'r str,
    file: BufWriter<File>,
    alerts: u64,
}

/// Where the texts stand that the peer's lines have.
struct Fields {
    session: u8,
    product: u8,
    category: u8,
}

impl Fields {
    fn new() -> Result<Self, Failure> {
        let place = |name: &str| match Topic::Clickstream.field(name) {
            Some(rules::Field::Text(place)) => Ok(place),
            _ => Err(format!("no text {name}")),
        };
        Ok(Self { session: place("user_session")?, product: place("product_id")?, category: place("category_code")? })
    }
}

impl Writer<'_> {
    fn write(&mut self, alert: &Alert<'_, '_>) {
        let Some(found) = self.found.iter_mut().find(|found| found.pattern == alert.pattern()) else { return };
        found.alerts += 1;
        let written = line(&mut found.file, &self.fields, alert);
        self.failed = self.failed.take().or(written.err());
    }
}

/// As the peer's `processMatch` writes it.
fn line(out: &mut impl Write, fields: &Fields, alert: &Alert<'_, '_>) -> std::io::Result<()> {
    let mut events = alert.events().map(|(_, event)| event);
    let Some(first) = events.next() else { return Ok(()) };
    let (session, user, kind) = (first.text(fields.session), first.user(), alert.alert_type());
    if !matches!(alert.pattern(), "p1" | "p2") {
        return texts(out, [kind, session, user, first.text(fields.product)]);
    }
    let last = events.next_back().unwrap_or(first);
    let price = |event: &Event| format!("{:?}", event.price().unwrap_or_default());
    match alert.pattern() {
        "p1" => {
            let (one, other) = (first.text(fields.category), last.text(fields.category));
            texts(out, [kind, last.text(fields.session), last.user(), one, other])
        }
        _ if kind == "CART_ABANDONMENT" => texts(out, [kind, session, user, &price(first)]),
        _ => texts(out, [kind, session, user, last.text(fields.product), &price(last)]),
    }
}

/// A line of these, with commas between them.
fn texts<const N: usize>(out: &mut impl Write, texts: [&str; N]) -> std::io::Result<()> {
    for (place, text) in texts.into_iter().enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        out.write_all(text.as_bytes())?;
    }
    out.write_all(b"\n")
}
