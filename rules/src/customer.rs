//! What is remembered of a customer's clicks and orders, and what follows from it.

use serde::{Deserialize, Serialize};

use crate::behaviour::{Feature, Measure, Steps};
use crate::condition::{Leaf, Number, Scene};
use crate::event::{Event, Topic};
use crate::reader::whole;
use crate::{Day, EventTime, RuleSet};

/// How long an order's status may change, in days; what comes later is not taken back.
const OPEN_DAYS: i64 = 62;
/// Most orders of a customer whose status may still change; the oldest is settled first.
const OPEN_ORDERS: usize = 1000;
/// A sum is kept in this part of a unit.
const PARTS: f64 = 10_000.0;

/// The time by which windows slide and days are counted. Both come from events, so that a replay sees the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    pub today: Day,
    /// The day of the newest order that was seen.
    pub newest_order: Option<Day>,
}

/// A customer's state: plain data, bounded by windows and by the number of orders that are open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// By the feature's id.
    features: Vec<(u64, Measured)>,
    /// Orders whose status may still change, in the order of their coming.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    orders: Vec<Order>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Measured {
    /// Amounts by day, if the feature has a window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    days: Vec<(Day, i64)>,
    /// The amount of all days, if it has none.
    #[serde(default)]
    total: i64,
    first: Option<EventTime>,
    last: Option<EventTime>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    /// A hash of its id.
    id: u64,
    /// The time of its newest status.
    at: EventTime,
    /// What its newest status adds to which feature.
    parts: Vec<(u64, i64)>,
}

/// What is known of a customer by some rules at some time.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing<'r> {
    /// Features, then scores, as the rules have them; those without a value are not numbers.
    pub values: Vec<f64>,
    /// `None`: no segment fits.
    pub segment: Option<&'r str>,
}

impl Customer {
    /// Takes in an event of this customer. Those older than a feature's window do not count.
    pub fn apply(&mut self, rules: &RuleSet, topic: Topic, event: &Event, clock: Clock) {
        self.features.retain(|(id, _)| rules.features.iter().any(|feature| feature.id == *id));
        let scene = Scene::event(event);
        let parts = rules.features.iter().filter(|feature| feature.topic == topic).filter_map(|feature| {
            feature.condition.as_ref().is_none_or(|condition| condition.holds(&scene)).then_some(())?;
            Some((feature, feature.amount(&scene)?))
        });
        match topic {
            Topic::Clickstream => {
                for (feature, amount) in parts {
                    self.measured(feature.id).add(feature, event.at(), amount, clock);
                }
            }
            Topic::OrderEvents => {
                let parts = parts.map(|(feature, amount)| (feature.id, amount)).collect();
                self.order(rules, event, parts, clock);
            }
        }
    }

    /// An order counts as its newest status says.
    fn order(&mut self, rules: &RuleSet, event: &Event, parts: Vec<(u64, i64)>, clock: Clock) {
        let id = xxhash_rust::xxh3::xxh3_64(event.text(3).as_bytes());
        match self.orders.iter_mut().find(|order| order.id == id) {
            Some(known) if known.at > event.at() => {}
            Some(known) => (known.at, known.parts) = (event.at(), parts),
            None => self.orders.push(Order { id, at: event.at(), parts }),
        }
        let mut surplus = self.orders.len().saturating_sub(OPEN_ORDERS);
        let orders = std::mem::take(&mut self.orders);
        for order in orders {
            let over = order.at.day().plus(OPEN_DAYS) <= clock.today;
            if !over && surplus == 0 {
                self.orders.push(order);
                continue;
            }
            surplus = surplus.saturating_sub(1);
            for (id, amount) in order.parts {
                if let Some(feature) = rules.features.iter().find(|feature| feature.id == id) {
                    self.measured(id).add(feature, order.at, amount, clock);
                }
            }
        }
    }

    fn measured(&mut self, id: u64) -> &mut Measured {
        let place = self.features.iter().position(|(of, _)| *of == id).unwrap_or_else(|| {
            self.features.push((id, Measured::default()));
            self.features.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the place was just found or made")]
        &mut self.features[place].1
    }

    /// What is known at this time.
    #[must_use]
    pub fn standing<'r>(&self, rules: &'r RuleSet, clock: Clock) -> Standing<'r> {
        let mut values: Vec<f64> = rules.features.iter().map(|feature| self.value(feature, clock)).collect();
        let points: Vec<f64> = rules.scores.iter().map(|score| score.points(&Scene::values(&values))).collect();
        values.extend(points);
        let scene = Scene::values(&values);
        let segment = rules.segments.iter().find(|segment| segment.condition.holds(&scene));
        Standing { segment: segment.map(|segment| segment.name.as_str()), values }
    }

    fn value(&self, feature: &Feature, clock: Clock) -> f64 {
        let measured = self.features.iter().find(|(id, _)| *id == feature.id).map(|(_, measured)| measured);
        let orders = self.orders.iter().flat_map(|order| {
            order.parts.iter().filter(|(id, _)| *id == feature.id).map(|(_, amount)| (order.at, *amount))
        });
        let orders: Vec<_> = if feature.topic == Topic::OrderEvents { orders.collect() } else { Vec::new() };
        let edge = |settled: Option<EventTime>, newest: bool| {
            let times = settled.into_iter().chain(orders.iter().map(|(at, _)| *at));
            if newest { times.max() } else { times.min() }
        };
        let first = || edge(measured.and_then(|measured| measured.first), false);
        let last = || edge(measured.and_then(|measured| measured.last), true);
        let now = if feature.topic == Topic::OrderEvents { clock.newest_order } else { Some(clock.today) };
        let since = |at: Option<EventTime>| Some(number(now?.since(at?.day()).max(0)));
        let amount = || {
            let counts = |day: Day| feature.days.is_none_or(|days| day > clock.today.plus(-days));
            let settled = measured.map_or(0, |measured| {
                let days = measured.days.iter().filter(|(day, _)| counts(*day)).map(|(_, amount)| amount);
                measured.total.saturating_add(days.sum())
            });
            let open = orders.iter().filter(|(at, _)| counts(at.day())).map(|(_, amount)| amount);
            number(settled.saturating_add(open.sum()))
        };
        let value = match feature.measure {
            Measure::Count => Some(amount()),
            Measure::Sum(_) => Some(amount() / PARTS),
            Measure::First => first().map(|at| number(at.0)),
            Measure::Last => last().map(|at| number(at.0)),
            Measure::DaysSinceFirst => since(first()),
            Measure::DaysSinceLast => since(last()),
        };
        value.unwrap_or(f64::NAN)
    }

    /// When [`Customer::standing`] may change next without an event of the customer.
    #[must_use]
    pub fn next_change(&self, rules: &RuleSet, clock: Clock) -> NextChange {
        let mut next = NextChange::default();
        let sooner = |known: &mut Option<EventTime>, days: Vec<Day>| {
            *known = days.into_iter().map(Day::start).chain(*known).min();
        };
        for (place, feature) in rules.features.iter().enumerate() {
            sooner(&mut next.by_time, self.window_ends(feature, clock));
            if matches!(feature.measure, Measure::DaysSinceFirst | Measure::DaysSinceLast) {
                let by_orders = feature.topic == Topic::OrderEvents;
                let axis = if by_orders { &mut next.by_orders } else { &mut next.by_time };
                let now = if by_orders { clock.newest_order } else { Some(clock.today) };
                sooner(axis, now.map_or_else(Vec::new, |now| self.steps(rules, place, feature, clock, now)));
            }
        }
        next
    }

    /// When an amount will leave the feature's window.
    fn window_ends(&self, feature: &Feature, clock: Clock) -> Vec<Day> {
        let Some(days) = feature.days else { return Vec::new() };
        let measured = self.features.iter().filter(|(id, _)| *id == feature.id);
        let settled = measured.flat_map(|(_, measured)| measured.days.iter().map(|(day, _)| *day));
        let counts = |order: &&Order| order.parts.iter().any(|(id, _)| *id == feature.id);
        let open = self.orders.iter().filter(counts).map(|order| order.at.day());
        settled.chain(open).map(|day| day.plus(days)).filter(|day| *day > clock.today).collect()
    }

    /// When a number of days, counted to `now`, passes a score's threshold.
    fn steps(&self, rules: &RuleSet, place: usize, feature: &Feature, clock: Clock, now: Day) -> Vec<Day> {
        let Some(passed) = whole(self.value(feature, clock)) else { return Vec::new() };
        let tomorrow = now.plus(1);
        let uses = |number: &Number| {
            let mut uses = false;
            number.leaves(&mut |leaf| uses |= leaf == Leaf::Value(place));
            uses
        };
        let mut due = Vec::new();
        for score in rules.scores.iter().filter(|score| uses(&score.of)) {
            if !matches!(score.of, Number::Value(..)) {
                due.push(tomorrow);
            }
            let thresholds: Vec<f64> = match &score.steps {
                Steps::AtMost(steps) => steps.iter().map(|(threshold, _)| threshold.floor() + 1.0).collect(),
                Steps::AtLeast(steps) => steps.iter().map(|(threshold, _)| threshold.ceil()).collect(),
            };
            let ahead = thresholds.into_iter().filter_map(whole).filter(|at| *at > passed);
            due.extend(ahead.map(|at| now.plus(at - passed)));
        }
        let direct = rules.segments.iter().any(|segment| {
            let mut uses = false;
            segment.condition.test.leaves(&mut |leaf| uses |= leaf == Leaf::Value(place));
            uses
        });
        if direct {
            due.push(tomorrow);
        }
        due
    }
}

/// When something may change, never later than it does; a time may pass without a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextChange {
    /// Because time goes on.
    pub by_time: Option<EventTime>,
    /// Because the newest order of all is of this day or a later one: days since an order are counted to it.
    pub by_orders: Option<EventTime>,
}

impl Measured {
    fn add(&mut self, feature: &Feature, at: EventTime, amount: i64, clock: Clock) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        let Some(days) = feature.days else {
            self.total = self.total.saturating_add(amount);
            return;
        };
        let oldest = clock.today.plus(-days);
        self.days.retain(|(day, _)| *day > oldest);
        let day = at.day();
        if day <= oldest {
            return;
        }
        match self.days.iter_mut().find(|(known, _)| *known == day) {
            Some((_, sum)) => *sum = sum.saturating_add(amount),
            None => self.days.push((day, amount)),
        }
    }
}

impl Feature {
    /// What an event adds; `None` if what would be summed is missing.
    fn amount(&self, scene: &Scene<'_>) -> Option<i64> {
        match &self.measure {
            Measure::Sum(of) => whole((of.value(scene)? * PARTS).round()),
            _ => Some(1),
        }
    }
}

/// Exact: counts and sums stay below 2^53.
fn number(whole: i64) -> f64 {
    whole as f64
}
