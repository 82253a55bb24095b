//! The hot loops: nearest centroid and per-cluster sums in one pass over three columns.
//!
//! Points go through in groups of [`GROUP`], as one, two or eight vectors of whatever width [`pulp::Arch`] finds
//! at run time. Lane `l` of a sum always holds the points `l, l + 8, l + 16, …` of its block and no fused
//! multiply-add is used, so a result has the same bits on AVX-512, AVX2, NEON and scalar code.
#![allow(
    clippy::indexing_slicing,
    clippy::inline_always,
    reason = "vector code: constant indices into fixed-size arrays, and inlining into the dispatched function"
)]

use pulp::{Arch, Simd, WithSimd};

use super::points::{Block, Centroid, DIMENSIONS};

/// Points per group; eight `f64` fill one AVX-512 register.
const GROUP: usize = 8;

/// What a cluster's points add up to: Σw·x per feature (scaled units), then Σw.
pub(crate) type Cell = [f64; DIMENSIONS + 1];

/// Sums of one block, or of all: a cell per cluster, and Σw·d² (scaled units squared).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sums {
    pub cells: Vec<Cell>,
    pub inertia: f64,
}

impl Sums {
    pub fn zero(k: usize) -> Self {
        Self { cells: vec![[0.0; DIMENSIONS + 1]; k], inertia: 0.0 }
    }

    pub fn add(&mut self, other: &Self) {
        for (cell, more) in self.cells.iter_mut().zip(&other.cells) {
            for (sum, value) in cell.iter_mut().zip(more) {
                *sum += value;
            }
        }
        self.inertia += other.inertia;
    }
}

/// Assigns a block's points to the nearest of `centroids` (the lower index wins a tie) and sums each cluster.
pub(crate) fn sum_block(block: Block<'_>, centroids: &[Centroid]) -> Sums {
    Arch::new().dispatch(SumBlock { block, centroids })
}

/// Nearest centroid and squared distance of each point of a block, in its order; the lower index wins a tie.
pub(crate) fn label_block(block: Block<'_>, centroids: &[Centroid]) -> (Vec<u32>, Vec<f64>) {
    let mut nearest = vec![0; block.len()];
    let mut squared = vec![f64::INFINITY; block.len()];
    Arch::new().dispatch(|| label(block, centroids, &mut nearest, &mut squared));
    (nearest, squared)
}

/// Distance of point `x` to every point of `columns`, into `distances`, and added to `sums`.
pub(crate) fn distances_from(x: &Centroid, columns: [&[f64]; DIMENSIONS], distances: &mut [f64], sums: &mut [f64]) {
    Arch::new().dispatch(|| {
        let [r, f, m] = columns;
        for ((((r, f), m), distance), sum) in r.iter().zip(f).zip(m).zip(&mut *distances).zip(&mut *sums) {
            let (r, f, m) = (r - x[0], f - x[1], m - x[2]);
            *distance = (r * r + f * f + m * m).sqrt();
            *sum += *distance;
        }
    });
}

/// Sum of `values`, in eight lanes and then the rest.
pub(crate) fn sum(values: &[f64]) -> f64 {
    Arch::new().dispatch(|| {
        let mut lanes = [0.0; GROUP];
        let (groups, rest) = values.as_chunks::<GROUP>();
        for group in groups {
            for l in 0..GROUP {
                lanes[l] += group[l];
            }
        }
        fold(lanes) + rest.iter().sum::<f64>()
    })
}

/// [`sum_block`] for a given vector width.
pub(crate) struct SumBlock<'a> {
    pub block: Block<'a>,
    pub centroids: &'a [Centroid],
}

impl WithSimd for SumBlock<'_> {
    type Output = Sums;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Sums {
        match self.centroids.len() {
            2 => self.fixed::<S, 2>(simd),
            3 => self.fixed::<S, 3>(simd),
            4 => self.fixed::<S, 4>(simd),
            5 => self.fixed::<S, 5>(simd),
            6 => self.fixed::<S, 6>(simd),
            7 => self.fixed::<S, 7>(simd),
            8 => self.fixed::<S, 8>(simd),
            k => {
                let centroids: Vec<_> = self.centroids.iter().map(|c| splat(simd, c)).collect();
                sum_lanes(simd, &self.block, &centroids, || vec![zero_cell(simd); k])
            }
        }
    }
}

impl SumBlock<'_> {
    /// `K` known to the compiler, so that the sums stay in registers.
    #[inline(always)]
    fn fixed<S: Simd, const K: usize>(&self, simd: S) -> Sums {
        let centroids: [_; K] = std::array::from_fn(|c| splat(simd, &self.centroids[c]));
        sum_lanes(simd, &self.block, &centroids, || [zero_cell(simd); K])
    }
}

/// Vectors per group.
#[inline(always)]
const fn width<S: Simd>() -> usize {
    GROUP / S::F64_LANES
}

type VectorCell<S> = [<S as Simd>::f64s; DIMENSIONS + 1];

/// [`Sums`] of some lanes.
struct VectorSums<S: Simd, C> {
    cells: C,
    inertia: S::f64s,
}

#[inline(always)]
fn zero_cell<S: Simd>(simd: S) -> VectorCell<S> {
    [simd.splat_f64s(0.0); DIMENSIONS + 1]
}

#[inline(always)]
fn splat<S: Simd>(simd: S, centroid: &Centroid) -> [S::f64s; DIMENSIONS] {
    std::array::from_fn(|d| simd.splat_f64s(centroid[d]))
}

/// One round over the block for each vector of a group: the sums of one vector fit the registers, the block fits
/// the cache.
#[inline(always)]
fn sum_lanes<S: Simd, C: AsRef<[VectorCell<S>]> + AsMut<[VectorCell<S>]>>(
    simd: S,
    block: &Block<'_>,
    centroids: &[[S::f64s; DIMENSIONS]],
    zero_cells: impl Fn() -> C,
) -> Sums {
    let mut lanes = vec![[[0.0; GROUP]; DIMENSIONS + 1]; centroids.len()];
    let mut inertia = [0.0; GROUP];
    for v in 0..width::<S>() {
        let sums = VectorSums { cells: zero_cells(), inertia: simd.splat_f64s(0.0) };
        let sums = sum_vectors(simd, block, v, centroids, sums);
        let range = v * S::F64_LANES..(v + 1) * S::F64_LANES;
        for (lanes, cell) in lanes.iter_mut().zip(sums.cells.as_ref()) {
            for d in 0..=DIMENSIONS {
                simd.partial_store_f64s(&mut lanes[d][range.clone()], cell[d]);
            }
        }
        simd.partial_store_f64s(&mut inertia[range], sums.inertia);
    }
    Sums { cells: lanes.iter().map(|cell| cell.map(fold)).collect(), inertia: fold(inertia) }
}

/// Sums vector `v` of every group.
#[inline(always)]
fn sum_vectors<S: Simd, C: AsMut<[VectorCell<S>]>>(
    simd: S,
    block: &Block<'_>,
    v: usize,
    centroids: &[[S::f64s; DIMENSIONS]],
    mut sums: VectorSums<S, C>,
) -> VectorSums<S, C> {
    let one = simd.splat_f64s(1.0);
    let (bulk, rest) = block.split_at(block.len() - block.len() % GROUP);
    let [r, f, m] = bulk.columns.map(|column| S::as_simd_f64s(column).0.chunks_exact(width::<S>()));
    if bulk.weight.is_empty() {
        for ((r, f), m) in r.zip(f).zip(m) {
            sum_vector(simd, [r[v], f[v], m[v]], one, centroids, &mut sums);
        }
    } else {
        let weight = S::as_simd_f64s(bulk.weight).0.chunks_exact(width::<S>());
        for (((r, f), m), w) in r.zip(f).zip(m).zip(weight) {
            sum_vector(simd, [r[v], f[v], m[v]], w[v], centroids, &mut sums);
        }
    }
    if rest.len() > 0 {
        let (columns, weight) = padded(&rest);
        let x = columns.each_ref().map(|column| S::as_simd_f64s(column).0[v]);
        sum_vector(simd, x, S::as_simd_f64s(&weight).0[v], centroids, &mut sums);
    }
    sums
}

#[inline(always)]
fn sum_vector<S: Simd, C: AsMut<[VectorCell<S>]>>(
    simd: S,
    x: [S::f64s; DIMENSIONS],
    weight: S::f64s,
    centroids: &[[S::f64s; DIMENSIONS]],
    sums: &mut VectorSums<S, C>,
) {
    let (nearest, squared) = nearest(simd, x, centroids);
    sums.inertia = simd.add_f64s(sums.inertia, simd.mul_f64s(squared, weight));
    let weighted = x.map(|x| simd.mul_f64s(x, weight));
    let zero = simd.splat_f64s(0.0);
    for (code, cell) in CODES.iter().zip(sums.cells.as_mut()) {
        let inside = simd.equal_f64s(nearest, simd.splat_f64s(*code));
        for d in 0..DIMENSIONS {
            cell[d] = simd.add_f64s(cell[d], simd.select_f64s(inside, weighted[d], zero));
        }
        cell[DIMENSIONS] = simd.add_f64s(cell[DIMENSIONS], simd.select_f64s(inside, weight, zero));
    }
}

/// Cluster indices as numbers that compare in vector registers.
const CODES: [f64; super::options::MAX_K] = {
    let mut codes = [0.0; super::options::MAX_K];
    let mut c = 1;
    while c < codes.len() {
        codes[c] = codes[c - 1] + 1.0;
        c += 1;
    }
    codes
};

#[inline(always)]
fn nearest<S: Simd>(simd: S, x: [S::f64s; DIMENSIONS], centroids: &[[S::f64s; DIMENSIONS]]) -> (S::f64s, S::f64s) {
    let mut nearest = simd.splat_f64s(0.0);
    let mut best = simd.splat_f64s(f64::INFINITY);
    for (code, centroid) in CODES.iter().zip(centroids) {
        let [r, f, m] = std::array::from_fn(|d| {
            let difference = simd.sub_f64s(x[d], centroid[d]);
            simd.mul_f64s(difference, difference)
        });
        let squared = simd.add_f64s(simd.add_f64s(r, f), m);
        let closer = simd.less_than_f64s(squared, best);
        best = simd.select_f64s(closer, squared, best);
        nearest = simd.select_f64s(closer, simd.splat_f64s(*code), nearest);
    }
    (nearest, best)
}

/// The last, incomplete group: zeros of weight 0 fill it up.
#[inline(always)]
fn padded(rest: &Block<'_>) -> ([[f64; GROUP]; DIMENSIONS], [f64; GROUP]) {
    let fill = |values: &[f64]| {
        let mut group = [0.0; GROUP];
        group[..values.len()].copy_from_slice(values);
        group
    };
    let weight = if rest.weight.is_empty() { fill(&[1.0; GROUP][..rest.len()]) } else { fill(rest.weight) };
    (rest.columns.map(fill), weight)
}

/// Adds lanes up in the one order used everywhere.
fn fold(lane: [f64; GROUP]) -> f64 {
    ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]))
}

#[inline(always)]
fn label(block: Block<'_>, centroids: &[Centroid], nearest: &mut [u32], squared: &mut [f64]) {
    let [r, f, m] = block.columns;
    for (code, centroid) in (0..).zip(centroids) {
        let points = r.iter().zip(f).zip(m);
        for ((((r, f), m), nearest), best) in points.zip(&mut *nearest).zip(&mut *squared) {
            let (r, f, m) = (r - centroid[0], f - centroid[1], m - centroid[2]);
            let squared = r * r + f * f + m * m;
            let closer = squared < *best;
            *best = if closer { squared } else { *best };
            *nearest = if closer { code } else { *nearest };
        }
    }
}
