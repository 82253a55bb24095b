//! What rules say, from a click to an answer: counts, scores, moves, alerts, and files that are refused.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka::produce_all;
use serde_json::{Value, json};

use crate::programs::Server;
use crate::world::World;

const RULES: &str = r#"
[features.views]
about = "Products looked at"
from = "clickstream"
where = 'event.type == "view"'
measure = "count"
over = "30 days"

[features.spend]
from = "order-events"
where = 'event.status == "completed"'
measure = "sum"
of = "event.price"

[scores.browse]
of = "views"
at_least = { 5 = 10, 3 = 4 }
otherwise = 1

[segments]
BUYING = "spend >= 100"
LOOKING = "browse >= 3"
OTHER = "true"

[patterns.back-again]
about = "Comes back to a product"
key = "user_session"
within = "1 hour"
severity = "warning"
on_match = "BACK_AGAIN"
[[patterns.back-again.stages]]
name = "view"
where = 'event.type == "view"'
[[patterns.back-again.stages]]
name = "same"
follows = "followed_by"
where = 'event.type == "cart" && event.product_id == view.first.product_id'
"#;

/// Noon of 2026-05-01.
const NOON: i64 = 1_777_636_800;

fn at(second: i64) -> String {
    data::EventTime::from_micros((NOON + second) * 1_000_000).to_string()
}

/// A click of user `u<n>`, in the n-th session.
fn click(user: usize, number: usize, kind: &str, second: i64) -> (Option<String>, String) {
    let user = format!("u{user}");
    let click = json!({
        "event_id": format!("{user}-{number}"), "event_type": kind, "user_id": user, "user_session": format!("s-{user}"),
        "product_id": "p1", "product_name": "Lamp", "category_code": "home", "price": 12.5, "event_time": at(second),
    });
    (Some(user), click.to_string())
}

impl World {
    fn clicks(&self, clicks: &[(Option<String>, String)]) {
        produce_all(&self.bootstrap, &self.name("clickstream"), clicks).expect("produced");
    }

    fn spends(&self, user: usize, price: u32) {
        let user = format!("u{user}");
        let order = json!({"order_id": format!("o-{user}"), "user_id": user, "event_id": "e", "order_status": "completed",
            "price": price, "order_time": at(0)});
        produce_all(&self.bootstrap, &self.name("order_events"), &[(Some(user), order.to_string())]).expect("produced");
    }
}

fn counts(found: &Value) -> BTreeMap<String, u64> {
    let segments = found["segments"].as_array().expect("a list").iter();
    segments
        .map(|own| (own["name"].as_str().expect("a name").to_owned(), own["customers"].as_u64().expect("a count")))
        .collect()
}

fn expected(buying: u64, looking: u64, other: u64) -> BTreeMap<String, u64> {
    [("BUYING", buying), ("LOOKING", looking), ("OTHER", other)].map(|(name, count)| (name.to_owned(), count)).into()
}

/// User n looks at n products.
fn some_clicks() -> Vec<(Option<String>, String)> {
    (1..=8).flat_map(|user| (0..user).map(move |number| click(user, number, "view", number as i64))).collect()
}

/// Every member of a segment, over pages of three.
fn everybody(server: &Server, segment: &str, sort: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.api(&format!("/rule-segments/{segment}/customers?limit=3&sort={sort}{cursor}"));
        let items = page["items"].as_array().expect("a list");
        all.extend(items.iter().map(|item| item["customer_id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

#[test]
fn segments_scores_and_moves_follow_clicks_and_orders() {
    let Some(world) = World::new("rule_counts", 30) else { return };
    world.set_rules(RULES);
    let _speed = world.speed();
    let server = world.serving(&[]);
    server.until("/rule-segments", "the rules", |found| !found["rules"].is_null());
    let mut moves = server.stream("/live/rule-changes", None);
    let mut others = server.stream("/live/changes", None);
    world.clicks(&some_clicks());
    let found = server.until("/rule-segments", "the counts", |found| counts(found) == expected(0, 5, 3));
    assert_eq!((&found["customers"], &found["complete"]), (&json!(8), &json!(true)));
    assert_eq!(found["segments"][1]["when"], "browse >= 3");
    assert_eq!(found["processes"].as_array().map(Vec::len), Some(1));
    assert!(server.api("/config")["rules"] == true);

    world.spends(2, 250);
    let flow = json!({"from": "OTHER", "to": "BUYING", "customers": 1});
    let has_moved = |found: &Value| {
        counts(found) == expected(1, 5, 2)
            && found["moves"]["flows"].as_array().is_some_and(|flows| flows.contains(&flow))
    };
    let found = server.until("/rule-segments", "the move", has_moved);
    assert_eq!((&found["changes"][0]["customer_id"], &found["changes"][0]["reason"]), (&json!("u2"), &json!("rule")));
    let mut last = None;
    while let Some(event) = moves.next(Duration::from_secs(2)) {
        assert_eq!(event.name, "rule-change");
        last = Some(event.data);
    }
    assert_eq!(last.expect("an event")["to"], "BUYING");
    assert_eq!(others.next(Duration::from_millis(100)), None, "these are no changes of the model's segments");

    let standing = server.api("/customers/u2/rules");
    assert_eq!((&standing["segment"], &standing["scores"][0]["value"]), (&json!("BUYING"), &json!(1.0)));
    let views = json!({"name": "views", "about": "Products looked at", "measure": "count", "value": 2.0});
    assert!(standing["features"].as_array().expect("a list").contains(&views), "{standing}");
    assert_eq!(server.api("/customers/u2/history")["rule_changes"][0]["to"], "OTHER");
    assert_eq!(server.get("/api/v1/customers/u2").status, 404, "nobody has accepted an order of this customer");
    assert_eq!(server.get("/api/v1/customers/nobody/rules").status, 404);

    assert_eq!(everybody(&server, "LOOKING", "customer_id"), ["u4", "u5", "u6", "u7", "u8"]);
    assert_eq!(everybody(&server, "LOOKING", "-views"), ["u8", "u7", "u6", "u5", "u4"]);
    assert_eq!(server.get("/api/v1/rule-segments/NOWHERE/customers").status, 404);
    let wrong = server.get("/api/v1/rule-segments/LOOKING/customers?sort=-nonsense");
    assert_eq!((wrong.status, &wrong.json()["errors"][0]["field"]), (400, &json!("sort")));

    // A process that starts later reads the same.
    let second = world.serving(&[]);
    second.until("/rule-segments", "the counts again", |found| counts(found) == expected(1, 5, 2));
}

#[test]
fn an_alert_is_there_soon_after_its_event_with_its_customer_and_events() {
    let Some(world) = World::new("rule_alerts", 30) else { return };
    world.set_rules(RULES);
    let _speed = world.speed();
    let server = world.serving(&[]);
    server.until("/rule-segments", "the rules", |found| !found["rules"].is_null());
    let mut alerts = server.stream("/live/alerts?severity=warning", None);
    let mut none = server.stream("/live/alerts?pattern=another", None);
    world.clicks(&[click(1, 0, "view", 0), click(1, 1, "cart", 60)]);
    // Later clicks carry time past the two.
    world.clicks(&(0..8).map(|user| click(user, 100, "other", 300)).collect::<Vec<_>>());
    let alert = loop {
        let event = alerts.next(Duration::from_secs(30)).expect("an alert");
        if event.name == "alert" {
            break event.data;
        }
    };
    assert_eq!(
        (&alert["customer_id"], &alert["key"], &alert["key_field"]),
        (&json!("u1"), &json!("s-u1"), &json!("user_session"))
    );
    assert_eq!((&alert["severity"], &alert["summary"]), (&json!("warning"), &json!("Comes back to a product")));
    let stages: Vec<&Value> = alert["events"].as_array().expect("a list").iter().map(|event| &event["stage"]).collect();
    assert_eq!(stages, [&json!("view"), &json!("same")]);
    for path in ["/alerts", "/alerts?pattern=back-again&severity=warning&customer=u1", "/customers/u1/alerts"] {
        assert_eq!(server.api(path)["items"], json!([alert]), "{path}");
    }
    assert_eq!(server.api("/alerts?severity=critical")["items"], json!([]));
    assert_eq!(none.next(Duration::from_millis(200)), None);

    // Processing at least once may tell of one again: it is the same alert.
    let topic = world.name("alerts");
    let told = kafka::read_committed(&world.bootstrap, &topic).expect("records").pop().expect("a record");
    let told = String::from_utf8(told.value.expect("a value")).expect("UTF-8");
    let other = told.replace(alert["id"].as_str().expect("an id"), "another");
    produce_all(&world.bootstrap, &topic, &[told, other].map(|text| (Some("u1"), text))).expect("produced");
    let both = server.until("/customers/u1/alerts", "the other one", |found| found["total"] == 2);
    assert_eq!([&both["items"][0]["id"], &both["items"][1]["id"]], [&json!("another"), &alert["id"]]);
}

#[test]
fn refused_rules_are_told_and_the_old_ones_go_on() {
    let Some(world) = World::new("rule_refused", 30) else { return };
    world.set_rules(RULES);
    let speed = world.speed();
    let server = world.serving(&[]);
    world.clicks(&some_clicks());
    server.until("/rule-segments", "the counts", |found| counts(found) == expected(0, 5, 3));
    world.set_rules(&RULES.replace("browse >= 3", "brows >= 3"));
    let since = Instant::now();
    let found = server.until("/rule-segments", "the refusal", |found| !found["processes"][0]["refused"].is_null());
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    let mistake = &found["processes"][0]["refused"]["mistakes"][0];
    let line = 1 + RULES.lines().position(|line| line.contains("LOOKING")).expect("a line");
    assert_eq!((&mistake["line"], &mistake["field"]), (&json!(line), &json!("segments.LOOKING")), "{mistake}");
    assert!(mistake["message"].as_str().is_some_and(|message| message.contains("browse")), "{mistake}");
    assert_eq!(counts(&found), expected(0, 5, 3));
    let told = |count: u32| server.get("/metrics").text().contains(&format!("clientele_serving_rules_refused {count}"));
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let since = Instant::now();
        while !holds() {
            assert!(since.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    until("the metric", &|| told(1));
    let mut view = server.stream("/live/view", None);
    assert_eq!(view.next(Duration::from_secs(5)).expect("a view").data["rules"]["refused"], true);

    world.set_rules(&RULES.replace("browse >= 3", "browse >= 5"));
    let mended = |found: &Value| found["processes"][0]["refused"].is_null() && counts(found) == expected(0, 0, 8);
    server.until("/rule-segments", "the mended rules", mended);
    until("the metric", &|| told(0));
    speed.end();
    let found = server.until("/rule-segments", "the end", |found| found["processes"] == json!([]));
    let left: BTreeMap<String, u64> = [("OTHER".to_owned(), 8)].into();
    assert_eq!((counts(&found), &found["rules"]), (left, &Value::Null), "what is known of customers stays");
}
