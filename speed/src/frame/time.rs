//! Event time: watermarks of several partitions, and timers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use compact_str::CompactString;
use data::EventTime;

use super::TopicPartition;

/// How far event time has come, over all partitions of an operator.
///
/// A partition's watermark is its newest event less the lateness; theirs together is the least. A partition without
/// events for as long as [`Patience`] says no longer holds the others back, and while all are idle event time goes on at
/// the pace of the clock, so that a timeout is never later than the quiet that it waits for (EO-7).
#[derive(Debug)]
pub struct Watermarks {
    patience: Patience,
    /// The clock when it was looked at first, and last.
    opened: Option<Duration>,
    looked: Duration,
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

/// How long event time waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long after it happened an event may come.
    pub lateness: Duration,
    /// Without events for so long, a partition is idle.
    pub idleness: Duration,
    /// The same for a partition that is live: whose newest event had only just happened when it came, by the calendar. Event
    /// time goes on with the clock there, so there is nothing to wait for.
    pub quiet: Duration,
}

/// What the clocks show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tick {
    /// Since some moment.
    pub now: Duration,
    /// What the calendar shows; without one no partition is live.
    pub calendar: Option<EventTime>,
    /// Nothing is waiting to be read, and the brokers answer.
    pub caught_up: bool,
}

/// A partition is live whose newest event came no longer than this, or the lateness, after it happened.
const LIVE: Duration = Duration::from_secs(10);
/// How much quiet one look at the clock can tell of: behind a pause of this process, records may be waiting that were on
/// their way when it was last said that there are none.
const LONGEST_LOOK: Duration = Duration::from_millis(200);

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
    /// Since then, as far as there was nothing to be read.
    quiet: Duration,
    live: bool,
}

impl Watermarks {
    /// Goes on from what a commit said; from the first event on without.
    #[must_use]
    pub fn new(patience: Patience, reached: Option<Reached>) -> Self {
        let before = reached.map(|reached| Progress::new(reached.newest));
        let reached = reached.map_or(EventTime::from_micros(i64::MIN), |reached| reached.watermark);
        let partitions = BTreeMap::new();
        let now = Clocks { partitions, before, awaited: BTreeSet::new(), awaiting: None, reached };
        Self { patience, opened: None, looked: Duration::ZERO, committed: now.clone(), now }
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
        let progress = self.now.partitions.entry(partition).or_insert(Progress::new(at));
        progress.newest = progress.newest.max(at);
        progress.fresh = true;
    }

    /// The watermark at this moment, when it has moved. It never goes back.
    pub fn advance(&mut self, tick: &Tick) -> Option<EventTime> {
        let now = tick.now;
        self.opened.get_or_insert(now);
        let quiet = if tick.caught_up { now.saturating_sub(self.looked).min(LONGEST_LOOK) } else { Duration::ZERO };
        self.looked = now;
        let Self { patience, now: clocks, .. } = self;
        let mut active: Option<EventTime> = None;
        let mut idle: Option<EventTime> = None;
        for progress in clocks.partitions.values_mut() {
            if progress.look(tick, quiet, patience) {
                idle = idle.max(Some(progress.at(now)));
            } else {
                active = Some(active.map_or(progress.newest, |least| least.min(progress.newest)));
            }
        }
        if let Some(before) = &mut clocks.before
            && before.look(&Tick { calendar: None, ..*tick }, quiet, patience)
        {
            idle = idle.max(Some(before.at(now)));
        }
        if !clocks.awaited.is_empty() {
            if now.saturating_sub(*clocks.awaiting.get_or_insert(now)) < patience.idleness {
                return None;
            }
            clocks.awaited.clear();
        }
        let watermark = EventTime::from_micros(active.or(idle)?.micros().saturating_sub(micros(patience.lateness)));
        (watermark > clocks.reached).then(|| {
            clocks.reached = watermark;
            watermark
        })
    }

    /// Whether there has been no event since it was made, for as long as a partition needs to be idle.
    #[must_use]
    pub fn is_silent(&self, tick: &Tick) -> bool {
        let has_news = !self.now.partitions.is_empty() || !self.now.awaited.is_empty();
        let since = self.opened.map_or(Duration::ZERO, |opened| tick.now.saturating_sub(opened));
        !has_news && tick.caught_up && since >= self.patience.idleness
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
    const fn new(newest: EventTime) -> Self {
        Self { newest, seen: Duration::ZERO, fresh: true, quiet: Duration::ZERO, live: false }
    }

    /// Whether it is idle, after so much `quiet` more.
    fn look(&mut self, tick: &Tick, quiet: Duration, patience: &Patience) -> bool {
        if std::mem::take(&mut self.fresh) {
            let delay = tick.calendar.map(|now| now.micros().abs_diff(self.newest.micros()));
            let most = patience.lateness.max(LIVE).as_micros();
            self.live = delay.is_some_and(|delay| u128::from(delay) <= most);
            (self.seen, self.quiet) = (tick.now, Duration::ZERO);
        } else {
            self.quiet += quiet;
        }
        self.live && self.quiet >= patience.quiet || tick.now.saturating_sub(self.seen) >= patience.idleness
    }

    /// Its newest event, had it gone on with the clock; where it is live, with the quiet that was looked at.
    fn at(&self, now: Duration) -> EventTime {
        let quiet = if self.live { self.quiet } else { now.saturating_sub(self.seen) };
        EventTime::from_micros(self.newest.micros().saturating_add(micros(quiet)))
    }
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

    const PATIENCE: Patience = Patience {
        lateness: Duration::from_secs(5),
        idleness: Duration::from_secs(30),
        quiet: Duration::from_millis(250),
    };

    fn clock(seconds: u64) -> Tick {
        Tick { now: Duration::from_secs(seconds), caught_up: true, ..Tick::default() }
    }

    #[test]
    fn eo_7_an_idle_partition_neither_stalls_nor_delays() {
        let mut watermarks = Watermarks::new(PATIENCE, None);
        assert_eq!(watermarks.advance(&clock(0)), None, "nothing is known before the first event");
        watermarks.observe(partition(0), second(100));
        watermarks.observe(partition(1), second(40));
        assert_eq!(watermarks.advance(&clock(1)), Some(second(35)), "the slowest partition decides");
        watermarks.observe(partition(0), second(120));
        assert_eq!(watermarks.advance(&clock(10)), None);
        watermarks.observe(partition(0), second(130));
        assert_eq!(watermarks.advance(&clock(31)), Some(second(125)), "partition 1 has been idle for 30 s");
        assert_eq!(watermarks.advance(&clock(60)), None);
        assert_eq!(watermarks.advance(&clock(61)), Some(second(155)), "all idle: time goes on with the clock");
        assert_eq!(watermarks.advance(&clock(71)), Some(second(165)));
        watermarks.observe(partition(1), second(50));
        assert_eq!(watermarks.advance(&clock(72)), None, "a straggler does not turn time back");
        assert_eq!(watermarks.reached(), Some(Reached { newest: second(130), watermark: second(165) }));
    }

    #[test]
    fn silence_is_told_when_it_has_lasted() {
        let mut watermarks = Watermarks::new(PATIENCE, None);
        let mut silent_at = |seconds| {
            assert_eq!(watermarks.advance(&clock(seconds)), None);
            watermarks.is_silent(&clock(seconds))
        };
        assert_eq!([silent_at(10), silent_at(39), silent_at(40)], [false, false, true]);
        assert!(!watermarks.is_silent(&Tick { caught_up: false, ..clock(41) }), "something is waiting to be read");
        watermarks.observe(partition(0), second(100));
        assert!(watermarks.advance(&clock(41)).is_some());
        assert!(!watermarks.is_silent(&clock(200)));

        let mut next = Watermarks::new(PATIENCE, watermarks.reached());
        next.advance(&clock(300));
        assert!(
            !next.is_silent(&clock(329)) && next.is_silent(&clock(330)),
            "whoever has the shard next has heard nothing"
        );
    }

    #[test]
    fn eo_7_event_time_outlives_its_shard() {
        let mut watermarks = Watermarks::new(PATIENCE, None);
        assert_eq!(watermarks.reached(), None);
        watermarks.observe(partition(0), second(100));
        assert_eq!(watermarks.advance(&clock(1)), Some(second(95)));
        let mut next = Watermarks::new(PATIENCE, watermarks.reached());
        assert_eq!(next.advance(&clock(7)), None);
        assert_eq!(next.advance(&clock(36)), None);
        assert_eq!(next.advance(&clock(37)), Some(second(125)), "no partition has an event, and time goes on");
        next.observe(partition(0), second(60));
        assert_eq!(next.advance(&clock(38)), None, "what was late for the one before is late for this one");
    }

    #[test]
    fn a_backlog_is_not_late_because_another_partition_is_read_first() {
        let mut watermarks = Watermarks::new(PATIENCE, None);
        watermarks.await_backlog(&[partition(0), partition(1)]);
        watermarks.came(partition(0));
        watermarks.observe(partition(0), second(9_000));
        assert_eq!(watermarks.advance(&clock(1)), None, "partition 1 may begin much earlier");
        watermarks.roll_back();
        watermarks.came(partition(0));
        watermarks.observe(partition(0), second(9_000));
        assert_eq!(watermarks.advance(&clock(2)), None, "an abort forgets what came");
        watermarks.came(partition(1));
        watermarks.observe(partition(1), second(100));
        assert_eq!(watermarks.advance(&clock(3)), Some(second(95)));
        let mut watermarks = Watermarks::new(PATIENCE, None);
        watermarks.await_backlog(&[partition(1)]);
        watermarks.observe(partition(0), second(9_000));
        assert_eq!(watermarks.advance(&clock(1)), None);
        assert_eq!(watermarks.advance(&clock(31)), Some(second(9_025)), "it waits no longer than for an idle one");
    }

    #[test]
    fn eo_5_an_aborted_epoch_makes_no_event_late() {
        let mut watermarks = Watermarks::new(PATIENCE, None);
        watermarks.observe(partition(0), second(100));
        assert_eq!(watermarks.advance(&clock(1)), Some(second(95)));
        watermarks.commit();
        watermarks.observe(partition(0), second(200));
        assert_eq!(watermarks.advance(&clock(2)), Some(second(195)));
        watermarks.roll_back();
        watermarks.observe(partition(0), second(150));
        assert_eq!(watermarks.advance(&clock(3)), Some(second(145)));
    }

    /// As [`clock`], in milliseconds, where the calendar shows the same.
    fn live(ms: u64) -> Tick {
        let now = Duration::from_millis(ms);
        Tick { now, calendar: Some(EventTime::from_micros(micros(now))), caught_up: true }
    }

    #[test]
    fn a_live_partition_holds_nobody_back_while_it_is_quiet() {
        let mut watermarks = Watermarks::new(PATIENCE, None);
        watermarks.observe(partition(0), second(100));
        watermarks.observe(partition(1), second(96));
        assert_eq!(watermarks.advance(&live(100_000)), Some(second(91)));
        let at = |ms: u64| EventTime::from_micros(i64::try_from(ms).expect("small") * 1_000 - 5_000_000);
        for ms in (100_050..100_250).step_by(50) {
            watermarks.observe(partition(0), second(100));
            assert_eq!(watermarks.advance(&live(ms)), None, "{ms}: it may be on its way");
        }
        watermarks.observe(partition(0), second(100));
        assert_eq!(watermarks.advance(&live(100_250)), Some(at(100_000)));
        for ms in (100_300..100_500).step_by(50) {
            assert_eq!(watermarks.advance(&live(ms)), None);
        }
        assert_eq!(watermarks.advance(&live(100_500)), Some(at(100_250)), "all are quiet: time goes on with the clock");
        assert_eq!(watermarks.advance(&live(160_000)), Some(at(100_450)), "a pause between two looks counts in part");
    }

    #[test]
    fn only_quiet_that_was_looked_at_counts() {
        let mut watermarks = Watermarks::new(PATIENCE, None);
        watermarks.observe(partition(0), second(100));
        assert!(watermarks.advance(&live(100_000)).is_some());
        assert_eq!(watermarks.advance(&live(110_000)), None, "this process paused, and records may be waiting");
        for _ in 0..10 {
            assert_eq!(watermarks.advance(&Tick { caught_up: false, ..live(111_000) }), None, "others are read first");
        }
        watermarks.observe(partition(0), second(101));
        assert_eq!(watermarks.advance(&live(112_000)), Some(second(96)));
        for ms in (112_050..120_000).step_by(50) {
            assert_eq!(watermarks.advance(&live(ms)), None, "{ms}: 11 s late, it is not live");
        }
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
