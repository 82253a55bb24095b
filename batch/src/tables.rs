//! What was computed, as the rows of the published tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use data::Money;
use data::lake::{Table, money_column, times_column};

use crate::error::Result;
use crate::report::Computed;
use crate::rfm::Scoring;

/// Rows of `customer_rfm`, by customer id.
///
/// # Errors
/// When the columns do not fit the table.
pub fn customer_rfm(computed: &Computed, scoring: &Scoring) -> Result<RecordBatch> {
    let Computed { customers, scores, .. } = computed;
    let score = |scores: &[u8]| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(scores.iter().map(|score| i32::from(*score))))
    };
    let named =
        scores.recency.iter().zip(&scores.frequency).map(|(recency, frequency)| scoring.segment(*recency, *frequency));
    batch(
        Table::CustomerRfm,
        vec![
            texts(&customers.id),
            Arc::new(Int64Array::from(computed.recency_days.clone())),
            Arc::new(Int64Array::from(customers.frequency.clone())),
            money_column(&customers.monetary),
            times_column(customers.first_order_at.iter().copied()),
            times_column(customers.last_order_at.iter().copied()),
            score(&scores.recency),
            score(&scores.frequency),
            score(&scores.monetary),
            Arc::new(StringArray::from_iter_values(named)),
            texts(&customers.country),
        ],
    )
}

/// Rows of `customer_segments`, by customer id.
///
/// # Errors
/// When the columns do not fit the table.
pub fn customer_segments(computed: &Computed) -> Result<RecordBatch> {
    let fit = &computed.fit;
    let labels = || fit.labels.iter().map(|label| i32::try_from(*label).unwrap_or_default());
    let ids = StringArray::from_iter_values(fit.model.segments.iter().map(|segment| &segment.name));
    let names = DictionaryArray::try_new(Int32Array::from_iter_values(labels()), Arc::new(ids))?;
    let segment_ids: Vec<i32> =
        fit.model.segments.iter().map(|segment| i32::try_from(segment.id).unwrap_or_default()).collect();
    let segment_of = fit.labels.iter().map(|label| segment_ids.get(*label as usize).copied());
    batch(
        Table::CustomerSegments,
        vec![
            texts(&computed.customers.id),
            Arc::new(segment_of.collect::<Int32Array>()),
            cast(&names, &DataType::Utf8)?,
            Arc::new(Float64Array::from(fit.distances.clone())),
        ],
    )
}

/// Rows of `segment_profiles`, by monetary, highest first.
///
/// # Errors
/// When the columns do not fit the table.
pub fn segment_profiles(computed: &Computed) -> Result<RecordBatch> {
    let segments = computed.segments();
    let model = &computed.fit.model;
    let centroids: Vec<[f64; 3]> = segments
        .iter()
        .filter_map(|shown| model.segments.iter().find(|segment| segment.id == shown.segment_id))
        .map(|segment| model.in_units(&segment.centroid))
        .collect();
    let floats = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    let revenue: Vec<Money> = segments.iter().map(|segment| segment.revenue).collect();
    batch(
        Table::SegmentProfiles,
        vec![
            Arc::new(segments.iter().map(|segment| i32::try_from(segment.segment_id).ok()).collect::<Int32Array>()),
            Arc::new(StringArray::from_iter_values(segments.iter().map(|segment| &segment.segment_name))),
            Arc::new(segments.iter().map(|segment| i64::try_from(segment.customers).ok()).collect::<Int64Array>()),
            money_column(&revenue),
            floats(segments.iter().map(|segment| segment.recency_days).collect()),
            floats(segments.iter().map(|segment| segment.frequency).collect()),
            floats(segments.iter().map(|segment| segment.monetary).collect()),
            floats(centroids.iter().map(|[recency, _, _]| *recency).collect()),
            floats(centroids.iter().map(|[_, frequency, _]| *frequency).collect()),
            floats(centroids.iter().map(|[_, _, monetary]| *monetary).collect()),
        ],
    )
}

/// Rows of `counted_invoices`, ascending as the unsigned numbers whose bits they are.
///
/// # Errors
/// When the columns do not fit the table.
pub fn counted_invoices(computed: &Computed) -> Result<RecordBatch> {
    let hashes = computed.customers.invoices.iter().map(|invoice| invoice.0.cast_signed());
    batch(Table::CountedInvoices, vec![Arc::new(Int64Array::from_iter_values(hashes))])
}

/// Rows of `netted_customers`, by customer id.
///
/// # Errors
/// When the columns do not fit the table.
pub fn netted_customers(computed: &Computed) -> Result<RecordBatch> {
    let (ids, monetary): (Vec<String>, Vec<Money>) = computed.customers.netted.iter().cloned().unzip();
    batch(Table::NettedCustomers, vec![texts(&ids), money_column(&monetary)])
}

fn texts(values: &[String]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn batch(table: Table, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    Ok(RecordBatch::try_new(Arc::new(table.file_schema()), columns)?)
}
