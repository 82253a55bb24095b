//! What a worker wants of Kafka. The real thing is in `kafka/`, a simulated one in the tests.

use std::time::Duration;

use crate::frame::{Emitted, Record, TopicId, TopicPartition};

/// What a failure of Kafka asks for (EO-5). What can be retried has been, below this line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing of the epoch was committed: abort it and go on from the committed offsets.
    #[error("the epoch is aborted: {0}")]
    Abort(String),
    /// This worker is over; another may be started, which fences first.
    #[error("the worker ends: {0}")]
    Ended(String),
    /// A person is needed: going on would lose or double orders.
    #[error("{0}")]
    Stop(String),
}

pub type Result<T> = std::result::Result<T, Failure>;

/// News about this member of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A topic has so many partitions now; for every input topic before its first [`Change::Assigned`].
    Partitions(TopicId, u32),
    Assigned(Vec<u32>),
    /// Taken away; what belongs to the shard may already be another's.
    Revoked(Vec<u32>),
}

/// Where a partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Committed by the group: the next offset, and what was said with it. Read when no commit was under way.
    pub committed: Option<Committed>,
    /// Where a group without a committed offset begins.
    pub initial: i64,
    /// The first offset that is still there.
    pub low: i64,
    /// Behind the last committed record, asked for after `committed` (EO-3).
    pub end: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub offset: i64,
    pub metadata: String,
}

/// An offset to be committed with an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub at: TopicPartition,
    /// The next offset to read.
    pub offset: i64,
    pub metadata: String,
}

/// Membership and reading.
pub trait Reading {
    /// What happened to the group since the last call. Partitions move within this call only, and it is made only
    /// between epochs: no transaction is open when a shard goes.
    ///
    /// # Errors
    /// When the membership cannot go on.
    fn changes(&mut self) -> Result<Vec<Change>>;

    /// # Errors
    /// When the brokers cannot be asked.
    fn facts(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Facts>>;

    /// Reads a partition's committed records from its first one to `end`, apart from what is followed.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_all(&mut self, at: TopicPartition, facts: &Facts, each: &mut dyn FnMut(&Record<'_>)) -> Result<()>;

    /// Follows partitions from the given offsets on (anew, when they are followed already), and leaves others.
    ///
    /// # Errors
    /// When the client refuses.
    fn follow(&mut self, from: &[(TopicPartition, i64)], leave: &[TopicPartition]) -> Result<()>;

    /// Hands over the next committed records, at most `most`; waits up to `wait` for the first.
    ///
    /// # Errors
    /// When a followed partition cannot be read.
    fn poll(&mut self, wait: Duration, most: usize, each: &mut dyn FnMut(&Record<'_>)) -> Result<usize>;

    /// Waits for an answer of the brokers: whether one came. Only then does nothing read mean that there is nothing.
    fn hear(&mut self) -> bool;
}

/// Writing, in transactions.
pub trait Writing {
    /// Ends every older producer of this worker's name and what it left open (EO-2).
    ///
    /// # Errors
    /// When the coordinator refuses.
    fn fence(&mut self) -> Result<()>;

    /// # Errors
    /// When the producer is in no state to begin.
    fn begin(&mut self) -> Result<()>;

    /// # Errors
    /// When the record cannot be taken: too large, or the producer is over.
    fn send(&mut self, record: &Emitted<'_>) -> Result<()>;

    /// Commits what was sent since [`Writing::begin`] together with `offsets` (EO-1).
    ///
    /// # Errors
    /// [`Failure::Abort`] only when nothing was committed for certain.
    fn commit(&mut self, offsets: &[Commit]) -> Result<()>;

    /// # Errors
    /// When the producer is over.
    fn abort(&mut self) -> Result<()>;
}
