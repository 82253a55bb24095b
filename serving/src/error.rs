//! What can keep the process from serving, in words that say what to do.

use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("configuration {}: {reason}", .path.display())]
    Config { path: PathBuf, reason: String },
    #[error("setting {name}: {reason}")]
    Setting { name: &'static str, reason: String },
    #[error(transparent)]
    Lake(#[from] data::lake::Error),
    #[error("kafka: {0}")]
    Kafka(String),
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("table {table}: {source}")]
    Parquet { table: &'static str, source: parquet::errors::ParquetError },
    #[error("table {table}: {source}")]
    Columns { table: &'static str, source: arrow::error::ArrowError },
    #[error("a computation was broken off: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    /// 2 for what the caller wrote wrong, 1 for everything else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config { .. } | Self::Setting { .. } => 2,
            _ => 1,
        }
    }
}
