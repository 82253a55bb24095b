//! Records and fields of delimited text (RFC 4180), found 64 bytes at a time.
//!
//! A quote opens a field only as its first byte; elsewhere it stands for itself. A quoted field that does not
//! close, or whose closing quote is followed by more text, makes its physical line malformed, and only that line.

use memchr::memchr;
use wide::u8x16;

/// Longest quoted field; a longer one counts as unclosed.
pub const MAX_QUOTED: usize = 1 << 20;
const BLOCK: usize = 64;

/// Where a field's bytes are: in the text, or, where [`UNESCAPED`] is set, in the scratch buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

/// Set in a span's start. No text is that long.
const UNESCAPED: u32 = 1 << 31;

#[expect(clippy::cast_possible_truncation, reason = "a text is a chunk, far below 2 GiB")]
impl Span {
    const fn of(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    const fn unescaped(start: usize, end: usize) -> Self {
        Self { start: start as u32 | UNESCAPED, end: end as u32 }
    }
}

/// The fields of the record read last; reused from record to record.
#[derive(Debug, Default)]
pub struct Fields {
    /// The first `count` are the record's; there is room for [`BLOCK`] more.
    spans: Vec<Span>,
    count: usize,
    scratch: Vec<u8>,
    quoted: bool,
}

impl Fields {
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The field at `index`; empty when the record has fewer.
    #[inline]
    #[must_use]
    pub fn get<'a>(&'a self, text: &'a [u8], index: usize) -> &'a [u8] {
        self.of(text).get(index)
    }

    /// The record's fields in `text`.
    #[inline]
    #[must_use]
    pub fn of<'a>(&'a self, text: &'a [u8]) -> Record<'a> {
        Record { text, scratch: &self.scratch, spans: self.spans.get(..self.count).unwrap_or_default() }
    }

    /// Whether a field of the record is quoted: only then it may hold line ends.
    #[must_use]
    pub const fn quoted(&self) -> bool {
        self.quoted
    }

    fn clear(&mut self) {
        self.count = 0;
        self.quoted = false;
        self.scratch.clear();
    }

    #[inline]
    fn push(&mut self, span: Span) {
        self.make_room();
        if let Some(slot) = self.spans.get_mut(self.count) {
            *slot = span;
            self.count += 1;
        }
    }

    #[inline]
    fn make_room(&mut self) {
        if self.spans.len() < self.count + BLOCK {
            self.spans.resize(2 * (self.count + BLOCK), Span::default());
        }
    }
}

/// The fields of one record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    text: &'a [u8],
    scratch: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Record<'a> {
    /// The field at `index`; empty when the record has fewer.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> &'a [u8] {
        let Some(Span { start, end }) = self.spans.get(index) else { return b"" };
        let bytes = if start & UNESCAPED == 0 { self.text } else { self.scratch };
        bytes.get((start & !UNESCAPED) as usize..*end as usize).unwrap_or_default()
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
    delimiter_lanes: u8x16,
    /// Whether nothing follows the text: its last line may lack a line end.
    last: bool,
    next: usize,
    block: usize,
    /// The block's delimiters that are not looked at yet: a bit for each.
    delimiters: u64,
    /// Its line ends and quotes, likewise.
    others: u64,
}

impl<'a> Scanner<'a> {
    #[must_use]
    pub fn new(text: &'a [u8], delimiter: u8, last: bool) -> Self {
        let delimiter_lanes = u8x16::splat(delimiter);
        let mut scanner = Self { text, delimiter, delimiter_lanes, last, next: 0, block: 0, delimiters: 0, others: 0 };
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
        if start >= self.text.len() {
            return Step::End;
        }
        let mut field_start = start;
        loop {
            let stop = self.others.trailing_zeros();
            field_start = self.fields_before(stop, field_start, fields);
            if stop == u64::BITS {
                if self.next_block() {
                    continue;
                }
                break;
            }
            self.others &= self.others - 1;
            let at = self.block + stop as usize;
            if self.text.get(at) == Some(&b'\n') {
                return self.end_record(start, field_start, at, fields);
            }
            if at != field_start {
                continue;
            }
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
        if self.last {
            self.end_record(start, field_start, self.text.len(), fields)
        } else {
            Step::Incomplete { start }
        }
    }

    /// Takes the block's fields that end before bit `stop`; where the next one begins.
    #[inline]
    fn fields_before(&mut self, stop: u32, mut field_start: usize, fields: &mut Fields) -> usize {
        let behind = u64::MAX.checked_shl(stop).unwrap_or(0);
        let mut delimiters = self.delimiters & !behind;
        self.delimiters &= behind;
        fields.make_room();
        let mut count = fields.count;
        let spans = fields.spans.as_mut_slice();
        while delimiters != 0 {
            let at = self.block + delimiters.trailing_zeros() as usize;
            let Some(slot) = spans.get_mut(count) else { break };
            *slot = Span::of(field_start, at);
            count += 1;
            field_start = at + 1;
            delimiters &= delimiters - 1;
        }
        fields.count = count;
        field_start
    }

    #[inline]
    fn end_record(&mut self, start: usize, field_start: usize, at: usize, fields: &mut Fields) -> Step {
        self.next = at + 1;
        let end = self.without_return(start, at);
        if start == end {
            return Step::Blank;
        }
        fields.push(Span::of(field_start, end.max(field_start)));
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
                Span::unescaped(scratch_start, fields.scratch.len())
            } else {
                Span::of(open + 1, close)
            };
            fields.push(span);
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

    /// Goes on to the next block, if there is one.
    #[inline]
    fn next_block(&mut self) -> bool {
        self.block += BLOCK;
        let more = self.block < self.text.len();
        if more {
            (self.delimiters, self.others) = self.hits_at(self.block);
        }
        more
    }

    fn seek(&mut self, position: usize) {
        self.block = position & !(BLOCK - 1);
        let (delimiters, others) = self.hits_at(self.block);
        let ahead = u64::MAX << (position & (BLOCK - 1));
        (self.delimiters, self.others) = (delimiters & ahead, others & ahead);
    }

    #[inline]
    fn hits_at(&self, block: usize) -> (u64, u64) {
        match self.text.get(block..block + BLOCK).and_then(|bytes| <&[u8; BLOCK]>::try_from(bytes).ok()) {
            Some(bytes) => hit_mask(bytes, self.delimiter_lanes),
            None => {
                let mut padded = [0; BLOCK];
                let rest = self.text.get(block..).unwrap_or_default();
                padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                hit_mask(&padded, self.delimiter_lanes)
            }
        }
    }
}

enum Quoted {
    Field { end: usize },
    Open,
    Malformed,
}

/// A bit for each byte that is a delimiter, and one for each that is a line end or a quote.
#[inline]
fn hit_mask(bytes: &[u8; BLOCK], delimiter: u8x16) -> (u64, u64) {
    let (newline, quote) = (u8x16::splat(b'\n'), u8x16::splat(b'"'));
    let (lanes, _) = bytes.as_chunks::<16>();
    let (delimiters, others) = lanes.iter().rev().fold((0, 0), |(delimiters, others), lane| {
        let lane = u8x16::from(*lane);
        let other = lane.simd_eq(newline) | lane.simd_eq(quote);
        let join = |mask: u64, hits: u8x16| mask << 16 | u64::from(hits.to_bitmask());
        (join(delimiters, lane.simd_eq(delimiter)), join(others, other))
    });
    // A quote that delimits quotes nothing.
    (delimiters, others & !delimiters)
}

#[cfg(test)]
mod tests;
