//! Event time: watermarks of several partitions, and timers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use compact_str::CompactString;
use data::EventTime;

use super::TopicPartition;

/// How far event time has come, over all partitions of an operator.
///
/// A partition's watermark is its newest event less the lateness; theirs together is the least. A partition without
/// events for `idleness` no longer holds the others back, and while all are idle event time goes on at the pace of
/// the clock, so that a timeout is never later than the quiet that it waits for (EO-7).
#[derive(Debug)]
pub struct Watermarks {
    lateness: Duration,
    idleness: Duration,
    now: Clocks,
    /// As of the last commit: what an abort goes back to.
    committed: Clocks,
}

#[derive(Clone, Debug)]
struct Clocks {
    partitions: BTreeMap<TopicPartition, Progress>,
    /// The newest event of whoever had the shard before; goes on with the clock when no partition does.
    before: Option<Progress>,
    /// Partitions that have records to read of which none has come yet: their times are not known.
    awaited: BTreeSet<TopicPartition>,
    /// When the clock was looked at first while some were awaited.
    awaiting: Option<Duration>,
    reached: EventTime,
}

/// How far event time has come, for whoever has the shard next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    pub newest: EventTime,
    pub watermark: EventTime,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    newest: EventTime,
    /// When the clock said so last that an event had come.
    seen: Duration,
    fresh: bool,
}

impl Watermarks {
    /// Goes on from what a commit said; from the first event on without.
    #[must_use]
    pub fn new(lateness: Duration, idleness: Duration, reached: Option<Reached>) -> Self {
        let before = reached.map(|reached| Progress { newest: reached.newest, seen: Duration::ZERO, fresh: true });
        let reached = reached.map_or(EventTime::from_micros(i64::MIN), |reached| reached.watermark);
        let partitions = BTreeMap::new();
        let now = Clocks { partitions, before, awaited: BTreeSet::new(), awaiting: None, reached };
        Self { lateness, idleness, committed: now.clone(), now }
    }

    /// These partitions have a backlog: event time waits for the first record of each, since it may be older than all that
    /// the others have; but no longer than for a partition that is idle.
    pub fn await_backlog(&mut self, partitions: &[TopicPartition]) {
        self.now.awaited.extend(partitions);
        self.commit();
    }

    /// A record of the partition has come, whoever it is for.
    pub fn came(&mut self, partition: TopicPartition) {
        if !self.now.awaited.is_empty() {
            self.now.awaited.remove(&partition);
        }
    }

    pub fn observe(&mut self, partition: TopicPartition, at: EventTime) {
        let progress =
            self.now.partitions.entry(partition).or_insert(Progress { newest: at, seen: Duration::ZERO, fresh: true });
        progress.newest = progress.newest.max(at);
        progress.fresh = true;
    }

    /// The watermark at the clock's `now`, when it has moved. It never goes back.
    pub fn advance(&mut self, now: Duration) -> Option<EventTime> {
        let Self { lateness, idleness, now: clocks, .. } = self;
        let mut active: Option<EventTime> = None;
        let mut idle: Option<EventTime> = None;
        for progress in clocks.partitions.values_mut() {
            let quiet = progress.quiet(now);
            if quiet < *idleness {
                active = Some(active.map_or(progress.newest, |least| least.min(progress.newest)));
            } else {
                idle = idle.max(Some(later(progress.newest, quiet)));
            }
        }
        if let Some(before) = &mut clocks.before {
            let quiet = before.quiet(now);
            if quiet >= *idleness {
                idle = idle.max(Some(later(before.newest, quiet)));
            }
        }
        if !clocks.awaited.is_empty() {
            if now.saturating_sub(*clocks.awaiting.get_or_insert(now)) < *idleness {
                return None;
            }
            clocks.awaited.clear();
        }
        let watermark = EventTime::from_micros(active.or(idle)?.micros().saturating_sub(micros(*lateness)));
        (watermark > clocks.reached).then(|| {
            clocks.reached = watermark;
            watermark
        })
    }

    /// What [`Watermarks::advance`] said last, and the newest event; `None` before the first.
    #[must_use]
    pub fn reached(&self) -> Option<Reached> {
        let Clocks { partitions, before, reached, .. } = &self.now;
        let newest = partitions.values().chain(before).map(|progress| progress.newest).max()?;
        Some(Reached { newest, watermark: *reached })
    }

    pub fn commit(&mut self) {
        self.committed.clone_from(&self.now);
    }

    /// Forgets the events since the last commit: they come again, and must not be late then.
    pub fn roll_back(&mut self) {
        self.now.clone_from(&self.committed);
    }
}

impl Progress {
    /// For how long no event has come.
    fn quiet(&mut self, now: Duration) -> Duration {
        if std::mem::take(&mut self.fresh) {
            self.seen = now;
        }
        now.saturating_sub(self.seen)
    }
}

fn later(time: EventTime, by: Duration) -> EventTime {
    EventTime::from_micros(time.micros().saturating_add(micros(by)))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Moments at which keys want to be woken, earliest first. Follows from the state, so it is not stored.
#[derive(Debug, Default)]
pub struct Timers(BTreeSet<(EventTime, CompactString)>);

impl Timers {
    pub fn set(&mut self, at: EventTime, key: &str) {
        self.0.insert((at, CompactString::new(key)));
    }

    pub fn cancel(&mut self, at: EventTime, key: &str) {
        self.0.remove(&(at, CompactString::new(key)));
    }

    /// Takes the earliest timer that is due at `watermark`.
    pub fn take_due(&mut self, watermark: EventTime) -> Option<(EventTime, CompactString)> {
        self.0.first().is_some_and(|(at, _)| *at <= watermark).then(|| self.0.pop_first()).flatten()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::TopicId;
    use super::*;

    const fn partition(partition: u32) -> TopicPartition {
        TopicPartition { topic: TopicId(0), partition }
    }

    const fn second(second: i64) -> EventTime {
        EventTime::from_micros(second * 1_000_000)
    }

    #[test]
    fn eo_7_an_idle_partition_neither_stalls_nor_delays() {
        let clock = Duration::from_secs;
        let mut watermarks = Watermarks::new(clock(5), clock(30), None);
        assert_eq!(watermarks.advance(clock(0)), None, "nothing is known before the first event");
        watermarks.observe(partition(0), second(100));
        watermarks.observe(partition(1), second(40));
        assert_eq!(watermarks.advance(clock(1)), Some(second(35)), "the slowest partition decides");
        watermarks.observe(partition(0), second(120));
        assert_eq!(watermarks.advance(clock(10)), None);
        watermarks.observe(partition(0), second(130));
        assert_eq!(watermarks.advance(clock(31)), Some(second(125)), "partition 1 has been idle for 30 s");
        assert_eq!(watermarks.advance(clock(60)), None);
        assert_eq!(watermarks.advance(clock(61)), Some(second(155)), "all idle: time goes on with the clock");
        assert_eq!(watermarks.advance(clock(71)), Some(second(165)));
        watermarks.observe(partition(1), second(50));
        assert_eq!(watermarks.advance(clock(72)), None, "a straggler does not turn time back");
        assert_eq!(watermarks.reached(), Some(Reached { newest: second(130), watermark: second(165) }));
    }

    #[test]
    fn eo_7_event_time_outlives_its_shard() {
        let clock = Duration::from_secs;
        let mut watermarks = Watermarks::new(clock(5), clock(30), None);
        assert_eq!(watermarks.reached(), None);
        watermarks.observe(partition(0), second(100));
        assert_eq!(watermarks.advance(clock(1)), Some(second(95)));
        let mut next = Watermarks::new(clock(5), clock(30), watermarks.reached());
        assert_eq!(next.advance(clock(7)), None);
        assert_eq!(next.advance(clock(36)), None);
        assert_eq!(next.advance(clock(37)), Some(second(125)), "no partition has an event, and time goes on");
        next.observe(partition(0), second(60));
        assert_eq!(next.advance(clock(38)), None, "what was late for the one before is late for this one");
    }

    #[test]
    fn a_backlog_is_not_late_because_another_partition_is_read_first() {
        let clock = Duration::from_secs;
        let mut watermarks = Watermarks::new(clock(5), clock(30), None);
        watermarks.await_backlog(&[partition(0), partition(1)]);
        watermarks.came(partition(0));
        watermarks.observe(partition(0), second(9_000));
        assert_eq!(watermarks.advance(clock(1)), None, "partition 1 may begin much earlier");
        watermarks.roll_back();
        watermarks.came(partition(0));
        watermarks.observe(partition(0), second(9_000));
        assert_eq!(watermarks.advance(clock(2)), None, "an abort forgets what came");
        watermarks.came(partition(1));
        watermarks.observe(partition(1), second(100));
        assert_eq!(watermarks.advance(clock(3)), Some(second(95)));
        let mut watermarks = Watermarks::new(clock(5), clock(30), None);
        watermarks.await_backlog(&[partition(1)]);
        watermarks.observe(partition(0), second(9_000));
        assert_eq!(watermarks.advance(clock(1)), None);
        assert_eq!(watermarks.advance(clock(31)), Some(second(9_025)), "it waits no longer than for an idle one");
    }

    #[test]
    fn eo_5_an_aborted_epoch_makes_no_event_late() {
        let clock = Duration::from_secs;
        let mut watermarks = Watermarks::new(clock(5), clock(30), None);
        watermarks.observe(partition(0), second(100));
        assert_eq!(watermarks.advance(clock(1)), Some(second(95)));
        watermarks.commit();
        watermarks.observe(partition(0), second(200));
        assert_eq!(watermarks.advance(clock(2)), Some(second(195)));
        watermarks.roll_back();
        watermarks.observe(partition(0), second(150));
        assert_eq!(watermarks.advance(clock(3)), Some(second(145)));
    }

    #[test]
    fn timers_fire_in_order_and_once() {
        let mut timers = Timers::default();
        timers.set(second(3), "b");
        timers.set(second(1), "a");
        timers.set(second(2), "c");
        timers.cancel(second(2), "c");
        assert_eq!(timers.take_due(second(0)), None);
        assert_eq!(timers.take_due(second(9)), Some((second(1), "a".into())));
        assert_eq!(timers.take_due(second(3)), Some((second(3), "b".into())));
        assert!(timers.is_empty());
    }
}
