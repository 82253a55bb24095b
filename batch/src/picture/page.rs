//! What the picture shows: the figures of one publication, close to the document that `batch show --json` prints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The figures of one publication.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page {
    pub publication: String,
    /// ISO 8601; recency is counted to its date.
    pub reference_time: String,
    /// ISO 8601, UTC.
    pub published_at: String,
    pub input: Input,
    pub customers: u64,
    pub invoices: u64,
    pub revenue: f64,
    /// The median customer; `None` without customers.
    pub median: Option<Median>,
    pub model: Model,
    /// In any order; the page sorts by monetary.
    pub segments: Vec<Segment>,
    pub rfm_segments: Vec<RfmSegment>,
    /// Customers by recency score (1..5, outer) and frequency score (1..5, inner).
    pub rfm_grid: [[u64; 5]; 5],
    /// Which RFM segment each cell of the grid belongs to, indexed like the grid.
    #[serde(default = "rfm_names")]
    pub rfm_names: [[String; 5]; 5],
    /// Symbol or code put before amounts: `£`, `€`, `CHF`; may be empty.
    #[serde(default)]
    pub currency: String,
}

/// Order lines of the run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Input {
    pub read: u64,
    pub accepted: u64,
    /// Lines by reason, such as `missing_customer`.
    pub rejected: BTreeMap<String, u64>,
    /// Lines of files that the lake held already.
    #[serde(default)]
    pub already_known: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Median {
    pub recency_days: f64,
    pub frequency: f64,
    pub monetary: f64,
}

/// The trained model and how good it is. A quality figure that is not defined (one segment, say) is `None`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Model {
    pub k: u64,
    pub seed: u64,
    pub inertia: Option<f64>,
    pub silhouette: Option<f64>,
    pub davies_bouldin: Option<f64>,
    pub calinski_harabasz: Option<f64>,
    /// What R, F and M were divided by.
    #[serde(default)]
    pub scale: Vec<f64>,
    /// R, F and M in scaled units, in ascending order of segment id.
    #[serde(default)]
    pub centroids: Vec<[f64; 3]>,
    /// Customers that the quality figures were sampled from; `None` when all were used.
    #[serde(default)]
    pub sampled: Option<u64>,
}

/// One segment; R, F and M are its means.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Segment {
    pub segment_id: u64,
    pub segment_name: String,
    pub customers: u64,
    pub revenue: f64,
    pub recency_days: f64,
    pub frequency: f64,
    pub monetary: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RfmSegment {
    pub rfm_segment: String,
    pub customers: u64,
    pub revenue: f64,
}

/// Why no picture could be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("cannot draw {figure}: it is not a finite number; run `batch run` again to publish it anew")]
    NotFinite { figure: String },
}

impl Input {
    pub(super) fn rejected_lines(&self) -> u64 {
        self.rejected.values().sum()
    }
}

impl Page {
    pub(super) fn check(&self) -> Result<(), PictureError> {
        let finite = |figure: &str, value: f64| {
            value.is_finite().then_some(()).ok_or_else(|| PictureError::NotFinite { figure: figure.to_owned() })
        };
        finite("the revenue", self.revenue)?;
        for s in &self.segments {
            for (what, value) in [
                ("revenue", s.revenue),
                ("recency", s.recency_days),
                ("frequency", s.frequency),
                ("monetary", s.monetary),
            ] {
                finite(&format!("the {what} of segment {}", s.segment_id), value)?;
            }
        }
        for s in &self.rfm_segments {
            finite(&format!("the revenue of RFM segment {}", s.rfm_segment), s.revenue)?;
        }
        if let Some(m) = &self.median {
            finite("the median recency", m.recency_days)?;
            finite("the median frequency", m.frequency)?;
            finite("the median monetary", m.monetary)?;
        }
        Ok(())
    }

    /// Segments by monetary, highest first: the order of every chart.
    pub(super) fn by_monetary(&self) -> Vec<&Segment> {
        let mut sorted: Vec<&Segment> = self.segments.iter().collect();
        sorted.sort_by(|a, b| b.monetary.total_cmp(&a.monetary).then(a.segment_id.cmp(&b.segment_id)));
        sorted
    }
}

/// The ten usual RFM segments by recency and frequency score.
pub fn rfm_names() -> [[String; 5]; 5] {
    std::array::from_fn(|r| std::array::from_fn(|f| rfm_name(r + 1, f + 1).to_owned()))
}

fn rfm_name(recency: usize, frequency: usize) -> &'static str {
    match (recency, frequency) {
        (..=2, ..=2) => "Hibernating",
        (..=2, ..=4) => "At Risk",
        (..=2, _) => "Can't Lose",
        (3, ..=2) => "About to Sleep",
        (3, 3) => "Need Attention",
        (3 | 4, 4..) => "Loyal",
        (4, 1) => "Promising",
        (_, 1) => "New",
        (_, ..=3) => "Potential Loyalist",
        _ => "Champions",
    }
}
