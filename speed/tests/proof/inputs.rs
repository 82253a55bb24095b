//! What a topic may hold and become: bytes of any kind, keys of any kind, more partitions, another topic of the same name.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka::{create_topic, delete_topic, grow_topic, produce_all, read_committed};

use crate::programs::{Speed, batch};
use crate::support::World;
use crate::verify::{history, orders};

type Sent = (Option<Vec<u8>>, Vec<u8>);

/// An order line of which one field is spelled as `changed` says.
fn with(field: &str, spelled: &str) -> String {
    let mut fields = BTreeMap::from([
        ("InvoiceNo", "\"N1\""),
        ("StockCode", "\"S1\""),
        ("Description", "\"BOX\""),
        ("Quantity", "2"),
        ("InvoiceDate", "\"2026-10-05T10:00:00Z\""),
        ("UnitPrice", "1.5"),
        ("CustomerID", "\"77\""),
        ("Country", "\"UK\""),
    ]);
    fields.insert(field, spelled);
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// Values with what becomes of them: the customer they count for, or the reason why they are refused.
fn values() -> Vec<(Vec<u8>, Result<&'static str, &'static str>)> {
    let [long, too_long] = [200_000, 700_000].map(|letters| format!("\"{}\"", "x".repeat(letters)));
    let accepted = [
        ("CustomerID", "77", "77"),
        ("CustomerID", "77.0", "77"),
        ("CustomerID", "\" 77 \"", "77"),
        ("CustomerID", "\"U00042\"", "U00042"),
        ("Unknown", "{\"deep\":[1,{\"er\":null}]}", "77"),
        ("Quantity", "\"2\"", "77"),
        ("UnitPrice", "\"1.5\"", "77"),
        ("InvoiceDate", "\"2026-10-05 10:00:00\"", "77"),
        ("InvoiceDate", "\"2026-10-05T12:00:00+02:00\"", "77"),
        ("InvoiceDate", "\"10/5/2026 10:00\"", "77"),
        ("Description", long.as_str(), "77"),
        ("Description", "null", "77"),
        ("Description", "\"caf\\u00e9 \\\"\\n\"", "77"),
    ];
    let refused = [
        ("CustomerID", "null", "missing_customer"),
        ("CustomerID", "\"\"", "missing_customer"),
        ("CustomerID", "[77]", "malformed"),
        ("Quantity", "-3", "non_positive_quantity"),
        ("Quantity", "\"many\"", "bad_quantity"),
        ("Quantity", "true", "malformed"),
        ("UnitPrice", "0", "non_positive_price"),
        ("UnitPrice", "\"\"", "bad_price"),
        ("UnitPrice", "99999999999999", "amount_overflow"),
        ("InvoiceDate", "\"31.12.2026\"", "bad_date"),
        ("InvoiceDate", "\"yesterday\"", "bad_date"),
        ("InvoiceDate", "\"2199-01-01 10:00\"", "future_date"),
        ("InvoiceNo", "\"C536365\"", "cancellation"),
        ("InvoiceNo", "\"A1\"", "adjustment"),
        ("InvoiceNo", "null", "missing_invoice"),
        ("Description", too_long.as_str(), "malformed"),
    ];
    let large = vec![b'#'; 900_000];
    let raw: [(&[u8], &str); 8] = [
        (&large, "malformed"),
        (b"", "malformed"),
        (b"not json", "malformed"),
        (b"[1,2,3]", "malformed"),
        (b"{\"InvoiceNo\":", "malformed"),
        (b"{\"Description\":\"\xff\xfe\"}", "bad_encoding"),
        (b"\0\0\0\0", "malformed"),
        (b"{}", "missing_invoice"),
    ];
    let accepted = accepted.map(|(field, spelled, customer)| (with(field, spelled).into_bytes(), Ok(customer)));
    let refused = refused.map(|(field, spelled, reason)| (with(field, spelled).into_bytes(), Err(reason)));
    let raw = raw.map(|(bytes, reason)| (bytes.to_vec(), Err(reason)));
    accepted.into_iter().chain(refused).chain(raw).collect()
}

fn json(value: Option<&[u8]>) -> serde_json::Value {
    serde_json::from_slice(value.expect("a value")).expect("JSON")
}

#[test]
fn eo_6_whatever_the_bytes_and_the_keys() {
    let Some(world) = World::new("eo_6_whatever", 3) else { return };
    batch(&world, Some(&history()));
    // Each value thrice: doubles are lines like others. Keys: none, the customer's, another one's.
    let keys: [Option<Vec<u8>>; 3] = [None, Some(b"77".to_vec()), Some(b"\xff other".to_vec())];
    let values = values();
    let sent: Vec<Sent> =
        keys.iter().flat_map(|key| values.iter().map(|(value, _)| (key.clone(), value.clone()))).collect();
    produce_all(&world.bootstrap, &world.topic, &sent).expect("produced");
    let _speed = Speed::start(&world);
    let accepted = values.iter().filter(|(_, becomes)| becomes.is_ok()).count() * keys.len();
    world.prove_until("every line", |report| report.lines.topic == accepted as u64);

    let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
    values.iter().for_each(|(_, becomes)| *wanted.entry(becomes.unwrap_or_else(|reason| reason)).or_default() += 3);
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for record in read_committed(&world.bootstrap, &world.names().orders_enriched).expect("records") {
        let customer = json(record.value.as_deref())["customer_id"].as_str().expect("a text").to_owned();
        *found.entry(customer).or_default() += 1;
    }
    for record in read_committed(&world.bootstrap, &format!("{}-dlq", world.topic)).expect("records") {
        let header = |name: &str| {
            let (_, value) = record.headers.iter().find(|(header, _)| header == name).expect("a header");
            String::from_utf8_lossy(value.as_deref().expect("a value")).into_owned()
        };
        let original = record.value.clone().unwrap_or_default();
        // What would not fit the topic is cut off, and said so.
        let is_cut = |value: &[u8]| value.starts_with(&original) && header("bytes") == value.len().to_string();
        let is_whole = sent.iter().any(|(_, value)| *value == original);
        assert!(is_whole || sent.iter().any(|(_, value)| is_cut(value)), "the bytes are kept as they came");
        assert_eq!(header("topic"), world.topic);
        *found.entry(header("reason")).or_default() += 1;
    }
    let found: BTreeMap<&str, usize> = found.iter().map(|(what, times)| (what.as_str(), *times)).collect();
    assert_eq!(found, wanted);
}

#[test]
fn a_topic_that_grows_is_read_whole() {
    let Some(world) = World::new("a_topic_that_grows", 2) else { return };
    batch(&world, Some(&history()));
    let _speed = Speed::start(&world);
    world.produce(&orders(0, 400));
    world.prove_until("the first orders", |report| report.lines.topic > 0);
    // Customers change their partition, and their shard must not.
    grow_topic(&world.bootstrap, &world.topic, 5).expect("grown");
    for piece in 0..10 {
        world.produce(&orders(400 + piece * 80, 480 + piece * 80));
        std::thread::sleep(Duration::from_millis(300));
    }
    world.expect_each_line_once(1_200);
}

#[test]
fn l_5_a_publication_is_taken_up_within_two_seconds() {
    let Some(world) = World::new("l_5_a_publication", 2) else { return };
    batch(&world, Some(&history()));
    let _speed = Speed::start(&world);
    let producer = world.produce_slowly(3_000, 40);
    std::thread::sleep(Duration::from_secs(6));
    batch(&world, None);
    producer.join().expect("produced");
    world.expect_each_line_once(3_000);

    let second = world.runtime.block_on(world.lake().publication(Some(2))).expect("a second publication");
    let of = |record: &kafka::ReadRecord| json(record.value.as_deref())["publication"].as_i64().expect("a number");
    let late = read_committed(&world.bootstrap, &world.names().orders_enriched)
        .expect("records")
        .iter()
        .filter(|record| of(record) == 1)
        .map(|record| record.timestamp_ms.expect("a time") * 1_000 - second.published_at.micros())
        .max()
        .expect("orders under the first publication");
    assert!(late < 2_000_000, "an order was joined with the older one {late} µs later");
}

#[test]
fn a_topic_made_again_is_refused_in_words() {
    let Some(world) = World::new("a_topic_made_again", 2) else { return };
    batch(&world, Some(&history()));
    let speed = Speed::start(&world);
    world.produce(&orders(0, 200));
    world.prove_until("orders", |report| report.lines.topic > 0);
    speed.kill();
    delete_topic(&world.bootstrap, &world.topic).expect("deleted");
    let since = Instant::now();
    while create_topic(&world.bootstrap, &world.topic, 2, &[]).is_err() {
        assert!(since.elapsed() < Duration::from_secs(30), "it cannot be made again");
        std::thread::sleep(Duration::from_millis(200));
    }
    world.produce(&orders(0, 20));
    let told = Speed::try_run(&world, &[]);
    assert!(told.contains("deleted and made again"), "{told}");
}

#[test]
fn another_lake_is_refused_in_words() {
    let Some(world) = World::new("another_lake", 1) else { return };
    batch(&world, Some(&history()));
    let speed = Speed::start(&world);
    world.produce(&orders(0, 100));
    world.prove_until("orders", |report| report.lines.topic > 0);
    speed.kill();
    // The number of its publication is the same.
    std::fs::remove_dir_all(world.lake_path()).expect("removed");
    batch(&world, Some(&history().replace("BOX", "BALL")));
    let told = Speed::try_run(&world, &[]);
    assert!(told.contains("another lake"), "{told}");
    let told = world.verify().expect_err("another lake");
    assert!(told.contains("another lake"), "{told}");
}

#[test]
fn state_that_would_be_deleted_is_refused_in_words() {
    let Some(world) = World::new("state_deleted", 1) else { return };
    batch(&world, Some(&history()));
    create_topic(&world.bootstrap, &world.names().customer_state, 1, &[]).expect("a topic");
    let told = Speed::try_run(&world, &[]);
    assert!(told.contains("cleanup.policy=delete") && told.contains("set it to compact"), "{told}");
}

#[test]
fn orders_that_retention_has_eaten_are_not_passed_over() {
    let Some(world) = World::new("orders_eaten", 1) else { return };
    batch(&world, Some(&history()));
    let speed = Speed::start(&world);
    world.produce(&orders(0, 100));
    world.prove_until("orders", |report| report.lines.topic > 0);
    speed.kill();
    world.produce(&orders(100, 400));
    world.delete_before(0, 350);
    let told = Speed::try_run(&world, &[]);
    assert!(told.contains("retention"), "{told}");
}

#[test]
fn another_group_does_not_take_up_state_that_it_did_not_commit() {
    let Some(world) = World::new("another_group", 1) else { return };
    batch(&world, Some(&history()));
    let speed = Speed::start(&world);
    world.produce(&orders(0, 100));
    world.prove_until("orders", |report| report.lines.topic > 0);
    speed.kill();
    let told = Speed::try_run(&world, &["--group", "a-new-one"]);
    assert!(told.contains("another group's") && told.contains("[topics]"), "{told}");
}
