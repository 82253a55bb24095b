//! Publications: the rows that make a run visible.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Decimal128Type, Int64Type, TimestampMicrosecondType};

use super::{Error, Lake, Result, Snapshot, Table};
use crate::money::{MONEY_PRECISION, MONEY_SCALE};
use crate::{EventTime, Money};

/// The version of each table that a publication names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Versions {
    pub orders: u64,
    pub rejected_orders: u64,
    pub sources: u64,
    pub customer_rfm: u64,
    pub customer_segments: u64,
    pub segment_profiles: u64,
    pub counted_invoices: u64,
    pub netted_customers: u64,
}

impl Versions {
    /// The version of `table`, or `None` for `publications` itself.
    #[must_use]
    pub const fn of(&self, table: Table) -> Option<u64> {
        match table {
            Table::Orders => Some(self.orders),
            Table::RejectedOrders => Some(self.rejected_orders),
            Table::Sources => Some(self.sources),
            Table::CustomerRfm => Some(self.customer_rfm),
            Table::CustomerSegments => Some(self.customer_segments),
            Table::SegmentProfiles => Some(self.segment_profiles),
            Table::CountedInvoices => Some(self.counted_invoices),
            Table::NettedCustomers => Some(self.netted_customers),
            Table::Publications => None,
        }
    }
}

/// Quality of the model; `None` where a figure is undefined.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PublishedQuality {
    pub k: i32,
    pub inertia: Option<f64>,
    pub silhouette: Option<f64>,
    pub davies_bouldin: Option<f64>,
    pub calinski_harabasz: Option<f64>,
}

/// What one batch run published.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    pub id: i64,
    pub published_at: EventTime,
    pub reference_time: EventTime,
    pub versions: Versions,
    /// Accepted order lines that the publication rests on.
    pub orders: u64,
    pub customers: u64,
    pub invoices: u64,
    pub revenue: Money,
    pub quality: PublishedQuality,
    /// First offset not covered, by `topic id:partition` (L-2).
    pub kafka_offsets: BTreeMap<String, i64>,
    /// JSON: the model as batch fitted it.
    pub model: String,
    /// JSON: the whole report of the run.
    pub report: String,
}

impl Publication {
    /// # Errors
    /// When the columns do not fit the schema.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let version = |version: u64| int_column(i64::try_from(version).unwrap_or(i64::MAX));
        let offsets = serde_json::to_string(&self.kafka_offsets)
            .map_err(|error| Error::Content { table: Table::Publications, reason: error.to_string() })?;
        row_batch(
            Table::Publications,
            vec![
                int_column(self.id),
                time_column(self.published_at),
                time_column(self.reference_time),
                version(self.versions.orders),
                version(self.versions.rejected_orders),
                version(self.versions.sources),
                version(self.versions.customer_rfm),
                version(self.versions.customer_segments),
                version(self.versions.segment_profiles),
                version(self.versions.counted_invoices),
                version(self.versions.netted_customers),
                version(self.orders),
                version(self.customers),
                version(self.invoices),
                money_column(&[self.revenue]),
                Arc::new(Int32Array::from(vec![self.quality.k])),
                float_column(self.quality.inertia),
                float_column(self.quality.silhouette),
                float_column(self.quality.davies_bouldin),
                float_column(self.quality.calinski_harabasz),
                text_column(&offsets),
                text_column(&self.model),
                text_column(&self.report),
            ],
        )
    }
}

impl Snapshot {
    /// Every publication, oldest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn publications(&self) -> Result<Vec<Publication>> {
        let mut rows = Vec::new();
        for batch in self.rows().await? {
            for row in 0..batch.num_rows() {
                rows.push(from_row(&batch, row)?);
            }
        }
        rows.sort_by_key(|publication: &Publication| publication.id);
        Ok(rows)
    }
}

impl Lake {
    /// The newest publication, or the one called `id`.
    ///
    /// # Errors
    /// [`Error::NoPublication`] when there is none, or the table cannot be read.
    pub async fn publication(&self, id: Option<i64>) -> Result<Publication> {
        let missing = || Error::NoPublication { location: self.location(), id };
        let table = self.snapshot(Table::Publications, None).await?.ok_or_else(missing)?;
        let mut all = table.publications().await?;
        match id {
            None => all.pop().ok_or_else(missing),
            Some(id) => all.into_iter().find(|publication| publication.id == id).ok_or_else(missing),
        }
    }
}

fn from_row(batch: &RecordBatch, row: usize) -> Result<Publication> {
    let column = |name: &str| {
        batch
            .column_by_name(name)
            .ok_or_else(|| Error::Content { table: Table::Publications, reason: format!("column {name} is missing") })
    };
    let int = |name: &str| -> Result<i64> { Ok(column(name)?.as_primitive::<Int64Type>().value(row)) };
    let count = |name: &str| -> Result<u64> { Ok(u64::try_from(int(name)?).unwrap_or_default()) };
    let text = |name: &str| -> Result<String> { Ok(column(name)?.as_string::<i32>().value(row).to_owned()) };
    let time = |name: &str| -> Result<EventTime> {
        Ok(EventTime::from_micros(column(name)?.as_primitive::<TimestampMicrosecondType>().value(row)))
    };
    let figure = |name: &str| -> Result<Option<f64>> {
        let values = column(name)?.as_primitive::<arrow::datatypes::Float64Type>();
        Ok(values.is_valid(row).then(|| values.value(row)))
    };
    Ok(Publication {
        id: int("publication")?,
        published_at: time("published_at")?,
        reference_time: time("reference_time")?,
        versions: Versions {
            orders: count("orders_version")?,
            rejected_orders: count("rejected_orders_version")?,
            sources: count("sources_version")?,
            customer_rfm: count("customer_rfm_version")?,
            customer_segments: count("customer_segments_version")?,
            segment_profiles: count("segment_profiles_version")?,
            counted_invoices: count("counted_invoices_version")?,
            netted_customers: count("netted_customers_version")?,
        },
        orders: count("orders")?,
        customers: count("customers")?,
        invoices: count("invoices")?,
        revenue: money_at(column("revenue")?, row),
        quality: PublishedQuality {
            k: column("k")?.as_primitive::<arrow::datatypes::Int32Type>().value(row),
            inertia: figure("inertia")?,
            silhouette: figure("silhouette")?,
            davies_bouldin: figure("davies_bouldin")?,
            calinski_harabasz: figure("calinski_harabasz")?,
        },
        kafka_offsets: serde_json::from_str(&text("kafka_offsets")?).map_err(|error| Error::Content {
            table: Table::Publications,
            reason: format!("kafka_offsets: {error}"),
        })?,
        model: text("model")?,
        report: text("report")?,
    })
}

/// The money in `column` at `row`.
///
/// # Panics
/// When the column is not of [`super::money_type`].
#[must_use]
pub fn money_at(column: &ArrayRef, row: usize) -> Money {
    let raw = column.as_primitive::<Decimal128Type>().value(row);
    Money::from_raw(i64::try_from(raw).unwrap_or_default())
}

pub(super) fn row_batch(table: Table, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::new(table.file_schema()), columns).map_err(Error::columns(table))
}

pub(super) fn int_column(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

pub(super) fn text_column(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

pub(super) fn time_column(value: EventTime) -> ArrayRef {
    times_column([value])
}

fn float_column(value: Option<f64>) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value]))
}

/// A column of times.
pub fn times_column(values: impl IntoIterator<Item = EventTime>) -> ArrayRef {
    let micros: TimestampMicrosecondArray = values.into_iter().map(|time| Some(time.micros())).collect();
    Arc::new(micros.with_timezone("UTC"))
}

/// A column of money.
#[must_use]
pub fn money_column(values: &[Money]) -> ArrayRef {
    let raw = Decimal128Array::from_iter_values(values.iter().map(|money| i128::from(money.raw())));
    match raw.with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE) {
        Ok(decimals) => Arc::new(decimals),
        Err(error) => unreachable!("precision and scale are constants that fit: {error}"),
    }
}
