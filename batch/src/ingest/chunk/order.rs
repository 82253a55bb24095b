//! What was read last: lines of an order follow each other, and most of what they say is said again.

use data::cleaning::OrderCheck;
use data::dates::{DateEvidence, DateParts, parse_parts};
use data::{DateFormat, EventTime};

use super::Header;
use crate::ingest::dictionary::same;

/// The fields by which an order's lines are told: invoice, customer, date and country as they stand.
pub type OrderFields<'a> = [&'a [u8]; 4];

/// The order that the line read last is of.
pub struct Order {
    text: Vec<u8>,
    /// End of each field in `text`.
    ends: [usize; 4],
    check: Option<OrderCheck>,
    /// Its codes, and the place of its month among those of the chunk; once a line of it was accepted.
    pub known: Option<(Header, usize)>,
}

impl Order {
    pub const fn none() -> Self {
        Self { text: Vec::new(), ends: [0; 4], check: None, known: None }
    }

    /// What the cleaning rule said of it, if `fields` are those of the same order.
    #[inline]
    pub fn check_of(&self, fields: &OrderFields<'_>) -> Option<OrderCheck> {
        let mut start = 0;
        let same_fields = fields.iter().zip(self.ends).all(|(field, end)| {
            let known = self.text.get(start..end).unwrap_or_default();
            start = end;
            same(known, field)
        });
        self.check.filter(|_| same_fields)
    }

    pub fn begin(&mut self, fields: &OrderFields<'_>, check: OrderCheck) {
        self.text.clear();
        for (end, field) in self.ends.iter_mut().zip(fields) {
            self.text.extend_from_slice(field);
            *end = self.text.len();
        }
        (self.check, self.known) = (Some(check), None);
    }

    pub fn fields(&self) -> OrderFields<'_> {
        let mut start = 0;
        self.ends.map(|end| self.text.get(std::mem::replace(&mut start, end)..end).unwrap_or_default())
    }
}

/// The date read last.
#[derive(Default)]
pub struct DateMemo {
    text: Vec<u8>,
    parts: Option<DateParts>,
    time: Option<EventTime>,
    /// What one line with this date adds to the evidence, and how many lines more have it.
    one: DateEvidence,
    repeats: u64,
    started: bool,
}

impl DateMemo {
    pub fn read(&mut self, text: &[u8], format: &DateFormat, evidence: &mut DateEvidence) -> Option<EventTime> {
        if self.started && same(&self.text, text) {
            self.repeat();
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

    /// Takes in one line more with the date read last.
    #[inline]
    pub const fn repeat(&mut self) {
        self.repeats += 1;
    }

    pub fn flush(&mut self, evidence: &mut DateEvidence) {
        evidence.add_times(&self.one, self.repeats);
        self.repeats = 0;
    }
}
