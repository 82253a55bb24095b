//! `speed watch`: live orders and segment changes, for eyes or for a pipe.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::config::Place;
use crate::error::{Error, Result};
use crate::kafka::tail;

/// What to show, and when to stop.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// The values as they are, a line each.
    pub json: bool,
    pub limit: Option<u64>,
    pub duration: Option<Duration>,
}

/// Shows what is written to `orders-enriched` and `segment-changes` from now on.
///
/// # Errors
/// When the topics cannot be read. That nobody reads the output any more is none.
pub fn watch(place: &Place, wishes: Wishes) -> Result<()> {
    let topics = [place.topics.orders_enriched.as_str(), place.topics.segment_changes.as_str()];
    let (begun, mut shown, mut failed) = (Instant::now(), 0, None);
    let mut out = io::stdout().lock();
    if !wishes.json {
        let _ = writeln!(out, "{HEADER}");
    }
    tail(&place.kafka, &topics, |value| {
        if let Some((topic, value)) = value {
            let line = if wishes.json { Some(String::from_utf8_lossy(value).into_owned()) } else { line(topic, value) };
            if let Some(line) = line {
                if let Err(error) = writeln!(out, "{line}") {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
                shown += 1;
            }
        }
        let over = wishes.limit.is_some_and(|limit| shown >= limit)
            || wishes.duration.is_some_and(|duration| begun.elapsed() >= duration);
        if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    match failed {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Io { what: "writing to stdout".to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

const HEADER: &str = "ordered at            customer   invoice       amount   recency  orders       spent   segment";

fn line(topic: usize, value: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(value).ok()?;
    if topic == 1 {
        return Some(changed(&value));
    }
    let customer = value.get("customer")?;
    let known = if customer.get("known")?.as_bool()? { "" } else { "  (new)" };
    Some(format!(
        "{:<20}  {:<9}  {:<10} {:>9.2} {:>7} d {:>7} {:>11.2}   {}{known}",
        text(&value, "ordered_at"),
        text(&value, "customer_id"),
        text(&value, "invoice"),
        number(&value, "amount"),
        number(customer, "recency_days"),
        number(customer, "frequency"),
        number(customer, "monetary"),
        text(customer, "segment_name"),
    ))
}

fn changed(value: &Value) -> String {
    let name = |side: &str| value.get(side).map_or("", |segment| text(segment, "segment_name")).to_owned();
    let (from, to) = (name("from"), name("to"));
    let from = if from.is_empty() { "no segment".to_owned() } else { from };
    format!("  ↳ customer {} moves from {from} to {to} ({})", text(value, "customer_id"), text(value, "reason"))
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, field: &str) -> f64 {
    value.get(field).and_then(Value::as_f64).unwrap_or_default()
}
