//! Clicks from a file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use crate::error::{DryRunError, EventError};
use crate::event::{CLICK_TEXTS, Event, Field, Topic};
use crate::loose::Loose;
use crate::rows::{BUFFER, RowError, Rows};

/// What the ids of events without one begin with.
const ROW: &str = "row-";

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
    let begin = match begin(&mut input) {
        Ok(begin) => begin,
        Err(source) => return Err(DryRunError::Read { path: name, source }),
    };
    let is_json = begin == b"{";
    let input: Box<dyn BufRead> = Box::new(Cursor::new(begin).chain(input));
    let events: Events =
        if is_json { Box::new(json_events(input, name)) } else { Box::new(CsvEvents::open(input, name)?) };
    // Nothing comes behind what cannot be read at all.
    let mut ended = false;
    Ok(Box::new(events.take_while(move |event| {
        let goes_on = !ended;
        ended = matches!(event, Err(DryRunError::Read { .. }));
        goes_on
    })))
}

/// The first byte that is not blank, behind what some programs write before a text in UTF-8; byte by byte, since a pipe may have no
/// more yet. Nothing, if there is none.
fn begin(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut begin = Vec::new();
    for byte in input.bytes() {
        begin.push(byte?);
        match begin.as_slice() {
            [0xef] | [0xef, 0xbb] => {}
            [0xef, 0xbb, 0xbf] => begin.clear(),
            [byte] if byte.is_ascii_whitespace() => begin.clear(),
            _ => break,
        }
    }
    Ok(begin)
}

/// Events, or why a row is none.
pub type Events = Box<dyn Iterator<Item = Result<Event, DryRunError>>>;

fn json_events(input: Box<dyn BufRead>, path: String) -> impl Iterator<Item = Result<Event, DryRunError>> {
    let lines = input.split(b'\n').filter(|line| !line.as_ref().is_ok_and(|line| line.trim_ascii().is_empty()));
    (0..).zip(lines).map(move |(row, line)| {
        let line = line.map_err(|source| DryRunError::Read { path: path.clone(), source })?;
        let event = Event::from_json(Topic::Clickstream, &line, &format!("{ROW}{row}"), row);
        event.map_err(|source| DryRunError::Event { path: path.clone(), row, source })
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
}

impl CsvEvents {
    fn open(input: Box<dyn BufRead>, path: String) -> Result<Self, DryRunError> {
        let mut rows = Rows::new(input);
        match rows.advance() {
            Ok(_) => {}
            Err(RowError::Read(source)) => return Err(DryRunError::Read { path, source }),
            Err(RowError::Text(reason)) => return Err(DryRunError::Header { path, reason }),
        }
        let header: Vec<&str> = rows.iter().map(str::trim).collect();
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
        Ok(Self { rows, texts, price, time, id: ROW.to_owned(), path, row: 0 })
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
        let row = self.row;
        self.row += 1;
        match self.rows.advance() {
            Ok(true) => {
                let event = self.read(row);
                Some(event.map_err(|source| DryRunError::Event { path: self.path.clone(), row, source }))
            }
            Ok(false) => None,
            Err(RowError::Read(source)) => Some(Err(DryRunError::Read { path: self.path.clone(), source })),
            Err(RowError::Text(reason)) => {
                Some(Err(DryRunError::Event { path: self.path.clone(), row, source: EventError::Csv(reason) }))
            }
        }
    }
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

        let json = b"\xef\xbb\xbf\n {\"user_id\": 1, \"event_time\": \"2026-01-01\"}\n\xff\n[]\n\n{\"user_id\": 2, \"event_time\": \"2026-01-01\"}";
        let (rows, told) = read(json);
        assert_eq!(rows, [0, 3]);
        assert!(told[0].starts_with("in: row 1 is not an event: not JSON"), "{told:?}");
        assert!(told[1].starts_with("in: row 2 is not an event: not JSON"), "{told:?}");

        let (rows, told) =
            read(b"event_time,event_type,user_id\n2026-01-01,view,u\n2026-01-01,\"view,u\n2026-01-01,view,u\n");
        assert_eq!(rows, [0]);
        assert!(told[0].starts_with("in: row 1 is not an event") && told[0].contains("never closed"), "{told:?}");

        let (rows, told) = read(b"");
        assert!(rows.is_empty() && told[0].contains("has no column event_time"), "{told:?}");
    }
}
