//! The order lines of one customer.

use std::collections::BTreeSet;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use data::lake::{Lake, MONTH_COLUMN, SourceRow, Table};
use data::merge::Span;
use data::{EventTime, Money};

use super::{Files, columns};
use crate::error::Result;

/// An accepted line.
#[derive(Clone, Debug)]
pub struct OrderedLine {
    pub invoice: String,
    pub stock_code: String,
    pub description: String,
    pub quantity: i64,
    pub unit_price: Money,
    pub amount: Money,
    pub ordered_at: EventTime,
    /// Partition and offset of a line that came from a topic.
    pub place: Option<(u32, i64)>,
}

const COLUMNS: [&str; 10] = [
    "invoice",
    "stock_code",
    "description",
    "quantity",
    "unit_price",
    "amount",
    "customer_id",
    "ordered_at",
    "source",
    "source_position",
];

/// The lines of `customer` in `orders` at `version`, of the months from the first to the last order.
///
/// # Errors
/// When the table cannot be read.
pub async fn orders_of(lake: &Lake, version: u64, customer: &str, span: Span) -> Result<Vec<OrderedLine>> {
    let files = Files::open_some(lake, Table::Orders, Some(version), in_time(span)).await?;
    lines_of(files, customer.to_owned()).await
}

/// The lines of `customer` that were written behind `version`: those from topics are live orders which were archived.
///
/// # Errors
/// When the table cannot be read.
pub async fn orders_since(lake: &Lake, version: u64, customer: &str, span: Span) -> Result<Vec<OrderedLine>> {
    let before = lake.snapshot(Table::Orders, Some(version)).await?;
    let before = before.map(|table| table.files()).transpose()?.unwrap_or_default();
    let before: BTreeSet<String> = before.into_iter().map(|file| file.path).collect();
    let in_time = in_time(span);
    let is_new = |path: &str| !before.contains(path) && in_time(path);
    let files = Files::open_some(lake, Table::Orders, None, is_new).await?;
    lines_of(files, customer.to_owned()).await
}

/// Whether a file is of a month in which the customer ordered.
fn in_time(span: Span) -> impl Fn(&str) -> bool {
    let (first, last) = (span.first.month().to_string(), span.last.month().to_string());
    move |path: &str| {
        let month = path.split('/').find_map(|part| part.strip_prefix(MONTH_COLUMN)?.strip_prefix('='));
        month.is_none_or(|month| (first.as_str()..=last.as_str()).contains(&month))
    }
}

async fn lines_of(files: Files, customer: String) -> Result<Vec<OrderedLine>> {
    let read = tokio::task::spawn_blocking(move || {
        let mut lines = Vec::new();
        files.each_batch_where(&COLUMNS, ("customer_id", &customer), |batch| take(batch, &mut lines))?;
        Ok(lines)
    });
    read.await?
}

fn take(batch: &RecordBatch, lines: &mut Vec<OrderedLine>) -> Result<()> {
    let [invoice, code, description, quantity, price, amount, _, at, source, position] = columns(batch, COLUMNS)?;
    let text = |column: &ArrayRef, row| column.as_string::<i32>().value(row).to_owned();
    let number = |column: &ArrayRef, row| column.as_primitive::<Int64Type>().value(row);
    lines.extend((0..batch.num_rows()).map(|row| OrderedLine {
        invoice: text(&invoice, row),
        stock_code: text(&code, row),
        description: text(&description, row),
        quantity: number(&quantity, row),
        unit_price: Money::from_raw(number(&price, row)),
        amount: Money::from_raw(number(&amount, row)),
        ordered_at: EventTime::from_micros(number(&at, row)),
        place: partition_of(source.as_string::<i32>().value(row)).map(|partition| (partition, number(&position, row))),
    }));
    Ok(())
}

/// Of a source such as `kafka://orders/3`.
fn partition_of(source: &str) -> Option<u32> {
    let (_, partition) = source.strip_prefix(SourceRow::TOPIC)?.rsplit_once('/')?;
    partition.parse().ok()
}
