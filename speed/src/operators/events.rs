//! Records of clicks and of the shop's orders, understood.

use std::borrow::Cow;

use data::EventTime;
use data::cleaning::latest_date;
use rules::{Event, Topic};

use crate::frame::{Decoded, Origin, Record, Refusal};

/// Bytes of an event's record: alerts hold several.
const MOST_RECORD: usize = 64 << 10;

/// Reads a record of `topic`, whose user is the key. One without an id is named after its place, where it entered.
///
/// Time is taken to go no further than the record's timestamp: what a clock ahead of the others dates later waits for them, and what is dated more than a day
/// later, as orders are, is refused.
pub fn decode<'r>(topic: Topic, record: &Record<'r>) -> Result<Decoded<'r, (Topic, Event)>, Refusal> {
    let malformed = |detail: String| Refusal { reason: "malformed", detail };
    // Clicks are read by two operators.
    let event = record.decoded.once(|| read(topic, record)).map_err(malformed)?;
    let at = micros(event.at()).ok_or_else(|| malformed("its time is out of range".to_owned()))?;
    let latest = latest_date(record.timestamp);
    if at > latest {
        let detail = format!("{at} is more than a day after the record's own time, {}", record.timestamp);
        return Err(Refusal { reason: "future_date", detail });
    }
    let at = if latest == EventTime::MAX { at } else { at.min(record.timestamp) };
    Ok(Decoded { key: Cow::Owned(event.user().to_owned()), at, event: (topic, event) })
}

fn read(topic: Topic, record: &Record<'_>) -> Result<Event, String> {
    let value = record.value.unwrap_or_default();
    if value.len() > MOST_RECORD {
        return Err(format!("{} bytes, where an event has at most {MOST_RECORD}", value.len()));
    }
    let (partition, offset) = match record.origin.and_then(Origin::from_header) {
        Some((_, origin)) => (origin.at.partition, origin.offset),
        None => (record.at.partition, record.offset),
    };
    let id = format!("{}-{partition}-{offset}", topic.name());
    Event::from_json(topic, value, &id, 0).map_err(|error| error.to_string())
}

/// The same moment to the frame.
pub fn micros(at: rules::EventTime) -> Option<EventTime> {
    at.0.checked_mul(1000).map(EventTime::from_micros)
}
