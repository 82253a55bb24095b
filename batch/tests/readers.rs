//! The tables as others read them: polars, deltalake and pyarrow, by way of Python.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::process::Command;

use data::generate::RawOptions;
use support::{Done, Place, python, script};

#[test]
fn python_reads_the_figures_that_batch_publishes() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let raw = RawOptions { lines: Some(12_000), seed: 3, ..RawOptions::default() };
    let (orders, _) = place.write_orders("orders.csv", raw);
    // The first publication rests on a part of the file, the second on all of it.
    let bytes = fs::read(&orders).expect("the orders");
    let half = bytes[..bytes.len() / 2].iter().rposition(|byte| *byte == b'\n').expect("lines");
    let begun = place.path("begun.csv");
    fs::write(&begun, &bytes[..=half]).expect("a shorter file");

    let lake = place.lake("lake");
    lake.run(&[&begun]);
    lake.run(&[&orders]);
    for (name, command) in [("history.json", "history"), ("show.json", "show")] {
        fs::write(place.path(name), lake.text(&[command, "--json"])).expect("a document");
    }
    let mut reader = Command::new(python);
    reader.arg(script("read_lake.py")).arg(lake.path());
    reader.args(["history.json", "show.json"].map(|name| place.path(name))).arg(&orders);
    let done = Done::of(reader.output().expect("python starts"));
    assert!(done.succeeded(), "{}\n{}", done.stdout, done.stderr);
}
