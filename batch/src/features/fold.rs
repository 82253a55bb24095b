//! Lines folded by customer.

use data::lake::SourceRow;
use data::merge::{CustomerHash, InvoiceHash};
use data::{EventTime, Money};
use hashbrown::HashTable;

use super::Customers;
use super::lines::{Lines, Texts};
use crate::ingest::Dictionary;
use crate::topics;

#[derive(Clone, Copy, Debug)]
struct Totals {
    monetary: i128,
    first: i64,
    last: i64,
    country: u32,
    invoices: i64,
}

impl Default for Totals {
    fn default() -> Self {
        Self { monetary: 0, first: i64::MAX, last: i64::MIN, country: 0, invoices: 0 }
    }
}

/// Lines folded by customer, as one thread saw them.
#[derive(Debug, Default)]
pub struct Fold {
    ids: Dictionary,
    countries: Dictionary,
    totals: Vec<Totals>,
    /// By customer.
    hashes: Vec<CustomerHash>,
    invoices: Invoices,
    lines: u64,
    archived: topics::Lines,
}

#[expect(clippy::indexing_slicing, reason = "hot loop; codes are bounded by the dictionaries they come from")]
#[expect(clippy::cast_sign_loss, reason = "dictionary keys of valid values are not negative")]
impl Fold {
    pub fn add(&mut self, lines: &Lines) {
        let customer_of = lines.customer_id.map(|id| self.ids.code(id));
        let country_of = lines.country.map(|name| self.countries.code(name));
        self.make_room();
        self.lines += lines.rows as u64;
        if let Some(source) = &lines.source {
            self.count_archived(source);
        }
        lines.each_span(|span, amounts| {
            let customer = customer_of[span.customer_id as usize];
            let totals = &mut self.totals[customer as usize];
            totals.monetary += amounts.iter().map(|amount| i128::from(*amount)).sum::<i128>();
            // A netted cancellation is no purchase.
            if !amounts.iter().any(|amount| *amount > 0) {
                return;
            }
            totals.first = totals.first.min(span.ordered_at);
            if span.ordered_at >= totals.last {
                let country = country_of[span.country as usize];
                let newer =
                    span.ordered_at > totals.last || self.countries.get(country) < self.countries.get(totals.country);
                totals.last = span.ordered_at;
                if newer {
                    totals.country = country;
                }
            }
            let invoice = self.hashes[customer as usize].invoice(lines.invoice.get(span.invoice));
            if self.invoices.insert(customer, invoice) {
                totals.invoices += 1;
            }
        });
    }

    fn count_archived(&mut self, sources: &Texts) {
        for (code, lines) in &sources.runs {
            let source = String::from_utf8_lossy(sources.get(*code));
            if source.starts_with(SourceRow::TOPIC) {
                *self.archived.entry(source.into_owned()).or_default() += u64::from(*lines);
            }
        }
    }

    /// Makes a row for every customer that has an id.
    fn make_room(&mut self) {
        self.totals.resize(self.ids.len(), Totals::default());
        #[expect(clippy::cast_possible_truncation, reason = "codes are 32-bit")]
        let new = self.hashes.len() as u32..self.ids.len() as u32;
        self.hashes.extend(new.map(|code| CustomerHash::of(self.ids.get(code))));
    }

    /// Takes in what another thread saw.
    pub fn merge(&mut self, other: Self) {
        #[expect(clippy::cast_possible_truncation, reason = "codes are 32-bit")]
        let renumbered: Vec<u32> = (0..other.ids.len()).map(|code| self.ids.code(other.ids.get(code as u32))).collect();
        self.make_room();
        self.lines += other.lines;
        for (source, lines) in other.archived {
            *self.archived.entry(source).or_default() += lines;
        }
        for (theirs, &customer) in other.totals.iter().zip(&renumbered) {
            let country = self.countries.code(other.countries.get(theirs.country));
            let ours = &mut self.totals[customer as usize];
            ours.monetary += theirs.monetary;
            ours.first = ours.first.min(theirs.first);
            if theirs.last > ours.last
                || theirs.last == ours.last && self.countries.get(country) < self.countries.get(ours.country)
            {
                (ours.last, ours.country) = (theirs.last, country);
            }
        }
        self.invoices.reserve(other.invoices.0.len());
        for (customer, invoice) in other.invoices.0 {
            let customer = renumbered[customer as usize];
            if self.invoices.insert(customer, invoice) {
                self.totals[customer as usize].invoices += 1;
            }
        }
    }

    /// Customers with a purchase, sorted by id; `None` when the revenue leaves 18 digits.
    pub fn finish(self) -> Option<Customers> {
        #[expect(clippy::cast_possible_truncation, reason = "codes are 32-bit")]
        let mut order: Vec<u32> = (0..self.ids.len() as u32).collect();
        order.sort_unstable_by(|one, other| self.ids.get(*one).cmp(self.ids.get(*other)));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut customers = Customers { lines: self.lines, archived: self.archived, ..Customers::default() };
        let mut revenue = Money::ZERO;
        for code in order {
            let totals = self.totals[code as usize];
            let monetary = Money::from_raw(i64::try_from(totals.monetary).ok()?);
            if totals.invoices == 0 {
                customers.netted.push((text(self.ids.get(code)), monetary));
                continue;
            }
            revenue = revenue.checked_add(monetary)?;
            customers.id.push(text(self.ids.get(code)));
            customers.frequency.push(totals.invoices);
            customers.monetary.push(monetary);
            customers.first_order_at.push(EventTime::from_micros(totals.first));
            customers.last_order_at.push(EventTime::from_micros(totals.last));
            customers.country.push(text(self.countries.get(totals.country)));
        }
        customers.invoices = self.invoices.0.into_iter().map(|(_, invoice)| invoice).collect();
        customers.invoices.sort_unstable();
        Some(customers)
    }
}

/// The distinct invoices of each customer: 16 bytes an invoice. They find one another by their own hash.
#[derive(Debug, Default)]
struct Invoices(HashTable<(u32, InvoiceHash)>);

impl Invoices {
    /// So that entries of another such table, which come in the order of their hashes, do not crowd together.
    fn reserve(&mut self, more: usize) {
        self.0.reserve(more, |known| known.1.0);
    }

    /// Whether the invoice is new.
    fn insert(&mut self, customer: u32, invoice: InvoiceHash) -> bool {
        let entry = (customer, invoice);
        match self.0.entry(invoice.0, |known| *known == entry, |known| known.1.0) {
            hashbrown::hash_table::Entry::Occupied(_) => false,
            hashbrown::hash_table::Entry::Vacant(slot) => {
                slot.insert(entry);
                true
            }
        }
    }
}
