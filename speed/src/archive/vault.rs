//! The archive's side of the lake: how far a partition is archived, and the two commits that bring it on.

use std::collections::BTreeMap;

use data::lake::{Appended, FileEncoder, Lake, Snapshot, SourceRow, Table, WrittenFile};
use data::time::Month;
use tokio::runtime::Handle;

use super::{Lines, Result};

/// What the files that are open at a time may take: then the largest goes to the lake, a few megabytes long.
const MEMORY: usize = 6 << 20;

/// The tables that the archive writes, for callers outside the async runtime.
pub struct Vault {
    lake: Lake,
    runtime: Handle,
    tables: Option<Tables>,
}

struct Tables {
    sources: Snapshot,
    rejected: Snapshot,
    orders: Snapshot,
}

/// A partition as the lake knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// First offset that `orders` does not have; `None` when nothing was archived yet.
    pub archived: Option<i64>,
    /// The same of `rejected_orders`: further on after a crash between the two commits, behind when few lines are refused.
    pub refused: Option<i64>,
}

/// A span that is being written, not committed.
#[derive(Default)]
pub struct Pending {
    /// The file of each month that orders go into; without a month, the one of refused lines.
    open: BTreeMap<Option<Month>, FileEncoder>,
    orders: Vec<WrittenFile>,
    refused: Vec<WrittenFile>,
    pub rows: u64,
    pub refused_rows: u64,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Another process was first: look again.
    Overtaken,
}

impl Vault {
    #[must_use]
    pub const fn new(lake: Lake, runtime: Handle) -> Self {
        Self { lake, runtime, tables: None }
    }

    /// How far the partition is archived, as the lake is now.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub fn progress(&mut self, row: &SourceRow) -> Result<Progress> {
        let id = SourceRow::application_id(&row.source_id);
        let (runtime, tables) = self.tables()?;
        Ok(runtime.block_on(async {
            tables.orders.refresh().await?;
            tables.rejected.refresh().await?;
            let archived = tables.orders.application_version(&id).await?;
            let refused = tables.rejected.application_version(&id).await?;
            Ok::<_, data::lake::Error>(Progress { archived, refused })
        })?)
    }

    /// Enters the partition in the ledger, where batch runs look for topics.
    ///
    /// # Errors
    /// When the lake refuses.
    pub fn register(&mut self, row: &SourceRow) -> Result<()> {
        let (runtime, tables) = self.tables()?;
        runtime.block_on(tables.sources.register(row))?;
        Ok(())
    }

    /// Writes what `lines` holds into files, which nobody sees before [`Vault::commit`].
    ///
    /// # Errors
    /// When the lake refuses.
    pub fn write(&mut self, lines: &mut Lines, pending: &mut Pending) -> Result<()> {
        let batches = lines.take()?;
        let orders = batches.orders.into_iter().map(|(month, rows)| (Some(month), rows));
        for (month, rows) in orders.chain(batches.refused.map(|rows| (None, rows))) {
            let (table, count) = match month {
                Some(_) => (Table::Orders, &mut pending.rows),
                None => (Table::RejectedOrders, &mut pending.refused_rows),
            };
            *count += rows.num_rows() as u64;
            let mut file = match pending.open.remove(&month) {
                Some(file) => file,
                None => FileEncoder::new(table, month)?,
            };
            file.write(&rows)?;
            pending.open.insert(month, file);
        }
        while pending.open.values().map(FileEncoder::memory).sum::<usize>() > MEMORY {
            let largest = pending.open.iter().max_by_key(|(_, file)| file.memory()).map(|(month, _)| *month);
            let Some((month, file)) = largest.and_then(|month| pending.open.remove_entry(&month)) else { break };
            self.put(month, file, pending)?;
        }
        Ok(())
    }

    fn put(&mut self, month: Option<Month>, file: FileEncoder, pending: &mut Pending) -> Result<()> {
        let (runtime, tables) = self.tables()?;
        let (table, files) = match month {
            Some(_) => (&tables.orders, &mut pending.orders),
            None => (&tables.rejected, &mut pending.refused),
        };
        files.push(runtime.block_on(table.put(file))?);
        Ok(())
    }

    /// Commits the files, which hold the partition's lines from where `progress` ends up to offset `to`: refused lines first,
    /// so that `orders`, by which a publication goes, never has more than what is accounted for.
    ///
    /// # Errors
    /// When the lake refuses. The commit may have been made all the same: look again.
    pub fn commit(&mut self, row: &SourceRow, progress: Progress, to: i64, mut pending: Pending) -> Result<Outcome> {
        if self.commit_refused(row, progress, to, &mut pending)? == Outcome::Overtaken {
            return Ok(Outcome::Overtaken);
        }
        let id = SourceRow::application_id(&row.source_id);
        let (runtime, tables) = self.tables()?;
        let appended = runtime.block_on(tables.orders.append_from(pending.orders, &id, progress.archived, to))?;
        Ok(outcome(appended))
    }

    /// The first half of [`Vault::commit`], when every file is closed. Without refused lines there is nothing to commit: those that follow begin further
    /// on.
    ///
    /// # Errors
    /// As those of [`Vault::commit`].
    pub fn commit_refused(
        &mut self,
        row: &SourceRow,
        progress: Progress,
        to: i64,
        pending: &mut Pending,
    ) -> Result<Outcome> {
        for (month, file) in std::mem::take(&mut pending.open) {
            self.put(month, file, pending)?;
        }
        if pending.refused.is_empty() {
            return Ok(Outcome::Done);
        }
        let (id, files) = (SourceRow::application_id(&row.source_id), std::mem::take(&mut pending.refused));
        let (runtime, tables) = self.tables()?;
        Ok(outcome(runtime.block_on(tables.rejected.append_from(files, &id, progress.refused, to))?))
    }

    fn tables(&mut self) -> Result<(&Handle, &mut Tables)> {
        if self.tables.is_none() {
            let open = async |table| -> data::lake::Result<Snapshot> {
                let missing = || data::lake::Error::Content {
                    table,
                    reason: "there is none; make the lake with `batch run --input FILE`".to_owned(),
                };
                self.lake.snapshot(table, None).await?.ok_or_else(missing)
            };
            self.tables = Some(self.runtime.block_on(async {
                let sources = open(Table::Sources).await?;
                let rejected = open(Table::RejectedOrders).await?;
                Ok::<_, data::lake::Error>(Tables { sources, rejected, orders: open(Table::Orders).await? })
            })?);
        }
        match &mut self.tables {
            Some(tables) => Ok((&self.runtime, tables)),
            None => unreachable!("opened above"),
        }
    }
}

const fn outcome(appended: Appended) -> Outcome {
    match appended {
        Appended::Done => Outcome::Done,
        Appended::Refused { .. } => Outcome::Overtaken,
    }
}
