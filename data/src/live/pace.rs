//! When the next message is due.

use std::time::Duration;

use crate::EventTime;

/// How fast messages follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As fast as the broker takes them.
    Free,
    /// So many a second.
    Rate(f64),
    /// As they were ordered, so many times faster.
    Speedup(f64),
    /// Each when the clock shows its own time; what is past, at once.
    Clock,
}

/// Due times from the start, by pace. They do not follow the clock: what was late is made up for.
#[derive(Clone, Debug)]
pub struct Schedule {
    pace: Pace,
    /// When the clock stood at zero.
    began: EventTime,
    first: Option<EventTime>,
    due: Duration,
}

impl Schedule {
    #[must_use]
    pub const fn new(pace: Pace, began: EventTime) -> Self {
        Self { pace, began, first: None, due: Duration::ZERO }
    }

    /// When the message behind `sent` others is due, as far as its own time does not matter.
    #[expect(clippy::cast_precision_loss, reason = "exact for 2^53 messages")]
    #[must_use]
    pub fn slot(&self, sent: u64) -> Duration {
        match self.pace {
            Pace::Rate(rate) => duration(sent as f64 / rate),
            Pace::Free | Pace::Speedup(_) | Pace::Clock => Duration::ZERO,
        }
    }

    /// When the message ordered at `ordered_at` is due; never before the one asked for last.
    #[expect(clippy::cast_precision_loss, reason = "a year is 2^45 microseconds")]
    pub fn due(&mut self, ordered_at: Option<EventTime>) -> Duration {
        let (since, factor) = match (self.pace, ordered_at) {
            (Pace::Speedup(factor), Some(ordered_at)) => (*self.first.get_or_insert(ordered_at), factor),
            (Pace::Clock, Some(_)) => (self.began, 1.0),
            _ => return self.due,
        };
        let gap = ordered_at.unwrap_or(since).micros().saturating_sub(since.micros());
        self.due = self.due.max(duration(gap as f64 / 1e6 / factor));
        self.due
    }
}

/// Nobody waits for centuries: what does not fit is as good as never.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_does_not_drift() {
        let schedule = Schedule::new(Pace::Rate(3.0), EventTime::default());
        assert_eq!(schedule.slot(0), Duration::ZERO);
        assert_eq!(schedule.slot(3_000_000_000), Duration::from_secs(1_000_000_000));
        assert_eq!(Schedule::new(Pace::Free, EventTime::default()).slot(7), Duration::ZERO);
    }

    #[test]
    fn a_speedup_divides_the_gaps() {
        let mut schedule = Schedule::new(Pace::Speedup(60.0), EventTime::default());
        let minute = |count: i64| Some(EventTime::from_micros(count * 60_000_000));
        let due = [minute(10), None, minute(13), minute(12), minute(11), minute(14)].map(|at| schedule.due(at));
        assert_eq!(due.map(|due| due.as_secs()), [0, 0, 3, 3, 3, 4]);
    }

    #[test]
    fn what_is_past_is_due_at_once_and_what_is_not_at_its_time() {
        let second = |count: i64| EventTime::from_micros(count * 1_000_000);
        let mut schedule = Schedule::new(Pace::Clock, second(100));
        let due = [10, 99, 100, 103, 101].map(|at| schedule.due(Some(second(at))));
        assert_eq!(due.map(|due| due.as_secs()), [0, 0, 0, 3, 3]);
    }
}
