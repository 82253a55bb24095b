//! Keeps what the rules' features need of each customer, and says which segment follows.

mod member;
mod output;

use compact_str::CompactString;
use data::EventTime;
use rules::{Clock, Day, Event, Topic};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::frame::{
    Decoded, Effects, EpochEnd, KeyedState, Operator, Origin, Record, Refusal, Signal, Target, TopicId, TopicPartition,
};
use crate::operators::events;
use crate::rulebook::Edition;
use member::Alarms;
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
    /// The day of the newest order of all shards.
    newest_order: Option<i64>,
    /// The newest order that another shard told of. Customers are judged by it; what is read here may be far behind it.
    #[serde(default)]
    heard: Option<i64>,
    /// By which rules every customer was judged, once all are.
    judged: Option<u64>,
    /// The day, and that of the newest order, for which everybody was looked at whom they may move.
    #[serde(default)]
    swept: Option<(i64, Option<i64>)>,
}

/// What a record says.
#[derive(Debug)]
pub enum Said {
    Happened(Topic, Event),
    /// Another shard has an order of this day, which is newer than those it had.
    NewestOrder(EventTime),
}

/// A record by which a shard says so; customers' have keys.
#[derive(Serialize, Deserialize)]
struct NewestOrder {
    newest_order: i64,
}

/// The operator's place in the topology, and a shard, of so many.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub operator: usize,
    pub shard: u32,
    pub shards: u32,
}

/// Rules over customers, for one shard.
#[derive(Debug)]
pub struct Behaviour {
    topics: Topics,
    place: Place,
    edition: Arc<Edition>,
    members: KeyedState<Member>,
    /// When time or others' orders may move a customer.
    alarms: Alarms,
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
    pub fn open(topics: Topics, place: Place, edition: Arc<Edition>, memo: Option<&str>) -> Result<Self, String> {
        let memo: Memo = memo.map_or_else(|| Ok(Memo::default()), serde_json::from_str).map_err(|e| e.to_string())?;
        let (members, alarms) = (KeyedState::default(), Alarms::default());
        Ok(Self { topics, place, edition, members, alarms, left: None, memo, committed: memo })
    }

    /// What time it is for all shards, by which customers are judged.
    fn now(&self) -> EventTime {
        EventTime::from_micros(self.memo.newest.max(self.memo.heard).unwrap_or_default())
    }

    fn clock(&self) -> Clock {
        Clock { today: Day(self.now().day()), newest_order: self.memo.newest_order.map(Day) }
    }

    /// What time it is for what is read here: by it orders settle.
    fn own_clock(&self) -> Clock {
        let today = EventTime::from_micros(self.memo.newest.unwrap_or_default()).day();
        Clock { today: Day(today), ..self.clock() }
    }

    /// When those were judged last who came out of the changelog, at the latest.
    fn swept(&self) -> Clock {
        let (today, newest_order) = self.memo.swept.unwrap_or((0, Some(0)));
        Clock { today: Day(today), newest_order: newest_order.map(Day) }
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

    /// Takes note of another shard's newer order.
    fn hear(&mut self, at: EventTime, out: &mut Effects) {
        let before = self.clock();
        self.memo.heard = self.memo.heard.max(Some(at.micros()));
        self.memo.newest_order = self.memo.newest_order.max(Some(at.day()));
        out.more_work |= before != self.clock();
    }

    /// Tells the other shards of a newer order: days since an order are counted to the newest of all.
    fn tell(&self, at: EventTime, origin: &Origin, out: &mut Effects) {
        let Place { operator, shard, shards } = self.place;
        let [orders, by_user] = self.topics.orders;
        let said = serde_json::to_vec(&NewestOrder { newest_order: at.micros() }).unwrap_or_default();
        for partition in (0..shards).filter(|other| *other != shard) {
            let origin = Origin { at: TopicPartition { topic: orders, partition }, ..*origin };
            let header = origin.to_header(operator);
            let header = (Origin::HEADER, header.as_bytes());
            out.forward(Target::Partition(by_user, partition), b"", &said, header, EventTime::from_micros(0));
        }
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
        let now = self.now();
        let newest_order = self.memo.newest_order.map(EventTime::at_day);
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
            let Some(key) = self.alarms.take_due(now, newest_order) else {
                self.memo.swept = Some((now.day(), self.memo.newest_order));
                return;
            };
            budget -= 1;
            if let Some(member) = self.members.get(&key) {
                // Touched, so that the epoch's end sets its next timers.
                self.alarms.cancel(&key, member);
                self.members.entry(&key, Member::default).woken();
                self.judge(&key, Cause::Time, now, out);
            }
        }
        out.more_work = true;
    }

    /// Writes what changed, and sets the timers of those customers.
    fn flush(&mut self, out: &mut Effects) {
        let (clock, now, swept) = (self.clock(), self.now(), self.swept());
        let keys: Vec<CompactString> = self.members.changes().map(|(key, _)| key.into()).collect();
        for key in keys {
            let Self { members, alarms, edition, .. } = self;
            let member = members.entry(&key, Member::default);
            member.set_timers(&key, edition, swept, alarms);
            if member.is_due(clock) {
                // The day changed behind what the customer did.
                self.memo.swept = self.committed.swept;
                out.more_work = true;
            }
            let target = Target::Partition(self.topics.state, self.place.shard);
            out.emit(target, key.as_bytes(), |out| member.write(out));
            out.emit(Target::ByKey(self.topics.segments), key.as_bytes(), |out| {
                write_segment(out, &key, member, &edition.rules, clock, now);
            });
        }
    }
}

impl Operator for Behaviour {
    type Event<'r> = Said;

    fn decode<'r>(&self, record: &Record<'r>) -> Result<Decoded<'r, Said>, Refusal> {
        let [orders, by_user] = self.topics.orders;
        if record.at.topic == by_user && record.key.is_some_and(<[u8]>::is_empty) {
            let said: Result<NewestOrder, _> = serde_json::from_slice(record.value.unwrap_or_default());
            let said = said.map_err(|error| Refusal { reason: "malformed", detail: error.to_string() })?;
            let event = Said::NewestOrder(EventTime::from_micros(said.newest_order));
            return Ok(Decoded { key: "".into(), at: EventTime::from_micros(i64::MIN), event });
        }
        let is_order = [orders, by_user].contains(&record.at.topic);
        let read = events::decode(if is_order { Topic::OrderEvents } else { Topic::Clickstream }, record)?;
        let Decoded { key, at, event: (topic, event) } = read;
        Ok(Decoded { key, at, event: Said::Happened(topic, event) })
    }

    fn apply(&mut self, event: &Decoded<'_, Said>, origin: &Origin, out: &mut Effects) {
        let (topic, happened) = match &event.event {
            Said::Happened(topic, happened) => (*topic, happened),
            Said::NewestOrder(at) => return self.hear(*at, out),
        };
        let before = self.memo.newest_order;
        self.observe(event.at, topic == Topic::OrderEvents, out);
        if self.memo.newest_order > before {
            self.tell(event.at, origin, out);
        }
        if !self.edition.rules.judges_customers() {
            return;
        }
        self.judge(&event.key, Cause::Time, event.at, out);
        let clock = self.own_clock();
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
        if let Some(member) = self.members.get(key) {
            self.alarms.cancel(key, member);
        }
        let mut member = value.map(Member::read).transpose()?;
        if let Some(member) = &mut member {
            member.set_timers(key, &self.edition, self.swept(), &mut self.alarms);
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
                (self.memo, self.left, self.alarms) = (self.committed, None, Alarms::default());
                for key in self.members.keys() {
                    if let Some(member) = self.members.get(key) {
                        self.alarms.set(key, member);
                    }
                }
                out.more_work = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rules::RuleSet;

    use super::*;
    use crate::frame::Decoding;
    use crate::rulebook::Rulebook;

    const ORDERS: TopicId = TopicId(1);
    const BY_USER: TopicId = TopicId(2);
    /// 2026-11-22.
    const NOW: i64 = 1_795_305_600_000_000;

    fn shard(shard: u32) -> Behaviour {
        shard_with(shard, "")
    }

    fn shard_with(shard: u32, rules: &str) -> Behaviour {
        let rules = RuleSet::read(&[("rules.toml".into(), rules.to_owned())]).expect("rules");
        let topics = Topics { orders: [ORDERS, BY_USER], state: TopicId(3), segments: TopicId(4), changes: TopicId(5) };
        let place = Place { operator: 7, shard, shards: 3 };
        Behaviour::open(topics, place, Rulebook::new(rules, 1).newest(), None).expect("opened")
    }

    fn record<'r>(topic: TopicId, key: &'r [u8], value: &'r [u8]) -> Record<'r> {
        let at = TopicPartition { topic, partition: 0 };
        let timestamp = EventTime::from_micros(NOW);
        Record {
            at,
            offset: 4,
            timestamp,
            key: Some(key),
            value: Some(value),
            origin: None,
            decoded: Decoding::default(),
        }
    }

    fn order(time: &str) -> String {
        format!(
            r#"{{"order_id": "o", "user_id": "u", "order_status": "completed", "price": 1, "order_time": "{time}"}}"#
        )
    }

    #[test]
    fn every_shard_hears_of_the_newest_order() {
        let (mut one, mut other, mut out) = (shard(0), shard(2), Effects::default());
        let origin = Origin { at: TopicPartition { topic: ORDERS, partition: 0 }, offset: 4, cell: 0 };
        for time in ["2026-11-01T10:00:00Z", "2026-11-01T12:00:00Z", "2026-10-01T12:00:00Z"] {
            let value = order(time);
            let event = one.decode(&record(ORDERS, b"u", value.as_bytes())).expect("an order");
            one.apply(&event, &origin, &mut out);
        }
        // Once a day is enough.
        let told: Vec<_> =
            out.records().map(|record| (record.target, record.value.unwrap_or_default().to_vec())).collect();
        let targets: Vec<_> = told.iter().map(|(target, _)| *target).collect();
        assert_eq!(targets, [1, 2].map(|shard| Target::Partition(BY_USER, shard)));
        let event = other.decode(&record(BY_USER, b"", &told[1].1)).expect("understood");
        other.apply(&event, &origin, &mut Effects::default());
        assert_eq!(other.clock(), one.clock());
        assert!(other.clock().newest_order.is_some());
        // What it reads may be older by far: orders settle by that.
        assert_ne!(other.own_clock().today, one.own_clock().today);
    }

    #[test]
    fn a_newer_order_of_somebody_moves_others_at_once() {
        let mut shard = shard_with(0, include_str!("../../../../rules/shipped/scores.toml"));
        let mut out = Effects::default();
        let origin = Origin { at: TopicPartition { topic: ORDERS, partition: 0 }, offset: 4, cell: 0 };
        let end = |shard: &mut Behaviour, out: &mut Effects| {
            shard.work(100, out);
            shard.end_epoch(EpochEnd::Flush { memo: &mut String::new() }, out);
            shard.end_epoch(EpochEnd::Committed, out);
            shard.members.get("u").and_then(|member| member.segment.clone())
        };
        let value = order("2026-11-01T10:00:00Z");
        let event = shard.decode(&record(ORDERS, b"u", value.as_bytes())).expect("an order");
        shard.apply(&event, &origin, &mut out);
        assert_eq!(end(&mut shard, &mut out).as_deref(), Some("NEW"));
        // Time goes on, but nobody orders: the order is still the newest.
        shard.signal(&Signal::Watermark(EventTime::from_micros(NOW)), &mut out);
        assert_eq!(end(&mut shard, &mut out).as_deref(), Some("NEW"));
        for (time, segment) in [("2026-11-11T09:00:00Z", "NEW"), ("2026-11-12T09:00:00Z", "OTHER")] {
            let newest = EventTime::from_micros(rules::EventTime::parse(time).expect("a time").0 * 1_000);
            shard.hear(newest, &mut out);
            assert_eq!(end(&mut shard, &mut out).as_deref(), Some(segment), "{time}");
        }
    }

    #[test]
    fn whom_a_new_day_moves_is_not_forgotten_by_a_crash() {
        let shipped = include_str!("../../../../rules/shipped/scores.toml");
        let (mut before, mut out) = (shard_with(0, shipped), Effects::default());
        let origin = Origin { at: TopicPartition { topic: ORDERS, partition: 0 }, offset: 4, cell: 0 };
        let value = order("2026-11-01T10:00:00Z");
        let event = before.decode(&record(ORDERS, b"u", value.as_bytes())).expect("an order");
        before.apply(&event, &origin, &mut out);
        before.work(100, &mut out);
        // The new day is committed, and nobody was looked at for it yet.
        let newest = rules::EventTime::parse("2026-11-12T09:00:00Z").expect("a time").0 * 1_000;
        before.hear(EventTime::from_micros(newest), &mut out);
        let mut memo = String::new();
        before.end_epoch(EpochEnd::Flush { memo: &mut memo }, &mut out);
        let states = out.records().filter(|record| record.target == Target::Partition(TopicId(3), 0));
        let state = states.last().and_then(|record| record.value.map(<[u8]>::to_vec)).expect("a state");

        let mut after = shard_with(0, shipped);
        after.memo = serde_json::from_str(&memo).expect("a memo");
        after.restore("u", Some(&state)).expect("restored");
        let segment = |shard: &Behaviour| shard.members.get("u").and_then(|member| member.segment.clone());
        assert_eq!(segment(&after).as_deref(), Some("NEW"));
        after.work(100, &mut Effects::default());
        assert_eq!(segment(&after).as_deref(), Some("OTHER"));
    }

    #[test]
    fn a_time_ahead_of_its_record_moves_nobody() {
        let read =
            |time: &str| shard(0).decode(&record(ORDERS, b"u", order(time).as_bytes())).map(|event| event.at.micros());
        assert_eq!(read("2026-11-22T09:00:00Z").expect("a clock ahead"), NOW);
        let refusal = read("2099-01-01T00:00:00Z").expect_err("of the future");
        assert_eq!(refusal.reason, "future_date");
    }
}
