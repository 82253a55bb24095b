//! Reading partitions that are named, from offsets that are named.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::{Duration, Instant};

use data::EventTime;
use data::kafka::Context;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::failure;
use super::port::Start;
use crate::frame::{Decoding, Origin, Record, TopicId, TopicPartition};
use crate::worker::port::{Committed, Facts, Failure, Result};

const ASK: Duration = Duration::from_secs(10);
/// Until a broker that does not answer is taken for silent.
const HEARING: Duration = Duration::from_secs(1);
/// A pending commit of a worker that died ends with its transaction's timeout.
const PATIENCE: Duration = Duration::from_secs(90);
/// Shards are opened one by one, with epochs in between.
const KEEP_RESTORER: Duration = Duration::from_secs(5);

pub struct Reader {
    config: ClientConfig,
    consumer: BaseConsumer<Context>,
    /// Reads changelogs; kept while shards are being opened, and for a while afterwards.
    restorer: Option<Restorer>,
    topics: Vec<String>,
    start: Start,
    followed: BTreeSet<TopicPartition>,
    /// Whose leader was asked last.
    heard: Option<TopicPartition>,
}

impl Reader {
    pub fn new(mut config: ClientConfig, topics: Vec<String>, start: Start) -> Result<Self> {
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("isolation.level", "read_committed");
        // A gap is never skipped.
        config.set("auto.offset.reset", "error");
        let consumer = create(&config)?;
        Ok(Self { config, consumer, restorer: None, topics, start, followed: BTreeSet::new(), heard: None })
    }

    pub fn facts(&self, partitions: &[TopicPartition]) -> Result<Vec<Facts>> {
        let committed = self.committed(partitions)?;
        let one = |(at, committed): (&TopicPartition, Option<Committed>)| {
            let topic = self.name(at.topic);
            let partition = partition_number(at.partition);
            let (low, end) = self.patiently("offsets", || self.consumer.fetch_watermarks(topic, partition, ASK))?;
            let initial = match self.start {
                Start::Earliest => low,
                Start::Latest => end,
                Start::Time(time) => self.offset_at(topic, partition, time)?.unwrap_or(end),
            };
            Ok(Facts { committed, initial, low, end })
        };
        partitions.iter().zip(committed).map(one).collect()
    }

    /// Answered only once no transaction's offsets are pending (the isolation level sees to it).
    fn committed(&self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for at in partitions {
            list.add_partition(self.name(at.topic), partition_number(at.partition));
        }
        let list = self.patiently("committed offsets", || self.consumer.committed_offsets(list.clone(), ASK))?;
        let of = |at: &TopicPartition| {
            let found = list.find_partition(self.name(at.topic), partition_number(at.partition));
            let Some(element) = found else { return Ok(None) };
            // An offset that cannot be told is not one that was never committed.
            element.error().map_err(|error| ended("committed offsets", &error))?;
            Ok(match element.offset() {
                Offset::Offset(offset) => Some(Committed { offset, metadata: element.metadata().to_owned() }),
                _ => None,
            })
        };
        partitions.iter().map(of).collect()
    }

    fn offset_at(&self, topic: &str, partition: i32, time: EventTime) -> Result<Option<i64>> {
        let mut list = TopicPartitionList::new();
        let millis = time.micros().div_euclid(1_000);
        list.add_partition_offset(topic, partition, Offset::Offset(millis)).map_err(|error| ended("--from", &error))?;
        let list = self.patiently("offsets by time", || self.consumer.offsets_for_times(list.clone(), ASK))?;
        Ok(list.find_partition(topic, partition).and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }))
    }

    pub fn read_all(&mut self, at: TopicPartition, facts: &Facts, each: &mut dyn FnMut(&Record<'_>)) -> Result<()> {
        let topic = self.name(at.topic).to_owned();
        if self.restorer.is_none() {
            self.restorer = Some(Restorer::new(&self.config)?);
        }
        let Some(Restorer { reader: restorer, ends, .. }) = &self.restorer else { return Ok(()) };
        self.wait_until_stable(ends, &topic, partition_number(at.partition))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, partition_number(at.partition), Offset::Offset(facts.low))
            .and_then(|()| restorer.assign(&list))
            .map_err(|error| ended("restoring", &error))?;
        let mut silent = None;
        loop {
            match restorer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    each(&record(at, &message));
                    if message.offset() + 1 >= facts.end {
                        break;
                    }
                    silent = None;
                }
                // The end that a fetch found is not before the one that was asked for earlier.
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) => {
                    if let Some(failure) = failure::of_reading(&error) {
                        return Err(failure);
                    }
                }
                None if silent.get_or_insert_with(Instant::now).elapsed() > PATIENCE => {
                    return Err(Failure::Ended(format!("restoring from {topic}: the brokers do not answer")));
                }
                None => {}
            }
        }
        self.restorer.iter_mut().for_each(|restorer| restorer.used = Instant::now());
        Ok(())
    }

    /// Waits until no transaction is open before records that are there now. What another one has committed behind it is
    /// not seen until then, and who left it open may be a worker that is gone: its time-out ends it.
    fn wait_until_stable(&self, ends: &BaseConsumer<Context>, topic: &str, partition: i32) -> Result<()> {
        let (_, end) = self.patiently("offsets", || ends.fetch_watermarks(topic, partition, ASK))?;
        let since = Instant::now();
        loop {
            let (_, stable) = self.patiently("offsets", || self.consumer.fetch_watermarks(topic, partition, ASK))?;
            if stable >= end {
                return Ok(());
            }
            if since.elapsed() > PATIENCE {
                return Err(Failure::Ended(format!(
                    "restoring from {topic}: a transaction has been open for too long"
                )));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn follow(&mut self, from: &[(TopicPartition, i64)], leave: &[TopicPartition]) -> Result<()> {
        let again = from.iter().map(|(at, _)| at).filter(|at| self.followed.contains(at));
        let leave: Vec<TopicPartition> = leave.iter().chain(again).copied().collect();
        let mut list = TopicPartitionList::new();
        for at in leave {
            if !self.followed.remove(&at) {
                continue;
            }
            list.add_partition(self.name(at.topic), partition_number(at.partition));
        }
        if list.count() > 0 {
            self.consumer.incremental_unassign(&list).map_err(|error| ended("leaving partitions", &error))?;
        }
        let mut list = TopicPartitionList::new();
        for (at, offset) in from {
            list.add_partition_offset(self.name(at.topic), partition_number(at.partition), Offset::Offset(*offset))
                .map_err(|error| ended("following partitions", &error))?;
            self.followed.insert(*at);
        }
        if list.count() > 0 {
            self.consumer.incremental_assign(&list).map_err(|error| ended("following partitions", &error))?;
        }
        Ok(())
    }

    pub fn poll(&mut self, wait: Duration, most: usize, each: &mut dyn FnMut(&Record<'_>)) -> Result<usize> {
        if let Some(restorer) = self.restorer.take_if(|restorer| restorer.used.elapsed() > KEEP_RESTORER) {
            // To leave a client takes a moment.
            std::thread::spawn(move || drop(restorer));
        }
        let (mut count, mut wait) = (0, wait);
        while count < most {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    if let Some(topic) = self.topics.iter().position(|name| name == message.topic()) {
                        let topic = TopicId(u16::try_from(topic).unwrap_or(u16::MAX));
                        let partition = u32::try_from(message.partition()).unwrap_or_default();
                        each(&record(TopicPartition { topic, partition }, &message));
                        count += 1;
                    }
                }
                Some(Err(error)) => match failure::of_reading(&error) {
                    Some(failure) => return Err(failure),
                    None => tracing::debug!(%error, "reading"),
                },
                None => break,
            }
            wait = Duration::ZERO;
        }
        Ok(count)
    }

    /// Asks the leader of a partition, of the next one each time: whether it answers.
    pub fn hear(&mut self) -> bool {
        let behind = self.heard.and_then(|heard| self.followed.range((Excluded(heard), Unbounded)).next());
        let Some(at) = behind.or_else(|| self.followed.first()).copied() else { return false };
        self.heard = Some(at);
        let (topic, partition) = (self.name(at.topic), partition_number(at.partition));
        self.consumer.fetch_watermarks(topic, partition, HEARING).is_ok()
    }

    /// Asks again while the brokers do not answer.
    fn patiently<T>(&self, what: &str, ask: impl Fn() -> KafkaResult<T>) -> Result<T> {
        let since = Instant::now();
        loop {
            match ask() {
                Ok(answer) => return Ok(answer),
                Err(error) if since.elapsed() < PATIENCE => {
                    tracing::debug!(%error, what, "asking again");
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => {
                    let reason = self.consumer.context().explain(&error);
                    return Err(Failure::Ended(format!("{what}: {reason}")));
                }
            }
        }
    }

    fn name(&self, topic: TopicId) -> &str {
        self.topics.get(usize::from(topic.0)).map_or("", String::as_str)
    }
}

/// What reads changelogs.
struct Restorer {
    reader: BaseConsumer<Context>,
    /// Told where partitions end, open transactions included.
    ends: BaseConsumer<Context>,
    used: Instant,
}

impl Restorer {
    fn new(config: &ClientConfig) -> Result<Self> {
        let mut reader = config.clone();
        reader.set("enable.partition.eof", "true");
        reader.set("queued.max.messages.kbytes", "32768");
        // A request that waits at the end of one changelog holds up the next one.
        reader.set("fetch.wait.max.ms", "5");
        let mut ends = config.clone();
        ends.set("isolation.level", "read_uncommitted");
        Ok(Self { reader: create(&reader)?, ends: create(&ends)?, used: Instant::now() })
    }
}

fn create(config: &ClientConfig) -> Result<BaseConsumer<Context>> {
    config.create_with_context(Context::default()).map_err(|error| ended("making a consumer", &error))
}

pub fn record<'m>(at: TopicPartition, message: &'m BorrowedMessage<'_>) -> Record<'m> {
    let origin = message
        .headers()
        .and_then(|headers| headers.iter().find(|header| header.key == Origin::HEADER).and_then(|header| header.value));
    let millis = message.timestamp().to_millis().unwrap_or_default();
    Record {
        at,
        offset: message.offset(),
        timestamp: EventTime::from_micros(millis.saturating_mul(1_000)),
        key: message.key(),
        value: message.payload(),
        origin,
        decoded: Decoding::default(),
    }
}

fn ended(what: &str, error: &KafkaError) -> Failure {
    Failure::Ended(format!("{what}: {error}"))
}

pub fn partition_number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}
