//! The thread that owns the merged view: publications and records in, views and events out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use data::kafka::KafkaSettings;
use data::state::StateRecord;
use data::{DateFormat, DayMonth, EventTime};

use super::reader::{Reader, Step, Topic, TopicIds, TopicNames};
use super::recent::Recent;
use super::status::pulse;
use super::{Alert, Change, Changed, Feeds, LiveStatus, Order, RuleChange};
use crate::behaviour::{Behaviour, follow_members};
use crate::view::{Batch, Measure, Merger, View};

/// Views and events are given out so often.
const TICK: Duration = Duration::from_millis(50);
const RETRY: Duration = Duration::from_secs(2);
/// How often new partitions and topics are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What the thread shares with those who answer.
pub struct Follow {
    /// `None` until there is a publication.
    pub view: RwLock<Option<Arc<View>>>,
    pub feeds: Feeds,
    pub behaviour: Behaviour,
    pub status: LiveStatusOrNone,
    pub stop: AtomicBool,
    /// The state was read to its end, or there are no brokers.
    pub restored: AtomicBool,
    topic_ids: Mutex<TopicIds>,
    seen: Mutex<HashMap<u32, i64>>,
    /// Whether a topic is another one than that which is followed.
    made_anew: AtomicBool,
    /// The brokers were asked in vain: until they answer there is what the lake has.
    pub tried: AtomicBool,
}

type LiveStatusOrNone = Option<Arc<LiveStatus>>;

impl Follow {
    /// With brokers to follow, or without.
    #[must_use]
    pub fn new(live: bool) -> Self {
        Self {
            view: RwLock::default(),
            feeds: Feeds::default(),
            behaviour: Behaviour::default(),
            status: live.then(Arc::default),
            stop: AtomicBool::new(false),
            restored: AtomicBool::new(!live),
            topic_ids: Mutex::default(),
            seen: Mutex::default(),
            made_anew: AtomicBool::new(false),
            tried: AtomicBool::new(false),
        }
    }

    #[must_use]
    pub fn view(&self) -> Option<Arc<View>> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits so long, or until the process ends.
    pub(crate) fn wait(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.stopped() && Instant::now() < until {
            thread::sleep(TICK);
        }
    }

    /// Counts a record that cannot be read.
    pub(crate) fn unreadable(&self, topic: &str, reason: &str) {
        let Some(status) = &self.status else { return };
        if status.unreadable.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(topic, reason, "a record cannot be read, and is passed over; more of them are only counted");
        }
    }

    /// By partition of the topic of orders: the first offset that the publication does not cover.
    #[must_use]
    pub fn covered(&self) -> Vec<i64> {
        self.covered_of(&self.topic_id())
    }

    /// The same of the topic that has this id.
    pub(crate) fn covered_of(&self, topic_id: &str) -> Vec<i64> {
        self.view().map_or_else(Vec::new, |view| view.judged.batch.base.covered(topic_id).to_vec())
    }

    /// Of the topic of orders that is followed; empty before there is one.
    pub(crate) fn topic_id(&self) -> String {
        self.topic_ids().orders
    }

    pub(crate) fn topic_ids(&self) -> TopicIds {
        self.topic_ids.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on what lies in the topics of these ids is followed.
    fn set_topic_ids(&self, ids: &TopicIds) {
        let mut followed = self.topic_ids.lock().unwrap_or_else(PoisonError::into_inner);
        if followed.orders != ids.orders {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        followed.clone_from(ids);
        self.made_anew.store(false, Ordering::Relaxed);
    }

    /// By partition of the topic of orders: the newest line whose enriched order came.
    pub(crate) fn seen(&self) -> HashMap<u32, i64> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything is read anew: a topic is another one.
    pub(crate) fn read_anew(&self) {
        self.made_anew.store(true, Ordering::Relaxed);
    }
}

/// Starts the thread. `batches` brings publications, the first one before anything is served.
pub fn follow(
    shared: Arc<Follow>,
    batches: Receiver<Arc<Batch>>,
    kafka: Option<(KafkaSettings, TopicNames)>,
) -> Vec<thread::JoinHandle<()>> {
    let mut threads = Vec::new();
    if let (Some((kafka, names)), Some(status)) = (kafka.clone(), shared.status.clone()) {
        let segments = names.rule_segments.clone();
        threads.push(pulse(kafka.clone(), names, status, Arc::clone(&shared)));
        threads.push(follow_members(Arc::clone(&shared), kafka, segments));
    }
    threads.push(thread::spawn(move || {
        let Some(first) = wait_for_first(&shared, &batches) else { return };
        Loop {
            merger: Merger::new(first),
            shared,
            batches,
            kafka,
            reader: None,
            tried: None,
            looked: Instant::now(),
            alerts: Recent::default(),
        }
        .run();
    }));
    threads
}

fn wait_for_first(shared: &Follow, batches: &Receiver<Arc<Batch>>) -> Option<Arc<Batch>> {
    while !shared.stopped() {
        match batches.recv_timeout(TICK) {
            Ok(batch) => return Some(batch),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

struct Loop {
    merger: Merger,
    shared: Arc<Follow>,
    batches: Receiver<Arc<Batch>>,
    kafka: Option<(KafkaSettings, TopicNames)>,
    reader: Option<Reader>,
    tried: Option<Instant>,
    looked: Instant,
    alerts: Recent,
}

/// What came in within one tick.
#[derive(Default)]
struct Tick {
    dirty: bool,
    restored: bool,
    lost: Option<String>,
    orders: Vec<(u32, i64, String, Order)>,
    changes: Vec<(u32, i64, String, Change)>,
    rule_changes: Vec<(u32, i64, String, RuleChange)>,
    alerts: Vec<(u32, i64, String, Alert)>,
}

impl Loop {
    fn run(mut self) {
        self.give_view();
        while !self.shared.stopped() {
            let mut tick = Tick::default();
            let until = Instant::now() + TICK;
            self.connect();
            if self.reader.is_some() {
                self.read(&mut tick, until);
            }
            self.take_publications(&mut tick, until);
            self.finish(tick);
        }
    }

    fn give_view(&mut self) {
        let view = self.merger.view();
        let judged = Arc::clone(&view.judged);
        *self.shared.view.write().unwrap_or_else(PoisonError::into_inner) = Some(view);
        // Here rather than in the first request that asks for a median.
        let _ = judged.column(Some(0), Measure::Monetary);
    }

    fn connect(&mut self) {
        let (Some((kafka, names)), Some(status)) = (&self.kafka, &self.shared.status) else { return };
        if self.reader.is_some() || self.tried.is_some_and(|tried| tried.elapsed() < RETRY) {
            return;
        }
        self.tried = Some(Instant::now());
        let opened = Reader::connect(kafka, names).and_then(|mut reader| {
            self.merger.follow(&reader.topic_ids.orders);
            look(&mut reader, &self.shared.feeds)?;
            Ok(reader)
        });
        match opened {
            Ok(reader) => {
                self.shared.set_topic_ids(&reader.topic_ids);
                self.reader = Some(reader);
                self.looked = Instant::now();
            }
            Err(reason) => {
                status.set(Some(reason));
                self.shared.tried.store(true, Ordering::Relaxed);
            }
        }
    }

    fn read(&mut self, tick: &mut Tick, until: Instant) {
        let Some(mut reader) = self.reader.take() else { return };
        let mut idle = [false; 2];
        while Instant::now() < until && tick.lost.is_none() {
            // Whoever has nothing waits a little for the other.
            let patience = if idle == [true; 2] { Duration::from_millis(5) } else { Duration::ZERO };
            let [state_idle, events_idle] = &mut idle;
            reader.poll_state(patience, |step| *state_idle = self.take(tick, step));
            reader.poll_events(patience, |step| *events_idle = self.take(tick, step));
        }
        if self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            if let Err(reason) = look(&mut reader, &self.shared.feeds) {
                tracing::debug!(reason, "topics cannot be looked at now");
            }
        }
        if self.shared.made_anew.load(Ordering::Relaxed) {
            tick.lost.get_or_insert_with(|| "a topic was deleted and made again".to_owned());
        }
        if tick.lost.is_none() {
            self.reader = Some(reader);
        }
    }

    /// Whether nothing came.
    fn take(&mut self, tick: &mut Tick, step: Step<'_>) -> bool {
        match step {
            Step::Record { topic: Topic::State, key, value, .. } => self.take_state(tick, key, value),
            Step::Record { topic: Topic::Rules, key, value, .. } => {
                if let Err(error) = self.shared.behaviour.put_status(&String::from_utf8_lossy(key), value) {
                    self.shared.unreadable("rule-status", &error.to_string());
                }
            }
            Step::Record { topic, partition, offset, written_at, key, value: Some(value) } => {
                self.take_event(tick, topic, (partition, offset, written_at), (key, value));
            }
            Step::Restored => tick.restored = true,
            Step::Lost(reason) => tick.lost = Some(reason),
            Step::Idle => return true,
            Step::Record { .. } | Step::Nothing => {}
        }
        false
    }

    fn take_state(&mut self, tick: &mut Tick, key: &[u8], value: Option<&[u8]>) {
        let id = String::from_utf8_lossy(key);
        match value.map(StateRecord::read).transpose() {
            Ok(record) => {
                self.merger.apply(&id, record);
                tick.dirty = true;
            }
            Err(reason) => self.shared.unreadable("customer-state", &reason),
        }
    }

    fn take_event(&mut self, tick: &mut Tick, topic: Topic, at: (u32, i64, EventTime), (key, value): (&[u8], &[u8])) {
        let (partition, offset, written_at) = at;
        let read = match topic {
            Topic::State | Topic::Rules => Ok(()),
            Topic::Orders => Order::read(value, written_at.to_string()).and_then(|order| {
                self.saw(&order);
                let data = serde_json::to_string(&order)?;
                tick.orders.push((partition, offset, data, order));
                Ok(())
            }),
            Topic::Changes => Changed::read(value, written_at.to_string()).and_then(|changed| {
                match changed {
                    Changed::Segment(change) => {
                        tick.changes.push((partition, offset, serde_json::to_string(&change)?, change));
                    }
                    Changed::Rule(change) => {
                        tick.rule_changes.push((partition, offset, serde_json::to_string(&change)?, change));
                    }
                }
                Ok(())
            }),
            Topic::Alerts => Alert::read(&String::from_utf8_lossy(key), value).and_then(|alert| {
                // Processing at least once tells of some again.
                if !self.alerts.is_new(&alert.id) {
                    return Ok(());
                }
                tick.alerts.push((partition, offset, serde_json::to_string(&alert)?, alert));
                Ok(())
            }),
        };
        if let Err(error) = read {
            self.shared.unreadable("events", &error.to_string());
        }
    }

    fn saw(&mut self, order: &Order) {
        let at: Option<EventTime> = DateFormat::Order(DayMonth::MonthFirst).parse(order.ordered_at.as_bytes());
        self.merger.observe(&order.customer_id, &order.country, at);
        if let Some(status) = &self.shared.status {
            status.saw_order(&order.ordered_at, self.shared.restored.load(Ordering::Relaxed));
        }
        if let Some((partition, offset)) = order.source {
            let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let newest = seen.entry(partition).or_insert(offset);
            *newest = (*newest).max(offset);
        }
    }

    fn take_publications(&mut self, tick: &mut Tick, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let wait = if self.reader.is_none() { left } else { Duration::ZERO };
        match self.batches.recv_timeout(wait) {
            Ok(batch) => {
                let since = Instant::now();
                self.merger.publish(batch);
                tick.dirty = true;
                let (publication, ms) = (self.merger.publication(), since.elapsed().as_millis());
                tracing::info!(publication, ms, "publication taken up");
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Nobody looks for publications any more: the process is ending.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(wait),
        }
    }

    fn finish(&mut self, tick: Tick) {
        if let Some(reason) = tick.lost {
            tracing::warn!(reason, "the topics are read anew");
            self.merger.forget();
            self.shared.restored.store(false, Ordering::Relaxed);
            self.reader = None;
        }
        if tick.restored {
            self.merger.set_live(true);
            self.shared.restored.store(true, Ordering::Relaxed);
            if let Some(status) = &self.shared.status {
                status.set(None);
            }
        }
        let is_restored = self.shared.restored.load(Ordering::Relaxed);
        let newest = !tick.orders.is_empty();
        // While the state is read, views would be neither the publication's nor the merged one.
        if (tick.dirty || newest || tick.restored) && (is_restored || self.kafka.is_none() || self.reader.is_none()) {
            self.give_view();
        }
        let feeds = &self.shared.feeds;
        feeds.orders.publish(tick.orders);
        feeds.changes.publish(tick.changes);
        feeds.rule_changes.publish(tick.rule_changes);
        feeds.alerts.publish(tick.alerts);
    }
}

fn look(reader: &mut Reader, feeds: &Feeds) -> Result<(), String> {
    reader.look(|topic, partition, before, end| match topic {
        Topic::State | Topic::Rules => {}
        Topic::Orders => feeds.orders.begin(partition, before, end),
        Topic::Changes => {
            feeds.changes.begin(partition, before, end);
            feeds.rule_changes.begin(partition, before, end);
        }
        Topic::Alerts => feeds.alerts.begin(partition, before, end),
    })
}
