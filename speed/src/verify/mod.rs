//! The proof as a command: the merged view that the group has committed, against everything accepted so far (L-1).
//!
//! ```text
//! committed positions ─▶ customer-state to its end ─▶ positions again: who was in motion between the two
//! newest publication P: orders @ P, and behind what P covers the topic's lines up to the positions ─▶ recomputed, customer by customer
//!                       base(P) merged with customer-state                                         ─▶ compared
//! ```
//!
//! What is expected is added up here, by plain sets and sums, and shares with the layers that it judges only what
//! reads a line.

mod accepted;
mod collect;
mod compare;
mod moment;
mod report;
mod state;

use std::collections::HashSet;
use std::time::Instant;

use compact_str::CompactString;
use data::DateFormat;
use data::base::Base;
use data::kafka::{KafkaSettings, Topics};
use data::lake::{Lake, Table};
use tokio::runtime::Handle;

use crate::error::{Error, Result};
use crate::kafka::Spans;
use crate::operators::segments::Reading;
use crate::topology::TopicNames;

pub use accepted::Accepted;
pub use compare::{Difference, Values, What};
pub use report::{Lines, Report};
pub use state::{Record, State};

/// Whose view is proved.
#[derive(Clone, Debug)]
pub struct Settings {
    pub kafka: KafkaSettings,
    pub lake: Lake,
    pub group: String,
    pub topics: TopicNames,
    /// As the group reads dates.
    pub dates: DateFormat,
}

/// Customers by id.
pub type Customers = HashSet<CompactString, foldhash::fast::FixedState>;

/// Compares every customer's merged view with a recomputation; `say` is told what happens. Called outside the async runtime.
///
/// # Errors
/// When lake or topics cannot be read, or lines are neither in the one nor in the other any more.
pub fn verify(settings: &Settings, runtime: &Handle, say: &dyn Fn(&str)) -> Result<Report> {
    let since = Instant::now();
    let committed = Spans::new(&settings.kafka, &settings.group)?;
    let all = Spans::uncommitted(&settings.kafka, &settings.group)?;
    let before = moment::Moment::take(&committed, settings)?;
    let topic_id =
        Topics::new(&settings.kafka).and_then(|topics| topics.id(&settings.topics.orders)).map_err(Error::Kafka)?;
    if let Some(publications) = runtime.block_on(settings.lake.snapshot(Table::Publications, None))? {
        moment::check(&before, &topic_id, &publications.id()?)?;
    }
    say("reading the state that the group has committed");
    let state = State::read(&committed, &all, &settings.topics.customer_state)?;
    let after = moment::Moment::take(&committed, settings)?;

    let lake = &settings.lake;
    let publication = runtime.block_on(lake.publication(None))?;
    let orders = runtime.block_on(lake.snapshot(Table::Orders, Some(publication.versions.orders)))?;
    let orders = orders.ok_or_else(|| data::lake::Error::NoPublication { location: lake.location(), id: None })?;
    let reading = Reading { rules: orders.rules()?, dates: settings.dates.clone() };
    let moving = moment::in_motion(&committed, &all, settings, &reading, (&before, &after))?;

    let base = runtime.block_on(Base::load(lake, &publication))?;
    let sources =
        collect::Sources { settings, runtime, kafka: &committed, reading: &reading, topic_id: &topic_id, say };
    let (accepted, lines) = sources.collect(&orders, base.covered(&topic_id), &before.orders)?;
    say("comparing");
    let shards = moment::settled(&before, &after, &base)?;
    let compared = compare::Comparison { base: &base, topic_id: &topic_id, state: &state, shards: &shards }
        .run(&accepted, &moving);
    Ok(Report {
        publication: publication.id,
        published_at: publication.published_at,
        reference_time: publication.reference_time,
        group: settings.group.clone(),
        lines,
        state_records: state.len() as u64,
        in_motion: moving.len() as u64,
        customers: compared.customers,
        differences: compared.differences,
        first: compared.first,
        seconds: since.elapsed().as_secs_f64(),
    })
}
