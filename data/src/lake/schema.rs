//! The columns of every table.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::Table;
use crate::money::{MONEY_PRECISION, MONEY_SCALE};

/// The partition column of `orders`: `2010-12`.
pub const MONTH_COLUMN: &str = "month";

/// Money in tables: a decimal that Parquet stores as a 64-bit integer.
#[must_use]
pub const fn money_type() -> DataType {
    DataType::Decimal128(MONEY_PRECISION, MONEY_SCALE)
}

/// Times in tables: UTC microseconds.
#[must_use]
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl Table {
    /// The columns as readers see them, the partition column last.
    #[must_use]
    pub fn schema(self) -> Schema {
        Schema::new(self.columns().into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect::<Vec<_>>())
    }

    /// The columns that the data files hold: all but the partition column.
    #[must_use]
    pub fn file_schema(self) -> Schema {
        let fields =
            self.schema().fields().iter().filter(|field| field.name() != MONTH_COLUMN).cloned().collect::<Vec<_>>();
        Schema::new(fields)
    }

    pub(super) fn partition_columns(self) -> Vec<String> {
        match self {
            Self::Orders => vec![MONTH_COLUMN.to_owned()],
            _ => Vec::new(),
        }
    }

    fn columns(self) -> Vec<(&'static str, DataType)> {
        use DataType::{Float64, Int32, Int64, Utf8};
        match self {
            Self::Orders => vec![
                ("invoice", Utf8),
                ("stock_code", Utf8),
                ("description", Utf8),
                ("quantity", Int64),
                ("unit_price", money_type()),
                ("amount", money_type()),
                ("customer_id", Utf8),
                ("country", Utf8),
                ("ordered_at", time_type()),
                ("source", Utf8),
                ("source_position", Int64),
                (MONTH_COLUMN, Utf8),
            ],
            Self::RejectedOrders => {
                vec![("raw_line", Utf8), ("source", Utf8), ("source_position", Int64), ("reason", Utf8)]
            }
            Self::Sources => vec![
                ("source_id", Utf8),
                ("source", Utf8),
                ("ingested_at", time_type()),
                ("bytes", Int64),
                ("lines", Int64),
                ("read", Int64),
                ("accepted", Int64),
                ("rejected", Utf8),
                ("fingerprint", Utf8),
                ("evidence", Utf8),
            ],
            Self::CustomerRfm => customer_rfm_columns(),
            Self::CustomerSegments => {
                vec![("customer_id", Utf8), ("segment_id", Int32), ("segment_name", Utf8), ("distance", Float64)]
            }
            Self::SegmentProfiles => vec![
                ("segment_id", Int32),
                ("name", Utf8),
                ("customers", Int64),
                ("revenue", money_type()),
                ("mean_recency_days", Float64),
                ("mean_frequency", Float64),
                ("mean_monetary", Float64),
                ("centroid_recency_days", Float64),
                ("centroid_frequency", Float64),
                ("centroid_monetary", Float64),
            ],
            Self::CountedInvoices => vec![("invoice_hash", Int64)],
            Self::NettedCustomers => vec![("customer_id", Utf8), ("monetary", money_type())],
            Self::Publications => publication_columns(),
        }
    }
}

fn publication_columns() -> Vec<(&'static str, DataType)> {
    use DataType::{Float64, Int32, Int64, Utf8};
    vec![
        ("publication", Int64),
        ("published_at", time_type()),
        ("reference_time", time_type()),
        ("orders_version", Int64),
        ("rejected_orders_version", Int64),
        ("sources_version", Int64),
        ("customer_rfm_version", Int64),
        ("customer_segments_version", Int64),
        ("segment_profiles_version", Int64),
        ("counted_invoices_version", Int64),
        ("netted_customers_version", Int64),
        ("orders", Int64),
        ("customers", Int64),
        ("invoices", Int64),
        ("revenue", money_type()),
        ("k", Int32),
        ("inertia", Float64),
        ("silhouette", Float64),
        ("davies_bouldin", Float64),
        ("calinski_harabasz", Float64),
        ("kafka_offsets", Utf8),
        ("model", Utf8),
        ("report", Utf8),
    ]
}

fn customer_rfm_columns() -> Vec<(&'static str, DataType)> {
    use DataType::{Int32, Int64, Utf8};
    vec![
        ("customer_id", Utf8),
        ("recency_days", Int64),
        ("frequency", Int64),
        ("monetary", money_type()),
        ("first_order_at", time_type()),
        ("last_order_at", time_type()),
        ("r_score", Int32),
        ("f_score", Int32),
        ("m_score", Int32),
        ("rfm_segment", Utf8),
        ("country", Utf8),
    ]
}
