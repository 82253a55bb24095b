//! The announced segments of a customer: each begins where the one before ended, and the last is the customer's segment.

use std::collections::BTreeMap;

use data::merge::{Totals, merge};
use serde::Deserialize;
use speed::frame::TopicPartition;

use super::shard::Shard;
use crate::lake::ORDERS_ID;
use crate::observed::Invariant;
use crate::world::World;

#[derive(Debug, Deserialize)]
struct Change {
    customer_id: String,
    from: Option<Named>,
    to: Option<Named>,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Named {
    segment_id: u32,
}

pub fn check(world: &World, shards: &[Shard<'_>]) {
    if world.scene.forgets {
        // Who was announced under a publication that is gone cannot be told.
        return;
    }
    let newest = world.lake.truth.last().expect("published");
    for shard in shards {
        let mut cluster = world.cluster.borrow_mut();
        let Some(first) = cluster.first_views.get(&shard.id) else { continue };
        let first = &world.lake.truth[usize::try_from(first - 1).expect("published")].base;
        let at_first = |customer: &str| {
            let totals = first.find(customer).map_or_else(Totals::default, |place| first.totals(place));
            first.segment(&totals, first.reference).map(|segment| segment.id)
        };
        let at = TopicPartition { topic: world.topics.changes, partition: shard.id };
        let changes: Vec<Change> = cluster
            .committed_records(at)
            .map(|record| serde_json::from_slice(record.value.as_ref().expect("a value")).expect("a change"))
            .collect();
        let mut now: BTreeMap<&str, Option<u32>> = BTreeMap::new();
        for change in &changes {
            let before = now.get(change.customer_id.as_str()).copied();
            let before = before.unwrap_or_else(|| at_first(&change.customer_id));
            let from = change.from.as_ref().map(|named| named.segment_id);
            let to = change.to.as_ref().map(|named| named.segment_id);
            let known = ["order", "publication", "time"].contains(&change.reason.as_str());
            cluster.observed.expect(Invariant::Changes, from == before && to != from && known, || {
                format!("{change:?}, but the customer was in {before:?}")
            });
            now.insert(&change.customer_id, to);
        }
        let reference = shard.reference(newest);
        let customers = (0..newest.base.len()).map(|place| newest.base.id(place).to_owned());
        for customer in customers.chain(shard.state.keys().cloned()).filter(|id| world.home(id) == shard.id) {
            let merged = merge(&newest.base.of(&customer, ORDERS_ID), shard.contributions(&customer));
            let is = newest.base.segment(&merged, reference).map(|segment| segment.id);
            let told = now.get(customer.as_str()).copied().unwrap_or_else(|| at_first(&customer));
            cluster.observed.expect(Invariant::Changes, told == is, || {
                format!("{customer} is in segment {is:?}, but was announced last in {told:?}")
            });
        }
    }
}
