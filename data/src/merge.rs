//! How the two views meet: what a batch run counted, plus the contributions that no publication covers yet (L-1, L-2, L-4).
//!
//! `merge(base, suffix)` equals what a batch run over every line accepted so far computes. Everything here is
//! integers, minima, maxima and set membership, so it depends neither on the order of lines nor on who adds them up.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{EventTime, Money};

/// Recency's, frequency's and monetary's raw material for one customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Distinct invoices with a purchase.
    pub frequency: u64,
    /// Purchases less netted cancellations.
    pub monetary: Money,
    /// First and last purchase; `None` as long as there is none.
    pub span: Option<Span>,
}

/// The first and the last of some moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first: EventTime,
    pub last: EventTime,
}

impl Span {
    #[must_use]
    pub const fn at(time: EventTime) -> Self {
        Self { first: time, last: time }
    }

    /// The least span that holds both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

impl Totals {
    /// Recency in calendar days to `reference`, frequency and monetary, as the model takes them; `None` for a
    /// customer without a purchase, who has no recency and is in no segment.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "days and invoice counts are far below 2^53")]
    pub fn features(&self, reference: EventTime) -> Option<[f64; 3]> {
        let span = self.span?;
        Some([span.last.days_before(reference) as f64, self.frequency as f64, self.monetary.to_f64()])
    }

    /// Adds one order line, or several folded ones; `new_invoice` is whether no line of its invoice was counted before.
    pub fn add(&mut self, amount: Money, purchased: Option<Span>, new_invoice: bool) {
        self.monetary += amount;
        if let Some(span) = purchased {
            self.span = Some(self.span.map_or(span, |own| own.join(span)));
            self.frequency += u64::from(new_invoice);
        }
    }
}

/// Identifies an invoice of a customer, in 64 bits: two of them are taken for one with probability 2^-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvoiceHash(pub u64);

impl InvoiceHash {
    #[must_use]
    pub fn of(customer_id: &[u8], invoice: &[u8]) -> Self {
        CustomerHash::of(customer_id).invoice(invoice)
    }
}

/// A customer's part in [`InvoiceHash`], to be hashed once for many invoices.
#[derive(Clone, Copy, Debug)]
pub struct CustomerHash(u64);

impl CustomerHash {
    #[must_use]
    pub fn of(customer_id: &[u8]) -> Self {
        Self(xxh3_64(customer_id))
    }

    /// [`InvoiceHash::of`] this customer and `invoice`.
    #[inline]
    #[must_use]
    pub fn invoice(self, invoice: &[u8]) -> InvoiceHash {
        InvoiceHash(xxh3_64_with_seed(invoice, self.0))
    }
}

/// What one customer's lines of one invoice in one cell of one partition add up to.
///
/// A *cell* is a run of offsets of a partition of the topic `orders` that is archived as a whole, so that a
/// publication covers all of it or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// Of the topic `orders`.
    pub partition: u32,
    /// First offset of the cell.
    pub cell: i64,
    /// Offset of the last line folded in.
    pub through: i64,
    pub invoice: InvoiceHash,
    pub amount: Money,
    /// `None` for a netted cancellation, which is no purchase.
    pub purchased: Option<Span>,
}

/// What a publication says about one customer.
#[derive(Clone, Copy, Debug)]
pub struct BaseOf<'a> {
    /// Zero for a customer that the publication does not know.
    pub totals: Totals,
    /// By partition: the first offset of the topic `orders` that the publication does not cover; a missing one is 0.
    pub covered: &'a [i64],
    /// Every invoice that the publication counted.
    pub invoices: &'a InvoiceSet,
}

impl BaseOf<'_> {
    /// Whether the publication counted what `contribution` holds.
    #[must_use]
    pub fn covers(&self, contribution: &Contribution) -> bool {
        covers(self.covered, contribution.partition, contribution.cell)
    }
}

/// Whether a publication that covers `covered` covers the line at `offset` of `partition`.
#[must_use]
pub fn covers(covered: &[i64], partition: u32, offset: i64) -> bool {
    covered.get(partition as usize).is_some_and(|next| offset < *next)
}

/// The merged view of one customer.
#[must_use]
pub fn merge(base: &BaseOf<'_>, suffix: &[Contribution]) -> Totals {
    let mut totals = base.totals;
    for (index, contribution) in suffix.iter().enumerate() {
        if base.covers(contribution) {
            continue;
        }
        let counted = base.invoices.contains(contribution.invoice)
            || suffix.iter().take(index).any(|earlier| {
                earlier.invoice == contribution.invoice && earlier.purchased.is_some() && !base.covers(earlier)
            });
        totals.add(contribution.amount, contribution.purchased, !counted);
    }
    totals
}

/// The invoices that a publication counted: a sorted table, 8 bytes each.
#[derive(Clone, Debug, Default)]
pub struct InvoiceSet(Vec<u64>);

impl InvoiceSet {
    #[must_use]
    pub fn new(mut hashes: Vec<u64>) -> Self {
        if !hashes.is_sorted() {
            hashes.sort_unstable();
        }
        Self(hashes)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hashes are uniform, so the place of one follows from its value, give or take a few.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "both bounds are kept within the table by the loop's conditions")]
    pub fn contains(&self, invoice: InvoiceHash) -> bool {
        let wanted = invoice.0;
        let (mut low, mut high) = (0, self.0.len());
        let (mut least, mut most) = (0, u64::MAX);
        // Interpolation converges in a few steps on uniform values; halving bounds the rest.
        for step in 0.. {
            if low >= high {
                return false;
            }
            let width = high - low;
            let place = if step < 8 {
                let share = u128::from(wanted - least) * width as u128 / (u128::from(most - least) + 1);
                low + share as usize
            } else {
                low + width / 2
            };
            let found = self.0[place];
            match found.cmp(&wanted) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => (low, least) = (place + 1, found),
                std::cmp::Ordering::Greater => (high, most) = (place, found),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
