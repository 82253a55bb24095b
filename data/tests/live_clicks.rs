//! `data produce clicks`, `data generate clicks` and `data replay` of clicks as processes, against a real Kafka.
#![cfg(feature = "kafka")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use data::kafka::partition_of;
use kafka::{Broker, BrokerOptions, ReadRecord, end_offsets, read_committed};
use serde_json::Value;

/// One for all tests here: it ends with the process.
fn broker() -> Option<&'static Broker> {
    static BROKER: OnceLock<Option<Broker>> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start_or_skip(BrokerOptions::default()).expect("a broker")).as_ref()
}

fn data(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_data"));
    command.args(arguments).stdin(Stdio::null()).output().expect("it runs")
}

fn summary(arguments: &[&str]) -> Value {
    let done = data(&[arguments, &["--json"]].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("a summary")
}

fn value(record: &ReadRecord) -> Value {
    serde_json::from_slice(record.value.as_deref().expect("a value")).expect("json")
}

/// Every record by key lies in the key's partition; ids of events.
fn ids(broker: &Broker, topic: &str) -> HashSet<String> {
    let partitions = u32::try_from(end_offsets(&broker.bootstrap(), topic).expect("ends").len()).expect("few");
    let mut ids = HashSet::new();
    for record in read_committed(&broker.bootstrap(), topic).expect("read") {
        let (key, value) = (record.key.as_deref().expect("a key"), value(&record));
        assert_eq!(value["user_id"].as_str().expect("a user").as_bytes(), key);
        assert_eq!(u32::try_from(record.partition), Ok(partition_of(key, partitions)));
        assert!(ids.insert(value["event_id"].to_string()));
    }
    ids
}

#[test]
fn the_past_of_a_shop_arrives_and_is_the_same_again() {
    let Some(broker) = broker() else { return };
    let brokers = broker.bootstrap();
    let flags = ["produce", "clicks", "--brokers", &brokers, "--past-only", "--shoppers", "100", "--until"];
    let produce = |clicks: &str, orders: &str| {
        let topics = ["2026-01-01T00:00:00Z", "--topic", clicks, "--orders-topic", orders];
        let summary = summary(&[&flags[..], &topics].concat());
        assert_eq!((summary["failed"].as_u64(), summary["stopped"].as_bool()), (Some(0), Some(false)), "{summary}");
        let source = &summary["source"];
        let count = |name: &str| source[name].as_u64().expect("a count");
        let (found_clicks, found_orders) = (ids(broker, clicks), ids(broker, orders));
        assert_eq!(found_clicks.len() as u64, count("views") + count("carts") + count("purchases"));
        assert_eq!(found_orders.len() as u64, count("order_events"));
        assert!(count("order_events") > count("purchases") && count("views") > 1_000, "{source}");
        (found_clicks, found_orders)
    };
    assert_eq!(produce("shop-one", "shop-one-orders"), produce("shop-two", "shop-two-orders"));
}

#[test]
fn live_clicks_come_as_they_happen() {
    let Some(broker) = broker() else { return };
    let brokers = broker.bootstrap();
    let topics = ["--topic", "shop-live", "--orders-topic", "shop-live-orders"];
    let flags = ["produce", "clicks", "--brokers", &brokers, "--days", "0", "--rate", "200", "--count", "600"];
    let begun = Instant::now();
    let summary = summary(&[&flags[..], &topics].concat());
    assert_eq!(summary["delivered"], 600);
    let took = begun.elapsed();
    assert!(
        took > Duration::from_millis(1_500) && took < Duration::from_secs(30),
        "{took:?} for 600 at about 230 a second"
    );
    let records = read_committed(&broker.bootstrap(), "shop-live").expect("read");
    for record in &records {
        let text = value(record)["event_time"].as_str().expect("a time").to_owned();
        let at = data::DateFormat::Order(data::DayMonth::MonthFirst).parse(text.as_bytes()).expect("a time");
        let sent = record.timestamp_ms.expect("a time") * 1_000;
        // Its time is what the pace wants, which a timer may be a millisecond ahead of.
        assert!((-5_000..5_000_000).contains(&(sent - at.micros())), "{} µs after it happened", sent - at.micros());
    }
}

#[test]
fn bad_flags_are_refused_by_name() {
    for (flags, expected) in [
        (vec!["--rate", "-1"], "--rate: -1 is no rate"),
        (vec!["--rate", "0"], "--past-only"),
        (vec!["--until", "yesterday"], "no such time"),
        (vec!["--shoppers", "0"], "--shoppers"),
        (vec!["--past-only", "--rate", "3"], "cannot be used with"),
    ] {
        let done = data(&[&["produce", "clicks", "--brokers", "localhost:1"][..], &flags].concat());
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(2) && told.contains(expected), "{flags:?}: {told}");
    }
}

#[test]
fn files_are_the_same_bytes_again_and_can_be_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let write = |clicks: &str, orders: &str, seed: &str| {
        let flags = ["generate", "clicks", "--until", "2026-01-01T00:00:00Z", "--shoppers", "50", "--seed", seed];
        let done = data(&[&flags[..], &["-o", clicks, "--orders", orders]].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        [clicks, orders].map(|path| fs::read(path).expect("a file"))
    };
    let first = write(&path("a.csv"), &path("ao.csv"), "1");
    assert_eq!(first, write(&path("b.csv"), &path("bo.csv"), "1"));
    assert_ne!(first, write(&path("c.csv"), &path("co.csv"), "2"));
    let Some(broker) = broker() else { return };
    let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64 - 1;
    for (file, bytes, topic) in [("a.csv", &first[0], "clickstream"), ("ao.csv", &first[1], "order-events")] {
        let summary = summary(&["replay", &path(file), "--brokers", &broker.bootstrap()]);
        assert_eq!((&summary["topic"], summary["delivered"].as_u64()), (&Value::from(topic), Some(lines(bytes))));
        assert_eq!(ids(broker, topic).len() as u64, lines(bytes));
    }
}

/// The first hours of a real shop, whose events have no id.
#[test]
fn real_clicks_are_replayed_and_retimed() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("CLIENTELE_DATA").map_or_else(beside, PathBuf::from);
    let path = folder.join("clickstream_2019_10_01.csv");
    if !path.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing; set CLIENTELE_DATA to its folder", path.display());
        eprintln!("skipped: {} is missing; set CLIENTELE_DATA to its folder", path.display());
        return;
    }
    let Some(broker) = broker() else { return };
    let flags = ["replay", &path.display().to_string(), "--topic", "real-clicks", "--retime", "--brokers"];
    let summary = summary(&[&flags[..], &[&broker.bootstrap()]].concat());
    let source = &summary["source"];
    assert_eq!((source["lines"].as_u64(), source["unusable"].as_u64()), (Some(17_434), Some(0)), "{source}");
    assert!(source["shifted_days"].as_i64() > Some(2_000), "{source}");
    let records = read_committed(&broker.bootstrap(), "real-clicks").expect("read");
    let kinds = |wanted: &str| records.iter().filter(|record| value(record)["event_type"] == wanted).count();
    assert_eq!((kinds("view"), kinds("cart"), kinds("purchase")), (17_055, 165, 214));
}
