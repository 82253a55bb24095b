//! Runs a case: a watermark after every event, and one at the end that closes everything.

use std::path::Path;
use std::sync::Arc;

use super::build::{Built, build, refusal};
use super::clicks::{Click, read_clicks};
use super::conditions::{Scene, holds};
use super::line::{ByStage, Line};
use super::schema::{Case, PatternSpec};
use crate::keys::Keys;
use crate::{Arrival, Limits, Matcher, Output};

/// Why a case cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} is not a case: {source}")]
    Case { path: String, source: serde_json::Error },
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    #[error("line {row} of the events is not a click")]
    Click { row: u64 },
}

/// A line and where it belongs: key, time, kind, rows by stage.
type Placed = ((String, i64, &'static str, Vec<Vec<u64>>), Line);

/// Runs the case in the file at `path`; lines come as the golden files have them.
///
/// # Errors
/// What cannot be read.
pub fn run(path: &Path) -> Result<Vec<Line>, Error> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.display().to_string(), source })
    };
    let case: Case = serde_json::from_str(&read(path)?)
        .map_err(|source| Error::Case { path: path.display().to_string(), source })?;
    let clicks = read_clicks(&read(&path.with_file_name(&case.csv))?)?;
    let clicks: Vec<_> = clicks.into_iter().map(Arc::new).collect();
    let (mut rejected, mut found) = (Vec::new(), Vec::new());
    for spec in &case.patterns {
        match build(spec) {
            Ok(built) => found.extend(find(&case, spec, built, &clicks)),
            Err(malformed) => {
                let (exception, message) = refusal(&malformed);
                rejected.push(Line::Rejected { pattern: spec.id.clone(), kind: "rejected", exception, message });
            }
        }
    }
    rejected.extend(found);
    Ok(rejected)
}

/// Writes what [`run`] finds, a line of JSON each.
///
/// # Errors
/// What cannot be read or written.
pub fn print(path: &Path, out: &mut impl std::io::Write) -> Result<(), Error> {
    for line in run(path)? {
        serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

fn find(case: &Case, spec: &PatternSpec, built: Built, clicks: &[Arc<Click>]) -> Vec<Line> {
    let field = spec.key.as_ref().unwrap_or(&case.key);
    let stages: Vec<String> = built.pattern.stages().iter().map(|stage| stage.page().to_owned()).collect();
    let mut matcher =
        Matcher::new(built.conditions, Limits { runs: usize::MAX, taken: usize::MAX, waiting: usize::MAX });
    if matcher.add(&built.pattern, spec.alert.timeout.is_some()).is_err() {
        return Vec::new();
    }
    let mut keys = Keys::new(matcher);
    let mut lines: Vec<Placed> = Vec::new();
    let mut newest = i64::MIN;
    for click in clicks {
        let key = click.key(field);
        if keys.push(&key, click.at, Arc::clone(click)) == Arrival::Late {
            lines.push(late(spec, key, click));
        }
        newest = newest.max(click.at);
        let watermark = newest.saturating_sub(case.out_of_orderness_ms).saturating_sub(1);
        advance(&mut keys, watermark, Some(watermark), spec, &stages, &mut lines);
    }
    advance(&mut keys, i64::MAX, None, spec, &stages, &mut lines);
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines.into_iter().map(|(_, line)| line).collect()
}

fn advance(
    keys: &mut Keys<Arc<Click>>,
    watermark: i64,
    shown: Option<i64>,
    spec: &PatternSpec,
    stages: &[String],
    lines: &mut Vec<Placed>,
) {
    keys.advance(watermark, &mut |key, output| {
        let (kind, alert, found) = match output {
            Output::Match(found) => ("match", Some(&spec.alert.on_match), found),
            Output::Timeout(found) => ("timeout", spec.alert.timeout.as_ref(), found),
            Output::Shed { .. } => return,
        };
        let mut taken = ByStage(Vec::new());
        for (stage, _, click) in found.events() {
            let name = stages.get(stage).map_or("", String::as_str);
            match taken.0.iter_mut().find(|(of, _)| of == name) {
                Some((_, clicks)) => clicks.push(click),
                None => taken.0.push((name.to_owned(), vec![click])),
            }
        }
        if kind == "match" && spec.emit_if.as_ref().is_some_and(|emit| !holds(emit, &Whole(&taken))) {
            return;
        }
        let rows = taken.map(|click| click.row);
        let line = Line::Found {
            pattern: spec.id.clone(),
            key: key.to_owned(),
            alert_type: alert.cloned().unwrap_or_default(),
            kind,
            rows: rows.clone(),
            event_ts: taken.map(|click| click.at),
            ts: found.at,
            emit_wm: shown,
        };
        lines.push(((key.to_owned(), found.at, kind, rows.in_order_of(stages)), line));
    });
}

fn late(spec: &PatternSpec, key: String, click: &Click) -> Placed {
    let line = Line::Late {
        pattern: spec.id.clone(),
        key: key.clone(),
        alert_type: "LATE",
        kind: "late",
        rows: ByStage(vec![("late".into(), vec![click.row])]),
        event_ts: ByStage(vec![("late".into(), vec![click.at])]),
        ts: click.at,
    };
    ((key, click.at, "late", vec![vec![click.row]]), line)
}

/// A complete match, for `emit_if`.
struct Whole<'m>(&'m ByStage<&'m Arc<Click>>);

impl Scene for Whole<'_> {
    fn event(&self) -> Option<&Click> {
        None
    }

    fn earlier(&self, stage: &str, last: bool) -> Option<&Click> {
        let (_, clicks) = self.0.0.iter().find(|(name, _)| name == stage)?;
        if last { clicks.last() } else { clicks.first() }.map(|click| &***click)
    }
}

impl<T> ByStage<T> {
    fn map<U>(&self, value: impl Fn(&T) -> U) -> ByStage<U> {
        ByStage(self.0.iter().map(|(stage, all)| (stage.clone(), all.iter().map(&value).collect())).collect())
    }
}

impl ByStage<u64> {
    fn in_order_of(&self, stages: &[String]) -> Vec<Vec<u64>> {
        let of = |stage: &String| self.0.iter().find(|(name, _)| name == stage).map(|(_, rows)| rows.clone());
        stages.iter().map(|stage| of(stage).unwrap_or_default()).collect()
    }
}
