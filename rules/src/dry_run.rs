//! Patterns over a file of events, without a broker.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use patterns::{Arrival, Keys, Output};

use crate::RuleSet;
use crate::alert::Alert;
use crate::error::{DryRunError, EventError};
use crate::event::{CLICK_TEXTS, Event, Field, Loose, Topic};
use crate::matching::Group;
use crate::rows::{BUFFER, RowError, Rows};

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

/// Reads clicks: a CSV file with a header, or JSON lines. An event without an id gets its row as one.
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
pub fn events(path: &Path) -> Result<Events, DryRunError> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => events_in(Box::new(BufReader::with_capacity(BUFFER, file)), name),
        Err(source) => Err(DryRunError::Read { path: name, source }),
    }
}

/// The same from anywhere; errors call it `name`. Behind [`DryRunError::Event`] come the rows that follow.
///
/// # Errors
/// What cannot be read.
pub fn events_in(mut input: Box<dyn BufRead>, name: String) -> Result<Events, DryRunError> {
    let begins = |source| DryRunError::Read { path: name.clone(), source };
    let begin = input.fill_buf().map_err(begins)?;
    let json = begin.trim_ascii_start().first() == Some(&b'{');
    Ok(if json { Box::new(json_events(input, name)) } else { Box::new(CsvEvents::open(input, name)?) })
}

/// Events, or why a row is none.
pub type Events = Box<dyn Iterator<Item = Result<Event, DryRunError>>>;

fn json_events(input: Box<dyn BufRead>, path: String) -> impl Iterator<Item = Result<Event, DryRunError>> {
    let lines = input.split(b'\n').filter(|line| !line.as_ref().is_ok_and(|line| line.trim_ascii().is_empty()));
    let mut ended = false;
    (0..).zip(lines).map_while(move |(row, line)| {
        if ended {
            return None;
        }
        let event = line.map_err(|source| DryRunError::Read { path: path.clone(), source }).and_then(|line| {
            let event = Event::from_json(Topic::Clickstream, &line, &format!("{ROW}{row}"), row);
            event.map_err(|source| DryRunError::Event { path: path.clone(), row, source })
        });
        ended = matches!(event, Err(DryRunError::Read { .. }));
        Some(event)
    })
}

struct CsvEvents {
    rows: Rows,
    /// Where the topic's texts stand, in their order.
    texts: [Option<usize>; CLICK_TEXTS],
    price: Option<usize>,
    time: Option<usize>,
    /// Of an event that has none.
    id: String,
    path: String,
    row: u64,
    /// Nothing comes behind what cannot be read at all.
    ended: bool,
}

impl CsvEvents {
    fn open(input: Box<dyn BufRead>, path: String) -> Result<Self, DryRunError> {
        let mut rows = Rows::new(input);
        if let Err(error) = rows.advance() {
            return Err(unread(error, path, 0));
        }
        let header: Vec<&str> = rows.iter().map(|name| name.trim().trim_start_matches('\u{feff}')).collect();
        let column = |field: &str| header.iter().position(|name| *name == field);
        for needed in ["event_time", "event_type", "user_id"] {
            column(needed).ok_or_else(|| DryRunError::Column { path: path.clone(), column: needed })?;
        }
        let place = |field: Field| column(Topic::Clickstream.name_of(field));
        let mut texts = [None; CLICK_TEXTS];
        for (number, text) in (0..).zip(&mut texts) {
            *text = place(Field::Text(number));
        }
        let (price, time) = (place(Field::Price), place(Field::Time));
        Ok(Self { rows, texts, price, time, id: ROW.to_owned(), path, row: 0, ended: false })
    }

    fn read(&mut self, row: u64) -> Result<Event, EventError> {
        let field = |column: Option<usize>| column.and_then(|column| self.rows.get(column)).unwrap_or_default();
        self.id.truncate(ROW.len());
        self.id.push_str(itoa::Buffer::new().format(row));
        let (time, price) = (Loose(field(self.time).into()), Loose(field(self.price).into()));
        Event::read(Topic::Clickstream, &time, &price, &self.texts.map(field), &self.id, row)
    }
}

impl Iterator for CsvEvents {
    type Item = Result<Event, DryRunError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.row;
        self.row += 1;
        let failed = match self.rows.advance() {
            Ok(true) => match self.read(row) {
                Ok(event) => return Some(Ok(event)),
                Err(source) => DryRunError::Event { path: self.path.clone(), row, source },
            },
            Ok(false) => return None,
            Err(error) => unread(error, self.path.clone(), row),
        };
        self.ended = matches!(failed, DryRunError::Read { .. });
        Some(Err(failed))
    }
}

fn unread(error: RowError, path: String, row: u64) -> DryRunError {
    match error {
        RowError::Read(source) => DryRunError::Read { path, source },
        RowError::Text(reason) => DryRunError::Event { path, row, source: EventError::Csv(reason) },
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows that are events, and what is said of the others.
    fn read(input: &'static [u8]) -> (Vec<u64>, Vec<String>) {
        let events =
            events_in(Box::new(input), "in".to_owned()).map_or_else(|error| vec![Err(error)], Iterator::collect);
        let (good, bad): (Vec<_>, Vec<_>) = events.into_iter().partition(Result::is_ok);
        let rows = good.into_iter().flatten().map(|event| event.row()).collect();
        (rows, bad.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect())
    }

    #[test]
    fn a_row_that_is_no_event_is_told_and_the_others_are_read() {
        let csv = b"event_time,event_type,user_id,price\n2026-01-01,view,u,1\nnever,view,u,1\n2026-01-01,view,\xff,1\n\
                    2026-01-01,view,u\n2026-01-01,view,u,x\n2026-01-01,\"view\",u,1";
        let (rows, told) = read(csv);
        assert_eq!(rows, [0, 3, 5]);
        assert!(
            told[0].starts_with("in: row 1 is not an event: field event_time is not a time: \"never\""),
            "{told:?}"
        );
        assert!(told[1].starts_with("in: row 2 is not an event: not CSV") && told[1].contains("UTF-8"), "{told:?}");
        assert!(told[2].starts_with("in: row 4 is not an event: field price"), "{told:?}");

        let json = b"\n {\"user_id\": 1, \"event_time\": \"2026-01-01\"}\n\xff\n[]\n\n{\"user_id\": 2, \"event_time\": \"2026-01-01\"}";
        let (rows, told) = read(json);
        assert_eq!(rows, [0, 3]);
        assert!(told[0].starts_with("in: row 1 is not an event: not JSON"), "{told:?}");
        assert!(told[1].starts_with("in: row 2 is not an event: not JSON"), "{told:?}");

        let (rows, told) = read(b"");
        assert!(rows.is_empty() && told[0].contains("has no column event_time"), "{told:?}");
    }
}
