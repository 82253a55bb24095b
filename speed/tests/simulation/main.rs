//! The speed layer on a simulated Kafka: one seed, one schedule, and everything must add up.
//!
//! `SIMULATE=n` runs n schedules instead of 10,000; `SEED=n` runs one and prints what happened.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod archive;
mod chance;
mod checks;
mod cluster;
mod faults;
mod group;
mod lake;
mod log;
mod observed;
mod orders;
mod port;
mod sabotage;
mod scene;
mod schedule;
mod sessions;
mod shelf;
mod world;

use sabotage::Sabotage;

#[test]
fn simulation() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..std::env::var("SIMULATE").map_or(1000, |n| n.parse().unwrap())).collect::<Vec<u64>>(),
    };
    let traced = seeds.len() == 1;
    let mut sum = [0; observed::Invariant::COUNT];
    for seed in seeds {
        let mut seen = schedule::run(seed, Sabotage::None, traced);
        for line in seen.trace() {
            println!("{line}");
        }
        if let Some(violation) = seen.violation {
            panic!("seed {seed}: {violation:?}");
        }
        sum.iter_mut().zip(seen.exercised).for_each(|(sum, n)| *sum += n);
    }
    println!("{sum:?}");
}
