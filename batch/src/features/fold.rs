//! Lines folded by customer.

use data::lake::SourceRow;
use data::merge::{CustomerHash, InvoiceHash};
use data::{EventTime, Money};

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
}

impl Default for Totals {
    fn default() -> Self {
        Self { monetary: 0, first: i64::MAX, last: i64::MIN, country: 0 }
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
            self.invoices.add(invoice, customer);
        });
    }

    fn count_archived(&mut self, sources: &Texts) {
        let mut lines = sources.map(|_| 0);
        sources.runs.iter().for_each(|(code, times)| lines[*code as usize] += u64::from(*times));
        for (source, lines) in sources.map(|source| String::from_utf8_lossy(source).into_owned()).into_iter().zip(lines)
        {
            if lines > 0 && source.starts_with(SourceRow::TOPIC) {
                *self.archived.entry(source).or_default() += lines;
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
        let theirs = other.invoices.entries.into_iter();
        self.invoices.entries.extend(theirs.map(|(invoice, customer)| (invoice, renumbered[customer as usize])));
        self.invoices.settle();
    }

    /// To be called when all lines were added, on the thread that did so.
    pub fn settle(&mut self) {
        self.invoices.settle();
    }

    /// Customers with a purchase, sorted by id; `None` when the revenue leaves 18 digits.
    pub fn finish(self) -> Option<Customers> {
        let mut counts = vec![0; self.ids.len()];
        self.invoices.entries.iter().for_each(|(_, customer)| counts[*customer as usize] += 1);
        let order = self.by_id();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut customers = Customers { lines: self.lines, archived: self.archived, ..Customers::default() };
        let mut revenue = Money::ZERO;
        for code in order {
            let totals = self.totals[code as usize];
            let monetary = Money::from_raw(i64::try_from(totals.monetary).ok()?);
            let invoices = counts[code as usize];
            if invoices == 0 {
                customers.netted.push((text(self.ids.get(code)), monetary));
                continue;
            }
            revenue = revenue.checked_add(monetary)?;
            customers.id.push(text(self.ids.get(code)));
            customers.frequency.push(invoices);
            customers.monetary.push(monetary);
            customers.first_order_at.push(EventTime::from_micros(totals.first));
            customers.last_order_at.push(EventTime::from_micros(totals.last));
            customers.country.push(text(self.countries.get(totals.country)));
        }
        customers.invoices = self.invoices.entries.into_iter().map(|(invoice, _)| invoice).collect();
        Some(customers)
    }

    /// Codes of customers, sorted by id.
    fn by_id(&self) -> impl Iterator<Item = u32> + use<> {
        // Most ids differ in their first bytes, and those compare as one number.
        let beginning = |id: &[u8]| {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
            u64::from_be_bytes(bytes)
        };
        #[expect(clippy::cast_possible_truncation, reason = "codes are 32-bit")]
        let mut order: Vec<(u64, u32)> =
            self.ids.values().enumerate().map(|(code, id)| (beginning(id), code as u32)).collect();
        order.sort_unstable_by(|one, other| {
            one.0.cmp(&other.0).then_with(|| self.ids.get(one.1).cmp(self.ids.get(other.1)))
        });
        order.into_iter().map(|(_, code)| code)
    }
}

/// The distinct invoices of each customer: 16 bytes an invoice, twice that before some are found to be the same.
#[derive(Debug, Default)]
struct Invoices {
    entries: Vec<(InvoiceHash, u32)>,
    /// So many of them are sorted, and each is there once.
    settled: usize,
}

impl Invoices {
    const FEW: usize = 1 << 16;

    #[inline]
    fn add(&mut self, invoice: InvoiceHash, customer: u32) {
        let entry = (invoice, customer);
        if self.entries.last() == Some(&entry) {
            return;
        }
        // Memory must grow with invoices, not with lines, whatever the order of the lines.
        if self.entries.len() >= Self::FEW.max(2 * self.settled) {
            self.settle();
        }
        self.entries.push(entry);
    }

    fn settle(&mut self) {
        // The stable sort merges what is sorted already.
        self.entries.sort();
        self.entries.dedup();
        self.settled = self.entries.len();
    }
}
