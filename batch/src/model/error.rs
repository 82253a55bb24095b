//! Why a fit is refused, and what a fit wants to be known.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::options::MAX_K;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    #[error("no customers to segment: every order line was rejected, or there was none")]
    NoCustomers,
    #[error("k = {k} is not possible: choose 1 to {MAX_K} segments")]
    Clusters { k: usize },
    #[error("k from {least} to {most} is no range to choose from: start at 2 or above and end no lower than the start")]
    Range { least: usize, most: usize },
    #[error("features of unequal length: {recency} recency, {frequency} frequency, {monetary} monetary values")]
    Lengths { recency: usize, frequency: usize, monetary: usize },
    #[error("{feature} of customer {row} (counted from 0) is {value}: it must be finite and below 1e100")]
    Value { feature: &'static str, row: usize, value: f64 },
}

/// Something about a fit that its reader should know. Not an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// All customers have the same value; the scale of the feature is 1.
    ConstantFeature { feature: String },
    /// k was lowered to the number of distinct customers.
    FewerDistinctCustomers { asked: usize, distinct: usize },
    /// The silhouette was estimated on a seeded sample.
    SampledSilhouette { customers: usize },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConstantFeature { feature } => {
                write!(f, "{feature} is the same for all customers and tells no segments apart (scale 1)")
            }
            Self::FewerDistinctCustomers { asked, distinct } => {
                write!(f, "k lowered from {asked} to {distinct}: there are no more distinct customers")
            }
            Self::SampledSilhouette { customers } => {
                write!(f, "silhouette estimated on a sample of {customers} customers")
            }
        }
    }
}
