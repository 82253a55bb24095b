//! EO-1, EO-6, EO-8, L-3: every line once, with the values it had; every refused one once, with its reason.

use std::collections::{BTreeMap, BTreeSet};

use data::EventTime;
use data::merge::Totals;
use serde::Deserialize;
use speed::frame::{Origin, TopicPartition};

use super::lambda::is_covered;
use super::shard::{Applied, Shard, direct, reference};
use crate::lake::Tally;
use crate::observed::Invariant;
use crate::world::World;

/// A value of `orders-enriched`.
#[derive(Debug, Deserialize)]
struct Enriched {
    invoice: String,
    amount: f64,
    customer_id: String,
    ordered_at: String,
    customer: Live,
    publication: i64,
    source: Source,
}

#[derive(Debug, Deserialize)]
struct Live {
    known: bool,
    recency_days: Option<i64>,
    frequency: u64,
    monetary: f64,
    segment_id: Option<u32>,
    batch_segment_id: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Source {
    topic: String,
    partition: u32,
    offset: i64,
}

/// EO-1: each line that a shard has taken is in `orders-enriched` once, as of its turn.
pub fn check_lines(world: &World, shards: &[Shard<'_>]) {
    check_forwarded(world);
    for shard in shards {
        let at = TopicPartition { topic: world.topics.enriched, partition: shard.id };
        let enriched: Vec<Enriched> = world
            .cluster
            .borrow()
            .committed_records(at)
            .map(|record| serde_json::from_slice(record.value.as_ref().expect("a value")).expect("an enriched order"))
            .collect();
        let mut missing: BTreeMap<(u32, i64), Applied<'_>> =
            shard.applied.iter().map(|applied| (applied.source, *applied)).collect();
        let mut replay = Replay { world, newest: None, applied: Vec::new(), last: BTreeMap::new() };
        for line in &enriched {
            let place = (line.source.partition, line.source.offset);
            let applied = missing.remove(&place);
            let observed = |holds: bool, told: &str| {
                let observed = &mut world.cluster.borrow_mut().observed;
                observed.expect(Invariant::Eo1, holds, || format!("{told}: {line:?}"));
            };
            observed(applied.is_some() && line.source.topic == "orders", "twice, or never committed");
            let Some(applied) = applied else { return };
            let told = replay.differs(line, applied);
            observed(told.is_none(), &told.unwrap_or_default());
        }
        let observed = &mut world.cluster.borrow_mut().observed;
        observed.expect(Invariant::Eo1, missing.is_empty(), || format!("never written: {missing:?}"));
    }
}

/// A shard's lines in the order in which they were taken.
struct Replay<'w> {
    world: &'w World,
    newest: Option<EventTime>,
    applied: Vec<Applied<'w>>,
    /// By customer and partition: the offset before.
    last: BTreeMap<(&'w str, u32), i64>,
}

impl<'w> Replay<'w> {
    /// What is wrong with an enriched line, if anything is.
    fn differs(&mut self, enriched: &Enriched, applied: Applied<'w>) -> Option<String> {
        let line = applied.line;
        self.applied.push(applied);
        if line.amount > 0 {
            self.newest = self.newest.max(Some(line.at));
        }
        let before = self.last.insert((&line.customer, applied.source.0), applied.source.1);
        if before.is_some_and(|before| before >= applied.source.1) {
            return Some(format!("out of order, behind offset {before:?}"));
        }
        let amount = data::Money::from_raw(line.amount).to_f64();
        let same = enriched.invoice == line.invoice
            && enriched.customer_id == line.customer
            && enriched.amount.to_bits() == amount.to_bits()
            && enriched.ordered_at == line.at.to_string();
        if !same {
            return Some(format!("another line than {line:?}"));
        }
        let truth = self.world.lake.truth.get(usize::try_from(enriched.publication - 1).ok()?)?;
        let own = self.world.lake.lines[..truth.lines].iter().map(|own| &own.line);
        let rest = self.applied.iter().filter(|own| !is_covered(truth, own)).map(|own| own.line);
        let mut tally = Tally::default();
        own.chain(rest).filter(|own| own.customer == line.customer).for_each(|own| tally.add(own));
        let totals: Totals = tally.totals();
        let reference = reference(truth, self.newest);
        let base = truth.base.find(&line.customer).map(|place| truth.base.totals(place));
        let batch = base.and_then(|totals| truth.base.segment(&totals, truth.base.reference));
        let live = &enriched.customer;
        let same = live.known == base.is_some()
            && live.recency_days == totals.span.map(|span| span.last.days_before(reference))
            && live.frequency == totals.frequency
            && live.monetary.to_bits() == totals.monetary.to_f64().to_bits()
            && live.segment_id == truth.base.segment(&totals, reference).map(|segment| segment.id)
            && live.batch_segment_id == batch.map(|segment| segment.id);
        (!same).then(|| format!("recomputed {totals:?} as of {reference}"))
    }
}

/// EO-1: what is another shard's was forwarded once.
fn check_forwarded(world: &World) {
    for id in 0..world.scene.shards {
        for source in direct(world, id) {
            let Ok(line) = &world.produced[&source].verdict else { continue };
            let home = world.home(&line.customer);
            if home == id {
                continue;
            }
            let at = TopicPartition { topic: world.topics.by_customer, partition: home };
            let mut cluster = world.cluster.borrow_mut();
            let origins = cluster.committed_records(at).filter_map(|record| record.header(Origin::HEADER));
            let origins = origins.filter_map(Origin::from_header);
            let count = origins.filter(|(_, origin)| (origin.at.partition, origin.offset) == source).count();
            cluster.observed.expect(Invariant::Eo1, count == 1, || format!("{source:?} was forwarded {count} times"));
        }
    }
}

/// EO-6, L-3: what is refused is a dead letter once, as it came, with the reason that batch gives.
pub fn check_letters(world: &World) {
    let mut letters = BTreeMap::new();
    let cluster = world.cluster.borrow();
    for partition in 0..cluster.partitions(world.topics.letters) {
        let at = TopicPartition { topic: world.topics.letters, partition };
        for record in cluster.committed_records(at) {
            let text = |name| String::from_utf8_lossy(record.header(name).unwrap_or_default()).into_owned();
            let source: (u32, i64) =
                (text("partition").parse().expect("a number"), text("offset").parse().expect("one"));
            let known: &mut Vec<_> = letters.entry(source).or_default();
            known.push((text("reason"), record.value.clone(), record.key.clone()));
        }
    }
    drop(cluster);
    for id in 0..world.scene.shards {
        for source in direct(world, id) {
            let produced = &world.produced[&source];
            let found = letters.remove(&source).unwrap_or_default();
            let observed = &mut world.cluster.borrow_mut().observed;
            match &produced.verdict {
                Ok(_) => observed.expect(Invariant::L3, found.is_empty(), || format!("{source:?} is a dead letter")),
                Err(reason) => {
                    observed.expect(Invariant::Eo6, found.len() == 1, || format!("{source:?}: letters {found:?}"));
                    let Some((told, value, key)) = found.first() else { continue };
                    observed.expect(Invariant::L3, told == reason, || format!("{source:?}: {told}, but {reason}"));
                    let same = *value == produced.value && *key == produced.key;
                    observed.expect(Invariant::Eo6, same, || format!("{source:?} was altered: {found:?}"));
                }
            }
        }
    }
    let observed = &mut world.cluster.borrow_mut().observed;
    observed.expect(Invariant::Eo6, letters.is_empty(), || format!("letters of what was never taken: {letters:?}"));
}

/// EO-8: the lake holds every accepted line below the archived offsets once.
pub fn check_archive(world: &World) {
    let mut seen = BTreeSet::new();
    let mut cluster = world.cluster.borrow_mut();
    for source in world.lake.lines.iter().filter_map(|line| line.source) {
        let fresh = seen.insert(source);
        cluster.observed.expect(Invariant::Eo8, fresh, || format!("{source:?} is in the lake twice"));
    }
    for (&partition, next) in &world.lake.archived {
        let at = TopicPartition { topic: world.topics.orders, partition };
        let start = cluster.starts.get(&at).copied().unwrap_or_default();
        let records: Vec<i64> = cluster.committed_records(at).map(|record| record.offset).collect();
        for offset in records.into_iter().filter(|offset| offset < next && *offset >= start) {
            let accepted = world.produced[&(partition, offset)].verdict.is_ok();
            let holds = accepted == seen.contains(&(partition, offset));
            cluster.observed.expect(Invariant::Eo8, holds, || format!("{partition}@{offset}: accepted {accepted}"));
        }
    }
}
