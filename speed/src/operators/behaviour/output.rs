//! The values of `rule-segments`, and those of `segment-changes` that rules bring about.

use data::EventTime;
use rules::{Clock, RuleSet};

use super::Member;
use crate::json::{Object, write_text};

/// Why a customer's segment is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// By an event, or by other rules.
    Rule,
    Time,
}

pub fn write_change(
    out: &mut Vec<u8>,
    customer_id: &str,
    from: Option<&str>,
    to: Option<&str>,
    cause: Cause,
    at: EventTime,
) {
    let mut object = Object::begin(out);
    object.text("customer_id", customer_id);
    for (name, segment) in [("from", from), ("to", to)] {
        object.or_null(name, segment, |out, segment| {
            let mut object = Object::begin(out);
            object.or_null("segment_id", None::<()>, |_, ()| ()).text("segment_name", segment);
            object.end();
        });
    }
    object.text("reason", if cause == Cause::Time { "time" } else { "rule" }).time("at", at);
    object.or_null("publication", None::<()>, |_, ()| ());
    object.end();
}

pub fn write_segment(
    out: &mut Vec<u8>,
    customer_id: &str,
    member: &Member,
    rules: &RuleSet,
    clock: Clock,
    at: EventTime,
) {
    let standing = member.customer.standing(rules, clock);
    let (features, scores) = standing.values.split_at_checked(rules.features.len()).unwrap_or_default();
    let mut object = Object::begin(out);
    object.text("customer_id", customer_id).or_null("segment", standing.segment, write_text);
    let scored = rules.scores.iter().map(|score| &score.name).zip(scores);
    object.value("scores", |out| write_values(out, scored));
    let measured = rules.features.iter().map(|feature| &feature.name).zip(features);
    object.value("features", |out| write_values(out, measured));
    object.time("at", at);
    object.end();
}

/// Numbers by name; those without a value are null.
fn write_values<'v>(out: &mut Vec<u8>, values: impl Iterator<Item = (&'v String, &'v f64)>) {
    let mut object = Object::begin(out);
    for (name, value) in values {
        object.or_null(name, Some(*value).filter(|value| value.is_finite()), |out, value| {
            out.extend_from_slice(value.to_string().as_bytes());
        });
    }
    object.end();
}
