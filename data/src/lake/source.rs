//! The ledger of ingested sources: what was read, and how to know it again.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};

use super::{Error, Result, Snapshot, Table};
use crate::EventTime;
use crate::lake::publication::{int_column, row_batch, text_column, time_column};

/// One ingested source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    /// Hash of the content, as hexadecimal digits.
    pub source_id: String,
    /// File name as given.
    pub source: String,
    pub ingested_at: EventTime,
    /// Length of the content, decompressed.
    pub bytes: u64,
    /// Physical lines, the header and blank ones among them.
    pub lines: u64,
    /// Order lines, in `accepted` and in `rejected`.
    pub read: u64,
    pub accepted: u64,
    /// JSON object: reason → lines.
    pub rejected: String,
    /// JSON object: what recognises the source when it comes again.
    pub fingerprint: String,
    /// JSON object: what was detected, and why.
    pub evidence: String,
}

impl SourceRow {
    /// The application id under which the source's lines are committed.
    #[must_use]
    pub fn application_id(source_id: &str) -> String {
        format!("source:{source_id}")
    }

    /// # Errors
    /// When the columns do not fit the schema.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let count = |value: u64| int_column(i64::try_from(value).unwrap_or(i64::MAX));
        row_batch(
            Table::Sources,
            vec![
                text_column(&self.source_id),
                text_column(&self.source),
                time_column(self.ingested_at),
                count(self.bytes),
                count(self.lines),
                count(self.read),
                count(self.accepted),
                text_column(&self.rejected),
                text_column(&self.fingerprint),
                text_column(&self.evidence),
            ],
        )
    }
}

impl Snapshot {
    /// The ledger's rows, oldest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn sources(&self) -> Result<Vec<SourceRow>> {
        let mut rows = Vec::new();
        for batch in self.rows().await? {
            rows.extend(from_batch(&batch)?);
        }
        rows.sort_by_key(|row: &SourceRow| row.ingested_at);
        Ok(rows)
    }
}

fn from_batch(batch: &RecordBatch) -> Result<Vec<SourceRow>> {
    let column = |name: &str| {
        batch
            .column_by_name(name)
            .ok_or_else(|| Error::Content { table: Table::Sources, reason: format!("column {name} is missing") })
    };
    let text =
        |name: &str, row: usize| -> Result<String> { Ok(column(name)?.as_string::<i32>().value(row).to_owned()) };
    let int = |name: &str, row: usize| -> Result<u64> {
        Ok(u64::try_from(column(name)?.as_primitive::<Int64Type>().value(row)).unwrap_or_default())
    };
    (0..batch.num_rows())
        .map(|row| {
            let ingested_at = column("ingested_at")?.as_primitive::<TimestampMicrosecondType>().value(row);
            Ok(SourceRow {
                source_id: text("source_id", row)?,
                source: text("source", row)?,
                ingested_at: EventTime::from_micros(ingested_at),
                bytes: int("bytes", row)?,
                lines: int("lines", row)?,
                read: int("read", row)?,
                accepted: int("accepted", row)?,
                rejected: text("rejected", row)?,
                fingerprint: text("fingerprint", row)?,
                evidence: text("evidence", row)?,
            })
        })
        .collect()
}
