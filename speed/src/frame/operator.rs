//! The one interface of an operator.

use std::borrow::Cow;
use std::sync::Arc;

use data::EventTime;
use data::base::Base;

use super::{Effects, Origin, Record, TopicPartition};
use crate::rulebook::Edition;

/// A record, understood.
#[derive(Debug)]
pub struct Decoded<'r, E> {
    /// Whose state it touches; records of one key are applied in one shard, in order.
    pub key: Cow<'r, str>,
    /// When it happened.
    pub at: EventTime,
    pub event: E,
}

/// Why a record becomes a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A word that can be counted: a [`data::Reason`]'s name.
    pub reason: &'static str,
    /// What a person wants to know beyond it; may be empty.
    pub detail: String,
}

/// What happens besides records.
#[derive(Debug)]
pub enum Signal<'s> {
    /// A publication was loaded; the first one comes before any record (L-5).
    Publication(&'s Arc<Base>),
    /// The rules were read anew; the first ones come before any record.
    Rules(&'s Arc<Edition>),
    /// No record of an earlier time is expected any more: timers up to here are due.
    Watermark(EventTime),
    /// No event has come since the shard was opened, and it was waited long enough for one; said again and again.
    Silence,
    /// The shard begins to follow these partitions, which have records to be read.
    Backlog(&'s [TopicPartition]),
    /// Time for postponed work, on at most so many keys.
    Work { budget: usize },
}

/// The two moments at the end of an epoch.
#[derive(Debug)]
pub enum EpochEnd<'s> {
    /// Write what changed to the changelog, and what is of no key to the memo: below 1 KiB, committed with the
    /// epoch, and given to the operator that is made when the shard moves.
    Flush {
        memo: &'s mut String,
    },
    Committed,
    /// Nothing of the epoch happened: be as after the last commit.
    Aborted,
}

/// A keyed stream operator: synchronous, deterministic, without clock or I/O. One instance for each shard.
pub trait Operator {
    type Event<'r>;

    /// Whose record it is and what it says; pure.
    ///
    /// # Errors
    /// The refusal with which it becomes a dead letter.
    fn decode<'r>(&self, record: &Record<'r>) -> Result<Decoded<'r, Self::Event<'r>>, Refusal>;

    /// Takes an event of this shard into account.
    fn apply(&mut self, event: &Decoded<'_, Self::Event<'_>>, origin: &Origin, out: &mut Effects);

    fn signal(&mut self, signal: &Signal<'_>, out: &mut Effects);

    /// Takes back the last committed value of a key; `None` for one that was deleted.
    ///
    /// # Errors
    /// What cannot be read in it.
    fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String>;

    fn end_epoch(&mut self, end: EpochEnd<'_>, out: &mut Effects);
}
