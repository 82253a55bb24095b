//! Everything accepted so far, added up plainly: one line after the other, an invoice known by its text.

use std::collections::{HashMap, HashSet};

use compact_str::CompactString;
use data::{EventTime, Money};
use foldhash::fast::FixedState;

/// Every customer's sums.
#[derive(Debug, Default)]
pub struct Accepted {
    places: HashMap<CompactString, u32, FixedState>,
    sums: Vec<Sums>,
    /// Invoices with a purchase, by place of their customer.
    invoices: HashSet<(u32, CompactString), FixedState>,
    /// The customer and the invoice of the line before: lines of an invoice mostly follow one another.
    last: Option<(CompactString, u32, CompactString)>,
}

/// One customer's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Distinct invoices with a purchase.
    pub invoices: u64,
    /// Ten-thousandths of the currency unit.
    pub amount: i128,
    /// The first and the last purchase.
    pub span: Option<(EventTime, EventTime)>,
}

impl Accepted {
    /// Counts a line; one with an amount below zero, a netted cancellation, is no purchase.
    pub fn count(&mut self, customer: &str, invoice: &str, amount: Money, at: EventTime) {
        let (place, same_invoice) = match &self.last {
            Some((last, place, last_invoice)) if last == customer => (*place, last_invoice == invoice),
            _ => (self.place(customer), false),
        };
        let purchase = amount > Money::ZERO;
        let is_new = purchase && !same_invoice && self.invoices.insert((place, CompactString::new(invoice)));
        if let Some(sums) = self.sums.get_mut(place as usize) {
            sums.amount += i128::from(amount.raw());
            if purchase {
                sums.invoices += u64::from(is_new);
                sums.span = Some(sums.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
            }
        }
        // A cancellation does not make its invoice known.
        if purchase && !same_invoice {
            self.last = Some((CompactString::new(customer), place, CompactString::new(invoice)));
        }
    }

    fn place(&mut self, customer: &str) -> u32 {
        if let Some(place) = self.places.get(customer) {
            return *place;
        }
        let place = u32::try_from(self.sums.len()).unwrap_or(u32::MAX);
        self.places.insert(CompactString::new(customer), place);
        self.sums.push(Sums::default());
        place
    }

    #[must_use]
    pub fn get(&self, customer: &str) -> Option<Sums> {
        self.sums.get(*self.places.get(customer)? as usize).copied()
    }

    pub fn customers(&self) -> impl Iterator<Item = (&str, Sums)> {
        self.places.iter().filter_map(|(id, place)| Some((id.as_str(), *self.sums.get(*place as usize)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_counts_once_wherever_its_lines_are() {
        let mut accepted = Accepted::default();
        let at = EventTime::at_day;
        for (customer, invoice, amount, day) in [
            ("a", "1", 10, 5),
            ("a", "1", 5, 4),
            ("b", "1", 7, 9),
            ("a", "2", -3, 1),
            ("a", "2", 4, 6),
            ("a", "1", 1, 5),
            ("c", "3", -9, 2),
        ] {
            accepted.count(customer, invoice, Money::from_raw(amount), at(day));
        }
        assert_eq!(accepted.get("a"), Some(Sums { invoices: 2, amount: 17, span: Some((at(4), at(6))) }));
        assert_eq!(accepted.get("b"), Some(Sums { invoices: 1, amount: 7, span: Some((at(9), at(9))) }));
        assert_eq!(accepted.get("c"), Some(Sums { invoices: 0, amount: -9, span: None }));
        assert_eq!(accepted.get("d"), None);
    }
}
