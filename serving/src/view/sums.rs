//! Integer sums over customers: exact whatever the order, so they can be kept up change by change.

use std::ops::{AddAssign, SubAssign};

use data::{EventTime, Money};

use super::Figures;

/// What some customers add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub customers: u64,
    pub revenue: Money,
    /// Invoices.
    pub orders: u64,
    /// Σ of the days, from 1970, of last orders.
    last_days: i64,
}

impl Part {
    /// Mean recency (days), frequency and monetary; `None` of nobody.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts and days are far below 2^53")]
    pub fn means(&self, reference: EventTime) -> Option<[f64; 3]> {
        let count = i64::try_from(self.customers).ok().filter(|count| *count > 0)?;
        let days = reference.day() * count - self.last_days;
        let customers = count as f64;
        Some([days as f64 / customers, self.orders as f64 / customers, self.revenue.to_f64() / customers])
    }
}

impl AddAssign<&Figures> for Part {
    fn add_assign(&mut self, customer: &Figures) {
        self.customers += 1;
        self.revenue += customer.monetary;
        self.orders += u64::from(customer.frequency);
        self.last_days += customer.last.day();
    }
}

impl SubAssign<&Figures> for Part {
    fn sub_assign(&mut self, customer: &Figures) {
        self.customers -= 1;
        self.revenue += -customer.monetary;
        self.orders -= u64::from(customer.frequency);
        self.last_days -= customer.last.day();
    }
}

/// The same by segment and by pair of scores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub all: Part,
    /// By label.
    pub segments: Vec<Part>,
    /// By recency score, then frequency score.
    pub cells: [[Part; 5]; 5],
}

impl Sums {
    #[must_use]
    pub fn of_segments(count: usize) -> Self {
        Self { segments: vec![Part::default(); count], ..Self::default() }
    }

    pub fn add(&mut self, customer: &Figures) {
        self.change(customer, |part| *part += customer);
    }

    pub fn remove(&mut self, customer: &Figures) {
        self.change(customer, |part| *part -= customer);
    }

    fn change(&mut self, customer: &Figures, mut change: impl FnMut(&mut Part)) {
        change(&mut self.all);
        if let Some(segment) = self.segments.get_mut(usize::from(customer.label)) {
            change(segment);
        }
        let [recency, frequency, _] = customer.scores.map(|score| usize::from(score.clamp(1, 5) - 1));
        if let Some(cell) = self.cells.get_mut(recency).and_then(|row| row.get_mut(frequency)) {
            change(cell);
        }
    }
}
