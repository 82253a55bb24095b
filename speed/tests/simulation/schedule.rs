//! Running schedules: the actions, the end, and the sum over many seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use speed::frame::TopicPartition;

use super::checks;
use super::observed::{Invariant, Observed, Violation};
use super::sabotage::Sabotage;
use super::world::World;

/// Rounds without anything to do, after which nothing more will come.
const QUIET_ROUNDS: u32 = 4;
const MOST_ROUNDS: u32 = 3_000;

/// Runs the schedule of `seed`.
pub fn run(seed: u64, sabotage: Sabotage, traced: bool) -> Observed {
    let mut world = World::new(seed, sabotage);
    if traced {
        world.cluster.borrow_mut().observed.keep_trace();
        world.note(|| format!("{:?}", world.scene));
    }
    let played = catch_unwind(AssertUnwindSafe(|| play(&mut world)));
    let mut observed = world
        .cluster
        .try_borrow_mut()
        .map_or_else(|_| Observed::default(), |mut cluster| std::mem::take(&mut cluster.observed));
    if let Err(panic) = played {
        let told = panic.downcast_ref::<String>().cloned();
        let told = told.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let told = format!("a panic: {}", told.unwrap_or_default());
        observed.violation.get_or_insert(Violation { invariant: Invariant::Progress, told });
    }
    observed
}

fn play(world: &mut World) {
    begin(world);
    for _ in 0..world.scene.actions {
        act(world);
        if world.is_wrong() {
            return;
        }
    }
    end(world);
}

/// Some history, the first publication, and the workers.
fn begin(world: &mut World) {
    for _ in 0..world.chance.below(4) {
        world.ingest();
    }
    for _ in 0..world.chance.below(3) {
        world.produce();
    }
    world.publish();
    for place in 0..world.slots.len() {
        world.start(place);
    }
    let faults = world.scene.faults;
    world.cluster.borrow_mut().faults = faults;
}

fn act(world: &mut World) {
    let place = world.chance.index(world.slots.len());
    match world.chance.below(100) {
        0..22 => {
            world.note(|| "orders".to_owned());
            world.produce();
        }
        22..62 => drop(world.step(place)),
        62..66 if !world.zombies.is_empty() => {
            let zombie = world.chance.index(world.zombies.len());
            world.step_zombie(zombie);
        }
        62..74 => {
            let millis = world.chance.between(5, 70);
            world.pass(millis);
        }
        74..75 => {
            let millis = world.chance.between(1_000, 45_000);
            world.note(|| format!("{millis} ms go by"));
            world.pass(millis);
        }
        75..80 => world.archive(),
        80..84 => world.publish(),
        84..89 => {
            world.note(|| format!("place {place} takes notice of publications"));
            world.slots[place].shelf.iter().for_each(|shelf| shelf.look());
        }
        89..90 => world.ingest(),
        90..92 => world.rebalance(),
        92..93 => {
            if let Some(mut running) = world.slots[place].running.take() {
                world.note(|| format!("the worker in place {place} is thrown out of the group"));
                world.throw_out(&mut running);
                world.slots[place].running = Some(running);
            }
        }
        93..94 => world.kill(place),
        94..95 => world.abandon(place),
        95..96 => world.compact(),
        96..97 if world.scene.grows => world.grow(),
        97..98 => {
            world.end_foreign();
            world.cluster.borrow_mut().deliver();
        }
        98..99 => world.bury(),
        _ => checks::at_work(world),
    }
    if world.slots[place].running.is_none() && world.chance.one_in(3) {
        if world.chance.one_in(2) {
            world.bury();
        }
        world.start(place);
    }
}

/// Everything calms down; then everything must add up.
fn end(world: &mut World) {
    world.note(|| "calm".to_owned());
    world.cluster.borrow_mut().calm_down();
    world.cluster.borrow_mut().deliver();
    while !world.zombies.is_empty() {
        world.step_zombie(0);
        if world.chance.one_in(3) {
            world.zombies.pop();
        }
    }
    world.end_foreign();
    settle(world);
    // What the dead left open times out.
    world.pass(20_000);
    settle(world);
    check_read(world);
    checks::at_rest(world);
    if world.is_wrong() {
        return;
    }
    // A long silence: sessions end, cells end. Then everything is archived, and covered.
    for _ in 0..2 {
        world.pass(3_000_000);
        settle(world);
    }
    world.archive_all();
    world.lake.publish_newest(world.sabotage, &mut world.chance);
    world.note(|| "a publication of everything".to_owned());
    settle(world);
    checks::at_the_end(world);
}

/// Steps until nothing is left to do.
fn settle(world: &mut World) {
    world.bury();
    world.cluster.borrow_mut().observed.exercise(Invariant::Progress);
    for slot in &world.slots {
        slot.shelf.iter().for_each(|shelf| shelf.look());
    }
    let mut quiet = 0;
    for _ in 0..MOST_ROUNDS {
        let mut done = 0;
        for place in 0..world.slots.len() {
            if world.slots[place].running.is_none() {
                world.start(place);
            }
            done += world.step(place);
            if world.is_wrong() {
                return;
            }
        }
        world.cluster.borrow_mut().pass(Duration::from_millis(40));
        quiet = if done == 0 { quiet + 1 } else { 0 };
        if quiet >= QUIET_ROUNDS {
            return;
        }
    }
    world.cluster.borrow_mut().observed.wrong(Invariant::Progress, "the workers never come to rest".to_owned());
}

/// Everything that was produced is read.
fn check_read(world: &World) {
    let mut cluster = world.cluster.borrow_mut();
    for topic in [world.topics.orders, world.topics.by_customer, world.topics.sessions.by_country] {
        for partition in 0..cluster.partitions(topic) {
            let at = TopicPartition { topic, partition };
            let read = cluster.committed_offset(at).map_or(-1, |committed| committed.offset);
            let newest = cluster.committed_records(at).last().map_or(0, |record| record.offset + 1);
            let told = format!("{} is read up to {read} of {newest}", cluster.show(at));
            let holds = read >= newest || (world.scene.latest && read < 0);
            cluster.observed.expect(Invariant::Eo6, holds, || told);
        }
    }
}
