//! Patterns over the clicks of a product, a brand or any field that users share.
//!
//! Every shard hands its clicks on to the shards of the fields' values, and behind them how far time has come with it. What
//! comes from a shard comes in order, so what happens up to the least of these times is here; a shard that stands still, or
//! is on its way to another process, is waited for, and no click is late because of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use data::EventTime;
use rules::{Event, Field, Topic};
use serde::{Deserialize, Serialize};

use super::matching::Matching;
use super::{Said, Topics};
use crate::frame::{Decoded, Effects, EpochEnd, Heard, Operator, Origin, Record, Refusal, Signal, Target};
use crate::operators::events::micros;
use crate::rulebook::Edition;

/// Its name in a topology, by which its memos are kept.
pub const NAME: &str = "alerts-by-field";
/// The changelog's key of [`Times`]; the others have a field's name before the sign.
const TIMES: &str = "=";

/// What shards tell each other; in MessagePack.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// A click of the record's key.
    Click(Event),
    /// How far time has come with the clicks of a shard.
    Time { of: u32, said: Said },
}

impl Message {
    pub(super) fn emit(&self, target: Target, key: &[u8], out: &mut Effects) {
        out.emit(target, key, |out| {
            // Writing to memory does not fail.
            let _ = rmp_serde::encode::write(out, self);
        });
    }
}

/// The key of a field's value, such as `product_id=44600062`.
pub(super) fn key(field: Field, value: &str) -> String {
    format!("{}={value}", Topic::Clickstream.name_of(field))
}

fn field_of(key: &str) -> Option<Field> {
    key.split_once('=').and_then(|(field, _)| Topic::Clickstream.field(field))
}

/// Patterns over clicks that are spread by a field, for one shard.
#[derive(Debug)]
pub struct AlertsByField {
    matching: Matching,
    state: Target,
    shard: u32,
    shards: u32,
    times: Times,
    committed: Times,
}

/// How far time has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Times {
    /// By shard.
    said: BTreeMap<u32, Said>,
    /// Events up to this time, in milliseconds, are matched.
    watermark: i64,
}

impl AlertsByField {
    /// Opens a shard, of so many.
    ///
    /// # Errors
    /// When the rules cannot be compiled.
    pub fn open(topics: Topics, (shard, shards): (u32, u32), edition: &Arc<Edition>) -> Result<Self, String> {
        let state = Target::Partition(topics.state_by_field, shard);
        let matching = Matching::new(topics.alerts, state, |key| !key.is_of_user(), edition)?;
        let times = Times { said: BTreeMap::new(), watermark: i64::MIN };
        Ok(Self { matching, state, shard, shards, committed: times.clone(), times })
    }
}

impl Times {
    /// Goes on to the least that was said, and says so. As long as one of the `shards` has said nothing, nothing is certain;
    /// the silent ones are not waited for.
    fn advance(&mut self, shards: u32) -> Option<i64> {
        let reached = self.said.values().filter_map(|said| match said {
            Said::Silent => None,
            Said::Reached(at) => Some(*at),
        });
        let least = reached.min().filter(|least| self.said.len() >= shards as usize && *least > self.watermark)?;
        self.watermark = least;
        Some(least)
    }

    fn heard(&self, shards: u32) -> Heard {
        let unheard = (0..shards).find(|shard| !self.said.contains_key(shard));
        let slowest = self.said.iter().filter_map(|(shard, said)| match said {
            Said::Silent => None,
            Said::Reached(at) => Some((*at, *shard)),
        });
        Heard {
            until: Some(self.watermark).filter(|watermark| *watermark > i64::MIN),
            waits_for: unheard.or_else(|| slowest.min().map(|(_, shard)| shard)),
        }
    }
}

impl Operator for AlertsByField {
    type Event<'r> = Understood;

    fn decode<'r>(&self, record: &Record<'r>) -> Result<Decoded<'r, Understood>, Refusal> {
        let malformed = |detail: &str| Refusal { reason: "malformed", detail: detail.to_owned() };
        let key = record.key.map_or(Ok(""), std::str::from_utf8).map_err(|_| malformed("its key is no text"))?;
        let message = rmp_serde::from_slice(record.value.unwrap_or_default());
        let (event, at) = match message.map_err(|error| malformed(&error.to_string()))? {
            // The frame's own event time is not used here.
            Message::Time { of, said } => (Understood::Time { of, said }, EventTime::from_micros(i64::MIN)),
            Message::Click(click) => {
                let field = field_of(key).ok_or_else(|| malformed("its key is no field's value"))?;
                let at = micros(click.at()).ok_or_else(|| malformed("its time is out of range"))?;
                (Understood::Click(field, click), at)
            }
        };
        Ok(Decoded { key: Cow::Borrowed(key), at, event })
    }

    fn apply(&mut self, event: &Decoded<'_, Understood>, _: &Origin, out: &mut Effects) {
        match &event.event {
            Understood::Click(_, click) if click.at().0 <= self.times.watermark => out.counted.late += 1,
            Understood::Click(field, click) => {
                self.matching.push(&event.key, Some(*field), click, self.times.watermark, out)
            }
            Understood::Time { of, said } => {
                self.times.said.insert(*of, *said);
                if let Some(watermark) = self.times.advance(self.shards) {
                    self.matching.reach(watermark, out);
                }
                out.heard.insert(self.shard, self.times.heard(self.shards));
            }
        }
    }

    /// Time is what the shards say, not what this one reads.
    fn signal(&mut self, signal: &Signal<'_>, _: &mut Effects) {
        if let Signal::Rules(edition) = signal
            && self.matching.take(edition)
        {
            // Without patterns over fields nobody says how far time has come, and no memory would be looked at.
            self.matching.forget(|_| true);
        }
    }

    fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        if key != TIMES {
            return self.matching.restore(key, value);
        }
        if let Some(value) = value {
            self.times = rmp_serde::from_slice(value).map_err(|error| error.to_string())?;
            self.committed.clone_from(&self.times);
        }
        Ok(())
    }

    fn end_epoch(&mut self, end: EpochEnd<'_>, out: &mut Effects) {
        match end {
            EpochEnd::Flush { .. } => {
                self.matching.flush(out);
                if self.times != self.committed {
                    out.emit(self.state, TIMES.as_bytes(), |out| {
                        // Writing to memory does not fail.
                        let _ = rmp_serde::encode::write(out, &self.times);
                    });
                }
            }
            EpochEnd::Committed => {
                self.matching.commit();
                self.committed.clone_from(&self.times);
            }
            EpochEnd::Aborted => {
                self.matching.roll_back();
                self.times.clone_from(&self.committed);
            }
        }
    }
}

/// A message, understood.
#[derive(Debug)]
pub enum Understood {
    Click(Field, Event),
    Time { of: u32, said: Said },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_the_least_that_was_said_and_never_goes_back() {
        let mut times = Times { said: BTreeMap::new(), watermark: i64::MIN };
        let mut say = |of, said| {
            times.said.insert(of, said);
            times.advance(3)
        };
        assert_eq!([say(0, Said::Reached(50)), say(1, Said::Reached(20))], [None, None], "shard 2 may be far behind");
        assert_eq!(say(2, Said::Silent), Some(20));
        assert_eq!(say(1, Said::Reached(70)), Some(50));
        assert_eq!(say(2, Said::Reached(10)), None, "who was silent begins late");
        assert_eq!(
            [say(0, Said::Reached(90)), say(1, Said::Silent), say(2, Said::Reached(60))],
            [None, None, Some(60)]
        );
    }

    #[test]
    fn it_is_told_whom_time_waits_for() {
        let mut times = Times { said: BTreeMap::new(), watermark: i64::MIN };
        assert_eq!(times.heard(2), Heard { until: None, waits_for: Some(0) });
        times.said.insert(0, Said::Reached(50));
        assert_eq!(times.heard(2), Heard { until: None, waits_for: Some(1) });
        times.said.insert(1, Said::Reached(70));
        times.advance(2);
        assert_eq!(times.heard(2), Heard { until: Some(50), waits_for: Some(0) });
        times.said.extend([(0, Said::Silent), (1, Said::Silent)]);
        assert_eq!(times.heard(2), Heard { until: Some(50), waits_for: None });
    }

    #[test]
    fn a_key_says_its_field() {
        let brand = Topic::Clickstream.field("brand").expect("a field");
        assert_eq!(field_of(&key(brand, "a=b")), Some(brand));
        assert_eq!([field_of(""), field_of(TIMES), field_of("nothing=1")], [None; 3]);
    }
}
