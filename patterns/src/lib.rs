//! Patterns over the events of a key, with the semantics of Flink CEP 2.3.
//!
//! A [`Draft`] says what is looked for; checked, it is a [`Pattern`]; a [`Matcher`] compiles patterns over the same kind of
//! key, and keeps what it must remember of a key in a [`KeyState`]: plain data without clock or I/O. Events wait in
//! the state until the watermark reaches them; [`Matcher::advance`] then reports [`Output`].
//!
//! What contiguity, quantifiers, windows and skip strategies mean is as in the Flink documentation, "FlinkCEP - Complex
//! event processing for Flink"; where that is silent, as Flink's own answers are.

mod automaton;
mod check;
mod compile;
mod condition;
mod due;
mod error;
mod finish;
pub mod golden;
mod growth;
mod heap;
mod key;
mod keys;
mod matcher;
mod output;
mod pattern;
mod runs;
mod saved;
mod store;

pub use automaton::Automaton;
pub use condition::{ConditionId, Conditions};
pub use error::{BrokenState, Malformed};
pub use growth::Growth;
pub use key::{Arrival, KeyState, Limits};
pub use keys::Keys;
pub use matcher::Matcher;
pub use output::{Found, Output};
pub use pattern::{Contiguity, Draft, Inner, Pattern, Skip, Stage, StageId, Times};
pub use saved::Saved;
pub use store::Taken;
