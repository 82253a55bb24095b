//! Single-point exchange (Hartigan 1975; Hartigan & Wong 1979, AS 136).
//!
//! A fixed point of Lloyd's iterations can still be improved: moving one point changes both means, and pays when
//! `d²(x, b)·n_b/(n_b + w) < d²(x, a)·n_a/(n_a − w)`. On the heavy tail of customer data this is what separates
//! the best clustering from its near neighbours.

use super::kernel::Cell;
use super::points::{Centroid, Points, squared_distance};

/// Relative gain below which a move is rounding noise.
const LEAST_GAIN: f64 = 1e-12;

/// Moves single points between clusters as long as that lowers the inertia, at most `sweeps` times over all of
/// them. Returns the new centroids, or none if nothing was to be gained.
pub(crate) fn exchange(points: &Points, centroids: &[Centroid], sweeps: usize) -> Option<Vec<Centroid>> {
    let mut clusters: Vec<Cluster> = centroids.iter().map(|_| Cluster::default()).collect();
    let mut labels = Vec::with_capacity(points.len());
    for (x, w) in points.iter() {
        let label = nearest(centroids, &x);
        if let Some(c) = clusters.get_mut(label) {
            c.add(&x, w)
        }
        labels.push(label);
    }
    let mut moved_any = false;
    for _ in 0..sweeps {
        let mut moved = false;
        for ((x, w), label) in points.iter().zip(&mut labels) {
            if let Some(to) = better(&clusters, &x, w, *label) {
                if let Some(c) = clusters.get_mut(*label) {
                    c.add(&x, -w)
                }
                if let Some(c) = clusters.get_mut(to) {
                    c.add(&x, w)
                }
                *label = to;
                moved = true;
            }
        }
        if !moved {
            break;
        }
        moved_any = true;
    }
    moved_any.then(|| clusters.iter().map(|c| c.mean).collect())
}

#[derive(Clone, Debug, Default)]
struct Cluster {
    sum: Cell,
    mean: Centroid,
}

impl Cluster {
    fn add(&mut self, [r, f, m]: &Centroid, w: f64) {
        let [sr, sf, sm, weight] = &mut self.sum;
        *sr += r * w;
        *sf += f * w;
        *sm += m * w;
        *weight += w;
        if *weight > 0.0 {
            self.mean = [*sr / *weight, *sf / *weight, *sm / *weight];
        }
    }
    fn weight(&self) -> f64 {
        let [.., w] = self.sum;
        w
    }
}

fn better(clusters: &[Cluster], x: &Centroid, w: f64, label: usize) -> Option<usize> {
    let own = clusters.get(label)?;
    let n = own.weight();
    if n <= w {
        return None;
    }
    let cost = squared_distance(x, &own.mean) * n / (n - w);
    let mut best = (cost * (1.0 - LEAST_GAIN), None);
    for (i, c) in clusters.iter().enumerate() {
        if i == label {
            continue;
        }
        let cost = squared_distance(x, &c.mean) * c.weight() / (c.weight() + w);
        if cost < best.0 {
            best = (cost, Some(i));
        }
    }
    best.1
}

fn nearest(centroids: &[Centroid], x: &Centroid) -> usize {
    let mut best = (f64::INFINITY, 0);
    for (i, c) in centroids.iter().enumerate() {
        let d = squared_distance(x, c);
        if d < best.0 {
            best = (d, i);
        }
    }
    best.1
}
