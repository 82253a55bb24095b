//! The model as it is published: what batch, speed and serving assign customers by, bit for bit alike.

use serde::{Deserialize, Serialize};

/// Features of a customer: recency, frequency, monetary.
pub const DIMENSIONS: usize = 3;

/// A centroid in scaled units.
pub type Centroid = [f64; DIMENSIONS];

/// K-Means in scaled space (value / scale), with the identity of each segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub k: usize,
    pub seed: u64,
    /// Population standard deviation of recency, frequency and monetary, in their units; 1 for a constant one.
    pub scale: [f64; DIMENSIONS],
    /// Σ of squared scaled distances of the customers it was fitted to.
    pub inertia: f64,
    /// k segments by ascending id. A label is a position in this list, not an id.
    pub segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Stays with the segment from publication to publication; gaps are possible.
    pub id: u32,
    /// Unique in its model.
    pub name: String,
    /// Customers of the fit.
    pub customers: u64,
    /// Recency, frequency, monetary in scaled units.
    pub centroid: Centroid,
}

impl Model {
    /// k × 3, scaled units, in the order of the labels.
    #[must_use]
    pub fn centroids(&self) -> Vec<Centroid> {
        self.segments.iter().map(|segment| segment.centroid).collect()
    }

    /// The segment of a customer (recency, frequency, monetary in the units of the fit) and the scaled distance to
    /// its centroid: the nearest, and of several as near the one with the lowest id. The same arithmetic as the
    /// fit's, bit for bit. None for a model without segments.
    #[must_use]
    pub fn nearest(&self, customer: [f64; DIMENSIONS]) -> Option<(&Segment, f64)> {
        let (label, distance) = self.nearest_label(customer)?;
        Some((self.segments.get(label)?, distance))
    }

    /// [`Model::nearest`], the segment as its position in `segments`.
    #[must_use]
    pub fn nearest_label(&self, customer: [f64; DIMENSIONS]) -> Option<(usize, f64)> {
        let scaled = self.scaled(customer);
        let mut best: Option<(usize, f64)> = None;
        for (label, segment) in self.segments.iter().enumerate() {
            let squared = squared_distance(&scaled, &segment.centroid);
            if best.is_none_or(|(_, least)| squared < least) {
                best = Some((label, squared));
            }
        }
        best.map(|(label, squared)| (label, squared.sqrt()))
    }

    /// The scaled distance of a customer to `centroid`.
    #[must_use]
    pub fn distance(&self, customer: [f64; DIMENSIONS], centroid: &Centroid) -> f64 {
        squared_distance(&self.scaled(customer), centroid).sqrt()
    }

    fn scaled(&self, mut customer: [f64; DIMENSIONS]) -> Centroid {
        for (x, scale) in customer.iter_mut().zip(self.scale) {
            *x /= scale;
        }
        customer
    }

    /// A centroid in the units of the features (days, invoices, money).
    #[must_use]
    pub fn in_units(&self, centroid: &Centroid) -> Centroid {
        let mut units = *centroid;
        for (x, scale) in units.iter_mut().zip(self.scale) {
            *x *= scale;
        }
        units
    }
}

/// Squared Euclidean distance, added up in the order of the features.
#[inline]
#[must_use]
pub fn squared_distance([ar, af, am]: &Centroid, [br, bf, bm]: &Centroid) -> f64 {
    let (r, f, m) = (ar - br, af - bf, am - bm);
    r * r + f * f + m * m
}
