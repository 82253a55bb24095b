//! A customer as lists and pages show one.

use data::{EventTime, Money};
use serde::Serialize;
use utoipa::ToSchema;

use crate::view::{Figures, Row, View};

/// A customer with a purchase.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CustomerRow<'v> {
    pub customer_id: &'v str,
    pub country: Option<&'v str>,
    #[serde(flatten)]
    pub values: CustomerValues<'v>,
    /// Whether live orders changed the customer since the publication.
    pub live: bool,
}

/// Recency, frequency, monetary, and what follows from them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CustomerValues<'v> {
    pub segment_id: Option<u32>,
    pub segment_name: &'v str,
    pub rfm_segment: &'v str,
    pub r_score: u8,
    pub f_score: u8,
    pub m_score: u8,
    pub recency_days: i64,
    /// Invoices.
    pub frequency: u32,
    #[schema(value_type = f64)]
    pub monetary: Money,
    #[schema(value_type = String, format = DateTime)]
    pub first_order_at: EventTime,
    #[schema(value_type = String, format = DateTime)]
    pub last_order_at: EventTime,
}

impl<'v> CustomerRow<'v> {
    #[must_use]
    pub fn of(view: &'v View, row: &Row<'v>) -> Self {
        let values = CustomerValues::of(view, &row.figures);
        Self { customer_id: row.id, country: row.country, values, live: row.live.is_some() }
    }
}

impl<'v> CustomerValues<'v> {
    #[must_use]
    pub fn of(view: &'v View, figures: &Figures) -> Self {
        Self::at(view, figures, view.reference())
    }

    /// With recency counted to `reference`.
    #[must_use]
    pub fn at(view: &'v View, figures: &Figures, reference: EventTime) -> Self {
        let [r_score, f_score, m_score] = figures.scores;
        let segment = view.segment(figures.label);
        Self {
            segment_id: segment.map(|segment| segment.id),
            segment_name: segment.map_or("", |segment| &segment.name),
            rfm_segment: view.judged.batch.rfm_segment(r_score, f_score),
            r_score,
            f_score,
            m_score,
            recency_days: figures.last.days_before(reference),
            frequency: figures.frequency,
            monetary: figures.monetary,
            first_order_at: figures.first,
            last_order_at: figures.last,
        }
    }
}
