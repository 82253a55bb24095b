//! Scores, segments and alerts by rules, against a real broker.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::rules::{Event, EventTime, RuleSet, Topic};
use kafka::{create_topic, produce_all, read_committed};
use serde_json::{Value, json};

use crate::programs::{Speed, batch};
use crate::support::World;
use crate::verify::history;

const DAY_MS: i64 = 86_400_000;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/shipped")
}

/// A click of one of 30 users, keyed by the user.
fn click(number: i64) -> (Option<String>, String) {
    let user = format!("u{}", number % 30);
    let session = format!("{user}-s{}", number / 300);
    let kind = ["view", "view", "cart", "view", "purchase"][usize::try_from(number / 30 % 5).expect("small")];
    let at = EventTime(1_790_000_000_000 + number * 2_000).show();
    let category = ["a.b", "c", ""][usize::try_from(number / 30 % 3).expect("small")];
    let click = json!({
        "event_id": format!("e{number}"), "event_type": kind, "user_id": user, "user_session": session,
        "product_id": format!("p{}", number / 90 % 2), "category_code": category, "price": 150 + number % 7 * 20,
        "event_time": at,
    });
    (Some(user), click.to_string())
}

impl World {
    fn shop(&self, clicks: std::ops::Range<i64>) {
        let clicks: Vec<_> = clicks.map(click).collect();
        produce_all(&self.bootstrap, &self.names().clickstream, &clicks).expect("produced");
    }

    fn committed(&self, topic: &str) -> Vec<Value> {
        // The program makes the topic.
        let records = read_committed(&self.bootstrap, topic).unwrap_or_default();
        let values = records.into_iter().filter_map(|record| record.value);
        values.map(|value| serde_json::from_slice(&value).expect("JSON")).collect()
    }

    fn until<T>(&self, what: &str, found: impl Fn() -> Option<T>) -> T {
        let since = Instant::now();
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn ids(alerts: &[Value]) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    for alert in alerts {
        *ids.entry(alert["id"].as_str().expect("an id").to_owned()).or_default() += 1;
    }
    ids
}

#[test]
fn eo_1_alerts_and_segments_come_once_though_the_process_is_killed() {
    let Some(world) = World::new("eo_1_alerts", 3) else { return };
    batch(&world, Some(&history()));
    for (topic, partitions) in [(world.names().clickstream, 6), (world.names().order_events, 2)] {
        create_topic(&world.bootstrap, &topic, partitions, &[]).expect("a topic");
    }
    let settings = format!("rules = '{}'\n", shipped().display());
    // More partitions than the three shards, and a backlog: none of it may count as late because another partition is read first.
    world.shop(0..450);
    let speed = Speed::start_as(&world, &settings);
    world.shop(450..900);
    let alerts = world.names().alerts;
    world.until("the first alerts", || (!world.committed(&alerts).is_empty()).then_some(()));
    speed.kill();
    let _speed = Speed::start_as(&world, &settings);
    world.shop(900..1_800);
    let order = |id: &str, status: &str, day: i64| {
        let at = EventTime(1_790_000_000_000 + day * DAY_MS).show();
        let order = json!({"order_id": id, "user_id": "u1", "event_id": format!("{id}{status}"), "order_status": status, "price": 3000, "order_time": at});
        (Some("u1".to_owned()), order.to_string())
    };
    let orders = [order("o1", "completed", 0), order("o2", "completed", 0), order("o2", "cancelled", 0)];
    produce_all(&world.bootstrap, &world.names().order_events, &orders).expect("produced");
    // What comes a month later closes every window, for every user.
    let late: Vec<_> = (0..30)
        .map(|user| {
            let at = EventTime(1_790_000_000_000 + 30 * DAY_MS).show();
            let user = format!("u{user}");
            let click = json!({"event_id": format!("late-{user}"), "event_type": "other", "user_id": user, "user_session": "late", "event_time": at});
            (Some(user), click.to_string())
        })
        .collect();
    produce_all(&world.bootstrap, &world.names().clickstream, &late).expect("produced");

    let rules = RuleSet::load(&shipped()).expect("good rules");
    let read = |(_, json): &(Option<String>, String)| {
        Event::from_json(Topic::Clickstream, json.as_bytes(), "", 0).expect("a click")
    };
    let clicks: Vec<Event> = (0..1_800).map(click).chain(late).map(|sent| read(&sent)).collect();
    let wanted = ::rules::dry_run(&rules, &clicks, 10_000).expect("a good run").alerts;
    let wanted = ids(&wanted.iter().map(::rules::Alert::cloud_event).collect::<Vec<_>>());
    assert!(wanted.len() > 50, "{}", wanted.len());
    world.until("every alert", || (world.committed(&alerts).len() >= wanted.len()).then_some(()));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(ids(&world.committed(&alerts)), wanted);

    let segments = world.names().rule_segments;
    let state = world.until("the order", || {
        let all = world.committed(&segments);
        let newest = all.into_iter().rfind(|state| state["customer_id"] == "u1");
        newest.filter(|state| state["features"]["orders"] == 1)
    });
    assert_eq!(state["features"]["spend"], 3000);
    assert_eq!(state["scores"]["m"], 4);
    assert!(world.committed(&format!("{}-dlq", world.names().clickstream)).is_empty());
}

#[test]
fn rules_are_read_anew_within_two_seconds_and_broken_ones_are_not() {
    let Some(world) = World::new("rules_anew", 2) else { return };
    batch(&world, Some(&history()));
    let folder = world.folder.path().join("rules");
    std::fs::create_dir(&folder).expect("a folder");
    let write = |text: &str| std::fs::write(folder.join("a.toml"), text).expect("written");
    let rules = |segment: &str| {
        format!(
            "[features.views]\nfrom = \"clickstream\"\nmeasure = \"count\"\n[segments]\n{segment} = 'views >= 1'\nNOBODY = 'true'\n"
        )
    };
    write(&rules("FIRST"));
    let _speed = Speed::start_as(&world, &format!("rules = '{}'\n", folder.display()));
    let segments = world.names().rule_segments;
    world.until("the topic", || read_committed(&world.bootstrap, &segments).ok().map(drop));
    world.shop(0..30);
    let of = |segment: &str| {
        let all = world.committed(&segments);
        let newest: BTreeMap<String, Value> =
            all.into_iter().map(|state| (state["customer_id"].to_string(), state["segment"].clone())).collect();
        newest.len() == 30 && newest.values().all(|found| found == segment)
    };
    world.until("everybody in the first", || of("FIRST").then_some(()));
    write("[features.views]\nfrom = \"clicks\"\n");
    std::thread::sleep(Duration::from_secs(2));
    assert!(of("FIRST"), "the old rules go on");
    let since = Instant::now();
    write(&rules("SECOND"));
    world.until("everybody in the second", || of("SECOND").then_some(()));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}: 2 s, and the reading", since.elapsed());
}
