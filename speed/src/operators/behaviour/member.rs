//! A customer as the rules know one.

use compact_str::CompactString;
use data::EventTime;
use rules::{Clock, Customer, Day, NextChange};
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
    /// When the timers are set; follows from the rest.
    #[serde(skip)]
    wake: Wake,
}

/// When a customer is looked at next without an event: by the time, and by the newest order of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wake {
    by_time: Option<EventTime>,
    by_orders: Option<EventTime>,
}

/// When which customer is looked at.
#[derive(Debug, Default)]
pub struct Alarms {
    by_time: Timers,
    by_orders: Timers,
}

impl Alarms {
    /// A customer who is to be looked at when it is `now`, and the newest order of all is of `newest_order`.
    pub fn take_due(&mut self, now: EventTime, newest_order: Option<EventTime>) -> Option<CompactString> {
        let by_orders = &mut self.by_orders;
        let due = self.by_time.take_due(now).or_else(|| by_orders.take_due(newest_order?));
        due.map(|(_, key)| key)
    }

    /// As the member has them.
    pub fn set(&mut self, key: &str, member: &Member) {
        let Wake { by_time, by_orders } = member.wake;
        by_time.into_iter().for_each(|at| self.by_time.set(at, key));
        by_orders.into_iter().for_each(|at| self.by_orders.set(at, key));
    }

    pub fn cancel(&mut self, key: &str, member: &Member) {
        let Wake { by_time, by_orders } = member.wake;
        by_time.into_iter().for_each(|at| self.by_time.cancel(at, key));
        by_orders.into_iter().for_each(|at| self.by_orders.cancel(at, key));
    }
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

    /// Notes that its timers are taken away.
    pub fn woken(&mut self) {
        self.wake = Wake::default();
    }

    /// Sets the timers for when something else may move the customer next: after the time by which that was judged last, which is
    /// `swept` for one out of the changelog.
    pub fn set_timers(&mut self, key: &str, edition: &Edition, swept: Clock, alarms: &mut Alarms) {
        let since = self.judged.map_or(swept, |(clock, _)| clock);
        let NextChange { by_time, by_orders } = self.customer.next_change(&edition.rules, since);
        let next = Wake { by_time: by_time.and_then(micros), by_orders: by_orders.and_then(micros) };
        if next != self.wake {
            alarms.cancel(key, self);
            self.wake = next;
            alarms.set(key, self);
        }
    }

    /// Whether a timer is due by now.
    pub fn is_due(&self, clock: Clock) -> bool {
        let reached = |at: Option<EventTime>, day: Option<Day>| at.zip(day).is_some_and(|(at, day)| at.day() <= day.0);
        reached(self.wake.by_time, Some(clock.today)) || reached(self.wake.by_orders, clock.newest_order)
    }
}
