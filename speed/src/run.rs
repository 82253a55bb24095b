//! The whole of a run: topics → publication → workers, until somebody says stop.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
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
use crate::kafka::{Delivery, KafkaPort, MESSAGE_BYTES, Spans};
use crate::lag::{self, LagWatch};
use crate::operators::segments::{Reading, Shelf};
use crate::rulebook::{self, Found, Rulebook};
use crate::topology::{Plan, TopicNames, Topology, topology};
use crate::worker::port::{Failure, Writing};
use crate::worker::{Step, Worker};

/// Partitions of the topic `orders` when nobody has made it.
const PARTITIONS: u32 = 4;
/// A worker that ended is started anew after the first of these, one that keeps ending after the last.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15)];

/// What the threads of a run share.
pub struct Shared {
    pub stop: AtomicBool,
    pub health: Arc<Health>,
    /// The shards that this process runs now.
    pub owned: Mutex<BTreeSet<u32>>,
    failure: Mutex<Option<Failure>>,
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
    let Some((catalog, watch)) = Catalog::open(lake.clone(), stopped).await? else { return Ok(()) };
    let (book, rule_watch) = open_rules(&config)?.unzip();
    let plan = tokio::select! {
        plan = prepare(&config, &lake, book.clone()) => plan?,
        () = shared.stopped() => return Ok(()),
    };
    let topology = Arc::new(topology(&plan));
    tokio::spawn(Arc::clone(&catalog).keep_up(watch));
    shared.health.ready.store(true, Ordering::Relaxed);

    let mut threads = start_workers(&config, &shared, &catalog, &topology);
    threads.extend(start_archiver(&config, &plan, lake, &shared)?);
    threads.push(start_lag_watch(&config, &plan, &shared)?);
    threads.extend(book.zip(rule_watch).map(|(book, watch)| start_rule_watch(watch, book, &shared)));
    observe(&shared, &catalog).await;
    for thread in threads {
        if thread.join().is_err() {
            shared.fail(Failure::Stop("a thread panicked; its message is above".to_owned()));
        }
    }
    let failure = shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

/// Sees to it that the topics are there, and says what the operators are laid over.
async fn prepare(config: &Config, lake: &Lake, rules: Option<Arc<Rulebook>>) -> Result<Plan> {
    let cleaning = match lake.snapshot(Table::Orders, None).await? {
        Some(orders) => orders.rules()?,
        None => data::Rules::default(),
    };
    let reading = Reading { rules: cleaning, dates: config.dates.clone() };
    let publications = lake.snapshot(Table::Publications, None).await?;
    let lake_id = publications.map_or_else(|| Ok(String::new()), |table| table.id())?.into();
    let (place, delivery) = (config.place.clone(), config.delivery);
    let (lateness, idleness) = (config.lateness, config.idleness);
    let prepared = tokio::task::spawn_blocking(move || {
        let (shards, orders_id) = topics(&place, delivery, rules.is_some())?;
        let orders_id = orders_id.into();
        Ok(Plan { topics: place.topics, shards, orders_id, lake_id, reading, lateness, idleness, rules })
    });
    prepared.await.map_err(|error| Error::Kafka(error.to_string()))?.map_err(Error::Kafka)
}

/// Finds or makes the topics; how many shards there are, and the id of `orders`.
fn topics(place: &Place, delivery: Delivery, with_rules: bool) -> std::result::Result<(u32, String), String> {
    let names = &place.topics;
    let cluster = Topics::new(&place.kafka)?;
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
    for name in [&names.orders_enriched, &names.segment_changes, &data::topics::dead_letter(&names.orders)] {
        ensure(name, shards, &[])?;
    }
    if with_rules {
        rule_topics(names, shards, &ensure)?;
    }
    Ok((shards, cluster.id(&names.orders)))
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
    let fixed: [(&String, &[(&str, &str)]); 4] = [
        (&names.clickstream_by_user, &forever),
        (&names.order_events_by_user, &forever),
        (&names.rule_state, &compacted),
        (&names.alert_state, &compacted),
    ];
    for (name, configs) in fixed {
        let found = ensure(name, shards, configs)?;
        if found != shards {
            return Err(format!("topic {name} has {found} partitions, but there are {shards} shards: delete it"));
        }
    }
    ensure(&names.rule_segments, shards, &compacted)?;
    ensure(&names.alerts, shards, &[])?;
    Ok(())
}

/// Looks at the rules' folder until the run stops.
fn start_rule_watch(mut watch: rulebook::Watch, book: Arc<Rulebook>, shared: &Arc<Shared>) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let metrics = &shared.health.metrics;
        while !shared.waited(rulebook::LOOK_EVERY) {
            match watch.look(&book) {
                Found::Unchanged => {}
                Found::Changed(difference) => {
                    metrics.rules_edition.set(i64::try_from(book.newest().number).unwrap_or_default());
                    metrics.rules_broken.set(0);
                    let rulebook::Difference { unchanged, changed, added, removed } = difference;
                    tracing::info!(?changed, ?added, ?removed, unchanged = unchanged.len(), "rules changed");
                }
                Found::Refused(errors) => {
                    metrics.rules_refused.inc();
                    metrics.rules_broken.set(1);
                    for error in errors {
                        tracing::error!("rules refused, the old ones stay in force: {error}");
                    }
                }
            }
        }
    })
}

/// Reads the rules, if a run is to have any.
fn open_rules(config: &Config) -> Result<Option<(Arc<Rulebook>, rulebook::Watch)>> {
    let Some(path) = &config.rules else { return Ok(None) };
    let (book, watch) = rulebook::Watch::open(path).map_err(Error::Rules)?;
    Ok(Some((Arc::new(book), watch)))
}

fn start_workers(
    config: &Config,
    shared: &Arc<Shared>,
    catalog: &Arc<Catalog>,
    topology: &Arc<Topology>,
) -> Vec<JoinHandle<()>> {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = u32::try_from(cores).unwrap_or(u32::MAX);
    let count = config.workers.unwrap_or(cores).clamp(1, topology.shards.max(1));
    let names = Names::claim(&config.place.group, config.instance.as_deref());
    tracing::info!(
        workers = count,
        shards = topology.shards,
        group = config.place.group,
        name = names.process,
        "started"
    );
    let names = Arc::new(names);
    (0..count)
        .map(|number| {
            let (config, shared, names) = (config.clone(), Arc::clone(shared), Arc::clone(&names));
            let (catalog, topology) = (Arc::clone(catalog), Arc::clone(topology));
            thread::spawn(move || keep_working(number, &config, &shared, &names, &catalog, &topology))
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
        skip_lost: false,
    };
    let mut archiver = Archiver::new(settings, lake, Handle::current())?;
    let shared = Arc::clone(shared);
    shared.health.metrics.archive_of(archiver.metrics());
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
            shared.health.silent.store(looked.is_err(), Ordering::Relaxed);
            if let Err(error) = looked {
                tracing::debug!(%error, "the lag cannot be told now");
            }
        }
    }))
}

/// Runs a worker, and another one when it has ended (EO-5), until the process stops.
fn keep_working(
    number: u32,
    config: &Config,
    shared: &Shared,
    names: &Names,
    catalog: &Arc<Catalog>,
    topology: &Arc<Topology>,
) {
    let mut pauses = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let since = Instant::now();
        match work(number, config, shared, names, catalog, topology) {
            Ok(()) => return,
            Err(Failure::Ended(reason) | Failure::Abort(reason)) => {
                if since.elapsed() > Duration::from_secs(60) {
                    pauses = 0;
                }
                let pause = PAUSES.get(pauses).or(PAUSES.last()).copied().unwrap_or_default();
                pauses += 1;
                tracing::warn!(worker = number, reason, "the worker ended; another one starts in {pause:?}");
                shared.health.metrics.restarts.inc();
                shared.waited(pause);
            }
            Err(failure) => return shared.fail(failure),
        }
    }
}

/// One worker's life.
fn work(
    number: u32,
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
    let shelf: Arc<dyn Shelf + Send + Sync> = Arc::<Catalog>::clone(catalog);
    let mut worker = Worker::new(port, Arc::clone(topology), shelf, config.limits.clone())?;
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

/// Watches the run until it stops: what the metrics say that no worker says.
async fn observe(shared: &Shared, catalog: &Catalog) {
    let metrics = &shared.health.metrics;
    let (mut records, mut since) = (0, Instant::now());
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let newest = catalog.newest();
        metrics.publication.set(newest.publication);
        metrics.publication_age.set((EventTime::now().micros() - newest.published_at.micros()) / 1_000_000);
        metrics.shards.set(i64::try_from(shared.lock_owned().len()).unwrap_or_default());
        if since.elapsed() >= Duration::from_secs(10) {
            let read = metrics.records.get();
            if read > records {
                #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
                let rate = (read - records) as f64 / since.elapsed().as_secs_f64();
                tracing::info!("{rate:.0} records/s, {read} in all, {} dead letters", metrics.dead_letters.get());
            }
            (records, since) = (read, Instant::now());
        }
    }
}

impl Shared {
    fn lock_owned(&self) -> std::sync::MutexGuard<'_, BTreeSet<u32>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the run stops.
    async fn stopped(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits so long, or until the run stops: whether it has.
    fn waited(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while !self.stop.load(Ordering::Relaxed) && Instant::now() < until {
            thread::sleep(Duration::from_millis(50));
        }
        self.stop.load(Ordering::Relaxed)
    }

    fn moved(&self, step: &Step, own: &mut BTreeSet<u32>, took: Duration) {
        if let Some(reason) = &step.aborted {
            tracing::warn!(reason, "an epoch was aborted and is done again");
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
