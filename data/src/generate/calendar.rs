//! The shop's calendar: which days and minutes orders come in.
//!
//! All weights follow UCI Online Retail (1 December 2010 to 9 December 2011).

use std::fmt;
use std::str::FromStr;

use super::chance::whole;

/// Accepted order lines by hour of the day, from 07:00; per mille.
const BY_HOUR: [u32; 14] = [1, 22, 55, 95, 123, 181, 161, 136, 114, 61, 33, 7, 8, 3];
const FIRST_HOUR: u32 = 7;
/// Accepted order lines by day of the week, Monday being 100; closed on Saturdays.
const BY_WEEKDAY: [u32; 7] = [100, 102, 106, 123, 84, 0, 97];
/// Invoices per trading day in the middle of each month: quiet in January, busiest before Christmas.
const BY_MONTH: [u32; 12] = [41, 42, 49, 55, 62, 54, 51, 49, 67, 74, 102, 84];

/// A calendar day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(i32);

/// A day's place in the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

impl Date {
    /// `None` when the calendar has no such day.
    #[must_use]
    pub fn from_civil(year: i32, month: u32, day: u32) -> Option<Self> {
        let in_range = (1900..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        let date = Self(days_from_civil(year, i32::try_from(month).ok()?, i32::try_from(day).ok()?));
        (in_range && date.civil() == Civil { year, month, day }).then_some(date)
    }

    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Days from `earlier` to `self`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.saturating_sub(earlier.0)
    }

    /// By Hinnant's `civil_from_days`.
    #[must_use]
    pub fn civil(self) -> Civil {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Civil {
            year: year_of_era + era * 400 + i32::from(month <= 2),
            month: month.unsigned_abs(),
            day: (day_of_year - (153 * shifted_month + 2) / 5 + 1).unsigned_abs(),
        }
    }

    /// How many orders the day draws, relative to other days; 0 when closed.
    #[must_use]
    pub fn weight(self) -> u32 {
        let Civil { month, day, .. } = self.civil();
        let closed = (month == 12 && day >= 24) || (month == 1 && day <= 3);
        let weekday = (self.0 + 3).rem_euclid(7).unsigned_abs();
        if closed { 0 } else { at(&BY_WEEKDAY, weekday) * season(month, day) }
    }
}

/// The year's curve, drawn straight between the middles of months; 30 times [`BY_MONTH`].
fn season(month: u32, day: u32) -> u32 {
    let (here, day) = (month - 1, day.min(30));
    let (other, share) = if day < 15 { ((here + 11) % 12, 15 - day) } else { ((here + 1) % 12, day - 15) };
    at(&BY_MONTH, here) * (30 - share) + at(&BY_MONTH, other) * share
}

fn at(table: &[u32], index: u32) -> u32 {
    usize::try_from(index).ok().and_then(|index| table.get(index)).copied().unwrap_or_default()
}

/// By Hinnant's `days_from_civil`.
const fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// ISO 8601: `2010-12-01`.
impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day } = self.civil();
        write!(out, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('-').map(|part| part.parse::<u32>().ok());
        let parsed = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(year)), Some(Some(month)), Some(Some(day)), None) => {
                i32::try_from(year).ok().and_then(|year| Self::from_civil(year, month, day))
            }
            _ => None,
        };
        parsed.ok_or_else(|| "no such day; write year-month-day, as in 2010-12-01, from the year 1900 on".to_owned())
    }
}

/// A minute of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    pub date: Date,
    /// Minutes since midnight.
    pub minute: u32,
}

impl Moment {
    /// A minute later on the same day.
    #[must_use]
    pub fn next_minute(self) -> Self {
        Self { minute: (self.minute + 1).min(24 * 60 - 1), ..self }
    }
}

/// ISO 8601 with zone: `2010-12-01T08:26:00Z`.
impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}T{:02}:{:02}:00Z", self.date, self.minute / 60, self.minute % 60)
    }
}

/// Turns progress through the file into moments: each day and hour gets its share of the orders.
#[derive(Debug)]
pub struct Clock {
    date: Date,
    last: Date,
    total: f64,
    /// Weight of all days before `date`.
    before: f64,
    weight: f64,
}

impl Clock {
    /// `None` when the shop is closed from `first` to `last`, both included.
    #[must_use]
    pub fn new(first: Date, last: Date) -> Option<Self> {
        let total: f64 = (0..=last.since(first)).map(|days| f64::from(first.plus(days).weight())).sum();
        (total > 0.0).then(|| Self { date: first, last, total, before: 0.0, weight: f64::from(first.weight()) })
    }

    /// The moment at which `progress` (from 0 to below 1, never less than before) of all orders have come in.
    pub fn at(&mut self, progress: f64) -> Moment {
        let reached = progress * self.total;
        while self.before + self.weight <= reached && self.date < self.last {
            self.before += self.weight;
            self.date = self.date.plus(1);
            self.weight = f64::from(self.date.weight());
        }
        let share = if self.weight > 0.0 { (reached - self.before) / self.weight } else { 0.5 };
        Moment { date: self.date, minute: minute_at(share.clamp(0.0, 0.999_999)) }
    }
}

/// The minute at which `share` of a day's orders have come in.
fn minute_at(share: f64) -> u32 {
    let mut left = share * f64::from(BY_HOUR.iter().sum::<u32>());
    let mut hour = FIRST_HOUR;
    for weight in BY_HOUR.map(f64::from) {
        if left < weight {
            return hour * 60 + whole(left / weight * 60.0).min(59);
        }
        left -= weight;
        hour += 1;
    }
    hour * 60 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().expect("a date")
    }

    #[test]
    fn knows_the_calendar() {
        assert_eq!(date("1970-01-01"), Date(0));
        assert_eq!(date("2010-12-01").since(date("2000-02-29")), 3928);
        for days in -20_000..100_000 {
            let Civil { year, month, day } = Date(days).civil();
            assert!(Date::from_civil(year, month, day).is_none_or(|date| date == Date(days)));
        }
        for wrong in ["2011-02-29", "2011-13-01", "11-1-1", "2011/1/1", "2011-01", "", "2011-01-01-01"] {
            assert!(wrong.parse::<Date>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn closes_on_saturdays_and_around_christmas() {
        assert_eq!(date("2011-01-08").weight(), 0);
        assert_eq!(date("2010-12-27").weight(), 0);
        assert!(date("2011-11-24").weight() > 2 * date("2011-01-20").weight());
        assert!(Clock::new(date("2011-01-08"), date("2011-01-08")).is_none());
    }

    #[test]
    fn moments_rise_through_the_whole_range() {
        let mut clock = Clock::new(date("2010-12-01"), date("2011-11-30")).expect("open days");
        let moments: Vec<Moment> = (0..10_000).map(|k| clock.at(f64::from(k) / 10_000.0)).collect();
        assert!(moments.is_sorted());
        assert_eq!(moments[0].to_string(), "2010-12-01T07:00:00Z");
        assert_eq!(moments[9_999].date, date("2011-11-30"));
        assert!(moments.iter().all(|moment| (7 * 60..21 * 60).contains(&moment.minute) && moment.date.weight() > 0));
    }
}
