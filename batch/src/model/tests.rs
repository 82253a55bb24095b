#![allow(clippy::indexing_slicing, clippy::float_cmp, reason = "tests: a wrong index or bit is a failed test")]

mod golden;
mod outcomes;
mod properties;

use std::num::NonZeroUsize;

use super::*;

/// 240 customers as recency, frequency, monetary:
/// `r = i·37 mod 101 + 1`, `f = 1 + i² mod 7 (+ 20 every 17th)`, `m = 10 + 31·i² mod 997 (+ 5000 every 23rd)`.
fn customers() -> [Vec<f64>; 3] {
    let rows = (0..240_u32).map(|i| {
        let frequency = 1 + i * i % 7 + if i.is_multiple_of(17) { 20 } else { 0 };
        let monetary = 10 + i * i * 31 % 997 + if i.is_multiple_of(23) { 5000 } else { 0 };
        [i * 37 % 101 + 1, frequency, monetary].map(f64::from)
    });
    transpose(rows)
}

fn transpose(rows: impl Iterator<Item = [f64; 3]>) -> [Vec<f64>; 3] {
    let mut columns = [const { Vec::new() }; 3];
    for row in rows {
        for (column, x) in columns.iter_mut().zip(row) {
            column.push(x);
        }
    }
    columns
}

fn fit_columns([r, f, m]: &[Vec<f64>; 3], options: FitOptions, previous: Option<&Model>) -> Result<Fit, ModelError> {
    fit(Features::new(r, f, m)?, &options.check()?, previous)
}

fn k(k: usize) -> FitOptions {
    FitOptions { k: Clusters::Fixed(k), seed: 42, threads: threads(2) }
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}

/// Equal to a relative deviation of 1e-9.
#[track_caller]
fn close(actual: f64, expected: f64) {
    let deviation = (actual - expected).abs();
    assert!(deviation <= 1e-9 * expected.abs(), "{actual} is not {expected}");
}

/// Every figure of a fit is a finite number, and labels, distances and counts agree with each other.
#[track_caller]
fn assert_sound(fit: &Fit, customers: usize) {
    let model = &fit.model;
    assert_eq!((fit.labels.len(), fit.distances.len(), model.segments.len()), (customers, customers, model.k));
    assert_eq!(model.segments.iter().map(|s| s.customers).sum::<u64>(), customers as u64);
    assert!(model.segments.iter().all(|s| s.customers > 0), "an empty segment: {model:?}");
    assert!(model.segments.is_sorted_by(|a, b| a.id < b.id));
    let names: std::collections::BTreeSet<_> = model.segments.iter().map(|s| &s.name).collect();
    assert_eq!(names.len(), model.k, "names are not unique: {names:?}");
    let quality = &fit.quality;
    let figures = [quality.silhouette, quality.davies_bouldin, quality.calinski_harabasz, Some(quality.inertia)];
    let numbers =
        model.segments.iter().flat_map(|s| s.centroid).chain(model.scale).chain(figures.into_iter().flatten());
    assert!(numbers.chain(fit.distances.iter().copied()).all(f64::is_finite), "{fit:?}");
}
