//! Which customers, and in which order.

use std::cmp::Ordering;
use std::sync::Arc;

use chrono::NaiveDate;
use data::{EventTime, Money};
use serde::Deserialize;
use utoipa::ToSchema;

use super::customers::CustomersQuery;
use super::{Answered, Problem};
use crate::lake::Timeline;
use crate::view::{Row, View};

/// A column to sort by; `-` before it for descending. Equals follow by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub enum Order {
    #[serde(rename = "customer_id")]
    Id,
    #[serde(rename = "-customer_id")]
    IdDescending,
    #[serde(rename = "recency_days")]
    Recency,
    #[serde(rename = "-recency_days")]
    RecencyDescending,
    #[serde(rename = "frequency")]
    Frequency,
    #[serde(rename = "-frequency")]
    FrequencyDescending,
    #[serde(rename = "monetary")]
    Monetary,
    #[default]
    #[serde(rename = "-monetary")]
    MonetaryDescending,
}

/// The place of a customer in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    key: i64,
    id: String,
}

impl Order {
    /// Small ones come first.
    fn key(self, row: &Row<'_>) -> i64 {
        let figures = &row.figures;
        match self {
            Self::Id | Self::IdDescending => 0,
            // Long ago is many days.
            Self::Recency => -figures.last.day(),
            Self::RecencyDescending => figures.last.day(),
            Self::Frequency => i64::from(figures.frequency),
            Self::FrequencyDescending => -i64::from(figures.frequency),
            Self::Monetary => figures.monetary.raw(),
            Self::MonetaryDescending => -figures.monetary.raw(),
        }
    }

    fn compare(self, one: (i64, &str), other: (i64, &str)) -> Ordering {
        match self {
            Self::IdDescending => other.1.cmp(one.1),
            _ => one.cmp(&other),
        }
    }

    /// As it is handed out: hexadecimal, so that nobody takes it for something to build.
    fn write(self, key: i64, id: &str) -> String {
        let plain = format!("{}~{key}~{id}", self as u8);
        plain.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    /// # Errors
    /// When it is none that a page of this order gave.
    pub fn cursor(self, text: &str) -> Answered<Cursor> {
        let wrong = || Problem::parameter("cursor", "is none that a page of this order gave; begin without it");
        let bytes: Option<Vec<u8>> = (0..text.len())
            .step_by(2)
            .map(|place| text.get(place..place + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
            .collect();
        let plain = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
        let mut parts = plain.splitn(3, '~');
        let (order, key, id) = (parts.next(), parts.next(), parts.next());
        match (order.and_then(|order| order.parse::<u8>().ok()), key.and_then(|key| key.parse().ok()), id) {
            (Some(order), Some(key), Some(id)) if order == self as u8 => Ok(Cursor { key, id: id.to_owned() }),
            _ => Err(wrong()),
        }
    }
}

/// Checked filters.
pub struct Filter {
    query: CustomersQuery,
    label: Option<Option<u8>>,
    days: (i64, i64),
    monetary: (Money, Money),
    /// What `moved_from` looks at.
    past: Option<(Arc<View>, Before)>,
    /// From the first day on, below the last.
    ordered: Option<std::ops::Range<i64>>,
    /// By place: who ordered then, by what the publication knows.
    who_ordered: Vec<bool>,
}

/// Where a customer was.
enum Before {
    New,
    /// `None`: in a segment that there was not.
    In(Option<u8>),
}

impl Filter {
    /// # Errors
    /// Names the parameter that cannot be.
    pub fn new(query: &CustomersQuery, view: &View, past: Option<Arc<View>>) -> Answered<Self> {
        for (name, score) in [("r", query.r), ("f", query.f), ("m", query.m)] {
            if score.is_some_and(|score| !(1..=5).contains(&score)) {
                return Err(Problem::parameter(name, "is a score, 1 to 5"));
            }
        }
        for (name, amount) in [("min_monetary", query.min_monetary), ("max_monetary", query.max_monetary)] {
            if amount.is_some_and(|amount| !amount.is_finite()) {
                return Err(Problem::parameter(name, "is an amount of money"));
            }
        }
        if query.cohort.as_deref().is_some_and(|month| !is_month(month)) {
            return Err(Problem::parameter("cohort", "is a month such as 2010-12"));
        }
        let names = view.judged.batch.rfm_segments();
        if query.rfm_segment.as_deref().is_some_and(|name| !names.contains(&name)) {
            return Err(Problem::parameter("rfm_segment", format!("is one of {}", names.join(", "))));
        }
        in_order(query)?;
        let before = match query.moved_from.as_deref() {
            None | Some("new") => None,
            Some(id) => {
                Some(id.parse::<u32>().map_err(|_| Problem::parameter("moved_from", "is a segment's id, or new"))?)
            }
        };
        Ok(Self {
            label: query.segment.map(|id| view.label_of(id)),
            days: (query.min_recency_days.unwrap_or(i64::MIN), query.max_recency_days.unwrap_or(i64::MAX)),
            monetary: (raw(query.min_monetary, i64::MIN), raw(query.max_monetary, i64::MAX)),
            past: past.map(|past| {
                let before = before.map_or(Before::New, |id| Before::In(past.label_of(id)));
                (past, before)
            }),
            ordered: ordered(query)?,
            who_ordered: Vec::new(),
            query: query.clone(),
        })
    }

    /// Whether it asks when customers ordered: then [`Filter::look_at`] must be called first.
    #[must_use]
    pub const fn is_of_time(&self) -> bool {
        self.ordered.is_some()
    }

    /// Finds out who ordered in the time that was asked for.
    pub fn look_at(&mut self, timeline: &Timeline) {
        let Some(days) = &self.ordered else { return };
        for payment in timeline.payments().iter().filter(|payment| days.contains(&i64::from(payment.day))) {
            let place = payment.place();
            if place >= self.who_ordered.len() {
                self.who_ordered.resize(place + 1, false);
            }
            if let Some(own) = self.who_ordered.get_mut(place) {
                *own = true;
            }
        }
    }

    fn did_order(&self, row: &Row<'_>) -> bool {
        let Some(days) = &self.ordered else { return true };
        let known = row.place.and_then(|place| self.who_ordered.get(place)).copied().unwrap_or_default();
        known || row.live.is_some_and(|live| live.invoices.iter().any(|invoice| days.contains(&invoice.at.day())))
    }

    #[must_use]
    pub fn wants(&self, view: &View, row: &Row<'_>) -> bool {
        let (query, figures) = (&self.query, &row.figures);
        let [r, f, m] = figures.scores;
        let days = figures.last.days_before(view.reference());
        let is = |asked: Option<u8>, score: u8| asked.is_none_or(|asked| asked == score);
        self.label.is_none_or(|label| label == Some(figures.label))
            && is(query.r, r)
            && is(query.f, f)
            && is(query.m, m)
            && (self.days.0..=self.days.1).contains(&days)
            && (self.monetary.0..=self.monetary.1).contains(&figures.monetary)
            && query.min_frequency.is_none_or(|least| figures.frequency >= least)
            && query.max_frequency.is_none_or(|most| figures.frequency <= most)
            && query.prefix.as_deref().is_none_or(|prefix| row.id.starts_with(prefix))
            && query.country.as_deref().is_none_or(|country| row.country == Some(country))
            && query.rfm_segment.as_deref().is_none_or(|name| view.judged.batch.rfm_segment(r, f) == name)
            && query.cohort.as_deref().is_none_or(|month| figures.first.month().to_string() == month)
            && self.moved(row)
            && self.did_order(row)
    }

    fn moved(&self, row: &Row<'_>) -> bool {
        let Some((past, asked)) = &self.past else { return true };
        let before = past.find(row.id).map(|row| row.figures.label);
        match asked {
            Before::New => before.is_none(),
            Before::In(label) => before.is_some() && before == *label,
        }
    }
}

/// Bounds between which nobody can be are a mistake.
fn in_order(query: &CustomersQuery) -> Answered<()> {
    let days = query.min_recency_days.zip(query.max_recency_days).is_some_and(|(min, max)| min > max);
    let invoices = query.min_frequency.zip(query.max_frequency).is_some_and(|(min, max)| min > max);
    let money = query.min_monetary.zip(query.max_monetary).is_some_and(|(min, max)| min > max);
    for (name, is_wrong) in [("recency_days", days), ("frequency", invoices), ("monetary", money)] {
        if is_wrong {
            return Err(Problem::parameter(format!("min_{name}"), format!("is above max_{name}")));
        }
    }
    Ok(())
}

fn ordered(query: &CustomersQuery) -> Answered<Option<std::ops::Range<i64>>> {
    let from = day("ordered_from", query.ordered_from.as_deref())?;
    let to = day("ordered_to", query.ordered_to.as_deref())?;
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(Problem::parameter("ordered_from", "is not before ordered_to"));
    }
    Ok((from.is_some() || to.is_some()).then(|| from.unwrap_or(i64::MIN)..to.unwrap_or(i64::MAX)))
}

/// A parameter that is a day, in days since 1970.
///
/// # Errors
/// When it is none of the years 0000 to 9999.
pub(super) fn day(name: &str, text: Option<&str>) -> Answered<Option<i64>> {
    let read = |text: &str| {
        let date = text.parse::<NaiveDate>().ok().filter(|_| text.len() == 10 && !text.starts_with(['-', '+']));
        date.ok_or_else(|| Problem::parameter(name, "is a day such as 2011-01-01"))
    };
    Ok(text.map(read).transpose()?.map(|date| EventTime::from_date(date).day()))
}

fn is_month(text: &str) -> bool {
    text.len() == 7 && format!("{text}-01").parse::<NaiveDate>().is_ok()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a bound beyond what money can be saturates, which compares the same"
)]
fn raw(amount: Option<f64>, otherwise: i64) -> Money {
    Money::from_raw(amount.map_or(otherwise, |amount| (amount * data::money::UNIT_F64).round() as i64))
}

/// Some customers in an order.
#[derive(Debug)]
pub struct Page<'v> {
    pub rows: Vec<Row<'v>>,
    /// As many as match.
    pub total: usize,
    pub next: Option<String>,
}

/// The first `limit` customers behind `cursor`.
#[must_use]
pub fn page<'v>(view: &'v View, filter: &Filter, order: Order, cursor: Option<&Cursor>, limit: usize) -> Page<'v> {
    let mut total = 0;
    let mut chosen: Vec<(i64, &str)> = Vec::new();
    for row in view.rows().filter(|row| filter.wants(view, row)) {
        total += 1;
        let place = (order.key(&row), row.id);
        let is_behind = |cursor: &Cursor| order.compare(place, (cursor.key, &cursor.id)) == Ordering::Greater;
        if cursor.is_none_or(is_behind) {
            chosen.push(place);
            // Now and then, so that memory holds a few pages at most.
            if chosen.len() >= (limit + 1) * 8 {
                keep_first(&mut chosen, order, limit + 1);
            }
        }
    }
    keep_first(&mut chosen, order, limit + 1);
    chosen.sort_unstable_by(|one, other| order.compare(*one, *other));
    let is_more = chosen.len() > limit;
    chosen.truncate(limit);
    let next = chosen.last().filter(|_| is_more).map(|(key, id)| order.write(*key, id));
    Page { rows: chosen.iter().filter_map(|(_, id)| view.find(id)).collect(), total, next }
}

fn keep_first(chosen: &mut Vec<(i64, &str)>, order: Order, count: usize) {
    if chosen.len() > count {
        chosen.select_nth_unstable_by(count - 1, |one, other| order.compare(*one, *other));
        chosen.truncate(count);
    }
}

/// Every customer that matches.
#[must_use]
pub fn sorted<'v>(view: &'v View, filter: &Filter, order: Order) -> Vec<Row<'v>> {
    let mut rows: Vec<Row<'v>> = view.rows().filter(|row| filter.wants(view, row)).collect();
    rows.sort_unstable_by(|one, other| order.compare((order.key(one), one.id), (order.key(other), other.id)));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_belong_to_their_order() {
        let text = Order::Monetary.write(-5, "a~b");
        assert_eq!(Order::Monetary.cursor(&text).ok(), Some(Cursor { key: -5, id: "a~b".to_owned() }));
        assert!(Order::Id.cursor(&text).is_err());
        for wrong in ["", "zz", "é", "3", "3030"] {
            assert!(Order::Monetary.cursor(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn days_are_checked() {
        assert_eq!(day("from", None).ok(), Some(None));
        assert_eq!(day("from", Some("1970-01-02")).ok(), Some(Some(1)));
        for wrong in ["-99999-01-01", "+2011-01-1", "2011-1-1", "2011-02-30", "20110101", ""] {
            assert!(day("from", Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn months_are_checked() {
        assert!(is_month("2010-12"));
        assert!(["2010-1", "2010-13", "2010-00", "2010/12", "decembe", "december"].iter().all(|text| !is_month(text)));
    }
}
