//! Scores and segments of the shipped rules, by table, by time, and by what happens to orders.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    reason = "a test may panic: that is how it fails"
)]

use std::path::Path;

use rules::{Clock, Customer, Day, Event, EventTime, NextChange, RuleSet, Topic};

const DAY: i64 = 86_400_000;
/// Day 0 of the tests.
const START: i64 = 18_000;

fn shipped() -> RuleSet {
    RuleSet::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("shipped")).expect("the shipped rules are right")
}

fn clock(day: i64) -> Clock {
    Clock { today: Day(START + day), newest_order: Some(Day(START + day)) }
}

fn at(day: i64) -> EventTime {
    EventTime((START + day) * DAY + 3_600_000)
}

fn click(kind: &str, day: i64) -> Event {
    Event::new(at(day), Some(10.0), &["e", kind, "u1", "s1", "p1"], 0)
}

fn order(id: &str, status: &str, price: f64, day: i64) -> Event {
    Event::new(at(day), Some(price), &["e", status, "u1", id], 0)
}

fn points(rules: &RuleSet, customer: &Customer, clock: Clock, name: &str) -> f64 {
    let place = rules.scores.iter().position(|score| score.name == name).unwrap() + rules.features.len();
    customer.standing(rules, clock).values[place]
}

/// Orders and clicks of one customer: orders, of which price, days ago, views, carts.
fn customer(rules: &RuleSet, orders: i64, price: f64, ago: i64, views: i64, carts: i64) -> Customer {
    let mut customer = Customer::default();
    for number in 0..orders {
        let order = order(&format!("o{number}"), "completed", price, -ago);
        customer.apply(rules, Topic::OrderEvents, &order, clock(-ago));
    }
    for (kind, count) in [("view", views), ("cart", carts)] {
        for _ in 0..count {
            customer.apply(rules, Topic::Clickstream, &click(kind, 0), clock(0));
        }
    }
    customer
}

#[test]
fn every_threshold_is_the_one_asked_for() {
    let rules = shipped();
    for (ago, wanted) in [(0, 5), (3, 5), (4, 4), (10, 4), (11, 3), (30, 3), (31, 2), (60, 2), (61, 1), (500, 1)] {
        let customer = customer(&rules, 1, 1.0, ago, 0, 0);
        assert_eq!(points(&rules, &customer, clock(0), "r"), f64::from(wanted), "{ago} days ago");
    }
    for (orders, wanted) in [(0, 1), (1, 1), (2, 2), (4, 2), (5, 3), (7, 3), (8, 4), (14, 4), (15, 5)] {
        let customer = customer(&rules, orders, 1.0, 0, 0, 0);
        assert_eq!(points(&rules, &customer, clock(0), "f"), f64::from(wanted), "{orders} orders");
    }
    for (price, wanted) in [
        (0.0, 1),
        (199.99, 1),
        (200.0, 2),
        (999.9999, 2),
        (1000.0, 3),
        (2499.0, 3),
        (2500.0, 4),
        (4999.0, 4),
        (5000.0, 5),
    ] {
        let customer = customer(&rules, 1, price, 0, 0, 0);
        assert_eq!(points(&rules, &customer, clock(0), "m"), f64::from(wanted), "{price}");
    }
    for (views, wanted) in [(0, 1), (1, 1), (2, 2), (7, 2), (8, 3), (14, 3), (15, 4), (29, 4), (30, 5)] {
        let customer = customer(&rules, 0, 0.0, 0, views, 0);
        assert_eq!(points(&rules, &customer, clock(0), "browse"), f64::from(wanted), "{views} views");
    }
    for (carts, wanted) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (6, 3), (7, 4), (9, 4), (10, 5)] {
        let customer = customer(&rules, 0, 0.0, 0, 0, carts);
        assert_eq!(points(&rules, &customer, clock(0), "intent"), f64::from(wanted), "{carts} carts");
    }
}

#[test]
fn segments_come_in_order() {
    let rules = shipped();
    // orders, price, days ago, views, carts
    let table = [
        ((8, 400.0, 5, 8, 0), "ACTIVE"),
        ((8, 400.0, 5, 7, 0), "AVERAGE_ACTIVE"),
        ((1, 400.0, 5, 50, 0), "NEW"),
        ((0, 0.0, 0, 15, 4), "HIGH_POTENTIAL"),
        ((10, 400.0, 40, 15, 4), "HIGH_POTENTIAL"),
        ((10, 400.0, 40, 14, 4), "DORMANT_HIGH_VALUE"),
        ((10, 400.0, 90, 0, 0), "DORMANT_HIGH_VALUE"),
        ((2, 100.0, 20, 0, 0), "AVERAGE_ACTIVE"),
        ((2, 50.0, 40, 0, 0), "CHURNED"),
        ((0, 0.0, 0, 3, 0), "CHURNED"),
        ((2, 50.0, 20, 0, 0), "OTHER"),
    ];
    for ((orders, price, ago, views, carts), wanted) in table {
        let customer = customer(&rules, orders, price, ago, views, carts);
        let standing = customer.standing(&rules, clock(0));
        assert_eq!(
            standing.segment,
            Some(wanted),
            "{orders} orders of {price}, {ago} days ago, {views} views, {carts} carts"
        );
    }
}

#[test]
fn a_cancelled_order_does_not_count() {
    let rules = shipped();
    let mut customer = Customer::default();
    let mut apply = |event: Event, day| customer.apply(&rules, Topic::OrderEvents, &event, clock(day));
    apply(order("a", "completed", 3000.0, 0), 0);
    apply(order("b", "pending", 3000.0, 20), 20);
    apply(order("b", "completed", 3000.0, 20), 20);
    let spend = |customer: &Customer, day| {
        let standing = customer.standing(&rules, clock(day));
        let place = |name| rules.features.iter().position(|feature| feature.name == name).unwrap();
        ["orders", "spend", "days_since_order"].map(|name| standing.values[place(name)])
    };
    assert_eq!(spend(&customer, 20), [2.0, 6000.0, 0.0]);
    customer.apply(&rules, Topic::OrderEvents, &order("b", "cancelled", 3000.0, 21), clock(21));
    assert_eq!(spend(&customer, 21), [1.0, 3000.0, 21.0]);
    // What was said earlier comes late and changes nothing.
    customer.apply(&rules, Topic::OrderEvents, &order("b", "completed", 3000.0, 20), clock(21));
    assert_eq!(spend(&customer, 21), [1.0, 3000.0, 21.0]);
    // Settled orders count for ever.
    customer.apply(&rules, Topic::OrderEvents, &order("c", "completed", 1.0, 200), clock(200));
    assert_eq!(spend(&customer, 200), [2.0, 3001.0, 0.0]);
}

#[test]
fn time_alone_moves_a_customer_and_every_move_is_foreseen() {
    let rules = shipped();
    let customer = customer(&rules, 8, 400.0, 0, 10, 0);
    let (mut day, mut moves, mut looked) = (0, Vec::new(), 0);
    // Each day has an order of somebody, so that both kinds of time go on together.
    let next = |day| {
        let NextChange { by_time, by_orders } = customer.next_change(&rules, clock(day));
        by_time.into_iter().chain(by_orders).min()
    };
    let mut due = next(0);
    let mut before = customer.standing(&rules, clock(0));
    while day < 120 {
        day += 1;
        let now = customer.standing(&rules, clock(day));
        if due.is_some_and(|due| due <= Day(START + day).start()) {
            looked += 1;
            due = next(day);
        } else {
            let scores = |standing: &rules::Standing<'_>| standing.values[rules.features.len()..].to_vec();
            assert_eq!((scores(&before), before.segment), (scores(&now), now.segment), "unforeseen on day {day}");
        }
        if now.segment != before.segment {
            moves.push((day, now.segment.unwrap()));
        }
        before = now;
    }
    assert_eq!(moves, [(11, "AVERAGE_ACTIVE"), (31, "DORMANT_HIGH_VALUE")]);
    assert!(looked <= 6, "{looked} times");
    assert_eq!(due, None);
}

#[test]
fn state_is_plain_data_and_bounded() {
    let rules = shipped();
    let mut customer = Customer::default();
    for day in 0..1000 {
        for _ in 0..5 {
            customer.apply(&rules, Topic::Clickstream, &click("view", day), clock(day));
            let order = order(&format!("o{day}"), "completed", 1.0, day);
            customer.apply(&rules, Topic::OrderEvents, &order, clock(day));
        }
    }
    let saved = serde_json::to_string(&customer).unwrap();
    assert!(saved.len() < 12_000, "{}", saved.len());
    assert_eq!(serde_json::from_str::<Customer>(&saved).unwrap(), customer);
    assert_eq!(points(&rules, &customer, clock(999), "f"), 5.0);
    let views = customer.standing(&rules, clock(999)).values[0];
    assert_eq!(views, 300.0);
}

#[test]
fn unchanged_features_keep_their_state() {
    let read = |text: &str| RuleSet::read(&[("rules.toml".into(), text.into())]).unwrap();
    let views = "[features.views]\nfrom = \"clickstream\"\nmeasure = \"count\"\nwhere = 'event.type == \"view\"'\n";
    let carts = |over: &str| {
        format!(
            "[features.carts]\nfrom = \"clickstream\"\nmeasure = \"count\"\nwhere = 'event.type == \"cart\"'\n{over}"
        )
    };
    let before = read(&format!("{views}{}", carts("")));
    let mut customer = Customer::default();
    for kind in ["view", "cart"] {
        customer.apply(&before, Topic::Clickstream, &click(kind, 0), clock(0));
    }
    // Another order, another comment, and one of them changed.
    let after = read(&format!("# new\n{}{views}about = \"so\"\n", carts("over = \"7 days\"\n")));
    let difference = after.since(&before);
    assert_eq!((difference.unchanged, difference.changed), (vec!["views".to_owned()], vec!["carts".to_owned()]));
    customer.apply(&after, Topic::Clickstream, &click("view", 1), clock(1));
    assert_eq!(customer.standing(&after, clock(1)).values, [0.0, 2.0]);
}
