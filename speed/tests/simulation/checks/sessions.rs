//! EO-7, and the frame with a second operator: no line is lost from a session, none is in two, and silence ends them all.

use std::collections::BTreeMap;

use speed::frame::TopicPartition;

use super::shard::{direct, forwarded};
use crate::observed::Invariant;
use crate::sessions::Session;
use crate::world::World;

/// EO-1 of the second operator: lines in ended and open sessions are the lines taken.
pub fn check(world: &World) {
    let topics = world.topics.sessions;
    for shard in 0..world.scene.shards {
        let mut taken: BTreeMap<String, u64> = BTreeMap::new();
        let own = direct(world, shard).into_iter();
        let forwarded: Vec<_> = forwarded(world, topics.by_country, shard, 1);
        let country = |source: &(u32, i64)| world.produced[source].session.as_ref().map(|(country, _)| country.clone());
        let own = own.filter_map(|source| country(&source)).filter(|country| world.home(country) == shard);
        for country in own.chain(forwarded.iter().filter_map(country)) {
            *taken.entry(country).or_default() += 1;
        }
        let mut found = open(world, shard);
        let at = TopicPartition { topic: topics.sessions, partition: shard };
        let mut cluster = world.cluster.borrow_mut();
        for record in cluster.committed_records(at) {
            let session: Session = serde_json::from_slice(record.value.as_ref().expect("a value")).expect("a session");
            *found.entry(key(record.key.as_ref())).or_default() += session.lines;
        }
        cluster
            .observed
            .expect(Invariant::Eo1, taken == found, || format!("sessions of {found:?}, lines of {taken:?}"));
    }
}

/// EO-7: after a long silence no session is open.
pub fn check_ended(world: &World) {
    for shard in 0..world.scene.shards {
        let open = open(world, shard);
        let observed = &mut world.cluster.borrow_mut().observed;
        observed.expect(Invariant::Eo7, open.is_empty(), || format!("sessions that never end: {open:?}"));
    }
}

/// Lines of open sessions, by country.
fn open(world: &World, shard: u32) -> BTreeMap<String, u64> {
    let at = TopicPartition { topic: world.topics.sessions.state, partition: shard };
    let mut open = BTreeMap::new();
    for record in world.cluster.borrow().committed_records(at) {
        let key = key(record.key.as_ref());
        match &record.value {
            Some(value) => open.insert(key, serde_json::from_slice::<Session>(value).expect("a session").lines),
            None => open.remove(&key),
        };
    }
    open
}

fn key(bytes: Option<&Vec<u8>>) -> String {
    String::from_utf8(bytes.expect("keyed").clone()).expect("UTF-8")
}
