//! Lines of one topic partition on their way into columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, StringBuilder};
use data::lake::{Table, money_column, times_column};
use data::time::Month;
use data::{EventTime, Money};

use super::Result;
use crate::frame::{Decoded, Record, Refusal};
use crate::operators::segments::Reading;
use crate::operators::segments::order::{self, Order};

/// Lines judged and not written yet.
#[derive(Debug)]
pub struct Lines {
    /// `kafka://<topic>/<partition>`
    source: String,
    /// Refused lines before it are in the lake already.
    refused_from: i64,
    months: BTreeMap<Month, Accepted>,
    refused: Refused,
    /// Text held, in bytes; near enough to what memory it takes.
    bytes: usize,
}

/// Order lines of one month.
#[derive(Debug, Default)]
struct Accepted {
    invoice: StringBuilder,
    stock_code: StringBuilder,
    description: StringBuilder,
    quantity: Vec<i64>,
    unit_price: Vec<Money>,
    amount: Vec<Money>,
    customer_id: StringBuilder,
    country: StringBuilder,
    ordered_at: Vec<EventTime>,
    offset: Vec<i64>,
}

#[derive(Debug, Default)]
struct Refused {
    raw_line: StringBuilder,
    offset: Vec<i64>,
    reason: StringBuilder,
}

/// Rows ready to be written.
#[derive(Debug)]
pub struct Batches {
    pub orders: Vec<(Month, RecordBatch)>,
    pub refused: Option<RecordBatch>,
}

impl Lines {
    #[must_use]
    pub fn new(source: &str, refused_from: i64) -> Self {
        let (months, refused) = (BTreeMap::new(), Refused::default());
        Self { source: source.to_owned(), refused_from, months, refused, bytes: 0 }
    }

    /// Judges a line as the operators do (L-3) and keeps it.
    pub fn push(&mut self, record: &Record<'_>, reading: &Reading) {
        let (offset, value) = (record.offset, record.value);
        self.bytes += value.map_or(0, <[u8]>::len) + 64;
        match order::decode(value, record.timestamp, reading) {
            Ok(line) => self.months.entry(line.at.month()).or_default().push(offset, &line),
            Err(refusal) if offset >= self.refused_from => self.refused.push(offset, value, &refusal),
            Err(_) => {}
        }
    }

    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what was kept, leaving nothing.
    ///
    /// # Errors
    /// When the columns do not fit the tables.
    pub fn take(&mut self) -> Result<Batches> {
        self.bytes = 0;
        let months = std::mem::take(&mut self.months).into_iter();
        let orders = months.map(|(month, rows)| Ok((month, rows.into_batch(&self.source)?)));
        let orders = orders.collect::<Result<Vec<_>>>()?;
        let refused = std::mem::take(&mut self.refused);
        let refused = (!refused.offset.is_empty()).then(|| refused.into_batch(&self.source)).transpose()?;
        Ok(Batches { orders, refused })
    }
}

impl Accepted {
    fn push(&mut self, offset: i64, line: &Decoded<'_, Order<'_>>) {
        let order = &line.event;
        self.invoice.append_value(&order.invoice);
        self.stock_code.append_value(&order.stock_code);
        self.description.append_value(&order.description);
        self.quantity.push(order.quantity);
        self.unit_price.push(order.unit_price);
        self.amount.push(order.amount);
        self.customer_id.append_value(&line.key);
        self.country.append_value(&order.country);
        self.ordered_at.push(line.at);
        self.offset.push(offset);
    }

    fn into_batch(mut self, source: &str) -> Result<RecordBatch> {
        let rows = self.offset.len();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.invoice.finish()),
            Arc::new(self.stock_code.finish()),
            Arc::new(self.description.finish()),
            Arc::new(Int64Array::from(self.quantity)),
            money_column(&self.unit_price),
            money_column(&self.amount),
            Arc::new(self.customer_id.finish()),
            Arc::new(self.country.finish()),
            times_column(self.ordered_at),
            repeated(source, rows),
            Arc::new(Int64Array::from(self.offset)),
        ];
        batch(Table::Orders, columns)
    }
}

impl Refused {
    /// Bytes that are no text are shown as U+FFFD; the reason, `bad_encoding`, says so, and the dead letter has them as
    /// they were.
    fn push(&mut self, offset: i64, value: Option<&[u8]>, refusal: &Refusal) {
        self.raw_line.append_value(String::from_utf8_lossy(value.unwrap_or_default()));
        self.offset.push(offset);
        self.reason.append_value(refusal.reason);
    }

    fn into_batch(mut self, source: &str) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.raw_line.finish()),
            repeated(source, self.offset.len()),
            Arc::new(Int64Array::from(self.offset)),
            Arc::new(self.reason.finish()),
        ];
        batch(Table::RejectedOrders, columns)
    }
}

fn repeated(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
}

fn batch(table: Table, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let fail = |error: arrow::error::ArrowError| data::lake::Error::Content { table, reason: error.to_string() };
    Ok(RecordBatch::try_new(Arc::new(table.file_schema()), columns).map_err(fail)?)
}
