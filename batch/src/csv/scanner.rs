//! Records and fields of delimited text (RFC 4180), found 64 bytes at a time.
//!
//! A quote opens a field only as its first byte; elsewhere it stands for itself. A quoted field that does not
//! close, or whose closing quote is followed by more text, makes its physical line malformed, and only that line.

use memchr::memchr;
use wide::u8x16;

/// Longest quoted field; a longer one counts as unclosed.
pub const MAX_QUOTED: usize = 1 << 20;
const BLOCK: usize = 64;

/// Where a field's bytes are: in the text, or unescaped in the scratch buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
    unescaped: bool,
}

/// The fields of the record read last; reused from record to record.
#[derive(Debug, Default)]
pub struct Fields {
    spans: Vec<Span>,
    scratch: Vec<u8>,
    quoted: bool,
}

impl Fields {
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The field at `index`; empty when the record has fewer.
    #[inline]
    #[must_use]
    pub fn get<'a>(&'a self, text: &'a [u8], index: usize) -> &'a [u8] {
        let Some(span) = self.spans.get(index) else { return b"" };
        let bytes = if span.unescaped { &self.scratch } else { text };
        bytes.get(span.start..span.end).unwrap_or_default()
    }

    /// Whether a field of the record is quoted: only then it may hold line ends.
    #[must_use]
    pub const fn quoted(&self) -> bool {
        self.quoted
    }

    fn clear(&mut self) {
        self.quoted = false;
        self.spans.clear();
        self.scratch.clear();
    }
}

/// One step of the scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A record at `start..end` of the text, line end excluded; its fields are in [`Fields`].
    Record {
        start: usize,
        end: usize,
    },
    /// A physical line at `start..end` whose quotes make no sense.
    Malformed {
        start: usize,
        end: usize,
    },
    /// A blank line.
    Blank,
    /// The text ends inside the record that begins at `start`; more text may complete it.
    Incomplete {
        start: usize,
    },
    End,
}

/// A cursor over text that begins at a record's first byte.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a [u8],
    delimiter: u8,
    /// Whether nothing follows the text: its last line may lack a line end.
    last: bool,
    next: usize,
    block: usize,
    /// Bytes of the block that are not looked at yet, and matter: a bit for each.
    hits: u64,
    /// Those of the block's that are no delimiters.
    others: u64,
}

impl<'a> Scanner<'a> {
    #[must_use]
    pub fn new(text: &'a [u8], delimiter: u8, last: bool) -> Self {
        let mut scanner = Self { text, delimiter, last, next: 0, block: 0, hits: 0, others: 0 };
        scanner.seek(0);
        scanner
    }

    /// Offset of the next record.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.next
    }

    /// Reads the next record into `fields`.
    #[inline]
    pub fn step(&mut self, fields: &mut Fields) -> Step {
        fields.clear();
        let start = self.next;
        let mut field_start = start;
        if start >= self.text.len() {
            return Step::End;
        }
        while let Some((at, is_delimiter)) = self.next_hit() {
            if is_delimiter {
                fields.spans.push(Span { start: field_start, end: at, unescaped: false });
                field_start = at + 1;
                continue;
            }
            match self.text.get(at) {
                Some(b'\n') => return self.end_record(start, field_start, at, fields),
                _ => {
                    if at == field_start {
                        fields.quoted = true;
                        match self.quoted_field(at, fields) {
                            Quoted::Field { end } => match self.text.get(end) {
                                Some(&byte) if byte == self.delimiter => {
                                    field_start = end + 1;
                                    self.seek(field_start);
                                }
                                Some(b'\n' | b'\r') => return self.end_quoted_record(start, end),
                                _ => return self.end_quoted_record(start, self.text.len()),
                            },
                            Quoted::Open => return Step::Incomplete { start },
                            Quoted::Malformed => return self.malformed(start),
                        }
                    }
                }
            }
        }
        if self.last {
            self.end_record(start, field_start, self.text.len(), fields)
        } else {
            Step::Incomplete { start }
        }
    }

    #[inline]
    fn end_record(&mut self, start: usize, field_start: usize, at: usize, fields: &mut Fields) -> Step {
        self.next = at + 1;
        let end = self.without_return(start, at);
        if start == end {
            return Step::Blank;
        }
        fields.spans.push(Span { start: field_start, end: end.max(field_start), unescaped: false });
        Step::Record { start, end }
    }

    /// Ends the record behind a closing quote, at a line end or at the end of the text.
    fn end_quoted_record(&mut self, start: usize, end: usize) -> Step {
        let line_end = memchr(b'\n', self.text.get(end..).unwrap_or_default()).map_or(self.text.len(), |at| end + at);
        self.next = line_end + 1;
        self.seek(self.next);
        Step::Record { start, end }
    }

    fn malformed(&mut self, start: usize) -> Step {
        let rest = self.text.get(start..).unwrap_or_default();
        let at = memchr(b'\n', rest).map_or(self.text.len(), |at| start + at);
        self.next = at + 1;
        self.seek(self.next);
        Step::Malformed { start, end: self.without_return(start, at) }
    }

    fn without_return(&self, start: usize, end: usize) -> usize {
        let ends_with_return = end > start && self.text.get(end - 1) == Some(&b'\r');
        end - usize::from(ends_with_return)
    }

    /// Reads the field whose opening quote is at `open`.
    fn quoted_field(&self, open: usize, fields: &mut Fields) -> Quoted {
        let limit = self.text.len().min(open + MAX_QUOTED);
        let scratch_start = fields.scratch.len();
        let mut from = open + 1;
        let mut unescaped = false;
        loop {
            let Some(close) = memchr(b'"', self.text.get(from..limit).unwrap_or_default()).map(|at| from + at) else {
                let may_close_later = !self.last && limit == self.text.len();
                return if may_close_later { Quoted::Open } else { Quoted::Malformed };
            };
            if self.text.get(close + 1) == Some(&b'"') {
                fields.scratch.extend_from_slice(self.text.get(from..=close).unwrap_or_default());
                unescaped = true;
                from = close + 2;
                continue;
            }
            let span = if unescaped {
                fields.scratch.extend_from_slice(self.text.get(from..close).unwrap_or_default());
                Span { start: scratch_start, end: fields.scratch.len(), unescaped }
            } else {
                Span { start: open + 1, end: close, unescaped }
            };
            fields.spans.push(span);
            return self.after_closing_quote(close + 1);
        }
    }

    fn after_closing_quote(&self, end: usize) -> Quoted {
        match self.text.get(end) {
            Some(&byte) if byte == self.delimiter || byte == b'\n' => Quoted::Field { end },
            Some(b'\r') => match self.text.get(end + 1) {
                Some(b'\n') => Quoted::Field { end },
                None if self.last => Quoted::Field { end },
                None => Quoted::Open,
                Some(_) => Quoted::Malformed,
            },
            None if self.last => Quoted::Field { end },
            None => Quoted::Open,
            Some(_) => Quoted::Malformed,
        }
    }

    /// The next delimiter, line end or quote, and whether it is a delimiter.
    #[inline]
    fn next_hit(&mut self) -> Option<(usize, bool)> {
        while self.hits == 0 {
            self.block += BLOCK;
            if self.block >= self.text.len() {
                return None;
            }
            (self.hits, self.others) = self.hits_at(self.block);
        }
        let place = self.hits.trailing_zeros();
        self.hits &= self.hits - 1;
        Some((self.block + place as usize, self.others >> place & 1 == 0))
    }

    fn seek(&mut self, position: usize) {
        self.block = position & !(BLOCK - 1);
        (self.hits, self.others) = self.hits_at(self.block);
        self.hits &= u64::MAX << (position & (BLOCK - 1));
    }

    #[inline]
    fn hits_at(&self, block: usize) -> (u64, u64) {
        match self.text.get(block..block + BLOCK).and_then(|bytes| <&[u8; BLOCK]>::try_from(bytes).ok()) {
            Some(bytes) => hit_mask(bytes, self.delimiter),
            None => {
                let mut padded = [0; BLOCK];
                let rest = self.text.get(block..).unwrap_or_default();
                padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                hit_mask(&padded, self.delimiter)
            }
        }
    }
}

enum Quoted {
    Field { end: usize },
    Open,
    Malformed,
}

/// A bit for each byte that is a delimiter, a line end or a quote, and one for each that is one of the latter two.
#[inline]
fn hit_mask(bytes: &[u8; BLOCK], delimiter: u8) -> (u64, u64) {
    let (delimiter, newline, quote) = (u8x16::splat(delimiter), u8x16::splat(b'\n'), u8x16::splat(b'"'));
    let (lanes, _) = bytes.as_chunks::<16>();
    let (delimiters, others) = lanes.iter().rev().fold((0, 0), |(delimiters, others), lane| {
        let lane = u8x16::from(*lane);
        let other = lane.simd_eq(newline) | lane.simd_eq(quote);
        let join = |mask: u64, hits: u8x16| mask << 16 | u64::from(hits.to_bitmask());
        (join(delimiters, lane.simd_eq(delimiter)), join(others, other))
    });
    // A quote that delimits quotes nothing.
    (delimiters | others, others & !delimiters)
}

#[cfg(test)]
mod tests;
