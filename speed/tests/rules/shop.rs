//! A small shop: what its customers do, seeded.

use rules::{EventTime, Topic};
use serde_json::json;

/// How far records are out of order, at most.
pub const JITTER_MS: i64 = 10_000;

/// A small generator of numbers (splitmix64).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).expect("small")]
    }
}

/// A record.
#[derive(Clone, Debug)]
pub struct Happened {
    pub topic: Topic,
    pub user: String,
    pub json: String,
}

/// Clicks and orders over some weeks, slightly out of order, and long quiet behind them.
pub fn happenings(seed: u64, count: usize) -> Vec<Happened> {
    let mut chance = Chance::new(seed);
    let mut at: i64 = 1_700_000_000_000;
    let mut timed: Vec<(i64, Happened)> = Vec::new();
    for number in 0..count {
        at += match chance.below(12) {
            0 => 40_000_000,
            1..4 => 1_500_000,
            _ => i64::try_from(chance.below(200_000)).expect("small"),
        };
        timed.push((at, happening(&mut chance, number, at)));
    }
    // Who comes first within the jitter is by chance.
    let mut order: Vec<(i64, usize)> = timed
        .iter()
        .enumerate()
        .map(|(place, (at, _))| (at + i64::try_from(chance.below(9_000)).expect("small"), place))
        .collect();
    order.sort_unstable();
    let mut happened: Vec<Happened> = order.into_iter().map(|(_, place)| timed[place].1.clone()).collect();
    // Somebody in each shard comes back long after, so that every window closes.
    for number in 0..64 {
        let late = at + 86_400_000 + number;
        let user = format!("late{number}");
        let id = format!("late{number}");
        happened.push(click(&user, "other", "p0", &id, "sx", late));
    }
    happened
}

fn happening(chance: &mut Chance, number: usize, at: i64) -> Happened {
    let user = format!("u{}", chance.below(7));
    let id = format!("e{number}");
    if chance.below(6) == 0 {
        let status = chance.one_of(&["completed", "completed", "completed", "cancelled", "pending"]);
        let order = format!("o{}-{user}", chance.below(4));
        let (price, time) = (chance.below(9) * 20, EventTime(at).show());
        let json = json!({"order_id": order, "user_id": user, "event_id": id, "order_status": status, "price": price, "order_time": time});
        return Happened { topic: Topic::OrderEvents, user, json: json.to_string() };
    }
    let kind = chance.one_of(&["view", "view", "view", "cart", "purchase"]);
    let product = format!("p{}", chance.below(3));
    let session = format!("{user}-s{}", chance.below(2));
    click(&user, kind, &product, &id, &session, at)
}

fn click(user: &str, kind: &str, product: &str, id: &str, session: &str, at: i64) -> Happened {
    let json = json!({
        "event_id": id, "event_type": kind, "user_id": user, "user_session": session, "product_id": product,
        "price": 10.5, "event_time": EventTime(at).show(),
    });
    Happened { topic: Topic::Clickstream, user: user.to_owned(), json: json.to_string() }
}
