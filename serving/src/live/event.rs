//! Records of the topics, as the API gives them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An order line with its customer's segment, as of that line.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LiveOrder)]
pub struct Order {
    pub invoice: String,
    pub stock_code: String,
    pub description: String,
    pub quantity: i64,
    pub unit_price: f64,
    pub amount: f64,
    pub customer_id: String,
    pub country: String,
    pub ordered_at: String,
    pub segment_id: Option<u32>,
    pub segment_name: Option<String>,
    pub batch_segment_id: Option<u32>,
    pub batch_segment_name: Option<String>,
    /// Whether the publication has the customer.
    pub known: bool,
    pub publication: i64,
    /// When this process took it in.
    pub received_at: String,
    /// Where it lies in the topic `orders`.
    #[serde(skip)]
    pub source: Option<(u32, i64)>,
}

#[derive(Deserialize)]
struct WireOrder {
    invoice: String,
    #[serde(default)]
    stock_code: String,
    #[serde(default)]
    description: String,
    quantity: i64,
    unit_price: f64,
    amount: f64,
    customer_id: String,
    #[serde(default)]
    country: String,
    ordered_at: String,
    customer: WireCustomer,
    publication: i64,
    source: Option<WireSource>,
}

#[derive(Deserialize)]
struct WireCustomer {
    known: bool,
    segment_id: Option<u32>,
    segment_name: Option<String>,
    batch_segment_id: Option<u32>,
    batch_segment_name: Option<String>,
}

#[derive(Deserialize)]
struct WireSource {
    partition: u32,
    offset: i64,
}

impl Order {
    /// Reads a record of `orders-enriched`.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(value: &[u8], received_at: String) -> Result<Self, serde_json::Error> {
        let wire: WireOrder = serde_json::from_slice(value)?;
        let customer = wire.customer;
        Ok(Self {
            invoice: wire.invoice,
            stock_code: wire.stock_code,
            description: wire.description,
            quantity: wire.quantity,
            unit_price: wire.unit_price,
            amount: wire.amount,
            customer_id: wire.customer_id,
            country: wire.country,
            ordered_at: wire.ordered_at,
            segment_id: customer.segment_id,
            segment_name: customer.segment_name,
            batch_segment_id: customer.batch_segment_id,
            batch_segment_name: customer.batch_segment_name,
            known: customer.known,
            publication: wire.publication,
            received_at,
            source: wire.source.map(|source| (source.partition, source.offset)),
        })
    }
}

/// A customer whose segment changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SegmentChange)]
pub struct Change {
    pub customer_id: String,
    pub from: Option<u32>,
    pub to: Option<u32>,
    pub from_name: Option<String>,
    pub to_name: Option<String>,
    /// `order`, `publication` or `time`.
    pub reason: String,
    pub at: String,
    pub publication: i64,
}

#[derive(Deserialize)]
struct WireChange {
    customer_id: String,
    from: Option<WireSegment>,
    to: Option<WireSegment>,
    reason: String,
    at: String,
    publication: i64,
}

#[derive(Deserialize)]
struct WireSegment {
    segment_id: u32,
    segment_name: Option<String>,
}

impl Change {
    /// Reads a record of `segment-changes`.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(value: &[u8]) -> Result<Self, serde_json::Error> {
        let wire: WireChange = serde_json::from_slice(value)?;
        let id = |segment: &Option<WireSegment>| segment.as_ref().map(|segment| segment.segment_id);
        Ok(Self {
            from: id(&wire.from),
            to: id(&wire.to),
            from_name: wire.from.and_then(|segment| segment.segment_name),
            to_name: wire.to.and_then(|segment| segment.segment_name),
            customer_id: wire.customer_id,
            reason: wire.reason,
            at: wire.at,
            publication: wire.publication,
        })
    }
}

/// A match of a pattern.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Alert {
    pub id: String,
    pub pattern: String,
    pub alert_type: String,
    pub kind: String,
    pub severity: String,
    pub customer_id: String,
    /// When the events that match happened.
    pub at: String,
    /// When the alert was made.
    pub time: String,
    pub summary: String,
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Value>,
}

impl Alert {
    /// Reads a CloudEvent of `alerts`; what it lacks stays empty.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn read(key: &str, value: &[u8]) -> Result<Self, serde_json::Error> {
        let event: serde_json::Map<String, Value> = serde_json::from_slice(value)?;
        let data = event.get("data");
        let text = |name: &str| {
            let found = data.and_then(|data| data.get(name)).or_else(|| event.get(name));
            found.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let or = |one: String, other: String| if one.is_empty() { other } else { one };
        let events = data.and_then(|data| data.get("events")).and_then(Value::as_array);
        Ok(Self {
            id: event.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            pattern: text("pattern"),
            alert_type: or(text("alert_type"), text("type")),
            kind: text("kind"),
            severity: text("severity"),
            customer_id: or(text("customer_id"), or(text("key"), key.to_owned())),
            at: or(text("at"), text("time")),
            time: text("time"),
            summary: text("summary"),
            events: events.cloned().unwrap_or_default(),
        })
    }
}
