//! Flink's answers, by way of rule files: every case is written as TOML, read, checked, compiled and run.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    reason = "a test may panic: that is how it fails"
)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use patterns::golden::schema::{Case, Condition, Contiguity, Inner, Operand, PatternSpec, Skip, Stage};
use rules::{RuleSet, dry_run, read_events};
use serde_json::Value;

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cep");
    folder.is_dir().then_some(folder)
}

fn operand(operand: &Operand) -> String {
    match operand {
        Operand::Constant { v } => v.to_string(),
        Operand::Earlier { stage, at, f } => {
            format!("{}.{}.{f}", stage, if at.as_deref() == Some("last") { "last" } else { "first" })
        }
        Operand::Field { f } => format!("event.{f}"),
    }
}

fn condition(tree: &Condition) -> String {
    let all = |args: &[Condition], by: &str| args.iter().map(condition).collect::<Vec<_>>().join(by);
    let compare = |l: &Operand, r: &Operand, by: &str| format!("{} {by} {}", operand(l), operand(r));
    let text = match tree {
        Condition::True => "true".to_owned(),
        Condition::And { args } => all(args, " && "),
        Condition::Or { args } => all(args, " || "),
        Condition::Not { arg } => format!("!{}", condition(arg)),
        Condition::Eq { l, r } => compare(l, r, "=="),
        Condition::Ne { l, r } => compare(l, r, "!="),
        Condition::Lt { l, r } => compare(l, r, "<"),
        Condition::Le { l, r } => compare(l, r, "<="),
        Condition::Gt { l, r } => compare(l, r, ">"),
        Condition::Ge { l, r } => compare(l, r, ">="),
    };
    format!("({text})")
}

fn stage(out: &mut String, id: &str, place: usize, stage: &Stage) {
    let follows = match stage.contiguity {
        Contiguity::Begin | Contiguity::Next => "next",
        Contiguity::FollowedBy => "followed_by",
        Contiguity::FollowedByAny => "followed_by_any",
        Contiguity::NotNext => "not_next",
        Contiguity::NotFollowedBy => "not_followed_by",
    };
    out.push_str(&format!("[[patterns.{id}.stages]]\nname = {:?}\n", stage.name));
    if place > 0 {
        out.push_str(&format!("follows = {follows:?}\n"));
    }
    if let Some(tree) = &stage.condition {
        out.push_str(&format!("where = '''{}'''\n", condition(tree)));
    }
    if let Some(within) = stage.within_ms.filter(|within| *within > 0) {
        out.push_str(&format!("within = \"{within} ms\"\n"));
    }
    let Some(quant) = &stage.quant else { return };
    if let Some(times) = quant.times {
        out.push_str(&format!("times = {times}\n"));
    }
    if let Some((from, to)) = quant.from.zip(quant.to) {
        out.push_str(&format!("times = {{ from = {from}, to = {to} }}\n"));
    }
    if let Some(least) = quant.at_least {
        out.push_str(&format!("at_least = {least}\n"));
    }
    match quant.inner {
        Inner::Relaxed => {}
        Inner::Consecutive => out.push_str("inner = \"consecutive\"\n"),
        Inner::Combinations => out.push_str("inner = \"combinations\"\n"),
    }
    for (flag, name) in [(quant.greedy, "greedy"), (quant.optional, "optional")] {
        if flag {
            out.push_str(&format!("{name} = true\n"));
        }
    }
    if let Some(until) = &quant.until {
        out.push_str(&format!("until = '''{}'''\n", condition(until)));
    }
}

fn toml(case: &Case, spec: &PatternSpec) -> String {
    let id = "case";
    let mut out = format!("[patterns.{id}]\nkey = {:?}\nmax_runs = 1000000\n", spec.key.as_ref().unwrap_or(&case.key));
    match &spec.skip {
        None | Some(Skip::No) => {}
        Some(Skip::ToNext) => out.push_str("skip = \"to_next\"\n"),
        Some(Skip::PastLast) => out.push_str("skip = \"past_last\"\n"),
        Some(Skip::ToFirst(name)) => out.push_str(&format!("skip = {{ to_first = {name:?} }}\n")),
        Some(Skip::ToLast(name)) => out.push_str(&format!("skip = {{ to_last = {name:?} }}\n")),
    }
    let previous = spec.within_type.as_deref() == Some("previous_and_current");
    let within = spec.within_ms.filter(|within| *within > 0);
    if let Some(within) = within.filter(|_| !previous) {
        out.push_str(&format!("within = \"{within} ms\"\n"));
    }
    if !spec.alert.on_match.is_empty() {
        out.push_str(&format!("on_match = {:?}\n", spec.alert.on_match));
    }
    if let Some(timeout) = &spec.alert.timeout {
        out.push_str(&format!("on_timeout = {timeout:?}\n"));
    }
    if let Some(emit) = &spec.emit_if {
        out.push_str(&format!("emit_if = '''{}'''\n", condition(emit)));
    }
    for (place, of) in spec.stages.iter().enumerate() {
        stage(&mut out, id, place, of);
        if place + 1 == spec.stages.len() && previous {
            out.push_str(&format!("within_previous = \"{} ms\"\n", within.unwrap_or(0)));
        }
    }
    out
}

/// The golden lines by pattern.
fn golden(folder: &Path, name: &str) -> BTreeMap<String, Vec<Value>> {
    let mut lines: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !file.starts_with(&format!("{name}.")) || !(file.ends_with(".jsonl") || file.ends_with(".jsonl.gz")) {
            continue;
        }
        let mut text = String::new();
        let mut opened = std::fs::File::open(&path).unwrap();
        if file.ends_with(".gz") {
            flate2::read::GzDecoder::new(opened).read_to_string(&mut text).unwrap();
        } else {
            opened.read_to_string(&mut text).unwrap();
        }
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let pattern = line["pattern"].as_str().unwrap().to_owned();
            lines.entry(pattern).or_default().push(line);
        }
    }
    lines
}

const FIELDS: [&str; 6] = ["key", "alert_type", "kind", "rows", "event_ts", "ts"];

fn picked(line: &Value) -> String {
    let fields: BTreeMap<&str, &Value> = FIELDS.iter().map(|field| (*field, &line[*field])).collect();
    serde_json::to_string(&fields).unwrap()
}

#[test]
fn golden_cases_by_way_of_rule_files() {
    let Some(folder) = folder() else { return };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
        .collect();
    names.sort();
    let (mut compared, mut refused, mut lines) = (0, 0, 0);
    for name in names {
        let case: Case =
            serde_json::from_str(&std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap()).unwrap();
        let events = read_events(&folder.join(&case.csv)).unwrap();
        let golden = golden(&folder, &name);
        for spec in &case.patterns {
            let expected = golden.get(&spec.id).cloned().unwrap_or_default();
            let text = toml(&case, spec);
            let rules = match RuleSet::read(&[(name.clone(), text.clone())]) {
                Ok(rules) => rules,
                Err(errors) => {
                    let flink_refuses = expected.iter().any(|line| line["kind"] == "rejected");
                    let ours = errors.iter().all(|error| {
                        let stricter = ["comes later", "forbids events, so", "not a duration", "name", "begins"];
                        stricter.iter().any(|why| error.message.contains(why))
                    });
                    assert!(flink_refuses || ours, "{name} {}: {errors:?}\n{text}", spec.id);
                    refused += 1;
                    continue;
                }
            };
            let report = dry_run(&rules, &events, case.out_of_orderness_ms).unwrap();
            let mut found: Vec<String> =
                report.alerts.iter().map(|alert| picked(&serde_json::to_value(alert.line()).unwrap())).collect();
            let mut wanted: Vec<String> = expected
                .iter()
                .filter(|line| line["kind"] == "match" || line["kind"] == "timeout")
                .map(picked)
                .collect();
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{name} {}\n{text}", spec.id);
            lines += found.len();
            compared += 1;
        }
    }
    println!("{compared} patterns, {refused} refused, {lines} lines");
    assert!(compared > 100 && lines > 20_000, "{compared} patterns, {refused} refused, {lines} lines");
}
