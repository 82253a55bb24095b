//! What is checked when an epoch is committed.

use std::collections::BTreeMap;

use serde::Deserialize;
use speed::frame::TopicPartition;
use speed::worker::port::Commit;

use crate::cluster::Cluster;
use crate::log::TxnId;
use crate::observed::Invariant;

#[derive(Deserialize)]
struct Under {
    publication: i64,
}

/// What a worker knew when it committed.
#[derive(Clone, Debug)]
pub struct Claim {
    pub offsets: Vec<Commit>,
    /// Where it began partitions that nobody had committed, and the publication that it opened shards under.
    pub initial: BTreeMap<TopicPartition, i64>,
    pub first_view: BTreeMap<u32, i64>,
    /// The newest publication that it knew when the epoch began.
    pub begun_under: i64,
}

/// L-5: an epoch is under the newest publication that its worker knew when it began.
pub fn check_committed(cluster: &mut Cluster, txn: Option<TxnId>, claim: &Claim) {
    for Commit { at, .. } in &claim.offsets {
        if let Some(initial) = claim.initial.get(at) {
            cluster.starts.entry(*at).or_insert(*initial);
        }
        if let Some(first) = claim.first_view.get(&at.partition).filter(|_| at.topic == cluster.roles.by_customer) {
            cluster.first_views.entry(at.partition).or_insert(*first);
        }
    }
    let Some(txn) = txn else { return };
    let topic = cluster.roles.enriched;
    let mut under: BTreeMap<i64, u32> = BTreeMap::new();
    for partition in 0..cluster.partitions(topic) {
        let log = cluster.log(TopicPartition { topic, partition });
        for record in log.from(0).iter().rev().take(64).filter(|record| record.txn == txn && !record.control) {
            let value = record.value.as_ref().expect("a value");
            let Under { publication } = serde_json::from_slice(value).expect("an enriched order");
            *under.entry(publication).or_default() += 1;
        }
    }
    let known = claim.begun_under;
    for publication in under.into_keys() {
        cluster.observed.expect(Invariant::L5, publication >= known, || {
            format!("an order is joined with publication {publication}, while {known} was known")
        });
    }
}
