//! Bringing every customer of a shard from one view to the next, a few at a time.
//!
//! A new publication, or a day gone by, can move customers who ordered nothing. The next view holds for orders at once;
//! a sweep visits the customers who did not order since and says who moved. First those of the base alone, in the order of
//! ids, so that a place tells how far it came; then those with state, whose records tell it themselves.

use compact_str::CompactString;
use data::EventTime;
use serde::{Deserialize, Serialize};

use super::output::Cause;
use super::view::View;
use crate::topology::START_ANEW;

/// A sweep under way.
#[derive(Clone, Debug)]
pub struct Sweep {
    pub cause: Cause,
    /// The view that customers not yet visited were announced under; `None` when it cannot be had any more.
    pub from: Option<View>,
    pub stage: Stage,
}

#[derive(Clone, Debug)]
pub enum Stage {
    /// Customers of the base alone; those at places before `next` are done.
    Base { next: usize },
    /// Customers with state, yet to be visited; `None` before they are listed.
    State { left: Option<Vec<CompactString>> },
}

/// What must outlive a crash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepMemo {
    pub cause: Cause,
    /// Publication and reference time (microseconds) swept from.
    pub from: (i64, i64),
    /// How far the first stage has come, a place in the base swept to: an id may be longer than a memo. `None` in the second.
    pub next: Option<usize>,
}

impl Sweep {
    pub const fn new(cause: Cause, from: Option<View>) -> Self {
        Self { cause, from, stage: Stage::Base { next: 0 } }
    }

    /// The sweep as its memo tells it: what has to be visited again is listed again.
    pub fn resumable(&self) -> Self {
        let stage = match &self.stage {
            Stage::Base { next } => Stage::Base { next: *next },
            Stage::State { .. } => Stage::State { left: None },
        };
        Self { cause: self.cause, from: self.from.clone(), stage }
    }

    /// Whether the customer at `place`, in the base alone, is still announced under the view swept from.
    pub fn awaits(&self, place: Option<usize>) -> bool {
        matches!(self.stage, Stage::Base { next } if place.is_none_or(|place| place >= next))
    }

    pub fn memo(&self) -> SweepMemo {
        let from = self.from.as_ref().map_or((0, 0), |view| (view.base.publication, view.reference.micros()));
        let next = match self.stage {
            Stage::Base { next } => Some(next),
            Stage::State { .. } => None,
        };
        SweepMemo { cause: self.cause, from, next }
    }
}

/// What the operator remembers of its shard beside its customers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memo {
    pub publication: Option<i64>,
    /// When that was published, in microseconds: another lake's history may have one of the same number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub published_at: Option<i64>,
    /// Id of the topic `orders`, whose offsets the state is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub topic_id: Option<String>,
    /// Id of the lake, whose publications the state rests on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lake_id: Option<String>,
    /// The newest order of the shard, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub newest: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sweep: Option<SweepMemo>,
}

impl Memo {
    /// Whether the state is about the topic and the lake that are there now.
    ///
    /// # Errors
    /// What is another one, and what to do.
    pub fn check(&self, topic_id: &str, lake_id: &str) -> Result<(), String> {
        let differs = |known: &Option<String>, now: &str| known.as_deref().is_some_and(|known| known != now);
        if differs(&self.topic_id, topic_id) {
            return Err(format!(
                "the topic of orders was deleted and made again, and the state is about offsets of the one before; run \
                 `batch run` so that what was archived is published, then {START_ANEW}"
            ));
        }
        if differs(&self.lake_id, lake_id) {
            return Err(format!(
                "the state rests on publications of another lake than the one in use: give --lake that one, or {START_ANEW}"
            ));
        }
        Ok(())
    }

    pub fn newest(&self) -> Option<EventTime> {
        self.newest.map(EventTime::from_micros)
    }
}
