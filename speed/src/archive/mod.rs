//! The archive: order lines that the group has processed go into the lake, where the next batch run finds them.
//!
//! ```text
//! offset committed with {cell: C} ─▶ decide: [A, C) ─▶ lines, judged as the operators judge ─▶ files ─▶ rejected_orders, then orders: A := C
//! ```
//!
//! A is the version of the application transaction that `orders` keeps for the partition, so the archive knows by
//! itself how far it came, and a span is added once, whoever adds it and however often it is tried (EO-8). It needs neither
//! Kafka's transactions nor the writer lock, may lag, and holds no worker up.

pub mod decide;
mod lines;
mod metrics;
mod round;
mod vault;

use std::time::Duration;

use data::kafka::KafkaSettings;

use crate::operators::segments::Reading;

pub use lines::Lines;
pub use metrics::{Metrics, PartitionMetrics};
pub use round::Archiver;
pub use vault::{Outcome, Pending, Vault};

/// What is archived, and how often.
#[derive(Clone, Debug)]
pub struct Settings {
    pub kafka: KafkaSettings,
    pub group: String,
    /// The topic `orders`, and Kafka's id for it.
    pub topic: String,
    pub topic_id: String,
    pub shards: u32,
    /// How the operators judge a line.
    pub reading: Reading,
    /// A partition is archived at most so often, in one commit of its own, unless `records` wait: each makes a file for
    /// each month that it has orders of.
    pub every: Duration,
    pub records: i64,
    /// Go on behind lines that retention has deleted before they were archived: only when somebody has said so.
    pub skip_lost: bool,
}

/// Why archiving stops short.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Lake(#[from] data::lake::Error),
    #[error(transparent)]
    Other(#[from] crate::error::Error),
    #[error("topic {topic} was deleted and made again while its lines were archived; start speed anew")]
    OtherTopic { topic: String },
    #[error("{0}")]
    Memo(String),
    #[error("stopped")]
    Stopped,
}

pub type Result<T> = std::result::Result<T, Error>;
