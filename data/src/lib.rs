//! What `batch`, `speed` and `serving` share: order lines and the rules that accept them, money, times,
//! and the lake's Delta tables.

pub mod base;
pub mod cleaning;
pub mod columns;
pub mod dates;
pub mod generate;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod lake;
#[cfg(feature = "kafka")]
pub mod live;
pub mod merge;
pub mod model;
pub mod money;
pub mod numbers;
pub mod order;
pub mod state;
pub mod telemetry;
pub mod time;
pub mod topics;

pub use cleaning::{Cancellations, OrderLine, RawLine, Reason, Rules};
pub use dates::{DateEvidence, DateFormat, DayMonth};
pub use money::Money;
pub use time::EventTime;
