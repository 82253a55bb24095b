//! The truth of a condition.

use std::cmp::Ordering;

use super::Leaf;
use super::node::{Compare, Join, Number, Part, Place, Test, Text, Whose};
use crate::event::{Event, Field};
use crate::time::{DAY, EventTime};
use patterns::{Found, Taken};

/// The events that were taken before.
#[derive(Clone, Copy, Debug)]
pub enum Earlier<'a> {
    None,
    Taken(&'a Taken<'a, Event>),
    Found(&'a Found<'a, Event>),
    /// With their stages, first event first.
    List(&'a [(usize, &'a Event)]),
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    pub event: Option<&'a Event>,
    pub earlier: Earlier<'a>,
    /// Features and scores; those without a value are not numbers.
    pub values: &'a [f64],
}

impl<'a> Scene<'a> {
    /// An event alone.
    #[must_use]
    pub const fn event(event: &'a Event) -> Self {
        Self { event: Some(event), earlier: Earlier::None, values: &[] }
    }

    /// Features and scores alone.
    #[must_use]
    pub const fn values(values: &'a [f64]) -> Self {
        Self { event: None, earlier: Earlier::None, values }
    }

    fn whose(&self, whose: Whose) -> Option<&'a Event> {
        match (whose, self.earlier) {
            (Whose::Event, _) => self.event,
            (_, Earlier::None) => None,
            (Whose::First(stage), Earlier::Taken(taken)) => taken.first(stage),
            (Whose::Last(stage), Earlier::Taken(taken)) => taken.last(stage),
            (Whose::First(stage), Earlier::Found(found)) => {
                found.events().find(|(of, ..)| *of == stage).map(|(.., event)| event)
            }
            (Whose::Last(stage), Earlier::Found(found)) => {
                found.events().rfind(|(of, ..)| *of == stage).map(|(.., event)| event)
            }
            (Whose::First(stage), Earlier::List(list)) => {
                list.iter().find(|(of, _)| *of == stage).map(|(_, event)| *event)
            }
            (Whose::Last(stage), Earlier::List(list)) => {
                list.iter().rfind(|(of, _)| *of == stage).map(|(_, event)| *event)
            }
        }
    }
}

impl Test {
    pub fn holds(&self, scene: &Scene<'_>) -> bool {
        match self {
            Self::Is { text, constant, .. } => scene.event.is_some_and(|event| event.text(*text) == &**constant),
            Self::And(parts) => parts.iter().all(|part| part.holds(scene)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(scene)),
            Self::Not(part) => !part.holds(scene),
            Self::Numbers(compare, left, right) => {
                let order =
                    left.value(scene).zip(right.value(scene)).and_then(|(left, right)| left.partial_cmp(&right));
                order.is_some_and(|order| compare.fits(order))
            }
            Self::Texts(compare, left, right) => {
                let both = left.value(scene).zip(right.value(scene));
                both.is_some_and(|(left, right)| match compare {
                    Compare::Equal => left == right,
                    Compare::Unequal => left != right,
                    _ => compare.fits(left.cmp(right)),
                })
            }
            Self::Always(truth) => *truth,
            Self::If(parts) => {
                let [test, yes, no] = &**parts;
                if test.holds(scene) { yes.holds(scene) } else { no.holds(scene) }
            }
            Self::Truths(same, parts) => {
                let [left, right] = &**parts;
                (left.holds(scene) == right.holds(scene)) == *same
            }
            Self::TextIn(text, list) => {
                text.value(scene).is_some_and(|text| list.iter().any(|one| one.value(scene) == Some(text)))
            }
            Self::NumberIn(number, list) => number.value(scene).is_some_and(|number| {
                let is = |one: &Number| {
                    one.value(scene).is_some_and(|one| one.partial_cmp(&number).is_some_and(Ordering::is_eq))
                };
                list.iter().any(is)
            }),
            Self::Starts(text, with) => both(text, with, scene).is_some_and(|(text, with)| text.starts_with(with)),
            Self::Ends(text, with) => both(text, with, scene).is_some_and(|(text, with)| text.ends_with(with)),
            Self::Contains(text, part) => both(text, part, scene).is_some_and(|(text, part)| text.contains(part)),
            Self::Matches(text, regex) => text.value(scene).is_some_and(|text| regex.is_match(text)),
            Self::Has(place) => scene.whose(place.whose).is_some_and(|event| match place.field {
                Field::Text(text) => !event.text(text).is_empty(),
                Field::Price => event.price().is_some(),
                Field::Time => true,
            }),
        }
    }

    /// The first part that does not hold, with the values it was about.
    pub fn refusal(&self, scene: &Scene<'_>) -> Option<String> {
        if self.holds(scene) {
            return None;
        }
        if let Self::And(parts) = self {
            return parts.iter().find_map(|part| part.refusal(scene));
        }
        let mut places: Vec<&Place> = Vec::new();
        self.leaves(&mut |leaf| {
            if let Leaf::Field(place) = leaf
                && !places.contains(&place)
            {
                places.push(place);
            }
        });
        let values: Vec<String> = places.iter().map(|place| format!("{place} is {}", place.shown(scene))).collect();
        Some(if values.is_empty() { format!("{self}") } else { format!("{self}, but {}", values.join(", ")) })
    }
}

fn both<'a>(one: &'a Text, other: &'a Text, scene: &Scene<'a>) -> Option<(&'a str, &'a str)> {
    one.value(scene).zip(other.value(scene))
}

impl Compare {
    #[inline]
    const fn fits(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterEqual => order.is_ge(),
        }
    }
}

impl Place {
    fn shown(&self, scene: &Scene<'_>) -> String {
        let Some(event) = scene.whose(self.whose) else { return "missing".to_owned() };
        match self.field {
            Field::Text(place) => format!("{:?}", event.text(place)),
            Field::Price => event.price().map_or_else(|| "missing".to_owned(), |price| price.to_string()),
            Field::Time => event.at().show(),
        }
    }
}

impl Text {
    #[inline]
    fn value<'a>(&'a self, scene: &Scene<'a>) -> Option<&'a str> {
        match self {
            Self::Constant(text) => Some(text),
            Self::Field(place) => match place.field {
                Field::Text(text) => scene.whose(place.whose).map(|event| event.text(text)),
                Field::Price | Field::Time => None,
            },
        }
    }
}

impl Number {
    /// `None` if something is missing.
    #[inline]
    pub fn value(&self, scene: &Scene<'_>) -> Option<f64> {
        match self {
            Self::Constant(number) | Self::Named(number, _) => Some(*number),
            Self::Field(place) => {
                let event = scene.whose(place.whose)?;
                match place.field {
                    Field::Price => event.price(),
                    Field::Time => Some(millis(event.at())),
                    Field::Text(_) => None,
                }
            }
            Self::Value(place, _) => scene.values.get(*place).copied().filter(|value| !value.is_nan()),
            Self::Negative(number) => number.value(scene).map(|number| -number),
            Self::Join(join, numbers) => {
                let [left, right] = &**numbers;
                let (left, right) = (left.value(scene)?, right.value(scene)?);
                let number = match join {
                    Join::Plus => left + right,
                    Join::Minus => left - right,
                    Join::Times => left * right,
                    Join::By => left / right,
                    Join::Rest => left % right,
                };
                Some(number).filter(|number| number.is_finite())
            }
            Self::Size(text) => text.value(scene).map(|text| count(text.chars().count())),
            Self::Part(part, of) => of.value(scene).map(|of| part.of(of)),
            Self::If(parts) => {
                let (test, yes, no) = &**parts;
                if test.holds(scene) { yes.value(scene) } else { no.value(scene) }
            }
        }
    }
}

impl Part {
    fn of(self, millis: f64) -> f64 {
        let of_day = millis.rem_euclid(DAY as f64);
        match self {
            Self::Hour => (of_day / 3_600_000.0).floor(),
            Self::Minute => (of_day / 60_000.0).floor() % 60.0,
            // 1970-01-01 was a Thursday.
            Self::Weekday => ((millis / DAY as f64).floor() + 4.0).rem_euclid(7.0),
            Self::Hours => (millis / 3_600_000.0).trunc(),
            Self::Minutes => (millis / 60_000.0).trunc(),
            Self::Seconds => (millis / 1000.0).trunc(),
        }
    }
}

/// Exact: times are far below 2^53 ms.
pub fn millis(at: EventTime) -> f64 {
    at.0 as f64
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}
