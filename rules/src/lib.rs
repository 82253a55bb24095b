//! Features, scores, segments and patterns that a user writes in files.
mod behaviour;
mod condition;
mod error;
mod event;
mod pattern;
mod reader;
mod rule_set;
mod time;
pub use error::{EventError, RuleError};
pub use rule_set::RuleSet;
pub use time::{Day, EventTime};
