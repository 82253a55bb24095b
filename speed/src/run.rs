//! The whole of a run: topics → publication → workers, until somebody says stop.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use data::EventTime;
use data::kafka::Topics;
use data::lake::{Lake, Table};
use tokio::runtime::Handle;

use crate::archive::{self, Archiver};
use crate::catalog::Catalog;
use crate::config::{Config, Place};
use crate::error::{Error, Result};
use crate::http::{self, Health};
use crate::kafka::{Call, Delivery, KafkaPort, MESSAGE_BYTES, REBALANCED, Spans};
use crate::lag::{self, LagWatch};
use crate::observe::observe;
use crate::operators::segments::{Reading, Shelf};
use crate::rule_watch;
use crate::rulebook::Rulebook;
use crate::topology::{Plan, TopicNames, Topology, topology};
use crate::worker::port::{Failure, Writing};
use crate::worker::{Step, Worker};

/// Partitions of the topic `orders` when nobody has made it.
const PARTITIONS: u32 = 4;
/// A worker that ended is started anew after the first of these, one that keeps ending after the last.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15)];

/// How long a run that was asked to stop waits for the brokers.
const LEAVING: Duration = Duration::from_secs(3);
/// A transaction's call that lasts so long while the brokers answer never ends: librdkafka can lose the answer, and then waits for it
/// whatever time it was given.
const STUCK: Duration = Duration::from_secs(120);
const MADE_ANEW: &str = "the topic of orders was deleted and made again; the next start tells what is to be done about the state that is left";
/// Below this, what a topic of orders holds may be gone before it is archived.
const SHORTEST_RETENTION_MS: i64 = 3_600_000;

/// What the threads of a run share.
pub struct Shared {
    pub stop: AtomicBool,
    pub health: Arc<Health>,
    /// The shards that this process runs now.
    pub owned: Mutex<BTreeSet<u32>>,
    failure: Mutex<Option<Failure>>,
    /// Workers that have fenced their predecessors.
    fenced: AtomicU32,
    /// By worker, the call that it waits for.
    calls: Mutex<BTreeMap<u32, Arc<Call>>>,
}

/// Runs until `stop` is set or a worker needs a person.
///
/// # Errors
/// When the lake or the cluster cannot be used, or a worker stopped for good.
pub async fn run(config: Config, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let shared = Arc::new(Shared {
        stop: AtomicBool::new(false),
        health: Arc::default(),
        owned: Mutex::default(),
        failure: Mutex::default(),
        fenced: AtomicU32::new(0),
        calls: Mutex::default(),
    });
    let asked = Arc::clone(&shared);
    tokio::spawn(async move {
        stop.await;
        tracing::info!("stopping: what is open is committed first");
        asked.stop.store(true, Ordering::Relaxed);
    });
    if let Some(address) = http::serve(config.listen, Arc::clone(&shared.health)).await? {
        tracing::info!("metrics on http://{address}/metrics");
    }
    let lake = Lake::open_existing(&config.place.lake)?;
    let stopped = || shared.stop.load(Ordering::Relaxed);
    let rules = rule_watch::open(&config)?;
    // Both take a while.
    let ready = async { tokio::try_join!(Catalog::open(lake.clone(), stopped), find_topics(&config, rules.is_some())) };
    let (opened, topics) = tokio::select! {
        ready = ready => ready?,
        () = shared.stopped() => return Ok(()),
    };
    let Some((catalog, watch)) = opened else { return Ok(()) };
    let plan = plan(&config, &lake, topics, rules.as_ref().map(|(book, _)| Arc::clone(book))).await?;
    let topology = Arc::new(topology(&plan));
    tokio::spawn(Arc::clone(&catalog).keep_up(watch));
    shared.health.ready.store(true, Ordering::Relaxed);

    let names = Arc::new(Names::claim(&config.place.group, config.instance.as_deref()));
    let mut threads = start_workers(&config, &shared, &names, &catalog, &topology);
    threads.extend(start_archiver(&config, &plan, lake, &shared)?);
    threads.push(start_lag_watch(&config, &plan, &shared)?);
    if let Some(rules) = rules {
        threads.push(rule_watch::start(rules, &config, &names.process, &shared)?);
    }
    observe(&shared, &catalog).await;
    let asked = Instant::now();
    while threads.iter().any(|thread| !thread.is_finished()) {
        if asked.elapsed() > LEAVING {
            tracing::warn!(
                "brokers or lake do not answer: what is open is left to its timeout, and done again by who comes next"
            );
            threads.retain(JoinHandle::is_finished);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for thread in threads {
        if thread.join().is_err() {
            shared.fail(Failure::Stop("a thread panicked; its message is above".to_owned()));
        }
    }
    let failure = shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

/// Says what the operators are laid over; there is a publication.
async fn plan(
    config: &Config,
    lake: &Lake,
    (shards, orders_id): (u32, String),
    rules: Option<Arc<Rulebook>>,
) -> Result<Plan> {
    let cleaning = match lake.snapshot(Table::Orders, None).await? {
        Some(orders) => orders.rules()?,
        None => data::Rules::default(),
    };
    let reading = Reading { rules: cleaning, dates: config.dates.clone() };
    let publications = lake.snapshot(Table::Publications, None).await?;
    let lake_id = publications.map_or_else(|| Ok(String::new()), |table| table.id())?.into();
    let (topics, orders_id) = (config.place.topics.clone(), orders_id.into());
    Ok(Plan { topics, shards, orders_id, lake_id, reading, patience: config.patience, rules })
}

/// [`topics`], on a thread of its own.
async fn find_topics(config: &Config, with_rules: bool) -> Result<(u32, String)> {
    let (place, delivery) = (config.place.clone(), config.delivery);
    let found = tokio::task::spawn_blocking(move || topics(&place, delivery, with_rules));
    found.await.map_err(|error| Error::Kafka(error.to_string()))?.map_err(Error::Kafka)
}

/// Finds or makes the topics; how many shards there are, and the id of `orders`.
fn topics(place: &Place, delivery: Delivery, with_rules: bool) -> std::result::Result<(u32, String), String> {
    let names = &place.topics;
    let cluster = Topics::new(&place.kafka)?;
    cluster.reach().map_err(|failure| failure.to_string())?;
    if delivery == Delivery::ExactlyOnce && cluster.is_embedded() {
        return Err("the embedded broker has no transactions: give --delivery at-least-once".to_owned());
    }
    let ensure = |name: &str, partitions: u32, configs: &[(&str, &str)]| {
        let configs = [&[("max.message.bytes", MESSAGE_BYTES)], configs].concat();
        cluster.ensure(name, partitions, &configs).map_err(|failure| failure.to_string())
    };
    let orders = ensure(&names.orders, PARTITIONS, &[("retention.ms", "-1")])?;
    // Shards are counted once, when the state's topic is made: a key never changes its shard afterwards.
    let shards =
        ensure(&names.customer_state, orders, &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.1")])?;
    let by_customer = ensure(&names.orders_by_customer, shards, &[("retention.ms", "-1")])?;
    if by_customer != shards {
        return Err(format!(
            "topic {} has {by_customer} partitions and {} has {shards}: they must be as many, and never change; delete the former \
             if it is empty, and it is made with {shards}",
            names.orders_by_customer, names.customer_state
        ));
    }
    if let Some(policy) = cluster.setting(&names.customer_state, "cleanup.policy").filter(|policy| policy != "compact")
    {
        return Err(format!(
            "topic {0} has cleanup.policy={policy}, and what is deleted from it is forgotten: set it to compact (kafka-configs.sh \
             --alter --entity-type topics --entity-name {0} --add-config cleanup.policy=compact)",
            names.customer_state
        ));
    }
    for name in [&names.orders, &names.orders_by_customer] {
        if cluster.setting(name, "cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
            return Err(format!(
                "topic {name} has cleanup.policy=compact, which keeps one order of each customer: set it to delete (kafka-configs.sh \
                 --alter --entity-type topics --entity-name {name} --add-config cleanup.policy=delete)"
            ));
        }
        let retention = cluster.setting(name, "retention.ms").and_then(|ms| ms.parse::<i64>().ok());
        if let Some(ms) = retention.filter(|ms| (0..SHORTEST_RETENTION_MS).contains(ms)) {
            tracing::warn!(
                topic = name,
                "retention.ms={ms}: orders that are not processed and archived by then are lost"
            );
        }
    }
    for name in [&names.orders_enriched, &names.segment_changes, &data::topics::dead_letter(&names.orders)] {
        ensure(name, shards, &[])?;
    }
    if with_rules {
        rule_topics(names, shards, &ensure)?;
    }
    Ok((shards, cluster.id(&names.orders)?))
}

/// Finds or makes a topic with so many partitions and these settings; how many it has.
type Ensure<'e> = dyn Fn(&str, u32, &[(&str, &str)]) -> std::result::Result<u32, String> + 'e;

/// Finds or makes the topics that rules need; those by key and the changelogs must fit the shards.
fn rule_topics(names: &TopicNames, shards: u32, ensure: &Ensure<'_>) -> std::result::Result<(), String> {
    let compacted = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.1")];
    let forever = [("retention.ms", "-1")];
    for name in [&names.clickstream, &names.order_events] {
        // As many as shards: what is keyed by user then comes in order, and is not handed on.
        ensure(name, shards, &[])?;
        ensure(&data::topics::dead_letter(name), shards, &[])?;
    }
    let fixed: [(&String, &[(&str, &str)]); 6] = [
        (&names.clickstream_by_user, &forever),
        // As long as the clicks that are copied into it.
        (&names.clickstream_by_field, &[]),
        (&names.order_events_by_user, &forever),
        (&names.rule_state, &compacted),
        (&names.alert_state, &compacted),
        (&names.alert_state_by_field, &compacted),
    ];
    for (name, configs) in fixed {
        let found = ensure(name, shards, configs)?;
        if found != shards {
            return Err(format!("topic {name} has {found} partitions, but there are {shards} shards: delete it"));
        }
    }
    ensure(&names.rule_segments, shards, &compacted)?;
    ensure(&names.rule_status, 1, &compacted)?;
    ensure(&names.alerts, shards, &[])?;
    Ok(())
}

fn start_workers(
    config: &Config,
    shared: &Arc<Shared>,
    names: &Arc<Names>,
    catalog: &Arc<Catalog>,
    topology: &Arc<Topology>,
) -> Vec<JoinHandle<()>> {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = u32::try_from(cores).unwrap_or(u32::MAX);
    let count = config.workers.unwrap_or(cores).clamp(1, topology.shards.max(1));
    tracing::info!(
        workers = count,
        shards = topology.shards,
        group = config.place.group,
        name = names.process,
        "started"
    );
    (0..count)
        .map(|number| {
            let (config, shared, names) = (config.clone(), Arc::clone(shared), Arc::clone(names));
            let (catalog, topology) = (Arc::clone(catalog), Arc::clone(topology));
            thread::spawn(move || keep_working((number, count), &config, &shared, &names, &catalog, &topology))
        })
        .collect()
}

/// Starts the thread that gives the lake what was processed.
fn start_archiver(config: &Config, plan: &Plan, lake: Lake, shared: &Arc<Shared>) -> Result<Option<JoinHandle<()>>> {
    let Some(every) = config.archive_every else { return Ok(None) };
    let settings = archive::Settings {
        kafka: config.place.kafka.clone(),
        group: config.place.group.clone(),
        topic: plan.topics.orders.clone(),
        topic_id: plan.orders_id.to_string(),
        shards: plan.shards,
        reading: plan.reading.clone(),
        every,
        records: config.limits.cut_records,
        skip_lost: config.archive_skips_lost,
    };
    let mut archiver = Archiver::new(settings, lake, Handle::current())?;
    let shared = Arc::clone(shared);
    shared.health.metrics.archive_of(&plan.topics.orders, archiver.metrics());
    Ok(Some(thread::spawn(move || {
        let stopped = || shared.stop.load(Ordering::Relaxed);
        while !stopped() {
            let owned = shared.lock_owned().clone();
            let pause = archiver.step(&owned, &stopped);
            shared.waited(pause);
        }
    })))
}

fn start_lag_watch(config: &Config, plan: &Plan, shared: &Arc<Shared>) -> Result<JoinHandle<()>> {
    let watch = LagWatch::new(Spans::new(&config.place.kafka, &config.place.group)?, plan);
    let shared = Arc::clone(shared);
    Ok(thread::spawn(move || {
        while !shared.waited(lag::LOOK_EVERY) {
            let owned = shared.lock_owned().clone();
            let looked = watch.look(&owned, &shared.health.metrics);
            let was_silent = shared.health.silent.swap(looked.is_err(), Ordering::Relaxed);
            match looked {
                Err(error) if !was_silent => tracing::warn!(%error, "processing stands still until the brokers answer"),
                Ok(()) if watch.is_made_anew() => shared.fail(Failure::Ended(MADE_ANEW.to_owned())),
                Ok(()) if was_silent => tracing::info!("the brokers answer again"),
                Ok(()) => shared.look_for_stuck(),
                Err(_) => {}
            }
        }
    }))
}

/// Runs a worker, and another one when it has ended (EO-5), until the process stops.
fn keep_working(
    (number, count): (u32, u32),
    config: &Config,
    shared: &Shared,
    names: &Names,
    catalog: &Arc<Catalog>,
    topology: &Arc<Topology>,
) {
    let mut pauses = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let since = Instant::now();
        match work((number, count), config, shared, names, catalog, topology) {
            Ok(()) => return,
            Err(Failure::Ended(reason) | Failure::Abort(reason)) => {
                if since.elapsed() > Duration::from_secs(60) {
                    pauses = 0;
                }
                let pause = PAUSES.get(pauses).or(PAUSES.last()).copied().unwrap_or_default();
                pauses += 1;
                tracing::warn!(worker = number, reason, "the worker ended; another one starts in {pause:?}");
                if pauses > 1 && reason.to_ascii_lowercase().contains("fenced") {
                    let name = names.process.as_str();
                    tracing::warn!(
                        name,
                        "another process seems to run under this name: give each an --instance of its own"
                    );
                }
                shared.health.metrics.restarts.inc();
                shared.waited(pause);
            }
            Err(failure) => return shared.fail(failure),
        }
    }
}

/// One worker's life.
fn work(
    (number, count): (u32, u32),
    config: &Config,
    shared: &Shared,
    names: &Names,
    catalog: &Arc<Catalog>,
    topology: &Arc<Topology>,
) -> std::result::Result<(), Failure> {
    let name = format!("{}-{number}", names.process);
    let instance = config.instance.as_ref().map(|instance| format!("{instance}-{number}"));
    let group = config.place.group.as_str();
    let port = KafkaPort::new(
        Arc::clone(topology),
        &config.place.kafka,
        (group, &name),
        instance,
        config.delivery,
        config.start,
    )?;
    shared.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(number, port.call());
    let shelf: Arc<dyn Shelf + Send + Sync> = Arc::<Catalog>::clone(catalog);
    let mut worker =
        Worker::new(port, Arc::clone(topology), shelf, config.limits.clone())?.with_calendar(EventTime::now());
    shared.wait_for_fences(count);
    let clock = Instant::now();
    let mut owned = BTreeSet::new();
    let worked = loop {
        if shared.stop.load(Ordering::Relaxed) {
            break worker.finish(clock.elapsed());
        }
        let before = Instant::now();
        match worker.step(clock.elapsed()) {
            Ok(step) => {
                shared.health.metrics.observe(&step, before.elapsed());
                shared.moved(&step, &mut owned, before.elapsed());
            }
            Err(failure) => break Err(failure),
        }
    };
    shared.moved(&Step { closed: owned.iter().copied().collect(), ..Step::default() }, &mut owned, Duration::ZERO);
    if worked.is_err() {
        // What is open ends now rather than with its timeout, where that is still possible.
        let _ = worker.port().abort();
    }
    worked
}

impl Shared {
    pub(crate) fn lock_owned(&self) -> std::sync::MutexGuard<'_, BTreeSet<u32>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the process when a worker is stuck: the next one takes up where it last committed.
    fn look_for_stuck(&self) {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let stuck = calls.iter().find(|(_, call)| call.lasts() > STUCK).map(|(worker, _)| *worker);
        if let Some(worker) = stuck.filter(|_| !self.stop.load(Ordering::Relaxed)) {
            let reason =
                format!("worker {worker} has waited {} s for the brokers, which answer others", STUCK.as_secs());
            self.fail(Failure::Ended(reason));
        }
    }

    /// Until the run stops.
    async fn stopped(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits so long, or until the run stops: whether it has.
    pub(crate) fn waited(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while !self.stop.load(Ordering::Relaxed) && Instant::now() < until {
            thread::sleep(Duration::from_millis(50));
        }
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits for the other workers of this process, but not long, so that all of them join the group together: one that comes
    /// later takes shards away that have just been restored.
    fn wait_for_fences(&self, workers: u32) {
        let since = Instant::now();
        self.fenced.fetch_add(1, Ordering::Relaxed);
        while self.fenced.load(Ordering::Relaxed) < workers
            && since.elapsed() < Duration::from_secs(2)
            && !self.stop.load(Ordering::Relaxed)
        {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn moved(&self, step: &Step, own: &mut BTreeSet<u32>, took: Duration) {
        match &step.aborted {
            Some(reason) if reason.starts_with(REBALANCED) => tracing::info!(reason, "an epoch is done again"),
            Some(reason) => tracing::warn!(reason, "an epoch was aborted and is done again"),
            None => {}
        }
        if step.opened.is_empty() && step.closed.is_empty() {
            return;
        }
        for shard in &step.closed {
            own.remove(shard);
            self.lock_owned().remove(shard);
        }
        own.extend(&step.opened);
        self.lock_owned().extend(&step.opened);
        let (opened, closed) = (&step.opened, &step.closed);
        tracing::info!(?opened, ?closed, ms = took.as_millis(), "shards moved");
    }

    fn fail(&self, failure: Failure) {
        tracing::error!("{failure}");
        self.health.failed.store(true, Ordering::Relaxed);
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What this process is called: the same after a restart, so that what it left open is fenced at once.
struct Names {
    process: String,
    /// Held while the process lives; the next one on this machine then takes another number.
    _claim: Option<File>,
}

impl Names {
    fn claim(group: &str, instance: Option<&str>) -> Self {
        if let Some(instance) = instance {
            return Self { process: instance.to_owned(), _claim: None };
        }
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.trim();
        for number in 0..1_000 {
            let process = format!("{host}-{number}");
            // One place for all of a machine: where temporary files go is often each service's own.
            let name = format!("clientele-{group}-{process}.lock");
            let open = |folder: &Path| File::options().create(true).append(true).open(folder.join(&name));
            let file = open(Path::new("/run/lock")).or_else(|_| open(&std::env::temp_dir()));
            let Ok(file) = file else { break };
            if file.try_lock().is_ok() {
                return Self { process, _claim: Some(file) };
            }
        }
        let process = format!("{host}-{}-{}", std::process::id(), EventTime::now().micros());
        Self { process, _claim: None }
    }
}
