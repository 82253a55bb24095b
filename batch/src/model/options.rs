//! What a fit is asked for: checked once, then carried as [`FitParameters`].

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::error::ModelError;

/// More segments than this no marketer tells apart, and no names exist for them.
pub const MAX_K: usize = 32;

/// How many segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clusters {
    Fixed(usize),
    /// The k of this range with the best silhouette.
    Auto {
        least: usize,
        most: usize,
    },
}

/// As configured; [`FitOptions::check`] makes it usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FitOptions {
    pub k: Clusters,
    pub seed: u64,
    /// Threads to use at most; the result does not depend on it.
    pub threads: NonZeroUsize,
}

impl Default for FitOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { k: Clusters::Fixed(4), seed: 42, threads }
    }
}

impl Clusters {
    /// `auto` without a range of its own.
    pub const AUTO: Self = Self::Auto { least: 2, most: 8 };
}

/// Checked [`FitOptions`].
#[derive(Clone, Debug)]
pub struct FitParameters {
    range: RangeInclusive<usize>,
    pub(crate) seed: u64,
    pub(crate) threads: NonZeroUsize,
}

impl FitOptions {
    /// # Errors
    /// When k is 0 or above [`MAX_K`], or an automatic range is empty or starts below 2.
    pub fn check(self) -> Result<FitParameters, ModelError> {
        let (least, most) = match self.k {
            Clusters::Fixed(k) => (k, k),
            Clusters::Auto { least, most } if least < 2 || least > most => {
                return Err(ModelError::Range { least, most });
            }
            Clusters::Auto { least, most } => (least, most),
        };
        if least == 0 || most > MAX_K {
            return Err(ModelError::Clusters { k: if least == 0 { 0 } else { most } });
        }
        Ok(FitParameters { range: least..=most, seed: self.seed, threads: self.threads })
    }
}

impl FitParameters {
    /// The k to try for data with this many distinct points; never empty for at least one.
    pub(crate) fn range(&self, distinct: usize) -> RangeInclusive<usize> {
        let (least, most) = (*self.range.start(), *self.range.end());
        least.min(distinct)..=most.min(distinct)
    }

    /// The k that was asked for, or the highest to be tried.
    pub(crate) fn most(&self) -> usize {
        *self.range.end()
    }
}
