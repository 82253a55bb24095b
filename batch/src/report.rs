//! The figures of a publication: the document behind `--json`, the terminal's tables and the picture.

use std::collections::BTreeMap;

use data::{EventTime, Money};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::features::Customers;
use crate::ingest::{Counts, Ingested};
use crate::model::Fit;
use crate::rfm::{Scores, Scoring};
use crate::topics::TopicReport;

/// What one run found; `publication` and `published_at` are added when it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub reference_time: EventTime,
    pub input: Input,
    /// Every line that the lake has read so far.
    pub lake: Input,
    pub sources: Vec<Value>,
    /// Topic partitions that the speed layer archives; their lines are among those of the lake.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<TopicReport>,
    pub customers: usize,
    pub invoices: i64,
    pub revenue: Money,
    pub currency: String,
    pub median: Median,
    pub model: ModelReport,
    pub segments: Vec<SegmentReport>,
    pub rfm_segments: Vec<RfmSegmentReport>,
    /// Customers by recency score (1 to 5, outer) and frequency score (1 to 5, inner).
    pub rfm_grid: [[u64; 5]; 5],
    pub rfm_names: [[String; 5]; 5],
    pub notes: Vec<String>,
    pub timings_ms: BTreeMap<&'static str, f64>,
}

/// Lines read and what became of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Input {
    pub read: u64,
    pub accepted: u64,
    pub rejected: BTreeMap<String, u64>,
    /// Lines passed over because an earlier ingest had counted them.
    pub already_known: u64,
}

impl Input {
    #[must_use]
    pub fn new(counts: &Counts, already_known: u64) -> Self {
        let rejected = counts.by_reason().into_iter().map(|(reason, lines)| (reason.to_owned(), lines)).collect();
        Self { read: counts.read() + already_known, accepted: counts.accepted, rejected, already_known }
    }
}

/// The median customer.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Median {
    pub recency_days: f64,
    pub frequency: f64,
    pub monetary: f64,
}

/// The model and how good it is.
#[derive(Clone, Debug, Serialize)]
pub struct ModelReport {
    pub k: usize,
    pub seed: u64,
    pub inertia: f64,
    pub silhouette: Option<f64>,
    pub davies_bouldin: Option<f64>,
    pub calinski_harabasz: Option<f64>,
    /// Customers that the silhouette was estimated on; absent when on all.
    pub sampled: Option<usize>,
    /// Population standard deviations of recency, frequency, monetary.
    pub scale: [f64; 3],
    /// Scaled units, by ascending segment id.
    pub centroids: Vec<[f64; 3]>,
    pub elbow: Vec<crate::model::ElbowPoint>,
}

/// One segment; recency, frequency and monetary are means of its customers.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentReport {
    pub segment_id: u32,
    pub segment_name: String,
    pub customers: u64,
    pub revenue: Money,
    pub recency_days: f64,
    pub frequency: f64,
    pub monetary: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct RfmSegmentReport {
    pub rfm_segment: String,
    pub customers: u64,
    pub revenue: Money,
}

/// What a run computed, before it is published.
pub struct Computed {
    pub customers: Customers,
    pub reference: EventTime,
    pub recency_days: Vec<i64>,
    pub scores: Scores,
    pub fit: Fit,
}

impl Computed {
    /// # Panics
    /// Never: sums of what was summed before.
    #[must_use]
    pub fn revenue(&self) -> Money {
        self.customers.monetary.iter().copied().sum()
    }

    /// Segments by monetary mean, highest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentReport> {
        let mut sums = vec![(0_u64, 0_i64, 0_i64, Money::ZERO); self.fit.model.segments.len()];
        let rows = self.recency_days.iter().zip(&self.customers.frequency).zip(&self.customers.monetary);
        for (label, ((recency, frequency), monetary)) in self.fit.labels.iter().zip(rows) {
            if let Some(sum) = sums.get_mut(*label as usize) {
                *sum = (sum.0 + 1, sum.1 + recency, sum.2 + frequency, sum.3 + *monetary);
            }
        }
        let mut segments: Vec<SegmentReport> = self
            .fit
            .model
            .segments
            .iter()
            .zip(sums)
            .map(|(segment, (customers, recency, frequency, revenue))| SegmentReport {
                segment_id: segment.id,
                segment_name: segment.name.clone(),
                customers,
                revenue,
                recency_days: mean(recency, customers),
                frequency: mean(frequency, customers),
                monetary: mean(revenue.raw(), customers) / data::money::UNIT_F64,
            })
            .collect();
        segments
            .sort_by(|one, other| other.monetary.total_cmp(&one.monetary).then(one.segment_id.cmp(&other.segment_id)));
        segments
    }

    /// Named RFM segments, the largest revenue first.
    #[must_use]
    pub fn rfm_segments(&self, scoring: &Scoring) -> Vec<RfmSegmentReport> {
        let mut sums: BTreeMap<&str, (u64, Money)> = BTreeMap::new();
        for ((recency, frequency), monetary) in
            self.scores.recency.iter().zip(&self.scores.frequency).zip(&self.customers.monetary)
        {
            let sum = sums.entry(scoring.segment(*recency, *frequency)).or_default();
            *sum = (sum.0 + 1, sum.1 + *monetary);
        }
        let mut segments: Vec<RfmSegmentReport> = sums
            .into_iter()
            .map(|(name, (customers, revenue))| RfmSegmentReport { rfm_segment: name.to_owned(), customers, revenue })
            .collect();
        segments.sort_by(|one, other| {
            other.revenue.cmp(&one.revenue).then_with(|| one.rfm_segment.cmp(&other.rfm_segment))
        });
        segments
    }

    /// A note when customers ordered after the reference date.
    fn ordered_later(&self) -> Option<String> {
        let later = self.recency_days.iter().filter(|days| **days < 0).count();
        (later > 0).then(|| format!("{later} customers ordered after the reference date; their recency is negative"))
    }

    fn grid(&self) -> [[u64; 5]; 5] {
        let mut grid = [[0; 5]; 5];
        for (recency, frequency) in self.scores.recency.iter().zip(&self.scores.frequency) {
            let row = grid.get_mut(usize::from(recency.saturating_sub(1)));
            if let Some(cell) = row.and_then(|row| row.get_mut(usize::from(frequency.saturating_sub(1)))) {
                *cell += 1;
            }
        }
        grid
    }

    /// The report of this run.
    #[must_use]
    pub fn report(
        &self,
        scoring: &Scoring,
        currency: &str,
        ingested: Option<&Ingested>,
        totals: &Counts,
        timings_ms: BTreeMap<&'static str, f64>,
    ) -> Report {
        let (model, quality) = (&self.fit.model, &self.fit.quality);
        let lake = Input::new(totals, 0);
        let input =
            ingested.map_or_else(|| lake.clone(), |ingested| Input::new(&ingested.counts, ingested.already_known));
        let sources = ingested.map(|ingested| ingested.sources.as_slice()).unwrap_or_default();
        Report {
            reference_time: self.reference,
            input,
            lake,
            sources: sources.iter().filter_map(|source| serde_json::to_value(source).ok()).collect(),
            topics: Vec::new(),
            customers: self.customers.len(),
            invoices: self.customers.frequency.iter().sum(),
            revenue: self.revenue(),
            currency: currency.to_owned(),
            median: Median {
                recency_days: median(self.recency_days.clone()),
                frequency: median(self.customers.frequency.clone()),
                monetary: median(self.customers.monetary.iter().map(|money| money.raw()).collect())
                    / data::money::UNIT_F64,
            },
            model: ModelReport {
                k: model.k,
                seed: model.seed,
                inertia: quality.inertia,
                silhouette: quality.silhouette,
                davies_bouldin: quality.davies_bouldin,
                calinski_harabasz: quality.calinski_harabasz,
                sampled: quality.silhouette_sample,
                scale: model.scale,
                centroids: model.centroids(),
                elbow: self.fit.elbow.clone(),
            },
            segments: self.segments(),
            rfm_segments: self.rfm_segments(scoring),
            rfm_grid: self.grid(),
            rfm_names: [1, 2, 3, 4, 5]
                .map(|recency| [1, 2, 3, 4, 5].map(|frequency| scoring.segment(recency, frequency).to_owned())),
            notes: self.fit.notes.iter().map(ToString::to_string).chain(self.ordered_later()).collect(),
            timings_ms,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "means are shown, not summed")]
fn mean(sum: i64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum as f64 / count as f64 }
}

#[expect(clippy::cast_precision_loss, reason = "medians are shown, not summed")]
fn median(mut values: Vec<i64>) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable(middle);
    let upper = *upper as f64;
    if even { below.iter().max().map_or(upper, |lower| (*lower as f64 + upper) / 2.0) } else { upper }
}

#[cfg(test)]
mod tests;
