//! An order line as the topic spells it, read by the rules of the lake (L-3).

use std::borrow::Cow;

use data::numbers::DecimalMark;
use data::{DateFormat, EventTime, Money, RawLine, Reason, Rules, cleaning};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

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

#[derive(Deserialize)]
struct Wire<'r> {
    #[serde(borrow, default, rename = "InvoiceNo", alias = "Invoice", alias = "invoice", alias = "invoice_no")]
    invoice: Scalar<'r>,
    #[serde(borrow, default, rename = "StockCode", alias = "stock_code")]
    stock_code: Scalar<'r>,
    #[serde(borrow, default, rename = "Description", alias = "description")]
    description: Scalar<'r>,
    #[serde(borrow, default, rename = "Quantity", alias = "quantity")]
    quantity: Scalar<'r>,
    #[serde(borrow, default, rename = "InvoiceDate", alias = "invoice_date", alias = "ordered_at")]
    date: Scalar<'r>,
    #[serde(borrow, default, rename = "UnitPrice", alias = "Price", alias = "unit_price", alias = "price")]
    unit_price: Scalar<'r>,
    #[serde(borrow, default, rename = "CustomerID", alias = "Customer ID", alias = "customer_id")]
    customer_id: Scalar<'r>,
    #[serde(borrow, default, rename = "Country", alias = "country")]
    country: Scalar<'r>,
}

/// A string's content, or a number's digits as they are spelled; empty for null.
#[derive(Default)]
struct Scalar<'r>(Cow<'r, str>);

impl<'de: 'r, 'r> Deserialize<'de> for Scalar<'r> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        let text = match raw.as_bytes() {
            [b'"', inner @ .., b'"'] => {
                if inner.contains(&b'\\') {
                    Cow::Owned(serde_json::from_str(raw).map_err(D::Error::custom)?)
                } else {
                    Cow::Borrowed(raw.get(1..raw.len() - 1).unwrap_or_default())
                }
            }
            [b'0'..=b'9' | b'-', ..] => Cow::Borrowed(raw),
            b"null" => Cow::Borrowed(""),
            _ => return Err(D::Error::custom("a text or a number is wanted, not a list, an object, true or false")),
        };
        Ok(Self(text))
    }
}

/// Reads and judges the order line in `value`.
///
/// # Errors
/// `malformed` with what is wrong, or the reason for which batch would reject the line.
pub fn decode<'r>(value: Option<&'r [u8]>, reading: &Reading) -> Result<Decoded<'r, Order<'r>>, Refusal> {
    let refusal = |reason: Reason, detail: String| Refusal { reason: reason.name(), detail };
    let value = value.ok_or_else(|| refusal(Reason::Malformed, "the record has no value".to_owned()))?;
    let text = std::str::from_utf8(value).map_err(|error| refusal(Reason::BadEncoding, error.to_string()))?;
    // A list would be taken for the fields in their order.
    if text.trim_ascii_start().as_bytes().first().is_some_and(|first| *first != b'{') {
        return Err(refusal(Reason::Malformed, "an object is wanted, with the fields of an order line".to_owned()));
    }
    let wire: Wire<'r> = serde_json::from_str(text).map_err(|error| refusal(Reason::Malformed, error.to_string()))?;
    let raw = RawLine {
        invoice: wire.invoice.0.as_bytes(),
        stock_code: wire.stock_code.0.as_bytes(),
        quantity: wire.quantity.0.as_bytes(),
        unit_price: wire.unit_price.0.as_bytes(),
        customer_id: wire.customer_id.0.as_bytes(),
    };
    let ordered_at: Option<EventTime> = reading.dates.parse(wire.date.0.as_bytes());
    let line = reading.rules.clean(&raw, ordered_at, DecimalMark::Point).map_err(|reason| {
        let detail = match reason {
            Reason::BadDate => format!("InvoiceDate {:?}, read as {}", wire.date.0, reading.dates),
            Reason::BadQuantity => format!("Quantity {:?}", wire.quantity.0),
            Reason::BadPrice => format!("UnitPrice {:?}", wire.unit_price.0),
            _ => String::new(),
        };
        refusal(reason, detail)
    })?;
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
