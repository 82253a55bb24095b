//! The lake's memory of its sources, and what it says about a source that comes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use data::EventTime;
use data::lake::{SourceRow, Table, Tables};

use super::chunk::Counts;
use super::fingerprint::{Dates, Fingerprint, prefix_ids};
use crate::error::{Error, Result};
use crate::source::Source;

/// Overlap from which a source counts as a rearranged copy, and from which it is worth a warning.
const REFUSED_OVERLAP: f64 = 0.5;
const NOTED_OVERLAP: f64 = 0.02;

/// Every committed source.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Files.
    entries: Vec<Entry>,
    /// Topic partitions by id.
    topics: BTreeMap<String, SourceRow>,
    /// The table's data files that were searched for topic partitions.
    seen: HashSet<String>,
}

#[derive(Debug)]
struct Entry {
    row: SourceRow,
    fingerprint: Fingerprint,
}

/// What the ledger says about a source, before its lines are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    New,
    /// All of it was ingested: so many order lines.
    Known {
        lines_read: u64,
    },
    /// It was ingested when it was shorter; what is behind `bytes` is new.
    Grown {
        bytes: u64,
        /// Physical lines with their ends.
        lines: u64,
        lines_read: u64,
        dates: Dates,
        from: String,
    },
}

impl Ledger {
    /// Reads the ledger, and drops the rows of sources whose ingest was cut off before their lines were committed.
    ///
    /// # Errors
    /// When the tables cannot be read or written.
    pub async fn open(tables: &mut Tables) -> Result<Self> {
        let seen = tables.get(Table::Sources).files()?.into_iter().map(|file| file.path).collect();
        let rows = tables.get(Table::Sources).sources().await?;
        let topics = rows.iter().filter(|row| row.topic_partition().is_some()).cloned();
        let topics: BTreeMap<_, _> = topics.map(|row| (row.source_id.clone(), row)).collect();
        let mut rows: Vec<SourceRow> = rows.into_iter().filter(|row| row.topic_partition().is_none()).collect();
        let all = rows.len();
        while let Some(last) = rows.last() {
            let id = SourceRow::application_id(&last.source_id);
            if tables.get(Table::Orders).application_version(&id).await?.is_some() {
                break;
            }
            tracing::info!(source = last.source, "an earlier ingest of this source was cut off; it is read again");
            rows.pop();
        }
        if rows.len() < all {
            // A topic partition that is registered meanwhile has a file of its own, which stays.
            let kept = batch_of(rows.iter().chain(topics.values()))?;
            tables.get_mut(Table::Sources).overwrite(&kept).await?;
        }
        let entries =
            rows.into_iter().map(|row| Ok(Entry { fingerprint: serde_json::from_str(&row.fingerprint)?, row }));
        Ok(Self { entries: entries.collect::<Result<_>>()?, topics, seen })
    }

    /// Every topic partition that is registered by now; brings the table in `tables` up to date.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn topics(&mut self, tables: &mut Tables) -> Result<Vec<SourceRow>> {
        let sources = tables.get_mut(Table::Sources);
        sources.refresh().await?;
        for file in sources.files()? {
            if self.seen.insert(file.path.clone()) {
                let rows = sources.sources_of(&file).await?.into_iter().filter(|row| row.topic_partition().is_some());
                self.topics.extend(rows.map(|row| (row.source_id.clone(), row)));
            }
        }
        Ok(self.topics.values().cloned().collect())
    }

    /// Lines read, accepted and rejected by every committed file.
    ///
    /// # Errors
    /// When a row's counts are no JSON.
    pub fn totals(&self) -> Result<Counts> {
        let mut totals = Counts::default();
        for entry in &self.entries {
            totals.add(&Counts::from_json(entry.row.accepted, &entry.row.rejected)?);
        }
        Ok(totals)
    }

    /// Now, but behind every source before, whatever the clocks of the machines that brought them: the newest rows
    /// are those that may have been cut off.
    #[must_use]
    pub fn next_time(&self) -> EventTime {
        let newest = self.entries.iter().map(|entry| entry.row.ingested_at.micros()).max().unwrap_or(i64::MIN);
        EventTime::from_micros(EventTime::now().micros().max(newest.saturating_add(1)))
    }

    pub fn add(&mut self, row: SourceRow, fingerprint: Fingerprint) {
        self.entries.push(Entry { row, fingerprint });
    }

    /// Compares a source, whose first bytes are `head`, with all that were ingested.
    ///
    /// # Errors
    /// When it is a changed state of an ingested one, unless `allow_overlap`.
    pub fn standing(&self, source: &Source, head: &[u8], allow_overlap: bool) -> Result<Standing> {
        let mut alike: Vec<&Entry> = self.entries.iter().filter(|entry| entry.fingerprint.begins(head)).collect();
        if alike.is_empty() {
            return Ok(Standing::New);
        }
        alike.sort_by_key(|entry| entry.row.bytes);
        let lengths: Vec<u64> = alike.iter().map(|entry| entry.row.bytes).collect();
        let prefixes = prefix_ids(source, &lengths)?;
        if let Some(same) = alike.iter().find(|entry| entry.row.source_id == prefixes.whole) {
            return Ok(Standing::Known { lines_read: same.fingerprint.lines_read });
        }
        // A header alone says nothing of what follows it: neither lines nor how their dates are read.
        alike.retain(|entry| entry.fingerprint.lines_read > 0);
        if alike.is_empty() {
            return Ok(Standing::New);
        }
        let longest = alike.iter().rev().find_map(|entry| {
            let (_, id, next) = prefixes.ids.iter().find(|(bytes, ..)| *bytes == entry.row.bytes)?;
            (*id == entry.row.source_id).then_some((*entry, *next))
        });
        match longest {
            Some((entry, next)) if entry.fingerprint.ends_with_newline || matches!(next, Some(b'\n' | b'\r')) => {
                Ok(Standing::Grown {
                    bytes: entry.row.bytes,
                    // The end of the last line is among the new bytes when it was not there before.
                    lines: entry.row.lines.saturating_sub(u64::from(!entry.fingerprint.ends_with_newline)),
                    lines_read: entry.fingerprint.lines_read,
                    dates: entry.fingerprint.dates.clone(),
                    from: entry.row.source.clone(),
                })
            }
            _ if allow_overlap => Ok(Standing::New),
            Some((entry, _)) => Err(changed(source, entry, "continues the last line of")),
            None => Err(changed(
                source,
                alike.last().copied().unwrap_or_else(|| unreachable!("not empty")),
                "begins as, and then differs from,",
            )),
        }
    }

    /// Compares the invoices of a source that is new by its bytes with those of every ingested one.
    ///
    /// # Errors
    /// When it holds mostly invoices that another source brought, unless `allow_overlap`.
    pub fn check_overlap(&self, source: &Source, invoices: &[u64], allow_overlap: bool) -> Result<Option<String>> {
        let overlaps = self.entries.iter().filter_map(|entry| Some((entry, entry.fingerprint.overlap(invoices)?)));
        let Some((entry, share)) = overlaps.max_by(|(_, one), (_, other)| one.total_cmp(other)) else {
            return Ok(None);
        };
        let percent = (share * 100.0).round();
        if share >= REFUSED_OVERLAP && !allow_overlap {
            return Err(changed(source, entry, &format!("has about {percent} % of its invoices in common with")));
        }
        Ok((share >= NOTED_OVERLAP)
            .then(|| format!("about {percent} % of its invoices also came with {}", entry.row.source)))
    }
}

/// Rows of the table `sources`.
///
/// # Errors
/// When the columns do not fit the schema.
pub(super) fn batch_of<'r>(rows: impl Iterator<Item = &'r SourceRow>) -> Result<RecordBatch> {
    let batches = rows.map(SourceRow::to_batch).collect::<data::lake::Result<Vec<_>>>()?;
    Ok(arrow::compute::concat_batches(&Arc::new(Table::Sources.file_schema()), &batches)?)
}

fn changed(source: &Source, entry: &Entry, how: &str) -> Error {
    Error::Source {
        name: source.name.clone(),
        reason: format!(
            "{how} {}, which was ingested on {}; counting both would double orders. Ingest it into a new lake, or pass --allow-overlap to count every line",
            entry.row.source, entry.row.ingested_at
        ),
    }
}

#[cfg(test)]
mod tests {
    use data::{DateEvidence, DateFormat, DayMonth};

    use super::*;
    use crate::ingest::fingerprint::{Dates, Sketch};

    #[test]
    fn the_next_source_is_the_newest_even_when_a_clock_was_ahead() {
        let ahead = EventTime::from_micros(EventTime::now().micros() + 3_600_000_000);
        let row = SourceRow {
            source_id: String::new(),
            source: "orders.csv".to_owned(),
            ingested_at: ahead,
            bytes: 0,
            lines: 0,
            read: 0,
            accepted: 0,
            rejected: "{}".to_owned(),
            fingerprint: "{}".to_owned(),
            evidence: "[]".to_owned(),
        };
        let mut ledger = Ledger::default();
        assert!(ledger.next_time() < ahead);
        let dates = Dates { format: DateFormat::Order(DayMonth::MonthFirst), evidence: DateEvidence::default() };
        ledger.add(row, Fingerprint::new(b"", 0, true, Sketch::default(), dates));
        assert_eq!(ledger.next_time().micros(), ahead.micros() + 1);
    }
}
