//! From CEL's parsed expression to a tree whose types are right.

use cel::common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, operators};

use super::Name;
use super::node::{Compare, Join, Number, Part, Place, Test, Text, Whose};
use crate::error::nearest;
use crate::event::{Field, Kind, Topic};
use crate::time::{self, EventTime};

/// What an expression may refer to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'s> {
    /// The topic whose events it is about, if `event` may be used.
    pub event: Option<Topic>,
    /// The topic of the events that stages took.
    pub stages_of: Option<Topic>,
    /// Names of stages with their places; those that come later or take nothing say why they cannot be used.
    pub stages: &'s [(String, Result<usize, &'static str>)],
    /// Features and scores.
    pub values: &'s [Name],
}

pub(super) enum Typed {
    Test(Test),
    Text(Text),
    Number(Number),
    Time(Number),
    Duration(Number),
    Texts(Vec<Text>),
    Numbers(Vec<Number>),
}

impl Typed {
    pub(super) fn what(&self) -> String {
        match self {
            Self::Test(test) => format!("{test} (true or false)"),
            Self::Text(text) => format!("{text} (a text)"),
            Self::Number(number) => format!("{number} (a number)"),
            Self::Time(number) => format!("{number} (a time)"),
            Self::Duration(number) => format!("{number} (a duration)"),
            Self::Texts(_) => "a list of texts".to_owned(),
            Self::Numbers(_) => "a list of numbers".to_owned(),
        }
    }
}

impl Scope<'_> {
    pub(super) fn check(&self, expr: &Expr) -> Result<Typed, String> {
        match expr {
            Expr::Literal(literal) => constant(literal),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(list.elements.iter().map(|element| &element.expr)),
            Expr::Comprehension(_) => Err("all(), exists() and the like are not known here".to_owned()),
            Expr::Map(_) | Expr::Struct(_) => Err("maps and messages are not known here".to_owned()),
            Expr::Unspecified => Err("the expression is not complete".to_owned()),
        }
    }

    fn test(&self, expr: &Expr) -> Result<Test, String> {
        match self.check(expr)? {
            Typed::Test(test) => Ok(test),
            other => Err(format!("true or false is needed, but there is {}: compare it with something", other.what())),
        }
    }

    fn name(&self, name: &str) -> Result<Typed, String> {
        if let Some(place) = self.values.iter().position(|value| value.name == name) {
            let value = Number::Value(place, name.into());
            return Ok(match self.values.get(place).map(|value| value.kind) {
                Some(Kind::Time) => Typed::Time(value),
                _ => Typed::Number(value),
            });
        }
        if name == "event" || self.stages.iter().any(|(stage, _)| stage == name) {
            let field =
                if name == "event" { "event.price" } else { "its first or last event's, as in cart.first.price" };
            return Err(format!("{name} is an event, not a value: name a field of it, {field}"));
        }
        if let Some(field) = self.event.filter(|topic| topic.field(name).is_some()) {
            return Err(format!("{name} is not known: is event.{name} meant, the field of {}?", field.name()));
        }
        let values = self.values.iter().map(|value| value.name.as_str());
        let known = values.chain(self.stages.iter().map(|(stage, _)| stage.as_str()));
        Err(match nearest(name, known.chain(self.event.map(|_| "event"))) {
            Some(near) => format!("{name} is not known: is {near} meant?"),
            None if self.values.is_empty() => {
                format!("{name} is not known: a text stands in quotes, {name:?}, and a field follows event.")
            }
            None => format!("{name} is not known: it is neither a feature nor a score"),
        })
    }

    /// `event.field`, `stage.first.field`, `stage.last.field`, or `has()` of one of these.
    fn select(&self, select: &SelectExpr) -> Result<Typed, String> {
        let place = self.place(&select.operand.expr, &select.field)?;
        if select.test {
            return Ok(Typed::Test(Test::Has(place)));
        }
        Ok(match place.field.kind() {
            Kind::Text => Typed::Text(Text::Field(place)),
            Kind::Number => Typed::Number(Number::Field(place)),
            Kind::Time => Typed::Time(Number::Field(place)),
        })
    }

    fn place(&self, operand: &Expr, field: &str) -> Result<Place, String> {
        let (whose, topic, stage) = match operand {
            Expr::Ident(name) if name == "event" => {
                let topic = self.event.ok_or_else(|| {
                    if self.stages.is_empty() {
                        "there is no event here: use features and scores".to_owned()
                    } else {
                        "there is no event here: name a stage, as in cart.first.price".to_owned()
                    }
                })?;
                (Whose::Event, topic, "")
            }
            Expr::Ident(name) => {
                let stage = self.stage(name)?;
                let topic = self.stages_of.unwrap_or(Topic::Clickstream);
                return Err(match (topic.field(field), stage) {
                    (Some(_), _) => {
                        format!("which event of {name}? write {name}.first.{field} or {name}.last.{field}")
                    }
                    _ => format!("{name}.{field} is not known: write {name}.first or {name}.last, and a field"),
                });
            }
            Expr::Select(inner) if !inner.test => match &inner.operand.expr {
                Expr::Ident(name) if name != "event" => {
                    let stage = self.stage(name)?;
                    let whose = match inner.field.as_str() {
                        "first" => Whose::First(stage),
                        "last" => Whose::Last(stage),
                        other => return Err(format!("{name}.{other} is not known: write {name}.first or {name}.last")),
                    };
                    (whose, self.stages_of.unwrap_or(Topic::Clickstream), name.as_str())
                }
                _ => return Err("fields have no fields: write event.price or cart.first.price".to_owned()),
            },
            _ => return Err("only events have fields: write event.price or cart.first.price".to_owned()),
        };
        let found = topic.field(field).ok_or_else(|| {
            let known: Vec<_> = topic.fields().collect();
            let short = ["type", "status", "time"].into_iter().filter(|name| topic.field(name).is_some());
            let near = nearest(field, known.iter().copied().chain(short));
            let near = near.map(|near| format!("is {near} meant? ")).unwrap_or_default();
            format!("{} has no field {field}: {near}its fields are {}", topic.name(), known.join(", "))
        })?;
        Ok(Place { whose, field: found, topic, stage: stage.into() })
    }

    fn stage(&self, name: &str) -> Result<usize, String> {
        if let Some((_, stage)) = self.stages.iter().find(|(stage, _)| stage == name) {
            return stage.map_err(|why| format!("stage {name} {why}"));
        }
        if self.stages.is_empty() {
            return Err(format!("{name} is not known: fields are written event.price"));
        }
        let known: Vec<&str> = self.stages.iter().map(|(stage, _)| stage.as_str()).collect();
        Err(format!("there is no stage {name}: the stages are {}", known.join(", ")))
    }

    fn list<'e>(&self, elements: impl Iterator<Item = &'e Expr>) -> Result<Typed, String> {
        let (mut texts, mut numbers) = (Vec::new(), Vec::new());
        for element in elements {
            match self.check(element)? {
                Typed::Text(text) => texts.push(text),
                Typed::Number(number) => numbers.push(number),
                other => return Err(format!("a list has texts or numbers, not {}", other.what())),
            }
        }
        match (texts.is_empty(), numbers.is_empty()) {
            (true, true) => Err("the list is empty".to_owned()),
            (false, false) => Err("the list has both texts and numbers: nothing can be in it both ways".to_owned()),
            (false, true) => Ok(Typed::Texts(texts)),
            (true, false) => Ok(Typed::Numbers(numbers)),
        }
    }

    fn call(&self, call: &CallExpr) -> Result<Typed, String> {
        let args: Vec<&Expr> =
            call.target.iter().map(|target| &target.expr).chain(call.args.iter().map(|arg| &arg.expr)).collect();
        match (call.func_name.as_str(), args.as_slice()) {
            (operators::LOGICAL_AND, args) => {
                self.flat(operators::LOGICAL_AND, args).map(|all| Typed::Test(Test::And(all)))
            }
            (operators::LOGICAL_OR, args) => {
                self.flat(operators::LOGICAL_OR, args).map(|all| Typed::Test(Test::Or(all)))
            }
            (operators::LOGICAL_NOT, [one]) => Ok(Typed::Test(Test::Not(Box::new(self.test(one)?)))),
            (operators::CONDITIONAL, [test, yes, no]) => self.choice(test, yes, no),
            (operators::IN, [one, list]) => self.inside(one, list),
            (operators::NEGATE, [one]) => match self.check(one)? {
                Typed::Number(Number::Constant(number)) => Ok(Typed::Number(Number::Constant(-number))),
                Typed::Number(number) => Ok(Typed::Number(Number::Negative(Box::new(number)))),
                other => Err(format!("only numbers can be negative, not {}", other.what())),
            },
            (name, [left, right]) if comparison(name).is_some() => {
                let compare = comparison(name).unwrap_or(Compare::Equal);
                compared(compare, self.check(left)?, self.check(right)?)
            }
            (name, [left, right]) if arithmetic(name).is_some() => {
                let join = arithmetic(name).unwrap_or(Join::Plus);
                joined(join, self.check(left)?, self.check(right)?)
            }
            (name, args) => {
                let args = args.iter().map(|arg| self.check(arg)).collect::<Result<Vec<_>, _>>()?;
                function(name, args)
            }
        }
    }

    /// The parts of a chain of `&&` or `||`.
    fn flat(&self, name: &str, args: &[&Expr]) -> Result<Box<[Test]>, String> {
        let mut all = Vec::new();
        for arg in args {
            match arg {
                Expr::Call(call) if call.func_name == name => {
                    let inner: Vec<&Expr> = call.args.iter().map(|arg| &arg.expr).collect();
                    all.extend(self.flat(name, &inner)?);
                }
                other => all.push(self.test(other)?),
            }
        }
        Ok(all.into_boxed_slice())
    }

    fn choice(&self, test: &Expr, yes: &Expr, no: &Expr) -> Result<Typed, String> {
        let test = self.test(test)?;
        match (self.check(yes)?, self.check(no)?) {
            (Typed::Test(yes), Typed::Test(no)) => Ok(Typed::Test(Test::If(Box::new([test, yes, no])))),
            (Typed::Number(yes), Typed::Number(no)) => Ok(Typed::Number(Number::If(Box::new((test, yes, no))))),
            (yes, no) => Err(format!(
                "both sides of ? : must be numbers, or true or false; they are {} and {}",
                yes.what(),
                no.what()
            )),
        }
    }

    fn inside(&self, one: &Expr, list: &Expr) -> Result<Typed, String> {
        match (self.check(one)?, self.check(list)?) {
            (Typed::Text(text), Typed::Texts(list)) => Ok(Typed::Test(Test::TextIn(text, list.into()))),
            (Typed::Number(number), Typed::Numbers(list)) => Ok(Typed::Test(Test::NumberIn(number, list.into()))),
            (one, list @ (Typed::Texts(_) | Typed::Numbers(_))) => {
                Err(format!("{} cannot be in {}", one.what(), list.what()))
            }
            (_, other) => Err(format!("after in comes a list, as in [\"view\", \"cart\"], not {}", other.what())),
        }
    }
}

fn constant(literal: &LiteralValue) -> Result<Typed, String> {
    Ok(match literal {
        LiteralValue::Boolean(truth) => Typed::Test(Test::Always(*truth.inner())),
        LiteralValue::Double(number) => Typed::Number(Number::Constant(*number.inner())),
        // Beyond 2^53 no price or count is meant.
        LiteralValue::Int(number) => Typed::Number(Number::Constant(*number.inner() as f64)),
        LiteralValue::UInt(number) => Typed::Number(Number::Constant(*number.inner() as f64)),
        LiteralValue::String(text) => Typed::Text(Text::Constant(text.inner().into())),
        LiteralValue::Null => {
            return Err("fields are never null: use has(event.price), or compare with \"\"".to_owned());
        }
        LiteralValue::Bytes(_) => return Err("no field holds bytes: write the text without b".to_owned()),
    })
}

fn comparison(name: &str) -> Option<Compare> {
    Some(match name {
        operators::EQUALS => Compare::Equal,
        operators::NOT_EQUALS => Compare::Unequal,
        operators::LESS => Compare::Less,
        operators::LESS_EQUALS => Compare::LessEqual,
        operators::GREATER => Compare::Greater,
        operators::GREATER_EQUALS => Compare::GreaterEqual,
        _ => return None,
    })
}

fn arithmetic(name: &str) -> Option<Join> {
    Some(match name {
        operators::ADD => Join::Plus,
        operators::SUBSTRACT => Join::Minus,
        operators::MULTIPLY => Join::Times,
        operators::DIVIDE => Join::By,
        operators::MODULO => Join::Rest,
        _ => return None,
    })
}

fn compared(compare: Compare, left: Typed, right: Typed) -> Result<Typed, String> {
    let test = match (left, right) {
        (Typed::Text(Text::Field(place)), Typed::Text(Text::Constant(constant)))
        | (Typed::Text(Text::Constant(constant)), Typed::Text(Text::Field(place)))
            if compare == Compare::Equal && place.whose == Whose::Event =>
        {
            match place.field {
                Field::Text(text) => Test::Is { place, text, constant },
                Field::Price | Field::Time => Test::Always(false),
            }
        }
        (Typed::Text(left), Typed::Text(right)) => Test::Texts(compare, left, right),
        (Typed::Number(left), Typed::Number(right))
        | (Typed::Time(left), Typed::Time(right))
        | (Typed::Duration(left), Typed::Duration(right)) => Test::Numbers(compare, left, right),
        (Typed::Test(left), Typed::Test(right)) if matches!(compare, Compare::Equal | Compare::Unequal) => {
            Test::Truths(compare == Compare::Equal, Box::new([left, right]))
        }
        (left, right) => {
            let hint = match (&left, &right) {
                (Typed::Text(_), Typed::Number(number)) | (Typed::Number(number), Typed::Text(_)) => match number {
                    Number::Constant(number) => format!(": a text stands in quotes, \"{number}\""),
                    _ => ": only price is a number".to_owned(),
                },
                (Typed::Time(_), Typed::Text(text)) | (Typed::Text(text), Typed::Time(_)) => {
                    format!(": write timestamp({text})")
                }
                (Typed::Duration(_), _) | (_, Typed::Duration(_)) => ": write duration(\"10m\")".to_owned(),
                _ => String::new(),
            };
            return Err(format!("{} cannot be compared with {} by {compare}{hint}", left.what(), right.what()));
        }
    };
    Ok(Typed::Test(test))
}

fn joined(join: Join, left: Typed, right: Typed) -> Result<Typed, String> {
    let both = |left, right| Number::Join(join, Box::new([left, right]));
    Ok(match (join, left, right) {
        (_, Typed::Number(left), Typed::Number(right)) => Typed::Number(both(left, right)),
        (Join::Minus, Typed::Time(left), Typed::Time(right)) => Typed::Duration(both(left, right)),
        (Join::Plus | Join::Minus, Typed::Time(left), Typed::Duration(right)) => Typed::Time(both(left, right)),
        (Join::Plus, Typed::Duration(left), Typed::Time(right)) => Typed::Time(both(left, right)),
        (Join::Plus | Join::Minus, Typed::Duration(left), Typed::Duration(right)) => Typed::Duration(both(left, right)),
        (_, left, right) => {
            return Err(format!("there is no arithmetic with {} and {}", left.what(), right.what()));
        }
    })
}

/// What can be called, for error messages.
const FUNCTIONS: [&str; 13] = [
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "size",
    "has",
    "timestamp",
    "duration",
    "double",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getDayOfWeek",
];

fn function(name: &str, args: Vec<Typed>) -> Result<Typed, String> {
    let mut args = args.into_iter();
    let typed = match (name, args.next(), args.next(), args.next()) {
        ("startsWith", Some(Typed::Text(text)), Some(Typed::Text(with)), None) => Typed::Test(Test::Starts(text, with)),
        ("endsWith", Some(Typed::Text(text)), Some(Typed::Text(with)), None) => Typed::Test(Test::Ends(text, with)),
        ("contains", Some(Typed::Text(text)), Some(Typed::Text(part)), None) => Typed::Test(Test::Contains(text, part)),
        ("matches", Some(Typed::Text(text)), Some(Typed::Text(Text::Constant(regex))), None) => {
            let regex = regex::RegexBuilder::new(&regex).size_limit(1 << 20).build();
            let regex = regex.map_err(|error| {
                let said = error.to_string();
                format!("not a regular expression: {}", said.lines().last().unwrap_or_default())
            })?;
            Typed::Test(Test::Matches(text, Box::new(regex)))
        }
        ("size", Some(Typed::Text(text)), None, None) => Typed::Number(Number::Size(text)),
        ("double", Some(Typed::Number(number)), None, None) => Typed::Number(number),
        ("timestamp", Some(Typed::Text(Text::Constant(text))), None, None) => {
            let at = EventTime::parse(&text)
                .ok_or_else(|| format!("{text:?} is not a time: write timestamp(\"2026-01-31T12:00:00Z\")"))?;
            Typed::Time(Number::Named(super::eval::millis(at), format!("timestamp({text:?})").into()))
        }
        ("duration", Some(Typed::Text(Text::Constant(text))), None, None) => {
            let millis = time::duration(&text)
                .ok_or_else(|| format!("{text:?} is not a duration: write duration(\"10m\") or duration(\"1h30m\")"))?;
            Typed::Duration(Number::Named(super::eval::millis(EventTime(millis)), format!("duration({text:?})").into()))
        }
        ("getHours", Some(Typed::Time(at)), None, None) => part(Part::Hour, at),
        ("getMinutes", Some(Typed::Time(at)), None, None) => part(Part::Minute, at),
        ("getDayOfWeek", Some(Typed::Time(at)), None, None) => part(Part::Weekday, at),
        ("getHours", Some(Typed::Duration(long)), None, None) => part(Part::Hours, long),
        ("getMinutes", Some(Typed::Duration(long)), None, None) => part(Part::Minutes, long),
        ("getSeconds", Some(Typed::Duration(long)), None, None) => part(Part::Seconds, long),
        (name, first, second, _) if FUNCTIONS.contains(&name) => {
            let given: Vec<String> = first.iter().chain(&second).map(Typed::what).collect();
            return Err(format!("{name} does not go with {}", given.join(" and ")));
        }
        (name, ..) => {
            let near = nearest(name, FUNCTIONS).map(|near| format!("is {near} meant? ")).unwrap_or_default();
            return Err(format!("there is no function {name}: {near}there are {}", FUNCTIONS.join(", ")));
        }
    };
    Ok(typed)
}

fn part(part: Part, of: Number) -> Typed {
    Typed::Number(Number::Part(part, Box::new(of)))
}
