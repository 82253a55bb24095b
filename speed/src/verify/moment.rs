//! How far the group had come at one moment, and whom it touched until another.

use compact_str::CompactString;
use data::EventTime;
use data::base::Base;

use super::{Customers, Settings};
use crate::error::{Error, Result};
use crate::kafka::Spans;
use crate::operators::segments::order::decode;
use crate::operators::segments::{self, Memo, Reading};
use crate::worker::port::Committed;
use crate::worker::{InputMemo, operator_memo};

/// What the group has committed.
#[derive(Debug, PartialEq, Eq)]
pub struct Moment {
    /// By partition of the topic of orders; `None` where it has read nothing yet.
    pub orders: Vec<Option<Input>>,
    /// By shard.
    home: Vec<Option<Committed>>,
}

/// How far a partition is processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// First offset that the group ever read.
    pub start: i64,
    /// The next one that it reads.
    pub position: i64,
}

impl Moment {
    /// # Errors
    /// When the brokers do not answer, or the group has committed nothing.
    pub fn take(kafka: &Spans, settings: &Settings) -> Result<Self> {
        let of = |topic: &str| -> Result<Vec<Option<Committed>>> {
            match kafka.partitions(topic)? {
                0 => Err(Error::Kafka(format!("there is no topic {topic}; `speed run` makes it"))),
                count => kafka.committed(topic, &(0..count).collect::<Vec<_>>()),
            }
        };
        let home = of(&settings.topics.orders_by_customer)?;
        let orders = of(&settings.topics.orders)?;
        if home.iter().chain(&orders).all(Option::is_none) {
            let group = &settings.group;
            return Err(Error::Kafka(format!(
                "group {group} has processed nothing yet; start `speed run`, or name its --group"
            )));
        }
        let input = |committed: Committed| {
            let memo = InputMemo::read(&committed.metadata).map_err(|reason| {
                let (group, topic) = (&settings.group, &settings.topics.orders);
                Error::Kafka(format!(
                    "group {group} is another program's ({reason}): its offsets of {topic} are not ours"
                ))
            })?;
            Ok(Input { start: memo.start, position: committed.offset })
        };
        let orders =
            orders.into_iter().map(|committed| committed.map(input).transpose()).collect::<Result<Vec<_>>>()?;
        Ok(Self { orders, home })
    }
}

/// Customers whose state may have changed while it was read, or whose lines still wait to be counted.
///
/// Lines that were read between the two moments are among them, and those that one shard has handed to another and that this
/// one had not committed at the first moment.
///
/// # Errors
/// When the topics cannot be read.
pub fn in_motion(
    committed: &Spans,
    all: &Spans,
    settings: &Settings,
    reading: &Reading,
    (before, after): (&Moment, &Moment),
) -> Result<Customers> {
    let mut moving = Customers::default();
    let orders = &settings.topics.orders;
    for ((partition, after), place) in (0_u32..).zip(&after.orders).zip(0_usize..) {
        let Some(after) = after else { continue };
        let from = before.orders.get(place).copied().flatten().map_or(after.start, |before| before.position);
        committed.read::<Error>(orders, partition, from..after.position, |record| {
            if let Some(Ok(line)) = record.map(|record| decode(record.value, record.timestamp, reading)) {
                moving.insert(CompactString::new(line.key));
            }
            Ok(())
        })?;
    }
    let by_customer = &settings.topics.orders_by_customer;
    for (shard, before) in (0_u32..).zip(&before.home) {
        // Lines of open transactions too: what is handed on becomes visible a little later than what was read.
        let ends = all.ends(by_customer, shard)?;
        let from = before.as_ref().map_or(ends.low, |before| before.offset.max(ends.low));
        all.read::<Error>(by_customer, shard, from..ends.end, |record| {
            if let Some(key) = record.and_then(|record| record.key) {
                moving.insert(CompactString::from_utf8_lossy(key));
            }
            Ok(())
        })?;
    }
    Ok(moving)
}

/// By shard: the reference time that its customers' segments were announced under; `None` where that is in motion, or of
/// another publication.
///
/// # Errors
/// When what the group remembers cannot be read.
pub fn settled(before: &Moment, after: &Moment, base: &Base) -> Result<Vec<Option<EventTime>>> {
    let one = |(before, after): (&Option<Committed>, &Option<Committed>)| {
        let (Some(before), Some(after)) = (memo(before.as_ref())?, memo(after.as_ref())?) else { return Ok(None) };
        let still = before == after && before.sweep.is_none() && before.publication == Some(base.publication);
        let eve = before.newest().map(|newest| EventTime::at_day(newest.day() + 1));
        Ok(still.then(|| eve.map_or(base.reference, |eve| eve.max(base.reference))))
    };
    before.home.iter().zip(&after.home).map(one).collect()
}

/// Whether the group's state is about the topic and the lake that are there now.
///
/// # Errors
/// What is another one, and what to do.
pub fn check(moment: &Moment, topic_id: &str, lake_id: &str) -> Result<()> {
    let memos = moment.home.iter().map(|committed| memo(committed.as_ref()));
    memos.flatten().flatten().try_for_each(|memo| memo.check(topic_id, lake_id).map_err(Error::Kafka))
}

/// What the join remembers of a shard as a whole.
fn memo(committed: Option<&Committed>) -> Result<Option<Memo>> {
    let Some(committed) = committed else { return Ok(None) };
    let memo = operator_memo(&committed.metadata, segments::NAME)
        .and_then(|memo| memo.map(|memo| serde_json::from_str(&memo).map_err(|error| error.to_string())).transpose());
    memo.map_err(|reason| Error::Kafka(format!("what the group remembers of a shard cannot be read: {reason}")))
}
