//! The operators of one shard, and how far they have read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Limits;
use super::port::{Commit, Facts, Failure, Reading, Result};
use crate::frame::{Effects, EpochEnd, Record, Signal, Task, Tick, TopicId, TopicPartition, split_memo};
use crate::operators::segments::Shelf;
use crate::topology::{OpenError, Opening, OperatorSpec, START_ANEW, Topology};

pub struct Shard {
    id: u32,
    home: TopicPartition,
    tasks: Vec<(Arc<OperatorSpec>, Box<dyn Task>)>,
    cursors: BTreeMap<TopicPartition, Cursor>,
    /// Memos of operators that do not run now: kept for when they do again.
    absent: BTreeMap<String, String>,
    /// Something happened that is not committed.
    touched: bool,
    /// An operator has postponed work.
    pub more_work: bool,
}

/// How far a partition is read.
#[derive(Clone, Debug)]
struct Cursor {
    /// The next offset.
    position: i64,
    /// First offset of the current cell.
    cell: i64,
    /// Where the group began.
    start: i64,
    /// No cell ends before it.
    no_cut_before: i64,
    last_cut: Duration,
    /// Position and cell; `None` before the first commit.
    committed: Option<(i64, i64)>,
}

/// What is committed with an offset of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputMemo {
    /// First offset of the cell that the position lies in: what is before it may be archived.
    pub cell: i64,
    /// First offset that the group ever read of the partition.
    #[serde(default)]
    pub start: i64,
}

impl InputMemo {
    /// Reads what was committed with an offset.
    ///
    /// # Errors
    /// When another program committed it.
    pub fn read(metadata: &str) -> std::result::Result<Self, String> {
        serde_json::from_str(metadata).map_err(|error| error.to_string())
    }
}

/// What is committed with the home partition's offset.
#[derive(Debug, Default, Serialize, Deserialize)]
struct HomeMemo {
    #[serde(flatten)]
    input: InputMemo,
    /// By operator; only at the home partition.
    #[serde(default)]
    memos: BTreeMap<String, String>,
}

/// What `operator` remembers of a shard, from what was committed with the offset of the shard's home partition; `None` when
/// that is another partition's, or nothing is remembered yet.
///
/// # Errors
/// When another program committed it.
pub fn operator_memo(metadata: &str, operator: &str) -> std::result::Result<Option<String>, String> {
    let home: HomeMemo = serde_json::from_str(metadata).map_err(|error| error.to_string())?;
    home.memos.get(operator).map(|memo| split_memo(memo).map(|(_, own)| own.to_owned())).transpose()
}

impl Shard {
    /// Opens the shard where its last committed epoch left it (EO-3).
    ///
    /// # Errors
    /// When its partitions cannot be read, or offsets are gone that were not read yet.
    pub fn open(
        id: u32,
        topology: &Topology,
        partitions: &BTreeMap<TopicId, u32>,
        reading: &mut impl Reading,
        shelf: &dyn Shelf,
        limits: &Limits,
    ) -> Result<Self> {
        let home = TopicPartition { topic: topology.home, partition: id };
        let inputs = inputs_of(id, topology, partitions);
        let facts = reading.facts(&inputs)?;
        let mut cursors = BTreeMap::new();
        let mut memos = BTreeMap::new();
        let direct = topology.inputs();
        let mut backlog = Vec::new();
        let is_known = inputs.iter().zip(&facts).any(|(at, facts)| *at == home && facts.committed.is_some());
        for (at, mut facts) in inputs.iter().zip(facts) {
            // A group that is at work has copied clicks before this shard first looks for them, wherever new groups begin.
            if is_known && topology.is_of_copies(at.topic) {
                facts.initial = facts.low;
            }
            let (cursor, said) = Cursor::open(*at, &facts, topology, limits)?;
            // One offset alone may be the mark that a transaction leaves behind.
            if direct.contains(&at.topic) && facts.end - cursor.position > 1 {
                backlog.push(*at);
            }
            cursors.insert(*at, cursor);
            if *at == home {
                memos = said;
            }
        }
        let runs = |name: &str| topology.operators.iter().any(|spec| spec.name == name);
        let absent = memos.iter().filter(|(name, _)| !runs(name)).map(|(name, memo)| (name.clone(), memo.clone()));
        let absent = absent.collect();
        let mut shard = Self { id, home, tasks: Vec::new(), cursors, absent, touched: false, more_work: true };
        for (operator, spec) in topology.operators.iter().enumerate() {
            let memo = memos.get(spec.name).map(String::as_str);
            let opening = Opening { shard: id, shards: topology.shards, operator, shelf, memo };
            let failed = |error: OpenError| {
                let told = format!("operator {}, shard {id}: {error}", spec.name);
                match error {
                    OpenError::Unreadable(_) | OpenError::Foreign(_) => Failure::Stop(told),
                    OpenError::NotYet(_) => Failure::Ended(told),
                }
            };
            let mut task = (spec.open)(&opening).map_err(failed)?;
            let changelog = TopicPartition { topic: spec.changelog, partition: id };
            // Without transactions a worker can end between its state and its offsets.
            let known = memo.is_some() || limits.cut_behind_backlog;
            restore(&mut *task, changelog, topology, known, reading)?;
            task.signal(&Signal::Backlog(&backlog), &mut Effects::default());
            shard.tasks.push((Arc::clone(spec), task));
        }
        Ok(shard)
    }

    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    pub fn followed(&self) -> impl Iterator<Item = (TopicPartition, i64)> {
        self.cursors.iter().map(|(at, cursor)| (*at, cursor.position))
    }

    /// Begins to read partitions that were not there before.
    ///
    /// # Errors
    /// As [`Shard::open`].
    pub fn add_partitions(
        &mut self,
        topology: &Topology,
        partitions: &BTreeMap<TopicId, u32>,
        reading: &mut impl Reading,
        limits: &Limits,
    ) -> Result<()> {
        let missing: Vec<_> =
            inputs_of(self.id, topology, partitions).into_iter().filter(|at| !self.cursors.contains_key(at)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        for (at, facts) in missing.iter().zip(reading.facts(&missing)?) {
            // Nothing of a partition made meanwhile may be skipped, whatever a new group's beginning is.
            let facts = Facts { initial: facts.low, ..facts };
            self.cursors.insert(*at, Cursor::open(*at, &facts, topology, limits)?.0);
        }
        // Where a partition begins is committed before anything in it is read.
        self.touched = true;
        let from: Vec<_> = self.followed().filter(|(at, _)| missing.contains(at)).collect();
        reading.follow(&from, &[])
    }

    pub fn record(&mut self, record: &Record<'_>, out: &mut Effects) {
        let Some(cursor) = self.cursors.get_mut(&record.at) else { return };
        // A seek leaves records behind that were fetched before it.
        if record.offset < cursor.position {
            return;
        }
        cursor.position = record.offset + 1;
        self.touched = true;
        for (_, task) in &mut self.tasks {
            task.record(record, cursor.cell, out);
        }
        self.more_work |= std::mem::take(&mut out.more_work);
    }

    pub fn signal(&mut self, signal: &Signal<'_>, out: &mut Effects) {
        for (_, task) in &mut self.tasks {
            task.signal(signal, out);
        }
        self.touched = true;
        self.more_work |= std::mem::take(&mut out.more_work);
    }

    /// Lets timers fire, and postponed work go on.
    pub fn tick(&mut self, tick: &Tick, budget: usize, out: &mut Effects) {
        let before = out.len();
        for (_, task) in &mut self.tasks {
            task.tick(tick, out);
        }
        self.touched |= out.len() > before;
        self.more_work |= std::mem::take(&mut out.more_work);
        if std::mem::take(&mut self.more_work) {
            self.signal(&Signal::Work { budget }, out);
        }
    }

    /// Whether the epoch has to commit something of this shard.
    pub fn wants_commit(&self, now: Duration, limits: &Limits) -> bool {
        self.touched || self.cursors.values().any(|cursor| cursor.cut_due(now, limits))
    }

    /// Writes changelogs and says what to commit; nothing when nothing happened.
    pub fn flush(&mut self, now: Duration, limits: &Limits, out: &mut Effects, commits: &mut Vec<Commit>) {
        if !self.wants_commit(now, limits) {
            return;
        }
        self.touched = true;
        let mut memos = self.absent.clone();
        for (spec, task) in &mut self.tasks {
            let mut memo = String::new();
            task.end_epoch(EpochEnd::Flush { memo: &mut memo }, out);
            memos.insert(spec.name.to_owned(), memo);
        }
        for (at, cursor) in &mut self.cursors {
            if cursor.cut_due(now, limits) {
                (cursor.cell, cursor.last_cut) = (cursor.position, now);
            }
            let input = InputMemo { cell: cursor.cell, start: cursor.start };
            let metadata = if *at == self.home {
                serde_json::to_string(&HomeMemo { input, memos: std::mem::take(&mut memos) })
            } else if cursor.committed == Some((cursor.position, cursor.cell)) {
                continue;
            } else {
                serde_json::to_string(&input)
            };
            let metadata = metadata.unwrap_or_default();
            commits.push(Commit { at: *at, offset: cursor.position, metadata });
        }
    }

    pub fn committed(&mut self, out: &mut Effects) {
        if std::mem::take(&mut self.touched) {
            self.tasks.iter_mut().for_each(|(_, task)| task.end_epoch(EpochEnd::Committed, out));
            self.cursors.values_mut().for_each(|cursor| cursor.committed = Some((cursor.position, cursor.cell)));
        }
    }

    pub fn aborted(&mut self, out: &mut Effects) {
        if std::mem::take(&mut self.touched) {
            self.tasks.iter_mut().for_each(|(_, task)| task.end_epoch(EpochEnd::Aborted, out));
            for cursor in self.cursors.values_mut() {
                (cursor.position, cursor.cell) = cursor.committed.unwrap_or((cursor.start, cursor.start));
            }
            self.more_work = true;
        }
    }
}

impl Cursor {
    fn open(
        at: TopicPartition,
        facts: &Facts,
        topology: &Topology,
        limits: &Limits,
    ) -> Result<(Self, BTreeMap<String, String>)> {
        let name = topology.name(at.topic);
        let partition = at.partition;
        let stop = |reason: String| Failure::Stop(format!("topic {name}, partition {partition}: {reason}"));
        let no_cut_before = if limits.cut_behind_backlog { facts.end } else { 0 };
        let Some(committed) = &facts.committed else {
            let start = facts.initial;
            let last_cut = Duration::ZERO;
            let cursor = Self { position: start, cell: start, start, no_cut_before, last_cut, committed: None };
            return Ok((cursor, BTreeMap::new()));
        };
        let mut position = committed.offset;
        if position < facts.low && topology.is_of_copies(at.topic) {
            let low = facts.low;
            tracing::warn!(
                topic = name,
                partition,
                "offsets {position} to {low} are gone (retention): clicks among them are lost to patterns over fields"
            );
            position = low;
        }
        if position < facts.low {
            let low = facts.low;
            return Err(stop(format!(
                "offsets {position} to {low} are gone before they were processed (retention); raise the topic's retention, \
                 bring the lost lines in with `batch ingest` if you have them elsewhere, and {START_ANEW}"
            )));
        }
        if position > facts.end && !limits.cut_behind_backlog {
            let end = facts.end;
            return Err(stop(format!(
                "the group has read up to {position}, but the topic ends at {end}: it was deleted and made again; {START_ANEW}"
            )));
        }
        let memo: HomeMemo = serde_json::from_str(&committed.metadata).map_err(|error| {
            stop(format!(
                "the offset {position} was committed by another program ({error}); give this one a --group of its own"
            ))
        })?;
        let InputMemo { cell, start } = memo.input;
        let (last_cut, committed) = (Duration::ZERO, Some((position, cell)));
        let cursor = Self { position, cell, start, no_cut_before, last_cut, committed };
        Ok((cursor, memo.memos))
    }

    fn cut_due(&self, now: Duration, limits: &Limits) -> bool {
        self.position > self.cell
            && self.position >= self.no_cut_before
            && (now.saturating_sub(self.last_cut) >= limits.cut_every
                || self.position.saturating_sub(self.cell) >= limits.cut_records)
    }
}

/// The partitions that a shard reads: its own of every topic by key, and those of the inputs that fall to it.
fn inputs_of(id: u32, topology: &Topology, partitions: &BTreeMap<TopicId, u32>) -> Vec<TopicPartition> {
    let by_key = topology.by_key().into_iter().map(|topic| TopicPartition { topic, partition: id });
    let inputs = topology.inputs().into_iter().flat_map(|topic| {
        let count = partitions.get(&topic).copied().unwrap_or_default();
        (id..count).step_by(topology.shards.max(1) as usize).map(move |partition| TopicPartition { topic, partition })
    });
    by_key.chain(inputs).collect()
}

/// In a transaction state and offsets are committed together, so state without offsets is somebody else's.
fn unknown_state(topic: &str, partition: u32) -> String {
    format!(
        "topic {topic}, partition {partition}: there is state, but this group has committed nothing: the state is another group's, or \
         this group's offsets were deleted or have expired. Delete the topic, or name another one for this group \
         (in [topics]): it is made anew from the lake and from the topics that are read"
    )
}

/// Reads the changelog to its end; only what is `known` to the group may hold state.
fn restore(
    task: &mut dyn Task,
    at: TopicPartition,
    topology: &Topology,
    known: bool,
    reading: &mut impl Reading,
) -> Result<()> {
    let facts = reading.facts(&[at])?.pop();
    let Some(facts) = facts.filter(|facts| facts.end > facts.low) else { return Ok(()) };
    let (mut failed, mut strangers) = (None, BTreeSet::new());
    reading.read_all(at, &facts, &mut |record| {
        let Some(key) = record.key.and_then(|key| std::str::from_utf8(key).ok()) else { return };
        if !known && record.value.is_some() {
            strangers.insert(key.to_owned());
        } else if !known {
            strangers.remove(key);
        } else if let Err(reason) = task.restore(key, record.value) {
            failed.get_or_insert((record.offset, reason));
        }
    })?;
    let (name, partition) = (topology.name(at.topic), at.partition);
    if !strangers.is_empty() {
        return Err(Failure::Stop(unknown_state(name, partition)));
    }
    failed.map_or(Ok(()), |(offset, reason)| {
        Err(Failure::Stop(format!("topic {name}, partition {partition}, offset {offset}: {reason}")))
    })
}
