//! An order file as live orders.

use std::path::PathBuf;

use serde::Serialize;

use super::error::{Error, Result};
use super::file::OrderFile;
use super::json::Object;
use super::{Message, Source};
use crate::cleaning::customer_id;
use crate::columns::{Column, ColumnMap};
use crate::dates::{DateParts, parse_parts};
use crate::time::DAY_MICROS;
use crate::{DateEvidence, DateFormat, DayMonth, EventTime};

/// How a file is replayed.
#[derive(Clone, Debug, Default)]
pub struct ReplayOptions {
    pub path: PathBuf,
    pub map: ColumnMap,
    /// Decided from the whole file if `None`.
    pub dates: Option<DateFormat>,
    /// Lines to take from the front.
    pub limit: Option<u64>,
    /// Whether dates matter: for their gaps, or because they are shifted.
    pub dated: bool,
    /// The moment that the newest order is moved close to.
    pub retime_to: Option<EventTime>,
}

/// A file's lines in its order.
pub struct Replay {
    file: OrderFile,
    limit: u64,
    dates: Option<DateFormat>,
    /// Added to every date.
    shift_micros: Option<i64>,
    counts: ReplayCounts,
}

/// What a file held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReplayCounts {
    /// Lines of orders, sent.
    pub lines: u64,
    /// Of these, those without a customer.
    pub without_customer: u64,
    /// Of these, those whose date could not be read though it was asked for; it is sent as it is spelled.
    pub undated: u64,
    /// Lines that are no records, not sent.
    pub unreadable: u64,
    /// The number of the first of them; the header is line 1.
    pub first_unreadable: Option<u64>,
    /// Days added to every date.
    pub shifted_days: Option<i64>,
}

impl Replay {
    /// Opens the file; where dates matter, reads it once before to learn what its dates mean.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Content`] when the file is none of orders, or its dates mean nothing certain.
    pub fn open(options: &ReplayOptions) -> Result<Self> {
        let limit = options.limit.unwrap_or(u64::MAX);
        let (mut dates, mut shift_micros) = (None, None);
        if options.dated || options.retime_to.is_some() {
            let survey = Survey::of(options)?;
            let format = survey.format(options)?;
            shift_micros = options.retime_to.and_then(|now| Some(shift(survey.newest(&format)?, now)));
            dates = Some(format);
        }
        let file = OrderFile::open(&options.path, &options.map)?;
        let shifted_days = shift_micros.map(|micros| micros / DAY_MICROS);
        Ok(Self { file, limit, dates, shift_micros, counts: ReplayCounts { shifted_days, ..ReplayCounts::default() } })
    }

    #[must_use]
    pub fn counts(&self) -> ReplayCounts {
        let unreadable = self.file.unreadable();
        ReplayCounts { unreadable: unreadable.lines, first_unreadable: unreadable.first, ..self.counts }
    }
}

impl Source for Replay {
    fn next(&mut self, message: &mut Message) -> Result<bool> {
        if self.counts.lines >= self.limit || !self.file.advance()? {
            return Ok(false);
        }
        let file = &self.file;
        let text = |column| file.text(column);
        let customer = text(Column::CustomerId);
        message.key.clear();
        message.key.extend_from_slice(customer_id(customer.as_bytes()).unwrap_or_default());
        let ordered_at = self.dates.as_ref().and_then(|dates| dates.parse(file.get(Column::OrderedAt)));
        let shifted = ordered_at.zip(self.shift_micros);
        message.ordered_at = ordered_at;

        let mut object = Object::begin(&mut message.value);
        object.text("InvoiceNo", &text(Column::Invoice));
        object.text("StockCode", &text(Column::StockCode));
        object.text("Description", &text(Column::Description));
        object.number_or_text("Quantity", &text(Column::Quantity));
        match shifted {
            Some((at, shift)) => object.quoted("InvoiceDate", EventTime::from_micros(at.micros() + shift)),
            None => object.text("InvoiceDate", &text(Column::OrderedAt)),
        }
        object.number_or_text("UnitPrice", &text(Column::UnitPrice));
        object.text("CustomerID", &customer);
        object.text("Country", &text(Column::Country));
        object.end();

        self.counts.lines += 1;
        self.counts.without_customer += u64::from(message.key.is_empty());
        self.counts.undated += u64::from(self.dates.is_some() && ordered_at.is_none());
        Ok(true)
    }

    fn share(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "for a progress bar")]
        let of_limit = self.counts.lines as f64 / self.limit as f64;
        Some(self.file.share().max(of_limit))
    }
}

/// Microseconds that bring `newest` as close to `now` as whole days can, and not beyond it. Whole days keep each
/// order's time of day, and every customer's days since the last order.
pub(super) fn shift(newest: EventTime, now: EventTime) -> i64 {
    (now.micros() - newest.micros()).div_euclid(DAY_MICROS) * DAY_MICROS
}

/// What the dates of a file say together.
#[derive(Default)]
struct Survey {
    evidence: DateEvidence,
    /// Read month-first, and day-first.
    newest: (Option<EventTime>, Option<EventTime>),
    newest_by_pattern: Option<EventTime>,
}

impl Survey {
    fn of(options: &ReplayOptions) -> Result<Self> {
        let mut survey = Self::default();
        let mut file = OrderFile::open(&options.path, &options.map)?;
        let pattern = options.dates.as_ref().filter(|dates| matches!(dates, DateFormat::Pattern(_)));
        let mut previous: Option<(Vec<u8>, Option<DateParts>)> = None;
        let mut line = 0;
        while file.advance()? {
            line += 1;
            let text = file.get(Column::OrderedAt);
            // Lines of one invoice follow each other, and share their date.
            if previous.as_ref().is_some_and(|(before, _)| before == text) {
                continue;
            }
            let parts = parse_parts(text);
            survey.evidence.observe(parts, previous.as_ref().and_then(|(_, parts)| *parts));
            // All lines tell what the dates mean; the newest is that of the lines to send.
            if line <= options.limit.unwrap_or(u64::MAX) {
                let at = |order| parts.and_then(|parts| parts.at(order));
                survey.newest.0 = survey.newest.0.max(at(DayMonth::MonthFirst));
                survey.newest.1 = survey.newest.1.max(at(DayMonth::DayFirst));
                let by_pattern = pattern.and_then(|pattern| pattern.parse(text));
                survey.newest_by_pattern = survey.newest_by_pattern.max(by_pattern);
            }
            previous = Some((text.to_vec(), parts));
        }
        Ok(survey)
    }

    fn format(&self, options: &ReplayOptions) -> Result<DateFormat> {
        let decided = || self.evidence.decide().map(DateFormat::Order);
        options.dates.clone().or_else(decided).ok_or_else(|| Error::Content {
            path: options.path.display().to_string(),
            reason: "all its dates could be day/month or month/day; say which with --date-format dmy or mdy".to_owned(),
        })
    }

    fn newest(&self, format: &DateFormat) -> Option<EventTime> {
        match format {
            DateFormat::Order(DayMonth::MonthFirst) => self.newest.0,
            DateFormat::Order(DayMonth::DayFirst) => self.newest.1,
            DateFormat::Pattern(_) => self.newest_by_pattern,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    fn replay(rows: &str, options: ReplayOptions) -> Result<(Vec<(String, Value)>, ReplayCounts)> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("orders.csv");
        let header = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country";
        fs::write(&path, format!("{header}\n{rows}")).expect("written");
        let mut replay = Replay::open(&ReplayOptions { path, ..options })?;
        let mut message = Message::default();
        let mut sent = Vec::new();
        while replay.next(&mut message)? {
            let key = String::from_utf8(message.key.clone()).expect("text");
            sent.push((key, serde_json::from_slice(&message.value).expect("json")));
        }
        Ok((sent, replay.counts()))
    }

    fn at(text: &str) -> EventTime {
        DateFormat::Order(DayMonth::MonthFirst).parse(text.as_bytes()).expect("a date")
    }

    #[test]
    fn values_stay_as_they_are_spelled() {
        let rows = "C1,85123A,\"A, B\",-6,12/1/2010 8:26,2.550,12347.0,UK\n2,22752,,six,soon,£1,,EIRE\nbroken\n";
        let (sent, counts) = replay(rows, ReplayOptions::default()).expect("read");
        let first = json!({
            "InvoiceNo": "C1", "StockCode": "85123A", "Description": "A, B", "Quantity": -6,
            "InvoiceDate": "12/1/2010 8:26", "UnitPrice": 2.55, "CustomerID": "12347.0", "Country": "UK"
        });
        let second = json!({
            "InvoiceNo": "2", "StockCode": "22752", "Description": null, "Quantity": "six",
            "InvoiceDate": "soon", "UnitPrice": "£1", "CustomerID": null, "Country": "EIRE"
        });
        assert_eq!(sent, [("12347".to_owned(), first), (String::new(), second)]);
        let expected =
            ReplayCounts { lines: 2, without_customer: 1, unreadable: 1, first_unreadable: Some(4), ..counts };
        assert_eq!((counts, counts.undated), (expected, 0));
    }

    #[test]
    fn retimed_orders_end_today_and_keep_their_hours() {
        let rows = "1,a,b,1,12/30/2010 8:26,2,7,UK\n2,a,b,1,12/31/2010 23:00,2,7,UK\n3,a,b,1,never,2,7,UK\n";
        for (now, last) in
            [("2026-03-05T23:00:00Z", "2026-03-05T23:00:00Z"), ("2026-03-05T22:59:59Z", "2026-03-04T23:00:00Z")]
        {
            let options = ReplayOptions { retime_to: Some(at(now)), ..ReplayOptions::default() };
            let (sent, counts) = replay(rows, options).expect("read");
            assert_eq!(sent[1].1["InvoiceDate"], last);
            assert_eq!(at(sent[0].1["InvoiceDate"].as_str().expect("a date")).days_before(at(last)), 1);
            assert_eq!((counts.undated, &sent[2].1["InvoiceDate"]), (1, &json!("never")));
        }
    }

    #[test]
    fn a_limit_counts_for_the_newest_order_too() {
        let rows = "1,a,b,1,2010-12-30,2,7,UK\n2,a,b,1,2011-12-31,2,7,UK\n";
        let options = ReplayOptions {
            limit: Some(1),
            retime_to: Some(at("2026-03-05")),
            dated: true,
            ..ReplayOptions::default()
        };
        let (sent, counts) = replay(rows, options).expect("read");
        assert_eq!((sent.len(), counts.lines), (1, 1));
        assert_eq!(sent[0].1["InvoiceDate"], "2026-03-05T00:00:00Z");
    }

    #[test]
    fn dates_that_could_be_either_are_not_guessed() {
        let rows = "1,a,b,1,3/4/2010,2,7,UK\n";
        let dated = ReplayOptions { dated: true, ..ReplayOptions::default() };
        let error = replay(rows, dated.clone()).expect_err("refused").to_string();
        assert!(error.contains("--date-format dmy or mdy"), "{error}");
        let told = ReplayOptions { dates: Some(DateFormat::Order(DayMonth::DayFirst)), ..dated };
        assert_eq!(replay(rows, told).expect("read").1.undated, 0);
        assert_eq!(replay(rows, ReplayOptions::default()).expect("read").1.lines, 1);
    }
}
