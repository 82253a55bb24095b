//! The order lines of one customer.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use data::lake::{Lake, MONTH_COLUMN, Table};
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
}

const COLUMNS: [&str; 8] =
    ["invoice", "stock_code", "description", "quantity", "unit_price", "amount", "customer_id", "ordered_at"];

/// The lines of `customer` in `orders` at `version`, of the months from the first to the last order.
///
/// # Errors
/// When the table cannot be read.
pub async fn orders_of(lake: &Lake, version: u64, customer: &str, span: Span) -> Result<Vec<OrderedLine>> {
    let (first, last) = (span.first.month().to_string(), span.last.month().to_string());
    let in_time = |path: &str| {
        let month = path.split('/').find_map(|part| part.strip_prefix(MONTH_COLUMN)?.strip_prefix('='));
        month.is_none_or(|month| (first.as_str()..=last.as_str()).contains(&month))
    };
    let files = Files::open_some(lake, Table::Orders, version, in_time).await?;
    let customer = customer.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut lines = Vec::new();
        files.each_batch_where(&COLUMNS, ("customer_id", &customer), |batch| {
            let names = ["invoice", "stock_code", "description", "quantity", "unit_price", "amount", "ordered_at"];
            let [invoice, code, description, quantity, price, amount, at] = columns(batch, names)?;
            let text = |column: &arrow::array::ArrayRef, row| column.as_string::<i32>().value(row).to_owned();
            let number = |column: &arrow::array::ArrayRef, row| column.as_primitive::<Int64Type>().value(row);
            lines.extend((0..batch.num_rows()).map(|row| OrderedLine {
                invoice: text(&invoice, row),
                stock_code: text(&code, row),
                description: text(&description, row),
                quantity: number(&quantity, row),
                unit_price: Money::from_raw(number(&price, row)),
                amount: Money::from_raw(number(&amount, row)),
                ordered_at: EventTime::from_micros(number(&at, row)),
            }));
            Ok(())
        })?;
        Ok(lines)
    });
    read.await?
}
