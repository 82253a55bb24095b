//! The broker itself, against librdkafka.
#![allow(clippy::expect_used, reason = "a test fails by it")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kafka::{
    Broker, BrokerOptions, ReadRecord, Security, create_topic, delete_topic, end_offsets, grow_topic, produce_all,
    read_committed,
};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

fn start(options: BrokerOptions) -> Option<Broker> {
    Broker::start_or_skip(options).expect("a broker")
}

fn values(records: &[ReadRecord]) -> Vec<&str> {
    records.iter().map(|record| std::str::from_utf8(record.value.as_deref().unwrap_or(b"-")).expect("text")).collect()
}

/// Whether a client with `config` gets an answer within 5 s.
fn connects(config: &ClientConfig) -> bool {
    let consumer: BaseConsumer = config.create().expect("a client");
    consumer.fetch_metadata(None, Duration::from_secs(5)).is_ok()
}

#[test]
fn keeps_what_it_was_given_over_stop_and_kill() {
    let Some(mut broker) = start(BrokerOptions::default()) else { return };
    let address = broker.bootstrap();
    create_topic(&address, "orders", 3, &[("cleanup.policy", "compact")]).expect("created");
    let expected: Vec<(Option<String>, String)> =
        (0..100).map(|number| (Some(format!("key-{}", number % 7)), number.to_string())).collect();
    produce_all(&address, "orders", &expected).expect("produced");
    let first = read_committed(&address, "orders").expect("read");
    assert_eq!(first.len(), 100);
    assert_eq!(end_offsets(&address, "orders").expect("ends").iter().sum::<i64>(), 100);

    let pid = broker.pid();
    broker.restart().expect("restarted");
    assert_ne!(broker.pid(), pid);
    assert_eq!(broker.bootstrap(), address);
    assert_eq!(read_committed(&address, "orders").expect("read"), first);

    broker.kill();
    assert!(!broker.is_running());
    let begun = Instant::now();
    broker.restart().expect("back");
    eprintln!("back {:.1} s after kill -9", begun.elapsed().as_secs_f64());
    assert_eq!(read_committed(&address, "orders").expect("read"), first);
    grow_topic(&address, "orders", 5).expect("grown");
    produce_all(&address, "orders", &[(Some("key-1"), "more")]).expect("produced");
    assert_eq!(read_committed(&address, "orders").expect("read").len(), 101);
    delete_topic(&address, "orders").expect("deleted");
}

#[test]
fn two_at_once_know_nothing_of_each_other() {
    let Some(one) = start(BrokerOptions::default()) else { return };
    let Some(other) = start(BrokerOptions::default()) else { return };
    for (broker, value) in [(&one, "one"), (&other, "other")] {
        create_topic(&broker.bootstrap(), "topic", 1, &[]).expect("created");
        produce_all(&broker.bootstrap(), "topic", &[(None::<&str>, value)]).expect("produced");
    }
    assert_eq!(values(&read_committed(&one.bootstrap(), "topic").expect("read")), ["one"]);
    assert_eq!(values(&read_committed(&other.bootstrap(), "topic").expect("read")), ["other"]);
}

#[test]
fn only_committed_records_are_read() {
    let Some(broker) = start(BrokerOptions::default()) else { return };
    let address = broker.bootstrap();
    create_topic(&address, "topic", 1, &[]).expect("created");
    assert!(read_committed(&address, "topic").expect("read").is_empty());
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &address)
        .set("transactional.id", "test")
        .create()
        .expect("a producer");
    let patience = Duration::from_secs(30);
    producer.init_transactions(patience).expect("fenced");
    for (value, commits) in [("kept", true), ("dropped", false)] {
        producer.begin_transaction().expect("begun");
        producer.send(BaseRecord::<(), str>::to("topic").payload(value)).expect("queued");
        producer.flush(patience).expect("sent");
        if commits { producer.commit_transaction(patience) } else { producer.abort_transaction(patience) }
            .expect("ended");
    }
    producer.begin_transaction().expect("begun");
    producer.send(BaseRecord::<(), str>::to("topic").payload("open")).expect("queued");
    producer.flush(patience).expect("sent");
    assert_eq!(values(&read_committed(&address, "topic").expect("read")), ["kept"]);
}

#[test]
fn a_paused_broker_answers_again() {
    let Some(mut broker) = start(BrokerOptions::default()) else { return };
    broker.pause().expect("paused");
    assert!(!connects(&broker.client_config()));
    broker.resume().expect("resumed");
    assert!(connects(&broker.client_config()));
    broker.pause().expect("paused");
    broker.stop().expect("a paused broker stops too");
    assert!(broker.pause().is_err());
}

#[test]
fn scram_lets_only_the_right_password_in() {
    let security = Security::ScramSsl { user: "anna".to_owned(), password: "p4ss-Wörd".to_owned() };
    let Some(broker) = start(BrokerOptions::secured(security)) else { return };
    let config = broker.client_config();
    assert!(connects(&config));
    assert!(connects(config.clone().set("sasl.mechanism", "SCRAM-SHA-256")));
    assert!(!connects(config.clone().set("sasl.password", "guess")));
    assert!(!connects(ClientConfig::new().set("bootstrap.servers", broker.bootstrap())));
    create_topic(&broker.internal_bootstrap(), "topic", 1, &[]).expect("created");
    produce_all(&broker.internal_bootstrap(), "topic", &[(Some("key"), "value")]).expect("produced");
    let consumer: BaseConsumer = config.create().expect("a client");
    let ends = consumer.fetch_watermarks("topic", 0, Duration::from_secs(10)).expect("watermarks");
    assert_eq!(ends, (0, 1));
}

#[test]
fn mutual_tls_wants_a_certificate() {
    let Some(broker) = start(BrokerOptions::secured(Security::MutualTls)) else { return };
    let config = broker.client_config();
    assert!(connects(&config));
    let mut stranger = config.clone();
    stranger.remove("ssl.certificate.location");
    stranger.remove("ssl.key.location");
    assert!(!connects(&stranger));
    let mut mistrusting = config;
    mistrusting.remove("ssl.ca.location");
    assert!(!connects(&mistrusting));
}

#[test]
fn what_does_not_start_says_why() {
    let options = BrokerOptions::default().with("log.retention.ms", "many");
    match Broker::start(options) {
        Err(kafka::Error::NotInstalled { .. }) if std::env::var_os("CI").is_none() => {}
        Err(error) => assert!(error.to_string().contains("log.retention.ms"), "{error}"),
        Ok(_) => panic!("started"),
    }
}

/// Ours dies by kill -9, as a test that is aborted does.
#[test]
fn it_ends_with_its_owner() {
    let Some(spare) = start(BrokerOptions::default()) else { return };
    let port = spare.bootstrap().rsplit(':').next().expect("a port").to_owned();
    drop(spare);
    let mut owner = Command::new(env!("CARGO_BIN_EXE_kafka"))
        .args(["--port", &port])
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let address = format!("127.0.0.1:{port}");
    let config = ClientConfig::new().set("bootstrap.servers", &address).to_owned();
    let begun = Instant::now();
    while !connects(&config) {
        assert!(begun.elapsed() < Duration::from_secs(90), "it does not answer");
    }
    let brokers = children(owner.id());
    assert_eq!(brokers.len(), 2, "the broker and its watcher");
    owner.kill().expect("killed");
    owner.wait().expect("ended");
    while brokers.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
        assert!(begun.elapsed() < Duration::from_secs(120), "{brokers:?} outlive their owner");
        sleep(Duration::from_millis(20));
    }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let lists = tasks.map(|task| std::fs::read_to_string(task.expect("a task").path().join("children")));
    lists
        .flat_map(|list| list.expect("a list").split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .map(|pid| pid.parse().expect("a pid"))
        .collect()
}
