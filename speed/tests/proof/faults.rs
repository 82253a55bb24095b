//! Whatever is done to the programs and to the broker, every order is joined once and the merged view stays exact.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use kafka::{Broker, BrokerOptions, Security, read_committed};

use crate::programs::{Speed, batch};
use crate::support::World;
use crate::verify::{HISTORY, history, orders};

const LINES: usize = 6_000;

impl World {
    /// Sends order lines for a while, in the background.
    pub fn produce_slowly(&self, lines: usize, pieces: usize) -> thread::JoinHandle<()> {
        let (bootstrap, topic) = (self.internal.clone(), self.topic.clone());
        thread::spawn(move || {
            let size = lines.div_ceil(pieces);
            for piece in 0..pieces {
                let lines = orders(piece * size, lines.min((piece + 1) * size));
                let lines: Vec<_> = lines.iter().map(|(key, line)| (Some(key), line)).collect();
                kafka::produce_all(&bootstrap, &topic, &lines).expect("produced");
                thread::sleep(Duration::from_millis(400));
            }
        })
    }

    /// Waits until everything is processed and exact, then looks at what was written: each line once.
    pub fn expect_each_line_once(&self, lines: usize) {
        let accepted = (0..lines).filter(|number| number % 7 != 3).count() as u64;
        let done = |report: &speed::verify::Report| {
            let lines = &report.lines;
            lines.published + lines.archive + lines.topic == HISTORY as u64 + accepted
        };
        self.prove_until("every order", done);
        let enriched = read_committed(&self.internal, &self.names().orders_enriched).expect("records");
        let mut seen: BTreeMap<(i64, i64), usize> = BTreeMap::new();
        for record in &enriched {
            let value: serde_json::Value =
                serde_json::from_slice(record.value.as_deref().expect("a value")).expect("JSON");
            let place = |field: &str| value["source"][field].as_i64().expect("a number");
            *seen.entry((place("partition"), place("offset"))).or_default() += 1;
        }
        let doubled: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
        assert!(doubled.is_empty(), "joined more than once: {doubled:?}");
        assert_eq!(seen.len() as u64, accepted);
        let refused = read_committed(&self.internal, &format!("{}-dlq", self.topic)).expect("records");
        assert_eq!(refused.len(), lines - usize::try_from(accepted).expect("small"));
    }
}

/// A broker of its own, with a lake that has a publication.
fn world(topic: &str, options: BrokerOptions) -> Option<(Broker, World)> {
    let options = BrokerOptions { heap: "400m".to_owned(), ..options };
    let broker = Broker::start_or_skip(options).expect("a broker")?;
    let world = World::of(&broker, topic, 4);
    batch(&world, Some(&history()));
    Some((broker, world))
}

#[test]
fn eo_1_killed_at_thirty_moments_under_load() {
    let Some(world) = World::new("eo_1_killed", 4) else { return };
    batch(&world, Some(&history()));
    let producer = world.produce_slowly(LINES, 80);
    // Another sequence of pauses in each run finds more; a failure says which it was.
    let seed =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| u64::from(std::process::id()));
    println!("SEED={seed}");
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for _ in 0..30 {
        let speed = Speed::start_as(&world, "instance = 'one'\n");
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        thread::sleep(Duration::from_millis(300 + (random >> 33) % 1_200));
        speed.kill();
    }
    let _speed = Speed::start_as(&world, "instance = 'one'\n");
    producer.join().expect("produced");
    world.expect_each_line_once(LINES);
}

#[test]
fn eo_2_a_zombie_commits_nothing_and_recovers() {
    let Some(world) = World::new("eo_2_a_zombie", 4) else { return };
    batch(&world, Some(&history()));
    let zombie = Speed::start(&world);
    let producer = world.produce_slowly(LINES, 60);
    thread::sleep(Duration::from_secs(4));
    let second = Speed::start(&world);
    thread::sleep(Duration::from_secs(2));
    // Longer than its session and its transaction: the other one has taken over when it wakes.
    zombie.signal("STOP");
    thread::sleep(Duration::from_secs(14));
    zombie.signal("CONT");
    thread::sleep(Duration::from_secs(3));
    let said = zombie.said();
    assert!(said.contains("the worker ended") || said.contains("is done again"), "{said}");
    second.kill();
    producer.join().expect("produced");
    world.expect_each_line_once(LINES);
}

#[test]
fn of_two_that_go_by_one_name_the_first_gives_way_and_says_why() {
    let Some(world) = World::new("one_name", 4) else { return };
    batch(&world, Some(&history()));
    let first = Speed::start_as(&world, "instance = 'one'\n");
    world.produce(&orders(0, 300));
    world.prove_until("the first orders", |report| report.lines.topic > 0);
    let _second = Speed::start_as(&world, "instance = 'one'\n");
    let since = Instant::now();
    while !first.said().contains("another process runs as the same --instance") {
        assert!(since.elapsed() < Duration::from_secs(60), "{}", first.said());
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(first.status(), Some(3));
    world.produce(&orders(300, LINES));
    world.expect_each_line_once(LINES);
}

#[test]
fn a_topic_of_orders_that_is_made_anew_unnoticed_ends_the_process() {
    let Some(world) = World::new("made_anew", 4) else { return };
    batch(&world, Some(&history()));
    let speed = Speed::start(&world);
    let since = Instant::now();
    while !speed.said().contains("shards moved") {
        assert!(since.elapsed() < Duration::from_secs(60), "{}", speed.said());
        thread::sleep(Duration::from_millis(100));
    }
    // While it sleeps, so that it sees neither an error nor an end before what it has read.
    speed.signal("STOP");
    kafka::delete_topic(&world.internal, &world.topic).expect("deleted");
    kafka::create_topic(&world.internal, &world.topic, 4, &[]).expect("made again");
    speed.signal("CONT");
    let since = Instant::now();
    while !speed.said().contains("deleted and made again") {
        assert!(since.elapsed() < Duration::from_secs(60), "{}", speed.said());
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(speed.status(), Some(1));
    // Before anything is counted twice or not at all.
    let next = Speed::start(&world);
    let since = Instant::now();
    while !next.said().contains("then start anew") {
        assert!(since.elapsed() < Duration::from_secs(60), "{}", next.said());
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(next.status(), Some(3));
}

#[test]
fn a_second_process_takes_its_share_and_outlives_the_first() {
    let Some(world) = World::new("a_second_process", 4) else { return };
    batch(&world, Some(&history()));
    let first = Speed::start(&world);
    let producer = world.produce_slowly(LINES, 60);
    thread::sleep(Duration::from_secs(3));
    let _second = Speed::start(&world);
    thread::sleep(Duration::from_secs(3));
    first.kill();
    producer.join().expect("produced");
    world.expect_each_line_once(LINES);
}

#[test]
fn eo_5_the_broker_restarts_and_sleeps() {
    let Some((mut broker, world)) = world("eo_5_the_broker", BrokerOptions::default()) else { return };
    let speed = Speed::start(&world);
    let producer = world.produce_slowly(LINES / 2, 10);
    thread::sleep(Duration::from_millis(2_500));
    broker.restart().expect("restarted");
    producer.join().expect("produced");
    thread::sleep(Duration::from_secs(2));
    // Longer than the transaction time-out of 10 s, with a transaction open.
    let producer = {
        world.produce(&orders(LINES / 2, LINES));
        broker.pause().expect("paused");
        thread::sleep(Duration::from_secs(13));
        broker.resume()
    };
    producer.expect("resumed");
    world.expect_each_line_once(LINES);
    let said = speed.said();
    assert!(said.contains("the worker ended") || said.contains("is done again"), "{said}");
}

#[test]
fn scram_and_certificates_let_in_and_wrong_passwords_are_told() {
    let scram = Security::ScramSsl { user: "clientele".to_owned(), password: "a good one".to_owned() };
    for (name, security) in [("scram", scram), ("mtls", Security::MutualTls)] {
        let Some((broker, world)) = world(name, BrokerOptions::secured(security)) else { return };
        let speed = Speed::start(&world);
        world.produce_slowly(300, 1).join().expect("produced");
        world.expect_each_line_once(300);
        speed.kill();
        if name == "scram" {
            let since = Instant::now();
            let wrong = Speed::try_run(&world, &["--kafka", "sasl.password=wrong"]);
            assert!(since.elapsed() < Duration::from_secs(30), "{wrong}");
            assert!(wrong.contains("login is refused") && wrong.contains("sasl.password"), "{wrong}");
        }
        drop(broker);
    }
}

#[test]
fn a_polite_end_commits_and_is_quick() {
    let Some(world) = World::new("a_polite_end", 2) else { return };
    batch(&world, Some(&history()));
    let speed = Speed::start(&world);
    world.produce(&orders(0, 300));
    world.prove_until("orders", |report| report.lines.topic > 0);
    let since = Instant::now();
    speed.signal("TERM");
    speed.wait();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[test]
fn a_polite_end_is_quick_while_nobody_answers() {
    let Some(mut world) = World::new("a_polite_end_alone", 2) else { return };
    batch(&world, Some(&history()));
    "127.0.0.1:9".clone_into(&mut world.bootstrap);
    let speed = Speed::start(&world);
    thread::sleep(Duration::from_secs(2));
    let since = Instant::now();
    speed.signal("TERM");
    speed.wait();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}
