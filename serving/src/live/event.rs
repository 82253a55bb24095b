//! Records of the topics, as the API gives them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
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
    /// When it was joined.
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
    /// When it is true: for `time` and `publication` the reference time, which is a midnight to come.
    pub at: String,
    /// When it was noticed.
    pub received_at: String,
    pub publication: i64,
}

/// A customer whom rules put elsewhere.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RuleChange {
    pub customer_id: String,
    /// `null` for a customer who is new to the rules, or whom none fitted.
    pub from: Option<String>,
    /// `null` when none fits.
    pub to: Option<String>,
    /// `rule`: by an event or by other rules; `time`: by time alone.
    pub reason: String,
    pub at: String,
}

/// A record of `segment-changes`.
#[derive(Clone, Debug)]
pub enum Changed {
    Segment(Change),
    Rule(RuleChange),
}

#[derive(Deserialize)]
struct WireChange {
    customer_id: String,
    from: Option<WireSegment>,
    to: Option<WireSegment>,
    reason: String,
    at: String,
    /// Rules are none of a publication's.
    publication: Option<i64>,
}

#[derive(Deserialize)]
struct WireSegment {
    segment_id: Option<u32>,
    segment_name: Option<String>,
}

impl Changed {
    /// Reads a record of `segment-changes`.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(value: &[u8], received_at: String) -> Result<Self, serde_json::Error> {
        let WireChange { customer_id, from, to, reason, at, publication } = serde_json::from_slice(value)?;
        let id = |segment: &Option<WireSegment>| segment.as_ref().and_then(|segment| segment.segment_id);
        let ids = (id(&from), id(&to));
        let [from_name, to_name] = [from, to].map(|segment| segment.and_then(|segment| segment.segment_name));
        let Some(publication) = publication else {
            return Ok(Self::Rule(RuleChange { customer_id, from: from_name, to: to_name, reason, at }));
        };
        let (from, to) = ids;
        Ok(Self::Segment(Change { customer_id, from, to, from_name, to_name, reason, at, received_at, publication }))
    }
}

/// A match of a pattern.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Alert {
    pub id: String,
    pub pattern: String,
    pub alert_type: String,
    /// `match` or `timeout`.
    pub kind: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// The first of `customer_ids`.
    pub customer_id: String,
    /// Whose events match, in their order: several where the pattern looks at what customers share, such as `product_id`.
    pub customer_ids: Vec<String>,
    /// The field by which the pattern looks at events, such as `user_id` or `user_session`, and its value.
    pub key_field: String,
    pub key: String,
    /// When the events that match happened.
    pub at: String,
    /// When the alert was made.
    pub time: String,
    pub summary: String,
    /// With the name of the stage that took each.
    #[schema(value_type = Vec<Object>)]
    pub events: Box<RawValue>,
}

/// What an alert holds beside its text.
#[derive(Deserialize)]
struct WireAlert<'r> {
    id: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    time: String,
    #[serde(borrow)]
    data: WireMatch<'r>,
}

#[derive(Deserialize)]
struct WireMatch<'r> {
    #[serde(default)]
    pattern: String,
    alert_type: Option<String>,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    about: String,
    #[serde(default)]
    key_field: String,
    key: Option<String>,
    at: Option<String>,
    #[serde(borrow)]
    events: Option<&'r RawValue>,
}

#[derive(Deserialize)]
struct OfUser {
    user_id: Option<String>,
}

impl Alert {
    /// Whether events of this customer are among those that match; of any, where none is asked for.
    #[must_use]
    pub fn is_of(&self, customer: Option<&str>) -> bool {
        customer.is_none_or(|customer| self.customer_ids.iter().any(|own| own == customer))
    }

    /// Reads a CloudEvent of `alerts`; what it lacks stays empty.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(record_key: &str, value: &[u8]) -> Result<Self, serde_json::Error> {
        let WireAlert { id, kind, time, data } = serde_json::from_slice(value)?;
        let events = data.events.map_or_else(|| RawValue::from_string("[]".to_owned()), |own| Ok(own.to_owned()))?;
        let key = data.key.unwrap_or_else(|| record_key.to_owned());
        let users: Vec<OfUser> = serde_json::from_str(events.get()).unwrap_or_default();
        let mut customer_ids: Vec<String> = Vec::new();
        for user in users.into_iter().filter_map(|event| event.user_id) {
            if !user.is_empty() && !customer_ids.contains(&user) {
                customer_ids.push(user);
            }
        }
        if customer_ids.is_empty() {
            customer_ids.push(if record_key.is_empty() { &key } else { record_key }.to_owned());
        }
        let customer_id = customer_ids.first().cloned().unwrap_or_default();
        Ok(Self {
            id,
            pattern: data.pattern,
            alert_type: data.alert_type.unwrap_or(kind),
            kind: data.kind,
            severity: data.severity,
            customer_id,
            customer_ids,
            key_field: data.key_field,
            key,
            at: data.at.unwrap_or_else(|| time.clone()),
            time,
            summary: data.about,
            events,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_by_rules_are_told_from_those_of_the_model() {
        let read = |text: &str| Changed::read(text.as_bytes(), String::new()).expect("a change");
        let of_model = r#"{"customer_id":"1","from":null,"to":{"segment_id":2,"segment_name":"VIP"},"reason":"order",
            "at":"2026-01-01T00:00:00Z","publication":7}"#;
        assert!(matches!(read(of_model), Changed::Segment(change) if change.to == Some(2) && change.publication == 7));
        let of_rules = r#"{"customer_id":"1","from":{"segment_id":null,"segment_name":"NEW"},"to":null,"reason":"time",
            "at":"2026-01-01T00:00:00Z","publication":null}"#;
        assert!(
            matches!(read(of_rules), Changed::Rule(change) if change.from.as_deref() == Some("NEW") && change.to.is_none())
        );
    }

    #[test]
    fn an_alert_over_a_session_is_its_users() {
        let text = r#"{"id":"a","type":"clientele.alert.x","time":"2026-01-01T00:00:00Z","data":{"pattern":"p",
            "alert_type":"X","kind":"match","severity":"info","about":"Looks","key_field":"user_session","key":"s1",
            "events":[{"stage":"view","user_id":"u7","price":1.5}]}}"#;
        let alert = Alert::read("u7", text.as_bytes()).expect("an alert");
        assert_eq!((alert.customer_id.as_str(), alert.key.as_str(), alert.summary.as_str()), ("u7", "s1", "Looks"));
        assert_eq!(alert.events.get(), r#"[{"stage":"view","user_id":"u7","price":1.5}]"#);
        assert!(Alert::read("u7", b"[]").is_err());
    }

    #[test]
    fn an_alert_over_what_customers_share_is_of_all_of_them() {
        let text = r#"{"id":"a","data":{"key_field":"product_id","key":"p1",
            "events":[{"user_id":"u7"},{"user_id":"u9"},{"user_id":"u7"}]}}"#;
        let alert = Alert::read("product_id=p1", text.as_bytes()).expect("an alert");
        assert_eq!(
            (alert.customer_id.as_str(), alert.customer_ids.as_slice()),
            ("u7", &["u7".to_owned(), "u9".to_owned()][..])
        );
        assert_eq!(["u7", "u9", "u8"].map(|id| alert.is_of(Some(id))), [true, true, false]);
        assert!(alert.is_of(None));
    }
}
