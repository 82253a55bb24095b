//! Medians and percentiles, exact, of a publication's ordered columns and what the live orders changed.

use super::Figures;

/// A column of the figures; recency as the day of the last order, which the reference time does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    LastDay,
    Frequency,
    Monetary,
}

impl Measure {
    pub const ALL: [Self; 3] = [Self::LastDay, Self::Frequency, Self::Monetary];

    /// Days from 1970, invoices, or ten-thousandths of the currency unit.
    #[must_use]
    pub fn of(self, customer: &Figures) -> i64 {
        match self {
            Self::LastDay => customer.last.day(),
            Self::Frequency => i64::from(customer.frequency),
            Self::Monetary => customer.monetary.raw(),
        }
    }
}

/// Ordered values, by label and measure.
#[derive(Debug, Default)]
pub struct Ranks {
    columns: Vec<[Vec<i64>; 3]>,
}

impl Ranks {
    #[must_use]
    pub fn new(segments: usize, customers: impl Iterator<Item = Figures>) -> Self {
        let mut columns: Vec<[Vec<i64>; 3]> = (0..segments).map(|_| Default::default()).collect();
        for customer in customers {
            let Some(own) = columns.get_mut(usize::from(customer.label)) else { continue };
            for (column, measure) in own.iter_mut().zip(Measure::ALL) {
                column.push(measure.of(&customer));
            }
        }
        columns.iter_mut().flatten().for_each(|column| column.sort_unstable());
        Self { columns }
    }

    fn column(&self, label: usize, measure: Measure) -> &[i64] {
        self.columns.get(label).and_then(|columns| columns.get(measure as usize)).map_or(&[], Vec::as_slice)
    }

    /// The columns of one segment, or of all.
    fn chosen(&self, label: Option<usize>, measure: Measure) -> Vec<&[i64]> {
        match label {
            Some(label) => vec![self.column(label, measure)],
            None => (0..self.columns.len()).map(|label| self.column(label, measure)).collect(),
        }
    }
}

/// A publication's values, without some, with others.
pub(super) struct Changed<'r> {
    base: Vec<&'r [i64]>,
    minus: Vec<&'r [i64]>,
    plus: Vec<&'r [i64]>,
}

impl<'r> Changed<'r> {
    pub fn new(base: &'r Ranks, minus: &'r Ranks, plus: &'r Ranks, label: Option<usize>, measure: Measure) -> Self {
        let [base, minus, plus] = [base, minus, plus].map(|ranks| ranks.chosen(label, measure));
        Self { base, minus, plus }
    }

    fn len(&self) -> usize {
        let count = |columns: &[&[i64]]| columns.iter().map(|column| column.len()).sum::<usize>();
        count(&self.base) + count(&self.plus) - count(&self.minus)
    }

    /// How many values are below `value`.
    fn below(&self, value: i64) -> usize {
        let count =
            |columns: &[&[i64]]| columns.iter().map(|column| column.partition_point(|own| *own < value)).sum::<usize>();
        count(&self.base) + count(&self.plus) - count(&self.minus)
    }

    /// Share of the values that are below `value`, and share of those above it.
    #[expect(clippy::cast_precision_loss, reason = "counts of customers")]
    pub fn shares(&self, value: i64) -> (f64, f64) {
        let count = self.len().max(1) as f64;
        let above = self.len() - self.below(value.saturating_add(1));
        (self.below(value) as f64 / count, above as f64 / count)
    }

    /// The value at `place` of the ordered values.
    fn at(&self, place: usize) -> Option<i64> {
        let ends = || self.base.iter().chain(&self.plus).filter_map(|column| Some((*column.first()?, *column.last()?)));
        let mut low = ends().map(|(first, _)| first).min()?;
        let mut high = ends().map(|(_, last)| last).max()?;
        // The least value at or below which more than `place` values lie.
        while low < high {
            let middle = low + (high - low) / 2;
            if self.below(middle + 1) > place {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(low)
    }

    /// The mean of the two in the middle; `None` of nothing.
    #[expect(clippy::cast_precision_loss, reason = "medians are shown, not summed")]
    pub fn median(&self) -> Option<f64> {
        let count = self.len();
        if count == 0 {
            return None;
        }
        let (one, other) = (self.at((count - 1) / 2)?, self.at(count / 2)?);
        Some((one as f64 + other as f64) / 2.0)
    }
}
