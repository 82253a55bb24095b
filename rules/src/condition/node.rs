//! What a condition becomes.

use crate::event::{Field, Topic};

/// Whose field is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of the event at hand.
    Event,
    /// That of the first event which the stage took.
    First(usize),
    /// That of the last one.
    Last(usize),
}

/// A field with its name, for messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub whose: Whose,
    pub field: Field,
    pub topic: Topic,
    pub stage: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// A truth.
#[derive(Clone, Debug)]
pub enum Test {
    Always(bool),
    And(Box<[Test]>),
    Or(Box<[Test]>),
    Not(Box<Test>),
    If(Box<[Test; 3]>),
    /// The most frequent one: a text of the event at hand is this constant.
    Is {
        place: Place,
        text: u8,
        constant: Box<str>,
    },
    Texts(Compare, Text, Text),
    Numbers(Compare, Number, Number),
    Truths(bool, Box<[Test; 2]>),
    TextIn(Text, Box<[Text]>),
    NumberIn(Number, Box<[Number]>),
    Starts(Text, Text),
    Ends(Text, Text),
    Contains(Text, Text),
    Matches(Text, Box<regex::Regex>),
    /// Whether the field is there.
    Has(Place),
}

/// A text.
#[derive(Clone, Debug, PartialEq)]
pub enum Text {
    Constant(Box<str>),
    Field(Place),
}

/// A number: a quantity, a time in milliseconds, or a duration in milliseconds.
#[derive(Clone, Debug)]
pub enum Number {
    Constant(f64),
    /// A constant time or duration, as it was written.
    Named(f64, Box<str>),
    Field(Place),
    /// A feature or a score, by its place.
    Value(usize, Box<str>),
    Negative(Box<Number>),
    Join(Join, Box<[Number; 2]>),
    Size(Text),
    Part(Part, Box<Number>),
    If(Box<(Test, Number, Number)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    Plus,
    Minus,
    Times,
    By,
    Rest,
}

/// What is asked of a time (UTC) or of a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Of a day.
    Hour,
    /// Of an hour.
    Minute,
    /// 0 is Sunday.
    Weekday,
    /// Whole hours, minutes, seconds of a duration.
    Hours,
    Minutes,
    Seconds,
}
