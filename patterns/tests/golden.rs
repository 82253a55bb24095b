//! Every line of every golden file that Flink CEP 2.3 wrote.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

use std::io::Read;
use std::path::{Path, PathBuf};

use patterns::golden;
use serde_json::Value;

/// The folder of the golden files: `$CLIENTELE_CEP` or `../shared/cep`. `None`, and a message, where it may be missing.
fn folder() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/cep");
    let folder = std::env::var_os("CLIENTELE_CEP").map_or_else(beside, PathBuf::from);
    if folder.join("real.json").exists() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "the golden files are neither in $CLIENTELE_CEP nor in ../shared/cep");
    eprintln!("skipped: the golden files are neither in $CLIENTELE_CEP nor in ../shared/cep");
    None
}

/// The lines without their place in Flink's order of emission.
fn lines(text: &str) -> Vec<Value> {
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("a golden line is JSON");
        line.as_object_mut().expect("a golden line is an object").remove("emit_seq");
        line
    };
    text.lines().map(line).collect()
}

fn read(path: &Path) -> Option<String> {
    if let Ok(text) = std::fs::read_to_string(path) {
        return Some(text);
    }
    let file = std::fs::File::open(format!("{}.gz", path.display())).ok()?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("a golden file can be unpacked");
    Some(text)
}

/// The answers to a case: one file, or one for each pattern.
fn wanted(case: &Path) -> Vec<Value> {
    if let Some(text) = read(&case.with_extension("jsonl")) {
        return lines(&text);
    }
    let spec: Value = serde_json::from_str(&read(case).expect("a case can be read")).expect("a case is JSON");
    let of = |pattern: &Value| {
        let id = pattern["id"].as_str().expect("a pattern has an id");
        let text = read(&case.with_extension(format!("{id}.jsonl"))).expect("every pattern has its answers");
        lines(&text)
    };
    spec["patterns"].as_array().expect("a case has patterns").iter().flat_map(of).collect()
}

#[test]
fn every_line_of_every_golden_file_is_found() {
    let Some(folder) = folder() else { return };
    let files = std::fs::read_dir(&folder).expect("the folder can be listed").flatten().map(|file| file.path());
    let mut cases: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    cases.sort();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    let mut compared = 0;
    for case in cases {
        let wanted = wanted(&case);
        let found = golden::run(&case).expect("the case can be run");
        let found: String = found.iter().map(|line| serde_json::to_string(line).expect("a line") + "\n").collect();
        let found = lines(&found);
        for (place, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            assert_eq!(found, wanted, "{}, line {}", case.display(), place + 1);
        }
        assert_eq!(found.len(), wanted.len(), "{}", case.display());
        compared += wanted.len();
    }
    assert!(compared >= 26_732, "only {compared} lines");
}
