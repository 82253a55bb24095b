//! Brokers, transaction coordinator and group coordinator in one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use speed::frame::{Emitted, Target, TopicId, TopicPartition};
use speed::worker::port::{Commit, Committed, Failure, Result};

use data::kafka::partition_of;

use super::chance::Chance;
use super::faults::Faults;
use super::group::{Group, MemberId};
use super::log::{Headers, Log, Stored, TxnId, TxnState, is_committed};
use super::observed::Observed;
use super::sabotage::Sabotage;
use super::scene::Topics;

/// What Kafka allows to be said with an offset (`offset.metadata.max.bytes`).
const METADATA_LIMIT: usize = 4_096;

pub struct Cluster {
    pub now: Duration,
    pub chance: Chance,
    pub sabotage: Sabotage,
    pub faults: Faults,
    /// Nothing goes wrong, and nothing is late, any more.
    pub calm: bool,
    pub group: Group,
    pub observed: Observed,
    pub names: Vec<String>,
    pub roles: Topics,
    /// By topic, then by partition.
    pub topics: Vec<Vec<Log>>,
    pub txns: Vec<TxnState>,
    pub txn_timeout: Duration,
    producers: BTreeMap<String, Producer>,
    offsets: BTreeMap<TopicPartition, Committed>,
    /// Where the group began, and the publication that a shard was first opened under: by what was committed first.
    pub starts: BTreeMap<TopicPartition, i64>,
    pub first_views: BTreeMap<u32, i64>,
}

/// What the transaction coordinator knows of a transactional id.
#[derive(Debug, Default)]
struct Producer {
    epoch: u32,
    open: Option<OpenTxn>,
}

#[derive(Debug)]
struct OpenTxn {
    id: TxnId,
    since: Duration,
    logs: BTreeSet<TopicPartition>,
    /// Pending offsets: applied with the commit.
    offsets: Vec<Commit>,
}

impl Cluster {
    pub fn new(names: Vec<String>, roles: Topics, partitions: &[u32], chance: Chance) -> Self {
        let shards = partitions[usize::from(roles.by_customer.0)];
        let logs = |count: &u32| (0..*count).map(|_| Log::default()).collect();
        Self {
            now: Duration::from_secs(1),
            sabotage: Sabotage::None,
            faults: Faults::default(),
            calm: false,
            group: Group::new(shards),
            observed: Observed::default(),
            names,
            roles,
            topics: partitions.iter().map(logs).collect(),
            txns: vec![TxnState::Committed],
            txn_timeout: Duration::from_secs(10),
            producers: BTreeMap::new(),
            offsets: BTreeMap::new(),
            starts: BTreeMap::new(),
            first_views: BTreeMap::new(),
            chance,
        }
    }

    pub fn log(&self, at: TopicPartition) -> &Log {
        &self.topics[usize::from(at.topic.0)][at.partition as usize]
    }

    fn log_mut(&mut self, at: TopicPartition) -> &mut Log {
        &mut self.topics[usize::from(at.topic.0)][at.partition as usize]
    }

    pub fn partitions(&self, topic: TopicId) -> u32 {
        u32::try_from(self.topics[usize::from(topic.0)].len()).expect("few")
    }

    pub fn show(&self, at: TopicPartition) -> String {
        format!("{}/{}", self.names[usize::from(at.topic.0)], at.partition)
    }

    /// Every committed record of a partition, also behind the last stable offset.
    pub fn committed_records(&self, at: TopicPartition) -> impl Iterator<Item = &Stored> {
        self.log(at).from(0).iter().filter(|record| is_committed(record, &self.txns))
    }

    pub fn committed_offset(&self, at: TopicPartition) -> Option<&Committed> {
        self.offsets.get(&at)
    }

    /// Whether no transaction is about to commit an offset of the partition.
    pub fn is_offset_stable(&self, at: TopicPartition) -> bool {
        self.sabotage == Sabotage::UnstableOffsets
            || !self.open_txns().any(|txn| txn.offsets.iter().any(|commit| commit.at == at))
    }

    fn open_txns(&self) -> impl Iterator<Item = &OpenTxn> {
        self.producers.values().filter_map(|producer| producer.open.as_ref())
    }

    pub fn calm_down(&mut self) {
        (self.calm, self.faults) = (true, Faults::default());
    }

    /// Whether what may be late happens now.
    pub fn happens(&mut self, one_in: u32) -> bool {
        self.calm || self.chance.one_in(one_in)
    }

    pub fn join(&mut self) -> MemberId {
        self.group.join(&mut self.chance)
    }

    pub fn throw_out(&mut self, member: MemberId) {
        self.group.remove(member, &mut self.chance);
    }

    pub fn rebalance(&mut self) {
        self.group.rebalance(&mut self.chance);
    }

    pub fn begin_foreign(&mut self) -> TxnId {
        self.txns.push(TxnState::Open);
        TxnId(self.txns.len() - 1)
    }

    /// Appends what another program produces; `txn` 0 is none.
    pub fn append(&mut self, at: TopicPartition, txn: TxnId, key: Option<&[u8]>, value: Option<&[u8]>) -> i64 {
        self.log_mut(at).append(txn, key, value, Vec::new())
    }

    pub fn end_foreign(&mut self, txn: TxnId, at: TopicPartition, committed: bool) {
        self.txns[txn.0] = if committed { TxnState::Committed } else { TxnState::Aborted };
        self.log_mut(at).end(txn);
    }

    pub fn grow(&mut self, topic: TopicId) {
        self.topics[usize::from(topic.0)].push(Log::default());
    }

    pub fn compact(&mut self, at: TopicPartition) {
        let Self { topics, txns, .. } = self;
        topics[usize::from(at.topic.0)][at.partition as usize].compact(txns);
    }

    /// `InitProducerId`: ends what the id left open, and shuts older producers of the id out.
    pub fn fence(&mut self, id: &str) -> u32 {
        if self.sabotage != Sabotage::NoFence {
            self.end(id, false);
            self.producers.entry(id.to_owned()).or_default().epoch += 1;
        }
        self.producers.get(id).map_or(0, |producer| producer.epoch)
    }

    fn check_epoch(&self, id: &str, epoch: u32) -> Result<()> {
        let current = self.producers.get(id).map_or(0, |producer| producer.epoch);
        if current == epoch || self.sabotage == Sabotage::NoFence {
            return Ok(());
        }
        Err(Failure::Ended(format!("producer {id} is fenced: its epoch {epoch} is over, {current} is current")))
    }

    fn open(&mut self, id: &str) -> &mut OpenTxn {
        let Self { producers, txns, now, .. } = self;
        producers.entry(id.to_owned()).or_default().open.get_or_insert_with(|| {
            txns.push(TxnState::Open);
            let (logs, offsets) = (BTreeSet::new(), Vec::new());
            OpenTxn { id: TxnId(txns.len() - 1), since: *now, logs, offsets }
        })
    }

    pub fn send(&mut self, id: &str, epoch: u32, record: &Emitted<'_>) -> Result<()> {
        self.check_epoch(id, epoch)?;
        let topic = record.target.topic();
        if self.sabotage == Sabotage::RecordsForgotten && self.chance.one_in(20) {
            return Ok(());
        }
        let partition = match record.target {
            Target::Partition(_, partition) => partition,
            Target::ByKey(_) => match record.key {
                Some(key) => partition_of(key, self.partitions(topic)),
                None => self.chance.below(self.partitions(topic)),
            },
        };
        let at = TopicPartition { topic, partition };
        let headers: Headers = record.headers.to_vec();
        let (shown, text) =
            (self.show(at), |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"-")).into_owned());
        self.observed.note(|| {
            format!(
                "{shown}@{} {} {}",
                self.topics[usize::from(topic.0)][partition as usize].high,
                text(record.key),
                text(record.value)
            )
        });
        let outside = self.sabotage == Sabotage::LettersOutside && self.names[usize::from(topic.0)].ends_with("-dlq");
        let mut txn = TxnId(0);
        if !outside {
            let open = self.open(id);
            open.logs.insert(at);
            txn = open.id;
        }
        self.log_mut(at).append(txn, record.key, record.value, headers);
        Ok(())
    }

    /// `TxnOffsetCommit`: refused from whom the group does not know any more.
    pub fn send_offsets(&mut self, id: &str, epoch: u32, member: Option<MemberId>, offsets: &[Commit]) -> Result<()> {
        self.check_epoch(id, epoch)?;
        if self.sabotage != Sabotage::NoFence && !member.is_some_and(|member| self.group.has(member)) {
            return Err(Failure::Abort("the group does not know this member".to_owned()));
        }
        if let Some(long) = offsets.iter().find(|commit| commit.metadata.len() > METADATA_LIMIT) {
            let told = format!("{}: {} bytes of metadata", self.show(long.at), long.metadata.len());
            return Err(Failure::Abort(told));
        }
        if self.sabotage != Sabotage::OffsetsForgotten {
            self.open(id).offsets.extend_from_slice(offsets);
        }
        Ok(())
    }

    pub fn commit(&mut self, id: &str, epoch: u32) -> Result<Option<TxnId>> {
        self.check_epoch(id, epoch)?;
        Ok(self.end(id, true))
    }

    pub fn abort(&mut self, id: &str, epoch: u32) -> Result<()> {
        self.check_epoch(id, epoch)?;
        self.end(id, false);
        Ok(())
    }

    fn end(&mut self, id: &str, committed: bool) -> Option<TxnId> {
        let open = self.producers.get_mut(id)?.open.take()?;
        self.txns[open.id.0] = if committed { TxnState::Committed } else { TxnState::Aborted };
        for at in &open.logs {
            self.log_mut(*at).end(open.id);
        }
        if committed {
            for Commit { at, offset, metadata } in open.offsets {
                self.offsets.insert(at, Committed { offset, metadata });
            }
        }
        Some(open.id)
    }

    /// Time goes on; transactions that have been open for too long are aborted, and their producers fenced.
    pub fn pass(&mut self, by: Duration) {
        self.now += by;
        let (now, timeout) = (self.now, self.txn_timeout);
        let late = |producer: &Producer| producer.open.as_ref().is_some_and(|open| now - open.since > timeout);
        let ids: Vec<String> =
            self.producers.iter().filter(|(_, producer)| late(producer)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.observed.note(|| format!("transaction of {id} timed out"));
            self.end(&id, false);
            self.producers.entry(id).or_default().epoch += 1;
            self.observed.timeouts += 1;
        }
    }
}
