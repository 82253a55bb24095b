//! Event times: UTC microseconds.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// Microseconds in a day.
pub const DAY_MICROS: i64 = 86_400_000_000;
const EPOCH_DAYS_FROM_CE: i32 = 719_163;
/// Of `2010-12-01T08:26:00.000000Z`.
const ISO_LENGTH: usize = 27;

/// A moment, in microseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(i64);

impl EventTime {
    /// Later than any other.
    pub const MAX: Self = Self(i64::MAX);

    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The calendar day in UTC, counted from 1970-01-01.
    #[must_use]
    pub const fn day(self) -> i64 {
        self.0.div_euclid(DAY_MICROS)
    }

    /// Midnight (UTC) at which the day numbered `day` begins.
    #[must_use]
    pub const fn at_day(day: i64) -> Self {
        Self(day * DAY_MICROS)
    }

    #[must_use]
    pub fn from_date(date: NaiveDate) -> Self {
        Self::at_day(i64::from(date.num_days_from_ce() - EPOCH_DAYS_FROM_CE))
    }

    #[must_use]
    pub fn now() -> Self {
        Self(Utc::now().timestamp_micros())
    }

    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// The month in UTC as `2010-12`: the partition of the lake's `orders`.
    #[must_use]
    pub fn month(self) -> Month {
        let date = self.to_utc();
        Month { year: date.year(), month: date.month() }
    }

    /// Appends what [`fmt::Display`] shows, several times faster.
    pub fn write_iso(self, out: &mut Vec<u8>) {
        let date = self.to_utc();
        let micros = self.0.rem_euclid(1_000_000);
        let second = self.0.div_euclid(1_000_000).rem_euclid(86_400);
        let Ok(year @ 0..=9_999) = u32::try_from(date.year()) else {
            return out.extend_from_slice(self.to_string().as_bytes());
        };
        let two = |number: u32| [digit(number / 10), digit(number % 10)];
        let second = u32::try_from(second).unwrap_or_default();
        let [[y, e], [a, r], [m, o], [d, i]] = [two(year / 100), two(year % 100), two(date.month()), two(date.day())];
        let [[h, g], [n, u], [s, t]] = [two(second / 3_600), two(second / 60 % 60), two(second % 60)];
        out.extend_from_slice(&[y, e, a, r, b'-', m, o, b'-', d, i, b'T', h, g, b':', n, u, b':', s, t]);
        if let Ok(micros @ 1..) = u32::try_from(micros) {
            let [[a, b], [c, d], [e, f]] = [two(micros / 10_000), two(micros / 100 % 100), two(micros % 100)];
            out.extend_from_slice(&[b'.', a, b, c, d, e, f]);
        }
        out.push(b'Z');
    }

    /// So much later; `None` beyond the end of time.
    #[must_use]
    pub fn plus(self, by: std::time::Duration) -> Option<Self> {
        i64::try_from(by.as_micros()).ok().and_then(|by| self.0.checked_add(by)).map(Self)
    }

    /// Calendar days (UTC) from `self` to `reference`: 1 when ordered on the eve.
    #[must_use]
    pub const fn days_before(self, reference: Self) -> i64 {
        reference.day() - self.day()
    }
}

/// ISO 8601 with zone: `2010-12-01T08:26:00Z`.
impl fmt::Display for EventTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = if self.0 % 1_000_000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
        out.write_str(&self.to_utc().to_rfc3339_opts(format, true))
    }
}

impl Serialize for EventTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Vec::with_capacity(ISO_LENGTH);
        self.write_iso(&mut text);
        serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// The digit of a number below ten.
fn digit(number: u32) -> u8 {
    b'0' + u8::try_from(number % 10).unwrap_or_default()
}

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i32,
    month: u32,
}

impl fmt::Display for Month {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_displays() {
        for micros in [0, 1_291_191_960_000_000, -1, 1, 951_782_399_999_999, -62_135_596_800_000_000, i64::MAX / 2] {
            let mut written = Vec::new();
            let time = EventTime::from_micros(micros);
            time.write_iso(&mut written);
            assert_eq!(String::from_utf8_lossy(&written), time.to_string());
            assert_eq!(serde_json::to_string(&time).expect("JSON"), format!("\"{time}\""));
        }
    }

    #[test]
    fn counts_recency_in_calendar_days() {
        let reference = EventTime::from_date(NaiveDate::from_ymd_opt(2011, 12, 10).expect("a date"));
        let eve = EventTime::from_micros(reference.micros() - 1);
        assert_eq!(eve.days_before(reference), 1);
        assert_eq!(EventTime::from_micros(-1).day(), -1);
        assert_eq!(eve.month().to_string(), "2011-12");
        assert_eq!(reference.to_string(), "2011-12-10T00:00:00Z");
    }
}
