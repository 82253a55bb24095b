//! The topics by their default names; configuration can rename each.

/// Live order lines, keyed by customer id.
pub const ORDERS: &str = "orders";
/// `orders` keyed anew, where the original is keyed otherwise.
pub const ORDERS_BY_CUSTOMER: &str = "orders-by-customer";
/// Order lines with what is known of their customer.
pub const ORDERS_ENRICHED: &str = "orders-enriched";
/// The newest state of each customer; compacted.
pub const CUSTOMER_STATE: &str = "customer-state";
pub const SEGMENT_CHANGES: &str = "segment-changes";
/// Events of a shop's pages.
pub const CLICKSTREAM: &str = "clickstream";
/// `clickstream` keyed by user, where the original is keyed otherwise.
pub const CLICKSTREAM_BY_USER: &str = "clickstream-by-user";
/// Clicks by the fields, other than their user, whose patterns want them.
pub const CLICKSTREAM_BY_FIELD: &str = "clickstream-by-field";
/// Orders of the shop and what becomes of them.
pub const ORDER_EVENTS: &str = "order-events";
/// `order-events` keyed by user, where the original is keyed otherwise.
pub const ORDER_EVENTS_BY_USER: &str = "order-events-by-user";
/// What rules remember of each customer; compacted.
pub const RULE_STATE: &str = "rule-state";
/// What patterns remember of each user; compacted.
pub const ALERT_STATE: &str = "alert-state";
/// What patterns remember of the values of other fields; compacted.
pub const ALERT_STATE_BY_FIELD: &str = "alert-state-by-field";
/// Matches of patterns, as CloudEvents.
pub const ALERTS: &str = "alerts";
/// Alerts that a webhook could not be told.
pub const WEBHOOKS_DLQ: &str = "webhooks-dlq";
/// Segments that rules define.
pub const RULE_SEGMENTS: &str = "rule-segments";
/// Which rules are in force in each process, and which files were refused; compacted.
pub const RULE_STATUS: &str = "rule-status";

/// Which `Idempotency-Key`s were used, and what was answered.
pub const ORDER_REQUESTS: &str = "order-requests";

pub const ALL: [&str; 18] = [
    ORDERS,
    ORDERS_BY_CUSTOMER,
    ORDERS_ENRICHED,
    CUSTOMER_STATE,
    SEGMENT_CHANGES,
    CLICKSTREAM,
    CLICKSTREAM_BY_USER,
    CLICKSTREAM_BY_FIELD,
    ORDER_EVENTS,
    ORDER_EVENTS_BY_USER,
    RULE_STATE,
    ALERT_STATE,
    ALERT_STATE_BY_FIELD,
    ALERTS,
    WEBHOOKS_DLQ,
    RULE_SEGMENTS,
    RULE_STATUS,
    ORDER_REQUESTS,
];

/// Where goes what could not be decoded from `topic`.
#[must_use]
pub fn dead_letter(topic: &str) -> String {
    format!("{topic}-dlq")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_have_a_topic_of_their_own() {
        assert_eq!(dead_letter(ORDERS), "orders-dlq");
        assert!(!ALL.contains(&dead_letter(ORDERS).as_str()));
    }
}
