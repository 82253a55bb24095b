//! One webhook: reads alerts in a group of its own and tells them, some at a time.
//!
//! Each webhook has its own consumer, so the topic is its queue: one that is slow lags behind alone, and costs no memory.
//! Offsets are committed behind alerts that were told, or kept as dead letters.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use data::EventTime;
use data::kafka::{Context, KafkaSettings};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use reqwest::Client;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::attempt::{Outcome, attempt, client, pause};
use super::config::Webhook;
use super::dead::DeadLetters;
use super::ledger::{Claim, Ledger, Place, Ticket, Told};
use super::message::Alert;
use super::telemetry::{Counters, Metrics};
use crate::kafka::of_reading;
use crate::worker::port::Failure;

/// Requests to one endpoint at a time.
const AT_ONCE: usize = 16;
const POLL: Duration = Duration::from_millis(100);
/// Full for so long, the webhook stops fetching and goes on polling, as the group wants it; before, that would cost more than
/// it brings, since what was fetched is thrown away.
const HOLD_AFTER: Duration = Duration::from_secs(1);
/// Ids by which an alert that comes again is known.
const IDS_KEPT: usize = 200_000;
/// A dead letter that could not be written is tried again after this.
const DEAD_PAUSE: Duration = Duration::from_secs(5);
const ASK: Duration = Duration::from_secs(10);

/// Where a webhook begins that never ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum From {
    /// With the next alert.
    #[default]
    Latest,
    /// With the oldest alert that the topic has.
    Earliest,
}

/// What couriers share.
pub struct Office {
    pub kafka: KafkaSettings,
    pub group: String,
    pub topic: String,
    pub from: From,
    pub dead: DeadLetters,
    pub metrics: Metrics,
    pub stop: AtomicBool,
}

/// Follows the group: what is taken away is brought to an end and committed first.
struct Moves {
    context: Context,
    ledger: Arc<Ledger>,
    topic: String,
    /// As long as a request may take.
    patience: Duration,
}

impl ClientContext for Moves {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.context.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.context.error(error, text);
    }
}

impl ConsumerContext for Moves {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            let leaving: Vec<i32> = list.elements().iter().map(|element| element.partition()).collect();
            self.end(consumer, &leaving);
        }
    }
}

impl Moves {
    /// Waits for the requests that are under way, and commits what was told.
    fn end(&self, consumer: &BaseConsumer<Self>, partitions: &[i32]) {
        self.ledger.leave(partitions);
        let since = Instant::now();
        while self.ledger.is_trying(partitions) && since.elapsed() < self.patience {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.commit(consumer);
        self.ledger.forget(partitions);
    }

    fn commit(&self, consumer: &BaseConsumer<Self>) {
        let mut list = TopicPartitionList::new();
        for Place { partition, offset } in self.ledger.settle() {
            if let Err(error) = list.add_partition_offset(&self.topic, partition, Offset::Offset(offset)) {
                tracing::error!(%error, partition, offset, "no offset");
            }
        }
        if list.count() > 0
            && let Err(error) = consumer.commit(&list, CommitMode::Sync)
        {
            tracing::warn!(
                "offsets were not committed, what was told may be told again: {}",
                self.context.explain(&error)
            );
        }
    }
}

/// An alert on its way.
struct Errand {
    ticket: Ticket,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Told, or kept as a dead letter.
    Done,
    /// It is another's now.
    Gone,
    Again(Duration),
}

/// What requests need.
#[derive(Clone)]
struct Desk {
    office: Arc<Office>,
    webhook: Arc<Webhook>,
    client: Client,
    ledger: Arc<Ledger>,
    told: Arc<Mutex<Told>>,
    counters: Counters,
}

/// Tells a webhook until the office stops.
///
/// # Errors
/// When the cluster or the machine's certificates cannot be used.
pub fn run(office: &Arc<Office>, webhook: Webhook, runtime: &Handle) -> Result<(), String> {
    let ledger = Arc::new(Ledger::default());
    let consumer = join(office, &webhook, &ledger)?;
    let desk = Desk {
        office: Arc::clone(office),
        client: client(&webhook)?,
        counters: office.metrics.of(&webhook.name),
        webhook: Arc::new(webhook),
        ledger,
        told: Arc::new(Mutex::new(Told::new(IDS_KEPT))),
    };
    let mut under_way = JoinSet::new();
    let mut full_since: Option<Instant> = None;
    let mut held = false;
    while !office.stop.load(Ordering::Relaxed) {
        while under_way.try_join_next().is_some() {}
        consumer.context().commit(&consumer);
        if under_way.len() < AT_ONCE {
            full_since = None;
        } else if full_since.get_or_insert_with(Instant::now).elapsed() < HOLD_AFTER {
            // Made within the runtime, whose clock it needs.
            let _ = runtime.block_on(async { tokio::time::timeout(POLL, under_way.join_next()).await });
            continue;
        }
        hold(&consumer, full_since.is_some(), &mut held);
        match consumer.poll(if under_way.is_empty() { POLL } else { POLL / 10 }) {
            Some(Ok(message)) => take(&desk, message.detach(), &mut under_way, runtime),
            Some(Err(error)) => match of_reading(&error) {
                Some(Failure::Abort(reason)) => tracing::warn!(webhook = desk.webhook.name, "{reason}"),
                Some(failure) => return Err(failure.to_string()),
                None => {}
            },
            None => {}
        }
    }
    consumer.context().end(&consumer, &desk.ledger.partitions());
    Ok(())
}

/// Joins the webhook's group. Where it has committed nothing yet and begins with the latest, that place is committed first: what
/// comes while it is away is not missed.
fn join(office: &Office, webhook: &Webhook, ledger: &Arc<Ledger>) -> Result<BaseConsumer<Moves>, String> {
    let mut config = office.kafka.client_config();
    config
        .set("group.id", format!("{}-webhooks-{}", office.group, webhook.name))
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        // Alerts wait in the topic, not here.
        .set("queued.max.messages.kbytes", "1024");
    if config.get("group.protocol") != Some("consumer") {
        config.set("partition.assignment.strategy", "cooperative-sticky");
    }
    let moves = Moves {
        context: Context::default(),
        ledger: Arc::clone(ledger),
        topic: office.topic.clone(),
        patience: webhook.timeout,
    };
    let consumer: BaseConsumer<Moves> = config.create_with_context(moves).map_err(|error| error.to_string())?;
    let explain = |error: KafkaError| consumer.context().context.explain(&error).to_string();
    if office.from == From::Latest {
        begin_at_end(&consumer, &office.topic).map_err(explain)?;
    }
    consumer.subscribe(&[&office.topic]).map_err(explain)?;
    Ok(consumer)
}

fn begin_at_end(consumer: &BaseConsumer<Moves>, topic: &str) -> Result<(), KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), ASK)?;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        list.add_partition(topic, partition.id());
    }
    let committed = consumer.committed_offsets(list, ASK)?;
    // A group that committed once is past its beginning, also where partitions were added since.
    if committed.elements().iter().any(|element| matches!(element.offset(), Offset::Offset(_))) {
        return Ok(());
    }
    let mut ends = TopicPartitionList::new();
    for element in committed.elements() {
        let (_, end) = consumer.fetch_watermarks(topic, element.partition(), ASK)?;
        ends.add_partition_offset(topic, element.partition(), Offset::Offset(end))?;
    }
    consumer.commit(&ends, CommitMode::Sync)
}

/// Fetches no more while enough is under way; the group goes on being polled.
fn hold(consumer: &BaseConsumer<Moves>, full: bool, held: &mut bool) {
    // Partitions may have come meanwhile, so all of them are told again.
    if !full && !*held {
        return;
    }
    let done = consumer.assignment().and_then(|all| if full { consumer.pause(&all) } else { consumer.resume(&all) });
    if let Err(error) = done {
        tracing::debug!(%error, full, "partitions were not paused or resumed");
    }
    *held = full;
}

fn take(desk: &Desk, message: OwnedMessage, under_way: &mut JoinSet<()>, runtime: &Handle) {
    let ticket = desk.ledger.take(Place { partition: message.partition(), offset: message.offset() });
    let errand = Errand {
        ticket,
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().unwrap_or_default().to_vec(),
    };
    let alert = match Alert::read(&errand.value) {
        Ok(alert) => alert,
        Err(reason) => {
            let desk = desk.clone();
            let bury = async move {
                desk.bury(&errand, &format!("no alert: {reason}")).await;
            };
            under_way.spawn_on(bury, runtime);
            return;
        }
    };
    if !desk.webhook.wants(alert.data.severity, &alert.data.pattern) {
        desk.counters.filtered.inc();
        desk.ledger.done(ticket);
    } else {
        let desk = desk.clone();
        under_way.spawn_on(async move { desk.tell(&errand, &alert).await }, runtime);
    }
}

impl Desk {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells it, again and again if need be, until it is told, kept, or the partition is another's.
    async fn tell(&self, errand: &Errand, alert: &Alert) {
        loop {
            let claim = self.told().claim(&alert.id);
            match claim {
                Claim::Granted => break,
                Claim::Told => {
                    self.counters.repeated.inc();
                    return self.ledger.done(errand.ticket);
                }
                Claim::Busy if self.rested(errand.ticket, POLL).await => {}
                Claim::Busy => return,
            }
        }
        let body = alert.body(self.webhook.kind, &errand.value);
        let mut attempts = 0;
        let told = loop {
            attempts += 1;
            match self.try_once(errand, alert, &body, attempts).await {
                Next::Done => break true,
                Next::Gone => break false,
                Next::Again(pause) if self.rested(errand.ticket, pause).await => {}
                Next::Again(_) => break false,
            }
        };
        self.told().give_up(&alert.id, told);
        if told {
            self.ledger.done(errand.ticket);
        }
    }

    async fn try_once(&self, errand: &Errand, alert: &Alert, body: &[u8], attempts: u32) -> Next {
        if !self.ledger.try_now(errand.ticket) {
            return Next::Gone;
        }
        let reason = match attempt(&self.client, &self.webhook, &alert.id, body, EventTime::now()).await {
            Outcome::Delivered => {
                self.counters.delivered.inc();
                return Next::Done;
            }
            Outcome::Refused(reason) => reason,
            Outcome::Later { reason, .. } if attempts >= self.webhook.attempts => format!("{reason}, {attempts} times"),
            Outcome::Later { reason, after } => {
                self.ledger.wait(errand.ticket);
                self.counters.retried.inc();
                let pause = pause(attempts, after, chance(&alert.id, attempts));
                let (webhook, id, seconds) = (&self.webhook.name, &alert.id, pause.as_secs_f64());
                tracing::warn!(webhook, alert = id, attempts, seconds, "{reason}; it is tried again");
                return Next::Again(pause);
            }
        };
        if self.bury(errand, &reason).await { Next::Done } else { Next::Gone }
    }

    /// Keeps what cannot be told; `false` when the partition is another's, or the process stops.
    async fn bury(&self, errand: &Errand, reason: &str) -> bool {
        let webhook = &self.webhook.name;
        let Place { partition, offset } = errand.ticket.place;
        tracing::error!(webhook, partition, offset, "an alert was not told: {reason}");
        while self.ledger.try_now(errand.ticket) {
            match self.office.dead.keep(webhook, reason, &errand.key, &errand.value).await {
                Ok(()) => {
                    self.counters.failed.inc();
                    self.ledger.done(errand.ticket);
                    return true;
                }
                Err(error) => tracing::error!(webhook, "the dead letter was not written and is tried again: {error}"),
            }
            self.ledger.wait(errand.ticket);
            if !self.rested(errand.ticket, DEAD_PAUSE).await {
                break;
            }
        }
        false
    }

    /// Waits so long; `false` when meanwhile the process stops, or the partition goes.
    async fn rested(&self, ticket: Ticket, pause: Duration) -> bool {
        let until = tokio::time::Instant::now() + pause;
        while tokio::time::Instant::now() < until {
            if self.office.stop.load(Ordering::Relaxed) || !self.ledger.holds(ticket) {
                return false;
            }
            tokio::time::sleep_until(until.min(tokio::time::Instant::now() + POLL)).await;
        }
        true
    }
}

/// From 0 to 1, another for each alert and attempt, and for each moment.
fn chance(id: &str, attempts: u32) -> f64 {
    let seed = EventTime::now().micros().unsigned_abs() ^ u64::from(attempts);
    let drawn = xxhash_rust::xxh3::xxh3_64_with_seed(id.as_bytes(), seed);
    f64::from(u32::try_from(drawn >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
