//! Reads the topics that serving follows: without a group, committed records only.

use std::collections::BTreeSet;
use std::time::Duration;

use data::EventTime;
use data::kafka::{Context, KafkaSettings, Topics};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Deserialize;

const ASK: Duration = Duration::from_secs(5);
/// Records of each topic of events that are read of what was before the start.
const TAIL: i64 = 10_000;

/// The names of the topics, and of the group that works on them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicNames {
    /// Of `speed run`: what it has committed tells how far it is.
    #[serde(skip)]
    pub group: String,
    pub orders: String,
    pub orders_enriched: String,
    pub customer_state: String,
    pub segment_changes: String,
    pub alerts: String,
    pub rule_segments: String,
    pub rule_status: String,
    pub order_requests: String,
}

impl Default for TopicNames {
    fn default() -> Self {
        use data::topics;
        Self {
            group: "clientele".to_owned(),
            orders: topics::ORDERS.to_owned(),
            orders_enriched: topics::ORDERS_ENRICHED.to_owned(),
            customer_state: topics::CUSTOMER_STATE.to_owned(),
            segment_changes: topics::SEGMENT_CHANGES.to_owned(),
            alerts: topics::ALERTS.to_owned(),
            rule_segments: topics::RULE_SEGMENTS.to_owned(),
            rule_status: topics::RULE_STATUS.to_owned(),
            order_requests: topics::ORDER_REQUESTS.to_owned(),
        }
    }
}

/// Kafka's ids of the topics that make the view: deleted and made again, they are others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicIds {
    pub orders: String,
    pub state: String,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    State,
    Orders,
    Changes,
    Alerts,
    Rules,
}

impl Topic {
    const ALL: [Self; 5] = [Self::State, Self::Orders, Self::Changes, Self::Alerts, Self::Rules];

    pub fn name(self, names: &TopicNames) -> &str {
        match self {
            Self::State => &names.customer_state,
            Self::Orders => &names.orders_enriched,
            Self::Changes => &names.segment_changes,
            Self::Alerts => &names.alerts,
            Self::Rules => &names.rule_status,
        }
    }
}

/// What a poll came upon.
pub(super) enum Step<'m> {
    Record {
        topic: Topic,
        partition: u32,
        offset: i64,
        /// By the record's timestamp.
        written_at: EventTime,
        key: &'m [u8],
        value: Option<&'m [u8]>,
    },
    /// Every record of the state that there was has been read.
    Restored,
    /// The topics are not what they were: everything is to be read anew.
    Lost(String),
    Nothing,
    /// Nothing came in time.
    Idle,
}

/// Two clients: that a partition is at its end is told by its number alone, so the state has one to itself.
pub(super) struct Reader {
    state: BaseConsumer<Context>,
    events: BaseConsumer<Context>,
    names: TopicNames,
    assigned: BTreeSet<(Topic, i32)>,
    /// Partitions of the state that are not read to their end yet.
    behind: BTreeSet<i32>,
    pub topic_ids: TopicIds,
}

impl Reader {
    /// # Errors
    /// When the brokers do not answer, or there is no state to follow.
    pub fn connect(kafka: &KafkaSettings, names: &TopicNames) -> Result<Self, String> {
        let state = reading_client(kafka, true)?;
        let metadata = state.fetch_metadata(None, ASK).map_err(|error| state.context().explain(&error).to_string())?;
        if partitions_of(&metadata, &names.customer_state).is_empty() {
            return Err(format!("there is no topic {} yet; `speed run` makes it", names.customer_state));
        }
        let topics = Topics::new(kafka)?;
        let topic_ids = TopicIds { orders: topics.id(&names.orders)?, state: topics.id(&names.customer_state)? };
        let (assigned, behind) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { state, events: reading_client(kafka, false)?, names: names.clone(), assigned, behind, topic_ids })
    }

    /// Reads partitions that are new since the last look; tells behind which offset each begins, and where it ends.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn look(&mut self, mut begin: impl FnMut(Topic, u32, i64, i64)) -> Result<(), String> {
        let told = |error: KafkaError| error.to_string();
        let metadata = self.state.fetch_metadata(None, ASK).map_err(told)?;
        for topic in Topic::ALL {
            let name = topic.name(&self.names);
            let all = partitions_of(&metadata, name);
            let tail = TAIL / i64::try_from(all.len()).unwrap_or(1).max(1);
            let mut list = TopicPartitionList::new();
            for partition in all.into_iter().filter(|partition| !self.assigned.contains(&(topic, *partition))) {
                let (low, high) = self.state.fetch_watermarks(name, partition, ASK).map_err(told)?;
                let is_whole = matches!(topic, Topic::State | Topic::Rules);
                let start = if is_whole { low } else { low.max(high - tail) };
                begin(topic, u32::try_from(partition).unwrap_or_default(), start - 1, high);
                list.add_partition_offset(name, partition, Offset::Offset(start)).map_err(told)?;
            }
            if list.count() == 0 {
                continue;
            }
            let client = if topic == Topic::State { &self.state } else { &self.events };
            client.incremental_assign(&list).map_err(told)?;
            for element in list.elements() {
                self.assigned.insert((topic, element.partition()));
                if topic == Topic::State {
                    self.behind.insert(element.partition());
                }
            }
        }
        Ok(())
    }

    /// The next record of the state.
    pub fn poll_state(&mut self, patience: Duration, take: impl FnOnce(Step<'_>)) {
        match self.state.poll(patience) {
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                let restored = self.behind.remove(&partition) && self.behind.is_empty();
                take(if restored { Step::Restored } else { Step::Nothing });
            }
            polled => step(polled, &self.names, take),
        }
    }

    /// The next record of another topic.
    pub fn poll_events(&self, patience: Duration, take: impl FnOnce(Step<'_>)) {
        step(self.events.poll(patience), &self.names, take);
    }
}

/// A client without a group, of committed records; `tells_ends` of partitions.
pub(crate) fn reading_client(kafka: &KafkaSettings, tells_ends: bool) -> Result<BaseConsumer<Context>, String> {
    let mut config = kafka.client_config();
    // Nothing is committed, but librdkafka wants a name.
    config.set("group.id", "clientele-serving").set("enable.auto.commit", "false");
    config.set("enable.partition.eof", tells_ends.to_string()).set("auto.offset.reset", "error");
    config.set("isolation.level", "read_committed").set("topic.metadata.refresh.interval.ms", "10000");
    // Of each partition; the rest waits in the broker.
    config.set("queued.max.messages.kbytes", "4096").set("fetch.wait.max.ms", "25");
    let context = Context::default();
    config.create_with_context(context.clone()).map_err(|error| context.explain(&error).to_string())
}

fn step(polled: Option<Result<BorrowedMessage<'_>, KafkaError>>, names: &TopicNames, take: impl FnOnce(Step<'_>)) {
    let message = match polled {
        Some(Ok(message)) => message,
        Some(Err(error)) => return take(lost(&error)),
        None => return take(Step::Idle),
    };
    let topic = Topic::ALL.into_iter().find(|topic| topic.name(names) == message.topic());
    let Some(topic) = topic else { return take(Step::Nothing) };
    take(Step::Record {
        topic,
        partition: u32::try_from(message.partition()).unwrap_or_default(),
        offset: message.offset(),
        written_at: message
            .timestamp()
            .to_millis()
            .map_or_else(EventTime::now, |ms| EventTime::from_micros(ms.saturating_mul(1_000))),
        key: message.key().unwrap_or_default(),
        value: message.payload(),
    });
}

fn lost(error: &KafkaError) -> Step<'static> {
    if is_lost(error) {
        return Step::Lost(error.to_string());
    }
    tracing::debug!(%error, "reading goes on");
    Step::Nothing
}

/// Whether a topic is not what it was: deleted, made again, or cut off before what was read.
pub(crate) fn is_lost(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let lost = [
        Code::OffsetOutOfRange,
        Code::AutoOffsetReset,
        Code::UnknownTopicOrPartition,
        Code::UnknownTopic,
        Code::UnknownPartition,
        Code::UnknownTopicId,
    ];
    error.rdkafka_error_code().is_some_and(|code| lost.contains(&code))
}

pub(crate) fn partitions_of(metadata: &Metadata, name: &str) -> Vec<i32> {
    let found = metadata.topics().iter().find(|topic| topic.name() == name && topic.error().is_none());
    found.map_or_else(Vec::new, |topic| topic.partitions().iter().map(|partition| partition.id()).collect())
}
