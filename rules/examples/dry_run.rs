//! `cargo run --release -p rules --example dry_run -- RULES EVENTS [OUT_OF_ORDER_MS]`: how many alerts each pattern gives.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example reports")]

use std::collections::BTreeMap;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, input, rest @ ..] = arguments.as_slice() else { return Err("name rules and a file of events".into()) };
    let rules = match rules::RuleSet::load(Path::new(path)) {
        Ok(rules) => rules,
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            return Err("the rules have mistakes".into());
        }
    };
    let out_of_order = rest.first().map_or(Ok(10_000), |delay| delay.parse())?;
    let events = rules::read_events(Path::new(input))?;
    let started = std::time::Instant::now();
    let report = rules::dry_run(&rules, &events, out_of_order)?;
    let spent = started.elapsed();
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for alert in &report.alerts {
        *counts.entry((alert.pattern().to_owned(), alert.alert_type().to_owned())).or_default() += 1;
    }
    for ((pattern, alert_type), count) in counts {
        println!("{pattern} {alert_type} {count}");
    }
    println!("{} events, {} late, {} without a key, {spent:?}", report.events, report.late.len(), report.keyless);
    for miss in rules::explain(&rules, &events, &report.alerts).into_iter().take(8) {
        println!("{}", serde_json::to_string(&miss)?);
    }
    Ok(())
}
