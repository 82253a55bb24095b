//! Patterns over a file of events, without a broker.

use std::io::BufRead;
use std::path::Path;

use patterns::{Arrival, Keys, Output};

use crate::RuleSet;
use crate::alert::Alert;
use crate::error::{DryRunError, EventError};
use crate::event::{CLICK_TEXTS, Event, Field, Loose, Topic};
use crate::matching::Group;

/// What the ids of events without one begin with.
const ROW: &str = "row-";

/// The states of the keys of so many events are fetched together.
const TOGETHER: usize = 32;

/// What a dry run found.
#[derive(Debug, Default)]
pub struct Report<'r> {
    /// By pattern, key, time, kind and rows.
    pub alerts: Vec<Alert<'r, 'static>>,
    pub events: u64,
    /// Rows that came too late.
    pub late: Vec<u64>,
    /// Rows without the key of some pattern.
    pub keyless: u64,
    /// Runs that were dropped because of limits, and events that were not taken because of them.
    pub shed: u64,
}

/// Reads clicks: a CSV file with a header, or a file of JSON lines (`.jsonl`, `.ndjson`, `.json`). An event without an id gets
/// its row as one.
///
/// # Errors
/// What cannot be read.
pub fn read_events(path: &Path) -> Result<Vec<Event>, DryRunError> {
    events(path)?.collect()
}

/// The same one by one.
///
/// # Errors
/// What cannot be read.
pub fn events(path: &Path) -> Result<Box<dyn Iterator<Item = Result<Event, DryRunError>>>, DryRunError> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|source| DryRunError::Read { path: name.clone(), source })?;
    let json =
        path.extension().is_some_and(|extension| ["jsonl", "ndjson", "json"].iter().any(|json| extension == *json));
    Ok(if json { Box::new(json_events(file, name)) } else { Box::new(CsvEvents::open(file, name)?) })
}

fn json_events(file: std::fs::File, path: String) -> impl Iterator<Item = Result<Event, DryRunError>> {
    let lines =
        std::io::BufReader::new(file).lines().filter(|line| !line.as_ref().is_ok_and(|line| line.trim().is_empty()));
    (0..).zip(lines).map(move |(row, line)| {
        let line = line.map_err(|source| DryRunError::Read { path: path.clone(), source })?;
        let event = Event::from_json(Topic::Clickstream, line.as_bytes(), &format!("{ROW}{row}"), row);
        event.map_err(|source| DryRunError::Event { path: path.clone(), row, source })
    })
}

struct CsvEvents {
    reader: csv::Reader<std::fs::File>,
    record: csv::StringRecord,
    /// Where the topic's texts stand, in their order.
    texts: [Option<usize>; CLICK_TEXTS],
    price: Option<usize>,
    time: Option<usize>,
    /// Of an event that has none.
    id: String,
    path: String,
    row: u64,
}

impl CsvEvents {
    fn open(file: std::fs::File, path: String) -> Result<Self, DryRunError> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(file);
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(source) => {
                let source = EventError::Csv(source.to_string());
                return Err(DryRunError::Event { path, row: 0, source });
            }
        };
        let column = |field: &str| header.iter().position(|name| name.trim().trim_start_matches('\u{feff}') == field);
        for needed in ["event_time", "event_type", "user_id"] {
            column(needed).ok_or_else(|| DryRunError::Column { path: path.clone(), column: needed })?;
        }
        let place = |field: Field| column(Topic::Clickstream.name_of(field));
        let mut texts = [None; CLICK_TEXTS];
        for (number, text) in (0..).zip(&mut texts) {
            *text = place(Field::Text(number));
        }
        let (price, time) = (place(Field::Price), place(Field::Time));
        Ok(Self { reader, record: csv::StringRecord::new(), texts, price, time, id: ROW.to_owned(), path, row: 0 })
    }

    fn read(&mut self) -> Result<Option<Event>, EventError> {
        if !self.reader.read_record(&mut self.record).map_err(|error| EventError::Csv(error.to_string()))? {
            return Ok(None);
        }
        let field = |column: Option<usize>| column.and_then(|column| self.record.get(column)).unwrap_or_default();
        self.id.truncate(ROW.len());
        self.id.push_str(itoa::Buffer::new().format(self.row));
        let (time, price) = (Loose(field(self.time).into()), Loose(field(self.price).into()));
        Event::read(Topic::Clickstream, &time, &price, &self.texts.map(field), &self.id, self.row).map(Some)
    }
}

impl Iterator for CsvEvents {
    type Item = Result<Event, DryRunError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.read();
        let row = self.row;
        self.row += 1;
        let told = |source| DryRunError::Event { path: self.path.clone(), row, source };
        found.map_err(told).transpose()
    }
}

/// Matches all patterns over events that come one by one. The watermark follows each event, so many milliseconds behind the
/// newest. Memory follows open runs.
pub struct DryRun<'r> {
    rules: &'r RuleSet,
    groups: Vec<(Group, Keys<Event>)>,
    out_of_order: i64,
    newest: i64,
    /// Without alerts.
    report: Report<'r>,
}

impl<'r> DryRun<'r> {
    /// # Errors
    /// A pattern that cannot be compiled.
    pub fn new(rules: &'r RuleSet, out_of_order: i64) -> Result<Self, DryRunError> {
        let broken = |source| DryRunError::Pattern { pattern: "of all".to_owned(), source };
        let with_keys = |group: Group| Ok((group.matcher(rules).map_err(broken)?, group));
        let groups = rules.groups().into_iter().map(with_keys).collect::<Result<Vec<_>, DryRunError>>()?;
        let groups =
            groups.into_iter().map(|(matcher, group)| (group, Keys::new(matcher).touching(Event::touch))).collect();
        Ok(Self { rules, groups, out_of_order, newest: i64::MIN, report: Report::default() })
    }

    /// Takes events, and hands over the alerts of which it is then certain that they are.
    pub fn push(&mut self, events: &[Event], each: &mut dyn FnMut(Alert<'r, '_>)) {
        for few in events.chunks(TOGETHER) {
            for (group, keys) in &mut self.groups {
                keys.fetch(few.iter().map(|event| event.key(group.key)).filter(|key| !key.is_empty()));
            }
            few.iter().for_each(|event| self.push_one(event, each));
        }
    }

    fn push_one(&mut self, event: &Event, each: &mut dyn FnMut(Alert<'r, '_>)) {
        self.report.events += 1;
        let mut late = false;
        for (group, keys) in &mut self.groups {
            let key = event.key(group.key);
            if key.is_empty() {
                self.report.keyless += 1;
            } else {
                let arrival = keys.push(&key, event.at().0, event.clone());
                late |= arrival == Arrival::Late;
                self.report.shed += u64::from(arrival == Arrival::Full);
            }
        }
        if late {
            self.report.late.push(event.row());
        }
        self.newest = self.newest.max(event.at().0);
        self.advance(self.newest.saturating_sub(self.out_of_order).saturating_sub(1), each);
    }

    /// Closes everything that is open; what was counted, without alerts. Events that come later are late.
    pub fn finish(&mut self, each: &mut dyn FnMut(Alert<'r, '_>)) -> Report<'r> {
        self.advance(i64::MAX, each);
        std::mem::take(&mut self.report)
    }

    fn advance(&mut self, watermark: i64, each: &mut dyn FnMut(Alert<'r, '_>)) {
        let Self { rules, groups, report, .. } = self;
        for (group, keys) in groups {
            keys.advance(watermark, &mut |key, output| {
                if let Output::Shed { runs, .. } = output {
                    report.shed += runs as u64;
                }
                if let Some(alert) = group.alert(rules, key, &output) {
                    each(alert);
                }
            });
        }
    }
}

/// Matches all patterns over `events`. The watermark follows each event, `out_of_order` milliseconds behind the newest, and at
/// the end everything closes.
///
/// # Errors
/// A pattern that cannot be compiled.
pub fn dry_run<'r>(rules: &'r RuleSet, events: &[Event], out_of_order: i64) -> Result<Report<'r>, DryRunError> {
    let mut run = DryRun::new(rules, out_of_order)?;
    let mut alerts = Vec::new();
    run.push(events, &mut |alert| alerts.push(alert.kept()));
    let report = run.finish(&mut |alert| alerts.push(alert.kept()));
    sort(rules, &mut alerts);
    Ok(Report { alerts, ..report })
}

/// By pattern as the rules have them, then by key, time, kind and rows.
fn sort(rules: &RuleSet, alerts: &mut [Alert<'_, '_>]) {
    let place = |alert: &Alert<'_, '_>| rules.patterns.iter().position(|pattern| pattern.id == alert.rule.id);
    alerts.sort_by_cached_key(|alert| {
        let rows: Vec<Vec<u64>> = (0..alert.rule.stages.len())
            .map(|stage| alert.events().filter(|(of, _)| *of == stage).map(|(_, event)| event.row()).collect())
            .collect();
        (place(alert), alert.key.clone(), alert.at, alert.kind, rows)
    });
}
