//! Finds the rules' patterns in the clicks of each user.

mod user;

use std::sync::Arc;

use compact_str::CompactString;
use data::EventTime;
use patterns::{Arrival, Matcher, Output};
use rules::{Event, Group, Label, Topic};
use serde::{Deserialize, Serialize};

use crate::frame::{
    Decoded, Effects, EpochEnd, KeyedState, Operator, Origin, Record, Refusal, Signal, Target, Timers, TopicId,
};
use crate::operators::events::{self, micros};
use crate::rulebook::Edition;
pub use user::User;

/// Its name in a topology, by which its memos are kept.
pub const NAME: &str = "alerts";

/// The topics of the operator.
#[derive(Clone, Copy, Debug)]
pub struct Topics {
    pub state: TopicId,
    pub alerts: TopicId,
}

/// What must outlive a crash beside the users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Memo {
    /// Events up to this time, in milliseconds, are matched.
    watermark: i64,
}

/// Patterns over clicks, for one shard.
#[derive(Debug)]
pub struct Alerts {
    topics: Topics,
    shard: u32,
    book: Book,
    users: KeyedState<User>,
    timers: Timers,
    memo: Memo,
    committed: Memo,
}

/// The rules in force, with what matches them.
#[derive(Debug)]
pub struct Book {
    edition: Arc<Edition>,
    groups: Vec<(Group, Matcher<Event>)>,
    labels: Arc<Vec<Label>>,
}

impl Book {
    fn new(edition: &Arc<Edition>) -> Result<Self, String> {
        let with_matcher = |group: Group| {
            let matcher = group.matcher(&edition.rules).map_err(|error| error.to_string())?;
            Ok((group, matcher))
        };
        let groups = edition.rules.groups().into_iter().map(with_matcher).collect::<Result<Vec<_>, String>>()?;
        let labels = Arc::new(groups.iter().map(|(group, _)| group.label(&edition.rules)).collect());
        Ok(Self { edition: Arc::clone(edition), groups, labels })
    }
}

impl Alerts {
    /// Opens a shard where `memo` left it.
    ///
    /// # Errors
    /// When the memo cannot be read.
    pub fn open(topics: Topics, shard: u32, edition: &Arc<Edition>, memo: Option<&str>) -> Result<Self, String> {
        let begin = || Ok(Memo { watermark: i64::MIN });
        let memo: Memo = memo.map_or_else(begin, serde_json::from_str).map_err(|e| e.to_string())?;
        let (users, timers) = (KeyedState::default(), Timers::default());
        Ok(Self { topics, shard, book: Book::new(edition)?, users, timers, memo, committed: memo })
    }

    /// Matches all that time has reached.
    fn advance(&mut self, out: &mut Effects) {
        let watermark = self.memo.watermark;
        let Some(reached) = micros(rules::EventTime(watermark)) else { return };
        while let Some((_, key)) = self.timers.take_due(reached) {
            let Self { users, book, timers, topics, .. } = self;
            if users.get(&key).is_none() {
                continue;
            }
            let user = users.entry(&key, || User::new(&book.labels));
            user.arrange(&book.edition.rules, &book.groups, &book.labels);
            user.wake = None;
            for ((group, matcher), states) in book.groups.iter_mut().zip(&mut user.groups) {
                for (sub_key, state) in states.iter_mut() {
                    matcher.advance(state, watermark, &mut |output: Output<'_, Event>| {
                        if let Output::Shed { runs, .. } = output {
                            out.counted.shed += runs as u64;
                        }
                        let Some(alert) = group.alert(&book.edition.rules, sub_key, &output) else { return };
                        out.emit(Target::ByKey(topics.alerts), key.as_bytes(), |out| {
                            // Writing to memory does not fail.
                            let _ = serde_json::to_writer(out, &alert.cloud_event());
                        });
                    });
                }
                states.retain(|(_, state)| !state.is_empty());
            }
            if user.is_empty() {
                users.remove(&key);
            } else {
                user.set_timer(&key, &book.groups, timers);
            }
        }
    }
}

impl Operator for Alerts {
    type Event<'r> = (Topic, Event);

    fn decode<'r>(&self, record: &Record<'r>) -> Result<Decoded<'r, (Topic, Event)>, Refusal> {
        events::decode(Topic::Clickstream, record)
    }

    fn apply(&mut self, event: &Decoded<'_, (Topic, Event)>, _: &Origin, out: &mut Effects) {
        let (_, ref click) = event.event;
        let Self { users, book, timers, memo, .. } = self;
        if book.groups.is_empty() {
            return;
        }
        // What is late changes nothing, not even the user's record.
        if click.at().0 <= memo.watermark {
            out.counted.late += 1;
            return;
        }
        let user = users.entry(&event.key, || User::new(&book.labels));
        user.arrange(&book.edition.rules, &book.groups, &book.labels);
        for ((group, matcher), states) in book.groups.iter().zip(&mut user.groups) {
            let sub_key = click.key(group.key);
            if sub_key.is_empty() {
                continue;
            }
            let place = states.iter().position(|(known, _)| *known == *sub_key).unwrap_or_else(|| {
                states.push((CompactString::from(&*sub_key), patterns::KeyState::default()));
                states.len() - 1
            });
            if let Some((_, state)) = states.get_mut(place) {
                let arrival = matcher.push(state, click.at().0, click.clone(), memo.watermark);
                debug_assert_ne!(arrival, Arrival::Late, "it was compared with the watermark above");
                out.counted.shed += u64::from(arrival == Arrival::Full);
            }
        }
        if user.wake.is_none_or(|wake| event.at < wake) {
            user.set_timer(&event.key, &book.groups, timers);
        }
    }

    fn signal(&mut self, signal: &Signal<'_>, out: &mut Effects) {
        match signal {
            Signal::Rules(edition) if edition.number != self.book.edition.number => {
                // Rules that cannot be compiled are refused where they are read.
                if let Ok(book) = Book::new(edition) {
                    self.book = book;
                }
            }
            Signal::Watermark(at) => {
                // Nothing earlier than `at` is expected; what happens then still may come.
                self.memo.watermark = self.memo.watermark.max(at.micros().saturating_sub(1).div_euclid(1000));
                self.advance(out);
            }
            Signal::Rules(_) | Signal::Publication(_) | Signal::Backlog(_) | Signal::Work { .. } => {}
        }
    }

    fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        if let Some(wake) = self.users.get(key).and_then(|user| user.wake) {
            self.timers.cancel(wake, key);
        }
        let Book { edition, groups, labels } = &self.book;
        let mut user = value.map(|value| User::read(value, &edition.rules, groups, labels)).transpose()?;
        if let Some(user) = &mut user {
            user.set_timer(key, groups, &mut self.timers);
        }
        self.users.restore(key, user);
        Ok(())
    }

    fn end_epoch(&mut self, end: EpochEnd<'_>, out: &mut Effects) {
        match end {
            EpochEnd::Flush { memo } => {
                let target = Target::Partition(self.topics.state, self.shard);
                for (key, user) in self.users.changes() {
                    match user {
                        Some(user) => out.emit(target, key.as_bytes(), |out| user.write(out)),
                        None => out.delete(target, key.as_bytes()),
                    }
                }
                *memo = serde_json::to_string(&self.memo).unwrap_or_default();
            }
            EpochEnd::Committed => {
                self.users.commit();
                self.committed = self.memo;
            }
            EpochEnd::Aborted => {
                self.users.roll_back();
                (self.memo, self.timers) = (self.committed, Timers::default());
                let due: Vec<(EventTime, CompactString)> =
                    self.users.keys().filter_map(|key| Some((self.users.get(key)?.wake?, key.clone()))).collect();
                due.iter().for_each(|(wake, key)| self.timers.set(*wake, key));
            }
        }
    }
}
