//! From records to cleaned rows.

use std::sync::Arc;

use data::cleaning::{self, Figures, OrderCheck};
use data::numbers::trimmed;
use data::time::Month;
use data::{EventTime, Reason, Rules};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::foreign::{Foreign, lines_not_utf8};
use super::order::{DateMemo, Order, OrderFields};
use super::{Header, Parsed, Refused, Rows, TYPICAL_LINE_BYTES, Texts};
use crate::csv::columns::Column;
use crate::csv::dialect::{Encoding, Layout};
use crate::csv::scanner::{Fields, Record};
use crate::ingest::dictionary::Code;

pub struct Parser<'a> {
    text: &'a [u8],
    layout: &'a Layout,
    rules: &'a Rules,
    positions: Positions,
    texts: Texts,
    pub parsed: Parsed,
    foreign: Foreign,
    date: DateMemo,
    order: Order,
    /// Description seen last with each stock code.
    descriptions: Vec<Code>,
    last_invoice: Option<(Code, Code)>,
}

struct Positions {
    /// Of [`OrderFields`].
    order: [usize; 4],
    stock_code: usize,
    description: usize,
    quantity: usize,
    unit_price: usize,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a [u8], layout: &'a Layout, rules: &'a Rules) -> Self {
        let at = |column| layout.columns.position(column).unwrap_or(usize::MAX);
        let foreign = Foreign::of(text, layout.encoding);
        let refused = Refused::with_capacity(text.len() / 3);
        Self {
            text,
            layout,
            rules,
            positions: Positions {
                order: [Column::Invoice, Column::CustomerId, Column::OrderedAt, Column::Country].map(at),
                stock_code: at(Column::StockCode),
                description: at(Column::Description),
                quantity: at(Column::Quantity),
                unit_price: at(Column::UnitPrice),
            },
            texts: Texts::with_capacity(text.len() / TYPICAL_LINE_BYTES),
            parsed: Parsed { refused, not_utf8: foreign.not_utf8, ..Parsed::default() },
            foreign,
            date: DateMemo::default(),
            order: Order::none(),
            descriptions: Vec::new(),
            last_invoice: None,
        }
    }

    /// Takes in the record at `start..end`.
    #[inline]
    pub fn record(&mut self, start: usize, end: usize, fields: &Fields) {
        if fields.len() != self.layout.columns.fields && !self.fits(fields) {
            return self.refuse(start, end, Reason::Malformed);
        }
        let foreign = self.foreign.is_in(start, end);
        if foreign && self.layout.encoding == Encoding::Utf8 {
            return self.refuse(start, end, Reason::BadEncoding);
        }
        let record = fields.of(self.text);
        let order = self.positions.order.map(|position| record.get(position));
        let check = match self.order.check_of(&order) {
            Some(check) => {
                self.date.repeat();
                check
            }
            None => self.begin_order(&order),
        };
        let Positions { stock_code, quantity, unit_price, .. } = self.positions;
        let (quantity, unit_price) = (record.get(quantity), record.get(unit_price));
        match self.rules.check_line(&check, record.get(stock_code), quantity, unit_price, self.layout.mark) {
            Ok(figures) => {
                if !self.parsed.marks.told {
                    self.parsed.marks.told = self.layout.mark.is_told_by(unit_price);
                }
                self.accept(&figures, &record, foreign);
            }
            Err(reason) => {
                if reason == Reason::BadPrice {
                    self.parsed.marks.other += u64::from(self.layout.mark.other().is_told_by(unit_price));
                }
                self.refuse(start, end, reason);
            }
        }
    }

    /// More fields than the header are fine when they are empty.
    fn fits(&self, fields: &Fields) -> bool {
        let expected = self.layout.columns.fields;
        fields.len() > expected && (expected..fields.len()).all(|index| fields.get(self.text, index).is_empty())
    }

    #[inline(never)]
    fn begin_order(&mut self, fields: &OrderFields<'_>) -> OrderCheck {
        let [invoice, customer_id, date, _] = fields;
        let ordered_at = self.date.read(date, &self.layout.dates, &mut self.parsed.dates);
        self.parsed.dated |= ordered_at.is_some();
        let check = self.rules.check_order(invoice, customer_id, ordered_at, self.layout.latest);
        self.order.begin(fields, check);
        check
    }

    #[inline]
    #[expect(clippy::expect_used, reason = "the place is that of a month that is never removed")]
    fn accept(&mut self, figures: &Figures, record: &Record<'_>, foreign: bool) {
        let (header, month) = match self.order.known {
            Some(known) => known,
            None => self.begin_header(figures.ordered_at),
        };
        let stock_code = trimmed(record.get(self.positions.stock_code));
        let description = trimmed(record.get(self.positions.description));
        let (stock_code, description) = if foreign {
            let encoding = self.layout.encoding;
            self.product(&encoding.to_utf8(stock_code), &encoding.to_utf8(description))
        } else {
            self.product(stock_code, description)
        };
        self.parsed.counts.accepted += 1;
        let line = self.parsed.lines;
        let (_, rows) = self.parsed.months.get_mut(month).expect("a month's rows");
        rows.put_below(header);
        rows.stock_code.push(stock_code);
        rows.description.push(description);
        rows.quantity.push(figures.quantity);
        rows.unit_price.push(figures.unit_price.raw());
        rows.line.push(line);
    }

    /// Codes of the order that the line is of, and the place of its month.
    #[inline(never)]
    fn begin_header(&mut self, at: EventTime) -> (Header, usize) {
        let [invoice, customer_id, _, country] = self.order.fields();
        let text = |bytes| self.layout.encoding.to_utf8(bytes);
        let (invoice, country) = (text(trimmed(invoice)), text(trimmed(country)));
        let customer_id = text(cleaning::customer_id(customer_id).unwrap_or_default());
        let invoice_hash = xxh3_64_with_seed(&invoice, xxh3_64_with_seed(&customer_id, 0));
        let header = Header {
            invoice: self.texts.invoice.code(&invoice),
            customer_id: self.texts.customer_id.code(&customer_id),
            country: self.texts.country.code(&country),
            ordered_at: at.micros(),
        };
        if self.last_invoice != Some((header.customer_id, header.invoice)) {
            self.last_invoice = Some((header.customer_id, header.invoice));
            self.parsed.invoice_hashes.push(invoice_hash);
        }
        let known = (header, self.month(at.month()));
        self.order.known = Some(known);
        known
    }

    fn month(&mut self, month: Month) -> usize {
        let months = &mut self.parsed.months;
        months.iter().position(|(known, _)| *known == month).unwrap_or_else(|| {
            // Most chunks are of one month.
            let expected = if months.is_empty() { self.text.len() / TYPICAL_LINE_BYTES } else { 0 };
            months.push((month, Rows::with_capacity(expected)));
            months.len() - 1
        })
    }

    #[inline]
    fn product(&mut self, stock_code: &[u8], description: &[u8]) -> (Code, Code) {
        let stock_code = self.texts.stock_code.code_lately(stock_code);
        let guess = self.descriptions.get(stock_code as usize).copied();
        let description = self.texts.description.code_near(description, guess);
        match self.descriptions.get_mut(stock_code as usize) {
            Some(slot) => *slot = description,
            None => self.descriptions.push(description),
        }
        (stock_code, description)
    }

    pub fn refuse(&mut self, start: usize, end: usize, reason: Reason) {
        let line = self.text.get(start..end).unwrap_or_default();
        if self.foreign.is_in(start, end) {
            let text = self.layout.encoding.to_utf8(line);
            self.parsed.refused.push(&text, self.parsed.lines, reason);
        } else {
            self.parsed.refused.push(line, self.parsed.lines, reason);
        }
        self.parsed.counts.reject(reason);
    }

    /// Counts the physical lines of the step at `start..position`: one, unless quotes held line ends.
    #[inline]
    pub fn count_lines(&mut self, start: usize, position: usize, quoted: bool) {
        self.parsed.lines += 1;
        if quoted {
            let step = self.text.get(start..position.min(self.text.len())).unwrap_or_default();
            let inner = step.split_last().map_or(step, |(_, inner)| inner);
            #[expect(clippy::cast_possible_truncation, reason = "a chunk is far below 4 GiB")]
            let more = memchr::memchr_iter(b'\n', inner).count() as u32;
            self.parsed.lines += more;
        }
    }

    /// Chunks wait until there are enough of their lines: what was made room for and is not there must not wait with them.
    fn give_back_room(&mut self) {
        self.parsed.refused.shrink();
        self.parsed.months.iter_mut().for_each(|(_, rows)| rows.shrink());
        self.texts.shrink();
    }

    /// What was taken in, where the record at `tail` is cut off.
    pub fn finish(mut self, tail: Option<usize>) -> Parsed {
        self.date.flush(&mut self.parsed.dates);
        self.give_back_room();
        self.parsed.texts = Arc::new(self.texts);
        if let Some(tail) = tail.filter(|_| self.parsed.not_utf8 > 0) {
            self.parsed.not_utf8 = lines_not_utf8(self.text.get(..tail).unwrap_or_default()).len() as u64;
        }
        self.parsed.tail = tail;
        self.parsed
    }
}
