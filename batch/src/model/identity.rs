//! Segment ids that stay with their segment from one publication to the next.

use super::points::{Centroid, squared_distance};

/// Ids of new centroids. Each previous centroid (with its id, in the same scale) goes on in the new one that the
/// least total distance gives it; new ones without a predecessor get the lowest ids the previous ones did not use.
/// Without predecessors, ids are 0 to k − 1 by descending monetary value.
pub(crate) fn segment_ids(centroids: &[Centroid], previous: &[(u32, Centroid)]) -> Vec<u32> {
    let mut free = (0..).filter(|id| previous.iter().all(|(used, _)| used != id));
    let mut ids: Vec<Option<u32>> = vec![None; centroids.len()];
    if !previous.is_empty() {
        let cost = |new: &Centroid| previous.iter().map(|(_, old)| squared_distance(new, old).sqrt()).collect();
        let costs: Vec<Vec<f64>> = centroids.iter().map(cost).collect();
        for (id, old) in ids.iter_mut().zip(assign(&costs)) {
            *id = old.and_then(|old| previous.get(old)).map(|(id, _)| *id);
        }
    }
    for new in by_descending_monetary(centroids) {
        if let Some(id @ None) = ids.get_mut(new) {
            *id = free.next();
        }
    }
    ids.into_iter().flatten().collect()
}

fn by_descending_monetary(centroids: &[Centroid]) -> Vec<usize> {
    let mut order: Vec<_> = (0..).zip(centroids).collect();
    order.sort_by(|(_, [.., a]), (_, [.., b])| b.total_cmp(a));
    order.into_iter().map(|(i, _)| i).collect()
}

/// The column given to each row so that the sum of costs is least; with fewer columns than rows, some rows get
/// none. `costs` is rows × columns, finite. Hungarian method with potentials (Kuhn 1955, Munkres 1957), O(n³).
pub(crate) fn assign(costs: &[Vec<f64>]) -> Vec<Option<usize>> {
    let columns = costs.first().map_or(0, Vec::len);
    if costs.len() <= columns {
        return assign_rows(costs);
    }
    let transposed: Vec<Vec<f64>> =
        (0..columns).map(|c| costs.iter().filter_map(|row| row.get(c).copied()).collect()).collect();
    let mut assigned = vec![None; costs.len()];
    for (column, row) in assign_rows(&transposed).into_iter().enumerate() {
        if let Some(slot) = row.and_then(|row| assigned.get_mut(row)) {
            *slot = Some(column);
        }
    }
    assigned
}

/// [`assign`] for at most as many rows as columns: rows join one after the other by a shortest augmenting path.
#[allow(clippy::indexing_slicing, reason = "indices come from the same fixed sizes; column m is the path's root")]
fn assign_rows(costs: &[Vec<f64>]) -> Vec<Option<usize>> {
    let (n, m) = (costs.len(), costs.first().map_or(0, Vec::len));
    let (mut row_potential, mut column_potential) = (vec![0.0; n], vec![0.0; m + 1]);
    let mut row_of: Vec<Option<usize>> = vec![None; m + 1];
    for row in 0..n {
        row_of[m] = Some(row);
        let mut column = m;
        let (mut least, mut from, mut done) = (vec![f64::INFINITY; m], vec![m; m], vec![false; m + 1]);
        while let Some(current) = row_of[column] {
            done[column] = true;
            let (mut step, mut next) = (f64::INFINITY, m);
            for c in (0..m).filter(|c| !done[*c]) {
                let reduced = costs[current][c] - row_potential[current] - column_potential[c];
                if reduced < least[c] {
                    (least[c], from[c]) = (reduced, column);
                }
                if least[c] < step {
                    (step, next) = (least[c], c);
                }
            }
            for c in 0..=m {
                match row_of[c] {
                    Some(row) if done[c] => {
                        row_potential[row] += step;
                        column_potential[c] -= step;
                    }
                    _ if c < m => least[c] -= step,
                    _ => {}
                }
            }
            column = next;
        }
        while column != m {
            row_of[column] = row_of[from[column]];
            column = from[column];
        }
    }
    let mut assigned = vec![None; n];
    for (column, row) in row_of.iter().take(m).enumerate() {
        if let Some(row) = row {
            assigned[*row] = Some(column);
        }
    }
    assigned
}
