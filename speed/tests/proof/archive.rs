//! Lines reach the lake once, in order, up to a cell's start (EO-8).

use std::sync::atomic::Ordering::Relaxed;

use arrow::array::AsArray;
use data::EventTime;
use data::lake::{SourceRow, Table};
use kafka::{Broker, BrokerOptions, delete_topic, read_committed};
use speed::archive::{Archiver, Lines, Outcome, Pending, Vault};
use speed::frame::{Decoding, Record, TopicId, TopicPartition};

use crate::support::{World, all, line};

const GO_ON: &dyn Fn() -> bool = &|| false;
const NOTHING: [Vec<i64>; 2] = [Vec::new(), Vec::new()];

/// Every fifth line is refused; two months.
fn lines(count: usize) -> Vec<(String, String)> {
    let one = |number: usize| {
        let price = if number % 5 == 3 { "0" } else { "2.50" };
        let date = format!("2026-{:02}-05T10:00:00Z", 10 + number % 2);
        line(&format!("I{}", number / 3), &format!("c{}", number % 7), 2, price, &date)
    };
    (0..count).map(one).collect()
}

/// What the lake must hold of partition 0 up to `to`: accepted and refused offsets.
fn expected(world: &World, to: i64) -> [Vec<i64>; 2] {
    let records = read_committed(&world.bootstrap, &world.topic).expect("records");
    let of = |refused: bool| {
        let mine = records.iter().filter(|record| record.partition == 0 && record.offset < to);
        let text = |value: &Option<Vec<u8>>| String::from_utf8(value.clone().unwrap_or_default()).expect("text");
        mine.filter(|record| text(&record.value).contains("\"UnitPrice\":0,") == refused)
            .map(|record| record.offset)
            .collect()
    };
    [of(false), of(true)]
}

fn archived(world: &World) -> [Vec<i64>; 2] {
    world.archived().map(|mut found| found.remove(&format!("kafka://{}/0", world.topic)).unwrap_or_default())
}

/// Steps until one succeeds: brokers that have just started refuse at times.
fn step(archiver: &mut Archiver) {
    for _ in 0..20 {
        archiver.step(&all(), GO_ON);
        if !archiver.metrics().failing.load(Relaxed) {
            return;
        }
    }
    panic!("nothing can be archived");
}

#[test]
fn eo_8_lines_are_archived_once_up_to_a_cell() {
    let Some(world) = World::new("eo_8_lines_are_archived_once_up_to_a_cell", 3) else { return };
    world.produce(&lines(500));
    let mut archiver = world.archiver();
    step(&mut archiver);
    assert_eq!(archived(&world), NOTHING, "nothing is committed yet");

    world.commit(0, 90, r#"{"cell":60,"start":0}"#);
    step(&mut archiver);
    assert_eq!(archived(&world), expected(&world, 60));
    let metrics = archiver.metrics();
    let partition = metrics.partitions().remove(&0).expect("partition 0");
    assert_eq!((partition.archived.load(Relaxed), partition.lag()), (60, 30));

    // The same again, by this one and by another.
    step(&mut archiver);
    let mut other = world.archiver();
    step(&mut other);
    assert_eq!(archived(&world), expected(&world, 60));
    assert_eq!(metrics.commits.load(Relaxed) + other.metrics().commits.load(Relaxed), 1);

    let second = format!("kafka://{}/1", world.topic);
    // Only what this process is responsible for.
    world.commit(1, 30, r#"{"cell":30,"start":0}"#);
    archiver.step(&[0].into(), GO_ON);
    assert!(!metrics.failing.load(Relaxed));
    assert!(!world.archived()[0].contains_key(&second));
    archiver.step(&[1].into(), GO_ON);
    assert!(world.archived()[0].contains_key(&second));
}

#[test]
fn eo_8_killed_between_the_two_commits_it_goes_on() {
    let Some(world) = World::new("eo_8_killed_between_the_two_commits_it_goes_on", 1) else { return };
    world.produce(&lines(200));
    let settings = world.settings();
    let row = SourceRow::for_topic(&settings.topic_id, &world.topic, 0);
    let records = read_committed(&world.bootstrap, &world.topic).expect("records");

    // An archiver that dies when its refused lines, up to 120, are committed and its accepted ones are not.
    let mut vault = Vault::new(world.lake(), world.runtime.handle().clone());
    vault.register(&row).expect("registered");
    let mut kept = Lines::new(&row.source, 0);
    for record in records.iter().filter(|record| record.offset < 120) {
        let at = TopicPartition { topic: TopicId(0), partition: 0 };
        let (offset, value) = (record.offset, record.value.as_deref());
        let record = Record {
            at,
            offset,
            timestamp: EventTime::from_micros(0),
            key: None,
            value,
            origin: None,
            decoded: Decoding::default(),
        };
        kept.push(&record, &settings.reading);
    }
    let mut pending = Pending::default();
    vault.write(&mut kept, &mut pending).expect("written");
    let progress = vault.progress(&row).expect("progress");
    assert_eq!(vault.commit_refused(&row, progress, 120, &mut pending).expect("committed"), Outcome::Done);
    assert_eq!(archived(&world), [vec![], expected(&world, 120)[1].clone()]);

    // Its successor may be told of an earlier cell, by a group that has come less far, and then of later ones.
    let mut archiver = world.archiver();
    for cell in [100, 150, 200] {
        world.commit(0, 200, &format!(r#"{{"cell":{cell},"start":0}}"#));
        step(&mut archiver);
        let refused = expected(&world, cell.max(120))[1].clone();
        assert_eq!(archived(&world), [expected(&world, cell)[0].clone(), refused], "{cell}");
    }

    // One that prepared the same span meanwhile is too late.
    assert_eq!(vault.commit(&row, progress, 120, Pending::default()).expect("refused"), Outcome::Overtaken);
}

#[test]
fn eo_8_two_archivers_at_once_write_each_line_once() {
    let Some(world) = World::new("eo_8_two_archivers_at_once_write_each_line_once", 1) else { return };
    world.produce(&lines(3_000));
    std::thread::scope(|scope| {
        let archivers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut archiver = world.archiver();
                    while archived(&world)[0].last().is_none_or(|last| *last < 2_990) {
                        step(&mut archiver);
                    }
                    archiver.metrics()
                })
            })
            .collect();
        for cell in (100..=3_000).step_by(100) {
            world.commit(0, 3_000, &format!(r#"{{"cell":{cell},"start":0}}"#));
        }
        for archiver in archivers {
            assert!(!archiver.join().expect("no panic").has_lost());
        }
    });
    assert_eq!(archived(&world), expected(&world, 3_000));
    let sources =
        world.runtime.block_on(world.lake().snapshot(Table::Sources, None)).expect("a lake").expect("a table");
    assert_eq!(world.runtime.block_on(sources.sources()).expect("rows").len(), 1);
}

#[test]
fn what_is_no_line_keeps_its_text_and_its_reason() {
    let Some(world) = World::new("what_is_no_line_keeps_its_text_and_its_reason", 1) else { return };
    let bytes: Vec<(Option<&str>, &[u8])> =
        vec![(None, b"not json"), (None, b"{\"a\":\"\xff\"}"), (None, b""), (None, b"1")];
    kafka::produce_all(&world.bootstrap, &world.topic, &bytes).expect("produced");
    world.commit(0, 4, r#"{"cell":4,"start":0}"#);
    step(&mut world.archiver());
    let table = world.runtime.block_on(world.lake().snapshot(Table::RejectedOrders, None));
    let rows = world.runtime.block_on(table.expect("a lake").expect("a table").rows()).expect("rows");
    let texts = |name: &str| -> Vec<String> {
        let column = |batch: &arrow::array::RecordBatch| batch.column_by_name(name).expect("a column").clone();
        rows.iter()
            .flat_map(|rows| column(rows).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    assert_eq!(texts("raw_line"), ["not json", "{\"a\":\"\u{fffd}\"}", "", "1"]);
    assert_eq!(texts("reason"), ["malformed", "bad_encoding", "malformed", "malformed"]);
}

#[test]
fn a_topic_made_again_is_not_archived_under_the_old_name() {
    let Some(world) = World::new("a_topic_made_again_is_not_archived_under_the_old_name", 1) else { return };
    world.produce(&lines(50));
    world.commit(0, 50, r#"{"cell":50,"start":0}"#);
    let mut archiver = world.archiver();
    // The group is known before: what fails below is not that.
    archiver.step(&[].into(), GO_ON);
    delete_topic(&world.bootstrap, &world.topic).expect("deleted");
    while kafka::create_topic(&world.bootstrap, &world.topic, 1, &[]).is_err() {
        std::thread::yield_now();
    }
    world.produce(&lines(50));
    world.commit(0, 50, r#"{"cell":50,"start":0}"#);
    for _ in 0..3 {
        archiver.step(&all(), GO_ON);
        assert!(archiver.metrics().failing.load(Relaxed));
    }
    assert_eq!(archived(&world), NOTHING);
    step(&mut world.archiver());
    assert_eq!(archived(&world), expected(&world, 50));
}

#[test]
fn lines_that_retention_has_eaten_are_not_passed_over() {
    let Some(world) = World::new("lines_that_retention_has_eaten_are_not_passed_over", 1) else { return };
    world.produce(&lines(200));
    world.commit(0, 150, r#"{"cell":100,"start":0}"#);
    let mut archiver = world.archiver();
    step(&mut archiver);
    // What is archived may go.
    world.delete_before(0, 100);
    world.commit(0, 150, r#"{"cell":150,"start":0}"#);
    step(&mut archiver);
    let whole = archived(&world);
    assert_eq!(whole[0].last(), Some(&149));
    assert!(!archiver.metrics().has_lost());

    world.delete_before(0, 160);
    world.commit(0, 200, r#"{"cell":200,"start":0}"#);
    for _ in 0..2 {
        step(&mut archiver);
        assert_eq!(archived(&world), whole);
        assert!(archiver.metrics().has_lost());
    }

    let asked = speed::archive::Settings { skip_lost: true, ..world.settings() };
    let mut archiver = Archiver::new(asked, world.lake(), world.runtime.handle().clone()).expect("an archiver");
    step(&mut archiver);
    let rest = expected(&world, 200);
    let joined = |place: usize| whole[place].iter().copied().chain(rest[place].clone()).collect::<Vec<_>>();
    assert_eq!(archived(&world), [joined(0), joined(1)]);
}

#[test]
fn a_lake_that_is_away_is_waited_for() {
    let Some(mut broker) = Broker::start_or_skip(BrokerOptions::default()).expect("a broker") else { return };
    let world = World::on(broker.bootstrap(), "orders", 1);
    world.produce(&lines(100));
    world.commit(0, 100, r#"{"cell":60,"start":0}"#);
    let mut archiver = world.archiver();
    step(&mut archiver);
    world.commit(0, 100, r#"{"cell":90,"start":0}"#);
    let (path, away) = (world.lake_path(), world.folder.path().join("away"));
    std::fs::rename(&path, &away).expect("moved");
    let pauses: Vec<_> = (0..3).map(|_| archiver.step(&all(), GO_ON).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4]);
    assert!(archiver.metrics().failing.load(Relaxed));
    std::fs::remove_dir_all(&path).ok();
    std::fs::rename(&away, &path).expect("moved back");
    step(&mut archiver);
    assert!(!archiver.metrics().failing.load(Relaxed));
    assert_eq!(archived(&world), expected(&world, 90));

    // And brokers likewise.
    world.commit(0, 100, r#"{"cell":100,"start":0}"#);
    broker.stop().expect("stopped");
    archiver.step(&all(), GO_ON);
    assert!(archiver.metrics().failing.load(Relaxed));
    broker.restart().expect("back");
    step(&mut archiver);
    assert_eq!(archived(&world), expected(&world, 100));
}

#[test]
fn told_to_stop_it_gives_up_and_nothing_is_lost() {
    let Some(world) = World::new("told_to_stop_it_gives_up_and_nothing_is_lost", 1) else { return };
    world.produce(&lines(100));
    world.commit(0, 100, r#"{"cell":100,"start":0}"#);
    let mut archiver = world.archiver();
    let asked = std::cell::Cell::new(0);
    archiver.step(&all(), &|| {
        asked.set(asked.get() + 1);
        asked.get() > 40
    });
    assert_eq!(archived(&world), NOTHING);
    step(&mut archiver);
    assert_eq!(archived(&world), expected(&world, 100));
}
