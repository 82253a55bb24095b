//! The ledger of ingested sources: what was read, and how to know it again.

use std::fmt;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};

use super::{Appended, DataFile, Error, Result, Snapshot, Table};
use crate::EventTime;
use crate::lake::publication::{int_column, row_batch, text_column, time_column};

/// One ingested source: a file, or a topic partition that the speed layer archives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    /// Hash of the content, as hexadecimal digits; of a topic partition `kafka:<topic id>:<partition>`.
    pub source_id: String,
    /// File name as given; of a topic partition `kafka://<topic>/<partition>`.
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

/// A partition of a topic, told apart from one of a later topic of the same name by the topic's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicPartition<'a> {
    /// As Kafka writes it.
    pub topic_id: &'a str,
    pub partition: u32,
}

const TOPIC_ID: &str = "kafka:";

impl SourceRow {
    /// What `source` begins with, in every table, for lines that came from a topic.
    pub const TOPIC: &'static str = "kafka://";

    /// The row of a topic partition. Its counts are 0: its lines are known by the application transaction
    /// [`SourceRow::application_id`] of `orders`, whose version is the next offset that is not archived.
    #[must_use]
    pub fn for_topic(topic_id: &str, topic: &str, partition: u32) -> Self {
        Self {
            source_id: format!("{TOPIC_ID}{topic_id}:{partition}"),
            source: format!("{}{topic}/{partition}", Self::TOPIC),
            ingested_at: EventTime::now(),
            bytes: 0,
            lines: 0,
            read: 0,
            accepted: 0,
            rejected: "{}".to_owned(),
            fingerprint: "{}".to_owned(),
            evidence: "[]".to_owned(),
        }
    }

    /// The topic partition that this is, if it is one.
    #[must_use]
    pub fn topic_partition(&self) -> Option<TopicPartition<'_>> {
        let (topic_id, partition) = self.source_id.strip_prefix(TOPIC_ID)?.rsplit_once(':')?;
        Some(TopicPartition { topic_id, partition: partition.parse().ok()? })
    }

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

impl fmt::Display for TopicPartition<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.topic_id, self.partition)
    }
}

impl Snapshot {
    /// Adds `row` to the ledger, `sources`, unless a row of the same id was registered before; whether it was added.
    /// Needs no writer lock, and of several processes that try only one succeeds.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn register(&mut self, row: &SourceRow) -> Result<bool> {
        let id = SourceRow::application_id(&row.source_id);
        self.refresh().await?;
        if self.application_version(&id).await?.is_some() {
            return Ok(false);
        }
        let written = self.write(&row.to_batch()?, None).await?;
        Ok(self.append_from(vec![written], &id, None, 0).await? == Appended::Done)
    }

    /// The ledger's rows in one of its files.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn sources_of(&self, file: &DataFile) -> Result<Vec<SourceRow>> {
        let batches = self.rows_of(file).await?;
        Ok(batches.iter().map(from_batch).collect::<Result<Vec<_>>>()?.concat())
    }

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
