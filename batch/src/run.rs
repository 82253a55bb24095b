//! The whole of a run: lock → ingest → features → scores → model → tables → publication.

use std::collections::BTreeMap;
use std::time::Instant;

use data::EventTime;
use data::lake::{Lake, Publication, PublishedQuality, Table, Tables, Versions, WriterLock};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::features;
use crate::ingest::{self, Ingested, Ledger};
use crate::model::{self, Features, Model};
use crate::progress::Progress;
use crate::report::Computed;
use crate::source::{self, Source};
use crate::tables;
use crate::topics;

/// What a run is given besides its configuration.
pub struct Context<'a> {
    pub config: &'a Config,
    pub runtime: &'a Handle,
    pub progress: &'a Progress,
}

/// A lake that this process may write.
pub struct Writing {
    pub lake: Lake,
    pub tables: Tables,
    pub ledger: Ledger,
    /// The newest publication, if any.
    pub previous: Option<Publication>,
    pub lock: WriterLock,
    /// This process has made it.
    pub is_new: bool,
}

impl Context<'_> {
    /// Does `work` on the lake while no other run may write it; a new lake is made with the configured rules, and
    /// taken back when the work failed before it brought anything.
    ///
    /// # Errors
    /// When the lake is busy or unreachable; and those of `work`.
    pub fn with_lake<T>(&self, work: impl FnOnce(&mut Writing) -> Result<T>) -> Result<T> {
        let location = &self.config.lake;
        let new_folder = !location.contains("://") && !std::path::Path::new(location).exists();
        let mut writing = self.open()?;
        let done = work(&mut writing);
        self.runtime.block_on(async {
            if done.is_err() && writing.is_new && unmade(&writing).await {
                writing.lock.remove().await;
                if new_folder {
                    // Not empty when somebody else has begun to use it.
                    let _ = std::fs::remove_dir(location);
                }
            } else {
                writing.lock.release().await;
            }
        });
        done
    }

    fn open(&self) -> Result<Writing> {
        let lake = Lake::open(&self.config.lake)?;
        self.runtime.block_on(async {
            let waiting =
                |holder: &str| self.progress.say(&format!("waiting for another run that writes the lake ({holder})"));
            let lock = WriterLock::take(&lake, self.config.wait, waiting).await?;
            let is_new = matches!(lake.snapshot(Table::Orders, None).await, Ok(None));
            match self.open_tables(&lake).await {
                Ok((tables, ledger, previous)) => Ok(Writing { lake, tables, ledger, previous, lock, is_new }),
                Err(error) => {
                    lock.release().await;
                    Err(error)
                }
            }
        })
    }

    async fn open_tables(&self, lake: &Lake) -> Result<(Tables, Ledger, Option<Publication>)> {
        let mut tables = lake.tables(&self.config.rules.for_new_lake()).await?;
        let previous = tables.get(Table::Publications).publications().await?.pop();
        previous.iter().try_for_each(|previous| tables.check_reach(previous))?;
        let ledger = Ledger::open(&mut tables).await?;
        Ok((tables, ledger, previous))
    }

    /// Ingests every source.
    ///
    /// # Errors
    /// When the lake was made with other rules or cannot be written, or a source cannot be read or is refused.
    pub fn ingest(&self, writing: &mut Writing, sources: &[Source]) -> Result<Ingested> {
        let rules = self.config.rules.for_lake(&writing.lake, writing.tables.get(Table::Orders).rules()?)?;
        ingest::ingest(writing, sources, &rules, &self.config.ingest, self.runtime, self.progress)
    }

    /// Ingests, computes and publishes; the document that `--json` prints.
    ///
    /// # Errors
    /// As [`Context::ingest`]; and when the lake holds no accepted order.
    pub fn run(&self, inputs: &[String]) -> Result<Value> {
        let sources = source::expand(inputs)?;
        self.with_lake(|writing| self.run_on(writing, &sources))
    }

    fn run_on(&self, writing: &mut Writing, sources: &[Source]) -> Result<Value> {
        let mut clock = Stages::start();
        let ingested = self.ingest(writing, sources)?;
        let ingested = (!sources.is_empty()).then_some(ingested);
        clock.end("ingest");
        let previous = writing.previous.take();
        let computed = self.compute(writing, previous.as_ref(), &mut clock)?;
        self.publish_tables(writing, &computed)?;
        let archived = topics::archived(&mut writing.tables, &mut writing.ledger, &computed.customers.archived);
        let archived = self.runtime.block_on(archived)?;
        clock.end("tables");
        let mut totals = writing.ledger.totals()?;
        totals.add(&archived.counts);
        let mut report =
            computed.report(&self.config.scoring, &self.config.currency, ingested.as_ref(), &totals, clock.done);
        report.topics = archived.topics;
        let publication = Publication {
            id: previous.as_ref().map_or(1, |previous| previous.id + 1),
            published_at: EventTime::now(),
            reference_time: computed.reference,
            versions: versions(&writing.tables),
            orders: computed.customers.lines,
            customers: computed.customers.len() as u64,
            invoices: u64::try_from(report.invoices).unwrap_or_default(),
            revenue: report.revenue,
            quality: quality(&computed),
            kafka_offsets: archived.offsets,
            model: serde_json::to_string(&computed.fit.model)?,
            report: serde_json::to_string(&report)?,
        };
        writing.lock.check()?;
        self.runtime.block_on(async {
            let row = publication.to_batch()?;
            writing.tables.get_mut(Table::Publications).append_rows(&row).await
        })?;
        document(&publication)
    }

    fn compute(&self, writing: &Writing, previous: Option<&Publication>, clock: &mut Stages) -> Result<Computed> {
        let customers = features::compute(writing.tables.get(Table::Orders), self.config.threads.get(), self.runtime)?;
        let Some(newest) = customers.default_reference() else {
            return Err(Error::NoOrders { location: writing.lake.location() });
        };
        let reference = self.config.reference.unwrap_or(newest);
        let recency_days = customers.recency_days(reference);
        clock.end("features");
        let scores = self.config.scoring.score(&recency_days, &customers.frequency, &raw(&customers.monetary));
        clock.end("scores");
        let previous: Option<Model> = previous.and_then(|publication| serde_json::from_str(&publication.model).ok());
        let recency: Vec<f64> = recency_days.iter().map(|days| to_f64(*days)).collect();
        let frequency: Vec<f64> = customers.frequency.iter().map(|invoices| to_f64(*invoices)).collect();
        let monetary: Vec<f64> = customers.monetary.iter().map(|money| money.to_f64()).collect();
        let fit = Features::new(&recency, &frequency, &monetary)
            .and_then(|features| model::fit(features, &self.config.fit, previous.as_ref()))
            .map_err(|error| Error::Model(error.to_string()))?;
        clock.end("model");
        Ok(Computed { customers, reference, recency_days, scores, fit })
    }

    /// Replaces the computed tables; nobody sees them before the publication that names their versions.
    fn publish_tables(&self, writing: &mut Writing, computed: &Computed) -> Result<()> {
        writing.lock.check()?;
        let rows = [
            (Table::CustomerRfm, tables::customer_rfm(computed, &self.config.scoring)?),
            (Table::CustomerSegments, tables::customer_segments(computed)?),
            (Table::SegmentProfiles, tables::segment_profiles(computed)?),
            (Table::CountedInvoices, tables::counted_invoices(computed)?),
            (Table::NettedCustomers, tables::netted_customers(computed)?),
        ];
        Ok(self.runtime.block_on(writing.tables.overwrite(&rows))?)
    }
}

/// Takes a new lake back, unless something was committed to it. What cannot be removed stays, as an empty lake.
async fn unmade(writing: &Writing) -> bool {
    if writing.lock.check().is_err() {
        return false;
    }
    writing.lake.unmake().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "an empty lake is left behind");
        false
    })
}

/// The stored report with what identifies the publication.
///
/// # Errors
/// When the stored report is no JSON object.
pub fn document(publication: &Publication) -> Result<Value> {
    let mut document = serde_json::Map::new();
    document.insert("publication".to_owned(), publication.id.into());
    document.insert("published_at".to_owned(), publication.published_at.to_string().into());
    let report: serde_json::Map<String, Value> = serde_json::from_str(&publication.report)?;
    document.extend(report);
    Ok(document.into())
}

fn versions(tables: &Tables) -> Versions {
    let version = |table| tables.get(table).version();
    Versions {
        orders: version(Table::Orders),
        rejected_orders: version(Table::RejectedOrders),
        sources: version(Table::Sources),
        customer_rfm: version(Table::CustomerRfm),
        customer_segments: version(Table::CustomerSegments),
        segment_profiles: version(Table::SegmentProfiles),
        counted_invoices: version(Table::CountedInvoices),
        netted_customers: version(Table::NettedCustomers),
    }
}

fn quality(computed: &Computed) -> PublishedQuality {
    let quality = &computed.fit.quality;
    PublishedQuality {
        k: i32::try_from(computed.fit.model.k).unwrap_or(i32::MAX),
        inertia: Some(quality.inertia),
        silhouette: quality.silhouette,
        davies_bouldin: quality.davies_bouldin,
        calinski_harabasz: quality.calinski_harabasz,
    }
}

fn raw(monetary: &[data::Money]) -> Vec<i64> {
    monetary.iter().map(|money| money.raw()).collect()
}

#[expect(clippy::cast_precision_loss, reason = "days and invoice counts are far below 2^53")]
const fn to_f64(count: i64) -> f64 {
    count as f64
}

/// Milliseconds that each stage took.
struct Stages {
    since: Instant,
    done: BTreeMap<&'static str, f64>,
}

impl Stages {
    fn start() -> Self {
        Self { since: Instant::now(), done: BTreeMap::new() }
    }

    fn end(&mut self, stage: &'static str) {
        self.done.insert(stage, (self.since.elapsed().as_secs_f64() * 1e6).round() / 1e3);
        self.since = Instant::now();
    }
}
