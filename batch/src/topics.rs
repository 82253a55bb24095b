//! What the speed layer archived: topic partitions, how far `orders` holds them, and what became of their lines.
//!
//! The archiver commits without the writer lock, in this order: the partition's row in `sources`, refused lines,
//! accepted lines with the next offset. Here they are read the other way round: `orders` is the snapshot that is
//! published, the others are as new or newer, so they hold all that it rests on; what they hold beyond it is left out.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use data::Reason;
use data::lake::{DataFile, Snapshot, SourceRow, Table, Tables};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use serde::Serialize;

use crate::error::Result;
use crate::ingest::{Counts, Ledger};

/// Accepted lines by `source`, those of topics alone.
pub type Lines = BTreeMap<String, u64>;

/// Every topic partition at one snapshot of `orders`.
#[derive(Debug, Default)]
pub struct Archived {
    /// First offset not archived, by `topic id:partition`.
    pub offsets: BTreeMap<String, i64>,
    pub counts: Counts,
    pub topics: Vec<TopicReport>,
}

/// What became of one topic partition's lines.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TopicReport {
    /// `kafka://<topic>/<partition>`
    pub source: String,
    /// First offset not archived, by `topic id:partition`: several when the topic was deleted and made again.
    pub offsets: BTreeMap<String, i64>,
    pub read: u64,
    pub accepted: u64,
    pub rejected: BTreeMap<&'static str, u64>,
}

/// Reads what the snapshot of `orders` in `tables` holds of topics; `accepted` are its lines. Brings the ledger and
/// the refused lines up to date.
///
/// # Errors
/// When a table cannot be read.
pub async fn archived(tables: &mut Tables, ledger: &mut Ledger, accepted: &Lines) -> Result<Archived> {
    let rows = ledger.topics(tables).await?;
    let orders = tables.get(Table::Orders);
    let ids: Vec<String> = rows.iter().map(|row| SourceRow::application_id(&row.source_id)).collect();
    let offsets = futures::future::join_all(ids.iter().map(|id| orders.application_version(id))).await;
    let mut found: BTreeMap<&str, TopicReport> = BTreeMap::new();
    for (row, next) in rows.iter().zip(offsets) {
        let topic = found.entry(&row.source).or_default();
        if let (Some(place), Some(next)) = (row.topic_partition(), next?) {
            topic.offsets.insert(place.to_string(), next);
        }
    }
    for source in accepted.keys() {
        found.entry(source).or_default();
    }
    let ends = found.iter().filter_map(|(source, topic)| Some((*source, *topic.offsets.values().max()?))).collect();
    let rejected = rejected(tables, &ends).await?;
    let mut archived = Archived::default();
    for (source, topic) in found {
        let mut counts = rejected.get(source).cloned().unwrap_or_default();
        counts.accepted = accepted.get(source).copied().unwrap_or_default();
        archived.counts.add(&counts);
        archived.offsets.extend(topic.offsets.clone());
        archived.topics.push(TopicReport {
            source: source.to_owned(),
            read: counts.read(),
            accepted: counts.accepted,
            rejected: counts.by_reason(),
            ..topic
        });
    }
    Ok(archived)
}

/// Whether a row group may hold lines of topics, as far as the statistics of its column `source` tell.
#[must_use]
pub fn may_be_in(group: &RowGroupMetaData) -> bool {
    let column = group.columns().iter().find(|column| column.column_path().string() == "source");
    let statistics = column.and_then(|column| column.statistics());
    let Some((least, most)) = statistics.and_then(|found| Some((found.min_bytes_opt()?, found.max_bytes_opt()?)))
    else {
        return true;
    };
    // Shortened bounds are still bounds.
    let begins = |text: &[u8]| text.starts_with(SourceRow::TOPIC.as_bytes());
    most >= SourceRow::TOPIC.as_bytes() && (least <= SourceRow::TOPIC.as_bytes() || begins(least))
}

/// Refused lines by source, up to the offset that `orders` has: what lies behind it is about to be committed there, or
/// was cut off and comes again.
async fn rejected(tables: &mut Tables, ends: &BTreeMap<&str, i64>) -> Result<BTreeMap<String, Counts>> {
    let mut counts = BTreeMap::new();
    if ends.is_empty() {
        return Ok(counts);
    }
    tables.get_mut(Table::RejectedOrders).refresh().await?;
    let rejected = tables.get(Table::RejectedOrders);
    for file in rejected.files()? {
        count_file(rejected, &file, ends, &mut counts).await?;
    }
    Ok(counts)
}

async fn count_file(
    rejected: &Snapshot,
    file: &DataFile,
    ends: &BTreeMap<&str, i64>,
    counts: &mut BTreeMap<String, Counts>,
) -> Result<()> {
    let handle = rejected.open_file(file).await?;
    let table = Table::RejectedOrders;
    let fail = |source| data::lake::Error::File { table, path: file.path.clone(), source };
    let options = ArrowReaderOptions::new().with_schema(std::sync::Arc::new(table.file_schema()));
    let footer = ArrowReaderMetadata::load(&handle, options).map_err(fail)?;
    let groups = footer.metadata().row_groups().iter().enumerate();
    let groups: Vec<usize> = groups.filter(|(_, group)| may_be_in(group)).map(|(place, _)| place).collect();
    if groups.is_empty() {
        return Ok(());
    }
    let columns = footer.metadata().file_metadata().schema_descr();
    let projection = ProjectionMask::columns(columns, ["source", "source_position", "reason"]);
    let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(handle, footer)
        .with_projection(projection)
        .with_row_groups(groups)
        .build()
        .map_err(fail)?;
    for batch in batches {
        count_batch(&batch?, ends, counts);
    }
    Ok(())
}

fn count_batch(batch: &RecordBatch, ends: &BTreeMap<&str, i64>, counts: &mut BTreeMap<String, Counts>) {
    let [source, position, reason] = batch.columns() else { return };
    let (sources, reasons) = (source.as_string::<i32>(), reason.as_string::<i32>());
    let positions = position.as_primitive::<Int64Type>();
    for ((source, position), reason) in sources.iter().zip(positions).zip(reasons) {
        let (Some(source), Some(position)) = (source, position) else { continue };
        if ends.get(source).is_none_or(|end| position >= *end) {
            continue;
        }
        let reason = Reason::ALL.into_iter().find(|known| reason == Some(known.name()));
        // A reason that only a later speed layer knows; the line is counted all the same.
        counts.entry(source.to_owned()).or_default().reject(reason.unwrap_or(Reason::Malformed));
    }
}
