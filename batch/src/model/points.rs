//! Points in scaled space, a column per feature.

pub use data::model::{Centroid, DIMENSIONS, squared_distance};

/// Points per block. Sums are made per block and then added in block order, so that no result depends on
/// the number of threads. 8,192 × 3 × 8 bytes stay in a second-level cache.
pub(crate) const BLOCK: usize = 8_192;

/// `n` weighted points in scaled units, structure of arrays.
#[derive(Clone, Debug)]
pub struct Points {
    columns: [Vec<f64>; DIMENSIONS],
    /// Empty: every point weighs 1.
    weight: Vec<f64>,
}

/// Up to [`BLOCK`] consecutive points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    pub columns: [&'a [f64]; DIMENSIONS],
    /// Empty: every point weighs 1.
    pub weight: &'a [f64],
}

impl<'a> Block<'a> {
    pub fn len(&self) -> usize {
        let [r, ..] = self.columns;
        r.len()
    }

    pub fn split_at(&self, middle: usize) -> (Self, Self) {
        let columns = self.columns.map(|column| column.split_at(middle));
        let (before, after) =
            if self.weight.is_empty() { (self.weight, self.weight) } else { self.weight.split_at(middle) };
        (Self { columns: columns.map(|c| c.0), weight: before }, Self { columns: columns.map(|c| c.1), weight: after })
    }
}

impl Points {
    /// Takes three columns of equal length `n`.
    #[must_use]
    pub fn new(columns: [Vec<f64>; DIMENSIONS]) -> Self {
        Self::weighted(columns, Vec::new())
    }

    pub(crate) fn weighted(columns: [Vec<f64>; DIMENSIONS], weight: Vec<f64>) -> Self {
        let [r, f, m] = &columns;
        assert!(r.len() == f.len() && r.len() == m.len(), "columns of unequal length");
        assert!(weight.is_empty() || weight.len() == r.len(), "a weight for each point, or none");
        Self { columns, weight }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        let [r, ..] = &self.columns;
        r.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn blocks(&self) -> usize {
        self.len().div_ceil(BLOCK)
    }

    pub(crate) fn block(&self, index: usize) -> Block<'_> {
        let part = |column: &'_ [f64]| -> std::ops::Range<usize> {
            (index * BLOCK).min(column.len())..((index + 1) * BLOCK).min(column.len())
        };
        Block {
            columns: self.columns.each_ref().map(|c| c.get(part(c)).unwrap_or_default()),
            weight: self.weight.get(part(&self.weight)).unwrap_or_default(),
        }
    }

    /// The unweighted points at `rows`.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let pick = |column: &Vec<f64>| rows.iter().filter_map(|row| column.get(*row).copied()).collect();
        Self::new(self.columns.each_ref().map(pick))
    }

    /// Points with their weights, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Centroid, f64)> {
        let [r, f, m] = &self.columns;
        let weight = self.weight.iter().copied().chain(std::iter::repeat(1.0));
        r.iter().zip(f).zip(m).zip(weight).map(|(((r, f), m), w)| ([*r, *f, *m], w))
    }

    pub(crate) fn get(&self, i: usize) -> [f64; DIMENSIONS] {
        self.columns.each_ref().map(|c| c.get(i).copied().unwrap_or_default())
    }
}

/// A count as a number; exact up to 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "no data set has 2^53 rows")]
pub(crate) fn as_f64(count: usize) -> f64 {
    count as f64
}
