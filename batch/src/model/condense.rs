//! Fewer points that stand for all of them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use rand::Rng;

use super::points::{Centroid, DIMENSIONS, Points, as_f64, squared_distance};

/// Distinct points up to which the search runs on exactly these, with their multiplicity.
const MOST_DISTINCT: usize = 16_384;

/// Points drawn when there are more.
const SAMPLE: usize = 8_192;

pub(crate) enum Condensed {
    /// Every distinct point once, weighted by how often it occurs, in ascending order: the same clusterings have
    /// the same inertia as on all points, whatever order these came in.
    Distinct(Points),
    /// A weighted sample, and how many distinct points were seen before giving up.
    Sample { points: Points, distinct: usize },
}

pub(crate) fn condense(points: &Points, rng: &mut impl Rng) -> Condensed {
    let mut counts: HashMap<[u64; 3], f64, BuildHasherDefault<Mix>> = HashMap::default();
    for (x, w) in points.iter() {
        // Adding zero turns -0 into 0.
        *counts.entry(x.map(|x| (x + 0.0).to_bits())).or_default() += w;
        if counts.len() > MOST_DISTINCT {
            return Condensed::Sample { points: sample(points, rng), distinct: counts.len() };
        }
    }
    let mut distinct: Vec<(Centroid, f64)> = counts.into_iter().map(|(x, w)| (x.map(f64::from_bits), w)).collect();
    distinct.sort_unstable_by(|([a, b, c], _), ([x, y, z], _)| {
        a.total_cmp(x).then_with(|| b.total_cmp(y)).then_with(|| c.total_cmp(z))
    });
    let repeated = distinct.len() < points.len();
    Condensed::Distinct(collect(distinct.into_iter(), repeated))
}

/// A lightweight coreset (Bachem, Lucic & Krause 2018): half of the draws are uniform, half proportional to the
/// squared distance from the mean, and each weighs the inverse of its probability, so that the few customers who
/// make most of the inertia are all in it. The draws are spread evenly over the points' order.
fn sample(points: &Points, rng: &mut impl Rng) -> Points {
    let mean = mean(points);
    let spread: f64 = points.iter().map(|(x, _)| squared_distance(&x, &mean)).sum();
    let (uniform, distant) = (0.5 / as_f64(points.len()), 0.5 / spread);
    let draws = as_f64(SAMPLE);
    let mut next = rng.random::<f64>();
    let mut passed = 0.0;
    let mut drawn = Vec::with_capacity(SAMPLE);
    for (x, _) in points.iter() {
        let expected = draws * (uniform + distant * squared_distance(&x, &mean));
        passed += expected;
        let mut times = 0.0;
        while next < passed {
            next += 1.0;
            times += 1.0;
        }
        if times > 0.0 {
            drawn.push((x, times / expected));
        }
    }
    collect(drawn.into_iter(), true)
}

fn mean(points: &Points) -> Centroid {
    let mut sum = [0.0; DIMENSIONS];
    for (x, _) in points.iter() {
        for (sum, x) in sum.iter_mut().zip(x) {
            *sum += x;
        }
    }
    sum.map(|sum| sum / as_f64(points.len()))
}

fn collect(points: impl Iterator<Item = (Centroid, f64)>, weighted: bool) -> Points {
    let (mut columns, mut weight) = ([Vec::new(), Vec::new(), Vec::new()], Vec::new());
    for (x, w) in points {
        for (column, x) in columns.iter_mut().zip(x) {
            column.push(x);
        }
        weight.push(w);
    }
    Points::weighted(columns, if weighted { weight } else { Vec::new() })
}

/// A fast hash of a few words (rotate, xor, multiply; as in Firefox). Its inputs are our own numbers and its use is
/// bounded, so it needs no protection against chosen collisions.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            self.write_u64(chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
