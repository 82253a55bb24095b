//! The values of `orders-enriched` and `segment-changes`.

use data::merge::Totals;
use data::model::Segment;
use data::{EventTime, Money};

use super::order::Order;
use super::view::View;
use crate::frame::{Decoded, Origin};
use crate::json::{Object, write_integer, write_text};

/// What is known of an order's customer once the order is counted.
#[derive(Debug)]
pub struct Live<'v> {
    /// Whether the publication has the customer.
    pub known: bool,
    pub totals: Totals,
    pub segment: Option<&'v Segment>,
    pub batch_segment: Option<&'v Segment>,
}

pub fn write_enriched(
    out: &mut Vec<u8>,
    order: &Decoded<'_, Order<'_>>,
    live: &Live<'_>,
    view: &View,
    topic: &str,
    origin: &Origin,
) {
    let Decoded { key, at, event } = order;
    let mut object = Object::begin(out);
    object.text("invoice", &event.invoice).text("stock_code", &event.stock_code);
    object.text("description", &event.description).integer("quantity", event.quantity);
    object.money("unit_price", event.unit_price).money("amount", event.amount);
    object.text("customer_id", key).text("country", &event.country).time("ordered_at", *at);
    object.value("customer", |out| write_customer(out, live, view.reference));
    object.integer("publication", view.base.publication);
    object.value("source", |out| {
        let mut source = Object::begin(out);
        source.text("topic", topic).integer("partition", origin.at.partition).integer("offset", origin.offset);
        source.end();
    });
    object.end();
}

fn write_customer(out: &mut Vec<u8>, live: &Live<'_>, reference: EventTime) {
    let Totals { frequency, monetary, span } = live.totals;
    let mut customer = Object::begin(out);
    customer.flag("known", live.known);
    customer.or_null("recency_days", span, |out, span| write_integer(out, span.last.days_before(reference)));
    customer.integer("frequency", frequency).money("monetary", monetary);
    for (id, name, segment) in
        [("segment_id", "segment_name", live.segment), ("batch_segment_id", "batch_segment_name", live.batch_segment)]
    {
        customer.or_null(id, segment, |out, segment| write_integer(out, segment.id));
        customer.or_null(name, segment, |out, segment: &Segment| write_text(out, &segment.name));
    }
    customer.end();
}

/// Why a customer's segment is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    Order,
    Publication,
    Time,
}

impl Cause {
    const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Publication => "publication",
            Self::Time => "time",
        }
    }
}

/// A customer's segment before and after; names are missing where a model no longer has the segment.
#[derive(Clone, Copy, Debug)]
pub struct Moved<'v> {
    pub from: Option<(u32, Option<&'v str>)>,
    pub to: Option<&'v Segment>,
    pub cause: Cause,
    pub at: EventTime,
}

pub fn write_change(out: &mut Vec<u8>, customer_id: &str, moved: &Moved<'_>, publication: i64) {
    let mut object = Object::begin(out);
    object.text("customer_id", customer_id);
    object.or_null("from", moved.from, |out, (id, name)| write_segment(out, id, name));
    object.or_null("to", moved.to, |out, segment| write_segment(out, segment.id, Some(&segment.name)));
    object.text("reason", moved.cause.name()).time("at", moved.at).integer("publication", publication);
    object.end();
}

fn write_segment(out: &mut Vec<u8>, id: u32, name: Option<&str>) {
    let mut segment = Object::begin(out);
    segment.integer("segment_id", id).or_null("segment_name", name, write_text);
    segment.end();
}

/// Whether a line is a purchase; a netted cancellation is none.
pub fn is_purchase(amount: Money) -> bool {
    amount > Money::ZERO
}
