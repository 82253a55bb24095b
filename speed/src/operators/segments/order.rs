//! An order line as the topic spells it, read by the rules of the lake (L-3).

use std::borrow::Cow;

use data::numbers::DecimalMark;
use data::order::Wire;
use data::{DateFormat, EventTime, Money, Reason, Rules, cleaning};

use crate::frame::{Decoded, Refusal};

/// An accepted order line.
#[derive(Debug)]
pub struct Order<'r> {
    pub invoice: Cow<'r, str>,
    pub stock_code: Cow<'r, str>,
    pub description: Cow<'r, str>,
    pub country: Cow<'r, str>,
    /// Pieces; negative only for a netted cancellation.
    pub quantity: i64,
    pub unit_price: Money,
    pub amount: Money,
}

/// How the lines of a topic are judged and read.
#[derive(Clone, Debug)]
pub struct Reading {
    pub rules: Rules,
    pub dates: DateFormat,
}

/// Reads and judges the order line in `value`, which Kafka got at `received`.
///
/// # Errors
/// `malformed` with what is wrong, or the reason for which batch would reject the line.
pub fn decode<'r>(
    value: Option<&'r [u8]>,
    received: EventTime,
    reading: &Reading,
) -> Result<Decoded<'r, Order<'r>>, Refusal> {
    let refusal = |reason: Reason, detail: String| Refusal { reason: reason.name(), detail };
    let value = value.ok_or_else(|| refusal(Reason::Malformed, "the record has no value".to_owned()))?;
    let wire = Wire::read(value).map_err(|(reason, detail)| refusal(reason, detail))?;
    let ordered_at: Option<EventTime> = reading.dates.parse(wire.date.0.as_bytes());
    let line = reading
        .rules
        .clean(&wire.raw(), ordered_at, DecimalMark::Point, cleaning::latest_date(received))
        .map_err(|reason| refusal(reason, wire.detail(reason, &reading.dates)))?;
    let (quantity, unit_price, amount, at) = (line.quantity, line.unit_price, line.amount, line.ordered_at);
    let order = Order {
        quantity,
        unit_price,
        amount,
        invoice: within(wire.invoice.0, <[u8]>::trim_ascii),
        stock_code: within(wire.stock_code.0, <[u8]>::trim_ascii),
        description: wire.description.0,
        country: wire.country.0,
    };
    let key = within(wire.customer_id.0, |id| cleaning::customer_id(id).unwrap_or_default());
    Ok(Decoded { key, at, event: order })
}

/// The part of `text` that `part` chooses, without copying where it need not.
fn within<'r>(text: Cow<'r, str>, part: impl for<'a> Fn(&'a [u8]) -> &'a [u8]) -> Cow<'r, str> {
    let chosen = |text: &[u8]| part(text).len();
    match text {
        Cow::Borrowed(text) if chosen(text.as_bytes()) == text.len() => Cow::Borrowed(text),
        Cow::Borrowed(text) => Cow::Borrowed(std::str::from_utf8(part(text.as_bytes())).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(String::from_utf8_lossy(part(text.as_bytes())).into_owned()),
    }
}
