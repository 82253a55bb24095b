//! `speed status`: how far the group has come, what it works with, and how fast, for a person.
//!
//! Two looks, a second apart: what is behind, from the second; what moves, from the difference.

mod lake;
mod look;
mod report;

use std::time::{Duration, Instant};

use data::kafka::{Topics, nameless_id};
use tokio::runtime::Handle;

use crate::config::Place;
use crate::error::{Error, Result};
use crate::kafka::Spans;

pub use lake::LakeLook;
pub use look::{Look, Partition};
pub use report::{Group, PartitionReport, Publication, Rates, Report};

/// Between the two looks.
const APART: Duration = Duration::from_secs(1);

/// Looks at the group and its lake. What is not there yet becomes a note. Called outside the async runtime.
///
/// # Errors
/// When the brokers do not answer.
pub fn status(place: &Place, runtime: &Handle) -> Result<Report> {
    let kafka = Spans::new(&place.kafka, &place.group)?;
    let topics = [place.topics.orders.as_str(), place.topics.orders_by_customer.as_str()];
    let first = Look::take(&kafka, &topics)?;
    let begun = Instant::now();
    let (state, members) = kafka.group(&place.group)?;
    let group = Group { name: place.group.clone(), state, members };
    let topic_id = Topics::new(&place.kafka).map_err(Error::Kafka)?.id(&place.topics.orders);
    let topic_id = topic_id.unwrap_or_else(|_| nameless_id(&place.topics.orders));
    let lake = lake::look(&place.lake, runtime, &place.topics.orders, &topic_id, first.count(&place.topics.orders));
    std::thread::sleep(APART.saturating_sub(begun.elapsed()));
    let second = Look::take(&kafka, &topics)?;
    Ok(report::report(place, (&first, &second, begun.elapsed()), group, lake))
}
