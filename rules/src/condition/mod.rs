//! Conditions, written in CEL: parsed by the `cel` crate, checked against the fields of events, and then
//! evaluated by a small tree of our own, which is many times faster than interpreting.
//!
//! Numbers are doubles, whether they were written with a point or not. What is missing (an event that an optional stage did
//! not take, a price that a record does not have) makes every comparison with it false, `!=` too.

mod check;
mod eval;
mod node;
mod parse;
mod show;

pub use check::Scope;
pub use eval::{Earlier, Scene};
pub use node::{Number, Test};
pub use parse::{compile, compile_number};
pub use show::Leaf;

use crate::event::Kind;

/// A checked condition.
#[derive(Clone, Debug)]
pub struct Condition {
    pub(crate) test: Test,
    /// Whether it looks at earlier stages.
    pub(crate) looks_back: bool,
}

impl Condition {
    /// Whether it holds.
    #[inline]
    #[must_use]
    pub fn holds(&self, scene: &Scene<'_>) -> bool {
        self.test.holds(scene)
    }

    /// Whether it looks at earlier stages, not at the event alone.
    #[must_use]
    pub const fn looks_back(&self) -> bool {
        self.looks_back
    }

    /// The parts, joined by `&&`, of which the first that does not hold says why the whole does not.
    #[must_use]
    pub fn refusal(&self, scene: &Scene<'_>) -> Option<String> {
        self.test.refusal(scene)
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.test.fmt(out)
    }
}

/// A name that a segment's condition may use, and what it stands for.
#[derive(Clone, Debug)]
pub struct Name {
    pub name: String,
    pub kind: Kind,
}
