//! One chunk of a text: its records, cleaned and sorted into months.

mod foreign;
mod order;
mod parser;

use std::collections::BTreeMap;
use std::sync::Arc;

use data::time::Month;
use data::{DateEvidence, Reason, Rules};

use self::parser::Parser;
use super::dictionary::{Code, Dictionary};
use crate::csv::dialect::Layout;
use crate::csv::scanner::{Fields, Scanner, Step};

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
        let orders = || Dictionary::with_capacity(lines / TYPICAL_ORDER_LINES);
        let products = || Dictionary::with_capacity(lines.min(MOST_PRODUCTS));
        Self {
            invoice: orders(),
            stock_code: products(),
            description: products(),
            customer_id: orders(),
            country: Dictionary::default(),
        }
    }

    fn shrink(&mut self) {
        let Self { invoice, stock_code, description, customer_id, country } = self;
        [invoice, stock_code, description, customer_id, country].into_iter().for_each(Dictionary::shrink);
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

    fn shrink(&mut self) {
        let Self { headers, stock_code, description, quantity, unit_price, line } = self;
        headers.shrink_to_fit();
        [stock_code, description, line].into_iter().for_each(Vec::shrink_to_fit);
        [quantity, unit_price].into_iter().for_each(Vec::shrink_to_fit);
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

    fn shrink(&mut self) {
        let Self { raw, line, reason } = self;
        raw.shrink_to_fit();
        line.shrink_to_fit();
        reason.shrink_to_fit();
    }

    #[inline]
    fn push(&mut self, text: &[u8], line: u32, reason: Reason) {
        #[expect(clippy::cast_possible_truncation, reason = "a record is at most 128 MiB")]
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

    /// Lines rejected for `reason`.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        self.rejected.get(reason.index()).copied().unwrap_or(0)
    }

    pub fn reject(&mut self, reason: Reason) {
        if let Some(count) = self.rejected.get_mut(reason.index()) {
            *count += 1;
        }
    }
}

/// What prices say about the decimal mark. Evidence of parts adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Whether an accepted price can be read with the layout's mark alone.
    pub told: bool,
    /// Lines refused for a price that can be read with the other mark alone.
    pub other: u64,
}

impl Marks {
    pub const fn add(&mut self, other: &Self) {
        self.told |= other.told;
        self.other += other.other;
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
    /// Whether a date could be read by the layout's format.
    pub dated: bool,
    /// Lines that are not UTF-8.
    pub not_utf8: u64,
    pub marks: Marks,
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

#[cfg(test)]
mod tests;
