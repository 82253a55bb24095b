//! `speed status` before, while and after a group works.

use std::time::{Duration, Instant};

use data::kafka::KafkaSettings;
use speed::config::Place;
use speed::status::{Report, status};

use crate::programs::{Speed, batch};
use crate::support::{World, line};

fn look(world: &World) -> Report {
    status(&place(world), world.runtime.handle()).expect("a status")
}

fn place(world: &World) -> Place {
    Place {
        kafka: world.kafka(),
        lake: world.folder.path().display().to_string(),
        group: world.topic.clone(),
        topics: world.names(),
    }
}

#[test]
fn a_status_tells_what_is_missing_and_then_what_is_behind() {
    let Some(world) = World::new("a_status", 2) else { return };
    let orders: Vec<_> = (0..50)
        .map(|number| line(&format!("I{number}"), &format!("c{}", number % 9), 1, "2.50", "2026-10-01"))
        .collect();
    world.produce(&orders);
    let report = look(&world);
    let notes = report.notes.join("\n");
    for word in ["no topic a_status-by-customer", "has processed nothing yet", "has no publication"] {
        assert!(notes.contains(word), "{report}");
    }
    assert_eq!((report.lag, report.in_use.is_none(), report.group.members), (50, true, 0));

    let mut text = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n".to_owned();
    for number in 0..20 {
        text.push_str(&format!(
            "H{number},S1,BOX,{},2026-09-{:02}T10:00:00Z,1.50,c{},UK\n",
            1 + number % 3,
            1 + number,
            number % 9
        ));
    }
    batch(&world, Some(&text));
    let speed = Speed::start(&world);
    let since = Instant::now();
    let report = loop {
        let report = look(&world);
        if report.lag == 0 && report.partitions.iter().any(|partition| partition.archived.is_some()) {
            break report;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{report}");
    };
    assert!(report.group.members > 0, "{report}");
    let ids = [&report.in_use, &report.newest].map(|found| found.as_ref().map(|found| found.publication));
    assert_eq!(ids, [Some(1), Some(1)], "{report}");
    assert!(report.in_use.expect("one").age_seconds.is_some_and(|age| (0..120).contains(&age)));
    speed.kill();

    let away = Place { lake: "/nowhere/at/all".to_owned(), ..place(&world) };
    let report = status(&away, world.runtime.handle()).expect("a status without a lake");
    assert!(report.notes.iter().any(|note| note.contains("/nowhere/at/all")), "{report}");
    assert_eq!(report.in_use.map(|used| used.published_at), Some(None), "known to the group, not to the lake");
}

#[test]
fn brokers_that_are_not_there_are_named() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let place = Place {
        kafka: KafkaSettings::new("127.0.0.1:1"),
        lake: "./lake".to_owned(),
        group: "clientele".to_owned(),
        topics: speed::topology::TopicNames::default(),
    };
    let reason = status(&place, runtime.handle()).expect_err("nobody listens there").to_string();
    assert!(reason.contains("127.0.0.1:1") && reason.contains("--brokers"), "{reason}");
}
