//! Events of the two topics, and their fields.

use std::borrow::Cow;
use std::cell::RefCell;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use triomphe::{Arc, HeaderSlice};

use crate::EventTime;
use crate::error::EventError;
use crate::loose::Loose;

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    Clickstream,
    OrderEvents,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Time,
}

/// A field of a topic's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A text, by its place.
    Text(u8),
    Price,
    Time,
}

const CLICK: [&str; 10] = [
    "event_id",
    "event_type",
    "user_id",
    "user_session",
    "product_id",
    "product_name",
    "category_code",
    "brand",
    "page_url",
    "category_id",
];
/// Texts of a click.
pub const CLICK_TEXTS: usize = CLICK.len();
const ORDER: [&str; 4] = ["event_id", "order_status", "user_id", "order_id"];
/// Both topics have the event's own id and its user in the same places.
const EVENT_ID: u8 = 0;
const USER_ID: u8 = 2;
/// Of clicks.
const SESSION: u8 = 3;

impl Topic {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clickstream => "clickstream",
            Self::OrderEvents => "order-events",
        }
    }

    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::Clickstream, Self::OrderEvents].into_iter().find(|topic| topic.name() == name)
    }

    const fn texts(self) -> &'static [&'static str] {
        match self {
            Self::Clickstream => &CLICK,
            Self::OrderEvents => &ORDER,
        }
    }

    const fn time(self) -> &'static str {
        match self {
            Self::Clickstream => "event_time",
            Self::OrderEvents => "order_time",
        }
    }

    /// The names of all fields.
    pub fn fields(self) -> impl Iterator<Item = &'static str> {
        self.texts().iter().copied().chain(["price", self.time()])
    }

    /// The field of this name; `type`, `status` and `time` are short for `event_type`, `order_status` and the event's time.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Field> {
        let name = match (self, name) {
            (Self::Clickstream, "type") => "event_type",
            (Self::OrderEvents, "status") => "order_status",
            (_, "time") => self.time(),
            _ => name,
        };
        if name == "price" {
            return Some(Field::Price);
        }
        if name == self.time() {
            return Some(Field::Time);
        }
        let place = self.texts().iter().position(|field| *field == name)?;
        u8::try_from(place).ok().map(Field::Text)
    }

    /// A field's full name.
    #[must_use]
    pub fn name_of(self, field: Field) -> &'static str {
        match field {
            Field::Text(place) => self.texts().get(usize::from(place)).copied().unwrap_or_default(),
            Field::Price => "price",
            Field::Time => self.time(),
        }
    }
}

impl Field {
    /// Whether clicks with the same value are of one user: a session is.
    #[must_use]
    pub const fn is_of_user(self) -> bool {
        matches!(self, Self::Text(USER_ID | SESSION))
    }

    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Price => Kind::Number,
            Self::Time => Kind::Time,
        }
    }
}

/// An event. Copies share their fields, which lie together with its texts.
#[derive(Clone, Debug)]
pub struct Event(Arc<HeaderSlice<Fields, str>>);

#[derive(Debug)]
struct Fields {
    at: EventTime,
    /// Not a number if there is none.
    price: f64,
    /// Where the input has it, from 0; for a dry run.
    row: u64,
    /// Where each text ends.
    ends: [u16; CLICK.len()],
}

/// Bytes of an event's texts together.
const MOST_TEXT: usize = u16::MAX as usize;
/// As in `batch`, so that sums of them stay numbers.
const MOST_PRICE: f64 = 1e12;

/// As much of a value as an error shows.
fn shown(value: &str) -> String {
    let cut = value.floor_char_boundary(80);
    if cut < value.len() { format!("{}…", value.get(..cut).unwrap_or_default()) } else { value.to_owned() }
}

impl Event {
    /// An event of these texts, which stand in the order of the topic's fields. A text that ends behind 65,535 bytes is empty, or
    /// cut off; [`Event::from_json`] refuses such events.
    #[must_use]
    pub fn new(at: EventTime, price: Option<f64>, texts: &[&str], row: u64) -> Self {
        Self::of(at, price, texts.first().copied().unwrap_or_default(), texts, row)
    }

    /// The same with another text in the first place.
    fn of(at: EventTime, price: Option<f64>, own: &str, texts: &[&str], row: u64) -> Self {
        // Room for the texts until it is known how much they need.
        thread_local!(static ROOM: RefCell<String> = RefCell::default());
        ROOM.with_borrow_mut(|all| {
            all.clear();
            all.push_str(own);
            let mut ends = [u16::try_from(all.len()).unwrap_or(u16::MAX); CLICK.len()];
            for (place, end) in ends.iter_mut().enumerate().skip(1) {
                all.push_str(texts.get(place).copied().unwrap_or_default());
                *end = u16::try_from(all.len()).unwrap_or(u16::MAX);
            }
            let fields = Fields { at, price: price.unwrap_or(f64::NAN), row, ends };
            Self(Arc::from_header_and_str(fields, all))
        })
    }

    /// Reads a record's value. One without an `event_id` is given `id`, and one without a `user_id` is no event.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn from_json(topic: Topic, value: &[u8], id: &str, row: u64) -> Result<Self, EventError> {
        let json = |source: serde_json::Error| EventError::Json(source.to_string());
        // A list of values would also do for serde.
        if value.trim_ascii_start().first() != Some(&b'{') {
            return Err(EventError::Json("it is no object".to_owned()));
        }
        match topic {
            Topic::Clickstream => {
                let click: Click = serde_json::from_slice(value).map_err(json)?;
                let texts = [
                    &click.event_id,
                    &click.event_type,
                    &click.user_id,
                    &click.user_session,
                    &click.product_id,
                    &click.product_name,
                    &click.category_code,
                    &click.brand,
                    &click.page_url,
                    &click.category_id,
                ];
                Self::read(topic, &click.event_time, &click.price, &texts.map(|text| text.0.as_ref()), id, row)
            }
            Topic::OrderEvents => {
                let order: Order = serde_json::from_slice(value).map_err(json)?;
                let texts = [&order.event_id, &order.order_status, &order.user_id, &order.order_id];
                Self::read(topic, &order.order_time, &order.price, &texts.map(|text| text.0.as_ref()), id, row)
            }
        }
    }

    /// Makes an event of texts in the order of the topic's fields.
    pub(crate) fn read(
        topic: Topic,
        time: &Loose<'_>,
        price: &Loose<'_>,
        texts: &[&str],
        id: &str,
        row: u64,
    ) -> Result<Self, EventError> {
        let missing = |field: Field| EventError::Missing(topic.name_of(field));
        let user = texts.get(usize::from(USER_ID)).copied().unwrap_or_default();
        if user.is_empty() {
            return Err(missing(Field::Text(USER_ID)));
        }
        if topic == Topic::OrderEvents && texts.get(3).copied().unwrap_or_default().is_empty() {
            return Err(missing(Field::Text(3)));
        }
        if time.0.is_empty() {
            return Err(missing(Field::Time));
        }
        let at = time.time().ok_or_else(|| EventError::Time { field: topic.time(), value: shown(&time.0) })?;
        let price = match price.0.as_ref() {
            "" => None,
            text => match text.parse().or_else(|_| text.trim().parse()) {
                Ok(price) if f64::abs(price) <= MOST_PRICE => Some(price),
                _ if text.trim().is_empty() => None,
                _ => return Err(EventError::Price(shown(text))),
            },
        };
        let own = texts.first().copied().filter(|own| !own.is_empty()).unwrap_or(id);
        let length = own.len() + texts.iter().skip(1).map(|text| text.len()).sum::<usize>();
        if length > MOST_TEXT {
            return Err(EventError::Long { length, most: MOST_TEXT });
        }
        Ok(Self::of(at, price, own, texts, row))
    }

    #[must_use]
    pub fn at(&self) -> EventTime {
        self.0.header.at
    }

    /// Reads what dropping it reads.
    pub(crate) fn touch(&self) -> usize {
        usize::from(self.at().0 == 0)
    }

    /// How many bytes it takes at most in MessagePack.
    #[must_use]
    pub fn saved_size(&self) -> usize {
        self.0.slice.len() + 5 * CLICK.len() + 40
    }

    #[must_use]
    pub fn row(&self) -> u64 {
        self.0.header.row
    }

    /// Its own id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.text(EVENT_ID)
    }

    #[must_use]
    pub fn user(&self) -> &str {
        self.text(USER_ID)
    }

    #[must_use]
    pub fn price(&self) -> Option<f64> {
        Some(self.0.header.price).filter(|price| !price.is_nan())
    }

    /// The text in this place of the topic's fields; empty if there is none.
    #[inline]
    #[must_use]
    pub fn text(&self, place: u8) -> &str {
        let place = usize::from(place);
        let Some(&end) = self.0.header.ends.get(place) else { return "" };
        let start = place.checked_sub(1).and_then(|before| self.0.header.ends.get(before)).copied().unwrap_or(0);
        self.0.slice.get(usize::from(start)..usize::from(end)).unwrap_or_default()
    }

    /// The value of a field as a key.
    #[must_use]
    pub fn key(&self, field: Field) -> Cow<'_, str> {
        match field {
            Field::Text(place) => Cow::Borrowed(self.text(place)),
            Field::Price => self.price().map_or(Cow::Borrowed(""), |price| Cow::Owned(format!("{price:?}"))),
            Field::Time => Cow::Owned(self.0.header.at.show()),
        }
    }

    /// Writes the fields that are there.
    ///
    /// # Errors
    /// What `map` returns.
    pub fn write_fields<M: SerializeMap>(&self, topic: Topic, map: &mut M) -> Result<(), M::Error> {
        for (place, name) in (0_u8..).zip(topic.texts()) {
            let text = self.text(place);
            if !text.is_empty() {
                map.serialize_entry(name, text)?;
            }
        }
        if let Some(price) = self.price() {
            map.serialize_entry("price", &price)?;
        }
        map.serialize_entry(topic.time(), &self.0.header.at.show())
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        let (Self(one), Self(other)) = (self, other);
        let (a, b) = (&one.header, &other.header);
        let prices = a.price.to_bits() == b.price.to_bits() || (a.price.is_nan() && b.price.is_nan());
        prices && (a.at, a.row, a.ends, &one.slice) == (b.at, b.row, b.ends, &other.slice)
    }
}

/// For the changelog: time, price, row, texts.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let count = u8::try_from(CLICK.len()).unwrap_or(u8::MAX);
        let mut texts: Vec<&str> = (0..count).map(|place| self.text(place)).collect();
        while texts.last().is_some_and(|text| text.is_empty()) {
            texts.pop();
        }
        (self.0.header.at, self.price(), self.0.header.row, texts).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (at, price, row, texts): (EventTime, Option<f64>, u64, Vec<Cow<'de, str>>) =
            Deserialize::deserialize(from)?;
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        Ok(Self::new(at, price, &texts, row))
    }
}

#[derive(Deserialize)]
struct Click<'r> {
    #[serde(borrow, default)]
    event_id: Loose<'r>,
    #[serde(borrow, default)]
    event_type: Loose<'r>,
    #[serde(borrow, default)]
    user_id: Loose<'r>,
    #[serde(borrow, default)]
    user_session: Loose<'r>,
    #[serde(borrow, default)]
    product_id: Loose<'r>,
    #[serde(borrow, default)]
    product_name: Loose<'r>,
    #[serde(borrow, default)]
    category_code: Loose<'r>,
    #[serde(borrow, default)]
    category_id: Loose<'r>,
    #[serde(borrow, default)]
    brand: Loose<'r>,
    #[serde(borrow, default)]
    price: Loose<'r>,
    #[serde(borrow, default)]
    page_url: Loose<'r>,
    #[serde(borrow, default)]
    event_time: Loose<'r>,
}

#[derive(Deserialize)]
struct Order<'r> {
    #[serde(borrow, default)]
    order_id: Loose<'r>,
    #[serde(borrow, default)]
    user_id: Loose<'r>,
    #[serde(borrow, default)]
    event_id: Loose<'r>,
    #[serde(borrow, default)]
    order_status: Loose<'r>,
    #[serde(borrow, default)]
    price: Loose<'r>,
    #[serde(borrow, default)]
    order_time: Loose<'r>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_price_and_no_object_is_refused() {
        let click = |price: &str| {
            let json = format!(r#" {{"user_id": "u", "event_time": 1767225600000, "price": {price}}}"#);
            Event::from_json(Topic::Clickstream, json.as_bytes(), "", 0).map(|event| event.price())
        };
        assert_eq!([click("1e12"), click("\"-2.50\""), click("null")], [Ok(Some(1e12)), Ok(Some(-2.5)), Ok(None)]);
        for price in ["1e999", "-5e300", "\"inf\"", "\"NaN\"", "1000000000001"] {
            assert!(click(price).is_err(), "{price}");
        }
        let list = Event::from_json(Topic::Clickstream, br#"["e", "view", "u"]"#, "", 0);
        assert_eq!(list, Err(EventError::Json("it is no object".to_owned())));
    }

    #[test]
    fn numbers_are_milliseconds_and_nothing_else() {
        let at = |time: &str| {
            let json = format!(r#"{{"user_id": "u", "event_time": {time}}}"#);
            Event::from_json(Topic::Clickstream, json.as_bytes(), "", 0).map(|event| event.at().0).ok()
        };
        for (time, millis) in [
            ("1767225600000", Some(1_767_225_600_000)),
            ("\"1767225600000\"", Some(1_767_225_600_000)),
            ("1767225600", None),
            ("1767225600000000", None),
            ("-1767225600000", None),
            ("20260101", None),
            ("20260101120000", None),
            ("1767225600.5", None),
            ("2026", None),
        ] {
            assert_eq!(at(time), millis, "{time}");
        }
    }

    #[test]
    fn an_event_is_whole_or_refused_for_its_length() {
        let click = |brand: usize| {
            let brand = "ü".repeat(brand);
            let json =
                format!(r#"{{"event_id": "e", "user_id": "u", "event_time": 1767225600000, "brand": "{brand}"}}"#);
            Event::from_json(Topic::Clickstream, json.as_bytes(), "", 0)
        };
        let longest = click(32_766).expect("2 + 65,532 bytes");
        assert_eq!(longest.text(7).len(), 65_532);
        let longer = click(32_767).expect_err("2 + 65,534 bytes").to_string();
        assert_eq!(longer, "its texts have 65536 bytes, where an event has at most 65535");
    }
}
