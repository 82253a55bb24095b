//! What is committed of a shard, read as a newcomer would.

use std::collections::BTreeMap;

use data::EventTime;
use data::merge::Contribution;
use serde::Deserialize;
use speed::frame::{Origin, TopicId, TopicPartition, split_memo};
use speed::operators::segments::StateRecord;

use crate::lake::Truth;
use crate::orders::Line;
use crate::world::World;

/// The memo of the join.
#[derive(Debug, Default, Deserialize)]
pub struct Memo {
    pub publication: i64,
    pub newest: Option<i64>,
    #[serde(default)]
    pub sweep: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct HomeMemo {
    memos: BTreeMap<String, String>,
}

/// An order line that the join of a shard has taken.
#[derive(Clone, Copy, Debug)]
pub struct Applied<'w> {
    pub line: &'w Line,
    pub source: (u32, i64),
}

pub struct Shard<'w> {
    pub id: u32,
    pub memo: Memo,
    pub applied: Vec<Applied<'w>>,
    pub state: BTreeMap<String, (StateRecord, Vec<u8>)>,
}

impl<'w> Shard<'w> {
    /// `None` for a shard that has committed nothing.
    pub fn read(world: &'w World, id: u32) -> Option<Self> {
        let cluster = world.cluster.borrow();
        let home = TopicPartition { topic: world.topics.by_customer, partition: id };
        let committed = cluster.committed_offset(home)?;
        let memos: HomeMemo = serde_json::from_str(&committed.metadata).expect("a memo");
        let (_, memo) = split_memo(memos.memos.get("segments")?).expect("a stage's memo");
        let memo: Memo = serde_json::from_str(memo).expect("the join's memo");
        let at = TopicPartition { topic: world.topics.state, partition: id };
        let newest: BTreeMap<_, _> = cluster.committed_records(at).map(|record| (&record.key, &record.value)).collect();
        let state = newest.into_iter().filter_map(|(key, value)| {
            let key = String::from_utf8(key.clone().expect("keyed")).expect("UTF-8");
            let value = value.clone()?;
            Some((key, (StateRecord::read(&value).expect("a state"), value)))
        });
        let state = state.collect();
        drop(cluster);
        Some(Self { id, memo, applied: applied(world, id), state })
    }

    pub fn all(world: &'w World) -> Vec<Self> {
        (0..world.scene.shards).filter_map(|id| Self::read(world, id)).collect()
    }

    pub fn contributions(&self, customer: &str) -> &[Contribution] {
        self.state.get(customer).map_or(&[], |(record, _)| &record.contributions)
    }

    /// The reference time of the shard under a publication.
    pub fn reference(&self, truth: &Truth) -> EventTime {
        let purchases = self.applied.iter().filter(|applied| applied.line.amount > 0);
        reference(truth, purchases.map(|applied| applied.line.at).max())
    }
}

pub fn reference(truth: &Truth, newest: Option<EventTime>) -> EventTime {
    let next = newest.map(|newest| EventTime::at_day(newest.day() + 1));
    next.map_or(truth.base.reference, |next| next.max(truth.base.reference))
}

/// The offsets of a partition that the group has taken.
pub fn taken(world: &World, at: TopicPartition) -> std::ops::Range<i64> {
    let cluster = world.cluster.borrow();
    let start = cluster.starts.get(&at).copied().unwrap_or_default();
    start..cluster.committed_offset(at).map_or(start, |committed| committed.offset)
}

/// The places of `orders` that lines were forwarded from to `topic`, of those that the group has taken.
pub fn forwarded(world: &World, topic: TopicId, shard: u32, operator: usize) -> Vec<(u32, i64)> {
    let at = TopicPartition { topic, partition: shard };
    let taken = taken(world, at);
    let cluster = world.cluster.borrow();
    let records = cluster.committed_records(at).filter(|record| taken.contains(&record.offset));
    let origins = records.filter_map(|record| record.header(Origin::HEADER).and_then(Origin::from_header));
    origins.filter(|(own, _)| *own == operator).map(|(_, origin)| (origin.at.partition, origin.offset)).collect()
}

/// The places of `orders` that a shard reads itself, of those that the group has taken.
pub fn direct(world: &World, shard: u32) -> Vec<(u32, i64)> {
    let partitions = world.cluster.borrow().partitions(world.topics.orders);
    let mut places = Vec::new();
    for partition in (shard..partitions).step_by(world.scene.shards as usize) {
        let at = TopicPartition { topic: world.topics.orders, partition };
        let taken = taken(world, at);
        let cluster = world.cluster.borrow();
        let records = cluster.committed_records(at).filter(|record| taken.contains(&record.offset));
        places.extend(records.map(|record| (partition, record.offset)));
    }
    places
}

/// The lines that the join of a shard has taken, by what is committed of its inputs.
fn applied(world: &World, shard: u32) -> Vec<Applied<'_>> {
    let line = |source: (u32, i64)| Some(Applied { line: world.produced[&source].verdict.as_ref().ok()?, source });
    let direct = direct(world, shard).into_iter().filter_map(line);
    let direct = direct.filter(|applied| world.home(&applied.line.customer) == shard);
    direct.chain(forwarded(world, world.topics.by_customer, shard, 0).into_iter().filter_map(line)).collect()
}
