//! Customer segments: K-Means on recency, frequency and monetary value.
//!
//! ```text
//! features ─ scale ─▶ points ─ condense ─▶ search (starts, Lloyd, exchange, kicks) ─▶ ids, names ─▶ labels, quality
//! ```
//!
//! Deterministic: for a seed, the result does not depend on threads or on the width of vector registers.

mod condense;
mod error;
mod exchange;
mod features;
mod identity;
mod kernel;
mod lloyd;
mod names;
mod options;
mod parallel;
mod points;
mod quality;
mod search;
mod silhouette;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use data::model::{Model, Segment};
pub use error::{ModelError, Note};
pub use features::{FEATURES, Features};
pub use lloyd::{Iterations, Lloyd, Update, lloyd};
pub use options::{Clusters, FitOptions, FitParameters, MAX_K};
pub use points::{Centroid, Points};
pub use quality::Quality;

use features::Scaler;
use points::DIMENSIONS;
use quality::Spread;
use search::Search;

/// Customers up to which the silhouette is computed over all pairs.
const MOST_EXACT: usize = 20_000;

/// Customers it is estimated on beyond that.
const SILHOUETTE_SAMPLE: usize = 10_000;

/// A fitted model and what it says about the customers it was fitted to.
#[derive(Clone, Debug)]
pub struct Fit {
    pub model: Model,
    /// n positions in `model.segments`, in the order of the features.
    pub labels: Vec<u32>,
    /// n Euclidean distances to the centroid, scaled units.
    pub distances: Vec<f64>,
    pub quality: Quality,
    /// One entry for each k tried, ascending.
    pub elbow: Vec<ElbowPoint>,
    pub notes: Vec<Note>,
}

/// What a number of segments would give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElbowPoint {
    pub k: usize,
    pub inertia: f64,
    /// On all customers or on the same sample as [`Quality::silhouette`].
    pub silhouette: Option<f64>,
}

/// Fits segments to customers, n × 3. Segments of `previous` keep their ids.
///
/// # Errors
/// [`ModelError::NoCustomers`] if there are none.
pub fn fit(features: Features<'_>, parameters: &FitParameters, previous: Option<&Model>) -> Result<Fit, ModelError> {
    if features.is_empty() {
        return Err(ModelError::NoCustomers);
    }
    let scaler = Scaler::of(features);
    let points = scaler.points(features);
    let search = Search::new(&points, parameters.seed, parameters.threads);
    let sample = SilhouetteSample::of(&points, parameters.seed);
    let mut notes: Vec<_> = scaler.notes().collect();
    let (asked, distinct) = (parameters.most(), search.distinct());
    if asked > distinct {
        notes.push(Note::FewerDistinctCustomers { asked, distinct });
    }
    let mut tried: Vec<(Lloyd, ElbowPoint)> = Vec::new();
    for k in parameters.range(distinct) {
        let found = search.best(k);
        let silhouette = sample.silhouette(&points, &found.centroids, parameters.threads);
        let elbow = ElbowPoint { k, inertia: found.inertia, silhouette };
        tried.push((found, elbow));
    }
    let elbow: Vec<_> = tried.iter().map(|(_, elbow)| elbow.clone()).collect();
    let (chosen, figures) = tried.into_iter().reduce(better_silhouette).ok_or(ModelError::NoCustomers)?;
    let model = publish(&chosen, &scaler, parameters.seed, previous);
    let (model, labels, distances) = label(model, &scaler, &points, parameters.threads);
    let quality = sample.quality(&points, &labels, &model, figures.silhouette);
    notes.extend(quality.silhouette_sample.map(|customers| Note::SampledSilhouette { customers }));
    Ok(Fit { model, labels, distances, quality, elbow, notes })
}

/// The better of two k, `a` being the smaller: ties, and k without a silhouette, stay with it.
fn better_silhouette(a: (Lloyd, ElbowPoint), b: (Lloyd, ElbowPoint)) -> (Lloyd, ElbowPoint) {
    if b.1.silhouette > a.1.silhouette { b } else { a }
}

/// Gives the centroids their ids and names. Customers are counted later.
fn publish(found: &Lloyd, scaler: &Scaler, seed: u64, previous: Option<&Model>) -> Model {
    let centroids: Vec<_> = found.centroids.iter().map(|c| scaler.publish(*c)).collect();
    let rescaled: Vec<_> = previous.iter().flat_map(|model| rescale(model, scaler)).collect();
    let ids = identity::segment_ids(&centroids, &rescaled);
    let names = names::segment_names(&centroids, &average(&centroids, &found.sizes));
    let segments = ids.into_iter().zip(names).zip(centroids);
    let mut segments: Vec<_> =
        segments.map(|((id, name), centroid)| Segment { id, name, customers: 0, centroid }).collect();
    segments.sort_by_key(|segment| segment.id);
    Model { k: segments.len(), seed, scale: scaler.scale, inertia: found.inertia, segments }
}

/// Ids and centroids of a model, these in another scale.
fn rescale(model: &Model, scaler: &Scaler) -> impl Iterator<Item = (u32, Centroid)> {
    model.segments.iter().map(|segment| {
        let mut centroid = model.in_units(&segment.centroid);
        for (x, scale) in centroid.iter_mut().zip(scaler.scale) {
            *x /= scale;
        }
        (segment.id, centroid)
    })
}

/// The average customer: the mean of centroids by their sizes.
fn average(centroids: &[Centroid], sizes: &[f64]) -> Centroid {
    let total: f64 = sizes.iter().sum();
    let mut average = [0.0; DIMENSIONS];
    for (centroid, size) in centroids.iter().zip(sizes) {
        for (average, x) in average.iter_mut().zip(centroid) {
            *average += x * (size / total);
        }
    }
    average
}

/// Assigns all customers by the published centroids and counts them.
fn label(mut model: Model, scaler: &Scaler, points: &Points, threads: NonZeroUsize) -> (Model, Vec<u32>, Vec<f64>) {
    let centroids: Vec<_> = model.segments.iter().map(|segment| scaler.internal(segment.centroid)).collect();
    let (labels, squared) = lloyd::label_points(points, &centroids, threads);
    for label in &labels {
        if let Some(segment) = model.segments.get_mut(*label as usize) {
            segment.customers += 1;
        }
    }
    model.inertia = squared.chunks(points::BLOCK).map(kernel::sum).sum();
    let distances = squared.into_iter().map(f64::sqrt).collect();
    (model, labels, distances)
}

/// The customers whose silhouettes are computed.
enum SilhouetteSample {
    All,
    Some(Points),
}

impl SilhouetteSample {
    fn of(points: &Points, seed: u64) -> Self {
        if points.len() <= MOST_EXACT {
            return Self::All;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut rows = rand::seq::index::sample(&mut rng, points.len(), SILHOUETTE_SAMPLE).into_vec();
        rows.sort_unstable();
        Self::Some(points.select(&rows))
    }

    fn silhouette(&self, all: &Points, centroids: &[Centroid], threads: NonZeroUsize) -> Option<f64> {
        let points = match self {
            Self::All => all,
            Self::Some(sample) => sample,
        };
        let (labels, _) = lloyd::label_points(points, centroids, threads);
        silhouette::silhouette(points, &labels, centroids.len(), threads)
    }

    fn quality(&self, points: &Points, labels: &[u32], model: &Model, silhouette: Option<f64>) -> Quality {
        let spread = Spread::of(points, labels, model.k);
        Quality {
            inertia: model.inertia,
            silhouette,
            silhouette_sample: match self {
                Self::Some(sample) if silhouette.is_some() => Some(sample.len()),
                _ => None,
            },
            davies_bouldin: spread.davies_bouldin(),
            calinski_harabasz: spread.calinski_harabasz(),
        }
    }
}
