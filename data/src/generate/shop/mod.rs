//! A shop's clicks and orders: shoppers who look around, put things into the cart, buy, and stay away.
//!
//! ```text
//! arrivals ─ a session is planned as a whole ─▶ queue by time ─▶ clicks, and what becomes of orders
//! ```
//!
//! The same options give the same events on every machine. Memory follows shoppers and open sessions, never how many events
//! there are.

mod products;
mod shoppers;
#[cfg(test)]
mod tests;

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::chance::{Chance, Purpose};
use crate::time::DAY_MICROS;
use crate::{EventTime, Money};
use products::Shelf;
pub use products::{Band, PRODUCTS, Product};
use shoppers::Shoppers;

/// What follows a look at a product.
const TO_CART: f64 = 0.30;
const TO_PURCHASE: f64 = 0.10;
/// How many of those in the cart are bought.
const CART_TO_PURCHASE: f64 = 0.35;
/// How many orders are completed; the others are cancelled.
const COMPLETED: f64 = 0.90;
/// Looks in a session: geometric with this mean.
const LOOKS: f64 = 4.0;
/// The next look is at the same product again.
const AGAIN: f64 = 0.25;
const CLICKS_OF_SESSION: f64 = LOOKS * (1.0 + TO_CART + TO_PURCHASE + TO_CART * CART_TO_PURCHASE);
/// Between sessions of a shopper, on the average.
const DAYS_BETWEEN: f64 = 15.0;
const DAY_MS: f64 = 86_400_000.0;
/// The end of the past is as busy as what follows it, so that live events begin at their full rate.
const WARM_UP_MS: f64 = 600_000.0;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct ShopOptions {
    pub seed: u64,
    /// How many there are at a time, from 1; who leaves is replaced.
    pub shoppers: u32,
    /// How long the past is.
    pub days: u32,
    /// When it ends.
    pub until: EventTime,
    /// Clicks a second from then on; `None` ends the events there.
    pub rate: Option<f64>,
}

impl ShopOptions {
    /// What things are called: after the end of the past too, so that two runs share nothing.
    #[must_use]
    pub fn names(&self) -> Names {
        Names(format!("{:x}-{:x}", self.seed, self.until.micros() / 1_000))
    }
}

/// Names of events, sessions and orders.
#[derive(Clone, Debug)]
pub struct Names(String);

impl Names {
    #[must_use]
    pub fn event(&self, number: u64) -> String {
        format!("e-{}-{number}", self.0)
    }

    #[must_use]
    pub fn session(&self, number: u64) -> String {
        format!("s-{}-{number}", self.0)
    }

    #[must_use]
    pub fn order(&self, number: u64) -> String {
        format!("o-{}-{number}", self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Click {
    View,
    Cart,
    Purchase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Created,
    Completed,
    Cancelled,
}

impl Click {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Cart => "cart",
            Self::Purchase => "purchase",
        }
    }
}

impl Status {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What happens: a click, or news of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Click { click: Click, session: u64, product: &'static Product },
    Order { order: u64, status: Status },
}

/// Something that happens in the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShopEvent {
    /// In whole milliseconds.
    pub at: EventTime,
    /// Counted from 0, in the order of the times.
    pub number: u64,
    pub user: u32,
    pub price: Money,
    pub what: What,
}

/// Events in the order of their times.
#[derive(Debug)]
pub struct Shop {
    options: ShopOptions,
    chance: Chance,
    shoppers: Shoppers,
    shelf: Shelf,
    planned: BinaryHeap<Reverse<Planned>>,
    /// When the next session begins, in milliseconds since 1970.
    next_session: f64,
    /// How many there were, from here on.
    plans: u64,
    sessions: u64,
    orders: u64,
    events: u64,
}

/// Something to come.
#[derive(Clone, Copy, Debug)]
struct Planned {
    at_ms: i64,
    /// Among those of one moment, what was planned first comes first.
    turn: u64,
    user: u32,
    price: Money,
    what: What,
}

impl Shop {
    #[must_use]
    pub fn new(options: &ShopOptions) -> Self {
        let begin = ms(options.until) - f64::from(options.days) * DAY_MS;
        // Live events begin at once where there is no past.
        let begin = if options.rate.is_some() { begin.min(ms(options.until) - WARM_UP_MS) } else { begin };
        let mut shop = Self {
            options: *options,
            chance: Chance::new(options.seed, Purpose::Shop),
            shoppers: Shoppers::new(options.seed, options.shoppers, begin),
            shelf: Shelf::new(),
            planned: BinaryHeap::new(),
            next_session: begin,
            plans: 0,
            sessions: 0,
            orders: 0,
            events: 0,
        };
        shop.await_session();
        shop
    }

    /// When the events begin; those of the minutes before a live part without a past are left out.
    #[must_use]
    pub fn begin(&self) -> EventTime {
        EventTime::from_micros(self.options.until.micros() - i64::from(self.options.days) * DAY_MICROS)
    }

    /// The gap to the next session, at the rate that holds where the last one began.
    fn await_session(&mut self) {
        let until = ms(self.options.until);
        let past = DAY_MS * DAYS_BETWEEN / f64::from(self.options.shoppers);
        let live = self.options.rate.map(|rate| 1_000.0 * CLICKS_OF_SESSION / rate);
        let gap = match live {
            Some(live) if self.next_session >= until - WARM_UP_MS => live,
            _ => past,
        };
        let next = self.next_session + gap * self.chance.exponential();
        // The warm-up is not slept through.
        let warm = until - WARM_UP_MS;
        self.next_session = if live.is_some() && self.next_session < warm { next.min(warm) } else { next };
    }

    /// Plans a session: what is looked at, put into the cart and bought, and what becomes of the orders.
    fn open_session(&mut self) {
        let (place, user) = self.shoppers.pick(self.next_session, &mut self.chance);
        let session = self.sessions;
        self.sessions += 1;
        let mut at = self.next_session;
        let mut product = self.shelf.pick(&mut self.chance);
        loop {
            self.click(at, user, session, product, Click::View);
            let drawn = self.chance.unit();
            if drawn < TO_CART {
                at += self.gap(8.0);
                self.click(at, user, session, product, Click::Cart);
            }
            if (TO_CART..TO_CART + TO_PURCHASE).contains(&drawn)
                || (drawn < TO_CART && self.chance.happens(CART_TO_PURCHASE))
            {
                at += self.gap(25.0);
                let price = self.click(at, user, session, product, Click::Purchase);
                self.order(at, user, price);
            }
            if !self.chance.happens(1.0 - 1.0 / LOOKS) {
                break self.shoppers.stay(place, at);
            }
            at += self.gap(12.0);
            if !self.chance.happens(AGAIN) {
                product = self.shelf.pick(&mut self.chance);
            }
        }
    }

    /// Milliseconds between two clicks of somebody, whose median is this many seconds.
    fn gap(&mut self, seconds: f64) -> f64 {
        1_000.0 * self.chance.log_normal(seconds, 0.6)
    }

    fn order(&mut self, at: f64, user: u32, price: Money) {
        let order = self.orders;
        self.orders += 1;
        let end = if self.chance.happens(COMPLETED) { Status::Completed } else { Status::Cancelled };
        self.plan(at + 1_000.0, user, price, What::Order { order, status: Status::Created });
        let decided = at + 20_000.0 + 100_000.0 * self.chance.unit();
        self.plan(decided, user, price, What::Order { order, status: end });
    }

    fn click(&mut self, at: f64, user: u32, session: u64, product: &'static Product, click: Click) -> Money {
        let price = product.price(whole_ms(at), self.options.seed);
        self.plan(at, user, price, What::Click { click, session, product });
        price
    }

    fn plan(&mut self, at: f64, user: u32, price: Money, what: What) {
        self.planned.push(Reverse(Planned { at_ms: whole_ms(at), turn: self.plans, user, price, what }));
        self.plans += 1;
    }
}

impl Iterator for Shop {
    type Item = ShopEvent;

    fn next(&mut self) -> Option<ShopEvent> {
        loop {
            while self.planned.peek().is_none_or(|Reverse(next)| next.at_ms >= whole_ms(self.next_session)) {
                let ended = self.options.rate.is_none() && self.next_session >= ms(self.options.until);
                if ended {
                    break;
                }
                self.open_session();
                self.await_session();
            }
            let Reverse(Planned { at_ms, user, price, what, .. }) = self.planned.pop()?;
            let at = EventTime::from_micros(at_ms * 1_000);
            if self.options.rate.is_none() && at >= self.options.until {
                return None;
            }
            if at >= self.begin() {
                self.events += 1;
                return Some(ShopEvent { at, number: self.events - 1, user, price, what });
            }
        }
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.turn).cmp(&(other.at_ms, other.turn))
    }
}

/// Milliseconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
fn ms(at: EventTime) -> f64 {
    (at.micros() / 1_000) as f64
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and no time comes near")]
fn whole_ms(at: f64) -> i64 {
    at as i64
}
