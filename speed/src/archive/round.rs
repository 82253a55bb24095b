//! The archiver at work: a look at every partition of this process, a span now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use data::lake::{Lake, SourceRow};
use tokio::runtime::Handle;

use super::decide::{Decision, Facts};
use super::vault::Progress;
use super::{Error, Lines, Metrics, Outcome, Pending, Result, Settings, Vault};
use crate::kafka::Spans;
use crate::worker::InputMemo;
use crate::worker::port::Committed;

/// How often the group's committed offsets are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Lines are encoded when there is so much text of them; it becomes a tenth.
const PIECE_BYTES: usize = 1 << 20;

/// Archives the partitions of one process; made and used on a thread of its own.
pub struct Archiver {
    settings: Settings,
    kafka: Spans,
    vault: Vault,
    metrics: Arc<Metrics>,
    places: BTreeMap<u32, Place>,
    failures: u32,
}

/// What is remembered of a partition between looks; the lake is asked again before anything is written.
#[derive(Debug, Default)]
struct Place {
    archived: Option<i64>,
    registered: bool,
    tried: Option<Instant>,
    /// What was logged last, so that it is logged once.
    told: Option<Decision>,
}

impl Archiver {
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn new(settings: Settings, lake: Lake, runtime: Handle) -> crate::error::Result<Self> {
        let kafka = Spans::new(&settings.kafka, &settings.group)?;
        let (vault, metrics) = (Vault::new(lake, runtime), Arc::default());
        Ok(Self { settings, kafka, vault, metrics, places: BTreeMap::new(), failures: 0 })
    }

    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Looks once at the partitions of the shards in `owned`, archives what is due, and says how long to wait before the
    /// next step. Gives up soon after `stopped` says so; nothing is lost by that, whenever it happens.
    ///
    /// What fails is logged, counted and tried again.
    pub fn step(&mut self, owned: &BTreeSet<u32>, stopped: &dyn Fn() -> bool) -> Duration {
        match self.round(owned, stopped) {
            Ok(()) => {
                if std::mem::take(&mut self.failures) > 0 {
                    self.metrics.failing.store(false, Relaxed);
                    tracing::info!("archiving goes on");
                }
                LOOK_EVERY
            }
            Err(Error::Stopped) => LOOK_EVERY,
            Err(error) => {
                let pause = LONGEST_PAUSE.min(LOOK_EVERY * 2_u32.saturating_pow(self.failures));
                self.failures += 1;
                self.metrics.errors.fetch_add(1, Relaxed);
                self.metrics.failing.store(true, Relaxed);
                tracing::warn!(%error, failures = self.failures, "lines cannot be archived now; tried again in {pause:?}");
                pause
            }
        }
    }

    fn round(&mut self, owned: &BTreeSet<u32>, stopped: &dyn Fn() -> bool) -> Result<()> {
        self.kafka.idle();
        let shards = self.settings.shards.max(1);
        let count = self.kafka.partitions(&self.settings.topic)?;
        let ours: Vec<u32> = (0..count).filter(|partition| owned.contains(&(partition % shards))).collect();
        self.places.retain(|partition, _| ours.contains(partition));
        self.metrics.keep(&ours);
        if ours.is_empty() {
            return Ok(());
        }
        let committed = self.kafka.committed(&self.settings.topic, &ours)?;
        let mut round = Ok(());
        for (partition, committed) in ours.into_iter().zip(committed) {
            let Some(committed) = committed else { continue };
            if stopped() {
                return Err(Error::Stopped);
            }
            match self.look(partition, &committed, stopped) {
                // Other partitions may fare better.
                Err(error @ (Error::Memo(_) | Error::Other(_))) => round = Err(error),
                looked => looked?,
            }
        }
        round
    }

    /// Archives what the group has finished of a partition, when it is time.
    fn look(&mut self, partition: u32, committed: &Committed, stopped: &dyn Fn() -> bool) -> Result<()> {
        let topic = &self.settings.topic;
        let memo = InputMemo::read(&committed.metadata).map_err(|reason| {
            Error::Memo(format!(
                "topic {topic}, partition {partition}: its offset was committed by another program ({reason}); give \
                 speed a --group of its own"
            ))
        })?;
        let metrics = self.metrics.partition(partition);
        metrics.position.store(committed.offset, Relaxed);
        metrics.cell.store(memo.cell, Relaxed);
        let place = self.places.entry(partition).or_default();
        // The first look asks the lake in any case.
        if let Some(tried) = place.tried {
            let waiting = memo.cell - place.archived.unwrap_or(memo.start);
            if waiting <= 0 || tried.elapsed() < self.settings.every && waiting < self.settings.records {
                return Ok(());
            }
        }
        self.archive(partition, memo, stopped)?;
        // What failed stays due.
        self.places.entry(partition).or_default().tried = Some(Instant::now());
        Ok(())
    }

    fn archive(&mut self, partition: u32, memo: InputMemo, stopped: &dyn Fn() -> bool) -> Result<()> {
        let topic = &self.settings.topic;
        let row = SourceRow::for_topic(&self.settings.topic_id, topic, partition);
        let progress = self.vault.progress(&row)?;
        self.set_archived(partition, progress.archived);
        let low = self.kafka.ends(&self.settings.topic, partition)?.low;
        let InputMemo { start, cell } = memo;
        let decision = Facts { start, cell, low, archived: progress.archived }.decide();
        self.tell(partition, decision);
        match decision {
            Decision::Append { from, to } => self.append(&row, partition, progress, (from, to), stopped),
            Decision::Lost { low, .. } if self.settings.skip_lost && low <= cell => {
                self.append(&row, partition, progress, (low, cell), stopped)
            }
            Decision::Nothing | Decision::Ahead { .. } | Decision::Lost { .. } => Ok(()),
        }
    }

    /// Adds the lines of a span to the lake.
    fn append(
        &mut self,
        row: &SourceRow,
        partition: u32,
        progress: Progress,
        (from, to): (i64, i64),
        stopped: &dyn Fn() -> bool,
    ) -> Result<()> {
        let Self { settings, kafka, vault, metrics, places, .. } = self;
        let since = Instant::now();
        if let Some(place) = places.get_mut(&partition).filter(|place| !place.registered) {
            vault.register(row)?;
            place.registered = true;
        }
        let mut lines = Lines::new(&row.source, progress.refused.unwrap_or(from));
        let mut pending = Pending::default();
        kafka.read(&settings.topic, partition, from..to, |record| {
            if stopped() {
                return Err(Error::Stopped);
            }
            let Some(record) = record else { return Ok(()) };
            lines.push(record, &settings.reading);
            if lines.bytes() >= PIECE_BYTES { vault.write(&mut lines, &mut pending) } else { Ok(()) }
        })?;
        vault.write(&mut lines, &mut pending)?;
        // Only now: what was read is the topic's that had this id before and has it still.
        if !kafka.is_same_topic(&settings.topic, &settings.topic_id)? {
            return Err(Error::OtherTopic { topic: settings.topic.clone() });
        }
        let (accepted, rejected) = (pending.rows, pending.refused_rows);
        if vault.commit(row, progress, to, pending)? == Outcome::Overtaken {
            tracing::info!(partition, from, to, "another process has archived these lines");
            return Ok(());
        }
        metrics.committed(accepted, rejected);
        tracing::debug!(partition, from, to, accepted, rejected, ms = since.elapsed().as_millis(), "archived");
        self.set_archived(partition, Some(to));
        Ok(())
    }

    fn set_archived(&mut self, partition: u32, archived: Option<i64>) {
        self.places.entry(partition).or_default().archived = archived;
        self.metrics.partition(partition).archived.store(archived.unwrap_or(-1), Relaxed);
    }

    /// Logs what a person should know, once.
    fn tell(&mut self, partition: u32, decision: Decision) {
        let (topic, skip) = (&self.settings.topic, self.settings.skip_lost);
        let place = self.places.entry(partition).or_default();
        let lost = matches!(decision, Decision::Lost { .. }) && !skip;
        self.metrics.partition(partition).lost.store(lost, Relaxed);
        if place.told == Some(decision) {
            return;
        }
        match decision {
            Decision::Ahead { archived } => tracing::info!(
                topic,
                partition,
                archived,
                "the lake has lines that this group has not processed yet; archiving waits until it has"
            ),
            Decision::Lost { from, low } if skip => {
                tracing::error!(
                    topic,
                    partition,
                    "offsets {from} to {low} are lost to the archive, and skipped as asked"
                );
            }
            Decision::Lost { from, low } => tracing::error!(
                topic,
                partition,
                "offsets {from} to {low} were deleted by retention before they were archived: nothing more of this \
                 partition is archived. Raise the topic's retention; then, if the lines are kept elsewhere, bring them in with \
                 `batch ingest`; and start speed once with archive.skip_lost = true"
            ),
            Decision::Append { .. } | Decision::Nothing => {}
        }
        place.told = (!matches!(decision, Decision::Append { .. })).then_some(decision);
    }
}
