//! What holds for any customers.

use proptest::prelude::*;

use super::super::exchange::exchange;
use super::super::identity::assign;
use super::super::kernel::SumBlock;
use super::super::lloyd::sum_points;
use super::*;

fn rows() -> impl Strategy<Value = Vec<[f64; 3]>> {
    let row = (1..400_i32, 1..20_i32, prop_oneof![4 => 1..5_000_i32, 1 => 5_000..2_000_000_i32]);
    prop::collection::vec(row.prop_map(|(r, f, m)| [f64::from(r), f64::from(f), f64::from(m) / 100.0]), 1..80)
}

fn iterations(most: usize) -> Iterations {
    Iterations { most, update: Update::Mean, threads: threads(1) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fits_are_sound(rows in rows(), clusters in 1..9_usize, seed in any::<u64>()) {
        let count = rows.len();
        let fit = fit_columns(&transpose(rows.into_iter()), FitOptions { seed, ..k(clusters) }, None)?;
        assert_sound(&fit, count);
    }

    #[test]
    fn the_order_of_customers_is_irrelevant(rows in rows(), clusters in 1..6_usize) {
        let there = fit_columns(&transpose(rows.iter().copied()), k(clusters), None)?;
        let back = fit_columns(&transpose(rows.iter().rev().copied()), k(clusters), None)?;
        prop_assert!((there.quality.inertia - back.quality.inertia).abs() <= 1e-9 * there.quality.inertia.max(1e-9));
        let together = |fit: &Fit, i: usize, j: usize| fit.labels[i] == fit.labels[j];
        let last = rows.len() - 1;
        // Equal customers always share a segment; others do as far as nearly as good clusterings do not compete.
        for (i, j) in (0..rows.len()).flat_map(|i| (0..i).map(move |j| (i, j))).filter(|(i, j)| rows[*i] == rows[*j]) {
            prop_assert!(together(&there, i, j) && together(&back, last - i, last - j));
        }
    }

    #[test]
    fn inertia_never_increases(rows in rows(), clusters in 1..12_usize) {
        let points = Points::new(transpose(rows.into_iter()));
        let start: Vec<_> = (0..clusters).map(|i| points.get(i % points.len())).collect();
        let inertias: Vec<_> = (0..12).map(|most| lloyd(&points, &start, iterations(most)).inertia).collect();
        for pair in inertias.windows(2) {
            prop_assert!(pair[1] <= pair[0] * (1.0 + 1e-12), "{inertias:?}");
        }
        let settled = lloyd(&points, &start, iterations(1000));
        if let Some(exchanged) = exchange(&points, &settled.centroids, 20) {
            let exchanged = lloyd(&points, &exchanged, iterations(0));
            prop_assert!(exchanged.inertia <= settled.inertia * (1.0 + 1e-12));
        }
    }

    #[test]
    fn weights_stand_for_repetition(rows in rows(), clusters in 1..10_usize) {
        let weights = (0..rows.len()).map(|i| points::as_f64(i % 4));
        let repeated = rows.iter().zip(weights.clone()).flat_map(|(row, w)| (0..4).filter(move |i| f64::from(*i) < w).map(|_| *row));
        let weighted = Points::weighted(transpose(rows.iter().copied()), weights.collect());
        let repeated = Points::new(transpose(repeated));
        let centroids: Vec<_> = (0..clusters).map(|i| weighted.get(i % weighted.len())).collect();
        let (a, b) = (sum_points(&weighted, &centroids, threads(1)), sum_points(&repeated, &centroids, threads(1)));
        for (a, b) in a.cells.iter().flatten().zip(b.cells.iter().flatten()) {
            prop_assert!((a - b).abs() <= 1e-9 * b.abs());
        }
        prop_assert!((a.inertia - b.inertia).abs() <= 1e-9 * b.inertia);
    }

    #[test]
    fn sums_are_the_same_bits_on_any_vector_width(rows in rows(), clusters in 1..12_usize) {
        let points = Points::new(transpose(rows.into_iter()));
        let centroids: Vec<_> = (0..clusters).map(|i| points.get(i % points.len())).collect();
        let sums = |arch: pulp::Arch| arch.dispatch(SumBlock { block: points.block(0), centroids: &centroids });
        prop_assert_eq!(sums(pulp::Arch::new()), sums(pulp::Arch::Scalar));
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            prop_assert_eq!(sums(pulp::Arch::new()), sums(pulp::Arch::V3(v3)));
        }
    }

    #[test]
    fn assignment_is_optimal(rows in 1..7_usize, columns in 1..7_usize, costs in prop::collection::vec(0.0..9.0_f64, 36)) {
        let costs: Vec<Vec<f64>> = costs.chunks(6).take(rows).map(|row| row[..columns].to_vec()).collect();
        let assigned = assign(&costs);
        let used: Vec<_> = assigned.iter().flatten().collect();
        prop_assert_eq!(used.len(), rows.min(columns));
        prop_assert!(used.iter().enumerate().all(|(i, c)| !used[..i].contains(c)), "a column twice");
        let total: f64 = assigned.iter().zip(&costs).filter_map(|(c, row)| c.map(|c| row[c])).sum();
        prop_assert!((total - cheapest(&costs, &mut vec![false; columns], rows.min(columns))).abs() < 1e-9);
    }
}

/// Least sum of `left` costs, one in a row and column at most, by trying all.
fn cheapest(costs: &[Vec<f64>], taken: &mut Vec<bool>, left: usize) -> f64 {
    let Some((row, rest)) = costs.split_first().filter(|_| left > 0) else {
        return if left == 0 { 0.0 } else { f64::INFINITY };
    };
    let mut best = cheapest(rest, taken, left);
    for c in 0..row.len() {
        if !taken[c] {
            taken[c] = true;
            best = best.min(row[c] + cheapest(rest, taken, left - 1));
            taken[c] = false;
        }
    }
    best
}
