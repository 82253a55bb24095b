//! Dates as files and messages spell them, and the evidence for day-first against month-first.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use crate::EventTime;
use crate::time::DAY_MICROS;

/// Which of the two leading numbers of `3/4/2011` is the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DayMonth {
    #[default]
    MonthFirst,
    DayFirst,
}

impl fmt::Display for DayMonth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::MonthFirst => "month/day/year",
            Self::DayFirst => "day/month/year",
        })
    }
}

/// How the dates of a source are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DateFormat {
    /// ISO 8601 and named months as they are; bare numbers in the given order.
    Order(DayMonth),
    /// A strftime pattern such as `%d.%m.%Y %H:%M`.
    Pattern(String),
}

impl DateFormat {
    /// `mdy`, `dmy` or a strftime pattern; ISO 8601 is read under each of the two names.
    ///
    /// # Errors
    /// When `text` is neither a known name nor contains a `%` field.
    pub fn from_flag(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "mdy" | "m/d/y" | "month/day/year" => Ok(Self::Order(DayMonth::MonthFirst)),
            "dmy" | "d/m/y" | "day/month/year" => Ok(Self::Order(DayMonth::DayFirst)),
            _ if is_pattern(text) => Ok(Self::Pattern(text.to_owned())),
            _ => Err(format!(
                "unknown date format {text:?}: use mdy, dmy or a strftime pattern such as \"%d.%m.%Y %H:%M\""
            )),
        }
    }

    /// The moment that `text` names, in UTC unless it names a zone; `None` when unreadable.
    #[must_use]
    pub fn parse(&self, text: &[u8]) -> Option<EventTime> {
        match self {
            Self::Order(order) => parse_parts(text)?.at(*order),
            Self::Pattern(pattern) => parse_pattern(text, pattern),
        }
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(order) => order.fmt(out),
            Self::Pattern(pattern) => out.write_str(pattern),
        }
    }
}

fn is_pattern(text: &str) -> bool {
    use chrono::format::{Item, StrftimeItems};
    let mut fields = 0;
    for item in StrftimeItems::new(text) {
        match item {
            Item::Error => return false,
            Item::Numeric(..) | Item::Fixed(..) => fields += 1,
            _ => {}
        }
    }
    fields > 0
}

fn parse_pattern(text: &[u8], pattern: &str) -> Option<EventTime> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    if let Ok(zoned) = DateTime::parse_from_str(text, pattern) {
        return in_range(zoned.timestamp_micros());
    }
    if let Ok(local) = NaiveDateTime::parse_from_str(text, pattern) {
        return in_range(local.and_utc().timestamp_micros());
    }
    let date = NaiveDate::parse_from_str(text, pattern).ok()?;
    in_range(EventTime::from_date(date).micros())
}

/// From year 1 to 9999-12-30: what every reader of the lake can show, the day after included.
fn in_range(micros: i64) -> Option<EventTime> {
    const FIRST: i64 = -62_135_596_800_000_000;
    const END: i64 = 253_402_214_400_000_000;
    (FIRST..END).contains(&micros).then_some(EventTime::from_micros(micros))
}

/// A date taken apart, before anybody decides which number is the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateParts {
    form: DateForm,
    /// Microseconds since midnight, less the zone's offset.
    time_micros: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DateForm {
    /// The order of the parts is plain: ISO 8601, or the month is a word.
    Plain { year: i32, month: u32, day: u32 },
    /// Two numbers and a year: `3/4/2011`.
    Numbers { first: u32, second: u32, year: i32 },
}

impl DateParts {
    /// The moment, when the date exists in the calendar under `order`.
    #[must_use]
    pub fn at(self, order: DayMonth) -> Option<EventTime> {
        let (year, month, day) = match (self.form, order) {
            (DateForm::Plain { year, month, day }, _) => (year, month, day),
            (DateForm::Numbers { first, second, year }, DayMonth::MonthFirst) => (year, first, second),
            (DateForm::Numbers { first, second, year }, DayMonth::DayFirst) => (year, second, first),
        };
        let date = NaiveDate::from_ymd_opt(year, month, day)?;
        in_range(EventTime::from_date(date).micros() + self.time_micros)
    }
}

/// Takes `12/1/2010 8:26`, `2010-12-01T08:26:00.5+01:00`, `1 Dec 2010`, `20101201` and their like apart.
#[must_use]
pub fn parse_parts(text: &[u8]) -> Option<DateParts> {
    let mut cursor = Cursor(text.trim_ascii());
    let form = cursor.date()?;
    let time_micros = cursor.time_and_zone()?;
    Some(DateParts { form, time_micros })
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn date(&mut self) -> Option<DateForm> {
        if let Some(month) = self.word().and_then(|word| month_by_name(&word)) {
            self.skip_separators();
            let (day, _) = self.number()?;
            self.skip_separators();
            return Some(DateForm::Plain { year: self.year()?, month, day });
        }
        let (first, digits) = self.number()?;
        match digits {
            8 => Some(DateForm::Plain {
                year: i32::try_from(first / 10_000).ok()?,
                month: first / 100 % 100,
                day: first % 100,
            }),
            4 => self.after_year(i32::try_from(first).ok()?),
            1 | 2 => self.after_short_number(first),
            _ => None,
        }
    }

    fn after_year(&mut self, year: i32) -> Option<DateForm> {
        self.separator()?;
        let (month, _) = self.number()?;
        self.separator()?;
        let (day, _) = self.number()?;
        Some(DateForm::Plain { year, month, day })
    }

    fn after_short_number(&mut self, first: u32) -> Option<DateForm> {
        self.separator()?;
        if let Some(month) = self.word().and_then(|word| month_by_name(&word)) {
            self.skip_separators();
            return Some(DateForm::Plain { year: self.year()?, month, day: first });
        }
        let (second, digits) = self.number()?;
        if digits > 2 {
            return None;
        }
        self.separator()?;
        Some(DateForm::Numbers { first, second, year: self.year()? })
    }

    /// Four digits, or two: 00–68 are 2000–2068, as POSIX reads them.
    fn year(&mut self) -> Option<i32> {
        let (value, digits) = self.number()?;
        let value = i32::try_from(value).ok()?;
        match digits {
            4 => Some(value),
            2 if value <= 68 => Some(2000 + value),
            2 => Some(1900 + value),
            _ => None,
        }
    }

    fn time_and_zone(&mut self) -> Option<i64> {
        if self.0.is_empty() {
            return Some(0);
        }
        if !self.eat(b'T') && !self.eat(b't') && !self.eat(b' ') {
            return self.zone().filter(|_| self.0.is_empty());
        }
        self.skip_spaces();
        let clock = self.clock()?;
        self.skip_spaces();
        let offset = self.zone()?;
        self.0.is_empty().then_some(clock - offset)
    }

    /// Microseconds since midnight.
    fn clock(&mut self) -> Option<i64> {
        let (mut hour, _) = self.number()?;
        let (mut minute, mut second, mut micros) = (0, 0, 0);
        if self.eat(b':') {
            (minute, _) = self.number()?;
            if self.eat(b':') {
                (second, _) = self.number()?;
                if self.eat(b'.') || self.eat(b',') {
                    micros = self.fraction()?;
                }
            }
        }
        self.skip_spaces();
        if let Some(half @ (b'A' | b'P')) = self.0.first().map(u8::to_ascii_uppercase) {
            self.word()?;
            if !(1..=12).contains(&hour) {
                return None;
            }
            hour = hour % 12 + if half == b'P' { 12 } else { 0 };
        }
        let in_day = hour < 24 && minute < 60 && second < 60;
        let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        in_day.then_some(seconds * 1_000_000 + micros)
    }

    /// Digits of a fraction of a second, in microseconds.
    fn fraction(&mut self) -> Option<i64> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (fraction, rest) = self.0.split_at(digits);
        self.0 = rest;
        let micros = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(6);
        (digits > 0).then(|| micros.fold(0, |value, byte| value * 10 + i64::from(byte - b'0')))
    }

    /// The offset from UTC in microseconds: nothing, `Z`, `UTC`, `+01:00`, `-0530`, `+01`.
    fn zone(&mut self) -> Option<i64> {
        let sign = match self.0.first() {
            None => return Some(0),
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => {
                let word = self.word()?;
                return matches!(word.as_slice(), b"z" | b"utc" | b"gmt").then_some(0);
            }
        };
        self.0 = self.0.split_first()?.1;
        let (value, digits) = self.number()?;
        let (hours, minutes) = match digits {
            4 => (value / 100, value % 100),
            1 | 2 if self.eat(b':') => (value, self.number()?.0),
            1 | 2 => (value, 0),
            _ => return None,
        };
        let micros = (i64::from(hours) * 60 + i64::from(minutes)) * 60_000_000;
        (micros < DAY_MICROS && minutes < 60).then_some(sign * micros)
    }

    /// Up to eight digits: their value and how many they are.
    fn number(&mut self) -> Option<(u32, usize)> {
        let mut value = 0_u32;
        let mut digits = 0;
        while let Some((&byte, rest)) = self.0.split_first() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            if digits == 8 {
                return None;
            }
            value = value * 10 + u32::from(digit);
            digits += 1;
            self.0 = rest;
        }
        (digits > 0).then_some((value, digits))
    }

    /// Letters, in lower case.
    fn word(&mut self) -> Option<Vec<u8>> {
        let letters = self.0.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (word, rest) = self.0.split_at(letters);
        if letters == 0 {
            return None;
        }
        self.0 = rest;
        Some(word.to_ascii_lowercase())
    }

    fn separator(&mut self) -> Option<()> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        matches!(byte, b'/' | b'-' | b'.' | b' ').then_some(())
    }

    fn skip_separators(&mut self) {
        while matches!(self.0.first(), Some(b'/' | b'-' | b'.' | b' ' | b',')) {
            self.0 = self.0.split_first().map_or(self.0, |(_, rest)| rest);
        }
    }

    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((&first, rest)) if first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }
}

fn month_by_name(word: &[u8]) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let word = std::str::from_utf8(word).ok().filter(|word| word.len() >= 3)?;
    let index = MONTHS.iter().position(|month| month.starts_with(word))?;
    u32::try_from(index + 1).ok()
}

/// What a source's dates say about the order of day and month. Evidence of parts adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateEvidence {
    /// Lines whose date is plain: ISO 8601 or a named month.
    pub plain: u64,
    /// Lines that only month-first can read: the second number is above 12.
    pub month_first_only: u64,
    /// Lines that only day-first can read: the first number is above 12.
    pub day_first_only: u64,
    /// Lines that both can read, differently.
    pub either: u64,
    /// Lines that neither can read.
    pub unreadable: u64,
    /// Steps back in time from one line to the next, read month-first and day-first.
    pub back_steps: (u64, u64),
}

impl DateEvidence {
    /// Takes in one line's date and the date of the line before it.
    pub fn observe(&mut self, parts: Option<DateParts>, previous: Option<DateParts>) {
        let Some(parts) = parts else {
            self.unreadable += 1;
            return;
        };
        let (month_first, day_first) = (parts.at(DayMonth::MonthFirst), parts.at(DayMonth::DayFirst));
        match parts.form {
            DateForm::Plain { .. } if month_first.is_some() => self.plain += 1,
            DateForm::Plain { .. } => self.unreadable += 1,
            DateForm::Numbers { .. } => match (month_first, day_first) {
                (Some(_), None) => self.month_first_only += 1,
                (None, Some(_)) => self.day_first_only += 1,
                (Some(one), Some(other)) if one == other => self.plain += 1,
                (Some(_), Some(_)) => self.either += 1,
                (None, None) => self.unreadable += 1,
            },
        }
        let Some(previous) = previous.filter(|previous| *previous != parts) else { return };
        // A date that an order cannot read is no step in it.
        let back = |now: Option<EventTime>, before: Option<EventTime>| now.is_some() && now < before;
        self.back_steps.0 += u64::from(back(month_first, previous.at(DayMonth::MonthFirst)));
        self.back_steps.1 += u64::from(back(day_first, previous.at(DayMonth::DayFirst)));
    }

    /// Takes in evidence of other lines.
    pub fn add(&mut self, other: &Self) {
        self.add_times(other, 1);
        self.back_steps.0 += other.back_steps.0;
        self.back_steps.1 += other.back_steps.1;
    }

    /// Takes in `one` line's evidence for as many more lines with the same date.
    pub const fn add_times(&mut self, one: &Self, times: u64) {
        self.plain += one.plain * times;
        self.month_first_only += one.month_first_only * times;
        self.day_first_only += one.day_first_only * times;
        self.either += one.either * times;
        self.unreadable += one.unreadable * times;
    }

    /// What was taken in since `before`, but for the steps back.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            plain: self.plain - before.plain,
            month_first_only: self.month_first_only - before.month_first_only,
            day_first_only: self.day_first_only - before.day_first_only,
            either: self.either - before.either,
            unreadable: self.unreadable - before.unreadable,
            back_steps: (0, 0),
        }
    }

    /// The order that reads more of the dates; where both read all, the one that keeps them in sequence.
    /// `None` when nothing tells them apart.
    #[must_use]
    pub fn decide(&self) -> Option<DayMonth> {
        use std::cmp::Ordering;
        let by_reading = self.month_first_only.cmp(&self.day_first_only);
        let by_sequence = self.back_steps.1.cmp(&self.back_steps.0);
        let nothing_to_decide = self.either + self.month_first_only + self.day_first_only == 0;
        match by_reading.then(by_sequence) {
            Ordering::Greater => Some(DayMonth::MonthFirst),
            Ordering::Less => Some(DayMonth::DayFirst),
            Ordering::Equal => nothing_to_decide.then_some(DayMonth::MonthFirst),
        }
    }
}

#[cfg(test)]
mod tests;
