//! Rules in running operators: cut by crashes and aborts anywhere, spread over shards, read anew in the middle.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod cluster;
mod shop;

use std::collections::BTreeMap;

use cluster::{Cluster, Fate};
use rules::{RuleSet, Topic};
use serde_json::Value;
use shop::{Happened, happenings};

const RULES: &str = r#"
[features.views]
from = "clickstream"
where = 'event.type == "view"'
measure = "count"
over = "4 days"

[features.spend]
from = "order-events"
where = 'event.status == "completed"'
measure = "sum"
of = "event.price"

[features.days]
from = "order-events"
where = 'event.status == "completed"'
measure = "days_since_last"

[scores.r]
of = "days"
at_most = { 3 = 1, 2 = 2 }
otherwise = 1

[segments]
GOOD = "r >= 2 && spend >= 100"
LOOKING = "views >= 3"
OTHER = "true"
"#;

const SHOPPING: &str = r#"
[patterns.left]
key = "user_id"
within = "30 minutes"
on_match = "BOUGHT"
on_timeout = "LEFT"
[[patterns.left.stages]]
name = "cart"
where = 'event.type == "cart"'
[[patterns.left.stages]]
name = "purchase"
follows = "followed_by"
where = 'event.type == "purchase" && event.product_id == cart.first.product_id'

[patterns.again]
key = "user_session"
within = "2 hours"
on_match = "AGAIN"
[[patterns.again.stages]]
name = "view"
where = 'event.type == "view"'
[[patterns.again.stages]]
name = "same"
follows = "followed_by"
times = 2
where = 'event.type == "view" && event.product_id == view.first.product_id'
"#;

const QUIET: &str = r#"
[patterns.quiet]
key = "user_id"
within = "1 hour"
skip = "past_last"
on_match = "QUIET"
[[patterns.quiet.stages]]
name = "view"
where = 'event.type == "view"'
times = 2
[[patterns.quiet.stages]]
name = "cart"
follows = "not_followed_by"
where = 'event.type == "cart"'
"#;

const SHARED: &str = r#"
[patterns.wanted]
key = "product_id"
within = "3 hours"
skip = "past_last"
on_match = "WANTED"
[[patterns.wanted.stages]]
name = "carts"
where = 'event.type == "cart"'
times = 2
[[patterns.wanted.stages]]
name = "sale"
follows = "followed_by"
where = 'event.type == "purchase"'

[patterns.left_lying]
key = "product_id"
within = "1 hour"
on_timeout = "LEFT LYING"
[[patterns.left_lying.stages]]
name = "cart"
where = 'event.type == "cart"'
[[patterns.left_lying.stages]]
name = "sale"
follows = "followed_by"
where = 'event.type == "purchase"'

[patterns.rush]
key = "event_type"
within = "10 minutes"
skip = "past_last"
on_match = "RUSH"
[[patterns.rush.stages]]
name = "all"
where = 'event.type != "other"'
times = 3
"#;

fn rules(text: &str) -> RuleSet {
    RuleSet::read(&[("rules.toml".into(), text.into())]).expect("good rules")
}

/// Alerts by id, how often each came.
fn counted(alerts: &[Value]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for alert in alerts {
        let line = format!("{} {} {}", alert["id"], alert["data"]["pattern"], alert["data"]["alert_type"]);
        *counted.entry(line).or_default() += 1;
    }
    counted
}

/// What a dry run finds in the clicks.
fn dry(rules: &RuleSet, happened: &[Happened]) -> BTreeMap<String, usize> {
    let clicks: Vec<_> = happened
        .iter()
        .filter(|one| one.topic == Topic::Clickstream)
        .map(|one| rules::Event::from_json(one.topic, one.json.as_bytes(), "", 0).expect("a click"))
        .collect();
    let alerts = rules::dry_run(rules, &clicks, shop::JITTER_MS).expect("a good run").alerts;
    counted(&alerts.iter().map(|alert| serde_json::to_value(alert.cloud_event()).expect("JSON")).collect::<Vec<_>>())
}

#[test]
fn alerts_are_those_of_a_dry_run_however_many_shards() {
    let text = format!("{RULES}{SHOPPING}{QUIET}{SHARED}");
    for seed in 0..8 {
        let happened = happenings(seed, 400);
        let wanted = dry(&rules(&text), &happened);
        assert!(wanted.len() > 20, "{}", wanted.len());
        for shards in [1, 2, 8] {
            let mut cluster = Cluster::new(rules(&text), shards, &happened);
            cluster.run(&mut |_| Fate::Commit);
            assert_eq!(counted(&cluster.values("alerts")), wanted, "seed {seed}, {shards} shards");
            for said in ["WANTED", "LEFT LYING", "RUSH"] {
                assert!(wanted.keys().any(|alert| alert.contains(said)), "seed {seed}: {said}");
            }
        }
    }
}

#[test]
fn eo_1_a_run_cut_anywhere_gives_the_same_alerts_segments_and_state() {
    let text = format!("{RULES}{SHOPPING}{QUIET}{SHARED}");
    for seed in 0..12 {
        let happened = happenings(seed, 250);
        let run = |fate: &mut dyn FnMut(&mut shop::Chance) -> Fate| {
            let mut cluster = Cluster::new(rules(&text), 2, &happened);
            cluster.run(fate);
            cluster
        };
        let smooth = run(&mut |_| Fate::Commit);
        let rough = run(&mut |chance| match chance.below(6) {
            0 => Fate::Abort,
            1 => Fate::Crash,
            _ => Fate::Commit,
        });
        assert_eq!(counted(&rough.values("alerts")), counted(&smooth.values("alerts")), "seed {seed}");
        for topic in ["rule-state", "alert-state"] {
            assert_eq!(rough.newest_bytes(topic), smooth.newest_bytes(topic), "seed {seed}, {topic}");
        }
        // What waits there for the watermark stands in the order of a heap, and how far time has come at the end is by chance.
        let sizes = |cluster: &Cluster| -> BTreeMap<String, usize> {
            let state = cluster.newest_bytes("alert-state-by-field").into_iter();
            state.filter(|(key, _)| key != "=").map(|(key, value)| (key, value.len())).collect()
        };
        assert_eq!(sizes(&rough), sizes(&smooth), "seed {seed}");
        let segments = |cluster: &Cluster| -> BTreeMap<String, Value> {
            cluster.newest("rule-segments").into_iter().map(|(user, state)| (user, state["segment"].clone())).collect()
        };
        assert_eq!(segments(&rough), segments(&smooth), "seed {seed}");
        for cluster in [&smooth, &rough] {
            chain(cluster, seed);
        }
    }
}

/// Each change begins where the one before ended, and the last one ends at the present.
fn chain(cluster: &Cluster, seed: u64) {
    let mut now: BTreeMap<String, Value> = BTreeMap::new();
    for change in cluster.values("segment-changes") {
        let user = change["customer_id"].as_str().expect("a user").to_owned();
        let before = now.insert(user.clone(), change["to"]["segment_name"].clone()).unwrap_or(Value::Null);
        let from = change["from"].get("segment_name").cloned().unwrap_or(Value::Null);
        assert_eq!(from, before, "seed {seed}, {user}");
        assert!(["rule", "time"].contains(&change["reason"].as_str().expect("a reason")));
    }
    for (user, state) in cluster.newest("rule-segments") {
        assert_eq!(now.get(&user), Some(&state["segment"]), "seed {seed}, {user}");
    }
}

#[test]
fn time_alone_moves_customers() {
    let text = RULES;
    let mut by_time = 0;
    for seed in 0..10 {
        let mut cluster = Cluster::new(rules(text), 1, &happenings(seed, 300));
        cluster.run(&mut |_| Fate::Commit);
        by_time += cluster.values("segment-changes").iter().filter(|change| change["reason"] == "time").count();
    }
    assert!(by_time > 10, "{by_time}");
}

#[test]
fn rules_read_anew_in_the_middle_keep_what_unchanged_ones_know() {
    let (before, after) = (format!("{RULES}{SHOPPING}"), format!("{QUIET}{SHOPPING}{}", RULES.replace(">= 3", ">= 2")));
    for seed in 0..8 {
        let happened = happenings(seed, 300);
        let mut cluster = Cluster::new(rules(&before), 2, &happened);
        cluster.reload = Some((150, rules(&after)));
        cluster.run(&mut |chance| if chance.below(8) == 0 { Fate::Crash } else { Fate::Commit });
        let mut found = counted(&cluster.values("alerts"));
        let wanted = dry(&rules(&before), &happened);
        let quiet = found.len();
        found.retain(|alert, _| !alert.contains("QUIET"));
        assert_eq!(found, wanted, "seed {seed}");
        assert!(quiet > found.len(), "the new pattern works too");
        chain(&cluster, seed);
        // Whoever looked twice is judged by the new rules, without an event.
        for (user, state) in cluster.newest("rule-segments") {
            let views = state["features"]["views"].as_f64().unwrap_or_default();
            assert!(views < 2.0 || state["segment"] != "OTHER", "seed {seed}, {user}: {state}");
        }
    }
}

#[test]
fn what_cannot_be_read_becomes_one_dead_letter() {
    let mut happened = happenings(1, 50);
    happened[10].json = "{\"user_id\": \"u1\"}".to_owned();
    let mut cluster = Cluster::new(rules(&format!("{RULES}{SHOPPING}")), 1, &happened);
    cluster.run(&mut |_| Fate::Commit);
    let letters = cluster.written("clickstream-dlq").len() + cluster.written("order-events-dlq").len();
    assert_eq!(letters, 1);
}
