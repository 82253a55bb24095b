//! Features in their own units, and their scaling.

use super::error::{ModelError, Note};
use super::kernel::sum;
use super::points::{BLOCK, Centroid, DIMENSIONS, Points, as_f64};

/// What the three features are called.
pub const FEATURES: [&str; DIMENSIONS] = ["recency", "frequency", "monetary"];

/// Magnitude from which squares could leave the range of `f64`.
const TOO_LARGE: f64 = 1e100;

/// Three columns of equal length, one row per customer.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    columns: [&'a [f64]; DIMENSIONS],
}

impl<'a> Features<'a> {
    /// `recency` in days, `frequency` in invoices, `monetary` in whatever unit the model is to be published in.
    ///
    /// # Errors
    /// When the columns differ in length, or a value is not finite or its magnitude reaches 1e100.
    pub fn new(recency: &'a [f64], frequency: &'a [f64], monetary: &'a [f64]) -> Result<Self, ModelError> {
        if recency.len() != frequency.len() || recency.len() != monetary.len() {
            let (recency, frequency, monetary) = (recency.len(), frequency.len(), monetary.len());
            return Err(ModelError::Lengths { recency, frequency, monetary });
        }
        let columns = [recency, frequency, monetary];
        for (column, feature) in columns.iter().zip(FEATURES) {
            if let Some(row) = column.iter().position(|x| x.is_nan() || x.abs() >= TOO_LARGE) {
                let value = column.get(row).copied().unwrap_or(f64::NAN);
                return Err(ModelError::Value { feature, row, value });
            }
        }
        Ok(Self { columns })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        let [recency, ..] = self.columns;
        recency.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Divides each feature by its population standard deviation (`ddof = 0`).
#[derive(Clone, Debug)]
pub(crate) struct Scaler {
    /// Standard deviations, in units of the features; 1 for a constant one.
    pub scale: [f64; DIMENSIONS],
    /// The value of a constant feature. Points leave it out, so that no rounding of a mean can tell equal
    /// customers apart.
    constant: [Option<f64>; DIMENSIONS],
}

impl Scaler {
    pub fn of(features: Features<'_>) -> Self {
        let constant = features.columns.map(constant);
        let scale = features.columns.map(deviation);
        Self { scale, constant }
    }

    pub fn notes(&self) -> impl Iterator<Item = Note> {
        let names = FEATURES.iter().zip(&self.constant).filter(|(_, constant)| constant.is_some());
        names.map(|(name, _)| Note::ConstantFeature { feature: (*name).to_owned() })
    }

    /// The customers as points, n × 3.
    pub fn points(&self, features: Features<'_>) -> Points {
        let mut columns = [const { Vec::new() }; DIMENSIONS];
        let scaling = self.scale.iter().zip(&self.constant);
        for ((to, from), (scale, constant)) in columns.iter_mut().zip(features.columns).zip(scaling) {
            *to = match constant {
                Some(_) => vec![0.0; from.len()],
                None => from.iter().map(|x| x / scale).collect(),
            };
        }
        Points::new(columns)
    }

    /// The centroid of published form: value in the unit of the feature / scale, for constant features too.
    pub fn publish(&self, mut centroid: Centroid) -> Centroid {
        for (x, constant) in centroid.iter_mut().zip(self.constant) {
            *x = constant.unwrap_or(*x);
        }
        centroid
    }

    /// The centroid as a point among [`Self::points`].
    pub fn internal(&self, mut centroid: Centroid) -> Centroid {
        for (x, constant) in centroid.iter_mut().zip(self.constant) {
            *x = constant.map_or(*x, |_| 0.0);
        }
        centroid
    }
}

fn constant(column: &[f64]) -> Option<f64> {
    let first = *column.first()?;
    column.iter().all(|x| x.total_cmp(&first).is_eq()).then_some(first)
}

/// Population standard deviation in two passes, or 1 where there is none.
fn deviation(column: &[f64]) -> f64 {
    if constant(column).is_some() {
        return 1.0;
    }
    let count = as_f64(column.len());
    let mean = column.chunks(BLOCK).map(sum).sum::<f64>() / count;
    let mut squares = Vec::with_capacity(BLOCK);
    let mut total = 0.0;
    for block in column.chunks(BLOCK) {
        squares.clear();
        squares.extend(block.iter().map(|x| (x - mean) * (x - mean)));
        total += sum(&squares);
    }
    let deviation = (total / count).sqrt();
    if deviation.is_normal() { deviation } else { 1.0 }
}
