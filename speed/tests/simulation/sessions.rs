//! A second operator, so that the frame is tried with more than the join: lines by country, in sessions that end by timers.

use std::borrow::Cow;
use std::time::Duration;

use data::{DateFormat, EventTime};
use serde::{Deserialize, Serialize};
use speed::frame::{
    Decoded, Effects, EpochEnd, Input, KeyedState, Operator, Origin, Record, Refusal, Signal, Target, Timers, TopicId,
};
use speed::topology::{Plan, Topology};

/// A country without orders for so long ends its session.
pub const GAP: Duration = Duration::from_secs(3_600);

/// The topics of the operator beside its input.
#[derive(Clone, Copy, Debug)]
pub struct SessionTopics {
    pub by_country: TopicId,
    pub state: TopicId,
    pub sessions: TopicId,
}

/// What is known of a session, as state and as output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub lines: u64,
    /// Microseconds.
    pub last: i64,
}

/// The operator's line in the topology.
pub fn add_sessions(plan: &Plan, topology: &mut Topology) -> SessionTopics {
    let topics = SessionTopics {
        by_country: topology.topic("orders-by-country"),
        state: topology.topic("sessions-state"),
        sessions: topology.topic("sessions"),
    };
    let input = Input {
        topic: topology.topic(&plan.topics.orders),
        name: plan.topics.orders.clone(),
        by_key: topics.by_country,
        dead_letters: None,
    };
    topology.add(plan, "sessions", vec![input], topics.state, move |opening| {
        let dates = DateFormat::from_flag("mdy")?;
        let (state, timers) = (KeyedState::default(), Timers::default());
        Ok(Sessions { topics, shard: opening.shard, dates, state, timers })
    });
    topics
}

struct Sessions {
    topics: SessionTopics,
    shard: u32,
    dates: DateFormat,
    state: KeyedState<Session>,
    timers: Timers,
}

#[derive(Deserialize)]
struct Wire<'r> {
    #[serde(rename = "Country", borrow)]
    country: Cow<'r, str>,
    #[serde(rename = "InvoiceDate", borrow)]
    date: Cow<'r, str>,
}

fn end_of(session: &Session) -> EventTime {
    EventTime::from_micros(session.last + i64::try_from(GAP.as_micros()).expect("an hour"))
}

impl Operator for Sessions {
    type Event<'r> = ();

    fn decode<'r>(&self, record: &Record<'r>) -> Result<Decoded<'r, ()>, Refusal> {
        let refusal = || Refusal { reason: "malformed", detail: String::new() };
        let wire: Wire<'r> = serde_json::from_slice(record.value.unwrap_or_default()).map_err(|_| refusal())?;
        let at = self.dates.parse(wire.date.as_bytes()).ok_or_else(refusal)?;
        Ok(Decoded { key: wire.country, at, event: () })
    }

    fn apply(&mut self, event: &Decoded<'_, ()>, _: &Origin, _: &mut Effects) {
        let session = self.state.entry(&event.key, || Session { lines: 0, last: i64::MIN / 2 });
        self.timers.cancel(end_of(session), &event.key);
        session.lines += 1;
        session.last = session.last.max(event.at.micros());
        self.timers.set(end_of(session), &event.key);
    }

    fn signal(&mut self, signal: &Signal<'_>, out: &mut Effects) {
        let Signal::Watermark(watermark) = signal else { return };
        while let Some((_, key)) = self.timers.take_due(*watermark) {
            let session = self.state.get(&key).expect("a timer has a session").clone();
            out.emit(Target::ByKey(self.topics.sessions), key.as_bytes(), |out| {
                serde_json::to_writer(out, &session).expect("it is written to memory");
            });
            self.state.remove(&key);
        }
    }

    fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        if let Some(session) = self.state.get(key) {
            self.timers.cancel(end_of(session), key);
        }
        let session: Option<Session> = value.map(serde_json::from_slice).transpose().map_err(|e| e.to_string())?;
        if let Some(session) = &session {
            self.timers.set(end_of(session), key);
        }
        self.state.restore(key, session);
        Ok(())
    }

    fn end_epoch(&mut self, end: EpochEnd<'_>, out: &mut Effects) {
        match end {
            EpochEnd::Flush { .. } => {
                let target = Target::Partition(self.topics.state, self.shard);
                for (key, session) in self.state.changes() {
                    match session {
                        Some(session) => out.emit(target, key.as_bytes(), |out| {
                            serde_json::to_writer(out, session).expect("it is written to memory");
                        }),
                        None => out.delete(target, key.as_bytes()),
                    }
                }
            }
            EpochEnd::Committed => self.state.commit(),
            EpochEnd::Aborted => {
                self.state.roll_back();
                self.timers = Timers::default();
                let ends: Vec<_> =
                    self.state.keys().filter_map(|key| Some((end_of(self.state.get(key)?), key.clone()))).collect();
                ends.iter().for_each(|(end, key)| self.timers.set(*end, key));
            }
        }
    }
}
