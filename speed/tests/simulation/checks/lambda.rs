//! L-1 … L-5: the merged view is what a batch run over everything accepted so far would say.

use std::collections::BTreeSet;

use data::EventTime;
use data::merge::{InvoiceHash, covers, merge};

use super::shard::{Applied, Shard};
use crate::lake::{ORDERS_ID, Truth, tally};
use crate::observed::Invariant;
use crate::world::World;

/// L-1, L-4: beside the publication that the shard has taken up, and beside the newest.
pub fn check(world: &World, shards: &[Shard<'_>]) {
    for shard in shards {
        let newest = i64::try_from(world.lake.truth.len()).expect("few");
        check_beside(world, shard, shard.memo.publication);
        if newest > shard.memo.publication {
            check_beside(world, shard, newest);
        }
    }
}

fn check_beside(world: &World, shard: &Shard<'_>, publication: i64) {
    let truth = &world.lake.truth[usize::try_from(publication - 1).expect("published")];
    let rest: Vec<&Applied<'_>> = shard.applied.iter().filter(|applied| !is_covered(truth, applied)).collect();
    let lines = world.lake.lines[..truth.lines].iter().map(|line| &line.line);
    let expected = tally(lines.chain(rest.iter().map(|applied| applied.line)));
    let customers: BTreeSet<&str> = expected.keys().copied().chain(shard.state.keys().map(String::as_str)).collect();
    let observed = &mut world.cluster.borrow_mut().observed;
    for line in rest.iter().map(|applied| applied.line).filter(|line| line.amount > 0) {
        if truth.base.invoices.contains(InvoiceHash::of(line.customer.as_bytes(), line.invoice.as_bytes())) {
            observed.exercise(Invariant::L4);
        }
    }
    for customer in customers.into_iter().filter(|customer| world.home(customer) == shard.id) {
        let merged = merge(&truth.base.of(customer, ORDERS_ID), shard.contributions(customer));
        let totals = expected.get(customer).map_or_else(Default::default, super::super::lake::Tally::totals);
        let mut own = merged;
        own.frequency = totals.frequency;
        // Where invoices alone are counted wrongly, it is L-4.
        let invariant = if own == totals { Invariant::L4 } else { Invariant::L1 };
        observed.exercise(Invariant::L1);
        if merged != totals {
            let told = format!("{customer} beside publication {publication}: {merged:?}, but recomputed: {totals:?}");
            observed.wrong(invariant, told);
        }
    }
}

pub fn is_covered(truth: &Truth, applied: &Applied<'_>) -> bool {
    covers(&truth.covered, applied.source.0, applied.source.1)
}

/// L-1 for segments, L-2, L-5: once the newest publication is taken up and everybody is visited.
pub fn check_swept(world: &World, shards: &[Shard<'_>]) {
    let truth = world.lake.truth.last().expect("published");
    for shard in shards {
        let observed = &mut world.cluster.borrow_mut().observed;
        let (id, memo) = (shard.id, &shard.memo);
        let taken = memo.publication == truth.base.publication && memo.sweep.is_none();
        observed.expect(Invariant::L5, taken, || format!("shard {id} is at rest with {memo:?}"));
        let newest = shard.newest();
        observed.expect(Invariant::L1, memo.newest == newest.map(EventTime::micros), || {
            format!("shard {id} takes {:?} for the newest order, not {newest:?}", memo.newest)
        });
        let reference = shard.reference(truth);
        for (customer, (record, value)) in &shard.state {
            let covered = record.contributions.iter().find(|own| covers(&truth.covered, own.partition, own.cell));
            observed.expect(Invariant::L2, covered.is_none() && !record.contributions.is_empty(), || {
                format!("{customer} keeps what is covered: {record:?}")
            });
            let merged = merge(&truth.base.of(customer, ORDERS_ID), &record.contributions);
            let segment = truth.base.segment(&merged, reference).map(|segment| segment.id);
            observed.expect(Invariant::L1, segment == record.segment_id, || {
                format!("{customer} is in segment {:?}, recomputed {segment:?}", record.segment_id)
            });
            let shown: serde_json::Value = serde_json::from_slice(value).expect("JSON");
            let last = merged.span.map(|span| span.last.to_string());
            let wrong = || format!("{customer} is shown as {shown}, but is {merged:?}");
            observed.expect(Invariant::L4, shown["frequency"] == merged.frequency, wrong);
            let same = shown["monetary"].as_f64() == Some(merged.monetary.to_f64())
                && shown["last_order_at"].as_str() == last.as_deref();
            observed.expect(Invariant::L1, same, wrong);
        }
    }
}

/// L-2: when a publication covers everything, nothing is kept.
pub fn check_all_covered(world: &World, shards: &[Shard<'_>]) {
    for shard in shards {
        let observed = &mut world.cluster.borrow_mut().observed;
        observed.expect(Invariant::L2, shard.state.is_empty(), || {
            format!("shard {} keeps {:?} of a publication that covers everything", shard.id, shard.state.keys())
        });
    }
}
