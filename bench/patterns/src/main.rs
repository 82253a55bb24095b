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

use rules::{Alert, DryRun, RuleSet, Topic, events};

type Failure = Box<dyn std::error::Error>;

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
    let mut writer = Writer { fields: Fields::new()?, files: BTreeMap::new(), counts: BTreeMap::new(), failed: None };
    for rule in &rules.patterns {
        let file = File::create(out.join(format!("{}.alerts", rule.id)))?;
        writer.files.insert(rule.id.clone(), BufWriter::new(file));
        writer.counts.insert(rule.id.clone(), 0);
    }
    let mut run = DryRun::new(&rules, OUT_OF_ORDER_MS)?;
    for event in events(clicks)? {
        run.push(&event?, &mut |alert| writer.write(&alert));
    }
    let report = run.finish(&mut |alert| writer.write(&alert));
    if let Some(error) = writer.failed {
        return Err(error.into());
    }
    for file in writer.files.values_mut() {
        file.flush()?;
    }
    let Writer { counts, .. } = writer;
    println!(
        "{{\"events\": {}, \"late\": {}, \"shed\": {}, \"alerts\": {counts:?}}}",
        report.events,
        report.late.len(),
        report.shed
    );
    Ok(())
}

struct Writer {
    fields: Fields,
    files: BTreeMap<String, BufWriter<File>>,
    counts: BTreeMap<String, u64>,
    failed: Option<std::io::Error>,
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

impl Writer {
    fn write(&mut self, alert: &Alert<'_, '_>) {
        if let Some(count) = self.counts.get_mut(alert.pattern()) {
            *count += 1;
        }
        let Some(file) = self.files.get_mut(alert.pattern()) else { return };
        let written = line(file, &self.fields, alert);
        self.failed = self.failed.take().or(written.err());
    }
}

/// As the peer's `processMatch` writes it.
fn line(out: &mut impl Write, fields: &Fields, alert: &Alert<'_, '_>) -> std::io::Result<()> {
    let (Some((_, first)), Some((_, last))) = (alert.events.first(), alert.events.last()) else { return Ok(()) };
    let (session, user, kind) = (first.text(fields.session), first.user(), alert.alert_type());
    match alert.pattern() {
        "p1" => {
            let (one, other) = (first.text(fields.category), last.text(fields.category));
            writeln!(out, "{kind},{},{},{one},{other}", last.text(fields.session), last.user())
        }
        "p2" if kind == "CART_ABANDONMENT" => {
            writeln!(out, "{kind},{session},{user},{:?}", first.price().unwrap_or_default())
        }
        "p2" => {
            let price = last.price().unwrap_or_default();
            writeln!(out, "{kind},{session},{user},{},{price:?}", last.text(fields.product))
        }
        _ => writeln!(out, "{kind},{session},{user},{}", first.text(fields.product)),
    }
}
