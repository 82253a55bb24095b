//! `speed verify`: nothing is found after whatever happened to the programs, and what is wrong is found.

use std::time::{Duration, Instant};

use data::{DateFormat, DayMonth};
use kafka::{end_offsets, produce_all, read_committed};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use speed::topology::TopicNames;
use speed::verify::{Report, Settings, What, verify};

use crate::programs::{Speed, batch};
use crate::support::{World, line};

const PATIENCE: Duration = Duration::from_secs(60);

/// Lines of the history, all of them accepted.
pub const HISTORY: usize = 120;

/// Customers c0 … c8, the last of whom nobody else mentions.
pub fn history() -> String {
    let mut text = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n".to_owned();
    for number in 0..HISTORY {
        let (invoice, customer) = (number / 3, number / 3 % 9);
        let (day, quantity) = (1 + number % 28, 1 + number % 5);
        text.push_str(&format!(
            "I{invoice},S1,BOX,{quantity},2026-09-{day:02}T10:00:00Z,1.{invoice:02},c{customer},UK\n"
        ));
    }
    text
}

/// Orders of customers old and new, some of invoices that the history has begun; every seventh is none.
pub fn orders(from: usize, to: usize) -> Vec<(String, String)> {
    let one = |number: usize| {
        let invoice = if number.is_multiple_of(4) { number % 40 } else { 40 + number / 3 };
        let customer = if number.is_multiple_of(4) { invoice % 9 } else { number / 3 % 25 };
        let quantity = if number % 7 == 3 { 0 } else { 1 + i64::try_from(number % 3).expect("small") };
        let date = format!("2026-10-{:02}T{:02}:30:00Z", 1 + number / 60 % 28, number % 24);
        let (_, line) = line(&format!("I{invoice}"), &format!("c{customer}"), quantity, "2.25", &date);
        // A key that is not the customer's sends the line to another shard.
        let key = if number.is_multiple_of(5) { format!("x{}", number % 11) } else { format!("c{customer}") };
        (key, line)
    };
    (from..to).map(one).collect()
}

impl World {
    pub fn names(&self) -> TopicNames {
        let name = |suffix: &str| format!("{}-{suffix}", self.topic);
        TopicNames {
            orders: self.topic.clone(),
            orders_by_customer: name("by-customer"),
            orders_enriched: name("enriched"),
            customer_state: name("state"),
            segment_changes: name("changes"),
            clickstream: name("clicks"),
            clickstream_by_user: name("clicks-by-user"),
            clickstream_by_field: name("clicks-by-field"),
            order_events: name("shop-orders"),
            order_events_by_user: name("shop-orders-by-user"),
            rule_state: name("rule-state"),
            rule_segments: name("rule-segments"),
            rule_status: name("rule-status"),
            alert_state: name("alert-state"),
            alert_state_by_field: name("alert-state-by-field"),
            alerts: name("alerts"),
            webhooks_dlq: name("webhooks-dlq"),
        }
    }

    pub fn config(&self) -> String {
        let names = self.names();
        let TopicNames { orders, orders_by_customer, orders_enriched, customer_state, segment_changes, .. } = &names;
        let TopicNames { clickstream, clickstream_by_user, clickstream_by_field, order_events, .. } = &names;
        let TopicNames { order_events_by_user, alert_state_by_field, .. } = &names;
        let TopicNames { rule_state, rule_segments, rule_status, alert_state, alerts, webhooks_dlq, .. } = &names;
        let (lake, brokers) = (self.lake_path(), &self.bootstrap);
        let lake = lake.display();
        let more: String = self.properties.iter().map(|(name, value)| format!("\"{name}\" = '{value}'\n")).collect();
        format!(
            "lake = '{lake}'\ngroup = '{orders}'\n[kafka]\nbrokers = '{brokers}'\n{more}[archive]\ninterval_seconds = 1\n[topics]\n\
             orders = '{orders}'\norders_by_customer = '{orders_by_customer}'\norders_enriched = '{orders_enriched}'\n\
             customer_state = '{customer_state}'\nsegment_changes = '{segment_changes}'\n\
             clickstream = '{clickstream}'\nclickstream_by_user = '{clickstream_by_user}'\n\
             clickstream_by_field = '{clickstream_by_field}'\nalert_state_by_field = '{alert_state_by_field}'\norder_events = '{order_events}'\n\
             order_events_by_user = '{order_events_by_user}'\nrule_state = '{rule_state}'\nrule_segments = '{rule_segments}'\n\
             rule_status = '{rule_status}'\nalert_state = '{alert_state}'\nalerts = '{alerts}'\n\
             webhooks_dlq = '{webhooks_dlq}'\n"
        )
    }

    pub fn verify(&self) -> Result<Report, String> {
        let settings = Settings {
            kafka: self.kafka(),
            lake: self.lake(),
            group: self.topic.clone(),
            topics: self.names(),
            dates: DateFormat::Order(DayMonth::MonthFirst),
        };
        verify(&settings, self.runtime.handle(), &|_| ()).map_err(|error| error.to_string())
    }

    /// Proves again and again until `enough` says so.
    pub fn prove_until(&self, what: &str, enough: impl Fn(&Report) -> bool) -> Report {
        let since = Instant::now();
        loop {
            let report = self.verify();
            match &report {
                Ok(report) => assert!(report.is_exact(), "{what}: {report}"),
                Err(reason) => eprintln!("{what}: {reason}"),
            }
            if let Some(report) = report.as_ref().ok().filter(|report| report.in_motion == 0 && enough(report)) {
                return report.clone();
            }
            assert!(since.elapsed() < PATIENCE, "{what} has not happened: {report:?}");
        }
    }

    /// Order lines in the topic, the refused ones among them.
    fn in_topic(&self) -> u64 {
        let ends = end_offsets(&self.bootstrap, &self.topic).expect("ends");
        u64::try_from(ends.iter().sum::<i64>()).expect("an offset")
    }

    /// Writes a record past everything that keeps the state right.
    fn tamper(&self, partition: i32, key: &str, value: Option<&str>) {
        let producer: BaseProducer = self.client().create().expect("a producer");
        let state = self.names().customer_state;
        let mut record = BaseRecord::<str, str>::to(&state).key(key).partition(partition);
        record.payload = value;
        producer.send(record).expect("sent");
        producer.flush(PATIENCE).expect("flushed");
    }
}

#[test]
fn l_1_nothing_is_found_whatever_happened() {
    let Some(world) = World::new("l_1_nothing_is_found", 3) else { return };
    assert!(world.verify().is_err_and(|reason| reason.contains("speed run")));
    batch(&world, Some(&history()));
    let speed = Speed::start(&world);
    world.produce(&orders(0, 600));
    produce_all(&world.bootstrap, &world.topic, &[(None::<&str>, "garbage"), (None, "[]")]).expect("produced");
    let read = |report: &Report| report.lines.topic + report.lines.refused == world.in_topic();
    let report = world.prove_until("orders", read);
    assert_eq!((report.publication, report.lines.published), (1, 120));
    assert!(report.lines.refused > 80 && report.state_records == 25, "{report}");

    // The lake gets them, a run publishes them, and the state is forgotten.
    let archived = |count: u64| {
        let since = Instant::now();
        while world.archived().iter().flat_map(|found| found.values()).map(Vec::len).sum::<usize>() as u64 <= count {
            assert!(since.elapsed() < PATIENCE, "nothing is archived");
        }
    };
    archived(120 + 600);
    batch(&world, None);
    let report = world.prove_until("the second publication", |report| report.publication == 2);
    assert_eq!((report.lines.topic, report.lines.published), (0, 120 + 602 - lines_refused(&world)));
    world.prove_until("an empty state", |report| report.state_records == 0);

    // Killed at some moment, started again; more orders before and after; a file comes in between.
    world.produce(&orders(600, 900));
    speed.kill();
    world.produce(&orders(900, 1_000));
    let header = history().lines().next().expect("a header").to_owned();
    batch(
        &world,
        Some(&format!(
            "{header}\nI41,S1,BOX,1,2026-08-03T10:00:00Z,9.99,c1,UK\nI900,S1,BOX,2,2026-08-03T11:00:00Z,0.50,c3,UK\n"
        )),
    );
    let _speed = Speed::start(&world);
    let accepted = (0..1_000).filter(|number| number % 7 != 3).count() as u64;
    let all = 120 + 2 + accepted;
    let report = world.prove_until("every order", |report| {
        report.publication == 3 && report.lines.published + report.lines.topic == all
    });
    assert_eq!(report.customers, 25);
}

fn lines_refused(world: &World) -> u64 {
    world.archived()[1].values().map(Vec::len).sum::<usize>() as u64
}

#[test]
fn what_is_wrong_is_found() {
    let Some(world) = World::new("what_is_wrong_is_found", 2) else { return };
    batch(&world, Some(&history()));
    let speed = Speed::start(&world);
    world.produce(&orders(0, 300));
    let report = world.prove_until("orders", |report| report.lines.topic + report.lines.refused == world.in_topic());
    assert!(report.differences == 0 && report.state_records > 20);
    speed.kill();

    // A record that lost a contribution, one that says another frequency, one that is gone, one in a wrong place.
    let state = read_committed(&world.bootstrap, &world.names().customer_state).expect("records");
    let newest = |id: &str| {
        let of = state.iter().rev().find(|record| record.key.as_deref() == Some(id.as_bytes())).expect("a record");
        let text = String::from_utf8(of.value.clone().expect("a value")).expect("text");
        (of.partition, text)
    };
    let (partition, whole) = newest("c12");
    let (head, list) = whole.split_once("\"contributions\":[[").expect("contributions");
    let rest = list.split_once("],[").expect("several").1;
    world.tamper(partition, "c12", Some(&format!("{head}\"contributions\":[[{rest}")));
    let (partition, whole) = newest("c13");
    world.tamper(partition, "c13", Some(&whole.replace("\"frequency\":", "\"frequency\":1")));
    let (partition, _) = newest("c14");
    world.tamper(partition, "c14", None);
    let (partition, whole) = newest("c15");
    world.tamper(1 - partition, "c15", Some(&whole));
    let (partition, whole) = newest("c16");
    let (head, tail) = whole.split_once("\"segment_id\":").expect("a segment");
    world.tamper(partition, "c16", Some(&format!("{head}\"segment_id\":9{tail}")));
    let report = world.verify().expect("a report");
    let mut found: Vec<_> = report.first.iter().map(|found| (found.customer_id.as_str(), found.what)).collect();
    found.sort_unstable_by_key(|(id, _)| *id);
    let expected = [
        ("c12", What::MergedView),
        ("c13", What::WrittenTotals),
        ("c14", What::MergedView),
        ("c15", What::Partition),
        ("c16", What::WrittenSegment),
    ];
    assert_eq!(found, expected, "{report}");
    assert_eq!(report.differences, 5);

    // Put back, and then a line that was passed over.
    for id in ["c12", "c13", "c14", "c16"] {
        let (partition, whole) = newest(id);
        world.tamper(partition, id, Some(&whole));
    }
    let (partition, _) = newest("c15");
    world.tamper(1 - partition, "c15", None);
    let report = world.verify().expect("a report");
    assert_eq!(report.differences, 0, "{report}");
    let before = end_offsets(&world.bootstrap, &world.topic).expect("ends");
    world.produce(&[line("I9999", "c20", 1, "5.00", "2026-10-20T10:00:00Z")]);
    let after = end_offsets(&world.bootstrap, &world.topic).expect("ends");
    let partition = before.iter().zip(&after).position(|(before, after)| before != after).expect("it went somewhere");
    let partition = i32::try_from(partition).expect("a partition");
    world.commit(partition, after[usize::try_from(partition).expect("a place")], r#"{"cell":0,"start":0}"#);
    let report = world.verify().expect("a report");
    assert_eq!((report.differences, report.first[0].customer_id.as_str()), (1, "c20"), "{report}");
    let (expected, found) = (&report.first[0].expected, &report.first[0].found);
    assert_eq!(expected.frequency, found.frequency + 1);
    assert_eq!(expected.monetary.raw(), found.monetary.raw() + 50_000);
}
