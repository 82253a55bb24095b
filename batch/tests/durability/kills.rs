//! Runs that are killed at random moments, and what they leave lying about.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::support::{Guarded, Lake, Place, TABLES, signal, with_inputs};

const KILLS: u32 = 15;
/// Kills that hit one lake before a run is let through.
const IN_A_ROW: u32 = 3;

#[test]
fn killed_at_any_moment_the_next_run_makes_it_good() {
    let place = Place::new();
    let (first, _) = place.orders("first.csv", 1_500, 1);
    let (second, _) = place.orders("second.csv", 40_000, 2);
    let (before, done) = (place.lake("before"), place.lake("done"));
    before.run(&[&first]);
    let published = before.view(None);
    before.copy(&done);
    let started = Instant::now();
    done.run(&[&second]);
    let whole = started.elapsed();
    let undisturbed = done.figures();

    for chain in 0..KILLS / IN_A_ROW {
        let lake = place.lake(&format!("lake-{chain}"));
        before.copy(&lake);
        for nth in 0..IN_A_ROW {
            // One moment in each of as many equal parts of a run.
            let part = chain + nth * (KILLS / IN_A_ROW);
            let moment = whole * (part * 1000 + random(1000)) / (KILLS * 1000);
            let name = if part % 3 == 2 { "TERM" } else { "KILL" };
            kill_after(&lake, &second, moment, name);
            let when = format!("{name} after {moment:?} of {whole:?}");
            lake.glance(Some(1)).must_equal(&published, &when);
            assert!(lake.ask(&["show"]).succeeded(), "{when}");
        }
        lake.run(&[&second]);
        lake.figures().must_equal(&undisturbed, &format!("chain {chain}"));
        leftovers_go(&lake, chain);
    }
}

fn random(below: u32) -> u32 {
    u32::try_from(RandomState::new().hash_one(0) % u64::from(below)).expect("a small number")
}

fn kill_after(lake: &Lake, input: &Path, moment: Duration, name: &str) {
    let mut running = Guarded(lake.start(&with_inputs("run", &[input])));
    thread::sleep(moment);
    signal(&running.0, name);
    running.0.wait().expect("it ends");
}

/// Vacuum removes all that no publication needs; with orders and sources it waits a day, for others may be writing them.
fn leftovers_go(lake: &Lake, chain: u32) {
    let kept = lake.view(None);
    lake.json(&["vacuum", "--keep", "1"]);
    let waiting =
        |path: &String| !["orders/", "rejected_orders/", "sources/"].iter().any(|table| path.starts_with(table));
    let others: Vec<String> = unneeded(lake).into_iter().filter(waiting).collect();
    assert_eq!(others, Vec::<String>::new(), "chain {chain}: left at once");
    let yesterday = SystemTime::now() - Duration::from_secs(25 * 3600);
    for path in lake.files().into_keys() {
        let file = File::options().append(true).open(lake.path().join(path)).expect("a file of the lake");
        file.set_modified(yesterday).expect("an older file");
    }
    let still = unneeded(lake);
    let removed = lake.json(&["vacuum", "--keep", "1"]);
    assert_eq!(removed["files"], still.len(), "chain {chain}: {still:?}");
    assert_eq!(unneeded(lake), BTreeSet::new(), "chain {chain}: left after a day");
    lake.view(None).must_equal(&kept, &format!("chain {chain}, after vacuum"));
}

/// Files that no table needs as it is now, read from the logs themselves.
pub fn unneeded(lake: &Lake) -> BTreeSet<String> {
    let mut files: BTreeSet<String> = lake.files().into_keys().collect();
    files.retain(|path| path.contains('#') || !path.contains("/_delta_log/"));
    for table in TABLES.into_iter().chain(["publications"]) {
        let log = lake.path().join(table).join("_delta_log");
        let mut commits: Vec<_> =
            fs::read_dir(log).expect("a log").map(|entry| entry.expect("an entry").path()).collect();
        commits.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        commits.sort();
        let mut live: HashMap<String, bool> = HashMap::new();
        for commit in commits {
            for action in fs::read_to_string(commit).expect("a commit").lines() {
                let action: Value = serde_json::from_str(action).expect("an action");
                for (kind, lives) in [("add", true), ("remove", false)] {
                    if let Some(path) = action[kind]["path"].as_str() {
                        live.insert(format!("{table}/{path}"), lives);
                    }
                }
            }
        }
        files.retain(|path| !live.get(path).copied().unwrap_or(false));
    }
    files
}
