//! Reference cases: patterns in a neutral JSON schema over a file of clicks, and lines that tell what was found.
//!
//! It is what the golden files of Flink CEP are compared with, and no format for users.

mod build;
mod clicks;
mod conditions;
mod line;
mod run;
pub mod schema;

pub use build::{Built, build};
pub use clicks::{Click, read_clicks};
pub use conditions::{Scene, holds};
pub use line::Line;
pub use run::{Error, print, run};
pub use schema::{Alert, Case, Condition, Operand, PatternSpec};
