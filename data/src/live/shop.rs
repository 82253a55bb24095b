//! Made-up clicks and news of orders as live messages.

use serde::Serialize;

use super::error::Result;
use super::json::Object;
use super::{Message, Source};
use crate::EventTime;
use crate::generate::shop::{Click, Names, What};
use crate::generate::{Shop, ShopOptions};

/// Places of the two topics among those of the delivery.
const CLICKS: usize = 0;
const ORDERS: usize = 1;

/// A shop's events, keyed by user.
#[derive(Debug)]
pub struct ShopFeed {
    shop: Shop,
    names: Names,
    options: ShopOptions,
    newest: EventTime,
    counts: ShopCounts,
}

/// What was made up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShopCounts {
    pub views: u64,
    pub carts: u64,
    pub purchases: u64,
    /// News of orders.
    pub order_events: u64,
}

impl ShopFeed {
    #[must_use]
    pub fn new(options: &ShopOptions) -> Self {
        let shop = Shop::new(options);
        let newest = shop.begin();
        Self { shop, names: options.names(), options: *options, newest, counts: ShopCounts::default() }
    }

    #[must_use]
    pub const fn counts(&self) -> ShopCounts {
        self.counts
    }
}

impl Source for ShopFeed {
    fn next(&mut self, message: &mut Message) -> Result<bool> {
        let Some(event) = self.shop.next() else { return Ok(false) };
        let user = event.user.to_string();
        let mut object = Object::begin(&mut message.value);
        match event.what {
            What::Click { click, session, product } => {
                message.topic = CLICKS;
                object.quoted("event_id", self.names.event(event.number));
                object.quoted("event_type", click.name());
                object.quoted("user_id", &user);
                object.quoted("user_session", self.names.session(session));
                object.quoted("product_id", product.id);
                object.quoted("product_name", product.name);
                object.quoted("category_code", product.category);
                object.quoted("brand", product.brand);
                object.shown("price", event.price);
                object.quoted("page_url", format_args!("/product/{}", product.id));
                object.quoted("event_time", event.at);
                let count = match click {
                    Click::View => &mut self.counts.views,
                    Click::Cart => &mut self.counts.carts,
                    Click::Purchase => &mut self.counts.purchases,
                };
                *count += 1;
            }
            What::Order { order, status } => {
                message.topic = ORDERS;
                object.quoted("order_id", self.names.order(order));
                object.quoted("user_id", &user);
                object.quoted("event_id", self.names.event(event.number));
                object.quoted("order_status", status.name());
                object.shown("price", event.price);
                object.quoted("order_time", event.at);
                self.counts.order_events += 1;
            }
        }
        object.end();
        message.key.clear();
        message.key.extend_from_slice(user.as_bytes());
        message.ordered_at = Some(event.at);
        self.newest = event.at;
        Ok(true)
    }

    #[expect(clippy::cast_precision_loss, reason = "for a progress bar")]
    fn share(&self) -> Option<f64> {
        let (begin, end) = (self.shop.begin().micros(), self.options.until.micros());
        let done = (self.newest.micros() - begin) as f64 / (end - begin).max(1) as f64;
        self.options.rate.is_none().then_some(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_events_as_the_topics_have_them() {
        let until = EventTime::from_micros(1_790_000_000_000_000);
        let options = ShopOptions { seed: 1, shoppers: 100, days: 30, until, rate: None };
        let mut feed = ShopFeed::new(&options);
        let mut message = Message::default();
        let mut ids = std::collections::HashSet::new();
        while feed.next(&mut message).expect("made up") {
            let value: serde_json::Value = serde_json::from_slice(&message.value).expect("json");
            let (time, fields) = [("event_time", 11), ("order_time", 6)][message.topic];
            assert_eq!(value[time].as_str(), message.ordered_at.map(|at| at.to_string()).as_deref());
            assert_eq!(value["user_id"].as_str().expect("an id").as_bytes(), message.key);
            assert!(
                value["price"].is_number() && value.as_object().map(|object| object.len()) == Some(fields),
                "{value}"
            );
            assert!(ids.insert(value["event_id"].to_string()));
        }
        let ShopCounts { views, carts, purchases, order_events } = feed.counts();
        assert_eq!(ids.len() as u64, views + carts + purchases + order_events);
        assert!(views > carts && carts > 0 && order_events > purchases, "{:?}", feed.counts());
        assert!(feed.share().is_some_and(|share| share > 0.99));
    }
}
