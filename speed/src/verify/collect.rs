//! Where accepted lines are: in the publication's orders, and behind what it covers in the topic, or where retention has
//! passed there, in the archive.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use data::lake::{DataFile, Snapshot, SourceRow, Table};
use data::{EventTime, Money};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use tokio::runtime::Handle;

use super::moment::Input;
use super::{Accepted, Lines, Settings};
use crate::error::{Error, Result};
use crate::kafka::Spans;
use crate::operators::segments::Reading;
use crate::operators::segments::order::decode;

const BATCH_ROWS: usize = 1 << 15;

/// What lines are collected from.
pub struct Sources<'s> {
    pub settings: &'s Settings,
    pub runtime: &'s Handle,
    pub kafka: &'s Spans,
    pub reading: &'s Reading,
    /// Kafka's id of the topic of orders.
    pub topic_id: &'s str,
    pub say: &'s dyn Fn(&str),
}

/// The lines of a partition that no publication covers and the group has processed.
#[derive(Debug, PartialEq, Eq)]
struct Suffix {
    /// Those that the topic has lost, and the lake has.
    archived: Range<i64>,
    topic: Range<i64>,
}

impl Sources<'_> {
    /// Adds up every line of `orders`, and those behind `covered` up to the group's positions.
    ///
    /// # Errors
    /// When lines cannot be read, or are nowhere any more.
    pub fn collect(&self, orders: &Snapshot, covered: &[i64], inputs: &[Option<Input>]) -> Result<(Accepted, Lines)> {
        let (mut accepted, mut lines) = (Accepted::default(), Lines::default());
        (self.say)("reading the orders that the publication rests on");
        for file in orders.files()? {
            self.read_file(orders, &file, &["invoice", "amount", "customer_id", "ordered_at"], |batch| {
                lines.published += batch.num_rows() as u64;
                count(batch, &mut accepted, |_| true)
            })?;
        }
        (self.say)("reading the topic's lines that it does not cover");
        let topic = &self.settings.topics.orders;
        let mut from_archive = BTreeMap::new();
        for ((partition, input), place) in (0_u32..).zip(inputs).zip(0_usize..) {
            let Some(input) = input else { continue };
            let ends = self.kafka.ends(topic, partition)?;
            let covered = covered.get(place).copied().unwrap_or_default();
            let suffix = suffix(covered, *input, ends.low);
            if !suffix.archived.is_empty() {
                from_archive.insert(partition, suffix.archived);
            }
            self.kafka.read::<Error>(topic, partition, suffix.topic, |record| {
                match record.map(|record| decode(record.value, record.timestamp, self.reading)) {
                    Some(Ok(line)) => {
                        lines.topic += 1;
                        accepted.count(&line.key, &line.event.invoice, line.event.amount, line.at);
                    }
                    Some(Err(_)) => lines.refused += 1,
                    None => {}
                }
                Ok(())
            })?;
        }
        if !from_archive.is_empty() {
            self.read_archive(orders, &from_archive, &mut accepted, &mut lines)?;
        }
        Ok((accepted, lines))
    }

    /// Reads what was archived since the publication.
    fn read_archive(
        &self,
        published: &Snapshot,
        spans: &BTreeMap<u32, Range<i64>>,
        accepted: &mut Accepted,
        lines: &mut Lines,
    ) -> Result<()> {
        (self.say)("reading lines from the archive that the topic no longer has");
        let newest = self.runtime.block_on(self.settings.lake.snapshot(Table::Orders, None))?;
        let Some(newest) = newest else { return Ok(()) };
        let topic = &self.settings.topics.orders;
        let mut sources = BTreeMap::new();
        for (partition, span) in spans {
            let row = SourceRow::for_topic(self.topic_id, topic, *partition);
            let id = SourceRow::application_id(&row.source_id);
            let archived = self.runtime.block_on(newest.application_version(&id))?.unwrap_or_default();
            if archived < span.end {
                let (from, to) = (span.start.max(archived), span.end);
                return Err(Error::Kafka(format!(
                    "topic {topic}, partition {partition}: offsets {from} to {to} are neither in the topic (retention) nor \
                     in the lake: what was accepted cannot be known; raise the topic's retention"
                )));
            }
            sources.insert(row.source, span.clone());
        }
        let known: HashSet<String> = published.files()?.into_iter().map(|file| file.path).collect();
        let columns = ["invoice", "amount", "customer_id", "ordered_at", "source", "source_position"];
        for file in newest.files()?.iter().filter(|file| !known.contains(&file.path)) {
            self.read_file(&newest, file, &columns, |batch| {
                let source = column(batch, "source")?.as_string::<i32>();
                let offset = column(batch, "source_position")?.as_primitive::<Int64Type>();
                let wanted =
                    |row: usize| sources.get(source.value(row)).is_some_and(|span| span.contains(&offset.value(row)));
                lines.archive += (0..batch.num_rows()).filter(|row| wanted(*row)).count() as u64;
                count(batch, accepted, wanted)
            })?;
        }
        Ok(())
    }

    fn read_file(
        &self,
        snapshot: &Snapshot,
        file: &DataFile,
        columns: &[&str],
        mut take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let table = Table::Orders;
        let fail = |source| data::lake::Error::File { table, path: file.path.clone(), source };
        let handle = self.runtime.block_on(snapshot.open_file(file))?;
        let options = ArrowReaderOptions::new().with_schema(std::sync::Arc::new(table.file_schema()));
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(handle, options).map_err(fail)?;
        let mask = ProjectionMask::columns(reader.parquet_schema(), columns.iter().copied());
        for batch in reader.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(fail)? {
            take(&batch.map_err(|error| broken(error.to_string()))?)?;
        }
        Ok(())
    }
}

/// What lies between what is covered and what is processed; `low` is the topic's first offset.
fn suffix(covered: i64, input: Input, low: i64) -> Suffix {
    // What is before its start the group never counted.
    let from = covered.max(input.start);
    let to = input.position.max(from);
    let border = low.clamp(from, to);
    Suffix { archived: from..border, topic: border..to }
}

fn count(batch: &RecordBatch, accepted: &mut Accepted, wanted: impl Fn(usize) -> bool) -> Result<()> {
    let invoice = column(batch, "invoice")?.as_string::<i32>();
    let customer = column(batch, "customer_id")?.as_string::<i32>();
    let amount = column(batch, "amount")?.as_primitive::<Decimal128Type>();
    let at = column(batch, "ordered_at")?.as_primitive::<TimestampMicrosecondType>();
    for row in (0..batch.num_rows()).filter(|row| wanted(*row)) {
        let raw = i64::try_from(amount.value(row)).map_err(|error| broken(error.to_string()))?;
        let at = EventTime::from_micros(at.value(row));
        accepted.count(customer.value(row), invoice.value(row), Money::from_raw(raw), at);
    }
    Ok(())
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b dyn Array> {
    let column = batch.column_by_name(name).ok_or_else(|| broken(format!("column {name} is missing")))?;
    if column.null_count() > 0 { Err(broken(format!("column {name} has rows without a value"))) } else { Ok(column) }
}

fn broken(reason: String) -> Error {
    data::lake::Error::Content { table: Table::Orders, reason }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_from_the_topic_as_long_as_it_has_them() {
        let at = |covered, start, position, low| {
            let Suffix { archived, topic } = suffix(covered, Input { start, position }, low);
            (archived, topic)
        };
        assert_eq!(at(0, 0, 90, 0), (0..0, 0..90));
        assert_eq!(at(40, 0, 90, 10), (40..40, 40..90));
        assert_eq!(at(40, 0, 90, 60), (40..60, 60..90));
        assert_eq!(at(40, 0, 90, 95), (40..90, 90..90));
        assert_eq!(at(40, 70, 90, 60), (70..70, 70..90), "a group that began behind what is covered");
        assert_eq!(at(95, 0, 90, 60), (95..95, 95..95), "archived by another group, further on");
    }
}
