//! One chunk of a text: its records, cleaned and sorted into months.

use std::collections::BTreeMap;
use std::sync::Arc;

use data::dates::{DateEvidence, DateParts, parse_parts};
use data::numbers::trimmed;
use data::time::Month;
use data::{DateFormat, EventTime, OrderLine, RawLine, Reason, Rules};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::dictionary::{Code, Dictionary, same};
use crate::csv::columns::Column;
use crate::csv::dialect::{Encoding, Layout};
use crate::csv::scanner::{Fields, Record, Scanner, Step};

const TYPICAL_LINE_BYTES: usize = 96;
const TYPICAL_ORDER_LINES: usize = 16;
/// Products that room is made for at first.
const MOST_PRODUCTS: usize = 4096;

/// The texts of a chunk's accepted lines, in UTF-8.
#[derive(Debug, Default)]
pub struct Texts {
    pub invoice: Dictionary,
    pub stock_code: Dictionary,
    pub description: Dictionary,
    pub customer_id: Dictionary,
    pub country: Dictionary,
}

impl Texts {
    /// With room for what a chunk usually holds, so that the tables do not grow again and again.
    fn with_capacity(lines: usize) -> Self {
        let orders = Dictionary::with_capacity(lines / TYPICAL_ORDER_LINES);
        let products = Dictionary::with_capacity(lines.min(MOST_PRODUCTS));
        Self {
            invoice: orders.clone(),
            stock_code: products.clone(),
            description: products,
            customer_id: orders,
            ..Self::default()
        }
    }
}

/// What an order's lines share. In most files they follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub invoice: Code,
    pub customer_id: Code,
    pub country: Code,
    /// UTC microseconds.
    pub ordered_at: i64,
}

/// Accepted lines of one month, column by column; texts are codes of the chunk's [`Texts`].
#[derive(Debug, Default)]
pub struct Rows {
    /// Each with the number of lines below it.
    pub headers: Vec<(Header, u32)>,
    pub stock_code: Vec<Code>,
    pub description: Vec<Code>,
    pub quantity: Vec<i64>,
    /// Ten-thousandths of the currency unit.
    pub unit_price: Vec<i64>,
    /// Physical line within the chunk, from 0.
    pub line: Vec<u32>,
}

impl Rows {
    fn with_capacity(rows: usize) -> Self {
        Self {
            headers: Vec::with_capacity(rows / TYPICAL_ORDER_LINES),
            stock_code: Vec::with_capacity(rows),
            description: Vec::with_capacity(rows),
            quantity: Vec::with_capacity(rows),
            unit_price: Vec::with_capacity(rows),
            line: Vec::with_capacity(rows),
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.line.len()
    }

    #[inline]
    fn put_below(&mut self, header: Header) {
        match self.headers.last_mut() {
            Some((last, lines)) if *last == header => *lines += 1,
            _ => self.headers.push((header, 1)),
        }
    }
}

/// Refused lines.
#[derive(Debug, Default)]
pub struct Refused {
    /// Each line's text behind its length in four bytes: Parquet's `PLAIN`.
    pub raw: Vec<u8>,
    pub line: Vec<u32>,
    pub reason: Vec<Reason>,
}

impl Refused {
    fn with_capacity(bytes: usize) -> Self {
        let lines = bytes / TYPICAL_LINE_BYTES;
        Self { raw: Vec::with_capacity(bytes), line: Vec::with_capacity(lines), reason: Vec::with_capacity(lines) }
    }

    #[inline]
    fn push(&mut self, text: &[u8], line: u32, reason: Reason) {
        #[expect(clippy::cast_possible_truncation, reason = "a line is at most 64 MiB")]
        self.raw.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.raw.extend_from_slice(text);
        self.line.push(line);
        self.reason.push(reason);
    }
}

/// Lines by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub accepted: u64,
    /// By [`Reason::index`].
    pub rejected: [u64; Reason::ALL.len()],
    pub blank: u64,
}

impl Counts {
    /// Order lines read: the accepted and the rejected ones.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.accepted + self.rejected.iter().sum::<u64>()
    }

    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.blank += other.blank;
        self.rejected.iter_mut().zip(&other.rejected).for_each(|(sum, count)| *sum += count);
    }

    /// Rejected lines by the name of their reason; reasons without lines are left out.
    #[must_use]
    pub fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        let counted = Reason::ALL.into_iter().zip(self.rejected);
        counted.filter(|(_, lines)| *lines > 0).map(|(reason, lines)| (reason.name(), lines)).collect()
    }

    /// From a count and a JSON object as [`Counts::by_reason`] makes.
    ///
    /// # Errors
    /// When `rejected` is no such object.
    pub fn from_json(accepted: u64, rejected: &str) -> Result<Self, serde_json::Error> {
        let by_name: BTreeMap<String, u64> = serde_json::from_str(rejected)?;
        let rejected = Reason::ALL.map(|reason| by_name.get(reason.name()).copied().unwrap_or(0));
        Ok(Self { accepted, rejected, blank: 0 })
    }

    pub fn reject(&mut self, reason: Reason) {
        if let Some(count) = self.rejected.get_mut(reason.index()) {
            *count += 1;
        }
    }
}

/// What a chunk held.
#[derive(Debug, Default)]
pub struct Parsed {
    pub texts: Arc<Texts>,
    pub months: Vec<(Month, Rows)>,
    pub refused: Refused,
    pub counts: Counts,
    pub dates: DateEvidence,
    /// Lines that are not UTF-8.
    pub not_utf8: u64,
    /// Physical lines, complete ones.
    pub lines: u32,
    /// Where the record begins that the chunk cuts off.
    pub tail: Option<usize>,
    /// Smallest hashes of invoices: see `ingest::fingerprint`.
    pub invoice_hashes: Vec<u64>,
}

/// Reads and cleans every record of `text`; `last` when the source ends with it.
#[must_use]
pub fn parse(text: &[u8], last: bool, layout: &Layout, rules: &Rules) -> Parsed {
    let mut parser = Parser::new(text, layout, rules);
    let mut scanner = Scanner::new(text, layout.delimiter, last);
    let mut fields = Fields::default();
    loop {
        let from = scanner.position();
        match scanner.step(&mut fields) {
            Step::Record { start, end } => parser.record(start, end, &fields),
            Step::Malformed { start, end } => parser.refuse(start, end, Reason::Malformed),
            Step::Blank => parser.parsed.counts.blank += 1,
            Step::Incomplete { start } => return parser.finish(Some(start)),
            Step::End => return parser.finish(None),
        }
        parser.count_lines(from, scanner.position(), fields.quoted());
    }
}

struct Parser<'a> {
    text: &'a [u8],
    layout: &'a Layout,
    rules: &'a Rules,
    positions: Positions,
    texts: Texts,
    parsed: Parsed,
    /// Offsets of lines whose bytes are not text as they stand, ascending.
    foreign: std::vec::IntoIter<usize>,
    next_foreign: Option<usize>,
    date: DateMemo,
    month: MonthMemo,
    /// Description seen last with each stock code.
    descriptions: Vec<Code>,
    last_invoice: Option<(Code, Code)>,
}

struct Positions {
    invoice: usize,
    stock_code: usize,
    description: usize,
    quantity: usize,
    ordered_at: usize,
    unit_price: usize,
    customer_id: usize,
    country: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a [u8], layout: &'a Layout, rules: &'a Rules) -> Self {
        let at = |column| layout.columns.position(column).unwrap_or(usize::MAX);
        let not_utf8 = lines_not_utf8(text);
        let count = not_utf8.len() as u64;
        let foreign = if layout.encoding == Encoding::Windows1252 { lines_not_ascii(text) } else { not_utf8 };
        let mut parser = Self {
            text,
            layout,
            rules,
            positions: Positions {
                invoice: at(Column::Invoice),
                stock_code: at(Column::StockCode),
                description: at(Column::Description),
                quantity: at(Column::Quantity),
                ordered_at: at(Column::OrderedAt),
                unit_price: at(Column::UnitPrice),
                customer_id: at(Column::CustomerId),
                country: at(Column::Country),
            },
            texts: Texts::with_capacity(text.len() / TYPICAL_LINE_BYTES),
            parsed: Parsed { refused: Refused::with_capacity(text.len() / 3), not_utf8: count, ..Parsed::default() },
            foreign: foreign.into_iter(),
            next_foreign: None,
            date: DateMemo::default(),
            month: MonthMemo { expected: text.len() / TYPICAL_LINE_BYTES, ..MonthMemo::default() },
            descriptions: Vec::new(),
            last_invoice: None,
        };
        parser.next_foreign = parser.foreign.next();
        parser
    }

    #[inline]
    fn record(&mut self, start: usize, end: usize, fields: &Fields) {
        if fields.len() != self.layout.columns.fields && !self.fits(fields) {
            return self.refuse(start, end, Reason::Malformed);
        }
        let foreign = self.is_foreign(start, end);
        if foreign && self.layout.encoding == Encoding::Utf8 {
            return self.refuse(start, end, Reason::BadEncoding);
        }
        let record = fields.of(self.text);
        let ordered_at =
            self.date.read(record.get(self.positions.ordered_at), &self.layout.dates, &mut self.parsed.dates);
        let line = RawLine {
            invoice: record.get(self.positions.invoice),
            stock_code: record.get(self.positions.stock_code),
            quantity: record.get(self.positions.quantity),
            unit_price: record.get(self.positions.unit_price),
            customer_id: record.get(self.positions.customer_id),
        };
        match self.rules.clean(&line, ordered_at, self.layout.mark, self.layout.latest) {
            Ok(line) if foreign => self.accept_foreign(&line, &record),
            Ok(line) => {
                let description = trimmed(record.get(self.positions.description));
                self.accept(&line, description, trimmed(record.get(self.positions.country)));
            }
            Err(reason) => self.refuse(start, end, reason),
        }
    }

    /// Accepts a line whose bytes are not text as they stand, value by value.
    #[cold]
    fn accept_foreign(&mut self, line: &OrderLine<'_>, record: &Record<'_>) {
        let text = |bytes| self.layout.encoding.to_utf8(bytes);
        let (invoice, stock_code, customer_id) = (text(line.invoice), text(line.stock_code), text(line.customer_id));
        let description = text(trimmed(record.get(self.positions.description)));
        let country = text(trimmed(record.get(self.positions.country)));
        let line = OrderLine { invoice: &invoice, stock_code: &stock_code, customer_id: &customer_id, ..*line };
        self.accept(&line, &description, &country);
    }

    /// Whether the record's bytes are not text as they stand.
    #[inline]
    fn is_foreign(&mut self, start: usize, end: usize) -> bool {
        // Malformed records leave theirs behind.
        while self.next_foreign.is_some_and(|at| at < start) {
            self.next_foreign = self.foreign.next();
        }
        self.next_foreign.is_some_and(|at| at < end)
    }

    /// More fields than the header are fine when they are empty.
    fn fits(&self, fields: &Fields) -> bool {
        let expected = self.layout.columns.fields;
        fields.len() > expected && (expected..fields.len()).all(|index| fields.get(self.text, index).is_empty())
    }

    #[inline]
    fn accept(&mut self, line: &OrderLine<'_>, description: &[u8], country: &[u8]) {
        let texts = &mut self.texts;
        let invoice = texts.invoice.code(line.invoice);
        let customer_id = texts.customer_id.code(line.customer_id);
        let stock_code = texts.stock_code.code_lately(line.stock_code);
        let guess = self.descriptions.get(stock_code as usize).copied();
        let described = texts.description.code_near(description, guess);
        match self.descriptions.get_mut(stock_code as usize) {
            Some(slot) => *slot = described,
            None => self.descriptions.push(described),
        }
        let country = texts.country.code(country);
        if self.last_invoice != Some((customer_id, invoice)) {
            self.last_invoice = Some((customer_id, invoice));
            self.parsed.invoice_hashes.push(xxh3_64_with_seed(line.invoice, xxh3_64_with_seed(line.customer_id, 0)));
        }
        self.parsed.counts.accepted += 1;
        let number = self.parsed.lines;
        let rows = self.month.rows(line.ordered_at, &mut self.parsed.months);
        rows.put_below(Header { invoice, customer_id, country, ordered_at: line.ordered_at.micros() });
        rows.stock_code.push(stock_code);
        rows.description.push(described);
        rows.quantity.push(line.quantity);
        rows.unit_price.push(line.unit_price.raw());
        rows.line.push(number);
    }

    fn refuse(&mut self, start: usize, end: usize, reason: Reason) {
        let line = self.text.get(start..end).unwrap_or_default();
        if self.is_foreign(start, end) {
            let text = self.layout.encoding.to_utf8(line);
            self.parsed.refused.push(&text, self.parsed.lines, reason);
        } else {
            self.parsed.refused.push(line, self.parsed.lines, reason);
        }
        self.parsed.counts.reject(reason);
    }

    /// Counts the physical lines of the step at `start..position`: one, unless quotes held line ends.
    #[inline]
    fn count_lines(&mut self, start: usize, position: usize, quoted: bool) {
        self.parsed.lines += 1;
        if quoted {
            let step = self.text.get(start..position.min(self.text.len())).unwrap_or_default();
            let inner = step.split_last().map_or(step, |(_, inner)| inner);
            #[expect(clippy::cast_possible_truncation, reason = "a chunk is far below 4 GiB")]
            let more = memchr::memchr_iter(b'\n', inner).count() as u32;
            self.parsed.lines += more;
        }
    }

    fn finish(mut self, tail: Option<usize>) -> Parsed {
        self.date.flush(&mut self.parsed.dates);
        self.parsed.texts = Arc::new(self.texts);
        if let Some(tail) = tail.filter(|_| self.parsed.not_utf8 > 0) {
            self.parsed.not_utf8 = lines_not_utf8(self.text.get(..tail).unwrap_or_default()).len() as u64;
        }
        self.parsed.tail = tail;
        self.parsed
    }
}

/// Offsets at which lines stop being UTF-8: one a line.
fn lines_not_utf8(text: &[u8]) -> Vec<usize> {
    lines_with(text, |rest| std::str::from_utf8(rest).err().map(|error| error.valid_up_to()))
}

/// Offsets at which lines stop being ASCII: one a line.
fn lines_not_ascii(text: &[u8]) -> Vec<usize> {
    lines_with(text, |rest| (!rest.is_ascii()).then(|| rest.iter().position(|byte| !byte.is_ascii())).flatten())
}

/// The first place in each line that `find` finds in the text from there on.
fn lines_with(text: &[u8], find: impl Fn(&[u8]) -> Option<usize>) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(&find).map(|at| from + at) {
        offsets.push(at);
        let rest = text.get(at..).unwrap_or_default();
        from = at + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    }
    offsets
}

/// The date read last: lines of an invoice share theirs.
#[derive(Default)]
struct DateMemo {
    text: Vec<u8>,
    parts: Option<DateParts>,
    time: Option<EventTime>,
    /// What one line with this date adds to the evidence, and how many lines more have it.
    one: DateEvidence,
    repeats: u64,
    started: bool,
}

impl DateMemo {
    #[inline]
    fn read(&mut self, text: &[u8], format: &DateFormat, evidence: &mut DateEvidence) -> Option<EventTime> {
        if self.started && same(&self.text, text) {
            self.repeats += 1;
            return self.time;
        }
        self.flush(evidence);
        let parts = parse_parts(text);
        let before = *evidence;
        evidence.observe(parts, self.parts);
        self.one = evidence.since(&before);
        self.parts = parts.or(self.parts);
        self.time = match format {
            DateFormat::Order(order) => parts.and_then(|parts| parts.at(*order)),
            DateFormat::Pattern(_) => format.parse(text),
        };
        self.text.clear();
        self.text.extend_from_slice(text);
        self.started = true;
        self.time
    }

    fn flush(&mut self, evidence: &mut DateEvidence) {
        evidence.add_times(&self.one, self.repeats);
        self.repeats = 0;
    }
}

/// The month written last, and the time that was of it.
#[derive(Default)]
struct MonthMemo {
    /// Rows that a chunk of one month may have.
    expected: usize,
    at: EventTime,
    index: Option<usize>,
}

impl MonthMemo {
    #[inline]
    #[expect(clippy::expect_used, reason = "the index is that of an entry that is never removed")]
    fn rows<'r>(&mut self, at: EventTime, months: &'r mut Vec<(Month, Rows)>) -> &'r mut Rows {
        let index = match self.index {
            Some(index) if self.at == at => index,
            _ => self.find(at, months),
        };
        &mut months.get_mut(index).expect("a month's rows").1
    }

    fn find(&mut self, at: EventTime, months: &mut Vec<(Month, Rows)>) -> usize {
        let known = self.index.filter(|_| self.at.day() == at.day());
        let index = known.unwrap_or_else(|| {
            let month = at.month();
            months.iter().position(|(known, _)| *known == month).unwrap_or_else(|| {
                // Most chunks are of one month.
                let expected = if months.is_empty() { self.expected } else { 0 };
                months.push((month, Rows::with_capacity(expected)));
                months.len() - 1
            })
        });
        (self.at, self.index) = (at, Some(index));
        index
    }
}

#[cfg(test)]
mod tests;
