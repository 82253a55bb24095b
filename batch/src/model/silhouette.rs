//! Silhouette coefficient (Rousseeuw 1987), as scikit-learn computes it.

use std::num::NonZeroUsize;

use super::kernel::{distances_from, sum};
use super::parallel::map_in_order;
use super::points::{DIMENSIONS, Points, as_f64};

/// Shares of the pairs, each with sums of its own, added up in order: more than the threads of common machines
/// would gain little, and the result must not depend on their number.
const SHARES: usize = 4;

/// Neighbouring rows of a share; row i has n − i pairs, so the shares take turns.
const ROWS: usize = 16;

/// Mean silhouette of `points`, each in the cluster of its label (0 to k − 1), by Euclidean distance over all pairs.
/// Customers alone in their cluster count 0. None unless there are 2 to n − 1 clusters with customers.
pub(crate) fn silhouette(points: &Points, labels: &[u32], k: usize, threads: NonZeroUsize) -> Option<f64> {
    let sorted = Sorted::new(points, labels, k);
    let clusters = sorted.sizes().filter(|size| *size > 0).count();
    if clusters < 2 || clusters >= points.len() {
        return None;
    }
    let shares = map_in_order(SHARES, threads, |share| sorted.distance_sums(share));
    let totals = shares.into_iter().reduce(|mut total, share| {
        for (total, share) in total.iter_mut().flatten().zip(share.iter().flatten()) {
            *total += share;
        }
        total
    })?;
    Some(sorted.mean_silhouette(&totals))
}

/// Points in order of their labels: cluster c is at `starts[c]..starts[c + 1]`.
struct Sorted {
    columns: [Vec<f64>; DIMENSIONS],
    starts: Vec<usize>,
}

impl Sorted {
    fn new(points: &Points, labels: &[u32], k: usize) -> Self {
        let mut members = vec![Vec::new(); k];
        for ((x, _), label) in points.iter().zip(labels) {
            if let Some(members) = members.get_mut(*label as usize) {
                members.push(x);
            }
        }
        let starts = std::iter::once(0).chain(members.iter().map(Vec::len)).scan(0, |start, size| {
            *start += size;
            Some(*start)
        });
        let starts = starts.collect();
        let column = |d: usize| members.iter().flatten().filter_map(|x| x.get(d).copied()).collect();
        Self { columns: std::array::from_fn(column), starts }
    }

    fn sizes(&self) -> impl Iterator<Item = usize> {
        self.ranges().map(|range| range.len())
    }

    fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.starts.iter().zip(self.starts.iter().skip(1)).map(|(start, end)| *start..*end)
    }

    /// Σ of distances per cluster (rows) and point (columns), over the pairs (i, j > i) whose i is of this share.
    fn distance_sums(&self, share: usize) -> Vec<Vec<f64>> {
        let [r, f, m] = &self.columns;
        let n = r.len();
        let mut sums: Vec<_> = self.sizes().map(|_| vec![0.0; n]).collect();
        let mut distances = vec![0.0; n];
        let rows = r.iter().zip(f).zip(m).enumerate().filter(|(i, _)| i / ROWS % SHARES == share);
        for (i, ((xr, xf), xm)) in rows {
            let own = self.starts.partition_point(|start| *start <= i).saturating_sub(1);
            let after = |column: &'_ Vec<f64>| -> std::ops::Range<usize> { i + 1..column.len() };
            let columns = self.columns.each_ref().map(|c| c.get(after(c)).unwrap_or_default());
            let Some(distances) = distances.get_mut(i + 1..) else {
                continue;
            };
            if let Some(own) = sums.get_mut(own).and_then(|sums| sums.get_mut(i + 1..)) {
                distances_from(&[*xr, *xf, *xm], columns, distances, own);
            }
            for (range, sums) in self.ranges().zip(&mut sums).skip(own) {
                let others = range.start.max(i + 1) - (i + 1)..range.end.max(i + 1) - (i + 1);
                if let (Some(others), Some(total)) = (distances.get(others), sums.get_mut(i)) {
                    *total += sum(others);
                }
            }
        }
        sums
    }

    fn mean_silhouette(&self, totals: &[Vec<f64>]) -> f64 {
        let sizes: Vec<_> = self.sizes().map(as_f64).collect();
        let mut silhouettes = Vec::new();
        for (own, range) in self.ranges().enumerate() {
            for i in range {
                let mut inside = 0.0;
                let mut outside = f64::INFINITY;
                for (c, (total, size)) in totals.iter().zip(&sizes).enumerate() {
                    let total = total.get(i).copied().unwrap_or_default();
                    if c == own {
                        inside = if *size > 1.0 { total / (size - 1.0) } else { f64::INFINITY };
                    } else if *size > 0.0 {
                        outside = outside.min(total / size);
                    }
                }
                let larger = inside.max(outside);
                let defined = inside.is_finite() && larger > 0.0;
                silhouettes.push(if defined { (outside - inside) / larger } else { 0.0 });
            }
        }
        sum(&silhouettes) / as_f64(silhouettes.len())
    }
}
