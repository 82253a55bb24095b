//! The archive's side of the lake: how far a partition is archived, and the two commits that bring it on.

use data::lake::{Appended, Lake, Snapshot, SourceRow, Table, WrittenFile};
use tokio::runtime::Handle;

use super::{Lines, Result};

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

/// A span written, not committed.
#[derive(Debug, Default)]
pub struct Pending {
    pub orders: Vec<WrittenFile>,
    pub refused: Vec<WrittenFile>,
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
        let (runtime, tables) = self.tables()?;
        for (month, rows) in &batches.orders {
            pending.rows += rows.num_rows() as u64;
            pending.orders.push(runtime.block_on(tables.orders.write(rows, Some(*month)))?);
        }
        if let Some(rows) = &batches.refused {
            pending.refused_rows += rows.num_rows() as u64;
            pending.refused.push(runtime.block_on(tables.rejected.write(rows, None))?);
        }
        Ok(())
    }

    /// Commits the files, which hold the partition's lines from where `progress` ends up to offset `to`: refused lines first,
    /// so that `orders`, by which a publication goes, never has more than what is accounted for.
    ///
    /// # Errors
    /// When the lake refuses. The commit may have been made all the same: look again.
    pub fn commit(&mut self, row: &SourceRow, progress: Progress, to: i64, pending: Pending) -> Result<Outcome> {
        let id = SourceRow::application_id(&row.source_id);
        if self.commit_refused(&id, progress, to, pending.refused)? == Outcome::Overtaken {
            return Ok(Outcome::Overtaken);
        }
        let (runtime, tables) = self.tables()?;
        let appended = runtime.block_on(tables.orders.append_from(pending.orders, &id, progress.archived, to))?;
        Ok(outcome(appended))
    }

    /// Without refused lines there is nothing to commit: those that follow begin further on.
    fn commit_refused(&mut self, id: &str, progress: Progress, to: i64, files: Vec<WrittenFile>) -> Result<Outcome> {
        if files.is_empty() {
            return Ok(Outcome::Done);
        }
        let (runtime, tables) = self.tables()?;
        Ok(outcome(runtime.block_on(tables.rejected.append_from(files, id, progress.refused, to))?))
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
