//! Medians and percentiles, exact, of a publication's ordered columns and what the live orders changed.

use data::merge::Totals;

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

    /// The same of a publication's customer; `None` without a purchase.
    #[must_use]
    pub fn of_totals(self, totals: &Totals) -> Option<i64> {
        let last = totals.span?.last;
        Some(match self {
            Self::LastDay => last.day(),
            Self::Frequency => i64::try_from(totals.frequency).unwrap_or(i64::MAX),
            Self::Monetary => totals.monetary.raw(),
        })
    }
}

/// Values between two that stand in [`Column::tops`]: eight lines of the processor's cache.
const BLOCK: usize = 64;

/// The different values of some customers in order, and how many customers are at or below each.
#[derive(Debug, Default)]
pub struct Column {
    values: Vec<i64>,
    through: Vec<u32>,
    /// The first value of each block: a search among a million values then waits for memory twice or so, not ten times.
    tops: Vec<i64>,
}

impl Column {
    fn of(mut values: Vec<i64>) -> Self {
        values.sort_unstable();
        let mut column = Self::default();
        values.into_iter().for_each(|value| column.push(value));
        column
    }

    /// Adds a customer, whose value is no less than those before.
    fn push(&mut self, value: i64) {
        match (self.values.last(), self.through.last_mut()) {
            (Some(last), Some(through)) if *last == value => *through += 1,
            (_, through) => {
                let through = through.map_or(0, |through| *through);
                if self.values.len().is_multiple_of(BLOCK) {
                    self.tops.push(value);
                }
                self.through.push(through + 1);
                self.values.push(value);
            }
        }
    }

    fn len(&self) -> usize {
        self.through.last().map_or(0, |through| *through as usize)
    }

    /// How many are below `value`, and how many at or below it.
    fn around(&self, value: i64) -> (usize, usize) {
        let blocks = self.tops.partition_point(|own| *own < value);
        let start = blocks.saturating_sub(1) * BLOCK;
        let block = self.values.get(start..self.values.len().min(blocks * BLOCK)).unwrap_or_default();
        let place = start + block.partition_point(|own| *own < value);
        let at = |place: usize| self.through.get(place).map_or(0, |through| *through as usize);
        let below = place.checked_sub(1).map_or(0, at);
        (below, if self.values.get(place) == Some(&value) { at(place) } else { below })
    }

    fn ends(&self) -> Option<(i64, i64)> {
        Some((*self.values.first()?, *self.values.last()?))
    }
}

/// The customers of a publication in the order of one measure.
#[derive(Debug, Default)]
pub struct Ordered {
    pub column: Column,
    places: Vec<u32>,
}

impl Ordered {
    /// Of values, each with the customer's place.
    #[must_use]
    pub fn new(mut customers: Vec<(i64, u32)>) -> Self {
        customers.sort_unstable();
        let mut ordered = Self { column: Column::default(), places: Vec::with_capacity(customers.len()) };
        for (value, place) in customers {
            ordered.column.push(value);
            ordered.places.push(place);
        }
        ordered
    }

    /// A column for each label, without sorting again.
    #[must_use]
    pub fn by_label(&self, segments: usize, label: impl Fn(usize) -> u8) -> Vec<Column> {
        let mut columns: Vec<Column> = (0..segments).map(|_| Column::default()).collect();
        let mut start = 0;
        for (value, through) in self.column.values.iter().zip(&self.column.through) {
            let end = *through as usize;
            for place in self.places.get(start..end).unwrap_or_default() {
                if let Some(column) = columns.get_mut(usize::from(label(*place as usize))) {
                    column.push(*value);
                }
            }
            start = end;
        }
        columns
    }
}

/// The columns of some customers: of all, and by label.
#[derive(Debug)]
pub(super) struct Ranks {
    all: [Column; 3],
    labels: Vec<[Column; 3]>,
}

impl Ranks {
    pub fn new(segments: usize, customers: &[Figures]) -> Self {
        let of = |label: Option<usize>| {
            let own = || customers.iter().filter(move |own| label.is_none_or(|label| usize::from(own.label) == label));
            Measure::ALL.map(|measure| Column::of(own().map(|customer| measure.of(customer)).collect()))
        };
        Self { all: of(None), labels: (0..segments).map(|label| of(Some(label))).collect() }
    }

    pub fn column(&self, label: Option<u8>, measure: Measure) -> Option<&Column> {
        let columns = match label {
            None => &self.all,
            Some(label) => self.labels.get(usize::from(label))?,
        };
        columns.get(measure as usize)
    }
}

/// A publication's values, without some, with others.
pub(super) struct Changed<'r> {
    pub base: &'r Column,
    pub minus: &'r Column,
    pub plus: &'r Column,
}

impl Changed<'_> {
    fn each(&self, count: impl Fn(&Column) -> usize + Copy) -> usize {
        count(self.base) + count(self.plus) - count(self.minus)
    }

    /// Share of the values that are below `value`, and share of those above it.
    #[expect(clippy::cast_precision_loss, reason = "counts of customers")]
    pub fn shares(&self, value: i64) -> (f64, f64) {
        let all = self.each(Column::len);
        let [base, plus, minus] = [self.base, self.plus, self.minus].map(|column| column.around(value));
        let (below, through) = (base.0 + plus.0 - minus.0, base.1 + plus.1 - minus.1);
        let count = all.max(1) as f64;
        (below as f64 / count, (all - through) as f64 / count)
    }

    /// The value at `place` of the ordered values.
    fn at(&self, place: usize) -> Option<i64> {
        let ends = || [self.base, self.plus].into_iter().filter_map(Column::ends);
        let mut low = ends().map(|(first, _)| first).min()?;
        let mut high = ends().map(|(_, last)| last).max()?;
        // The least value at or below which more than `place` values lie.
        while low < high {
            let middle = low + (high - low) / 2;
            if self.each(|column| column.around(middle).1) > place {
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
        let count = self.each(Column::len);
        if count == 0 {
            return None;
        }
        let (one, other) = (self.at((count - 1) / 2)?, self.at(count / 2)?);
        Some((one as f64 + other as f64) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_column_is_what_sorting_gives() {
        let values: Vec<i64> = (0..2_000).map(|n| n * 37 % 523).collect();
        let (gone, new): (Vec<i64>, Vec<i64>) = (values.iter().copied().step_by(7).collect(), vec![-3, 5, 5, 540]);
        let mut all: Vec<i64> =
            values.iter().enumerate().filter(|(place, _)| place % 7 != 0).map(|(_, own)| *own).collect();
        all.extend(&new);
        all.sort_unstable();
        let [base, minus, plus] = [values, gone, new].map(Column::of);
        let changed = Changed { base: &base, minus: &minus, plus: &plus };
        for (place, own) in all.iter().enumerate() {
            assert_eq!(changed.at(place), Some(*own), "{place}");
        }
        let share = |count: usize| {
            f64::from(u32::try_from(count).expect("small")) / f64::from(u32::try_from(all.len()).expect("small"))
        };
        for value in -5..545 {
            let (below, above) = changed.shares(value);
            let count = |is: &dyn Fn(&&i64) -> bool| share(all.iter().filter(is).count());
            assert!((below - count(&|own| **own < value)).abs() < 1e-12, "{value}");
            assert!((above - count(&|own| **own > value)).abs() < 1e-12, "{value}");
        }
    }

    #[test]
    fn columns_by_label_are_those_of_their_customers() {
        let ordered = Ordered::new(vec![(5, 0), (3, 1), (5, 2), (9, 3)]);
        let columns = ordered.by_label(2, |place| u8::from(place % 2 == 1));
        let shown: Vec<_> = columns.iter().map(|column| (column.values.clone(), column.through.clone())).collect();
        assert_eq!(shown, [(vec![5], vec![2]), (vec![3, 9], vec![1, 2])]);
    }
}
