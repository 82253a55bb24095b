//! Many schedules at once, on every core.

use std::env::var;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use super::observed::{Invariant, Violation};
use super::sabotage::Sabotage;
use super::schedule::run;

const SCHEDULES: u64 = 10_000;
/// What is shown of the trace of a schedule that failed; `SEED=n` shows all of it.
const TRACE_LINES: usize = 60;

/// What the schedules have shown.
#[derive(Debug, Default)]
struct Report {
    schedules: u64,
    exercised: [u64; Invariant::COUNT],
    failed: Vec<(u64, Violation)>,
}

/// Whether no schedule has found `invariant` violated, and each has put it to the test.
pub fn holds(invariant: Invariant) {
    static REPORT: OnceLock<Report> = OnceLock::new();
    let report = REPORT.get_or_init(|| match number("SEED") {
        Some(seed) => replay(seed),
        None => simulate(number("SIMULATE").unwrap_or(SCHEDULES)),
    });
    let failed = report.failed.iter().filter(|(_, violation)| violation.invariant == invariant);
    if let Some((seed, violation)) = failed.min_by_key(|(seed, _)| *seed) {
        let trace = run(*seed, Sabotage::None, true).trace();
        let tail = &trace[trace.len().saturating_sub(TRACE_LINES)..];
        panic!(
            "{}\n\nseed {seed}: {invariant:?}: {}\nall of it: SEED={seed} ./just simulate",
            tail.join("\n"),
            violation.told
        );
    }
    let (count, schedules) = (report.exercised[invariant as usize], report.schedules);
    println!("{invariant:?}: put to the test {count} times in {schedules} schedules");
    assert!(count >= schedules || !report.failed.is_empty() || schedules < 100, "{invariant:?} is hardly tested");
}

fn number(name: &str) -> Option<u64> {
    var(name).ok().map(|text| text.parse().expect("a number"))
}

fn replay(seed: u64) -> Report {
    let mut observed = run(seed, Sabotage::None, true);
    for line in observed.trace() {
        println!("{line}");
    }
    let failed = observed.violation.map(|violation| (seed, violation)).into_iter().collect();
    Report { schedules: 1, exercised: observed.exercised, failed }
}

fn simulate(schedules: u64) -> Report {
    let (next, report) = (AtomicU64::new(0), Mutex::new(Report { schedules, ..Report::default() }));
    let work = || {
        let mut exercised = [0; Invariant::COUNT];
        while report.lock().expect("no panic").failed.is_empty() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= schedules {
                break;
            }
            let observed = run(seed, Sabotage::None, false);
            exercised.iter_mut().zip(observed.exercised).for_each(|(sum, count)| *sum += count);
            if let Some(violation) = observed.violation {
                report.lock().expect("no panic").failed.push((seed, violation));
            }
        }
        let mut report = report.lock().expect("no panic");
        report.exercised.iter_mut().zip(exercised).for_each(|(sum, count)| *sum += count);
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(work);
        }
    });
    report.into_inner().expect("no panic")
}
