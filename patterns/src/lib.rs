//! Patterns over the events of a key, with the semantics of Flink CEP 2.3.
//!
//! A [`Draft`] says what is looked for; checked, it is a [`Pattern`]; a [`Matcher`] compiles patterns over the same kind of
//! key, and keeps what it must remember of a key in a [`KeyState`]: plain data without clock or I/O. Events wait in
//! the state until the watermark reaches them; [`Matcher::advance`] then reports [`Output`].
//!
//! What contiguity, quantifiers, windows and skip strategies mean is as in the Flink documentation, "FlinkCEP - Complex
//! event processing for Flink"; where that is silent, as Flink's own answers are.
//!
//! ```
//! use patterns::{Conditions, Contiguity, Draft, Keys, Limits, Matcher, Output, Skip, Stage};
//!
//! # fn main() -> Result<(), patterns::Malformed> {
//! let mut conditions = Conditions::default();
//! let cart = conditions.event(|event: &&str| *event == "cart")?;
//! let purchase = conditions.event(|event: &&str| *event == "purchase")?;
//! let stages = vec![
//!     Stage { condition: Some(cart), ..Stage::new("cart", Contiguity::Next) },
//!     Stage { condition: Some(purchase), within: Some(60_000), ..Stage::new("bought", Contiguity::FollowedBy) },
//! ];
//! let mut matcher = Matcher::new(conditions, Limits::default());
//! matcher.add(&Draft { stages, skip: Skip::No }.check()?, true)?;
//!
//! let mut keys = Keys::new(matcher);
//! keys.push("U1", 1_000, "cart");
//! keys.push("U2", 2_000, "cart");
//! keys.push("U1", 9_000, "purchase");
//! let mut alerts = Vec::new();
//! keys.advance(70_000, &mut |key, output| match output {
//!     Output::Match(found) => alerts.push(format!("{key} bought at {}", found.at)),
//!     Output::Timeout(found) => alerts.push(format!("{key} left a cart at {}", found.at)),
//!     Output::Shed { .. } => {}
//! });
//! assert_eq!(alerts, ["U1 bought at 9000", "U2 left a cart at 62000"]);
//! # Ok(())
//! # }
//! ```

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
