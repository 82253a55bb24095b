//! The search for the best clustering: starts, Lloyd, exchange, kicks.
//!
//! One start is not enough: k-means++ is drawn to outliers on heavy-tailed customers, and Lloyd's fixed points lie
//! close together. So several starts of both kinds go a few iterations, the best go on to their fixed point, and
//! the winner is kicked: its centroids are shaken, or one of them is put elsewhere (random swap, Fränti 2018), as
//! long as that finds something better. Everything runs on the distinct points with their multiplicity if these
//! are few, else on a sample whose winner is then refined on all points.

use std::num::NonZeroUsize;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::condense::{Condensed, condense};
use super::exchange::exchange;
use super::lloyd::{Iterations, Lloyd, Update, lloyd};
use super::parallel::map_in_order;
use super::points::{Centroid, Points, squared_distance};

/// Starts of each kind: random points, and k-means++.
const STARTS: usize = 5;
/// Iterations of a start before the best are chosen.
const EARLY: usize = 15;
/// Starts that go on to their fixed point.
const FINALISTS: usize = 2;
/// Bound of every run to a fixed point; real data needs 20 to 200.
const MOST_ITERATIONS: usize = 1_000;
/// Sweeps of one single-point exchange; real data needs 2 to 5.
const MOST_SWEEPS: usize = 20;
/// Kicks of a round, all from the same centroids.
const KICKS: [Kick; 10] = [
    Kick::Shake(0.03),
    Kick::Shake(0.1),
    Kick::Shake(0.1),
    Kick::Shake(0.2),
    Kick::Shake(0.3),
    Kick::SwapUniform,
    Kick::SwapDistant,
    Kick::SwapDistant,
    Kick::SplitMerge,
    Kick::SplitMerge,
];
/// Kicks of a round on all points, after the sample has told which centroids are worth it.
const FINE_KICKS: [Kick; 6] =
    [Kick::Shake(0.03), Kick::Shake(0.1), Kick::Shake(0.1), Kick::Shake(0.2), Kick::SwapDistant, Kick::SwapDistant];
/// A kick goes on to its fixed point if [`EARLY`] iterations bring it within this factor of the best inertia.
const HOPEFUL: f64 = 1.05;
/// Bound of kick rounds, whatever they find.
const MOST_ROUNDS: usize = 20;
/// Relative gain below which two inertias are the same.
const LEAST_GAIN: f64 = 1e-12;

#[derive(Clone, Copy, Debug)]
enum Kick {
    /// Every centroid moves by up to this share of the distance to its nearest neighbour, on each axis.
    Shake(f64),
    /// One centroid moves to any point.
    SwapUniform,
    /// One centroid moves to a point chosen by weighted squared distance from the others, as in k-means++.
    SwapDistant,
    /// One centroid more, chosen in the same way; a few iterations; then the two clusters whose union costs least
    /// become one.
    SplitMerge,
}

/// Points to cluster and how many ways at most.
pub(crate) struct Search<'a> {
    points: &'a Points,
    condensed: Condensed,
    seed: u64,
    threads: NonZeroUsize,
}

impl<'a> Search<'a> {
    pub fn new(points: &'a Points, seed: u64, threads: NonZeroUsize) -> Self {
        Self { points, condensed: condense(points, &mut stream(seed, 0)), seed, threads }
    }

    /// Distinct points, or a lower bound of them when there are many.
    pub fn distinct(&self) -> usize {
        match &self.condensed {
            Condensed::Distinct(points) => points.len(),
            Condensed::Sample { distinct, .. } => *distinct,
        }
    }

    /// The best k centroids found. `k` must be 1 to [`Self::distinct`].
    pub fn best(&self, k: usize) -> Lloyd {
        match &self.condensed {
            Condensed::Distinct(points) => {
                let best = self.start(points, k);
                self.kick(points, best, &KICKS, 3)
            }
            Condensed::Sample { points: sample, .. } => {
                let best = self.kick(sample, self.start(sample, k), &KICKS, 2);
                let refined = exchanged(self.points, settle(self.points, &best.centroids, self.threads), self.threads);
                self.kick(self.points, refined, &FINE_KICKS, 1)
            }
        }
    }

    /// Several starts; the best of them at its fixed point.
    fn start(&self, points: &Points, k: usize) -> Lloyd {
        let early = iterations(EARLY, NonZeroUsize::MIN);
        let mut starts = map_in_order(2 * STARTS, self.threads, |i| {
            let mut rng = stream(self.seed, 1 + i as u64);
            let start = if i < STARTS { random_start(points, k, &mut rng) } else { distant_start(points, k, &mut rng) };
            lloyd(points, &start, early)
        });
        starts.sort_by(|a, b| a.inertia.total_cmp(&b.inertia));
        starts.truncate(FINALISTS);
        let settled = map_in_order(starts.len(), self.threads, |i| {
            starts.get(i).map(|start| settle(points, &start.centroids, NonZeroUsize::MIN))
        });
        let best = settled.into_iter().flatten().reduce(better).unwrap_or_else(|| settle(points, &[], self.threads));
        exchanged(points, best, self.threads)
    }

    /// Rounds of kicks until `patience` of them in a row found nothing better.
    fn kick(&self, points: &Points, mut best: Lloyd, kicks: &[Kick], patience: usize) -> Lloyd {
        let early = iterations(EARLY, NonZeroUsize::MIN);
        let mut failures = 0;
        let rounds = if best.centroids.len() > 1 { MOST_ROUNDS } else { 0 };
        for round in 0..rounds {
            if failures == patience || best.inertia <= 0.0 {
                break;
            }
            let kicked = map_in_order(kicks.len(), self.threads, |i| {
                let mut rng = stream(self.seed, (1_000 * (round + 1) + i) as u64);
                let kick = kicks.get(i).copied().unwrap_or(Kick::SwapUniform);
                let early = lloyd(points, &kick.apply(points, &best.centroids, &mut rng), early);
                let hopeful = early.inertia < best.inertia * HOPEFUL;
                hopeful.then(|| settle(points, &early.centroids, NonZeroUsize::MIN))
            });
            let Some(found) = kicked.into_iter().flatten().reduce(better) else {
                failures += 1;
                continue;
            };
            let found = exchanged(points, found, self.threads);
            if found.inertia < best.inertia * (1.0 - LEAST_GAIN) {
                best = found;
                failures = 0;
            } else {
                failures += 1;
            }
        }
        best
    }
}

impl Kick {
    fn apply(self, points: &Points, centroids: &[Centroid], rng: &mut ChaCha8Rng) -> Vec<Centroid> {
        let mut kicked = centroids.to_vec();
        match self {
            Self::Shake(share) => {
                for (centroid, nearest) in kicked.iter_mut().zip(nearest_neighbours(centroids)) {
                    for x in centroid {
                        *x += share * nearest * rng.random_range(-1.0..1.0);
                    }
                }
            }
            Self::SwapUniform => {
                kicked.swap_remove(rng.random_range(0..centroids.len()));
                kicked.push(points.get(rng.random_range(0..points.len())));
            }
            Self::SwapDistant => {
                kicked.swap_remove(rng.random_range(0..centroids.len()));
                kicked.push(far_from(points, &kicked, rng));
            }
            Self::SplitMerge => {
                kicked.push(far_from(points, &kicked, rng));
                kicked = merge_cheapest(lloyd(points, &kicked, iterations(EARLY, NonZeroUsize::MIN)));
            }
        }
        kicked
    }
}

/// The random numbers of one part of the search, the same whichever thread runs it.
fn stream(seed: u64, part: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(part);
    rng
}

fn iterations(most: usize, threads: NonZeroUsize) -> Iterations {
    Iterations { most, update: Update::Mean, threads }
}

fn better(a: Lloyd, b: Lloyd) -> Lloyd {
    if b.inertia < a.inertia { b } else { a }
}

/// Lloyd to the fixed point, where no cluster is empty as long as the points are distinct enough.
fn settle(points: &Points, start: &[Centroid], threads: NonZeroUsize) -> Lloyd {
    let mut settled = lloyd(points, start, iterations(MOST_ITERATIONS, threads));
    for _ in 0..start.len() {
        let Some(empty) = settled.sizes.iter().position(|size| *size <= 0.0) else {
            break;
        };
        let squared = points.iter().map(|(x, _)| nearest_squared(&x, &settled.centroids));
        let farthest = squared.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(i, _)| i);
        if let Some(centroid) = settled.centroids.get_mut(empty) {
            *centroid = points.get(farthest);
        }
        settled = lloyd(points, &settled.centroids, iterations(MOST_ITERATIONS, threads));
    }
    settled
}

/// Single-point exchange, then Lloyd again to make the means exact.
fn exchanged(points: &Points, found: Lloyd, threads: NonZeroUsize) -> Lloyd {
    match exchange(points, &found.centroids, MOST_SWEEPS) {
        Some(centroids) => better(found, settle(points, &centroids, threads)),
        None => found,
    }
}

/// k different positions, each as likely.
fn random_start(points: &Points, k: usize, rng: &mut ChaCha8Rng) -> Vec<Centroid> {
    rand::seq::index::sample(rng, points.len(), k).into_iter().map(|i| points.get(i)).collect()
}

/// k-means++ (Arthur & Vassilvitskii 2007).
fn distant_start(points: &Points, k: usize, rng: &mut ChaCha8Rng) -> Vec<Centroid> {
    let mut start = vec![points.get(rng.random_range(0..points.len()))];
    let mut squared = vec![f64::INFINITY; points.len()];
    while start.len() < k {
        if let Some(last) = start.last() {
            for (squared, (x, _)) in squared.iter_mut().zip(points.iter()) {
                *squared = squared.min(squared_distance(&x, last));
            }
        }
        start.push(distant_point(points, &squared, rng));
    }
    start
}

/// A point chosen with probability proportional to weight × `squared`.
fn distant_point(points: &Points, squared: &[f64], rng: &mut ChaCha8Rng) -> Centroid {
    let total: f64 = points.iter().zip(squared).map(|((_, w), squared)| w * squared).sum();
    let mut left = rng.random::<f64>() * total;
    for ((x, w), squared) in points.iter().zip(squared) {
        left -= w * squared;
        if left < 0.0 {
            return x;
        }
    }
    points.get(rng.random_range(0..points.len()))
}

/// A point chosen with probability proportional to weight × squared distance from all centroids.
fn far_from(points: &Points, centroids: &[Centroid], rng: &mut ChaCha8Rng) -> Centroid {
    let squared: Vec<_> = points.iter().map(|(x, _)| nearest_squared(&x, centroids)).collect();
    distant_point(points, &squared, rng)
}

/// Joins the two clusters whose union raises the inertia least: `d²·nₐ·n_b / (nₐ + n_b)` (Ward 1963).
fn merge_cheapest(found: Lloyd) -> Vec<Centroid> {
    let clusters: Vec<_> = found.centroids.iter().zip(&found.sizes).enumerate().collect();
    let mut cheapest: Option<(f64, usize, usize, Centroid)> = None;
    for (i, (a, n)) in &clusters {
        for (j, (b, m)) in clusters.iter().skip(i + 1) {
            let total = f64::max(*n + *m, f64::MIN_POSITIVE);
            let cost = squared_distance(a, b) * (*n * *m / total);
            if cheapest.is_none_or(|(least, ..)| cost < least) {
                let mut union = **a;
                union.iter_mut().zip(*b).for_each(|(a, b)| *a += (b - *a) * (*m / total));
                cheapest = Some((cost, *i, *j, union));
            }
        }
    }
    let Some((_, i, j, union)) = cheapest else { return found.centroids };
    let others = clusters.iter().filter(|(c, _)| *c != i && *c != j).map(|(_, (centroid, _))| **centroid);
    others.chain([union]).collect()
}

fn nearest_squared(x: &Centroid, centroids: &[Centroid]) -> f64 {
    centroids.iter().map(|c| squared_distance(x, c)).fold(f64::INFINITY, f64::min)
}

/// Distance of each centroid to its nearest other one; 0 for a single one.
fn nearest_neighbours(centroids: &[Centroid]) -> Vec<f64> {
    let nearest = |i: usize, c: &Centroid| {
        let others = centroids.iter().enumerate().filter(|(j, _)| *j != i);
        others.map(|(_, other)| squared_distance(c, other)).fold(f64::INFINITY, f64::min)
    };
    let distance = |squared: f64| {
        if squared.is_finite() { squared.sqrt() } else { 0.0 }
    };
    centroids.iter().enumerate().map(|(i, c)| distance(nearest(i, c))).collect()
}
