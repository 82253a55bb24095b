//! Records of clicks and of the shop's orders, understood.

use std::borrow::Cow;

use data::EventTime;
use rules::{Event, Topic};

use crate::frame::{Decoded, Origin, Record, Refusal};

/// Reads a record of `topic`, whose user is the key. One without an id is named after its place, where it entered.
pub fn decode<'r>(topic: Topic, record: &Record<'r>) -> Result<Decoded<'r, (Topic, Event)>, Refusal> {
    let malformed = |detail: String| Refusal { reason: "malformed", detail };
    // Clicks are read by two operators.
    let event = record.decoded.once(|| read(topic, record)).map_err(malformed)?;
    let at = micros(event.at()).ok_or_else(|| malformed("its time is out of range".to_owned()))?;
    Ok(Decoded { key: Cow::Owned(event.user().to_owned()), at, event: (topic, event) })
}

fn read(topic: Topic, record: &Record<'_>) -> Result<Event, String> {
    let (partition, offset) = match record.origin.and_then(Origin::from_header) {
        Some((_, origin)) => (origin.at.partition, origin.offset),
        None => (record.at.partition, record.offset),
    };
    let id = format!("{}-{partition}-{offset}", topic.name());
    Event::from_json(topic, record.value.unwrap_or_default(), &id, 0).map_err(|error| error.to_string())
}

/// The same moment to the frame.
pub fn micros(at: rules::EventTime) -> Option<EventTime> {
    at.0.checked_mul(1000).map(EventTime::from_micros)
}
