//! How good a clustering is: the figures of scikit-learn's `metrics`.

use serde::{Deserialize, Serialize};

use super::points::{Centroid, DIMENSIONS, Points, as_f64, squared_distance};

/// Figures of a fit, in scaled space. An undefined one (one segment, no spread) is None, never NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Σ of squared distances of the customers to their centroid.
    pub inertia: f64,
    /// Mean silhouette, −1 to 1, higher is better.
    pub silhouette: Option<f64>,
    /// Customers the silhouette was estimated on; None if on all of them.
    pub silhouette_sample: Option<usize>,
    /// Davies & Bouldin 1979; 0 and above, lower is better.
    pub davies_bouldin: Option<f64>,
    /// Calinski & Harabasz 1974, lower is worse; undefined also if every customer sits on its centroid.
    pub calinski_harabasz: Option<f64>,
}

/// What Davies–Bouldin and Calinski–Harabasz need to know of the clusters that have customers.
pub(crate) struct Spread {
    customers: usize,
    means: Vec<Centroid>,
    sizes: Vec<f64>,
    /// Σ of distances to the mean.
    distances: Vec<f64>,
    /// Σ of squared distances to the mean, all clusters together.
    within: f64,
}

impl Spread {
    pub fn of(points: &Points, labels: &[u32], k: usize) -> Self {
        let mut sums = vec![[0.0; DIMENSIONS]; k];
        let mut sizes = vec![0.0; k];
        for ((x, _), label) in points.iter().zip(labels) {
            if let (Some(sum), Some(size)) = (sums.get_mut(*label as usize), sizes.get_mut(*label as usize)) {
                sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
                *size += 1.0;
            }
        }
        let means: Vec<_> = sums.iter().zip(&sizes).map(|(sum, size)| sum.map(|x| x / f64::max(*size, 1.0))).collect();
        let mut distances = vec![0.0; k];
        let mut within = 0.0;
        for ((x, _), label) in points.iter().zip(labels) {
            if let (Some(mean), Some(total)) = (means.get(*label as usize), distances.get_mut(*label as usize)) {
                let squared = squared_distance(&x, mean);
                *total += squared.sqrt();
                within += squared;
            }
        }
        Self { customers: points.len(), means, sizes, distances, within }
    }

    fn clusters(&self) -> impl Iterator<Item = (&Centroid, f64, f64)> {
        let clusters = self.means.iter().zip(&self.sizes).zip(&self.distances);
        clusters.map(|((mean, size), distances)| (mean, *size, *distances)).filter(|(_, size, _)| *size > 0.0)
    }

    /// Whether there are 2 to n − 1 clusters, which is where the figures are defined.
    fn is_defined(&self) -> bool {
        let clusters = self.clusters().count();
        clusters >= 2 && clusters < self.customers
    }

    pub fn davies_bouldin(&self) -> Option<f64> {
        if !self.is_defined() {
            return None;
        }
        let mut worst = Vec::new();
        for (i, (mean, size, distances)) in self.clusters().enumerate() {
            let others = self.clusters().enumerate().filter(|(j, _)| *j != i);
            let similarities = others.map(|(_, (other, other_size, other_distances))| {
                (distances / size + other_distances / other_size) / squared_distance(mean, other).sqrt()
            });
            worst.push(similarities.fold(0.0, f64::max));
        }
        finite(worst.iter().sum::<f64>() / as_f64(worst.len()))
    }

    pub fn calinski_harabasz(&self) -> Option<f64> {
        if !self.is_defined() || self.within <= 0.0 {
            return None;
        }
        let n = as_f64(self.customers);
        let mut centre = [0.0; DIMENSIONS];
        for (mean, size, _) in self.clusters() {
            centre.iter_mut().zip(mean).for_each(|(centre, x)| *centre += x * size / n);
        }
        let between: f64 = self.clusters().map(|(mean, size, _)| size * squared_distance(mean, &centre)).sum();
        let k = as_f64(self.clusters().count());
        finite(between * (n - k) / (self.within * (k - 1.0)))
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
