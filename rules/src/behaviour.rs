//! Features, scores and segments: what is known of a customer's behaviour.

use crate::condition::{Condition, Name, Number, Scene, Scope};
use crate::event::{Kind, Topic};
use crate::reader::{Section, Written, article, number};
use crate::time::DAY;

/// The longest window of a feature, in days: so much is remembered.
const LONGEST: i64 = 400;

/// What a feature measures.
#[derive(Clone, Debug)]
pub enum Measure {
    Count,
    /// In 1/10,000, as money.
    Sum(Number),
    First,
    Last,
    DaysSinceFirst,
    DaysSinceLast,
}

/// Something measured about the events of a customer.
#[derive(Clone, Debug)]
pub struct Feature {
    pub name: String,
    /// In the words of the file; empty where it says nothing.
    pub about: String,
    pub topic: Topic,
    /// `None` takes every event.
    pub condition: Option<Condition>,
    pub measure: Measure,
    /// Days that count, today among them; `None`: all.
    pub days: Option<i64>,
    /// Changes with the definition: what was measured by another definition does not count.
    pub id: u64,
}

/// Points for a number.
#[derive(Clone, Debug)]
pub struct Score {
    pub name: String,
    /// In the words of the file; empty where it says nothing.
    pub about: String,
    pub of: Number,
    pub steps: Steps,
    pub otherwise: f64,
}

/// From the best to the worst: threshold, points.
#[derive(Clone, Debug)]
pub enum Steps {
    AtMost(Vec<(f64, f64)>),
    AtLeast(Vec<(f64, f64)>),
}

/// Where a customer belongs; the first that fits.
#[derive(Clone, Debug)]
pub struct Segment {
    pub name: String,
    pub condition: Condition,
}

impl Measure {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::First | Self::Last => Kind::Time,
            Self::Count | Self::Sum(_) | Self::DaysSinceFirst | Self::DaysSinceLast => Kind::Number,
        }
    }

    /// As files have it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum(_) => "sum",
            Self::First => "first",
            Self::Last => "last",
            Self::DaysSinceFirst => "days_since_first",
            Self::DaysSinceLast => "days_since_last",
        }
    }
}

impl Feature {
    pub fn read(name: &str, section: &Section<'_, '_>) -> Option<Self> {
        let about = about(section);
        let topics = [Topic::Clickstream, Topic::OrderEvents].map(|topic| (topic.name(), topic));
        let topic = required(section, "from", section.one_of("from", &topics), "clickstream or order-events");
        let scope = topic.map(|topic| Scope { event: Some(topic), ..Scope::default() });
        let condition = scope.as_ref().and_then(|scope| section.condition("where", scope));
        let measures = ["count", "sum", "first", "last", "days_since_first", "days_since_last"];
        let chosen = section.one_of("measure", &measures.map(|measure| (measure, measure)));
        let chosen = required(section, "measure", chosen, &measures.join(", "));
        let of = scope.as_ref().and_then(|scope| section.expression("of", scope));
        let over = section.duration("over");
        section.finish_with(&["where", "of"]);
        let (topic, chosen) = (topic?, chosen?);
        let measure = match (chosen, of) {
            ("sum", Some(of)) => Measure::Sum(of),
            ("sum", None) => {
                if section.get("of").is_none() {
                    section.wrong("a sum needs of, what is summed, as in of = \"event.price\"");
                }
                return None;
            }
            (other, Some(_)) => {
                section.error("of", format!("a {other} is not of something: leave it out, or write measure = \"sum\""));
                return None;
            }
            ("first", None) => Measure::First,
            ("last", None) => Measure::Last,
            ("days_since_first", None) => Measure::DaysSinceFirst,
            ("days_since_last", None) => Measure::DaysSinceLast,
            (_, None) => Measure::Count,
        };
        let days = over.and_then(|over| window(section, over, &measure));
        let parts = (condition.as_ref().map(ToString::to_string), of_text(&measure), days);
        let text = format!("{name} {} {chosen} {parts:?}", topic.name());
        let id = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        Some(Self { name: name.to_owned(), about, topic, condition, measure, days, id })
    }
}

fn about(section: &Section<'_, '_>) -> String {
    section.text("about").map_or_else(String::new, |about| about.text.to_owned())
}

fn of_text(measure: &Measure) -> Option<String> {
    if let Measure::Sum(of) = measure { Some(of.to_string()) } else { None }
}

fn window(section: &Section<'_, '_>, millis: i64, measure: &Measure) -> Option<i64> {
    if !matches!(measure, Measure::Count | Measure::Sum(_)) {
        section.error("over", "only a count or a sum is over a time: leave it out");
        return None;
    }
    if millis % DAY != 0 || millis / DAY > LONGEST {
        section.error(
            "over",
            format!("a feature is over whole days, at most {LONGEST}: write \"60 days\" or \"2 months\""),
        );
        return None;
    }
    Some(millis / DAY)
}

fn required<T>(section: &Section<'_, '_>, key: &'static str, value: Option<T>, choices: &str) -> Option<T> {
    if value.is_none() && section.get(key).is_none() {
        section.wrong(format!("{key} is missing: there are {choices}"));
    }
    value
}

impl Score {
    /// `names` are the features.
    pub fn read(name: &str, section: &Section<'_, '_>, names: &[Name]) -> Option<Self> {
        let about = about(section);
        let of = section.expression("of", &Scope { values: names, ..Scope::default() });
        let of = required(section, "of", of, "the features");
        let (at_most, at_least) = (section.table("at_most"), section.table("at_least"));
        let otherwise = section.number("otherwise");
        let otherwise = required(section, "otherwise", otherwise, "the points of everybody else, as in otherwise = 1");
        section.finish();
        let steps = match (at_most, at_least) {
            (Some(table), None) => Steps::AtMost(steps(&table, false)),
            (None, Some(table)) => Steps::AtLeast(steps(&table, true)),
            _ => {
                section.wrong(
                    "write either at_most or at_least, as in at_least = { 5 = 100, 4 = 50 }: 5 points from 100 on",
                );
                return None;
            }
        };
        Some(Self { name: name.to_owned(), about, of: of?, steps, otherwise: otherwise? })
    }

    /// The points for what is known.
    #[must_use]
    pub fn points(&self, scene: &Scene<'_>) -> f64 {
        let Some(number) = self.of.value(scene) else { return self.otherwise };
        let reached = match &self.steps {
            Steps::AtMost(steps) => steps.iter().find(|(threshold, _)| number <= *threshold),
            Steps::AtLeast(steps) => steps.iter().find(|(threshold, _)| number >= *threshold),
        };
        reached.map_or(self.otherwise, |(_, points)| *points)
    }
}

/// `{ 5 = 3, 4 = 10 }`: points and thresholds.
fn steps(table: &Section<'_, '_>, at_least: bool) -> Vec<(f64, f64)> {
    let mut steps = Vec::new();
    for (points, _, value) in table.in_order() {
        let points_read = points.parse::<f64>().ok().filter(|points| points.is_finite());
        match (points_read, number(value.get_ref())) {
            (Some(points), Some(threshold)) => steps.push((threshold, points)),
            (None, _) => table.error(points, "points are a number, as in { 5 = 100, 4 = 50 }: 5 points for 100"),
            (_, None) => {
                table.error(points, format!("is {}, but should be a number, the threshold", article(value.get_ref())));
            }
        }
    }
    steps.sort_by(|(one, _), (other, _)| if at_least { other.total_cmp(one) } else { one.total_cmp(other) });
    let repeated = steps.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one.total_cmp(other).is_eq()));
    if repeated || steps.is_empty() {
        table.wrong("thresholds must differ, and there must be one: as in { 5 = 100, 4 = 50 }");
    }
    steps
}

impl Segment {
    /// The segments in their order; `names` are features and scores.
    pub fn read(section: &Section<'_, '_>, names: &[Name]) -> Vec<Self> {
        let scope = Scope { values: names, ..Scope::default() };
        let mut segments = Vec::new();
        for (name, _, value) in section.in_order() {
            let line = section.line_of(value);
            let Some(text) = value.get_ref().as_str() else {
                section.error(name, format!("is {}, but should be a condition in quotes", article(value.get_ref())));
                continue;
            };
            if let Some(condition) = section.compile(name, Written { text, line }, &scope) {
                segments.push(Self { name: name.to_owned(), condition });
            }
        }
        segments
    }
}
