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
    let mut moved = Moved::default();
    let mut out = io::stdout().lock();
    if !wishes.json {
        let _ = writeln!(out, "{HEADER}");
    }
    tail(&place.kafka, &topics, |value| {
        let lines = match value {
            Some((_, value)) if wishes.json => vec![String::from_utf8_lossy(value).into_owned()],
            Some((topic, value)) => moved.lines(topic, value),
            None => moved.told().into_iter().collect(),
        };
        for line in lines {
            if let Err(error) = writeln!(out, "{line}") {
                failed = Some(error);
                return ControlFlow::Break(());
            }
            shown += 1;
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

/// Characters of a text that are shown.
const LONGEST: usize = 40;
const HEADER: &str = "ordered at           customer   invoice           amount   recency  orders       spent   segment";

/// Customers who moved without an order of their own: thousands, when a day goes by or a publication comes.
#[derive(Default)]
struct Moved {
    by_time: usize,
    by_publication: usize,
}

impl Moved {
    fn lines(&mut self, topic: usize, value: &[u8]) -> Vec<String> {
        let Ok(value) = serde_json::from_slice::<Value>(value) else { return Vec::new() };
        match (topic, text(&value, "reason").as_str()) {
            (1, "time") => self.by_time += 1,
            (1, "publication") => self.by_publication += 1,
            (1, _) => return self.told().into_iter().chain([changed(&value)]).collect(),
            _ => return self.told().into_iter().chain(line(&value)).collect(),
        }
        Vec::new()
    }

    /// What is to be said of them, once.
    fn told(&mut self) -> Option<String> {
        let Self { by_time, by_publication } = std::mem::take(self);
        match (by_time, by_publication) {
            (0, 0) => None,
            (1, 0) => Some("  ↳ a customer moves, since days have gone by".to_owned()),
            (by_time, 0) => Some(format!("  ↳ {by_time} customers move, since days have gone by")),
            (0, 1) => Some("  ↳ a customer moves, by a new publication".to_owned()),
            (0, moved) => Some(format!("  ↳ {moved} customers move, by a new publication")),
            (by_time, moved) => {
                Some(format!("  ↳ {moved} customers move by a new publication, {by_time} by days gone by"))
            }
        }
    }
}

fn line(value: &Value) -> Option<String> {
    let customer = value.get("customer")?;
    let known = if customer.get("known")?.as_bool()? { "" } else { "  (new)" };
    Some(format!(
        "{:<19}  {:<9}  {:<14} {:>9.2} {:>7} d {:>7} {:>11.2}   {}{known}",
        text(value, "ordered_at").chars().take(19).collect::<String>(),
        text(value, "customer_id"),
        text(value, "invoice"),
        number(value, "amount"),
        number(customer, "recency_days"),
        number(customer, "frequency"),
        number(customer, "monetary"),
        text(customer, "segment_name"),
    ))
}

fn changed(value: &Value) -> String {
    let name = |side: &str| value.get(side).map(|segment| text(segment, "segment_name")).unwrap_or_default();
    let (from, to) = (name("from"), name("to"));
    let from = if from.is_empty() { "no segment".to_owned() } else { from };
    format!("  ↳ customer {} moves from {from} to {to} ({})", text(value, "customer_id"), text(value, "reason"))
}

/// Without what a terminal would obey, and not longer than a line.
fn text(value: &Value, field: &str) -> String {
    let text = value.get(field).and_then(Value::as_str).unwrap_or_default();
    text.chars().take(LONGEST).map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

fn number(value: &Value, field: &str) -> f64 {
    value.get(field).and_then(Value::as_f64).unwrap_or_default()
}
