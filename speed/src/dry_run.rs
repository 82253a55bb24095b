//! `speed check-rules` and `speed dry-run`: rules without a broker.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rules::{DryRunError, Event, RuleError, RuleSet, explain};
use serde::Serialize;

use crate::cli::DryRunArgs;
use crate::error::{Error, Result};

/// How many rows are told that are no events.
const TOLD: usize = 20;

/// What was found out about rule files.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    pub features: usize,
    pub scores: usize,
    pub segments: usize,
    pub patterns: usize,
    pub errors: Vec<RuleError>,
}

/// Checks rules as a run would.
#[must_use]
pub fn check(path: &Path) -> Checked {
    match RuleSet::load(path) {
        Ok(rules) => Checked {
            features: rules.features.len(),
            scores: rules.scores.len(),
            segments: rules.segments.len(),
            patterns: rules.patterns.len(),
            errors: Vec::new(),
        },
        Err(errors) => Checked { errors, ..Checked::default() },
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.errors {
            writeln!(out, "{error}")?;
        }
        if self.errors.is_empty() {
            let Self { features, scores, segments, patterns, .. } = self;
            writeln!(out, "good: {features} features, {scores} scores, {segments} segments, {patterns} patterns")?;
        }
        Ok(())
    }
}

/// Prints the alerts that the rules' patterns give over a file.
///
/// # Errors
/// When rules or events cannot be read. That nobody reads the output any more is none.
pub fn dry_run(args: &DryRunArgs) -> Result<()> {
    let rules = RuleSet::load(&args.rules).map_err(Error::Rules)?;
    let (events, refused) = read(&args.input)?;
    let report = rules::dry_run(&rules, &events, i64::from(args.lateness_ms))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut written = report.alerts.iter().try_for_each(|alert| line(&mut out, &alert.line()));
    if args.explain && written.is_ok() {
        written = explain(&rules, &events, &report.alerts).iter().try_for_each(|miss| line(&mut out, miss));
    }
    let rules::Report { alerts, events, late, keyless, shed } = report;
    let (alerts, late) = (alerts.len(), late.len());
    let _ = writeln!(
        io::stderr(),
        "{events} events, {alerts} alerts; {refused} rows refused, {late} events too late, {keyless} without a key, {shed} \
         runs or events dropped at limits"
    );
    match written.and_then(|()| out.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Io { what: "writing to stdout".to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// The clicks of a file, or of stdin, and how many rows are none, which are told on stderr.
fn read(path: &Path) -> Result<(Vec<Event>, usize)> {
    let (name, input) = if path == Path::new("-") {
        ("stdin".to_owned(), data::live::decoded(io::stdin()))
    } else {
        (path.display().to_string(), File::open(path).and_then(data::live::decoded))
    };
    let input = input.map_err(|source| DryRunError::Read { path: name.clone(), source })?;
    let (mut events, mut refused) = (Vec::new(), 0);
    for event in rules::events_in(input, name.clone())? {
        match event {
            Ok(event) => events.push(event),
            Err(reason @ DryRunError::Event { .. }) => {
                refused += 1;
                if refused <= TOLD {
                    let _ = writeln!(io::stderr(), "refused: {reason}");
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    if refused > TOLD {
        let _ = writeln!(io::stderr(), "refused: {} more", refused - TOLD);
    }
    if events.is_empty() && refused > 0 {
        return Err(DryRunError::NoEvent { path: name }.into());
    }
    Ok((events, refused))
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    out.write_all(b"\n")
}
