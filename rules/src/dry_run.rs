//! Patterns over a file of events, without a broker.

use std::io::BufRead;
use std::path::Path;

use patterns::{Arrival, Keys, Output};

use crate::RuleSet;
use crate::alert::Alert;
use crate::error::{DryRunError, EventError};
use crate::event::{Event, Loose, Topic};

/// What a dry run found.
#[derive(Debug, Default)]
pub struct Report {
    /// By pattern, key, time, kind and rows.
    pub alerts: Vec<Alert>,
    pub events: u64,
    /// Rows that came too late.
    pub late: Vec<u64>,
    /// Rows without the key of some pattern.
    pub keyless: u64,
    /// Runs that were dropped because of limits.
    pub shed: u64,
}

/// Reads clicks: a CSV file with a header, or a file of JSON lines (`.jsonl`, `.ndjson`, `.json`). An event without an id gets
/// its row as one.
///
/// # Errors
/// What cannot be read.
pub fn read_events(path: &Path) -> Result<Vec<Event>, DryRunError> {
    let name = path.display().to_string();
    let read = |source| DryRunError::Read { path: name.clone(), source };
    let file = std::fs::File::open(path).map_err(read)?;
    let json =
        path.extension().is_some_and(|extension| ["jsonl", "ndjson", "json"].iter().any(|json| extension == *json));
    if !json {
        return read_csv(file, &name);
    }
    let mut events = Vec::new();
    for line in std::io::BufReader::new(file).lines() {
        let line = line.map_err(read)?;
        if line.trim().is_empty() {
            continue;
        }
        let row = events.len() as u64;
        let event = Event::from_json(Topic::Clickstream, line.as_bytes(), &format!("row-{row}"), row);
        events.push(event.map_err(|source| DryRunError::Event { path: name.clone(), row, source })?);
    }
    Ok(events)
}

fn read_csv(file: std::fs::File, name: &str) -> Result<Vec<Event>, DryRunError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let broken = |row, source: csv::Error| {
        let source = EventError::Json(source.to_string());
        DryRunError::Event { path: name.to_owned(), row, source }
    };
    let header = reader.headers().map_err(|source| broken(0, source))?.clone();
    let column = |field: &str| header.iter().position(|name| name.trim().trim_start_matches('\u{feff}') == field);
    let topic = Topic::Clickstream;
    for needed in ["event_time", "event_type", "user_id"] {
        column(needed).ok_or_else(|| DryRunError::Column { path: name.to_owned(), column: needed })?;
    }
    let columns: Vec<_> = topic.fields().map(column).collect();
    let mut events = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let row = events.len() as u64;
        if !reader.read_record(&mut record).map_err(|source| broken(row, source))? {
            return Ok(events);
        }
        let mut texts: Vec<&str> =
            columns.iter().map(|column| column.and_then(|column| record.get(column)).unwrap_or_default()).collect();
        let time = Loose(texts.pop().unwrap_or_default().into());
        let price = Loose(texts.pop().unwrap_or_default().into());
        let event = Event::read(topic, &time, &price, &texts, &format!("row-{row}"), row);
        events.push(event.map_err(|source| DryRunError::Event { path: name.to_owned(), row, source })?);
    }
}

/// Matches all patterns over `events`. The watermark follows each event, `out_of_order` milliseconds behind the newest, and at
/// the end everything closes.
///
/// # Errors
/// A pattern that cannot be compiled.
pub fn dry_run(rules: &RuleSet, events: &[Event], out_of_order: i64) -> Result<Report, DryRunError> {
    let mut report = Report { events: events.len() as u64, ..Report::default() };
    for group in rules.groups() {
        let broken = |source| DryRunError::Pattern { pattern: "of all".to_owned(), source };
        let mut keys = Keys::new(group.matcher(rules).map_err(broken)?);
        let mut newest = i64::MIN;
        let advance = |keys: &mut Keys<Event>, watermark: i64, report: &mut Report| {
            keys.advance(watermark, &mut |key, output| {
                if let Output::Shed { runs, .. } = output {
                    report.shed += runs as u64;
                }
                report.alerts.extend(group.alert(rules, key, &output));
            });
        };
        for event in events {
            let key = event.key(group.key);
            if key.is_empty() {
                report.keyless += 1;
                continue;
            }
            if keys.push(&key, event.at().0, event.clone()) == Arrival::Late && !report.late.contains(&event.row()) {
                report.late.push(event.row());
            }
            newest = newest.max(event.at().0);
            advance(&mut keys, newest.saturating_sub(out_of_order).saturating_sub(1), &mut report);
        }
        advance(&mut keys, i64::MAX, &mut report);
    }
    sort(rules, &mut report.alerts);
    Ok(report)
}

/// By pattern as the rules have them, then by key, time, kind and rows.
fn sort(rules: &RuleSet, alerts: &mut [Alert]) {
    let place = |alert: &Alert| rules.patterns.iter().position(|pattern| pattern.id == alert.pattern);
    alerts.sort_by_cached_key(|alert| {
        let rows: Vec<Vec<u64>> = (0..alert.stages.len())
            .map(|stage| alert.events.iter().filter(|(of, _)| *of == stage).map(|(_, event)| event.row()).collect())
            .collect();
        (place(alert), alert.key.clone(), alert.at, alert.kind, rows)
    });
}
