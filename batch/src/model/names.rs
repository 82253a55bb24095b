//! Names that follow from centroids.
//!
//! The first four are what the marketing department knows; none is given to a segment that the average customer outdoes in
//! it. Other segments are named by three questions that decide a campaign: did they buy recently, often, for much money, each
//! compared with the average customer? Segments with the same answers are told apart by the feature in which they differ most.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::points::{Centroid, DIMENSIONS};

const VIP: &str = "High Value VIP";
const CHURN: &str = "Churn Risk";
const LOYAL: &str = "Loyal / Frequent";
const NEW: &str = "New / Promising";
const ALL: &str = "All Customers";

/// Who has not ordered for so many times as long as the average customer is on the way out; a little longer means nothing, as where
/// nearly everybody is in one segment.
const LAPSED: f64 = 1.25;

/// A feature's place in a centroid.
const RECENCY: usize = 0;
const FREQUENCY: usize = 1;
const MONETARY: usize = 2;

/// A unique name for each of `centroids` (k × 3), given those of the average customer.
pub(crate) fn segment_names(centroids: &[Centroid], average: &Centroid) -> Vec<String> {
    let mut names = vec![String::new(); centroids.len()];
    let mut rest: Vec<usize> = (0..centroids.len()).collect();
    if centroids.len() == 1 {
        return vec![ALL.to_owned()];
    }
    for (name, feature, extreme) in [
        (VIP, MONETARY, Ordering::Greater),
        (CHURN, RECENCY, Ordering::Greater),
        (LOYAL, FREQUENCY, Ordering::Greater),
        (NEW, RECENCY, Ordering::Less),
    ] {
        let beats =
            |a: &usize, b: &usize| value(centroids, *a, feature).total_cmp(&value(centroids, *b, feature)) == extreme;
        let best = rest.iter().copied().reduce(|best, next| if beats(&next, &best) { next } else { best });
        let usual = average.get(feature).copied().unwrap_or_default() * if name == CHURN { LAPSED } else { 1.0 };
        if let Some(chosen) = best.filter(|best| value(centroids, *best, feature).total_cmp(&usual) == extreme) {
            rest.retain(|i| *i != chosen);
            set(&mut names, chosen, name.to_owned());
        }
    }
    let mut alike: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for i in rest {
        alike.entry(traits(centroids.get(i), average)).or_default().push(i);
    }
    for (name, members) in alike {
        for (i, name) in tell_apart(name, members, centroids) {
            set(&mut names, i, name);
        }
    }
    names
}

fn value(centroids: &[Centroid], i: usize, feature: usize) -> f64 {
    centroids.get(i).and_then(|c| c.get(feature)).copied().unwrap_or_default()
}

fn set(names: &mut [String], i: usize, name: String) {
    if let Some(slot) = names.get_mut(i) {
        *slot = name;
    }
}

/// What to do with customers who are recent or not, frequent or not, valuable or not.
fn traits(centroid: Option<&Centroid>, [recency, frequency, monetary]: &Centroid) -> &'static str {
    let Some([r, f, m]) = centroid else {
        return ALL;
    };
    match (*r <= recency * LAPSED, f > frequency, m > monetary) {
        (true, true, true) => "Active Core",
        (true, true, false) => "Frequent Small Baskets",
        (true, false, true) => "Big Spenders",
        (true, false, false) => "Occasional",
        (false, true, true) => "Win-Back Priority",
        (false, true, false) => "Fading Regulars",
        (false, false, true) => "Lapsed Big Spenders",
        (false, false, false) => "Dormant",
    }
}

/// Names of segments with the same traits: one keeps the bare name, several are ranked by the feature in which
/// they are the furthest apart (in standard deviations).
fn tell_apart(name: &str, mut members: Vec<usize>, centroids: &[Centroid]) -> Vec<(usize, String)> {
    let range = |feature: usize| {
        let values = members.iter().map(|i| value(centroids, *i, feature));
        values.clone().fold(f64::NEG_INFINITY, f64::max) - values.fold(f64::INFINITY, f64::min)
    };
    let ranges: [f64; DIMENSIONS] = std::array::from_fn(range);
    let widest = (0..).zip(ranges).max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(RECENCY, |(feature, _)| feature);
    members.sort_by(|a, b| value(centroids, *a, widest).total_cmp(&value(centroids, *b, widest)));
    let (low, high, tier) = match widest {
        RECENCY => ("Recent", "Long Silent", "Silence"),
        FREQUENCY => ("Rare", "Frequent", "Frequency"),
        _ => ("Small Spend", "Large Spend", "Spend"),
    };
    let count = members.len();
    let ranked = |rank: usize| match (count, rank) {
        (1, _) => name.to_owned(),
        (2 | 3, 0) => format!("{name}, {low}"),
        (2, 1) | (3, 2) => format!("{name}, {high}"),
        (3, _) => format!("{name}, Middle"),
        _ => format!("{name}, {tier} Tier {} of {count}", rank + 1),
    };
    members.into_iter().enumerate().map(|(rank, i)| (i, ranked(rank))).collect()
}
