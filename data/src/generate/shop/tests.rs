use std::collections::{HashMap, HashSet};

use super::*;

fn options() -> ShopOptions {
    let until = EventTime::from_micros(1_790_000_000_000_000);
    ShopOptions { seed: 1, shoppers: 2_000, days: 90, until, rate: None }
}

fn of(events: &[ShopEvent], wanted: impl Fn(&ShopEvent) -> bool) -> f64 {
    f64::from(u32::try_from(events.iter().filter(|event| wanted(event)).count()).expect("few"))
}

const fn click(event: &ShopEvent, wanted: Click) -> bool {
    matches!((event.what, wanted), (What::Click { click: Click::View, .. }, Click::View))
        || matches!((event.what, wanted), (What::Click { click: Click::Cart, .. }, Click::Cart))
        || matches!((event.what, wanted), (What::Click { click: Click::Purchase, .. }, Click::Purchase))
}

#[test]
fn shares_are_those_that_are_promised() {
    let events: Vec<ShopEvent> = Shop::new(&options()).collect();
    let [views, carts, purchases] =
        [Click::View, Click::Cart, Click::Purchase].map(|wanted| of(&events, |event| click(event, wanted)));
    assert!(views > 30_000.0, "{views} views");
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 0.012, "{found} instead of {wanted}");
    near(carts / views, 0.30);
    // Straight away, or out of the cart.
    near(purchases / views, 0.10 + 0.30 * 0.35);
    for (band, looks) in [(Band::Low, 0.80), (Band::Middle, 0.18), (Band::High, 0.02)] {
        let looked = of(
            &events,
            |event| matches!(event.what, What::Click { click: Click::View, product, .. } if product.band == band),
        );
        near(looked / views, looks);
    }
    let status = |wanted| of(&events, |event| matches!(event.what, What::Order { status, .. } if status == wanted));
    let (completed, cancelled) = (status(Status::Completed), status(Status::Cancelled));
    near(completed / (completed + cancelled), 0.90);
    let products: HashSet<&str> = events
        .iter()
        .filter_map(|event| match event.what {
            What::Click { product, .. } => Some(product.id),
            What::Order { .. } => None,
        })
        .collect();
    assert_eq!(products.len(), 23);
}

#[test]
fn a_purchase_is_an_order_and_every_order_ends_once() {
    let events: Vec<ShopEvent> = Shop::new(&options()).collect();
    let mut bought: HashMap<u32, Vec<Money>> = HashMap::new();
    let mut orders: HashMap<u64, Vec<(Status, u32, Money)>> = HashMap::new();
    for event in &events {
        match event.what {
            What::Click { click: Click::Purchase, .. } => bought.entry(event.user).or_default().push(event.price),
            What::Click { .. } => {}
            What::Order { order, status } => orders.entry(order).or_default().push((status, event.user, event.price)),
        }
    }
    let open = orders.values().filter(|news| news.len() == 1).count();
    assert!(open < 20, "{open} orders of the last two minutes are undecided");
    for news in orders.values() {
        let (first, user, price) = news[0];
        assert_eq!(first, Status::Created);
        assert!(news.len() <= 2 && news[1..].iter().all(|(end, ..)| *end != Status::Created));
        assert!(news.iter().all(|(_, whose, worth)| (*whose, *worth) == (user, price)));
        assert!(bought[&user].contains(&price));
    }
}

#[test]
fn the_past_is_in_order_and_as_long_as_it_was_asked_for() {
    let events: Vec<ShopEvent> = Shop::new(&options()).collect();
    assert!(events.is_sorted_by_key(|event| event.at));
    assert!(events.iter().enumerate().all(|(place, event)| event.number == place as u64));
    let (first, last) = (events[0].at, events[events.len() - 1].at);
    let begin = Shop::new(&options()).begin();
    assert!(first >= begin && first.micros() < begin.micros() + DAY_MICROS);
    assert!(last < options().until && last.micros() > options().until.micros() - DAY_MICROS);
    let users: HashSet<u32> = events.iter().map(|event| event.user).collect();
    assert!((2_200..3_500).contains(&users.len()), "{} shoppers, those who left among them", users.len());
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let draw = |options: &ShopOptions| Shop::new(options).take(20_000).collect::<Vec<_>>();
    assert_eq!(draw(&options()), draw(&options()));
    assert_ne!(draw(&options()), draw(&ShopOptions { seed: 2, ..options() }));
}

#[test]
fn live_events_come_at_their_rate_from_the_first_second_on() {
    let live = ShopOptions { days: 0, rate: Some(50.0), ..options() };
    let until = |seconds: i64| EventTime::from_micros(live.until.micros() + seconds * 1_000_000);
    let events: Vec<ShopEvent> = Shop::new(&live).take_while(|event| event.at < until(600)).collect();
    assert!(events[0].at >= live.until);
    let clicks = |from: i64, to: i64| {
        of(&events, |event| event.at >= until(from) && event.at < until(to) && matches!(event.what, What::Click { .. }))
    };
    let (soon, later) = (clicks(0, 60) / 60.0, clicks(0, 600) / 600.0);
    assert!((40.0..60.0).contains(&soon) && (46.0..54.0).contains(&later), "{soon} and {later} clicks a second");
}

#[test]
fn memory_follows_open_sessions() {
    let mut shop = Shop::new(&ShopOptions { rate: Some(100.0), ..options() });
    let most = (0..300_000).map(|_| {
        shop.next();
        shop.planned.len()
    });
    assert!(most.max() < Some(60_000));
}
