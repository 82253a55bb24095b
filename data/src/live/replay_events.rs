//! A file of clicks, or of what becomes of orders, as live messages.

use std::path::Path;

use serde::Serialize;

use super::error::Result;
use super::json::Object;
use super::records::Records;
use super::replay::shift;
use super::{Message, ReplayOptions, Source};
use crate::time::DAY_MICROS;
use crate::{DateFormat, DayMonth, EventTime};

/// What a file's lines are, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    Click,
    OrderEvent,
}

const CLICK: [&str; 12] = [
    "event_id",
    "event_type",
    "user_id",
    "user_session",
    "product_id",
    "product_name",
    "category_id",
    "category_code",
    "brand",
    "price",
    "page_url",
    "event_time",
];
const ORDER_EVENT: [&str; 6] = ["order_id", "user_id", "event_id", "order_status", "price", "order_time"];

impl EventKind {
    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Click => &CLICK,
            Self::OrderEvent => &ORDER_EVENT,
        }
    }

    const fn time(self) -> &'static str {
        match self {
            Self::Click => "event_time",
            Self::OrderEvent => "order_time",
        }
    }

    /// The topic of such events.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Click => crate::topics::CLICKSTREAM,
            Self::OrderEvent => crate::topics::ORDER_EVENTS,
        }
    }

    fn of(names: &[String]) -> Option<Self> {
        let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        [(Self::Click, "event_type"), (Self::OrderEvent, "order_status")]
            .into_iter()
            .find(|(kind, what)| has(what) && has("user_id") && has(kind.time()))
            .map(|(kind, _)| kind)
    }
}

/// What the header of `path` says its lines are; `None` for orders.
///
/// # Errors
/// [`super::Error::Read`], or [`super::Error::Content`] when it is empty.
pub fn kind_of(path: &Path) -> Result<Option<EventKind>> {
    Ok(EventKind::of(&open(path)?.names))
}

fn open(path: &Path) -> Result<Records> {
    Records::open(path, |names| usize::from(EventKind::of(names).is_some()))
}

/// A file's events in its order, keyed by user.
pub struct EventReplay {
    file: Records,
    kind: EventKind,
    /// Where each of the kind's fields stands that the file has.
    fields: Vec<(&'static str, usize)>,
    limit: u64,
    dates: DateFormat,
    /// Added to every time.
    shift_micros: Option<i64>,
    counts: EventCounts,
}

/// What a file held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EventCounts {
    /// Events, sent.
    pub lines: u64,
    /// Of these, those that nobody can use, since they have no user or a time that cannot be read. They are sent as they are.
    pub unusable: u64,
    /// The number of the first line of these; the header is line 1.
    pub first_unusable: Option<u64>,
    /// Lines that are no records, not sent.
    pub unreadable: u64,
    /// The number of the first of them.
    pub first_unreadable: Option<u64>,
    /// Days added to every time.
    pub shifted_days: Option<i64>,
}

impl EventReplay {
    /// Opens the file; where times are moved, reads it once before to find the newest.
    ///
    /// # Errors
    /// [`super::Error::Read`], or [`super::Error::Content`] when the file is empty or of no events.
    pub fn open(options: &ReplayOptions) -> Result<Self> {
        let mut replay = Self::at_start(options)?;
        if let Some(now) = options.retime_to {
            let mut newest = None;
            let mut lines = 0;
            while lines < replay.limit && replay.file.advance()? {
                newest = newest.max(replay.time());
                lines += 1;
            }
            replay = Self::at_start(options)?;
            replay.shift_micros = newest.map(|newest| shift(newest, now));
            replay.counts.shifted_days = replay.shift_micros.map(|micros| micros / DAY_MICROS);
        }
        Ok(replay)
    }

    fn at_start(options: &ReplayOptions) -> Result<Self> {
        let file = open(&options.path)?;
        let kind = EventKind::of(&file.names).ok_or_else(|| {
            let reason = "its header is neither one of clicks (event_time, event_type, user_id, …) nor one of order events \
                          (order_time, order_status, user_id, …)";
            file.wrong(reason.to_owned())
        })?;
        let place = |field: &&'static str| {
            let place = file.names.iter().position(|name| name.eq_ignore_ascii_case(field))?;
            Some((*field, place))
        };
        Ok(Self {
            fields: kind.fields().iter().filter_map(place).collect(),
            file,
            kind,
            limit: options.limit.unwrap_or(u64::MAX),
            dates: options.dates.clone().unwrap_or(DateFormat::Order(DayMonth::MonthFirst)),
            shift_micros: None,
            counts: EventCounts::default(),
        })
    }

    #[must_use]
    pub fn counts(&self) -> EventCounts {
        let unreadable = self.file.unreadable();
        EventCounts { unreadable: unreadable.lines, first_unreadable: unreadable.first, ..self.counts }
    }

    fn field(&self, wanted: &str) -> &[u8] {
        let place = self.fields.iter().find(|(field, _)| *field == wanted);
        place.map_or(&b""[..], |(_, place)| self.file.get(*place))
    }

    fn time(&self) -> Option<EventTime> {
        let text = self.field(self.kind.time());
        self.dates.parse(text).or_else(|| millis(text))
    }
}

/// Milliseconds since 1970 of the years from 2000 to 2099, as speed reads them too.
fn millis(text: &[u8]) -> Option<EventTime> {
    let millis: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let known = (946_684_800_000..4_102_444_800_000).contains(&millis);
    known.then(|| EventTime::from_micros(millis * 1_000))
}

impl Source for EventReplay {
    fn next(&mut self, message: &mut Message) -> Result<bool> {
        if self.counts.lines >= self.limit || !self.file.advance()? {
            return Ok(false);
        }
        let at = self.time();
        message.ordered_at = at;
        message.key.clear();
        message.key.extend_from_slice(self.field("user_id"));
        let mut object = Object::begin(&mut message.value);
        for (field, place) in &self.fields {
            match (*field, at.zip(self.shift_micros)) {
                (field, Some((at, shift))) if field == self.kind.time() => {
                    object.quoted(field, EventTime::from_micros(at.micros() + shift));
                }
                ("price", _) => object.number_or_text("price", &self.file.text(*place)),
                (field, _) => object.text(field, &self.file.text(*place)),
            }
        }
        object.end();
        self.counts.lines += 1;
        if message.key.is_empty() || at.is_none() {
            self.counts.unusable += 1;
            self.counts.first_unusable.get_or_insert(self.file.line());
        }
        Ok(true)
    }

    fn share(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "for a progress bar")]
        let of_limit = self.counts.lines as f64 / self.limit as f64;
        Some(self.file.share().max(of_limit))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    fn replay(content: &str, options: ReplayOptions) -> Result<(Vec<(String, Value)>, EventCounts)> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.csv");
        fs::write(&path, content).expect("written");
        let mut replay = EventReplay::open(&ReplayOptions { path, ..options })?;
        let mut message = Message::default();
        let mut sent = Vec::new();
        while replay.next(&mut message)? {
            let key = String::from_utf8(message.key.clone()).expect("text");
            sent.push((key, serde_json::from_slice(&message.value).expect("json")));
        }
        Ok((sent, replay.counts()))
    }

    const CLICKS: &str = "event_time,event_type,product_id,category_code,price,user_id,user_session\n\
                          2019-10-01 00:00:00 UTC,view,44,,35.79,7,s\n\
                          2019-10-02 23:00:00 UTC,cart,44,a.b,x,,s\n\
                          broken\n\
                          never,view,44,,1,8,s\n";

    #[test]
    fn times_may_be_milliseconds() {
        let clicks = "event_time,event_type,user_id\n1569888000000,view,7\n2019,view,7\n99999999999999999,view,7\n\
                      1569888000,view,7\n";
        let (sent, counts) = replay(clicks, ReplayOptions::default()).expect("read");
        assert_eq!(sent[0].1["event_time"], "1569888000000");
        assert_eq!((counts.unusable, counts.first_unusable), (3, Some(3)));
    }

    #[test]
    fn clicks_stay_as_they_are_spelled_and_bad_lines_are_told() {
        let (sent, counts) = replay(CLICKS, ReplayOptions::default()).expect("read");
        let first = json!({
            "event_time": "2019-10-01 00:00:00 UTC", "event_type": "view", "product_id": "44", "category_code": null,
            "price": 35.79, "user_id": "7", "user_session": "s"
        });
        assert_eq!(sent[0], ("7".to_owned(), first));
        assert_eq!((sent[1].0.as_str(), &sent[1].1["price"]), ("", &json!("x")));
        let expected = EventCounts {
            lines: 3,
            unusable: 2,
            first_unusable: Some(3),
            unreadable: 1,
            first_unreadable: Some(4),
            shifted_days: None,
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn retimed_clicks_end_today_and_keep_their_hours() {
        let now = DateFormat::Order(DayMonth::MonthFirst).parse(b"2026-03-05T22:00:00Z");
        let options = ReplayOptions { retime_to: now, ..ReplayOptions::default() };
        let (sent, counts) = replay(CLICKS, options).expect("read");
        let times: Vec<&Value> = sent.iter().map(|(_, click)| &click["event_time"]).collect();
        assert_eq!(times, [&json!("2026-03-03T00:00:00Z"), &json!("2026-03-04T23:00:00Z"), &json!("never")]);
        assert!(counts.shifted_days.is_some());
    }

    #[test]
    fn the_header_decides() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file.csv");
        let cases = [
            ("Event_Time;event_type;user_id\n", Some(EventKind::Click)),
            ("order_id,user_id,order_status,price,order_time\n", Some(EventKind::OrderEvent)),
            ("InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n", None),
        ];
        for (header, kind) in cases {
            fs::write(&path, header).expect("written");
            assert_eq!(kind_of(&path).expect("a header"), kind, "{header}");
        }
        let refused = replay("a,b\n1,2\n", ReplayOptions::default()).expect_err("refused").to_string();
        assert!(refused.contains("order_status"), "{refused}");
    }
}
