//! Finds the rules' patterns in clicks.
//!
//! ```text
//! clickstream ─▶ Alerts, by user ─▶ patterns over user_id, user_session ──────────────────────────▶ alerts
//!                   └─ clicks by field, and how far time has come ─▶ AlertsByField, other patterns ─┘
//! ```

mod by_field;
mod matching;
mod memory;

use std::sync::Arc;

use data::kafka::partition_of;
use rules::{Event, Field, Topic};
use serde::{Deserialize, Serialize};

use crate::frame::{Decoded, Effects, EpochEnd, Operator, Origin, Record, Refusal, Signal, Target, TopicId};
use crate::operators::events;
use crate::rulebook::Edition;
use by_field::Message;
pub use by_field::{AlertsByField, NAME as BY_FIELD};
use matching::Matching;

/// Its name in a topology, by which its memos are kept.
pub const NAME: &str = "alerts";
/// The shards are told how far time has come in steps of so many milliseconds.
const STEP: i64 = 1_000;

/// The topics of the operators.
#[derive(Clone, Copy, Debug)]
pub struct Topics {
    pub alerts: TopicId,
    pub state: TopicId,
    pub by_field: TopicId,
    pub state_by_field: TopicId,
}

/// What must outlive a crash beside the users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Memo {
    /// Events up to this time, in milliseconds, are matched.
    watermark: i64,
    /// What was said of it last to those who match by other fields.
    #[serde(default)]
    said: Option<Said>,
}

/// How far time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// There have been no clicks for long, and nobody needs to wait for the next.
    Silent,
    /// Every click up to this time, in milliseconds, has been handed on.
    Reached(i64),
}

/// Patterns over the clicks of each user, for one shard. Clicks that other patterns want go to the shards of their keys.
#[derive(Debug)]
pub struct Alerts {
    matching: Matching,
    by_field: TopicId,
    shard: u32,
    shards: u32,
    /// By which clicks are wanted elsewhere.
    fields: Vec<Field>,
    /// No click has come for long: how far time has come here holds nobody up.
    silent: bool,
    memo: Memo,
    committed: Memo,
}

impl Alerts {
    /// Opens a shard, of so many, where `memo` left it.
    ///
    /// # Errors
    /// When the memo cannot be read.
    pub fn open(
        topics: Topics,
        (shard, shards): (u32, u32),
        edition: &Arc<Edition>,
        memo: Option<&str>,
    ) -> Result<Self, String> {
        let begin = || Ok(Memo { watermark: i64::MIN, said: None });
        let memo: Memo = memo.map_or_else(begin, serde_json::from_str).map_err(|e| e.to_string())?;
        let state = Target::Partition(topics.state, shard);
        let matching = Matching::new(topics.alerts, state, Field::is_of_user, edition)?;
        let fields = wanted(edition);
        Ok(Self { matching, by_field: topics.by_field, shard, shards, fields, silent: false, memo, committed: memo })
    }

    /// Tells every shard how far time has come here, unless it was told lately.
    fn say(&mut self, out: &mut Effects) {
        let said = if self.silent { Said::Silent } else { Said::Reached(self.memo.watermark) };
        let news = match (self.memo.said, said) {
            (Some(Said::Reached(before)), Said::Reached(now)) => now.saturating_sub(before) >= STEP,
            (before, now) => before != Some(now),
        };
        if self.fields.is_empty() || !news {
            return;
        }
        self.memo.said = Some(said);
        for shard in 0..self.shards {
            Message::Time { of: self.shard, said }.emit(Target::Partition(self.by_field, shard), b"", out);
        }
    }
}

/// The fields, other than those of a user, by which patterns want clicks.
fn wanted(edition: &Edition) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for group in edition.rules.groups() {
        if !group.key.is_of_user() && !fields.contains(&group.key) {
            fields.push(group.key);
        }
    }
    fields
}

impl Operator for Alerts {
    type Event<'r> = (Topic, Event);

    fn decode<'r>(&self, record: &Record<'r>) -> Result<Decoded<'r, (Topic, Event)>, Refusal> {
        events::decode(Topic::Clickstream, record)
    }

    fn apply(&mut self, event: &Decoded<'_, (Topic, Event)>, _: &Origin, out: &mut Effects) {
        let (_, ref click) = event.event;
        self.silent = false;
        if self.fields.is_empty() && self.matching.is_idle() {
            return;
        }
        // What is late changes nothing, not even the key's memory.
        if click.at().0 <= self.memo.watermark {
            out.counted.late += 1;
            return;
        }
        self.matching.push(&event.key, None, click, self.memo.watermark, out);
        for field in &self.fields {
            let value = click.key(*field);
            if !value.is_empty() {
                let key = by_field::key(*field, &value);
                let home = partition_of(key.as_bytes(), self.shards);
                let message = Message::Click(click.clone());
                message.emit(Target::Partition(self.by_field, home), key.as_bytes(), out);
            }
        }
    }

    fn signal(&mut self, signal: &Signal<'_>, out: &mut Effects) {
        match signal {
            Signal::Rules(edition) => {
                if self.matching.take(edition) {
                    // Nothing but its key's next click would look at a memory that waits for no window.
                    self.matching.forget(|memory| memory.wake.is_none());
                }
                self.fields = wanted(edition);
            }
            Signal::Watermark(at) => {
                // Nothing earlier than `at` is expected; what happens then still may come.
                self.memo.watermark = self.memo.watermark.max(at.micros().saturating_sub(1).div_euclid(1000));
                self.matching.reach(self.memo.watermark, out);
                self.say(out);
            }
            Signal::Silence => {
                self.silent = true;
                self.say(out);
            }
            Signal::Publication(_) | Signal::Backlog(_) | Signal::Work { .. } => {}
        }
    }

    fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        self.matching.restore(key, value)
    }

    fn end_epoch(&mut self, end: EpochEnd<'_>, out: &mut Effects) {
        match end {
            EpochEnd::Flush { memo } => {
                self.matching.flush(out);
                *memo = serde_json::to_string(&self.memo).unwrap_or_default();
            }
            EpochEnd::Committed => {
                self.matching.commit();
                self.committed = self.memo;
            }
            EpochEnd::Aborted => {
                self.matching.roll_back();
                (self.memo, self.silent) = (self.committed, false);
            }
        }
    }
}
