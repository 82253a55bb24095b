use data::kafka::KafkaSettings;

use super::*;
use crate::topology::TopicNames;

fn place() -> Place {
    Place {
        kafka: KafkaSettings::new("nowhere:1"),
        lake: "./lake".to_owned(),
        group: "clientele".to_owned(),
        topics: TopicNames::default(),
    }
}

fn partition(topic: &str, position: Option<i64>, low: i64, end: i64) -> Partition {
    let publication = (topic == "orders-by-customer").then_some(3);
    Partition {
        topic: topic.to_owned(),
        partition: 0,
        position,
        cell: position.map(|at| at - 10),
        low,
        end,
        lag: end - position.unwrap_or(low),
        publication,
    }
}

fn look(partitions: Vec<Partition>) -> Look {
    Look { partitions, missing: Vec::new() }
}

fn group(state: Option<&str>, members: usize) -> Group {
    Group { name: "clientele".to_owned(), state: state.map(str::to_owned), members }
}

#[test]
fn what_is_behind_and_what_moves() {
    let first = look(vec![partition("orders", Some(1_000), 0, 1_900), partition("orders-by-customer", Some(0), 0, 0)]);
    let second = look(vec![partition("orders", Some(2_000), 0, 2_400), partition("orders-by-customer", Some(0), 0, 0)]);
    let lake = LakeLook { archived: vec![Some(1_500)], ..LakeLook::default() };
    let apart = Duration::from_secs(2);
    let report = report(&place(), (&first, &second, apart), group(Some("Stable"), 2), lake);
    assert_eq!(report.rates, Rates { written: 250.0, processed: 500.0 });
    assert_eq!((report.lag, report.partitions[0].archive_lag, report.partitions[1].archived), (400, Some(500), None));
    assert_eq!(report.in_use.as_ref().map(|used| used.publication), Some(3));
    let text = report.to_string();
    let expected = "\
group clientele: Stable, 2 members
publication 3 in use
250 orders/s written, 500/s processed; 400 wait

topic               partition  position    end  lag   cell  archived  to archive
orders                      0     2,000  2,400  400  1,990     1,500         500
orders-by-customer          0         0      0    0      -         -           -
note: lake ./lake has no publication; make one with `batch run --input FILE`
";
    assert_eq!(text, expected);
}

#[test]
fn what_is_missing_is_named_with_what_to_do() {
    let notes = |look: &Look, group: Group| {
        let lake = LakeLook { trouble: Some("lake ./lake: there is no such folder".to_owned()), ..LakeLook::default() };
        report(&place(), (look, look, Duration::from_secs(1)), group, lake).notes.join("\n")
    };
    let nothing = Look { partitions: Vec::new(), missing: vec!["orders".to_owned()] };
    let said = notes(&nothing, group(None, 0));
    for word in ["no topic orders", "--group", "no such folder"] {
        assert!(said.contains(word), "{said}");
    }
    let stopped = look(vec![partition("orders", Some(50), 0, 60)]);
    assert!(notes(&stopped, group(Some("Empty"), 0)).contains("nobody works"));
    assert!(!notes(&stopped, group(Some("Stable"), 1)).contains("nobody works"));
    let eaten = look(vec![partition("orders", Some(50), 55, 60)]);
    assert!(notes(&eaten, group(Some("Stable"), 1)).contains("retention has deleted up to 55 before it was processed"));
}

#[test]
fn numbers_and_ages_read_easily() {
    assert_eq!([0, 999, 1_000, -1_234_567].map(grouped), ["0", "999", "1,000", "-1,234,567"]);
    assert_eq!([0, 119, 720, 18_000, 259_200].map(span), ["0 s", "119 s", "12 min", "5 h", "3 days"]);
}
