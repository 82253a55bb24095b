//! One Delta table at one version, and the commits that make the next.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::CommitBuilder;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::kernel::{Action, Add, Remove, StructType, Transaction};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use tokio::task::spawn_blocking;

use super::files::{FileEncoder, FileHandle, WrittenFile};
use super::{Error, Lake, Result, Table, damage};
use crate::cleaning::Rules;
use crate::time::Month;

const RULES_KEY: &str = "clientele.cleaningRules";
const MAX_RETRIES: usize = 200;

/// A data file of a snapshot.
#[derive(Clone, Debug)]
pub struct DataFile {
    /// Relative to the table.
    pub path: String,
    pub bytes: u64,
}

/// What became of [`Snapshot::append_from`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Done,
    /// Nothing was added: the application's last version is `at`, not the one to begin from or already the one to reach.
    Refused {
        at: Option<i64>,
    },
}

/// A table as it was at one version.
#[derive(Debug)]
pub struct Snapshot {
    lake: Lake,
    table: Table,
    delta: DeltaTable,
}

impl Snapshot {
    pub(super) async fn open(lake: &Lake, table: Table, version: Option<u64>) -> Result<Option<Self>> {
        let url = lake.table_url(table)?;
        if lake.local_path().is_some_and(|path| !path.join(table.name()).join("_delta_log").is_dir()) {
            return Ok(None);
        }
        let mut builder =
            DeltaTableBuilder::from_url(url).map_err(Error::delta(table))?.with_storage_options(lake.options.clone());
        if let Some(version) = version {
            builder = builder.with_version(version);
        }
        match builder.load().await {
            Ok(delta) => match damage::empty_commit(lake, table, version).await {
                None => {
                    let opened = Self { lake: lake.clone(), table, delta };
                    opened.check_columns()?;
                    Ok(Some(opened))
                }
                Some(damage) => Err(damage),
            },
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(error) => Err(match damage::find(lake, table, version).await {
                None => Error::delta(table)(error),
                Some(damage) => damage,
            }),
        }
    }

    /// Refuses a table whose columns are not those that this program writes and reads.
    fn check_columns(&self) -> Result<()> {
        let schema = self.delta.snapshot().map_err(Error::delta(self.table))?.schema();
        let wanted = self.table.schema();
        let names = wanted.fields().iter().map(|field| field.name().as_str());
        let missing: Vec<_> = names.filter(|name| schema.field(name).is_none()).collect();
        let names = schema.fields().map(|field| field.name().as_str());
        let unknown: Vec<_> = names.filter(|name| wanted.field_with_name(name).is_err()).collect();
        let difference = match (missing.is_empty(), unknown.is_empty()) {
            (true, true) => return Ok(()),
            (false, true) => format!("lacks {}", missing.join(", ")),
            (true, false) => format!("also has {}", unknown.join(", ")),
            (false, false) => format!("lacks {}, and has {}", missing.join(", "), unknown.join(", ")),
        };
        Err(Error::OtherSchema { location: self.lake.location(), table: self.table, difference })
    }

    pub(super) async fn open_or_create(lake: &Lake, table: Table, rules: &Rules) -> Result<Self> {
        if let Some(snapshot) = Self::open(lake, table, None).await? {
            return Ok(snapshot);
        }
        match Self::create(lake, table, rules).await {
            Err(Error::Delta { .. }) => {
                // Another process may have made it meanwhile.
                let opened = Self::open(lake, table, None).await?;
                match opened {
                    Some(snapshot) => Ok(snapshot),
                    None => Self::create(lake, table, rules).await,
                }
            }
            created => created,
        }
    }

    async fn create(lake: &Lake, table: Table, rules: &Rules) -> Result<Self> {
        let url = lake.table_url(table)?;
        if let Some(path) = lake.local_path() {
            let folder = path.join(table.name());
            std::fs::create_dir_all(&folder).map_err(|error| Error::Location {
                location: folder.display().to_string(),
                reason: error.to_string(),
            })?;
        }
        let delta = DeltaTableBuilder::from_url(url)
            .map_err(Error::delta(table))?
            .with_storage_options(lake.options.clone())
            .build()
            .map_err(Error::delta(table))?;
        let columns: StructType = (&table.schema()).try_into_kernel().map_err(Error::columns(table))?;
        // Old publications stay readable: the log is never trimmed by itself, and a foreign
        // VACUUM finds every replaced file younger than its retention.
        let mut configuration = vec![
            ("delta.enableExpiredLogCleanup".to_owned(), Some("false".to_owned())),
            ("delta.deletedFileRetentionDuration".to_owned(), Some("interval 3650 days".to_owned())),
            ("delta.checkpointInterval".to_owned(), Some("20".to_owned())),
        ];
        if table == Table::Orders {
            configuration.push((RULES_KEY.to_owned(), serde_json::to_string(rules).ok()));
        }
        let delta = CreateBuilder::new()
            .with_log_store(delta.log_store())
            .with_table_name(table.name())
            .with_columns(columns.fields().cloned())
            .with_partition_columns(table.partition_columns())
            .with_configuration(configuration)
            .with_raise_if_key_not_exists(false)
            .await
            .map_err(Error::delta(table))?;
        Ok(Self { lake: lake.clone(), table, delta })
    }

    #[must_use]
    pub fn version(&self) -> u64 {
        self.delta.version().unwrap_or_default()
    }

    /// Delta's id of the table: another one when the lake was made anew.
    ///
    /// # Errors
    /// When the table's log cannot be read.
    pub fn id(&self) -> Result<String> {
        let state = self.delta.snapshot().map_err(Error::delta(self.table))?;
        Ok(state.metadata().id().to_owned())
    }

    /// The cleaning rules that the lake was made with; kept by `orders`.
    ///
    /// # Errors
    /// When the table holds none that can be read.
    pub fn rules(&self) -> Result<Rules> {
        let state = self.delta.snapshot().map_err(Error::delta(self.table))?;
        let Some(text) = state.metadata().configuration().get(RULES_KEY) else { return Ok(Rules::default()) };
        serde_json::from_str(text).map_err(|error| Error::Content {
            table: self.table,
            reason: format!("property {RULES_KEY} cannot be read: {error}"),
        })
    }

    /// Every data file of this version, sorted by path.
    ///
    /// # Errors
    /// When the table's log cannot be read.
    pub fn files(&self) -> Result<Vec<DataFile>> {
        let state = self.delta.snapshot().map_err(Error::delta(self.table))?;
        let mut files: Vec<DataFile> = state
            .log_data()
            .iter()
            .map(|file| DataFile {
                path: file.path().into_owned(),
                bytes: u64::try_from(file.size()).unwrap_or_default(),
            })
            .collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    /// A data file, ready to be read by ranges.
    ///
    /// # Errors
    /// When the file is gone or cannot be fetched.
    pub async fn open_file(&self, file: &DataFile) -> Result<FileHandle> {
        FileHandle::open(&self.lake, self.table, &file.path).await
    }

    /// Every row, without the partition column; for the small tables.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn rows(&self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        for file in self.files()? {
            batches.extend(self.rows_of(&file).await?);
        }
        Ok(batches)
    }

    /// Every row of one file, without the partition column.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn rows_of(&self, file: &DataFile) -> Result<Vec<RecordBatch>> {
        self.open_file(file).await?.read_all(self.table, &file.path)
    }

    /// The last version that application `id` committed, if any.
    ///
    /// # Errors
    /// When the table's log cannot be read.
    pub async fn application_version(&self, id: &str) -> Result<Option<i64>> {
        let state = self.delta.snapshot().map_err(Error::delta(self.table))?;
        let log_store = self.delta.log_store();
        state.transaction_version(log_store.as_ref(), id).await.map_err(Error::delta(self.table))
    }

    /// Adds `files` in one commit that also records the versions of `applications`.
    ///
    /// # Errors
    /// When the commit is refused.
    pub async fn append(&mut self, files: Vec<WrittenFile>, applications: &[(String, i64)]) -> Result<()> {
        let actions = files.into_iter().map(|file| Action::Add(file.into_add())).collect();
        self.commit(actions, SaveMode::Append, applications).await
    }

    /// Adds `files`, which hold what application `id` has from version `from` up to `to`, in one commit; only if `from`
    /// is the last version that it committed (`None`: it never did) and `to` is beyond it. So of several processes that write for one
    /// application one succeeds, and none writes twice; needs no writer lock.
    ///
    /// # Errors
    /// When the storage refuses. The commit may have been made all the same: ask again.
    pub async fn append_from(
        &mut self,
        files: Vec<WrittenFile>,
        id: &str,
        from: Option<i64>,
        to: i64,
    ) -> Result<Appended> {
        loop {
            self.refresh().await?;
            let at = self.application_version(id).await?;
            if at != from || at.is_some_and(|at| at >= to) {
                return Ok(Appended::Refused { at });
            }
            match self.append(files.clone(), &[(id.to_owned(), to)]).await {
                Ok(()) => return Ok(Appended::Done),
                // Another process has committed meanwhile: for this application, or by replacing rows.
                Err(error) if error.is_conflict() => tracing::debug!(%error, "a commit is tried again"),
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes on to the table as it is now; whether it changed. Costs one HEAD request (in a folder, one look) if not.
    ///
    /// # Errors
    /// When the storage or the table's log cannot be read.
    pub async fn refresh(&mut self) -> Result<bool> {
        if !self.lake.has_commit(self.table, self.version() + 1).await? {
            return Ok(false);
        }
        if let Some(now) = Self::open(&self.lake, self.table, None).await? {
            *self = now;
        }
        Ok(true)
    }

    /// Puts a file into the lake that [`Snapshot::append`] and [`Snapshot::append_from`] take.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn put(&self, file: FileEncoder) -> Result<WrittenFile> {
        file.put(&self.lake).await
    }

    /// Puts `batch` as a file of its own, as [`FileEncoder`] would.
    ///
    /// # Errors
    /// When the rows do not fit or the storage refuses.
    pub async fn write(&self, batch: &RecordBatch, month: Option<Month>) -> Result<WrittenFile> {
        let (table, batch) = (self.table, batch.clone());
        // Several tables are encoded at once, each on a thread of its own.
        let encoded = spawn_blocking(move || {
            let mut file = FileEncoder::new(table, month)?;
            file.write(&batch)?;
            file.finish()
        });
        let encoded = encoded.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        encoded.put(&self.lake).await
    }

    /// Replaces every row by those of `batch`, in one commit; in none when there are no rows before and after.
    ///
    /// # Errors
    /// When the file cannot be written or the commit is refused.
    pub async fn overwrite(&mut self, batch: &RecordBatch) -> Result<()> {
        let files = self.files()?;
        let written = match batch.num_rows() {
            0 if files.is_empty() => return Ok(()),
            0 => None,
            _ => Some(self.write(batch, None).await?),
        };
        let now = chrono::Utc::now().timestamp_millis();
        let removed = files.into_iter().map(|file| {
            Action::Remove(Remove {
                path: file.path,
                data_change: true,
                deletion_timestamp: Some(now),
                size: i64::try_from(file.bytes).ok(),
                ..Remove::default()
            })
        });
        let actions = removed.chain(written.map(|file| Action::Add(file.into_add()))).collect();
        self.commit(actions, SaveMode::Overwrite, &[]).await
    }

    /// Appends the rows of `batch` as one file.
    ///
    /// # Errors
    /// When the file cannot be written or the commit is refused.
    pub async fn append_rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let written = self.write(batch, None).await?;
        self.append(vec![written], &[]).await
    }

    async fn commit(&mut self, actions: Vec<Action>, mode: SaveMode, applications: &[(String, i64)]) -> Result<()> {
        let mut properties = CommitProperties::default().with_max_retries(MAX_RETRIES);
        for (id, version) in applications {
            properties = properties.with_application_transaction(Transaction::new(id, *version));
        }
        let partition_by = Some(self.table.partition_columns()).filter(|columns| !columns.is_empty());
        let operation = DeltaOperation::Write { mode, partition_by, predicate: None };
        let state = self.delta.snapshot().map_err(Error::delta(self.table))?;
        let commit = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(state.snapshot()), self.delta.log_store(), operation)
            .await
            .map_err(Error::delta(self.table))?;
        self.delta.state = Some(commit.snapshot());
        Ok(())
    }
}

impl WrittenFile {
    fn into_add(self) -> Add {
        Add {
            path: self.path,
            size: i64::try_from(self.bytes).unwrap_or(i64::MAX),
            partition_values: self
                .partition
                .map(|(key, value)| (key, Some(value)))
                .into_iter()
                .collect::<HashMap<_, _>>(),
            modification_time: chrono::Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(self.stats),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        }
    }
}
