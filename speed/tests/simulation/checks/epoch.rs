//! What is checked when an epoch is committed.

use std::collections::BTreeMap;

use serde::Deserialize;
use speed::frame::TopicPartition;
use speed::worker::port::Commit;

use crate::cluster::Cluster;
use crate::log::TxnId;
use crate::observed::Invariant;
use crate::port::SimPort;

#[derive(Deserialize)]
struct Under {
    publication: i64,
}

/// EO-1: outputs never come without offsets. L-5: an epoch is under the newest publication that its worker knew when
/// it began.
pub fn check_committed(cluster: &mut Cluster, port: &SimPort, txn: Option<TxnId>, offsets: &[Commit]) {
    for Commit { at, .. } in offsets {
        if let Some(initial) = port.initial.get(at) {
            cluster.starts.entry(*at).or_insert(*initial);
        }
        if let Some(first) = port.first_view.get(&at.partition).filter(|_| at.topic == cluster.roles.by_customer) {
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
    let known = port.begun_under;
    for publication in under.into_keys() {
        cluster.observed.expect(Invariant::L5, publication >= known, || {
            format!("an order is joined with publication {publication}, while {known} was known")
        });
    }
}
