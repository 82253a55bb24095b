//! What is known of the way to the brokers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use data::EventTime;
use data::kafka::{Context, KafkaSettings, nameless_id, topic_id};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use serde::Serialize;
use utoipa::ToSchema;

use super::follow::Follow;
use super::reader::TopicNames;

const LOOK_EVERY: Duration = Duration::from_secs(2);
const ASK: Duration = Duration::from_secs(3);

/// The live side of a view.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LiveStatus)]
pub struct LiveState {
    pub connected: bool,
    /// Of the connection, or of its loss.
    pub since: String,
    /// Lines on the topic of orders that the publication does not cover; refused ones among them.
    pub lines_since_publication: u64,
    pub newest_order_at: Option<String>,
    /// Lines on the topic of orders whose effect is not in the view yet; `null` while it is unknown.
    pub lag: Option<u64>,
    pub error: Option<String>,
    /// Records in the topic of dead letters.
    #[serde(skip)]
    pub dead_letters: Option<u64>,
}

/// The same, shared and kept up.
#[derive(Debug)]
pub struct LiveStatus {
    state: Mutex<LiveState>,
    /// Enriched orders taken in since the start.
    pub orders: AtomicU64,
    /// Records that could not be read.
    pub unreadable: AtomicU64,
}

impl Default for LiveStatus {
    fn default() -> Self {
        let state = LiveState {
            connected: false,
            since: now(),
            lines_since_publication: 0,
            newest_order_at: None,
            lag: None,
            error: Some("not connected yet".to_owned()),
            dead_letters: None,
        };
        Self { state: Mutex::new(state), orders: AtomicU64::new(0), unreadable: AtomicU64::new(0) }
    }
}

impl LiveStatus {
    #[must_use]
    pub fn state(&self) -> LiveState {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connected, or why not.
    pub fn set(&self, error: Option<String>) {
        let mut state = self.lock();
        let connected = error.is_none();
        if state.connected != connected {
            state.since = now();
            if connected {
                tracing::info!("live orders are merged");
            }
        }
        if let Some(reason) = error.as_ref().filter(|reason| Some(*reason) != state.error.as_ref()) {
            tracing::warn!(reason, "live orders are not merged now; the last view stays");
        }
        (state.connected, state.error) = (connected, error);
    }

    /// Takes note of an enriched order; those that were there before the start are not `new`.
    pub fn saw_order(&self, at: &str, new: bool) {
        self.orders.fetch_add(u64::from(new), Ordering::Relaxed);
        let mut state = self.lock();
        if state.newest_order_at.as_deref().is_none_or(|newest| newest < at) {
            state.newest_order_at = Some(at.to_owned());
        }
    }
}

fn now() -> String {
    EventTime::from_micros(EventTime::now().micros() / 1_000_000 * 1_000_000).to_string()
}

/// Looks every other second whether the brokers answer and how far the topics go, on a thread of its own.
pub(super) fn pulse(
    kafka: KafkaSettings,
    names: TopicNames,
    status: Arc<LiveStatus>,
    shared: Arc<Follow>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut config = kafka.client_config();
        // Looked at only: without a subscription nobody joins the group.
        config.set("group.id", &names.group).set("enable.auto.commit", "false");
        let Ok(client) = config.create_with_context::<_, BaseConsumer<Context>>(Context::default()) else { return };
        while !shared.stopped() {
            look(&client, &names, &status, &shared);
            shared.wait(LOOK_EVERY);
        }
    })
}

fn look(client: &BaseConsumer<Context>, names: &TopicNames, status: &LiveStatus, shared: &Follow) {
    // Serves the callbacks, which keep the reason of a failure.
    let _ = client.poll(Duration::ZERO);
    let metadata = match client.fetch_metadata(None, ASK) {
        Ok(metadata) => metadata,
        Err(error) => {
            status.set(Some(client.context().explain(&error).to_string()));
            status.lock().lag = None;
            return;
        }
    };
    client.context().forget();
    let partitions = |name: &str| -> Vec<i32> {
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        topic.map_or_else(Vec::new, |topic| topic.partitions().iter().map(|partition| partition.id()).collect())
    };
    if partitions(&names.orders).is_empty() && !shared.topic_id().is_empty() {
        status.set(Some(format!("there is no topic {} any more", names.orders)));
        status.lock().lag = None;
        return;
    }
    let topic_id = current_id(client, names, shared);
    let covered = shared.covered_of(&topic_id);
    let committed = committed(client, &names.orders, partitions(&names.orders));
    // Before the ends are asked for: what lies behind them then is of a topic that is gone.
    let seen = shared.seen();
    let (mut since, mut lag, mut remade) = (0, Some(0), None);
    for partition in partitions(&names.orders) {
        let Ok((low, high)) = client.fetch_watermarks(&names.orders, partition, ASK) else { return };
        let place = usize::try_from(partition).unwrap_or_default();
        let own = covered.get(place).copied().unwrap_or_default();
        if own > high {
            remade = Some(format!(
                "partition {partition} of {} ends at {high}, but the publication covers {own}: the topic was made anew, and its \
                 orders do not count before they reach that; give it another name, or archive and publish",
                names.orders
            ));
        }
        let from = own.max(low).min(high);
        since += u64::try_from(high - from).unwrap_or_default();
        // Refused lines give no enriched order, but are committed.
        let came = u32::try_from(partition).ok().and_then(|partition| Some(seen.get(&partition)? + 1));
        let reached = [came, committed.get(&partition).copied()].into_iter().flatten();
        let reached = reached.filter(|reached| *reached <= high).fold(from, i64::max);
        let behind = high - reached;
        lag = lag.map(|lag: u64| lag + u64::try_from(behind).unwrap_or_default());
    }
    let dead = data::topics::dead_letter(&names.orders);
    let letters = partitions(&dead).into_iter().filter_map(|partition| {
        let (low, high) = client.fetch_watermarks(&dead, partition, ASK).ok()?;
        u64::try_from(high - low).ok()
    });
    let dead_letters = Some(letters.sum());
    // Until then it is the connecting itself that tells what it waits for.
    if shared.restored.load(Ordering::Relaxed) {
        status.set(remade);
    }
    let mut state = status.lock();
    (state.lines_since_publication, state.lag, state.dead_letters) = (since, lag, dead_letters);
}

/// The id of the topic of orders; where it or that of the state is not the one that is followed, everything is read anew.
fn current_id(client: &BaseConsumer<Context>, names: &TopicNames, shared: &Follow) -> String {
    let followed = shared.topic_ids();
    // Who gives no ids may not even answer.
    if followed.orders.is_empty() || followed.orders == nameless_id(&names.orders) {
        return followed.orders;
    }
    let now = |name: &str, before: &String| match topic_id(client.client(), name, ASK) {
        Ok(Some(id)) => id,
        _ => before.clone(),
    };
    let (orders, state) = (now(&names.orders, &followed.orders), now(&names.customer_state, &followed.state));
    if orders != followed.orders || state != followed.state {
        shared.read_anew();
    }
    orders
}

/// How far the group of `speed` has come, by partition.
fn committed(client: &BaseConsumer<Context>, topic: &str, partitions: Vec<i32>) -> HashMap<i32, i64> {
    let mut asked = TopicPartitionList::new();
    for partition in partitions {
        asked.add_partition(topic, partition);
    }
    let found = client.committed_offsets(asked, ASK).unwrap_or_default();
    let offset = |element: &TopicPartitionListElem<'_>| match element.offset() {
        Offset::Offset(offset) => Some((element.partition(), offset)),
        _ => None,
    };
    found.elements().iter().filter_map(offset).collect()
}
