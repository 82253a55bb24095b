//! Several processes on one lake.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;

use crate::support::{Done, Guarded, Lake, Place, signal, with_inputs};

/// A run over `orders` that has stopped, and holds the lake until it is let go on.
fn hold(lake: &Lake, command: &str, orders: &Path) -> Child {
    let holder = lake.start(&[&with_inputs(command, &[orders])[..], &["--json"]].concat());
    let owner = format!("process {}", holder.id());
    let deadline = Instant::now() + Duration::from_secs(30);
    while !fs::read_to_string(lake.path().join("_writer.lock")).is_ok_and(|text| text.contains(&owner)) {
        assert!(Instant::now() < deadline, "{owner} never took the lock");
        thread::sleep(Duration::from_millis(1));
    }
    signal(&holder, "STOP");
    holder
}

fn counts(document: &Value) -> [&Value; 4] {
    ["customers", "invoices", "revenue", "lake"].map(|key| &document[key])
}

#[test]
fn a_second_run_waits_for_the_first() {
    let place = Place::new();
    let (first, one) = place.orders("first.csv", 20_000, 1);
    let (second, other) = place.orders("second.csv", 1_500, 2);
    let lake = place.lake("lake");
    let holder = hold(&lake, "run", &first);
    let mut waiting = lake.start(&[&with_inputs("run", &[&second])[..], &["--json"]].concat());
    let mut said = String::new();
    let mut stderr = BufReader::new(waiting.stderr.take().expect("piped"));
    stderr.read_line(&mut said).expect("a line");
    assert!(said.contains(&format!("waiting for another run that writes the lake (process {}", holder.id())), "{said}");

    signal(&holder, "CONT");
    assert!(Done::ended(holder).succeeded());
    stderr.read_to_string(&mut said).expect("text");
    let done = Done::ended(waiting);
    assert!(done.succeeded(), "{done:?} {said}");
    let document: Value = serde_json::from_str(&done.stdout).expect("one JSON document");
    assert_eq!(document["publication"], 2);
    assert_eq!(document["lake"]["accepted"], one.accepted.lines + other.accepted.lines);
    assert_eq!(document["lake"]["read"], 21_500);
}

#[test]
fn a_run_that_may_not_wait_is_told_who_holds_the_lake() {
    let place = Place::new();
    let (orders, _) = place.orders("orders.csv", 1_500, 1);
    // Enough to do that it is stopped before it is done.
    let (more, _) = place.orders("more.csv", 300_000, 2);
    let lake = place.lake("lake");
    lake.run(&[&orders]);
    let published = lake.view(None);
    let holder = Guarded(hold(&lake, "ingest", &more));
    let owner = format!("is being written by process {}", holder.0.id());
    for command in [&with_inputs("run", &[&orders])[..], &with_inputs("ingest", &[&orders]), &["vacuum", "--keep", "1"]]
    {
        lake.ask(&[command, &["--wait", "0"]].concat()).must_fail(75, &[&owner, "try again later"]);
    }
    lake.view(None).must_equal(&published, "while another run holds the lake");
    drop(holder);
    // A killed process holds nothing.
    assert!(lake.ask(&["run", "--wait", "0"]).succeeded());
}

#[test]
fn two_runs_at_once_both_publish() {
    let place = Place::new();
    let (first, _) = place.orders("first.csv", 5_000, 1);
    let (second, _) = place.orders("second.csv", 5_000, 2);
    let sequential = place.lake("sequential");
    sequential.run(&[&first]);
    let expected = sequential.run(&[&second]);
    let lake = place.lake("lake");
    let running = [&first, &second].map(|orders| lake.start(&with_inputs("run", &[orders])));
    for done in running.map(Done::ended) {
        assert!(done.succeeded(), "{done:?}");
    }
    let document = lake.json(&["show"]);
    assert_eq!(document["publication"], 2);
    assert_eq!(counts(&document), counts(&expected));
    let rows = |lake: &Lake, table| lake.text(&["export", table]).lines().count();
    for table in ["orders", "rejected_orders", "sources", "customer_rfm"] {
        assert_eq!(rows(&lake, table), rows(&sequential, table), "{table}");
    }
}

#[test]
fn many_ingests_at_once_count_every_file_once() {
    let place = Place::new();
    let files: Vec<(PathBuf, _)> = (0..8).map(|seed| place.orders(&format!("{seed}.csv"), 600, seed)).collect();
    let lake = place.lake("lake");
    // Two of the files come twice.
    let inputs = files.iter().chain(&files[..2]).map(|(path, _)| path);
    let running: Vec<Child> = inputs.map(|path| lake.start(&with_inputs("ingest", &[path]))).collect();
    for child in running {
        let done = Done::ended(child);
        assert!(done.succeeded(), "{done:?}");
    }
    let document = lake.run(&[]);
    assert_eq!(document["lake"]["read"], 8 * 600);
    assert_eq!(document["lake"]["accepted"], files.iter().map(|(_, orders)| orders.accepted.lines).sum::<u64>());
    assert_eq!(lake.text(&["export", "sources"]).lines().count(), 1 + files.len());
}

#[test]
fn readers_beside_a_run_see_whole_publications() {
    let place = Place::new();
    let (first, _) = place.orders("first.csv", 1_500, 1);
    let (second, _) = place.orders("second.csv", 20_000, 2);
    let lake = place.lake("lake");
    lake.run(&[&first]);
    let mut running = lake.start(&with_inputs("run", &[&second]));
    let mut seen = Vec::new();
    loop {
        let ended = running.try_wait().expect("its state").is_some();
        let document = lake.json(&["show"]);
        let customers = lake.json(&["export", "customer_rfm"]).as_array().map(Vec::len).expect("rows");
        if document["publication"] == lake.json(&["show"])["publication"] {
            assert_eq!(document["customers"], customers);
        }
        seen.push(document["publication"].as_i64().expect("an id"));
        if ended {
            break;
        }
    }
    assert!(seen.is_sorted() && seen.last() == Some(&2), "{seen:?}");
}
