//! The whole of a run: lake → view ← topics, served until somebody says stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use data::Rules;
use data::lake::{Lake, Publication, PublicationWatch, Table};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::{App, Parts, Place, keep_telling};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::http::{Access, Hosts, KeySource, Limits, keep_rotating, serve, site};
use crate::lake::Shelf;
use crate::live::{Follow, Producer, Requests, follow};
use crate::view::Batch;

/// How often the lake is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What is written to the brokers when the process is asked to end may take so long.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// Runs until `stop`; tells `ready` where it listens.
///
/// # Errors
/// When the lake, the keys or the address cannot be used.
pub async fn run(
    config: Config,
    stop: impl Future<Output = ()> + Send + 'static,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    let since = Instant::now();
    let lake = Lake::open_existing(&config.lake)?;
    let keys = config.keys.as_ref().map(KeySource::read).transpose()?;
    let access = Arc::new(Access::with(keys, config.secure_cookies));
    let shared = Arc::new(Follow::new(config.kafka.is_some()));
    let (closed, closing) = watch::channel(false);
    let (batches, inbox) = sync_channel(1);
    let topics = config.kafka.clone().map(|kafka| (kafka, config.topics.clone()));
    let threads = follow(Arc::clone(&shared), inbox, topics);
    let app = Arc::new(App::new(Parts {
        place: place(&config, &lake).await?,
        shelf: Shelf::new(lake.clone()),
        follow: Arc::clone(&shared),
        producer: producer(&config)?,
        requests: requests(&config, &shared)?,
        access: Arc::clone(&access),
        hosts: Hosts::new(&config.hosts),
        limits: Limits::new(config.rate_limit),
        closing: closing.clone(),
    }));
    let mut watch = PublicationWatch::new(lake, None);
    look(&app, &mut watch, &batches).await?;
    until_shown(&shared, app.shelf.list().is_empty()).await;

    let what = || format!("listening on {} (choose another address with --listen)", config.listen);
    let listener = TcpListener::bind(config.listen).await.map_err(|source| Error::Io { what: what(), source })?;
    let address = listener.local_addr().map_err(|source| Error::Io { what: what(), source })?;
    let ms = since.elapsed().as_millis();
    tracing::info!(%address, live = config.kafka.is_some(), keys = !access.is_open(), ms, "serving");
    ready(address);
    let mut background = vec![tokio::spawn(keep_up(Arc::clone(&app), watch, batches))];
    background.push(tokio::spawn(keep_telling(Arc::clone(&app))));
    if let Some(KeySource::File(path)) = &config.keys {
        background.push(tokio::spawn(keep_rotating(access, path.clone())));
    }
    tokio::spawn(async move {
        stop.await;
        tracing::info!("stopping: event streams end, answers under way are finished");
        let _ = closed.send(true);
    });
    serve(listener, site(Arc::clone(&app)), closing).await;
    shared.stop.store(true, Ordering::Relaxed);
    background.iter().for_each(tokio::task::JoinHandle::abort);
    end(app, threads).await
}

async fn end(app: Arc<App>, threads: Vec<std::thread::JoinHandle<()>>) -> Result<()> {
    tokio::task::spawn_blocking(move || {
        if let Some(producer) = &app.producer {
            producer.flush(LAST_WRITES);
        }
        // The thread that asks the brokers may wait for an answer longer than we do.
        let until = Instant::now() + LAST_WRITES;
        while Instant::now() < until && threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
        }
    })
    .await?;
    Ok(())
}

async fn place(config: &Config, lake: &Lake) -> Result<Place> {
    let rules = match lake.snapshot(Table::Orders, None).await? {
        Some(orders) => orders.rules()?,
        None => Rules::default(),
    };
    Ok(Place { currency: config.currency.clone(), demo: config.demo, rules, dates: config.dates.clone() })
}

fn producer(config: &Config) -> Result<Option<Producer>> {
    let producer = config.kafka.as_ref().map(|kafka| Producer::new(kafka, &config.topics.orders));
    producer.transpose().map_err(|reason| Error::Setting { name: "kafka", reason })
}

fn requests(config: &Config, follow: &Arc<Follow>) -> Result<Option<Requests>> {
    let new = |kafka| Requests::new(kafka, &config.topics.order_requests, Arc::clone(follow));
    config.kafka.as_ref().map(new).transpose().map_err(|reason| Error::Setting { name: "kafka", reason })
}

/// The first page is right at once: waits until the publication that was found is in the view.
async fn until_shown(shared: &Follow, is_none: bool) {
    while !is_none && shared.view().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Looks for newer publications for ever.
async fn keep_up(app: Arc<App>, mut watch: PublicationWatch, batches: SyncSender<Arc<Batch>>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Err(error) = look(&app, &mut watch, &batches).await {
            tracing::warn!(%error, "the lake cannot be read; the publication stays as it is");
            tokio::time::sleep(LOOK_EVERY * 4).await;
        }
    }
}

async fn look(app: &App, watch: &mut PublicationWatch, batches: &SyncSender<Arc<Batch>>) -> Result<()> {
    let Some(publication) = watch.poll().await? else { return Ok(()) };
    let shown = app.follow.view().map(|view| view.publication());
    let loaded = load(app, publication).await;
    if loaded.is_err() {
        // Found again by the next look.
        *watch = PublicationWatch::new(app.shelf.lake().clone(), shown);
    }
    // The thread takes it within a tick.
    let (batch, batches) = (Arc::new(loaded?), batches.clone());
    let _ = tokio::task::spawn_blocking(move || batches.send(batch)).await?;
    Ok(())
}

async fn load(app: &App, publication: Publication) -> Result<Batch> {
    let since = Instant::now();
    app.shelf.refresh().await?;
    let batch = Batch::load(app.shelf.lake(), publication).await?;
    let (id, customers) = (batch.base.publication, batch.base.len());
    tracing::info!(publication = id, customers, ms = since.elapsed().as_millis(), "publication loaded");
    Ok(batch)
}
