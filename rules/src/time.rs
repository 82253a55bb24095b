//! Event times, days and durations, as rule files and events write them.

use serde::{Deserialize, Serialize};

pub const DAY: i64 = 86_400_000;

/// Milliseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTime(pub i64);

/// Days since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i64);

impl EventTime {
    #[must_use]
    pub const fn day(self) -> Day {
        Day(self.0.div_euclid(DAY))
    }

    /// `2026-01-31T12:00:00Z`, with a blank for the `T`, a fraction, another zone, ` UTC` or none, or the day alone.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, of_day) = text.as_bytes().split_first_chunk::<10>()?;
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *date else { return None };
        let (year, month, day) = (number([y0, y1, y2, y3])?, number([m0, m1])?, number([d0, d1])?);
        if !(1..=12).contains(&month) || !(1..=length_of(year, month)).contains(&day) {
            return None;
        }
        let midnight = days(year, month, day) * DAY;
        if of_day.is_empty() {
            return Some(Self(midnight));
        }
        let [b'T' | b' ' | b't', h0, h1, b':', m0, m1, b':', s0, s1] = *of_day.first_chunk::<9>()? else { return None };
        let (hour, minute, second) = (number([h0, h1])?, number([m0, m1])?, number([s0, s1])?);
        // Midnight at a day's end, and a leap second.
        let is_end = hour == 24 && minute == 0 && second == 0;
        if hour > 23 && !is_end || minute > 59 || second > 60 {
            return None;
        }
        let mut rest = text.get(19..)?;
        let mut millis = 0;
        if let Some(fraction) = rest.strip_prefix('.') {
            let end = fraction.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(fraction.len());
            let (digits, behind) = fraction.split_at_checked(end)?;
            for (place, digit) in digits.bytes().take(3).enumerate() {
                millis += i64::from(digit - b'0') * [100, 10, 1].get(place).copied().unwrap_or(0);
            }
            rest = behind;
        }
        let at = midnight + ((hour * 60 + minute) * 60 + second) * 1000 + millis;
        Some(Self(at - zone(rest.trim())?))
    }

    /// ISO 8601 with milliseconds if there are any.
    #[must_use]
    pub fn show(self) -> String {
        let (day, of_day) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, date) = civil(day);
        let (seconds, millis) = (of_day / 1000, of_day % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
        format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
    }
}

impl Day {
    /// When the day begins.
    #[must_use]
    pub const fn start(self) -> EventTime {
        EventTime(self.0.saturating_mul(DAY))
    }

    #[must_use]
    pub const fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Days from `earlier` to this one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

fn number<const N: usize>(digits: [u8; N]) -> Option<i64> {
    let add = |number: i64, digit: u8| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'));
    digits.into_iter().try_fold(0, add)
}

/// Milliseconds that a zone is ahead of UTC.
fn zone(text: &str) -> Option<i64> {
    if matches!(text, "" | "Z" | "z" | "UTC" | "GMT") {
        return Some(0);
    }
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let digits: String = text.chars().skip(1).filter(|letter| *letter != ':').collect();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits.get(2..).filter(|rest| !rest.is_empty()).map_or(Some(0), |rest| rest.parse().ok())?;
    (hours <= 14 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// How many days a month has.
const fn length_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, counted in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970-01-01.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day.saturating_add(719_468);
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

/// Milliseconds of `10 minutes`, `1 h`, `7 days`, `1h 30m` or `2 months`, a month having 30 days.
#[must_use]
pub fn duration(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    let mut total: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (digits, behind) = rest.split_at_checked(end)?;
        let behind = behind.trim_start();
        let end = behind.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(end)?;
        let millis = match unit {
            "ms" | "millisecond" | "milliseconds" => 1,
            "s" | "second" | "seconds" => 1000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => DAY,
            "week" | "weeks" => 7 * DAY,
            "month" | "months" => 30 * DAY,
            _ => return None,
        };
        total = total.checked_add(digits.parse::<i64>().ok()?.checked_mul(millis)?)?;
        rest = behind.trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_events_write_them() {
        let at = |text| EventTime::parse(text).map(|at| at.0);
        assert_eq!(at("2019-10-01 00:00:05.850 UTC"), Some(1_569_888_005_850));
        assert_eq!(at("2019-10-01T00:00:05.850123Z"), Some(1_569_888_005_850));
        assert_eq!(at("2019-10-01T02:00:05+02:00"), Some(1_569_888_005_000));
        assert_eq!(at("2019-10-01"), Some(1_569_888_000_000));
        assert_eq!(at("yesterday"), None);
        assert_eq!(at("2019-09-30T24:00:00Z"), Some(1_569_888_000_000));
        assert_eq!(at("2024-02-29"), Some(1_709_164_800_000));
        for no_time in
            ["2019-13-01", "2026-02-29", "2100-02-29", "2019-04-31", "2019-10-01T24:00:01", "2019-10-01T00:00:05+15:00"]
        {
            assert_eq!(at(no_time), None, "{no_time}");
        }
        assert_eq!(at("2019-10-01T00:00:05 PST"), None);
    }

    #[test]
    fn times_are_shown_as_they_were_read() {
        for text in ["2019-10-01T00:00:05.850Z", "2020-02-29T23:59:59Z", "1969-12-31T00:00:00Z"] {
            assert_eq!(EventTime::parse(text).map(EventTime::show).as_deref(), Some(text));
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("10 minutes"), Some(600_000));
        assert_eq!(duration("1h 30m"), Some(5_400_000));
        assert_eq!(duration("2 months"), Some(60 * DAY));
        assert_eq!(duration("10"), None);
        assert_eq!(duration(""), None);
        assert_eq!(duration("99999999999999 days"), None);
    }
}
