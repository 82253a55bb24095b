//! Order lines, clicks and news of orders as live messages: from a file, or made up without end.
//!
//! ```text
//! file ─ replay ──┐
//!                 ├▶ message ─▶ pace ─▶ delivery ─▶ topics
//! made up ────────┘                        └──────▶ summary
//! ```

mod delivery;
mod error;
pub mod file;
pub mod json;
mod made_up;
pub mod pace;
mod records;
mod replay;
mod replay_events;
mod run;
mod shop;

pub use delivery::{Counts, Delivery};
pub use error::{Error, Result};
pub use made_up::MadeUp;
pub use pace::Pace;
pub use records::decoded;
pub use replay::{Replay, ReplayOptions};
pub use replay_events::{EventKind, EventReplay, kind_of};
pub use run::{Progress, Summary, run};
pub use shop::ShopFeed;

use crate::EventTime;

/// One record on its way to a topic; its buffers are used again.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Which of the delivery's topics it goes to.
    pub topic: usize,
    /// The customer id; empty for a line without customer, whose key is null.
    pub key: Vec<u8>,
    /// A JSON object.
    pub value: Vec<u8>,
    /// When it was ordered, or happened, where that is known.
    pub ordered_at: Option<EventTime>,
}

/// Where records come from.
pub trait Source {
    /// Puts the next one into `message`; `false` when there is none.
    ///
    /// # Errors
    /// When the source cannot be read on.
    fn next(&mut self, message: &mut Message) -> Result<bool>;

    /// How much of the source is done, from 0 to 1; `None` without an end.
    fn share(&self) -> Option<f64>;
}
