//! Order lines as live messages: from a file, or made up without end.
//!
//! ```text
//! file ─ replay ──┐
//!                 ├▶ message ─▶ pace ─▶ delivery ─▶ topic `orders`
//! made up ────────┘                        └──────▶ summary
//! ```

mod delivery;
mod error;
pub mod file;
pub mod json;
mod made_up;
pub mod pace;
mod replay;
mod run;

pub use delivery::{Counts, Delivery};
pub use error::{Error, Result};
pub use made_up::MadeUp;
pub use pace::Pace;
pub use replay::{Replay, ReplayOptions};
pub use run::{Progress, Summary, run};

use crate::EventTime;

/// One order line on its way to the topic; its buffers are used again.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The customer id; empty for a line without customer, whose key is null.
    pub key: Vec<u8>,
    /// A JSON object.
    pub value: Vec<u8>,
    /// When it was ordered, where that is known.
    pub ordered_at: Option<EventTime>,
}

/// Where order lines come from.
pub trait Source {
    /// Puts the next line into `message`; `false` when there is none.
    ///
    /// # Errors
    /// When the source cannot be read on.
    fn next(&mut self, message: &mut Message) -> Result<bool>;

    /// How much of the source is done, from 0 to 1; `None` without an end.
    fn share(&self) -> Option<f64>;
}
