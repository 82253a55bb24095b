//! Scores, segments and alerts by rules, against a real broker.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
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

/// A pattern whose events are of several users, hence of several shards.
const CONTENDED: &str = r#"
[patterns.contended]
key = "product_id"
within = "10 minutes"
skip = "past_last"
on_match = "CONTENDED"
[[patterns.contended.stages]]
name = "one"
where = 'event.type == "cart"'
[[patterns.contended.stages]]
name = "other"
follows = "followed_by"
where = 'event.type == "cart" && event.user_id != one.first.user_id'
"#;

/// A folder with the shipped rules, and that pattern.
fn with_contended(world: &World) -> PathBuf {
    let folder = world.folder.path().join("rules");
    std::fs::create_dir_all(&folder).expect("a folder");
    for file in std::fs::read_dir(shipped()).expect("the rules") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), folder.join(file.file_name())).expect("copied");
    }
    std::fs::write(folder.join("contended.toml"), CONTENDED).expect("written");
    folder
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

    fn until<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
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
    let rules = with_contended(&world);
    let settings = format!("rules = '{}'\n", rules.display());
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
    let all = clicks_to_the_end(1_800);
    produce_all(&world.bootstrap, &world.names().clickstream, &all[1_800..]).expect("produced");
    let wanted = wanted(&rules, &all);
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

/// What `/metrics` of a process says of a counter; 0 before it says anything.
fn counter(address: SocketAddr, name: &str) -> u64 {
    let mut page = String::new();
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
        stream.read_to_string(&mut page)
    });
    let line = asked.ok().and_then(|_| page.lines().find_map(|line| line.strip_prefix(&format!("{name} "))));
    line.map_or(0, |count| count.trim().parse().expect("a count"))
}

#[test]
fn alerts_come_within_a_second_and_what_is_dropped_is_counted() {
    let Some(world) = World::new("alerts_soon", 2) else { return };
    batch(&world, Some(&history()));
    let rules = world.folder.path().join("rules.toml");
    let text = "[patterns.each]\nkey = 'user_id'\non_match = 'EACH'\n[[patterns.each.stages]]\nname = 'view'\n\
                where = 'event.type == \"view\"'\n[patterns.left]\nkey = 'user_id'\nwithin = '1 hour'\nmax_runs = 2\n\
                on_timeout = 'LEFT'\n[[patterns.left.stages]]\nname = 'cart'\nwhere = 'event.type == \"cart\"'\n\
                [[patterns.left.stages]]\nname = 'purchase'\nfollows = 'followed_by'\nwhere = 'event.type == \"purchase\"'\n";
    std::fs::write(&rules, text).expect("written");
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let _speed = Speed::start_as(&world, &format!("rules = '{}'\nlisten = '{address}'\n", rules.display()));
    let names = world.names();
    world.until("the shards", || (counter(address, "clientele_speed_shards") == 2).then_some(()));
    let send = |number: usize, kind: &str, user: &str, back_ms: i64| {
        let at = data::EventTime::from_micros(data::EventTime::now().micros() - back_ms * 1_000);
        let click = json!({"event_id": format!("e{number}"), "event_type": kind, "user_id": user, "event_time": at.to_string()});
        produce_all(&world.bootstrap, &names.clickstream, &[(Some(user.to_owned()), click.to_string())])
            .expect("produced");
    };
    let late = || counter(address, "clientele_speed_late_total");
    // Nothing follows the click that could move event time on. On a busy machine one may come too late: then the next one counts.
    let mut took = Vec::new();
    while took.len() < 9 {
        let (number, late_before) = (took.len(), late());
        send(number, "view", &format!("u{number}"), 0);
        let since = Instant::now();
        let came = || world.committed(&names.alerts).len() > number;
        world.until("the alert", || (came() || late() > late_before).then_some(()));
        if came() {
            took.push(since.elapsed());
        }
    }
    took.sort_unstable();
    // Other tests share the processors.
    assert!(took[0] < Duration::from_secs(1) && took[4] < Duration::from_secs(3), "{took:?}");

    let mut number = 100;
    world.until("what is shed", || {
        number += 1;
        send(number, "cart", "u0", 0);
        (counter(address, "clientele_speed_shed_total") > 0).then_some(())
    });
    let late_before = late();
    send(9, "view", "u0", 60_000);
    world.until("what is late", || (late() > late_before).then_some(()));
    assert_eq!(world.committed(&names.alerts).len(), 9, "the late one is no alert");
}

/// The clicks of a shop, and what closes every window a month later.
fn clicks_to_the_end(count: i64) -> Vec<(Option<String>, String)> {
    let close = |user: i64| {
        let at = EventTime(1_790_000_000_000 + 30 * DAY_MS).show();
        let user = format!("u{user}");
        let click = json!({"event_id": format!("late-{user}"), "event_type": "other", "user_id": user, "user_session": "late", "event_time": at});
        (Some(user), click.to_string())
    };
    (0..count).map(click).chain((0..30).map(close)).collect()
}

/// What a dry run finds in them.
fn wanted(rules: &Path, clicks: &[(Option<String>, String)]) -> BTreeMap<String, usize> {
    let rules = RuleSet::load(rules).expect("good rules");
    let read = |(_, json): &(Option<String>, String)| {
        Event::from_json(Topic::Clickstream, json.as_bytes(), "", 0).expect("a click")
    };
    let clicks: Vec<Event> = clicks.iter().map(read).collect();
    let alerts = ::rules::dry_run(&rules, &clicks, 10_000).expect("a good run").alerts;
    ids(&alerts.iter().map(|alert| serde_json::to_value(alert.cloud_event()).expect("JSON")).collect::<Vec<_>>())
}

#[test]
fn alerts_are_the_same_with_one_two_and_eight_partitions() {
    let clicks = clicks_to_the_end(900);
    for partitions in [1, 2, 8] {
        let Some(world) = World::new(&format!("alerts_by_{partitions}"), partitions) else { return };
        batch(&world, Some(&history()));
        let rules = with_contended(&world);
        let wanted = wanted(&rules, &clicks);
        assert!(wanted.len() > 30, "{}", wanted.len());
        let names = world.names();
        create_topic(&world.bootstrap, &names.clickstream, partitions, &[]).expect("a topic");
        produce_all(&world.bootstrap, &names.clickstream, &clicks).expect("produced");
        let speed = Speed::start_as(&world, &format!("rules = '{}'\n", rules.display()));
        world.until("every alert", || (world.committed(&names.alerts).len() >= wanted.len()).then_some(()));
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(ids(&world.committed(&names.alerts)), wanted, "{partitions} partitions");
        assert!(!speed.said().contains("not in the partition of their key"));
    }
}

#[test]
fn clicks_that_are_not_keyed_by_user_go_a_way_round_and_that_is_said() {
    let Some(world) = World::new("alerts_unkeyed", 2) else { return };
    batch(&world, Some(&history()));
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    // Once all that is late by less than half a day counts, the way round loses nothing.
    let settings = format!("rules = '{}'\nlisten = '{address}'\n", shipped().display());
    let speed = Speed::start_as(&world, &format!("{settings}time = {{ lateness_seconds = 43200 }}\n"));
    let names = world.names();
    world.until("the shards", || (counter(address, "clientele_speed_shards") == 2).then_some(()));
    let clicks = clicks_to_the_end(300);
    let elsewhere =
        |(place, (_, click)): (usize, &(Option<String>, String))| (Some(format!("k{place}")), click.clone());
    let sent: Vec<_> = clicks.iter().enumerate().map(elsewhere).collect();
    produce_all(&world.bootstrap, &names.clickstream, &sent[..300]).expect("produced");
    world.until("the way round", || (counter(address, "clientele_speed_handed_on_total") > 100).then_some(()));
    std::thread::sleep(Duration::from_secs(3));
    produce_all(&world.bootstrap, &names.clickstream, &sent[300..]).expect("produced");
    let wanted = wanted(&shipped(), &clicks);
    world.until("every alert", || (world.committed(&names.alerts).len() >= wanted.len()).then_some(()));
    assert_eq!(ids(&world.committed(&names.alerts)), wanted);
    world.until("what is said", || speed.said().contains("clicks and order events by user").then_some(()));
}
