//! What can stop a batch run.

use std::io;
use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Lake(#[from] data::lake::Error),
    #[error("{name}: {source}")]
    Read { name: String, source: io::Error },
    #[error("{name}: {reason}")]
    Source { name: String, reason: String },
    #[error("{name} is cut short or damaged: {source}; fetch it again")]
    Damaged { name: String, source: io::Error },
    #[error("cannot write {path}: {source}")]
    Write { path: String, source: io::Error },
    #[error("cannot write order lines: {0}; nothing was published, and the previous publication is untouched")]
    Ingest(#[source] parquet::errors::ParquetError),
    #[error("cannot write order lines: {0}; nothing was published, and the previous publication is untouched")]
    Upload(#[source] io::Error),
    #[error("cannot read table orders, file {path}: {source}")]
    Orders { path: String, source: parquet::errors::ParquetError },
    #[error("columns do not fit: {0}")]
    Columns(#[from] arrow::error::ArrowError),
    #[error("{flag}: {reason}")]
    Option { flag: &'static str, reason: String },
    #[error("configuration {path}: {reason}")]
    Config { path: PathBuf, reason: String },
    #[error("lake {location} holds no accepted orders; ingest some: batch run --lake {location} --input orders.csv")]
    NoOrders { location: String },
    #[error("the sum of all amounts leaves 18 decimal digits; check the largest prices and quantities in table orders")]
    RevenueOverflow,
    #[error("json: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot write the export: {0}")]
    Export(#[source] parquet::errors::ParquetError),
    #[error("cannot compute segments: {0}")]
    Model(String),
    #[error(transparent)]
    Picture(#[from] crate::picture::PictureError),
}

impl Error {
    /// The process's exit status: 2 for what the user gave, 75 for a busy lake (try again later), else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Option { .. } | Self::Config { .. } => 2,
            Self::Lake(data::lake::Error::Locked { .. }) => 75,
            _ => 1,
        }
    }
}
