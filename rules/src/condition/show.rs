//! Conditions as they would be written, and the fields they look at.

use std::fmt::{Display, Formatter, Result};

use super::node::{Compare, Join, Number, Part, Place, Test, Text, Whose};

impl Display for Place {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let name = self.topic.name_of(self.field);
        match self.whose {
            Whose::Event => write!(out, "event.{name}"),
            Whose::First(_) => write!(out, "{}.first.{name}", self.stage),
            Whose::Last(_) => write!(out, "{}.last.{name}", self.stage),
        }
    }
}

impl Display for Compare {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        out.write_str(match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        })
    }
}

impl Display for Text {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Self::Constant(text) => write!(out, "{text:?}"),
            Self::Field(place) => place.fmt(out),
        }
    }
}

impl Display for Number {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Self::Constant(number) => number.fmt(out),
            Self::Named(_, name) | Self::Value(_, name) => name.fmt(out),
            Self::Field(place) => place.fmt(out),
            Self::Negative(number) => write!(out, "-({number})"),
            Self::Join(join, numbers) => {
                let [left, right] = &**numbers;
                let sign = match join {
                    Join::Plus => "+",
                    Join::Minus => "-",
                    Join::Times => "*",
                    Join::By => "/",
                    Join::Rest => "%",
                };
                write!(out, "({left} {sign} {right})")
            }
            Self::Size(text) => write!(out, "size({text})"),
            Self::Part(part, of) => {
                let name = match part {
                    Part::Hour | Part::Hours => "getHours",
                    Part::Minute | Part::Minutes => "getMinutes",
                    Part::Seconds => "getSeconds",
                    Part::Weekday => "getDayOfWeek",
                };
                write!(out, "{of}.{name}()")
            }
            Self::If(parts) => write!(out, "({} ? {} : {})", parts.0, parts.1, parts.2),
        }
    }
}

impl Display for Test {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Self::Always(truth) => truth.fmt(out),
            Self::And(parts) => joined(parts, " && ", out),
            Self::Or(parts) => joined(parts, " || ", out),
            Self::Not(part) => write!(out, "!({part})"),
            Self::If(parts) => {
                let [test, yes, no] = &**parts;
                write!(out, "({test} ? {yes} : {no})")
            }
            Self::Is { place, constant, .. } => write!(out, "{place} == {constant:?}"),
            Self::Texts(compare, left, right) => write!(out, "{left} {compare} {right}"),
            Self::Numbers(compare, left, right) => write!(out, "{left} {compare} {right}"),
            Self::Truths(same, parts) => {
                let [left, right] = &**parts;
                write!(out, "({left} {} {right})", if *same { "==" } else { "!=" })
            }
            Self::TextIn(text, list) => write!(out, "{text} in [{}]", listed(list)),
            Self::NumberIn(number, list) => write!(out, "{number} in [{}]", listed(list)),
            Self::Starts(text, with) => write!(out, "{text}.startsWith({with})"),
            Self::Ends(text, with) => write!(out, "{text}.endsWith({with})"),
            Self::Contains(text, part) => write!(out, "{text}.contains({part})"),
            Self::Matches(text, regex) => write!(out, "{text}.matches({:?})", regex.as_str()),
            Self::Has(place) => write!(out, "has({place})"),
        }
    }
}

fn joined(parts: &[Test], by: &str, out: &mut Formatter<'_>) -> Result {
    out.write_str("(")?;
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            out.write_str(by)?;
        }
        part.fmt(out)?;
    }
    out.write_str(")")
}

fn listed(list: &[impl Display]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Leaf<'t> {
    Field(&'t Place),
    /// A feature or a score, by its place.
    Value(usize),
}

impl Test {
    /// Shows all that it looks at.
    pub fn leaves<'t>(&'t self, visit: &mut dyn FnMut(Leaf<'t>)) {
        match self {
            Self::Always(_) => {}
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.leaves(visit)),
            Self::Not(part) => part.leaves(visit),
            Self::If(parts) => parts.iter().for_each(|part| part.leaves(visit)),
            Self::Truths(_, parts) => parts.iter().for_each(|part| part.leaves(visit)),
            Self::Is { place, .. } | Self::Has(place) => visit(Leaf::Field(place)),
            Self::Texts(_, left, right)
            | Self::Starts(left, right)
            | Self::Ends(left, right)
            | Self::Contains(left, right) => [left, right].into_iter().for_each(|text| text.leaves(visit)),
            Self::Matches(text, _) => text.leaves(visit),
            Self::TextIn(text, list) => {
                text.leaves(visit);
                list.iter().for_each(|text| text.leaves(visit));
            }
            Self::Numbers(_, left, right) => [left, right].into_iter().for_each(|number| number.leaves(visit)),
            Self::NumberIn(number, list) => {
                number.leaves(visit);
                list.iter().for_each(|number| number.leaves(visit));
            }
        }
    }
}

impl Text {
    fn leaves<'t>(&'t self, visit: &mut dyn FnMut(Leaf<'t>)) {
        if let Self::Field(place) = self {
            visit(Leaf::Field(place));
        }
    }
}

impl Number {
    /// Shows all that it looks at.
    pub fn leaves<'t>(&'t self, visit: &mut dyn FnMut(Leaf<'t>)) {
        match self {
            Self::Constant(_) | Self::Named(..) => {}
            Self::Value(place, _) => visit(Leaf::Value(*place)),
            Self::Field(place) => visit(Leaf::Field(place)),
            Self::Negative(number) | Self::Part(_, number) => number.leaves(visit),
            Self::Join(_, numbers) => numbers.iter().for_each(|number| number.leaves(visit)),
            Self::Size(text) => text.leaves(visit),
            Self::If(parts) => {
                parts.0.leaves(visit);
                parts.1.leaves(visit);
                parts.2.leaves(visit);
            }
        }
    }
}
