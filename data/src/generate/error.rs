//! What can stop the generator.

use std::io;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{flag}: {reason}")]
    Option { flag: &'static str, reason: String },
    #[error("cannot write {path}: {source}")]
    Write { path: String, source: io::Error },
}

impl Error {
    /// The process's exit status: 2 for what the user gave, else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Option { .. } => 2,
            Self::Write { .. } => 1,
        }
    }

    /// Whether the reader of the output went away, as `head` does.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}
