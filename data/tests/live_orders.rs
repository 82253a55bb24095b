//! `data replay`, `data produce orders` and `data broker` as processes, against a real Kafka and the embedded broker.
#![cfg(feature = "kafka")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use data::kafka::partition_of;
use kafka::{Broker, BrokerOptions, ReadRecord, Security, create_topic, end_offsets, read_committed};
use serde_json::{Value, json};

/// One for all tests here: it ends with the process.
fn broker() -> Option<&'static Broker> {
    static BROKER: OnceLock<Option<Broker>> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start_or_skip(BrokerOptions::default()).expect("a broker")).as_ref()
}

fn data(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_data"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end; the summary of one that delivered all.
fn delivered(arguments: &[&str], brokers: &str) -> Value {
    let done = data(arguments).args(["--json", "--brokers", brokers]).output().expect("it runs");
    assert!(done.status.success(), "{}", errors(&done));
    let summary = summary(&done);
    assert_eq!((summary["failed"].as_u64(), &summary["reason"]), (Some(0), &Value::Null));
    summary
}

fn summary(done: &Output) -> Value {
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", errors(done)))
}

fn errors(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn value(record: &ReadRecord) -> Value {
    serde_json::from_slice(record.value.as_deref().expect("a value")).expect("json")
}

/// A file of two invoices, and its lines as they must arrive.
fn small_file() -> (tempfile::TempDir, String, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders.csv");
    let rows = "1,A,CUP,6,13/1/2010 8:26,2.55,12347.0,UK\n1,B,MUG,1,13/1/2010 8:26,£1,12347,UK\nC2,A,CUP,-6,14/1/2010 9:00,2.5,,UK\n";
    let header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
    fs::write(&path, header.to_owned() + rows).expect("written");
    let line = |invoice: &str, code: &str, text: &str, quantity: i64, date: &str, price: Value, customer: Value| {
        json!({
            "InvoiceNo": invoice, "StockCode": code, "Description": text, "Quantity": quantity, "InvoiceDate": date,
            "UnitPrice": price, "CustomerID": customer, "Country": "UK"
        })
    };
    let lines = vec![
        line("1", "A", "CUP", 6, "13/1/2010 8:26", json!(2.55), json!("12347.0")),
        line("1", "B", "MUG", 1, "13/1/2010 8:26", json!("£1"), json!("12347")),
        line("C2", "A", "CUP", -6, "14/1/2010 9:00", json!(2.5), Value::Null),
    ];
    let path = path.display().to_string();
    (folder, path, lines)
}

#[test]
fn a_file_arrives_as_it_is() {
    let Some(broker) = broker() else { return };
    let (_folder, path, lines) = small_file();
    create_topic(&broker.bootstrap(), "small", 1, &[]).expect("created");
    let begun = std::time::SystemTime::now();
    let summary = delivered(&["replay", &path, "--topic", "small"], &broker.bootstrap());
    assert_eq!(summary["source"]["without_customer"], 1);
    let records = read_committed(&broker.bootstrap(), "small").expect("read");
    assert_eq!(records.iter().map(value).collect::<Vec<_>>(), lines);
    let keys: Vec<_> = records.iter().map(|record| record.key.as_deref()).collect();
    assert_eq!(keys, [Some(&b"12347"[..]), Some(b"12347"), None]);
    let begun = begun.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    assert!(records.iter().all(|record| record.timestamp_ms.and_then(|at| u128::try_from(at).ok()) >= Some(begun)));
}

/// The whole of UCI Online Retail, read once more by another reader.
#[test]
fn a_real_file_arrives_whole_and_in_the_order_of_each_customer() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("CLIENTELE_DATA").map_or_else(beside, PathBuf::from).join("online_retail.csv");
    if !path.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing; set CLIENTELE_DATA to its folder", path.display());
        eprintln!("skipped: {} is missing; set CLIENTELE_DATA to its folder", path.display());
        return;
    }
    let Some(broker) = broker() else { return };
    let summary = delivered(&["replay", &path.display().to_string(), "--topic", "retail"], &broker.bootstrap());
    eprintln!("{} lines a second", summary["per_second"]);
    assert_eq!((summary["delivered"].as_u64(), summary["source"]["unreadable"].as_u64()), (Some(541_909), Some(0)));
    assert_eq!(summary["source"]["without_customer"], 135_080);

    // Key to (invoice, stock code, quantity, date, price) in the order of the file.
    let mut expected: HashMap<String, Vec<[String; 5]>> = HashMap::new();
    let mut rows = csv::Reader::from_path(&path).expect("a file");
    for row in rows.byte_records() {
        let row = row.expect("a row");
        let text = |index: usize| String::from_utf8_lossy(row[index].trim_ascii()).into_owned();
        expected.entry(text(6)).or_default().push([text(0), text(1), text(3), text(4), text(5)]);
    }
    let partitions = u32::try_from(end_offsets(&broker.bootstrap(), "retail").expect("ends").len()).expect("few");
    assert_eq!(partitions, 4);
    let mut found: HashMap<String, Vec<[String; 5]>> = HashMap::new();
    for record in read_committed(&broker.bootstrap(), "retail").expect("read") {
        let key = record.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned());
        if let Some(key) = &key {
            assert_eq!(u32::try_from(record.partition), Ok(partition_of(key.as_bytes(), partitions)), "{key}");
        }
        let value = value(&record);
        let text = |name: &str| value[name].as_str().expect(name).to_owned();
        // A price of 2.10 in the file stays 2.10 in the message; that is compared as a number.
        let price = value["UnitPrice"].as_f64().expect("a price").to_string();
        let line = [text("InvoiceNo"), text("StockCode"), value["Quantity"].to_string(), text("InvoiceDate"), price];
        found.entry(key.unwrap_or_default()).or_default().push(line);
    }
    for lines in expected.values_mut() {
        lines.iter_mut().for_each(|line| line[4] = line[4].parse::<f64>().expect("a price").to_string());
    }
    // Lines without a key have no order among partitions.
    for lines in [&mut expected, &mut found] {
        lines.get_mut("").expect("some").sort();
    }
    assert_eq!(found.len(), 4_373);
    assert!(found == expected, "not the lines of the file");
}

#[test]
fn retimed_orders_end_today() {
    let Some(broker) = broker() else { return };
    let (_folder, path, _) = small_file();
    create_topic(&broker.bootstrap(), "retimed", 1, &[]).expect("created");
    let begun = Instant::now();
    let flags = ["replay", &path, "--topic", "retimed", "--retime", "--speedup", "44200"];
    let summary = delivered(&flags, &broker.bootstrap());
    // 24 h 34 min at 44,200-fold speed.
    assert!(begun.elapsed() >= Duration::from_secs(2) && summary["seconds"].as_f64() >= Some(2.0), "{summary}");
    let records = read_committed(&broker.bootstrap(), "retimed").expect("read");
    let dates: Vec<_> =
        records.iter().map(|record| value(record)["InvoiceDate"].as_str().expect("a date").to_owned()).collect();
    let today = data::EventTime::now();
    let newest = data::DateFormat::Order(data::DayMonth::MonthFirst).parse(dates[2].as_bytes()).expect("a date");
    assert!(newest <= today && newest.days_before(today) <= 1, "{dates:?}");
    assert!(dates[0].ends_with("T08:26:00Z") && dates[2].ends_with("T09:00:00Z"), "{dates:?}");
}

#[test]
fn made_up_orders_keep_their_rate_and_their_seed() {
    let Some(broker) = broker() else { return };
    let flags =
        |topic| ["produce", "orders", "--topic", topic, "--rate", "10000", "--count", "30000", "--first-invoice", "1"];
    let summary = delivered(&flags("made-up"), &broker.bootstrap());
    let seconds = summary["seconds"].as_f64().expect("seconds");
    // Never ahead; behind only where the machine is.
    assert!((2.99..4.5).contains(&seconds), "{seconds} s");
    delivered(&flags("made-up-again"), &broker.bootstrap());
    let read = |topic| {
        let mut lines: BTreeMap<Option<Vec<u8>>, Vec<Value>> = BTreeMap::new();
        for record in read_committed(&broker.bootstrap(), topic).expect("read") {
            let mut line = value(&record);
            let date = line["InvoiceDate"].take();
            let date = date.as_str().expect("a date");
            assert!(date.ends_with('Z') && date.starts_with("20"), "{date}");
            lines.entry(record.key).or_default().push(line);
        }
        let without_key = lines.remove(&None).map_or(0, |lines| lines.len());
        (lines, without_key)
    };
    let made_up = read("made-up");
    assert!(made_up == read("made-up-again"), "the same seed made other orders");
    assert!(made_up.0.len() > 500, "{} customers", made_up.0.len());
}

#[test]
fn a_login_goes_by_flags() {
    let security = Security::ScramSsl { user: "anna".to_owned(), password: "hush".to_owned() };
    let Some(broker) = Broker::start_or_skip(BrokerOptions::secured(security)).expect("a broker") else { return };
    let (_folder, path, lines) = small_file();
    let mut properties = broker.client_properties();
    let flags = |properties: &BTreeMap<String, String>| {
        properties
            .iter()
            .flat_map(|(name, value)| ["--kafka".to_owned(), format!("{name}={value}")])
            .collect::<Vec<_>>()
    };
    let replay = |flags: Vec<String>| {
        data(&["replay", &path, "--json", "--brokers", &broker.bootstrap()]).args(flags).output().expect("it runs")
    };
    let done = replay(flags(&properties));
    assert!(done.status.success(), "{}", errors(&done));
    assert_eq!(read_committed(&broker.internal_bootstrap(), "orders").expect("read").len(), lines.len());
    properties.insert("sasl.password".to_owned(), "guess".to_owned());
    let done = replay(flags(&properties));
    assert_eq!(done.status.code(), Some(1));
    assert!(errors(&done).contains("the login is refused") && !errors(&done).contains("guess"), "{}", errors(&done));
}

#[test]
fn nobody_there_is_said_within_ten_seconds() {
    let begun = Instant::now();
    let done = data(&["produce", "orders", "--brokers", "127.0.0.1:1"]).output().expect("it runs");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(done.status.code(), Some(1));
    assert!(errors(&done).starts_with("error: kafka broker 127.0.0.1:1: nothing listens there"), "{}", errors(&done));
}

#[test]
fn what_is_not_delivered_is_counted() {
    let Some(mut broker) = Broker::start_or_skip(BrokerOptions::default()).expect("a broker") else { return };
    let mut flags = vec!["produce", "orders", "--rate", "1000", "--json", "--kafka", "message.timeout.ms=2000"];
    let address = broker.bootstrap();
    flags.extend(["--brokers", &address]);
    let child = data(&flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for(|| end_offsets(&address, "orders").is_ok_and(|ends| ends.iter().sum::<i64>() > 500));
    broker.kill();
    let done = child.wait_with_output().expect("it ends");
    assert_eq!(done.status.code(), Some(1));
    let summary = summary(&done);
    assert!(summary["delivered"].as_u64() >= Some(500) && summary["failed"].as_u64() > Some(0), "{summary}");
    assert!(summary["reason"].as_str().is_some_and(|reason| reason.contains("nothing listens there")), "{summary}");
    broker.restart().expect("back");
    let kept: i64 = end_offsets(&address, "orders").expect("ends").iter().sum();
    assert!(summary["delivered"].as_i64() <= Some(kept), "{kept} kept: {summary}");
}

#[test]
fn the_embedded_broker_serves_both_producers() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("address");
    let port = kafka_port();
    let (name, text) = (file.display().to_string(), port.to_string());
    let mut child = Embedded(
        data(&["broker", "--port", &text, "--topic", "orders:2", "--address-file", &name])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts"),
    );
    wait_for(|| file.exists());
    let address = fs::read_to_string(&file).expect("an address").trim().to_owned();
    assert_eq!(address, format!("127.0.0.1:{port}"));
    let (_folder, path, lines) = small_file();
    delivered(&["replay", &path], &address);
    let records = read_committed(&address, "orders").expect("read");
    assert_eq!((records.len(), end_offsets(&address, "orders").expect("ends").len()), (lines.len(), 2));
    for record in records.iter().filter(|record| record.key.is_some()) {
        assert_eq!(record.partition, i32::try_from(partition_of(b"12347", 2)).expect("few"));
    }
    delivered(&["produce", "orders", "--rate", "0", "--count", "5000", "--topic", "others"], &address);
    assert_eq!(end_offsets(&address, "others").expect("ends").iter().sum::<i64>(), 5_000);
    assert_eq!(end_offsets(&address, "others").expect("ends").len(), 4);
    signal(&child.0, "TERM");
    assert!(child.0.wait().expect("it ends").success());
}

#[test]
fn ctrl_c_flushes_and_sums_up() {
    let broker = data::kafka::EmbeddedBroker::start(&[("orders".to_owned(), 3)], None).expect("a broker");
    let address = broker.bootstrap();
    let child = data(&["produce", "orders", "--rate", "2000", "--json", "--brokers", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    wait_for(|| end_offsets(&address, "orders").is_ok_and(|ends| ends.iter().sum::<i64>() > 100));
    signal(&child, "INT");
    let done = child.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{}", errors(&done));
    let summary = summary(&done);
    assert_eq!((&summary["stopped"], &summary["failed"]), (&json!(true), &json!(0)));
    let kept: i64 = end_offsets(&address, "orders").expect("ends").iter().sum();
    assert_eq!((summary["delivered"].as_i64(), summary["source"]["lines"].as_i64()), (Some(kept), Some(kept)));
}

#[test]
fn a_pace_that_is_none_exits_with_two() {
    let (_folder, path, _) = small_file();
    for (flags, expected) in
        [(["--rate", "-1"], "--rate: -1 is no rate"), (["--speedup", "0"], "--speedup: 0 speeds nothing up")]
    {
        let done = data(&["replay", &path, "--brokers", "127.0.0.1:1"]).args(flags).output().expect("it runs");
        assert_eq!(done.status.code(), Some(2));
        assert!(errors(&done).contains(expected), "{}", errors(&done));
    }
}

/// Killed, should its test fail.
struct Embedded(Child);

impl Drop for Embedded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kafka_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it takes too long");
        sleep(Duration::from_millis(20));
    }
}
