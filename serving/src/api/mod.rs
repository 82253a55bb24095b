//! The routes under `/api/v1`: each file answers its own.

mod ask;
mod behaviour;
mod config;
mod customer;
mod customer_row;
mod customers;
mod demo;
mod filter;
mod grid;
mod orders;
mod overview;
mod paging;
mod posted;
mod problem;
mod publications;
mod quality;
mod revenue;
mod routes;
mod segments;
mod session;
mod sight;
mod story;
mod streams;
mod views;

use std::sync::Arc;

use data::{DateFormat, Rules};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

pub use ask::Ask;
pub use customer_row::{CustomerRow, CustomerValues};
pub use problem::{Answered, FieldProblem, Problem, ProblemBody};
pub use routes::{document, routes};
pub use sight::json;
pub use views::keep_telling;

use crate::http::{Access, Hosts, Limits, RequestIds};
use crate::lake::Shelf;
use crate::live::{Follow, Producer, Requests};
use crate::telemetry::Metrics;

/// Scans of everybody at once: each takes a core for a while.
const SCANS: usize = 2;
/// Readings of the lake at once.
const READS: usize = 4;
/// Downloads at once: each has a thread until its client has taken it.
const DOWNLOADS: usize = 32;

/// What pages are told of the place.
#[derive(Clone, Debug)]
pub struct Place {
    /// ISO 4217, or as the reports have it.
    pub currency: Option<String>,
    /// Whether demo orders may be made.
    pub demo: bool,
    /// The lake's, by which posted orders are judged.
    pub rules: Rules,
    pub dates: DateFormat,
}

/// Everything that answers need.
pub struct App {
    pub place: Place,
    pub shelf: Shelf,
    pub follow: Arc<Follow>,
    pub producer: Option<Producer>,
    /// Wherever there is a producer.
    pub requests: Option<Requests>,
    pub access: Arc<Access>,
    pub hosts: Hosts,
    pub limits: Limits,
    pub metrics: Metrics,
    pub request_ids: RequestIds,
    /// Tells the views of this process from those of another one, or of an earlier one.
    pub instance: String,
    pub scans: Arc<Semaphore>,
    pub reads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    /// Becomes true when the process is about to end.
    pub closing: watch::Receiver<bool>,
    /// The newest event of `/live/view`.
    pub views: watch::Sender<bytes::Bytes>,
}

/// What [`App::new`] is given.
pub struct Parts {
    pub place: Place,
    pub shelf: Shelf,
    pub follow: Arc<Follow>,
    pub producer: Option<Producer>,
    pub requests: Option<Requests>,
    pub access: Arc<Access>,
    pub hosts: Hosts,
    pub limits: Limits,
    pub closing: watch::Receiver<bool>,
}

impl App {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { place, shelf, follow, producer, requests, access, hosts, limits, closing } = parts;
        let instance: String = uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect();
        Self {
            place,
            shelf,
            follow,
            producer,
            requests,
            access,
            hosts,
            limits,
            metrics: Metrics::default(),
            request_ids: RequestIds::default(),
            instance,
            scans: Arc::new(Semaphore::new(SCANS)),
            reads: Arc::new(Semaphore::new(READS)),
            downloads: Arc::new(Semaphore::new(DOWNLOADS)),
            closing,
            views: watch::Sender::default(),
        }
    }

    /// A place among those who download.
    ///
    /// # Errors
    /// When all are taken.
    fn download_place(&self) -> Answered<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.downloads).try_acquire_owned();
        place.map_err(|_| Problem::unavailable(format!("{DOWNLOADS} downloads are under way, more are not"), 10))
    }
}

/// Computes away from the threads that serve.
///
/// # Errors
/// What `work` says, or that it panicked.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Answered<T> + Send + 'static) -> Answered<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(crate::error::Error::from(error).into()),
    }
}
