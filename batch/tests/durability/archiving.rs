//! Lines of topics, archived into a lake by others while runs go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use data::lake::{self, Appended, Publication, Snapshot, SourceRow, Table, Tables, WrittenFile};
use data::{EventTime, Money, Rules};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{Lake, Place};

const TOPIC_ID: &str = "qXk0cJ2TSm-8w9f_4bLdYA";
const TOPIC: &str = "orders";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime")
}

fn open(lake: &Lake) -> lake::Lake {
    lake::Lake::open(&lake.location).expect("a lake")
}

fn texts(rows: &[i64], text: impl Fn(i64) -> String) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.iter().map(|offset| text(*offset))))
}

fn batch(table: Table, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::new(table.file_schema()), columns).expect("columns that fit")
}

/// Every fifth line is refused.
const fn refused(offset: i64) -> bool {
    offset % 5 == 3
}

/// One partition of the topic, as the speed layer archives it.
struct Archiver {
    tables: Tables,
    row: SourceRow,
    id: String,
}

impl Archiver {
    async fn new(lake: &lake::Lake, partition: u32) -> Self {
        let mut tables = lake.tables(&Rules::default()).await.expect("tables");
        let row = SourceRow::for_topic(TOPIC_ID, TOPIC, partition);
        tables.get_mut(Table::Sources).register(&row).await.expect("a ledger");
        Self { tables, id: SourceRow::application_id(&row.source_id), row }
    }

    async fn next(&mut self, table: Table) -> Option<i64> {
        let snapshot = self.tables.get_mut(table);
        snapshot.refresh().await.expect("a table");
        snapshot.application_version(&self.id).await.expect("a log")
    }

    /// Archives what `orders` lacks up to `to`: the refused lines, then the accepted ones; whether it was first to.
    async fn archive(&mut self, to: i64) -> bool {
        let from = self.next(Table::Orders).await;
        if !self.refuse(to).await {
            return false;
        }
        let lines: Vec<i64> = (from.unwrap_or(0)..to).filter(|offset| !refused(*offset)).collect();
        let file = self.order_lines(&lines).await;
        let orders = self.tables.get_mut(Table::Orders);
        orders.append_from(file, &self.id, from, to).await.expect("a commit") == Appended::Done
    }

    /// Archives the refused lines up to `to`, unless that was done before and `orders` could not follow.
    async fn refuse(&mut self, to: i64) -> bool {
        let from = self.next(Table::RejectedOrders).await;
        let lines: Vec<i64> = (from.unwrap_or(0)..to).filter(|offset| refused(*offset)).collect();
        if from.is_some_and(|from| from >= to) {
            return true;
        }
        let rows = batch(
            Table::RejectedOrders,
            vec![
                texts(&lines, |offset| format!("line {offset}")),
                texts(&lines, |_| self.row.source.clone()),
                Arc::new(Int64Array::from(lines.clone())),
                texts(&lines, |offset| if offset % 2 == 0 { "bad_price" } else { "malformed" }.to_owned()),
            ],
        );
        let rejected = self.tables.get_mut(Table::RejectedOrders);
        let files =
            if lines.is_empty() { Vec::new() } else { vec![rejected.write(&rows, None).await.expect("a file")] };
        rejected.append_from(files, &self.id, from, to).await.expect("a commit") == Appended::Done
    }

    /// One line of £2 an offset, three lines an invoice, seven customers a partition.
    async fn order_lines(&self, lines: &[i64]) -> Vec<WrittenFile> {
        if lines.is_empty() {
            return Vec::new();
        }
        let at = EventTime::at_day(15_000);
        let money = || lake::money_column(&vec![Money::from_raw(20_000); lines.len()]);
        let columns = vec![
            texts(lines, |offset| format!("T{}", offset / 3)),
            texts(lines, |_| "A".to_owned()),
            texts(lines, |_| "BOX".to_owned()),
            Arc::new(Int64Array::from(vec![1; lines.len()])),
            money(),
            money(),
            texts(lines, |offset| format!("{}-{}", self.row.source, offset / 3 % 7)),
            texts(lines, |_| "UK".to_owned()),
            lake::times_column(vec![at; lines.len()]),
            texts(lines, |_| self.row.source.clone()),
            Arc::new(Int64Array::from(lines.to_vec())),
        ];
        let rows = batch(Table::Orders, columns);
        vec![self.tables.get(Table::Orders).write(&rows, Some(at.month())).await.expect("a file")]
    }
}

/// Offsets by source of the lines that came from topics.
async fn archived(snapshot: &Snapshot) -> (usize, BTreeMap<String, Vec<i64>>) {
    let mut found: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut lines = 0;
    for batch in snapshot.rows().await.expect("rows") {
        lines += batch.num_rows();
        let sources = batch.column_by_name("source").expect("a column").as_string::<i32>();
        let offsets = batch.column_by_name("source_position").expect("a column").as_primitive::<Int64Type>();
        for (source, offset) in sources.iter().flatten().zip(offsets.values()) {
            if source.starts_with(SourceRow::TOPIC) {
                found.entry(source.to_owned()).or_default().push(*offset);
            }
        }
    }
    found.values_mut().for_each(|offsets| offsets.sort_unstable());
    (lines, found)
}

/// What the publication says of the topic is what its snapshots hold: every offset below the next one, once.
async fn check(lake: &lake::Lake, publication: &Publication) {
    let version = |table| publication.versions.of(table);
    let at = async |table| lake.snapshot(table, version(table)).await.expect("a version").expect("a table");
    let (lines, accepted) = archived(&at(Table::Orders).await).await;
    let (_, rejected) = archived(&at(Table::RejectedOrders).await).await;
    assert_eq!(lines as u64, publication.orders);
    let registered = at(Table::Sources).await.sources().await.expect("rows");
    let mut sources = BTreeSet::new();
    for (place, next) in &publication.kafka_offsets {
        let partition = place.strip_prefix(&format!("{TOPIC_ID}:")).expect("the topic").parse().expect("a partition");
        let source = SourceRow::for_topic(TOPIC_ID, TOPIC, partition).source;
        let expected = |kind: bool| (0..*next).filter(|offset| refused(*offset) == kind).collect::<Vec<_>>();
        let of = |found: &BTreeMap<String, Vec<i64>>| found.get(&source).cloned().unwrap_or_default();
        assert_eq!(of(&accepted), expected(false), "{source} up to {next}");
        let mut refused = of(&rejected);
        refused.retain(|offset| offset < next);
        assert_eq!(refused, expected(true), "{source} up to {next}");
        assert_eq!(registered.iter().filter(|row| row.source == source).count(), 1, "{source}");
        sources.insert(source);
    }
    assert!(accepted.keys().all(|source| sources.contains(source)), "{accepted:?}");
}

/// Lines read are accepted or rejected, those of topics too.
fn adds_up(document: &Value) {
    let sum = |rejected: &Value| rejected.as_object().expect("reasons").values().filter_map(Value::as_u64).sum::<u64>();
    let topics = document["topics"].as_array().map(Vec::as_slice).unwrap_or_default();
    for counts in topics.iter().chain([&document["lake"]]) {
        let [read, accepted] = ["read", "accepted"].map(|name| counts[name].as_u64().expect("a count"));
        assert_eq!(read, accepted + sum(&counts["rejected"]), "{counts}");
    }
    for topic in topics {
        let next: i64 = topic["offsets"].as_object().expect("offsets").values().filter_map(Value::as_i64).sum();
        assert_eq!(topic["read"], next, "{topic}");
    }
}

/// Two processes archive the same three partitions, while runs ingest, recompute and forget.
#[test]
fn l_2_a_publication_names_the_offsets_that_its_orders_hold() {
    let place = Place::new();
    let lake = place.lake("lake");
    lake.run(&[&place.orders("first.csv", 300, 1).0]);
    let stop = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        for seed in 0..2 {
            let (lake, stop) = (&lake, &stop);
            scope.spawn(move || runtime().block_on(compete(&open(lake), seed, stop)));
        }
        let _ends = Ends(&stop);
        runs_beside(&place, &lake)
    });
    adds_up(&lake.run(&[]));
    let last = runtime().block_on(async {
        let lake = open(&lake);
        let last = lake.publication(None).await.expect("a publication");
        check(&lake, &last).await;
        last
    });
    assert_eq!(last.kafka_offsets.len(), 3);
    assert!(seen.iter().any(|offsets| !offsets.is_empty() && *offsets != last.kafka_offsets), "{seen:?}");
}

/// Stops the archivers, also when a check fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn compete(lake: &lake::Lake, seed: i64, stop: &AtomicBool) {
    let mut archivers = Vec::new();
    for partition in 0..3 {
        archivers.push(Archiver::new(lake, partition).await);
    }
    for round in 0.. {
        for archiver in &mut archivers {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let next = archiver.next(Table::Orders).await.unwrap_or(0);
            archiver.archive(next + 1 + (7 * round + 3 * seed) % 11).await;
        }
    }
}

fn runs_beside(place: &Place, lake: &Lake) -> Vec<BTreeMap<String, i64>> {
    let reader = open(lake);
    let runtime = runtime();
    let mut seen = Vec::new();
    for round in 0..8 {
        let document = match round % 2 {
            0 => lake.run(&[]),
            _ => lake.run(&[&place.orders("more.csv", 300, 10 + round).0]),
        };
        adds_up(&document);
        let publication = runtime.block_on(reader.publication(None)).expect("a publication");
        runtime.block_on(check(&reader, &publication));
        seen.push(publication.kafka_offsets);
        if round % 3 == 2 {
            lake.json(&["vacuum", "--keep", "2"]);
        }
    }
    seen
}

#[test]
fn what_the_archiver_has_not_finished_is_not_counted() {
    let place = Place::new();
    let lake = place.lake("lake");
    let runtime = runtime();
    lake.run(&[&place.orders("first.csv", 300, 1).0]);
    let before = lake.json(&["show"]);
    let mut archiver = runtime.block_on(Archiver::new(&open(&lake), 4));
    let document = lake.run(&[]);
    assert_eq!((&document["lake"], &document["revenue"]), (&before["lake"], &before["revenue"]));
    assert_eq!(lake.json(&["history"])["publications"][1]["kafka_offsets"], json!({}), "registered, not archived");

    runtime.block_on(async {
        assert!(archiver.archive(6).await);
        assert!(archiver.refuse(30).await);
    });
    let document = lake.run(&[]);
    adds_up(&document);
    let place_of_it = format!("{TOPIC_ID}:4");
    let topic = json!({
        "source": "kafka://orders/4", "offsets": {&place_of_it: 6}, "read": 6, "accepted": 5, "rejected": {"malformed": 1},
    });
    assert_eq!(document["topics"], json!([topic]));
    assert_eq!(document["lake"]["read"], 306);
    assert_eq!(lake.json(&["history"])["publications"][2]["kafka_offsets"], json!({&place_of_it: 6}));

    runtime.block_on(async {
        let file = archiver.order_lines(&[0]).await;
        let orders = archiver.tables.get_mut(Table::Orders);
        for from in [None, Some(5), Some(7)] {
            let again = orders.append_from(file.clone(), &archiver.id, from, 9).await.expect("a table");
            assert_eq!(again, Appended::Refused { at: Some(6) });
        }
        let sources = archiver.tables.get_mut(Table::Sources);
        assert!(!sources.register(&archiver.row).await.expect("a ledger"), "it is registered");
    });
    assert_eq!(lake.run(&[])["lake"]["read"], 306);
}

/// The ledger drops the row of an ingest that was cut off, and no other.
#[test]
fn a_cut_off_ingest_takes_no_topic_with_it() {
    let place = Place::new();
    let lake = place.lake("lake");
    lake.run(&[&place.orders("first.csv", 300, 1).0]);
    runtime().block_on(async {
        let mut archiver = Archiver::new(&open(&lake), 0).await;
        let sources = archiver.tables.get_mut(Table::Sources);
        let known = sources.sources().await.expect("rows");
        let cut_off = SourceRow { source_id: "cut off".to_owned(), ingested_at: EventTime::now(), ..known[0].clone() };
        sources.append_rows(&cut_off.to_batch().expect("a row")).await.expect("a commit");
        Archiver::new(&open(&lake), 1).await.archive(10).await;
    });
    adds_up(&lake.run(&[]));
    runtime().block_on(async {
        let lake = open(&lake);
        let publication = lake.publication(None).await.expect("a publication");
        check(&lake, &publication).await;
        assert_eq!(publication.kafka_offsets, BTreeMap::from([(format!("{TOPIC_ID}:1"), 10)]));
        let sources = lake.snapshot(Table::Sources, None).await.expect("a version").expect("a table");
        let mut names: Vec<_> = sources.sources().await.expect("rows").into_iter().map(|row| row.source).collect();
        names.sort();
        assert_eq!(names[1..], ["kafka://orders/0", "kafka://orders/1"]);
        assert_eq!(names.len(), 3);
    });
}
