//! `GET /revenue` and `/cohorts`: orders over time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{Datelike, Days, Months, NaiveDate};
use data::{EventTime, Money};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::filter::day;
use super::overview::AsOfQuery;
use super::segments::ordered;
use super::sight::{Sight, ViewInfo};
use super::{Answered, App, Ask, Problem, blocking};
use crate::lake::Timeline;
use crate::view::View;

/// No chart shows more points, and no reader looks at them.
const MOST_POINTS: i64 = 5_000;
/// Two orders that are so far apart have a gap between them.
const GAP_DAYS: i64 = 366;
/// Reading the orders once may take that long; then the asker is told to come again.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    Day,
    /// From Monday.
    #[default]
    Week,
    Month,
    Year,
}

impl By {
    /// The longer period, and how many days this one has at least.
    const fn longer(self) -> Option<(Self, i64)> {
        match self {
            Self::Day => Some((Self::Week, 1)),
            Self::Week => Some((Self::Month, 7)),
            Self::Month => Some((Self::Year, 28)),
            Self::Year => None,
        }
    }

    /// The shortest period from this one on that cuts so many days into `most` at most; years at the last.
    fn coarse(self, days: i64, most: i64) -> Self {
        match self.longer() {
            Some((longer, least)) if days / least >= most => longer.coarse(days, most),
            _ => self,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevenueQuery {
    /// `week` unless said.
    #[serde(default)]
    #[param(inline)]
    by: By,
    /// First day, such as `2011-01-01`.
    from: Option<String>,
    /// Last day.
    to: Option<String>,
    /// Points that are enough: a span that would take more of them is told by longer periods.
    #[param(minimum = 2)]
    most: Option<u32>,
    /// Leaves a year and more without an order out: neither told nor counted for `most`.
    #[serde(default)]
    skip_gaps: bool,
    as_of: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Revenue {
    view: ViewInfo,
    /// As was asked for, or longer because of `most`.
    by: By,
    points: Vec<Point>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Point {
    /// First day of the period.
    #[schema(value_type = String, format = Date)]
    start: NaiveDate,
    #[schema(value_type = f64)]
    revenue: Money,
    /// Invoices.
    orders: u64,
    /// By the segment that the customers have now.
    segments: Vec<SegmentPoint>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SegmentPoint {
    segment_id: u32,
    #[schema(value_type = f64)]
    revenue: Money,
    orders: u64,
}

/// Revenue and orders over time
#[utoipa::path(get, path = "/api/v1/revenue", tag = "figures", params(RevenueQuery),
    responses((status = 200, body = Revenue), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn revenue(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<RevenueQuery>,
) -> Answered<Response> {
    let (from, to) = (day("from", query.from.as_deref())?, day("to", query.to.as_deref())?);
    let days = from.unwrap_or(i64::MIN)..=to.unwrap_or(i64::MAX);
    if query.most.is_some_and(|most| most < 2) {
        return Err(Problem::parameter("most", "is 2 or more"));
    }
    if days.start() > days.end() {
        return Err(Problem::parameter("to", "is before from"));
    }
    let sight = app.sight(query.as_of.as_deref(), &headers).await?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let timeline = timeline(&app, &sight).await?;
    let _turn = app.scans.acquire().await;
    blocking(move || {
        let gap = if query.skip_gaps { GAP_DAYS } else { i64::MAX };
        let span = span(&sight.view, &timeline, &days, gap);
        let by = query.most.map_or(query.by, |most| query.by.coarse(span, i64::from(most)));
        if by.coarse(span, MOST_POINTS) != by {
            let told = format!("cuts {span} days into more than {MOST_POINTS} points: give from and to, or most");
            return Err(Problem::parameter("by", told));
        }
        let points = points(&sight.view, &timeline, by, &days, gap);
        Ok(sight.json(&Revenue { view: sight.info(), by, points }))
    })
    .await
}

pub(super) async fn timeline(app: &Arc<App>, sight: &Sight) -> Answered<Arc<Timeline>> {
    // Read to its end also when the asker goes: the next one will want it.
    let (app, view) = (Arc::clone(app), Arc::clone(&sight.view));
    let read = tokio::spawn(async move { app.shelf.timeline(&view).await });
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(Ok(read)) => Ok(read?),
        Ok(Err(error)) => Err(Problem::from(crate::error::Error::from(error))),
        Err(_) => Err(Problem::unavailable("the orders are still being read", 5)),
    }
}

/// Each payment of the view: the customer's label, day, amount, whether it counts as an order.
fn each_payment(view: &View, timeline: &Timeline, mut take: impl FnMut(u8, i64, Money, bool)) {
    let base = &view.judged.batch.base;
    let mut known: Option<(usize, Option<u8>)> = None;
    for payment in timeline.payments() {
        let place = payment.place();
        let label = match known {
            Some((own, label)) if own == place => label,
            _ if view.overlay.has(place) => view.find(base.id(place)).map(|row| row.figures.label),
            _ => view.judged.figures(place).map(|figures| figures.label),
        };
        known = Some((place, label));
        if let Some(label) = label {
            take(label, i64::from(payment.day), payment.amount, payment.is_order());
        }
    }
    for (_, customer) in view.overlay.iter() {
        for invoice in &customer.invoices {
            take(customer.figures.label, invoice.at.day(), invoice.amount, invoice.new);
        }
    }
}

/// The days from the first payment to the last of those within `days`, without what lies between two that are `gap` days or more apart.
fn span(view: &View, timeline: &Timeline, days: &std::ops::RangeInclusive<i64>, gap: i64) -> i64 {
    let mut paid = BTreeSet::new();
    let mut last = None;
    each_payment(view, timeline, |_, day, _, _| {
        // A customer's payments of a day follow one another.
        if days.contains(&day) && last.replace(day) != Some(day) {
            paid.insert(day);
        }
    });
    let between = paid.iter().zip(paid.iter().skip(1)).map(|(day, next)| next - day).filter(|between| *between < gap);
    between.sum::<i64>() + i64::from(!paid.is_empty())
}

fn points(view: &View, timeline: &Timeline, by: By, days: &std::ops::RangeInclusive<i64>, gap: i64) -> Vec<Point> {
    let mut periods: BTreeMap<NaiveDate, Vec<(Money, u64)>> = BTreeMap::new();
    let segments = view.segments().len();
    let mut last: Option<(i64, NaiveDate)> = None;
    each_payment(view, timeline, |label, day, amount, is_order| {
        if !days.contains(&day) {
            return;
        }
        let start = match last {
            Some((own, start)) if own == day => start,
            _ => start_of(day, by),
        };
        last = Some((day, start));
        let sums = periods.entry(start).or_insert_with(|| vec![(Money::ZERO, 0); segments]);
        if let Some((revenue, orders)) = sums.get_mut(usize::from(label)) {
            *revenue += amount;
            *orders += u64::from(is_order);
        }
    });
    let labels = ordered(view);
    let none = vec![(Money::ZERO, 0); segments];
    let mut points = Vec::new();
    let mut before: Option<NaiveDate> = None;
    for (start, sums) in &periods {
        // Periods without orders are points too: what is drawn of them keeps its distances.
        let between = before.filter(|before| (*start - *before).num_days() < gap);
        let between = std::iter::successors(between, |start| following(*start, by)).skip(1);
        points.extend(between.take_while(|own| own < start).map(|own| point(view, &labels, own, &none)));
        points.push(point(view, &labels, *start, sums));
        before = Some(*start);
    }
    points
}

/// The period behind the one that begins with `start`.
fn following(start: NaiveDate, by: By) -> Option<NaiveDate> {
    match by {
        By::Day => start.succ_opt(),
        By::Week => start.checked_add_days(Days::new(7)),
        By::Month => start.checked_add_months(Months::new(1)),
        By::Year => start.checked_add_months(Months::new(12)),
    }
}

fn point(view: &View, labels: &[u8], start: NaiveDate, sums: &[(Money, u64)]) -> Point {
    let segment = |label: &u8| {
        let (segment, (revenue, orders)) = (view.segment(*label)?, sums.get(usize::from(*label)).copied()?);
        Some(SegmentPoint { segment_id: segment.id, revenue, orders })
    };
    Point {
        start,
        revenue: sums.iter().map(|(revenue, _)| *revenue).sum(),
        orders: sums.iter().map(|(_, orders)| *orders).sum(),
        segments: labels.iter().filter_map(segment).collect(),
    }
}

fn date_of(day: i64) -> NaiveDate {
    EventTime::at_day(day).to_utc().date_naive()
}

fn start_of(day: i64, by: By) -> NaiveDate {
    let date = date_of(day);
    match by {
        By::Day => date,
        By::Week => date.week(chrono::Weekday::Mon).first_day(),
        By::Month => date.with_day(1).unwrap_or(date),
        By::Year => NaiveDate::from_yo_opt(date.year(), 1).unwrap_or(date),
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Cohorts {
    view: ViewInfo,
    /// From the first order of all to the last.
    months: Vec<String>,
    cohorts: Vec<Cohort>,
}

/// The customers whose first order was in one month.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cohort {
    month: String,
    customers: u64,
    /// How many of them ordered in the n-th month after it; the first is the month itself.
    active: Vec<u64>,
}

/// How many customers of each month's newcomers came back, month by month
#[utoipa::path(get, path = "/api/v1/cohorts", tag = "figures", params(AsOfQuery),
    responses((status = 200, body = Cohorts), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn cohorts(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<AsOfQuery>,
) -> Answered<Response> {
    let sight = app.sight(query.as_of.as_deref(), &headers).await?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let timeline = timeline(&app, &sight).await?;
    let _turn = app.scans.acquire().await;
    blocking(move || {
        let (months, cohorts) = active(&sight.view, &timeline);
        Ok(sight.json(&Cohorts { view: sight.info(), months, cohorts }))
    })
    .await
}

/// Months are counted from year 0.
fn month_of(day: i64) -> i32 {
    let date = date_of(day);
    date.year() * 12 + i32::try_from(date.month0()).unwrap_or_default()
}

fn month_name(month: i32) -> String {
    let year = NaiveDate::from_ymd_opt(month.div_euclid(12), 1, 1).unwrap_or_default();
    let months = Months::new(u32::try_from(month.rem_euclid(12)).unwrap_or_default());
    (year + months).format("%Y-%m").to_string()
}

fn active(view: &View, timeline: &Timeline) -> (Vec<String>, Vec<Cohort>) {
    let mut by_first: BTreeMap<i32, BTreeMap<i32, u64>> = BTreeMap::new();
    let mut count = |months: &BTreeSet<i32>| {
        let Some(first) = months.first() else { return };
        let cohort = by_first.entry(*first).or_default();
        months.iter().for_each(|month| *cohort.entry(month - first).or_default() += 1);
    };
    let live_months = |id: &str| -> BTreeSet<i32> {
        let invoices = view.overlay.get(id).map_or(&[][..], |customer| &customer.invoices);
        invoices.iter().filter(|invoice| invoice.new).map(|invoice| month_of(invoice.at.day())).collect()
    };
    let base = &view.judged.batch.base;
    for payments in timeline.payments().chunk_by(|one, other| one.place() == other.place()) {
        let orders = payments.iter().filter(|payment| payment.is_order());
        let mut months: BTreeSet<i32> = orders.map(|payment| month_of(i64::from(payment.day))).collect();
        let place = payments.first().map(crate::lake::Payment::place);
        if let Some(place) = place.filter(|place| view.overlay.has(*place)) {
            months.extend(live_months(base.id(place)));
        }
        count(&months);
    }
    for (id, _) in view.overlay.iter().filter(|(_, customer)| customer.place.is_none()) {
        count(&live_months(id));
    }
    let last = by_first.iter().filter_map(|(first, months)| Some(first + months.last_key_value()?.0)).max();
    let (Some(first), Some(last)) = (by_first.first_key_value().map(|(first, _)| *first), last) else {
        return (Vec::new(), Vec::new());
    };
    let cohort = |(month, months): (&i32, &BTreeMap<i32, u64>)| Cohort {
        month: month_name(*month),
        customers: months.get(&0).copied().unwrap_or_default(),
        active: (0..=last - month).map(|after| months.get(&after).copied().unwrap_or_default()).collect(),
    };
    ((first..=last).map(month_name).collect(), by_first.iter().map(cohort).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_spans_are_told_by_longer_periods() {
        for (days, by) in [(0, By::Week), (373, By::Week), (1_400, By::Month), (5_000, By::Year), (400_000, By::Year)] {
            assert_eq!(By::Week.coarse(days, 160), by, "{days} days");
        }
        assert_eq!(By::Day.coarse(30, 31), By::Day);
    }
}
