//! Values as producers write them.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Deserializer};

use crate::EventTime;

/// A text or a number; null is empty.
#[derive(Debug, Default)]
pub struct Loose<'r>(pub Cow<'r, str>);

impl Loose<'_> {
    /// ISO 8601, or milliseconds since 1970 in [`MILLIS`].
    pub fn time(&self) -> Option<EventTime> {
        let millis = || self.0.parse().ok().filter(|millis| MILLIS.contains(millis)).map(EventTime);
        EventTime::parse(&self.0).or_else(millis)
    }
}

/// The years from 2000 to 2099: seconds, microseconds, or a date without its dashes are none of these.
const MILLIS: Range<i64> = 946_684_800_000..4_102_444_800_000;

impl<'de: 'r, 'r> Deserialize<'de> for Loose<'r> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Loose<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a text or a number")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Loose(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Loose(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Loose(Cow::Owned(number.to_string())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Loose(Cow::Owned(number.to_string())))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Loose(Cow::Owned(number.to_string())))
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
                Ok(Loose(Cow::Borrowed(if truth { "true" } else { "false" })))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Loose::default())
            }
        }
        from.deserialize_any(Visitor)
    }
}
