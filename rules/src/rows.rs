//! Rows of a CSV file. Most files of clicks have no quotes, and a line without any is its fields with commas between them; from
//! the first line that has one the `csv` crate reads on.

use std::io::{self, BufRead, Cursor, Read};

use memchr::{memchr, memchr_iter, memchr2};

/// Bytes that are read at once.
pub const BUFFER: usize = 1 << 16;

/// Put behind the end, so that it is seen whether a quote was open there.
const END: &str = "\u{1}end\u{1}";

/// Why there is no row.
pub enum RowError {
    /// Of the system: there is no other row either.
    Read(io::Error),
    /// This row is no UTF-8, or ends in quotes.
    Text(String),
}

/// Reads row by row; a row has as many fields as it has.
pub struct Rows {
    source: Source,
}

enum Source {
    Plain(Plain),
    Quoted {
        reader: csv::Reader<Box<dyn Read>>,
        record: csv::StringRecord,
    },
    /// All was read.
    End,
}

struct Plain {
    input: Box<dyn BufRead>,
    line: String,
    /// Where the fields of the line end.
    ends: Vec<usize>,
}

/// What a line is.
enum Line {
    Plain,
    /// `csv` has to read it, and what follows.
    Quoted(Vec<u8>),
    End,
}

impl Rows {
    pub fn new(input: Box<dyn BufRead>) -> Self {
        Self { source: Source::Plain(Plain { input, line: String::new(), ends: Vec::new() }) }
    }

    /// Goes to the next row; false at the end.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub fn advance(&mut self) -> Result<bool, RowError> {
        if let Source::Plain(plain) = &mut self.source {
            match plain.read()? {
                Line::Plain => return Ok(true),
                Line::End => self.source = Source::End,
                Line::Quoted(line) => self.quoted(line),
            }
        }
        let Source::Quoted { reader, record } = &mut self.source else { return Ok(false) };
        match reader.read_record(record) {
            Ok(true) if record.iter().eq([END]) => {
                self.source = Source::End;
                Ok(false)
            }
            Ok(true) if record.iter().next_back().is_some_and(|last| last.ends_with(END)) => {
                self.source = Source::End;
                Err(RowError::Text("a quote is opened and never closed: all that follows is in it".to_owned()))
            }
            Ok(more) => Ok(more),
            Err(error) => Err(match error.into_kind() {
                csv::ErrorKind::Io(error) => RowError::Read(error),
                // Its lines are counted from where it began.
                csv::ErrorKind::Utf8 { err, .. } => no_text(err.field()),
                error => RowError::Text(format!("{error:?}")),
            }),
        }
    }

    /// A field of the row, from 0.
    pub fn get(&self, field: usize) -> Option<&str> {
        match &self.source {
            Source::Plain(plain) => plain.get(field),
            Source::Quoted { record, .. } => record.get(field),
            Source::End => None,
        }
    }

    /// The fields of the row.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..).map_while(|field| self.get(field))
    }

    fn quoted(&mut self, line: Vec<u8>) {
        let Source::Plain(plain) = std::mem::replace(&mut self.source, Source::End) else { return };
        let mut builder = csv::ReaderBuilder::new();
        builder.flexible(true).has_headers(false).buffer_capacity(BUFFER);
        let input = Cursor::new(line).chain(plain.input).chain(Cursor::new(format!("\n{END}")));
        let reader = builder.from_reader(Box::new(input) as Box<dyn Read>);
        self.source = Source::Quoted { reader, record: csv::StringRecord::new() };
    }
}

fn no_text(field: usize) -> RowError {
    RowError::Text(format!("invalid UTF-8 in field {field}"))
}

impl Plain {
    fn read(&mut self) -> Result<Line, RowError> {
        let mut bytes = std::mem::take(&mut self.line).into_bytes();
        loop {
            bytes.clear();
            self.read_line(&mut bytes).map_err(RowError::Read)?;
            if bytes.is_empty() {
                return Ok(Line::End);
            }
            let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if memchr2(b'"', b'\r', text).is_some() {
                return Ok(Line::Quoted(bytes));
            }
            if !text.is_empty() {
                self.ends.clear();
                self.ends.extend(memchr_iter(b',', text));
                self.ends.push(text.len());
                break;
            }
        }
        self.line = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            no_text(self.ends.partition_point(|&end| end < good))
        })?;
        Ok(Line::Plain)
    }

    /// As `read_until`, which does not search by vectors.
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let read = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let end = memchr(b'\n', read).map(|end| end + 1);
            let taken = end.unwrap_or(read.len());
            line.extend_from_slice(read.get(..taken).unwrap_or_default());
            self.input.consume(taken);
            if end.is_some() || taken == 0 {
                return Ok(());
            }
        }
    }

    fn get(&self, field: usize) -> Option<&str> {
        let end = *self.ends.get(field)?;
        let start = field.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |before| before + 1);
        self.line.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read, row by row; of a row that is no text, nothing.
    fn rows(input: Vec<u8>) -> Vec<Option<Vec<String>>> {
        let mut rows = Rows::new(Box::new(Cursor::new(input)));
        std::iter::from_fn(|| match rows.advance() {
            Ok(more) => more.then(|| Some(rows.iter().map(str::to_owned).collect())),
            Err(_) => Some(None),
        })
        .collect()
    }

    proptest! {
        #[test]
        fn rows_are_those_of_csv(
            parts in prop::collection::vec(prop::sample::select(vec![
                "a", "bc", ",", ",", "\n", "\n", "\r\n", "\r", "\"", "\"\"", "\",\"", " ", "é", "27\" screen",
            ]), 0..24),
            broken in prop::option::of(0..40_usize),
        ) {
            let mut input = parts.concat().into_bytes();
            if let Some(byte) = broken.and_then(|place| input.get_mut(place)) {
                *byte = 0xff;
            }
            let mut csv = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(input.as_slice());
            let mut of_csv: Vec<_> =
                csv.records().map(|row| row.ok().map(|row| row.iter().map(str::to_owned).collect::<Vec<_>>())).collect();
            let mut rows = rows(input);
            // What ends in quotes is refused.
            if rows.len() == of_csv.len() && rows.last().is_some_and(Option::is_none) {
                rows.pop();
                of_csv.pop();
            }
            prop_assert_eq!(rows, of_csv);
        }
    }
}
