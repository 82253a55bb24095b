//! The merged answer is what a recomputation gives, whatever happens around it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use kafka::{Broker, BrokerOptions};
use serde_json::{Value, json};

use crate::programs::{Server, batch};
use crate::world::{self, World, sums};

/// Every customer, over all pages.
fn everybody(server: &Server) -> BTreeMap<String, Value> {
    let (mut all, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = server.api(&format!("/customers?limit=37&sort=customer_id{cursor}"));
        for item in page["items"].as_array().expect("a list") {
            all.insert(item["customer_id"].as_str().expect("an id").to_owned(), item.clone());
        }
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

/// Waits until the view holds the first `lines`, then compares it with what they add up to.
fn expect_exact(server: &Server, lines: usize) {
    let expected = sums(lines);
    let invoices: usize = expected.values().map(|(invoices, ..)| invoices.len()).sum();
    let amount: i64 = expected.values().map(|(_, amount, _)| amount).sum();
    let is_all = |overview: &Value| {
        overview["orders"] == invoices && (overview["revenue"].as_f64().expect("money") * 1e4).round() as i64 == amount
    };
    let overview = server.until("/overview", "every order", is_all);
    assert_eq!(overview["customers"], expected.len());
    let newest = expected.values().map(|(.., last)| last.clone()).max().expect("an order");
    let reference = overview["view"]["reference_time"].as_str().expect("a time").to_owned();
    assert!(reference > newest && reference[..8] == newest[..8], "{reference} {newest}");
    let found = everybody(server);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (id, (invoices, amount, last)) in &expected {
        let item = &found[id];
        assert_eq!(item["frequency"], invoices.len(), "{id}");
        assert_eq!((item["monetary"].as_f64().expect("money") * 1e4).round() as i64, *amount, "{id}");
        assert_eq!(item["last_order_at"], json!(last), "{id}");
        assert_eq!(server.api(&format!("/customers/{id}"))["merged"]["segment_id"], item["segment_id"], "{id}");
    }
    let points = server.api("/revenue?by=day")["points"].clone();
    let points = points.as_array().expect("a list");
    let sum: f64 = points.iter().map(|point| point["revenue"].as_f64().expect("money")).sum();
    assert_eq!((sum * 1e4).round() as i64, amount);
    assert_eq!(points.iter().map(|point| point["orders"].as_u64().expect("a count")).sum::<u64>(), invoices as u64);
}

/// Also when the test fails.
struct Stops(Arc<AtomicBool>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn l_1_the_merged_answer_is_the_recomputation_also_while_publications_are_swapped() {
    let Some(world) = World::new("serving_l_1", 600) else { return };
    let _speed = world.speed();
    let server = Arc::new(world.serving(&[]));
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (server, stop, asked) = (Arc::clone(&server), Arc::clone(&stop), Arc::clone(&asked));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let segments = server.api("/segments");
                    let list = segments["segments"].as_array().expect("a list");
                    let customers: u64 = list.iter().map(|segment| segment["customers"].as_u64().expect("many")).sum();
                    assert_eq!(segments["all"]["customers"], customers, "one view from beginning to end");
                    let revenue: f64 = list.iter().map(|segment| segment["revenue"].as_f64().expect("money")).sum();
                    assert!((segments["all"]["revenue"].as_f64().expect("money") - revenue).abs() < 1e-6);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let stops = Stops(stop);
    let mut made = 600;
    for round in 0..6 {
        world.produce(made..made + 400);
        made += 400;
        thread::sleep(Duration::from_millis(700));
        if round % 2 == 1 {
            // What is archived by now becomes part of the base.
            batch(&world.lake(), None);
        }
    }
    // Under one publication, so that what is asked one after the other belongs together.
    server.until("/overview", "the last publication", |overview| overview["view"]["publication"] == 4);
    expect_exact(&server, made);
    drop(stops);
    readers.into_iter().for_each(|reader| reader.join().expect("consistent"));
    assert!(asked.load(Ordering::Relaxed) > 20);
    // One that starts afterwards comes to the same.
    expect_exact(&world.serving(&[]), made);
}

#[test]
fn brokers_that_go_and_come_back() {
    let options = BrokerOptions { heap: "400m".to_owned(), ..BrokerOptions::default() };
    let Some(mut broker) = Broker::start_or_skip(options).expect("a broker") else { return };
    let world = World::on(&broker.bootstrap(), "serving_away", 300);
    let _speed = world.speed();
    let server = world.serving(&[]);
    world.produce(300..600);
    expect_exact(&server, 600);
    broker.stop().expect("stopped");
    let lost = server.until("/overview", "the loss", |overview| overview["live"]["connected"] == false);
    assert!(lost["live"]["error"].is_string() && lost["view"]["live"] == true, "{lost}");
    assert_eq!(lost["orders"], sums(600).values().map(|(invoices, ..)| invoices.len()).sum::<usize>());
    assert_eq!(server.get("/readyz").status, 200);
    broker.restart().expect("restarted");
    world.produce(600..900);
    expect_exact(&server, 900);
    server.until("/overview", "the connection", |overview| overview["live"]["connected"] == true);
}

#[test]
fn a_topic_of_orders_that_is_made_anew_is_another_one() {
    let Some(world) = World::new("serving_anew", 300) else { return };
    let speed = world.speed();
    let server = world.serving(&[]);
    world.produce(300..900);
    expect_exact(&server, 900);
    // What the topic had is archived and published: the first offsets of the next one are not among it.
    let refused = |range: std::ops::Range<usize>| range.filter(|number| world::line(*number)["Quantity"] == 0).count();
    let accepted = 900 - refused(0..900);
    server.until("/overview", "a publication of every line", |overview| {
        let is_whole = overview["view"]["orders"] == accepted;
        if !is_whole {
            batch(&world.lake(), None);
        }
        is_whole
    });
    let source = |source: &Value| source["source"].as_str().is_some_and(|name| name.starts_with("kafka://"));
    let quality = server.api("/quality");
    let topics = quality["sources"].as_array().expect("a list").iter().filter(|own| source(own));
    assert_eq!(
        topics.map(|own| own["rejected"].as_u64().expect("a count")).sum::<u64>(),
        refused(300..900) as u64,
        "{quality}"
    );

    speed.end();
    let before = server.api("/overview");
    kafka::delete_topic(&world.bootstrap, &world.topic).expect("deleted");
    kafka::create_topic(&world.bootstrap, &world.topic, 4, &[]).expect("made again");
    world.produce(900..960);
    let anew = server.until("/overview", "the new topic", |overview| {
        overview["live"]["lines_since_publication"] == 60 && overview["live"]["lag"] == 60
    });
    assert_eq!(anew["live"]["error"], Value::Null, "{anew}");
    assert_eq!(anew["orders"], before["orders"], "nobody has joined them yet");
}

#[test]
fn posted_orders_are_judged_written_once_and_seen() {
    let Some(world) = World::new("serving_post", 300) else { return };
    let _speed = world.speed();
    let server = world.serving(&["--demo"]);
    let order = json!({
        "invoice": "P1", "stock_code": "A", "quantity": 2, "unit_price": 10.5, "customer_id": "NEW1", "country": "Peru",
        "ordered_at": "2026-05-03T09:00:00Z"
    });
    let mut feed = server.stream("/live/orders?customer=NEW1", None);
    let key = [("Idempotency-Key", "first")];
    let first = server.post("/orders", &json!([order]), &key);
    assert_eq!((first.status, &first.json()["accepted"]), (202, &json!(1)), "{}", first.text());
    let again = server.post("/orders", &json!([order]), &key);
    assert_eq!((again.header("idempotency-replayed"), again.json()), ("true", first.json()));
    assert_eq!(server.post("/orders", &order, &key).status, 422);
    let event = feed.next(Duration::from_secs(30)).expect("the order");
    assert_eq!(
        (event.name.as_str(), &event.data["invoice"], &event.data["known"]),
        ("order", &json!("P1"), &json!(false))
    );
    // State and enriched orders are two topics: either may be read first.
    server.until("/customers?prefix=NEW1", "the customer", |found| found["items"][0]["country"] == "Peru");
    let customer = server.api("/customers/NEW1");
    assert_eq!(
        (&customer["known"], &customer["live"], &customer["batch"]),
        (&json!(false), &json!(true), &Value::Null)
    );
    assert_eq!(customer["merged"]["monetary"], 21.0);
    assert_eq!(customer["country"], "Peru");
    assert_eq!(server.api("/customers/NEW1/orders")["items"][0]["live"], true);
    assert_eq!(server.api("/customers?prefix=NEW")["total"], 1);

    let mut bad = order.clone();
    bad["quantity"] = json!(0);
    let refused = server.post("/orders", &json!([order, bad]), &[]);
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["errors"][0]["field"], "[1].quantity");
    let made = server.post("/demo/orders", &json!({"count": 20}), &[]);
    assert_eq!((made.status, &made.json()["accepted"]), (202, &json!(20)), "{}", made.text());
    let whole = world.serving(&[]);
    assert_eq!(whole.post("/demo/orders", &json!({"count": 1}), &[]).status, 404);
}

#[test]
fn a_key_is_done_once_whichever_server_is_asked() {
    let Some(world) = World::new("serving_once", 300) else { return };
    let _speed = world.speed();
    let order = |number: usize| {
        json!({"invoice": format!("K{number}"), "stock_code": "A", "quantity": 1, "unit_price": 1, "customer_id": "ONCE",
            "ordered_at": "2026-05-03T09:00:00Z"})
    };
    let ask = |server: &Server, number: usize| {
        server.post("/orders", &order(number), &[("Idempotency-Key", &format!("request-{number}"))])
    };
    let servers = [world.serving(&[]), world.serving(&[])];
    for number in 0..12 {
        // Of those who ask at the same time one does it, and the others are told what it was answered.
        let answers: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> =
                servers.iter().cycle().take(4).map(|server| scope.spawn(|| ask(server, number))).collect();
            asked.into_iter().map(|asked| asked.join().expect("an answer")).collect()
        });
        let fresh =
            answers.iter().filter(|answer| answer.status == 202 && answer.header("idempotency-replayed").is_empty());
        assert_eq!(fresh.count(), 1, "{number}");
        assert!(answers.iter().all(|answer| answer.status == 202), "{number}");
        let later: Vec<_> = servers.iter().map(|server| ask(server, number)).collect();
        assert!(
            later.iter().all(|answer| answer.header("idempotency-replayed") == "true"),
            "{number}: {}",
            later[1].text()
        );
        assert_eq!(later[0].json(), later[1].json());
    }
    // One that was started again knows what was done before.
    let [first, second] = servers;
    let before = ask(&second, 3).json();
    drop((first, second));
    let third = world.serving(&[]);
    let after = ask(&third, 3);
    assert_eq!((after.header("idempotency-replayed"), after.json()), ("true", before));
    assert_eq!(third.post("/orders", &order(0), &[("Idempotency-Key", "request-3")]).status, 422);
    let whole = third.until("/customers/ONCE", "every order", |customer| customer["merged"]["frequency"] == 12);
    assert_eq!(whole["merged"]["monetary"], 12.0);
}

#[test]
fn every_order_of_a_customer_is_listed_however_many_came_since() {
    const LINES: usize = 12_300;
    let Some(world) = World::new("story", 300) else { return };
    let _speed = world.speed();
    let server = world.serving(&[]);
    world.produce(300..LINES);
    // The last line of a partition is refused: it has no effect to wait for.
    world.produce(LINES + 2..LINES + 3);
    let expected = sums(LINES);
    let invoices: usize = expected.values().map(|(invoices, ..)| invoices.len()).sum();
    server.until("/overview", "every order", |overview| overview["orders"] == invoices);
    // Both are looked at now and then, after the orders themselves.
    server.until("/overview", "the end of the lag", |overview| {
        overview["live"]["lag"] == 0 && overview["live"]["lines_since_publication"] == LINES - 300 + 1
    });
    for (id, (invoices, amount, _)) in expected.iter().step_by(9) {
        let is_whole = |found: &Value| found["total"] == invoices.len();
        let found = server.until(&format!("/customers/{id}/orders?limit=1000"), "every order", is_whole);
        let items = found["items"].as_array().expect("a list");
        let sum: f64 = items.iter().map(|item| item["amount"].as_f64().expect("money")).sum();
        assert_eq!((sum * 1e4).round() as i64, *amount, "{id}");
    }
}
