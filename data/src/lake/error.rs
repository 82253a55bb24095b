use arrow::error::ArrowError;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::TransactionError;
use parquet::errors::ParquetError;

use super::Table;

pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a lake.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("lake {location}: {reason}; give a folder or s3://bucket/prefix with --lake")]
    Location { location: String, reason: String },
    #[error("table {}: {source}", .table.name())]
    Delta { table: Table, source: Box<DeltaTableError> },
    #[error("table {}: {source}", .table.name())]
    Storage { table: Table, source: object_store::Error },
    #[error(
        "the object store wants credentials, and there are none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (for a store that \
         is not Amazon's, AWS_ENDPOINT_URL too)"
    )]
    NoCredentials,
    #[error("table {}, file {path}: {source}", .table.name())]
    File { table: Table, path: String, source: ParquetError },
    #[error("table {}: {source}", .table.name())]
    Columns { table: Table, source: ArrowError },
    #[error("table {}: {reason}", .table.name())]
    Content { table: Table, reason: String },
    #[error("table {}: {file} {reason}; put it back from a copy of the lake", .table.name())]
    Log { table: Table, file: String, reason: String },
    #[error(
        "lake {location} was made by another version of this program: table {} {difference}; ingest its order files into a new lake (batch run --lake NEW --input FILES), or go on with the version that made it",
        .table.name()
    )]
    OtherSchema { location: String, table: Table, difference: String },
    #[error(
        "table {} is at version {version}, but publication {publication} rests on its version {published}: commits are missing; put its _delta_log back from a copy of the lake",
        .table.name()
    )]
    Behind { table: Table, version: u64, publication: i64, published: u64 },
    #[error("lake {location} has no publication {}", .id.map_or_else(
        || format!("yet; make one: batch run --lake {location}, with --input FILE for its first orders"),
        |id| format!("{id}; `batch history` lists them"),
    ))]
    NoPublication { location: String, id: Option<i64> },
    #[error(
        "lake {location} was made with {key} = {kept}, not {asked}; leave the setting out, or ingest into a new lake"
    )]
    OtherRules { location: String, key: String, kept: String, asked: String },
    #[error("lake {location} is being written by {holder}; waited {waited_s} s; try again later or raise --wait")]
    Locked { location: String, holder: String, waited_s: u64 },
    #[error("lake {location}: the write lock was lost to another run; nothing was published")]
    LockLost { location: String },
    #[error("lake {location}: cannot take the write lock: {reason}")]
    Lock { location: String, reason: String },
}

impl Error {
    /// Whether a commit was refused because another process changed what it rests on.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        let Self::Delta { source, .. } = self else { return false };
        matches!(**source, DeltaTableError::Transaction { source: TransactionError::CommitConflict(_) })
    }

    pub(super) fn delta(table: Table) -> impl FnOnce(DeltaTableError) -> Self {
        move |source| {
            if lacks_credentials(&source) {
                Self::NoCredentials
            } else {
                Self::Delta { table, source: Box::new(source) }
            }
        }
    }

    pub(super) fn storage(table: Table) -> impl FnOnce(object_store::Error) -> Self {
        move |source| if lacks_credentials(&source) { Self::NoCredentials } else { Self::Storage { table, source } }
    }

    pub(crate) fn file(table: Table, path: &str) -> impl FnOnce(ParquetError) -> Self {
        move |source| Self::File { table, path: path.to_owned(), source }
    }

    pub(crate) fn columns(table: Table) -> impl FnOnce(ArrowError) -> Self {
        move |source| Self::Columns { table, source }
    }
}

/// The last place where credentials are looked for is the machine's metadata service, at an address that only rented machines have.
fn lacks_credentials(error: &dyn std::error::Error) -> bool {
    const METADATA_SERVICE: &str = "http://169.254.169.254/";
    error.to_string().contains(METADATA_SERVICE) || error.source().is_some_and(lacks_credentials)
}
