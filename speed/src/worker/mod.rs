//! A worker: the shards assigned to it, run in epochs, each of them one transaction (EO-1).
//!
//! Everything happens within [`Worker::step`], one poll or one commit at a time; the caller owns the thread and the
//! clock. Partitions come and go between epochs only, so no transaction is ever open when a shard moves.

pub mod port;
mod shard;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use data::EventTime;

use crate::frame::{Counted, Effects, Heard, Signal, Tick, TopicId};
use crate::operators::segments::Shelf;
use crate::topology::Topology;
use port::{Change, Commit, Failure, Reading, Result, Writing};
pub use shard::{InputMemo, Shard, operator_memo};

/// How long and how large things may get.
#[derive(Clone, Debug)]
pub struct Limits {
    /// An epoch under load, so that a backlog writes the state of a key once for many of its records; far below the
    /// transaction timeout (EO-4).
    pub epoch: Duration,
    /// An epoch that has caught up ends earlier, for latency.
    pub shortest_epoch: Duration,
    pub epoch_records: usize,
    pub poll_wait: Duration,
    pub poll_records: usize,
    /// Customers that one step's postponed work may visit.
    pub work_budget: usize,
    /// How often, and after how many offsets, a cell ends and can be archived.
    pub cut_every: Duration,
    pub cut_records: i64,
    /// How often the brokers are asked for a sign of life while nothing is read.
    pub hear_every: Duration,
    /// Without transactions, what was read before a crash is read again: cells then end only behind it.
    pub cut_behind_backlog: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            epoch: Duration::from_secs(1),
            shortest_epoch: Duration::from_millis(20),
            epoch_records: 200_000,
            poll_wait: Duration::from_millis(10),
            poll_records: 8_000,
            work_budget: 20_000,
            cut_every: Duration::from_secs(30),
            cut_records: 250_000,
            hear_every: Duration::from_millis(100),
            cut_behind_backlog: false,
        }
    }
}

/// What a step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    pub records: usize,
    pub emitted: usize,
    pub dead_letters: usize,
    /// Of a committed epoch.
    pub counted: Counted,
    pub heard: BTreeMap<u32, Heard>,
    /// An epoch was committed: how long it was open.
    pub committed: Option<Duration>,
    /// An epoch was aborted: why.
    pub aborted: Option<String>,
    /// Shards that came and went.
    pub opened: Vec<u32>,
    pub closed: Vec<u32>,
}

pub struct Worker<P> {
    port: P,
    topology: Arc<Topology>,
    shelf: Arc<dyn Shelf + Send + Sync>,
    limits: Limits,
    shards: BTreeMap<u32, Shard>,
    partitions: BTreeMap<TopicId, u32>,
    /// What happened to the group and is still to be acted on: an abort in between forgets nothing of it.
    changes: VecDeque<Change>,
    /// The one that every shard was told of. `None` behind an abort, which takes shards back to the one they committed
    /// under, and when a shard is new.
    publication: Option<i64>,
    /// The edition of the rules that every shard was told of; `None` as for the publication.
    edition: Option<u64>,
    /// What the calendar shows when the clock is at zero.
    calendar: Option<EventTime>,
    /// When the brokers were asked last, and whether they answered.
    asked: Duration,
    heard: bool,
    effects: Effects,
    epoch: Option<Epoch>,
}

/// An open transaction.
#[derive(Debug)]
struct Epoch {
    opened: Duration,
    records: usize,
}

impl<P: Reading + Writing> Worker<P> {
    /// Fences what this worker's predecessor left (EO-2); the first step joins the group.
    ///
    /// # Errors
    /// When the fence is refused.
    pub fn new(
        mut port: P,
        topology: Arc<Topology>,
        shelf: Arc<dyn Shelf + Send + Sync>,
        limits: Limits,
    ) -> Result<Self> {
        port.fence()?;
        let (shards, partitions) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self {
            port,
            topology,
            shelf,
            limits,
            shards,
            partitions,
            changes: VecDeque::new(),
            publication: None,
            edition: None,
            calendar: None,
            asked: Duration::ZERO,
            heard: false,
            effects: Effects::default(),
            epoch: None,
        })
    }

    /// With a calendar, which showed `at` when the clock was at zero: the time of live events goes on with it.
    #[must_use]
    pub fn with_calendar(self, at: EventTime) -> Self {
        Self { calendar: Some(at), ..self }
    }

    /// Does the next thing; `now` is the caller's clock.
    ///
    /// # Errors
    /// [`Failure::Ended`] and [`Failure::Stop`]: the worker must not be used any more.
    pub fn step(&mut self, now: Duration) -> Result<Step> {
        let mut step = Step::default();
        let done = self.try_step(now, &mut step);
        match done {
            Err(Failure::Abort(reason)) => {
                self.abort()?;
                step.aborted = Some(reason);
                Ok(step)
            }
            done => done.map(|()| step),
        }
    }

    /// Commits what is open, so that nothing is done twice after a good end.
    ///
    /// # Errors
    /// As [`Worker::step`].
    pub fn finish(&mut self, now: Duration) -> Result<()> {
        match self.close_epoch(now, &mut Step::default()) {
            Err(Failure::Abort(_)) => self.abort(),
            done => done,
        }
    }

    pub const fn port(&mut self) -> &mut P {
        &mut self.port
    }

    pub fn shards(&self) -> impl Iterator<Item = u32> {
        self.shards.keys().copied()
    }

    fn try_step(&mut self, now: Duration, step: &mut Step) -> Result<()> {
        if self.epoch.is_none() {
            self.take_changes(step)?;
            self.take_publication()?;
            self.take_rules();
        }
        if self.shards.is_empty() {
            return self.port.poll(self.limits.poll_wait, 1, &mut |_| ()).map(drop);
        }
        let caught_up = self.read(step)? < self.limits.poll_records;
        let caught_up_for_certain = caught_up && self.is_heard(now);
        let tick =
            Tick { now, calendar: self.calendar.and_then(|began| began.plus(now)), caught_up: caught_up_for_certain };
        for shard in self.shards.values_mut() {
            shard.tick(&tick, self.limits.work_budget, &mut self.effects);
        }
        if self.shards.values().any(|shard| shard.wants_commit(now, &self.limits)) {
            self.open_epoch(now, step.records)?;
            self.send(step)?;
        }
        let Some(epoch) = &self.epoch else { return Ok(()) };
        let age = now.saturating_sub(epoch.opened);
        let due = age >= self.limits.epoch
            || epoch.records >= self.limits.epoch_records
            || caught_up && age >= self.limits.shortest_epoch;
        if due { self.close_epoch(now, step) } else { Ok(()) }
    }

    /// Up to the next shard that is opened: that takes a while, and meanwhile those that are open have records to process, and
    /// another worker may have got the shard whose turn is next.
    fn take_changes(&mut self, step: &mut Step) -> Result<()> {
        for change in self.port.changes()? {
            self.note_change(change);
        }
        while let Some(change) = self.changes.front().cloned() {
            let opens = matches!(change, Change::Assigned(_));
            self.take_change(change, step)?;
            self.changes.pop_front();
            if opens {
                break;
            }
        }
        Ok(())
    }

    /// Shards are opened one by one, the last one first, since a member that was alone gives the first ones away when others
    /// join. What is revoked comes before anything else, since another worker may have it already, and is not opened later.
    fn note_change(&mut self, change: Change) {
        match change {
            Change::Assigned(ids) => self.changes.extend(ids.into_iter().rev().map(|id| Change::Assigned(vec![id]))),
            Change::Revoked(ids) => {
                self.changes
                    .retain(|waiting| !matches!(waiting, Change::Assigned(id) if id.iter().all(|id| ids.contains(id))));
                self.changes.push_front(Change::Revoked(ids));
            }
            change => self.changes.push_back(change),
        }
    }

    fn take_change(&mut self, change: Change, step: &mut Step) -> Result<()> {
        let Self { port, topology, shelf, limits, shards, partitions, .. } = self;
        match change {
            Change::Partitions(topic, count) => {
                partitions.insert(topic, count);
                shards.values_mut().try_for_each(|shard| shard.add_partitions(topology, partitions, port, limits))?;
            }
            Change::Assigned(ids) => {
                for id in ids {
                    let shard = Shard::open(id, topology, partitions, port, &**shelf, limits)?;
                    let from: Vec<_> = shard.followed().collect();
                    // First of all it is here: a call that fails may have been heard all the same.
                    shards.insert(id, shard);
                    port.follow(&from, &[])?;
                    // Told only when every change is dealt with: what it then has to say is committed while it is here.
                    (self.publication, self.edition) = (None, None);
                    step.opened.push(id);
                }
            }
            Change::Revoked(ids) => {
                for id in ids {
                    let Some(shard) = shards.get(&id) else { continue };
                    let leave: Vec<_> = shard.followed().map(|(at, _)| at).collect();
                    port.follow(&[], &leave)?;
                    shards.remove(&id);
                    step.closed.push(id);
                }
            }
        }
        Ok(())
    }

    /// Takes up a new publication, between epochs (L-2, L-5).
    fn take_publication(&mut self) -> Result<()> {
        let newest = self.shelf.newest();
        if self.publication != Some(newest.publication) {
            self.publication = Some(newest.publication);
            for shard in self.shards.values_mut() {
                shard.signal(&Signal::Publication(&newest), &mut self.effects);
            }
        }
        Ok(())
    }

    /// Takes up rules that were read anew, between epochs.
    fn take_rules(&mut self) {
        let Some(edition) = self.topology.rules.as_ref().map(|book| book.newest()) else { return };
        if self.edition != Some(edition.number) {
            self.edition = Some(edition.number);
            for shard in self.shards.values_mut() {
                shard.signal(&Signal::Rules(&edition), &mut self.effects);
            }
        }
    }

    /// Whether the brokers answered lately; asks them now and then, where anybody wants to know.
    fn is_heard(&mut self, now: Duration) -> bool {
        if self.calendar.is_none() {
            return true;
        }
        if now.saturating_sub(self.asked) >= self.limits.hear_every {
            self.asked = now;
            self.heard = self.port.hear();
        }
        self.heard
    }

    /// Reads once; how many records came.
    fn read(&mut self, step: &mut Step) -> Result<usize> {
        let Self { port, topology, shards, effects, limits, .. } = self;
        let busy = self.epoch.is_some() || shards.values().any(|shard| shard.more_work);
        let wait = if busy { Duration::from_millis(1) } else { limits.poll_wait };
        let records = port.poll(wait, limits.poll_records, &mut |record| {
            let shard = record.at.partition % topology.shards.max(1);
            if let Some(shard) = shards.get_mut(&shard) {
                shard.record(record, effects);
            }
        })?;
        step.records += records;
        Ok(records)
    }

    fn open_epoch(&mut self, now: Duration, records: usize) -> Result<()> {
        match &mut self.epoch {
            Some(epoch) => epoch.records += records,
            None => {
                self.port.begin()?;
                self.epoch = Some(Epoch { opened: now, records });
            }
        }
        Ok(())
    }

    /// Hands the effects to the producer.
    fn send(&mut self, step: &mut Step) -> Result<()> {
        step.emitted += self.effects.len();
        for record in self.effects.records() {
            step.dead_letters += usize::from(self.topology.is_dead_letters(record.target.topic()));
            self.port.send(&record)?;
        }
        self.effects.clear();
        Ok(())
    }

    fn close_epoch(&mut self, now: Duration, step: &mut Step) -> Result<()> {
        let Some(opened) = self.epoch.as_ref().map(|epoch| epoch.opened) else { return Ok(()) };
        let mut commits: Vec<Commit> = Vec::new();
        for shard in self.shards.values_mut() {
            shard.flush(now, &self.limits, &mut self.effects, &mut commits);
        }
        self.send(step)?;
        self.port.commit(&commits)?;
        self.epoch = None;
        step.counted = std::mem::take(&mut self.effects.counted);
        step.heard = std::mem::take(&mut self.effects.heard);
        self.shards.values_mut().for_each(|shard| shard.committed(&mut self.effects));
        step.committed = Some(now.saturating_sub(opened));
        Ok(())
    }

    /// Goes back to the last commit: producer, operators and positions.
    fn abort(&mut self) -> Result<()> {
        self.epoch = None;
        (self.publication, self.edition) = (None, None);
        self.effects.clear();
        self.effects.counted = Counted::default();
        self.effects.heard.clear();
        self.port.abort()?;
        self.shards.values_mut().for_each(|shard| shard.aborted(&mut self.effects));
        let from: Vec<_> = self.shards.values().flat_map(Shard::followed).collect();
        self.port.follow(&from, &[])
    }
}
