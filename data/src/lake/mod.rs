//! The lake: one folder or object-store prefix, every table in it a Delta table.

mod damage;
mod error;
mod files;
mod lock;
mod publication;
mod schema;
mod source;
mod store;
mod table;
mod vacuum;
mod watch;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use deltalake_core::ensure_table_uri;
use futures::future::join_all;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

pub use error::{Error, Result};
pub use files::{FileEncoder, FileHandle, FileSink, WrittenFile, writer_properties};
pub use lock::WriterLock;
pub use publication::{Publication, PublishedQuality, Versions, money_at, money_column, times_column};
pub use schema::{MONTH_COLUMN, money_type, time_type};
pub use source::{SourceRow, TopicPartition};
pub use table::{Appended, DataFile, Snapshot};
pub use vacuum::{Vacuumed, vacuum};
pub use watch::PublicationWatch;

use crate::cleaning::Rules;

/// The tables of a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    Orders,
    RejectedOrders,
    Sources,
    CustomerRfm,
    CustomerSegments,
    SegmentProfiles,
    CountedInvoices,
    NettedCustomers,
    Publications,
}

impl Table {
    pub const ALL: [Self; 9] = [
        Self::Orders,
        Self::RejectedOrders,
        Self::Sources,
        Self::CustomerRfm,
        Self::CustomerSegments,
        Self::SegmentProfiles,
        Self::CountedInvoices,
        Self::NettedCustomers,
        Self::Publications,
    ];

    /// The table's folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::RejectedOrders => "rejected_orders",
            Self::Sources => "sources",
            Self::CustomerRfm => "customer_rfm",
            Self::CustomerSegments => "customer_segments",
            Self::SegmentProfiles => "segment_profiles",
            Self::CountedInvoices => "counted_invoices",
            Self::NettedCustomers => "netted_customers",
            Self::Publications => "publications",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// A lake's place and the way to its storage.
#[derive(Clone, Debug)]
pub struct Lake {
    root: Url,
    options: HashMap<String, String>,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Lake {
    /// Names a lake: a folder (made when missing) or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// When the folder cannot be made or the address is of no known kind.
    pub fn open(location: &str) -> Result<Self> {
        let bad_location = |reason: String| Error::Location { location: location.to_owned(), reason };
        if !location.contains("://") {
            let whole = std::path::absolute(location).map_err(|error| bad_location(error.to_string()))?;
            let name = whole.to_string_lossy();
            if files::percent_decoded(&name) != name {
                return Err(bad_location(
                    "the Delta log cannot be kept in a folder with %20 or alike in its name".to_owned(),
                ));
            }
            std::fs::create_dir_all(location).map_err(|error| bad_location(error.to_string()))?;
        }
        store::register_s3();
        let root = ensure_table_uri(location).map_err(|error| bad_location(error.to_string()))?;
        let options = store::options_from_env();
        let (store, prefix) = store::open(&root, &options).map_err(|error| bad_location(error.to_string()))?;
        Ok(Self { root, options, store, prefix })
    }

    /// As [`Lake::open`], for a lake that must be there already: nothing is made.
    ///
    /// # Errors
    /// When a local folder does not exist.
    pub fn open_existing(location: &str) -> Result<Self> {
        if !location.contains("://") && !std::path::Path::new(location).is_dir() {
            let reason = "there is no such folder; make a lake with batch run --input FILE, or name another".to_owned();
            return Err(Error::Location { location: location.to_owned(), reason });
        }
        Self::open(location)
    }

    /// The folder, when the lake is one on this machine.
    #[must_use]
    pub fn local_path(&self) -> Option<PathBuf> {
        if self.root.scheme() == "file" { self.root.to_file_path().ok() } else { None }
    }

    #[must_use]
    pub fn location(&self) -> String {
        self.local_path().map_or_else(|| self.root.to_string(), |path| path.display().to_string())
    }

    /// The table at `version`, or as it is now; `None` when there is none yet.
    ///
    /// # Errors
    /// When the storage or the table's log cannot be read.
    pub async fn snapshot(&self, table: Table, version: Option<u64>) -> Result<Option<Snapshot>> {
        Snapshot::open(self, table, version).await
    }

    /// Every table as it is now, made where missing; a new lake keeps `rules`.
    ///
    /// # Errors
    /// When the storage refuses, or the lake was made with other rules.
    pub async fn tables(&self, rules: &Rules) -> Result<Tables> {
        // All are waited for: the Delta kernel panics when a reading of its is dropped with the runtime.
        let snapshots = join_all(Table::ALL.map(|table| Snapshot::open_or_create(self, table, rules))).await;
        let snapshots = snapshots.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(Tables { snapshots: Table::ALL.into_iter().zip(snapshots).collect() })
    }

    /// Takes back the tables that [`Lake::tables`] has just made, and all that was written for them; `false`, and
    /// nothing is touched, when something was committed since. The caller holds the writer lock.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn unmake(&self) -> Result<bool> {
        for table in Table::ALL {
            if self.has_commit(table, 1).await? {
                return Ok(false);
            }
        }
        for table in Table::ALL {
            vacuum::remove_all(self, table).await?;
        }
        Ok(true)
    }

    /// Removes a file that no commit names.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn discard(&self, table: Table, file: &WrittenFile) -> Result<()> {
        let path = self.object_path(table, &file.path);
        self.store.delete(&path).await.map_err(Error::storage(table))
    }

    /// Whether `table` has a version `version`.
    async fn has_commit(&self, table: Table, version: u64) -> Result<bool> {
        match self.store.head(&self.object_path(table, &format!("_delta_log/{version:020}.json"))).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(Error::storage(table)(error)),
        }
    }

    fn table_url(&self, table: Table) -> Result<Url> {
        let mut url = self.root.clone();
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", self.root.path()));
        }
        url.join(&format!("{}/", table.name()))
            .map_err(|error| Error::Location { location: self.location(), reason: error.to_string() })
    }

    /// A file's path within the lake's store.
    fn object_path(&self, table: Table, relative: &str) -> Path {
        let mut path = self.prefix.clone().join(table.name());
        for part in relative.split('/') {
            path = path.join(part);
        }
        path
    }
}

/// Snapshots of every table, kept up with the commits made through them.
#[derive(Debug)]
pub struct Tables {
    snapshots: HashMap<Table, Snapshot>,
}

impl Tables {
    /// # Panics
    /// Never: every table is there from the start.
    #[must_use]
    #[expect(clippy::expect_used, reason = "every table is inserted by Lake::tables")]
    pub fn get(&self, table: Table) -> &Snapshot {
        self.snapshots.get(&table).expect("every table is open")
    }

    /// # Panics
    /// Never: every table is there from the start.
    #[expect(clippy::expect_used, reason = "every table is inserted by Lake::tables")]
    pub fn get_mut(&mut self, table: Table) -> &mut Snapshot {
        self.snapshots.get_mut(&table).expect("every table is open")
    }

    /// Refuses a lake that lost commits on which `publication` rests.
    ///
    /// # Errors
    /// [`Error::Behind`] names the first such table.
    pub fn check_reach(&self, publication: &Publication) -> Result<()> {
        for table in Table::ALL {
            let version = self.get(table).version();
            if let Some(published) = publication.versions.of(table).filter(|published| *published > version) {
                return Err(Error::Behind { table, version, publication: publication.id, published });
            }
        }
        Ok(())
    }

    /// Replaces the rows of several tables at once, each in a commit of its own.
    ///
    /// # Errors
    /// When one of them cannot be written; others may have been.
    pub async fn overwrite(&mut self, rows: &[(Table, RecordBatch)]) -> Result<()> {
        let writes = self.snapshots.iter_mut().filter_map(|(table, snapshot)| {
            let (_, batch) = rows.iter().find(|(wanted, _)| wanted == table)?;
            Some(snapshot.overwrite(batch))
        });
        join_all(writes).await.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
