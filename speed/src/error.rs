//! What can go wrong, in words that say what to do.

use std::path::PathBuf;

use crate::worker::port::Failure;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("configuration {}: {reason}", .path.display())]
    Config { path: PathBuf, reason: String },
    #[error("setting {name}: {reason}")]
    Setting { name: &'static str, reason: String },
    #[error(transparent)]
    Lake(#[from] data::lake::Error),
    #[error("{} in the rules:\n{}", mistakes(.0.len()), listed(.0))]
    Rules(Vec<rules::RuleError>),
    #[error("{} in the webhooks:\n{}", mistakes(.0.len()), listed(.0))]
    Webhooks(Vec<crate::webhooks::config::Mistake>),
    #[error(transparent)]
    DryRun(#[from] rules::DryRunError),
    #[error("{0}")]
    Kafka(String),
    #[error("{0}")]
    Worker(#[from] Failure),
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
}

impl Error {
    /// 2 for what the caller wrote wrong, 3 for what stays until a person mends it, 1 for everything else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config { .. } | Self::Setting { .. } | Self::Rules(_) | Self::Webhooks(_) => 2,
            Self::Worker(Failure::Stop(_)) => 3,
            _ => 1,
        }
    }
}

fn mistakes(count: usize) -> String {
    if count == 1 { "a mistake".to_owned() } else { format!("{count} mistakes") }
}

fn listed(errors: &[impl ToString]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
