//! A run is a sequence of Delta commits. Each state between two of them is rebuilt by taking the later ones away,
//! which is what a crash there leaves: the data files are written, the commits are not.

use std::fs;

use crate::support::{Lake, Place, View};

/// The order of a run's commits, but for the computed tables, which come in any order behind these.
const INGESTED: [&str; 3] = ["sources", "rejected_orders", "orders"];
const COMPUTED: [&str; 4] = ["customer_rfm", "customer_segments", "segment_profiles", "counted_invoices"];

/// Every set of tables that a crash can find committed, the publication not yet.
fn states() -> Vec<Vec<&'static str>> {
    let mut states: Vec<Vec<&str>> = (0..INGESTED.len()).map(|count| INGESTED[..count].to_vec()).collect();
    for subset in 0..1 << COMPUTED.len() {
        let computed = COMPUTED.into_iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1);
        states.push(INGESTED.into_iter().chain(computed.map(|(_, table)| table)).collect());
    }
    states
}

/// Takes away the commits `before` lacks, except those of `tables`.
fn crash(lake: &Lake, before: &Lake, tables: &[&str]) {
    let old = before.files();
    for path in lake.files().into_keys().filter(|path| path.contains("/_delta_log/") && !old.contains_key(path)) {
        if !tables.iter().any(|table| path.starts_with(&format!("{table}/"))) {
            fs::remove_file(lake.path().join(path)).expect("a commit to remove");
        }
    }
}

#[test]
fn every_state_between_two_commits_is_mended_by_the_next_run() {
    let place = Place::new();
    let (first, _) = place.orders("first.csv", 1_500, 1);
    let (second, _) = place.orders("second.csv", 1_500, 2);
    let (third, _) = place.orders("third.csv", 1_500, 3);
    let (before, done) = (place.lake("before"), place.lake("done"));
    before.run(&[&first]);
    let published = before.view(None);
    before.copy(&done);
    // They share their commits.
    done.run(&[&second, &third]);
    let undisturbed = done.figures();

    for state in states() {
        let crashed = place.lake("crashed");
        done.copy(&crashed);
        crash(&crashed, &before, &state);
        let when = format!("cut off behind the commits of {state:?}");
        crashed.view(None).must_equal(&published, &when);
        if state.last() == Some(&"orders") {
            let recomputed = place.lake("recomputed");
            crashed.copy(&recomputed);
            recomputed.run(&[]);
            recomputed.figures().must_equal(&undisturbed, &format!("{when}, then recomputed"));
            fs::remove_dir_all(recomputed.path()).expect("a lake to remove");
        }
        crashed.run(&[&second, &third]);
        crashed.figures().must_equal(&undisturbed, &when);
        crashed.glance(Some(1)).must_equal(&published, &when);
        fs::remove_dir_all(crashed.path()).expect("a lake to remove");
    }
}

#[test]
fn a_first_run_that_was_cut_off_is_made_good() {
    let place = Place::new();
    let (orders, _) = place.orders("orders.csv", 1_500, 1);
    let done = place.lake("done");
    done.run(&[&orders]);
    let undisturbed = done.figures();

    let created = "_delta_log/00000000000000000000.json";
    for table in INGESTED.into_iter().chain(COMPUTED).chain(["netted_customers", "publications"]) {
        let crashed = place.lake(&format!("only-{table}"));
        fs::create_dir_all(crashed.path().join(table).join("_delta_log")).expect("a folder");
        mend(&crashed, &orders, &undisturbed, &format!("cut off before {table} was made"));
        let crashed = place.lake(&format!("with-{table}"));
        fs::create_dir_all(crashed.path().join(table).join("_delta_log")).expect("a folder");
        let (from, to) = (done.path().join(table).join(created), crashed.path().join(table).join(created));
        fs::copy(from, to).expect("a copy of the commit");
        mend(&crashed, &orders, &undisturbed, &format!("cut off when only {table} was made"));
    }

    let empty = place.lake("empty");
    done.copy(&empty);
    for path in empty.files().into_keys().filter(|path| path.ends_with("/_delta_log/00000000000000000001.json")) {
        fs::remove_file(empty.path().join(path)).expect("a commit to remove");
    }
    for state in states() {
        let crashed = place.lake("crashed");
        done.copy(&crashed);
        crash(&crashed, &empty, &state);
        mend(&crashed, &orders, &undisturbed, &format!("cut off behind the commits of {state:?}"));
        fs::remove_dir_all(crashed.path()).expect("a lake to remove");
    }
}

fn mend(crashed: &Lake, orders: &std::path::Path, undisturbed: &View, when: &str) {
    crashed.ask(&["show"]).must_fail(1, &["has no publication yet"]);
    let history = crashed.json(&["history"]);
    assert_eq!(history["publications"].as_array().map(Vec::len), Some(0), "{when}");
    let published = crashed.run(&[orders]);
    assert_eq!(published["publication"], 1, "{when}");
    crashed.figures().must_equal(undisturbed, when);
}
