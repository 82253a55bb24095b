//! Keeps what the rules' features need of each customer, and says which segment follows.

mod member;
mod output;

use compact_str::CompactString;
use data::EventTime;
use rules::{Clock, Day, Event, Topic};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::frame::{
    Decoded, Effects, EpochEnd, KeyedState, Operator, Origin, Record, Refusal, Signal, Target, Timers, TopicId,
};
use crate::operators::events;
use crate::rulebook::Edition;
pub use member::Member;
use output::{Cause, write_change, write_segment};

/// Its name in a topology, by which its memos are kept.
pub const NAME: &str = "behaviour";

/// The topics of the operator.
#[derive(Clone, Copy, Debug)]
pub struct Topics {
    /// Those of its inputs that carry orders; the others carry clicks.
    pub orders: [TopicId; 2],
    pub state: TopicId,
    pub segments: TopicId,
    pub changes: TopicId,
}

/// What must outlive a crash beside the customers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memo {
    /// The newest event, or the watermark if that is later, in microseconds.
    newest: Option<i64>,
    /// The day of the newest order.
    newest_order: Option<i64>,
    /// By which rules every customer was judged, once all are.
    judged: Option<u64>,
}

/// Rules over customers, for one shard.
#[derive(Debug)]
pub struct Behaviour {
    topics: Topics,
    shard: u32,
    edition: Arc<Edition>,
    members: KeyedState<Member>,
    /// When time alone may move a customer.
    timers: Timers,
    /// Customers yet to be judged by new rules; `None` before they are listed.
    left: Option<Vec<CompactString>>,
    memo: Memo,
    committed: Memo,
}

impl Behaviour {
    /// Opens a shard where `memo` left it.
    ///
    /// # Errors
    /// When the memo cannot be read.
    pub fn open(topics: Topics, shard: u32, edition: Arc<Edition>, memo: Option<&str>) -> Result<Self, String> {
        let memo: Memo = memo.map_or_else(|| Ok(Memo::default()), serde_json::from_str).map_err(|e| e.to_string())?;
        let (members, timers) = (KeyedState::default(), Timers::default());
        Ok(Self { topics, shard, edition, members, timers, left: None, memo, committed: memo })
    }

    fn clock(&self) -> Clock {
        let today = EventTime::from_micros(self.memo.newest.unwrap_or_default()).day();
        Clock { today: Day(today), newest_order: self.memo.newest_order.map(Day) }
    }

    /// Lets time go on to `at`.
    fn observe(&mut self, at: EventTime, is_order: bool, out: &mut Effects) {
        let before = self.clock();
        self.memo.newest = self.memo.newest.max(Some(at.micros()));
        if is_order {
            self.memo.newest_order = self.memo.newest_order.max(Some(at.day()));
        }
        out.more_work |= before != self.clock();
    }

    /// Tells where the customer belongs now, if that is elsewhere than before.
    fn judge(&mut self, key: &str, cause: Cause, at: EventTime, out: &mut Effects) {
        let (clock, rules) = (self.clock(), &self.edition.rules);
        let judged = (clock, self.edition.fingerprint);
        if cause == Cause::Time && self.members.get(key).is_none_or(|member| member.judged == Some(judged)) {
            return;
        }
        let member = self.members.entry(key, Member::default);
        member.judged = Some(judged);
        let segment = member.customer.standing(rules, clock).segment;
        if segment != member.segment.as_deref() {
            let before = std::mem::replace(&mut member.segment, segment.map(CompactString::from));
            out.emit(Target::ByKey(self.topics.changes), key.as_bytes(), |out| {
                write_change(out, key, before.as_deref(), segment, cause, at);
            });
        }
    }

    /// Judges customers who did nothing: by new rules, and because time went on.
    fn work(&mut self, budget: usize, out: &mut Effects) {
        let now = EventTime::from_micros(self.memo.newest.unwrap_or_default());
        let mut budget = budget;
        if self.memo.judged != Some(self.edition.fingerprint) {
            let mut left = self.left.take().unwrap_or_else(|| self.members.keys().cloned().collect());
            for key in left.split_off(left.len().saturating_sub(budget)) {
                budget = budget.saturating_sub(1);
                self.judge(&key, Cause::Rule, now, out);
            }
            if left.is_empty() {
                self.memo.judged = Some(self.edition.fingerprint);
            } else {
                self.left = Some(left);
            }
        }
        while budget > 0 {
            let Some((_, key)) = self.timers.take_due(now) else { return };
            budget -= 1;
            if self.members.get(&key).is_some() {
                // Touched, so that the epoch's end sets its next timer.
                self.members.entry(&key, Member::default).wake = None;
                self.judge(&key, Cause::Time, now, out);
            }
        }
        out.more_work = true;
    }

    /// Writes what changed, and sets the timers of those customers.
    fn flush(&mut self, out: &mut Effects) {
        let clock = self.clock();
        let keys: Vec<CompactString> = self.members.changes().map(|(key, _)| key.into()).collect();
        for key in keys {
            let Self { members, timers, edition, .. } = self;
            let member = members.entry(&key, Member::default);
            member.set_timer(&key, edition, clock, timers);
            let target = Target::Partition(self.topics.state, self.shard);
            out.emit(target, key.as_bytes(), |out| member.write(out));
            out.emit(Target::ByKey(self.topics.segments), key.as_bytes(), |out| {
                let at = EventTime::from_micros(self.memo.newest.unwrap_or_default());
                write_segment(out, &key, member, &edition.rules, clock, at);
            });
        }
    }
}

impl Operator for Behaviour {
    type Event<'r> = (Topic, Event);

    fn decode<'r>(&self, record: &Record<'r>) -> Result<Decoded<'r, (Topic, Event)>, Refusal> {
        let orders = self.topics.orders.contains(&record.at.topic);
        events::decode(if orders { Topic::OrderEvents } else { Topic::Clickstream }, record)
    }

    fn apply(&mut self, event: &Decoded<'_, (Topic, Event)>, _: &Origin, out: &mut Effects) {
        let (topic, ref happened) = event.event;
        self.observe(event.at, topic == Topic::OrderEvents, out);
        if !self.edition.rules.judges_customers() {
            return;
        }
        self.judge(&event.key, Cause::Time, event.at, out);
        let clock = self.clock();
        let member = self.members.entry(&event.key, Member::default);
        member.customer.apply(&self.edition.rules, topic, happened, clock);
        self.judge(&event.key, Cause::Rule, event.at, out);
    }

    fn signal(&mut self, signal: &Signal<'_>, out: &mut Effects) {
        match signal {
            Signal::Rules(edition) => {
                self.edition = Arc::clone(edition);
                self.left = None;
                out.more_work |= self.memo.judged != Some(edition.fingerprint);
            }
            Signal::Watermark(at) => self.observe(*at, false, out),
            Signal::Work { budget } => self.work(*budget, out),
            Signal::Publication(_) | Signal::Backlog(_) | Signal::Silence => {}
        }
    }

    fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        if let Some(wake) = self.members.get(key).and_then(|member| member.wake) {
            self.timers.cancel(wake, key);
        }
        let mut member = value.map(Member::read).transpose()?;
        if let Some(member) = &mut member {
            // All may be due: where they stand is looked at once more.
            member.set_timer(key, &self.edition, self.clock(), &mut self.timers);
        }
        self.members.restore(key, member);
        Ok(())
    }

    fn end_epoch(&mut self, end: EpochEnd<'_>, out: &mut Effects) {
        match end {
            EpochEnd::Flush { memo } => {
                self.flush(out);
                *memo = serde_json::to_string(&self.memo).unwrap_or_default();
            }
            EpochEnd::Committed => {
                self.members.commit();
                self.committed = self.memo;
            }
            EpochEnd::Aborted => {
                self.members.roll_back();
                (self.memo, self.left, self.timers) = (self.committed, None, Timers::default());
                for key in self.members.keys() {
                    if let Some(wake) = self.members.get(key).and_then(|member| member.wake) {
                        self.timers.set(wake, key);
                    }
                }
                out.more_work = true;
            }
        }
    }
}
