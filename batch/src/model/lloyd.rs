//! Lloyd's iterations: assign every point to its nearest centroid, move every centroid to its points' mean.

use std::num::NonZeroUsize;

use super::kernel::{Cell, Sums, label_block, sum_block};
use super::parallel::map_in_order;
use super::points::{Centroid, Points};

/// Points below which a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 65_536;

/// Where a centroid goes once its points are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// To their mean (Lloyd 1982). A centroid without points stays.
    Mean,
    /// To the mean of its points and its old place (m_k-means, Pakhira 2009), which is what linfa does.
    Damped,
}

/// How far to iterate, and on how many threads. The result does not depend on the threads.
#[derive(Clone, Copy, Debug)]
pub struct Iterations {
    pub most: usize,
    pub update: Update,
    pub threads: NonZeroUsize,
}

/// Outcome of [`lloyd`].
#[derive(Clone, Debug)]
pub struct Lloyd {
    /// k × 3, scaled units.
    pub centroids: Vec<Centroid>,
    /// Σw·d² of the points to the nearest of these centroids, scaled units squared.
    pub inertia: f64,
    /// Updates made.
    pub iterations: usize,
    /// Whether the last update moved nothing.
    pub converged: bool,
    /// Σw per centroid.
    pub sizes: Vec<f64>,
}

/// Iterates from `start` (k × 3, scaled units) until nothing moves any more, or `iterations.most` times.
#[must_use]
pub fn lloyd(points: &Points, start: &[Centroid], iterations: Iterations) -> Lloyd {
    let mut centroids = start.to_vec();
    let mut sums = sum_points(points, &centroids, iterations.threads);
    let mut converged = false;
    let mut made = 0;
    while made < iterations.most && !converged {
        let moved: Vec<_> =
            centroids.iter().zip(&sums.cells).map(|(c, cell)| update(c, cell, iterations.update)).collect();
        made += 1;
        converged = moved == centroids;
        if !converged {
            centroids = moved;
            sums = sum_points(points, &centroids, iterations.threads);
        }
    }
    let sizes = sums.cells.iter().map(|[.., weight]| *weight).collect();
    Lloyd { centroids, inertia: sums.inertia, iterations: made, converged, sizes }
}

fn update(old: &Centroid, [r, f, m, weight]: &Cell, rule: Update) -> Centroid {
    match rule {
        Update::Mean if *weight > 0.0 => [r / weight, f / weight, m / weight],
        Update::Mean => *old,
        Update::Damped => {
            let [or, of, om] = old;
            [(r + or) / (weight + 1.0), (f + of) / (weight + 1.0), (m + om) / (weight + 1.0)]
        }
    }
}

/// Assigns all points and sums up each cluster, block by block, on up to `threads` threads.
pub(crate) fn sum_points(points: &Points, centroids: &[Centroid], threads: NonZeroUsize) -> Sums {
    let mut total = Sums::zero(centroids.len());
    for sums in each_block(points, threads, |block| sum_block(points.block(block), centroids)) {
        total.add(&sums);
    }
    total
}

/// `work` of each block of `points`, in block order, done by up to `threads` threads.
pub(crate) fn each_block<T: Send>(points: &Points, threads: NonZeroUsize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = NonZeroUsize::new(points.len() / WORTH_A_THREAD).map_or(NonZeroUsize::MIN, |most| most.min(threads));
    map_in_order(points.blocks(), threads, work)
}

/// Nearest centroid and squared distance of every point.
pub(crate) fn label_points(points: &Points, centroids: &[Centroid], threads: NonZeroUsize) -> (Vec<u32>, Vec<f64>) {
    let mut labels = Vec::with_capacity(points.len());
    let mut squared = Vec::with_capacity(points.len());
    for (nearest, distances) in each_block(points, threads, |block| label_block(points.block(block), centroids)) {
        labels.extend(nearest);
        squared.extend(distances);
    }
    (labels, squared)
}
