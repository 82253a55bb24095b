//! Clients of the live feeds that come back, are slow, or vanish.

use std::time::Duration;

use crate::world::World;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn who_comes_back_misses_nothing() {
    let Some(world) = World::new("serving_resume", 300) else { return };
    let _speed = world.speed();
    let server = world.serving(&[]);
    let mut feed = server.stream("/live/orders", None);
    world.produce(300..330);
    let accepted = (300..330).filter(|number| number % 11 != 4).count();
    let first: Vec<_> = (0..accepted).map(|_| feed.next(SOON).expect("an order")).collect();
    drop(feed);
    world.produce(330..360);
    let rest = (330..360).filter(|number| number % 11 != 4).count();
    let last = first[9].id.as_str();
    // Any process takes the id, by header or by parameter.
    let other = world.serving(&[]);
    for mut feed in
        [server.stream("/live/orders", Some(last)), other.stream(&format!("/live/orders?last_event_id={last}"), None)]
    {
        let mut found: Vec<_> = (0..accepted - 10 + rest).map(|_| feed.next(SOON).expect("an order").data).collect();
        assert_eq!(feed.next(Duration::from_millis(500)), None);
        found.iter_mut().for_each(|order| order["received_at"] = serde_json::Value::Null);
        let mut expected: Vec<_> = first[10..].iter().map(|event| event.data.clone()).collect();
        expected.iter_mut().for_each(|order| order["received_at"] = serde_json::Value::Null);
        for order in &expected {
            assert!(found.contains(order), "{order}");
        }
    }
    // The same beside other feeds on one connection.
    let mut shared =
        other.stream(&format!("/live/feeds?feed=orders%3Flast_event_id%3D{last}&feed=changes&feed=view"), None);
    let (mut orders, mut views) = (0, 0);
    while orders < accepted - 10 + rest || views == 0 {
        let event = shared.next(SOON).expect("an event");
        orders += usize::from(event.name == "order");
        views += usize::from(event.name == "view");
    }
    let wrong =
        ["orders?last_event_id=what", "feeds", "feeds?feed=what", "feeds?feed=orders%3Fwhat%3D1", "feeds?what=1"];
    for wrong in wrong {
        assert_eq!(server.get(&format!("/api/v1/live/{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn streams_end_before_the_process_does() {
    let Some(world) = World::new("serving_end", 300) else { return };
    let _speed = world.speed();
    let server = world.serving(&[]);
    let paths = ["/live/orders", "/live/changes", "/live/alerts", "/live/view", "/live/feeds?feed=alerts&feed=view"];
    let mut feeds: Vec<_> = paths.iter().map(|path| server.stream(path, None)).collect();
    let view = feeds[3].next(SOON).expect("the view");
    assert_eq!((view.name.as_str(), &view.data["publication"]), ("view", &serde_json::json!(1)));
    let ending = std::thread::spawn(move || server.end());
    for (feed, path) in feeds.iter_mut().zip(paths) {
        let mut last = None;
        while let Some(event) = feed.next(SOON) {
            last = Some(event.name);
        }
        assert_eq!(last.as_deref(), Some("end"), "{path}");
    }
    assert!(ending.join().expect("ended") < Duration::from_secs(5));
}

#[test]
fn slow_and_vanishing_clients_cost_nothing() {
    let Some(world) = World::new("serving_slow", 300) else { return };
    let _speed = world.speed();
    let server = world.serving(&[]);
    let mut quick = server.stream("/live/orders", None);
    let slow: Vec<_> = (0..50).map(|_| server.stream("/live/orders", None)).collect();
    (0..50).for_each(|_| drop(server.stream("/live/orders", None)));
    let before = server.memory();
    let lines = 300..6_300;
    let accepted = lines.clone().filter(|number| number % 11 != 4).count();
    world.produce(lines);
    for number in 0..accepted {
        let event = quick.next(SOON).unwrap_or_else(|| panic!("{number} of {accepted}"));
        assert_eq!(event.name, "order");
    }
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 150, "{grown} MiB more");
    // Whoever reads late gets everything, or is told of the gap and goes on with the newest.
    let mut late = slow.into_iter().next().expect("a client");
    let mut seen = 0;
    while let Some(event) = late.next(Duration::from_secs(2)) {
        seen += match event.name.as_str() {
            "gap" => event.data["missed"].as_u64().expect("a count"),
            _ => 1,
        };
    }
    assert_eq!(seen, accepted as u64);
}
