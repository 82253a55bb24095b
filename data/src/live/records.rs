//! Files of delimited records, line by line: compression found by first bytes, quotes over lines.
//!
//! A line whose quotes do not close within 100 lines, or that has another number of fields than the
//! header, is unreadable alone: reading goes on at the next.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use encoding_rs::WINDOWS_1252;
use flate2::read::MultiGzDecoder;

use super::error::{Error, Result};

const DELIMITERS: [u8; 4] = *b",;\t|";
/// Physical lines that one record may take.
const MOST_LINES: usize = 100;
const BUFFER: usize = 1 << 18;

/// An open file behind its header.
pub struct Records {
    path: String,
    lines: Lines,
    delimiter: u8,
    /// The header's.
    pub names: Vec<String>,
    /// Fields that no line has fewer of.
    pub least_fields: usize,
    record: Record,
    read: Arc<AtomicU64>,
    length: u64,
    unreadable: Unreadable,
}

/// Lines that are no records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unreadable {
    pub lines: u64,
    /// The number of the first of them; the header is line 1.
    pub first: Option<u64>,
}

impl Records {
    /// Opens `path` and reads its header with the delimiter under which `known` says most.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Content`] when it is empty.
    pub fn open(path: &Path, known: impl Fn(&[String]) -> usize) -> Result<Self> {
        let shown = path.display().to_string();
        let failed = |source| Error::Read { path: shown.clone(), source };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner: file, read: Arc::clone(&read) };
        let mut lines = Lines::new(decoded(counted).map_err(failed)?);
        if !lines.take().map_err(failed)? {
            let reason = "is empty; it needs at least a header line".to_owned();
            return Err(Error::Content { path: shown, reason });
        }
        let (delimiter, names) = header(lines.line(), known);
        Ok(Self {
            path: shown,
            lines,
            delimiter,
            least_fields: names.len(),
            names,
            record: Record::default(),
            read,
            length,
            unreadable: Unreadable::default(),
        })
    }

    /// An error about what the file holds.
    #[must_use]
    pub fn wrong(&self, reason: String) -> Error {
        Error::Content { path: self.path.clone(), reason }
    }

    /// Reads on to the next record; `false` at the end. Blank lines are none, unreadable ones are counted.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn advance(&mut self) -> Result<bool> {
        loop {
            match self.step() {
                Ok(Step::Record) => return Ok(true),
                Ok(Step::End) => return Ok(false),
                Ok(Step::Unreadable { line }) => {
                    self.unreadable.lines += 1;
                    self.unreadable.first.get_or_insert(line);
                }
                Err(source) => return Err(Error::Read { path: self.path.clone(), source }),
            }
        }
    }

    /// A field of the current record, trimmed; empty when it has not so many.
    #[must_use]
    pub fn get(&self, index: usize) -> &[u8] {
        self.record.get(index).trim_ascii()
    }

    /// The same as text: UTF-8, or else Windows-1252.
    #[must_use]
    pub fn text(&self, index: usize) -> Cow<'_, str> {
        let bytes = self.get(index);
        match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
        }
    }

    /// The line of the current record; the header is line 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.lines.number
    }

    #[must_use]
    pub const fn unreadable(&self) -> Unreadable {
        self.unreadable
    }

    /// How much of the file is read, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "for a progress bar")]
    #[must_use]
    pub fn share(&self) -> f64 {
        self.read.load(Ordering::Relaxed) as f64 / self.length.max(1) as f64
    }

    fn step(&mut self) -> io::Result<Step> {
        if !self.lines.take()? {
            return Ok(Step::End);
        }
        let line = self.lines.number;
        let mut shape = self.record.split(self.lines.line(), self.delimiter);
        let mut ahead = 0;
        while shape == Shape::Open && ahead < MOST_LINES && self.lines.look(ahead)? {
            ahead += 1;
            shape = self.record.split(&self.lines.joined(ahead), self.delimiter);
        }
        let fits = (self.least_fields..=self.names.len()).contains(&self.record.fields.len());
        if shape != Shape::Whole || !fits {
            return Ok(Step::Unreadable { line });
        }
        self.lines.skip(ahead);
        Ok(Step::Record)
    }
}

enum Step {
    Record,
    Unreadable { line: u64 },
    End,
}

/// Delimiter and names of a header line.
fn header(line: &[u8], known: impl Fn(&[String]) -> usize) -> (u8, Vec<String>) {
    let read = |delimiter| {
        let mut record = Record::default();
        record.split(line, delimiter);
        let name = |index| String::from_utf8_lossy(record.get(index).trim_ascii()).into_owned();
        (delimiter, (0..record.fields.len()).map(name).collect::<Vec<_>>())
    };
    let most = DELIMITERS.map(read).into_iter().rev();
    most.max_by_key(|(_, names)| (known(names), names.len())).unwrap_or((b',', Vec::new()))
}

/// The fields of a record, without their quotes.
#[derive(Debug, Default)]
struct Record {
    text: Vec<u8>,
    fields: Vec<Range<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Whole,
    /// A quote does not close.
    Open,
    /// Text follows a closing quote.
    Broken,
}

impl Record {
    fn get(&self, index: usize) -> &[u8] {
        self.fields.get(index).and_then(|range| self.text.get(range.clone())).unwrap_or_default()
    }

    fn split(&mut self, line: &[u8], delimiter: u8) -> Shape {
        self.text.clear();
        self.fields.clear();
        let mut rest = line;
        loop {
            let start = self.text.len();
            let taken = match rest.split_first() {
                Some((b'"', quoted)) => self.take_quoted(quoted),
                _ => {
                    let end = rest.iter().position(|&byte| byte == delimiter).unwrap_or(rest.len());
                    let (field, behind) = rest.split_at(end);
                    self.text.extend_from_slice(field);
                    Some(behind)
                }
            };
            self.fields.push(start..self.text.len());
            match taken.map(<[u8]>::split_first) {
                None => return Shape::Open,
                Some(None) => return Shape::Whole,
                Some(Some((&byte, behind))) if byte == delimiter => rest = behind,
                Some(Some(_)) => return Shape::Broken,
            }
        }
    }

    /// Takes a field behind its opening quote; what follows the closing one, `None` if there is none.
    fn take_quoted<'a>(&mut self, mut rest: &'a [u8]) -> Option<&'a [u8]> {
        loop {
            let end = rest.iter().position(|&byte| byte == b'"')?;
            self.text.extend_from_slice(rest.get(..end)?);
            rest = rest.get(end + 1..)?;
            match rest.split_first() {
                Some((b'"', behind)) => {
                    self.text.push(b'"');
                    rest = behind;
                }
                _ => return Some(rest),
            }
        }
    }
}

/// Physical lines that are not blank, with a look ahead.
struct Lines {
    reader: Box<dyn BufRead>,
    current: Vec<u8>,
    /// Read already, with their numbers.
    ahead: VecDeque<(u64, Vec<u8>)>,
    /// Of the current line.
    number: u64,
    read: u64,
}

impl Lines {
    fn new(reader: Box<dyn BufRead>) -> Self {
        Self { reader, current: Vec::new(), ahead: VecDeque::new(), number: 0, read: 0 }
    }

    fn line(&self) -> &[u8] {
        &self.current
    }

    /// Makes the next line the current one; `false` at the end.
    fn take(&mut self) -> io::Result<bool> {
        if let Some((number, line)) = self.ahead.pop_front() {
            (self.number, self.current) = (number, line);
            return Ok(true);
        }
        let mut line = std::mem::take(&mut self.current);
        let found = self.read_into(&mut line)?;
        (self.number, self.current) = (self.read, line);
        Ok(found)
    }

    /// Whether there are `index + 1` lines behind the current one.
    fn look(&mut self, index: usize) -> io::Result<bool> {
        while self.ahead.len() <= index {
            let mut line = Vec::new();
            if !self.read_into(&mut line)? {
                return Ok(false);
            }
            self.ahead.push_back((self.read, line));
        }
        Ok(true)
    }

    /// The current line and `more` behind it.
    fn joined(&self, more: usize) -> Vec<u8> {
        let mut joined = self.current.clone();
        for (_, line) in self.ahead.iter().take(more) {
            joined.push(b'\n');
            joined.extend_from_slice(line);
        }
        joined
    }

    /// Leaves out `count` lines that were looked at.
    fn skip(&mut self, count: usize) {
        self.ahead.drain(..count.min(self.ahead.len()));
    }

    fn read_into(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            line.clear();
            if self.reader.read_until(b'\n', line)? == 0 {
                return Ok(false);
            }
            self.read += 1;
            if self.read == 1 && line.starts_with(b"\xEF\xBB\xBF") {
                line.drain(..3);
            }
            while matches!(line.last(), Some(b'\n' | b'\r')) {
                line.pop();
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(true);
            }
        }
    }
}

/// Counts what is read of the file, compressed or not.
struct Counted {
    inner: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(u64::try_from(count).unwrap_or_default(), Ordering::Relaxed);
        Ok(count)
    }
}

/// What `file` holds, unpacked if its first bytes are those of gzip or zstd.
///
/// # Errors
/// Of the system.
pub fn decoded(mut file: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut begin = Vec::new();
    (&mut file).take(4).read_to_end(&mut begin)?;
    let (is_gzip, is_zstd) = (begin.starts_with(b"\x1f\x8b"), begin == b"\x28\xb5\x2f\xfd");
    let file = Cursor::new(begin).chain(file);
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file)))
    } else if is_zstd {
        Box::new(BufReader::with_capacity(BUFFER, zstd::Decoder::new(file)?))
    } else {
        Box::new(BufReader::with_capacity(BUFFER, file))
    })
}
