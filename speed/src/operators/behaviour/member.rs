//! A customer as the rules know one.

use compact_str::CompactString;
use data::EventTime;
use rules::{Clock, Customer};
use serde::{Deserialize, Serialize};

use crate::frame::Timers;
use crate::operators::events::micros;
use crate::rulebook::Edition;

/// A customer's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub customer: Customer,
    /// Where the customer was said to belong.
    pub segment: Option<CompactString>,
    /// The time and the rules by which that was said; unknown behind a restart.
    #[serde(skip)]
    pub judged: Option<(Clock, u64)>,
    /// When the timer is set; follows from the rest.
    #[serde(skip)]
    pub wake: Option<EventTime>,
}

impl Member {
    /// # Errors
    /// What cannot be read.
    pub fn read(value: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(value).map_err(|error| error.to_string())
    }

    /// Writes it to the changelog.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(out, self);
    }

    /// Sets the timer for when time alone may move the customer next.
    pub fn set_timer(&mut self, key: &str, edition: &Edition, clock: Clock, timers: &mut Timers) {
        let next = self.customer.next_change(&edition.rules, clock).and_then(micros);
        if let Some(wake) = self.wake.filter(|wake| Some(*wake) != next) {
            timers.cancel(wake, key);
        }
        if let Some(next) = next {
            timers.set(next, key);
        }
        self.wake = next;
    }
}
