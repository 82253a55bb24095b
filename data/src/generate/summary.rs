//! What a generated file holds, counted while it is written.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::calendar::{Date, Moment};
use super::csv::Written;
use super::dirt::DirtKind;
use super::line::Line;
use super::options::Options;
use crate::{Money, Reason};

/// The reasons that generated lines can have, in the order in which the cleaning rule asks.
const REASONS: [Reason; 9] = [
    Reason::Malformed,
    Reason::Cancellation,
    Reason::Adjustment,
    Reason::MissingCustomer,
    Reason::BadQuantity,
    Reason::NonPositiveQuantity,
    Reason::BadPrice,
    Reason::NonPositivePrice,
    Reason::BadDate,
];

/// What the default cleaning rule must find in the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub seed: u64,
    pub from: Date,
    pub to: Date,
    pub encoding: &'static str,
    /// Order lines, without the header.
    pub lines: u64,
    /// Different invoices, whatever becomes of them.
    pub invoices: u64,
    /// Uncompressed size.
    pub bytes: u64,
    pub accepted: Accepted,
    /// Lines by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Lines that are, byte for byte, the line before them; accepted like others.
    pub duplicate_lines: u64,
    /// Lines made dirty on purpose.
    pub dirty_lines: u64,
    /// The same by what was done to them.
    pub dirty: BTreeMap<&'static str, u64>,
}

/// The accepted lines in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Accepted {
    pub lines: u64,
    pub customers: u64,
    pub invoices: u64,
    pub revenue: Money,
    pub first_order_at: Option<Moment>,
    pub last_order_at: Option<Moment>,
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Counts lines in the order of the file. Its memory is one byte a customer.
#[derive(Debug)]
pub struct Tally {
    lines: u64,
    invoices: u64,
    accepted: Accepted,
    rejected: [u64; Reason::ALL.len()],
    dirty: [u64; DirtKind::ALL.len()],
    last_invoice: u64,
    last_accepted_invoice: u64,
    seen: Vec<bool>,
}

impl Tally {
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            lines: 0,
            invoices: 0,
            accepted: Accepted::default(),
            rejected: [0; Reason::ALL.len()],
            dirty: [0; DirtKind::ALL.len()],
            last_invoice: 0,
            last_accepted_invoice: 0,
            seen: vec![false; usize::try_from(options.customers).unwrap_or_default()],
        }
    }

    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    #[must_use]
    pub const fn invoices(&self) -> u64 {
        self.invoices
    }

    pub fn count(&mut self, line: &Line) {
        self.lines += 1;
        self.invoices += u64::from(line.invoice != self.last_invoice);
        self.last_invoice = line.invoice;
        if let Some(count) = line.dirt.and_then(|dirt| self.dirty.get_mut(dirt.kind.index())) {
            *count += 1;
        }
        match line.reason() {
            None => self.accept(line),
            Some(reason) => self.rejected.iter_mut().skip(reason.index()).take(1).for_each(|count| *count += 1),
        }
    }

    fn accept(&mut self, line: &Line) {
        let accepted = &mut self.accepted;
        accepted.lines += 1;
        accepted.invoices += u64::from(line.invoice != self.last_accepted_invoice);
        self.last_accepted_invoice = line.invoice;
        accepted.revenue += line.unit_price.times(line.quantity).unwrap_or_default();
        accepted.first_order_at.get_or_insert(line.ordered_at);
        accepted.last_order_at = Some(line.ordered_at);
        let seen = line.customer.and_then(|customer| self.seen.get_mut(usize::try_from(customer.0).ok()?));
        if let Some(seen) = seen {
            accepted.customers += u64::from(!*seen);
            *seen = true;
        }
    }

    #[must_use]
    pub fn finish(self, options: &Options, written: Written) -> Summary {
        Summary {
            seed: options.seed,
            from: options.from,
            to: options.to,
            encoding: options.encoding.name(),
            lines: self.lines,
            invoices: self.invoices,
            bytes: written.bytes,
            accepted: self.accepted,
            rejected: REASONS
                .iter()
                .map(|reason| (reason.name(), self.rejected.get(reason.index()).copied().unwrap_or_default()))
                .collect(),
            duplicate_lines: written.duplicates,
            dirty_lines: self.dirty.iter().sum(),
            dirty: DirtKind::ALL
                .iter()
                .zip(self.dirty)
                .filter(|(_, count)| *count > 0)
                .map(|(kind, count)| (kind.name(), count))
                .collect(),
        }
    }
}
