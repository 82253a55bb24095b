//! What can stop live orders.

use std::io;

use crate::kafka::{Failure, TopicFailure};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: io::Error },
    /// No order file, or one that needs to be told more about.
    #[error("{path}: {reason}")]
    Content { path: String, reason: String },
    #[error(transparent)]
    Kafka(#[from] Failure),
    #[error(transparent)]
    Topic(#[from] TopicFailure),
}
