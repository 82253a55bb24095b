//! Features, scores, segments and patterns that a user writes in files.
//!
//! A [`RuleSet`] is read from a folder of TOML files, checked against the fields of the topics' events, and compiled once.
//! [`Customer`] keeps what features need of one customer, as plain data, and says where the customer stands;
//! [`RuleSet::groups`] puts the patterns into matchers, whose outputs become [`Alert`]s. No clock, no broker: times come from
//! events alone.

mod alert;
mod behaviour;
mod condition;
mod customer;
mod dry_run;
mod error;
mod event;
mod explain;
mod input;
mod loose;
mod matching;
mod pattern;
mod reader;
mod rows;
mod rule_set;
mod time;

pub use alert::{Alert, ByStage, Kind, Line};
pub use behaviour::{Feature, Measure, Score, Segment, Steps};
pub use condition::{Condition, Earlier, Number, Scene, Scope, compile};
pub use customer::{Clock, Customer, NextChange, Standing};
pub use dry_run::{DryRun, Report, dry_run};
pub use error::{DryRunError, EventError, RuleError};
pub use event::{Event, Field, Topic};
pub use explain::{NearMiss, Refusal, explain};
pub use input::{Events, events, events_in, read_events};
pub use matching::{Group, Label};
pub use pattern::{PatternRule, Severity, StageRule};
pub use rule_set::{Difference, RuleSet};
pub use time::{Day, EventTime};
