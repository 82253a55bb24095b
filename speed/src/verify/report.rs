//! What a proof came to, for people and for scripts.

use std::fmt;

use data::EventTime;
use serde::Serialize;

use super::{Difference, What};

/// The outcome of [`super::verify`].
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Customers whose view was compared.
    pub customers: u64,
    /// Customers who were being processed and are therefore not compared.
    pub in_motion: u64,
    pub differences: u64,
    /// The first of them.
    pub first: Vec<Difference>,
    pub publication: i64,
    pub published_at: EventTime,
    pub reference_time: EventTime,
    pub group: String,
    pub lines: Lines,
    pub state_records: u64,
    pub seconds: f64,
}

/// Order lines read, by where they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lines {
    /// The publication's.
    pub published: u64,
    /// Behind what it covers, in the topic.
    pub topic: u64,
    /// The same in the lake's archive, where the topic no longer has them.
    pub archive: u64,
    /// Lines of the topic that are no orders.
    pub refused: u64,
}

impl Report {
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.differences == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lines { published, topic, archive, refused } = self.lines;
        writeln!(out, "publication {} of {}, group {}", self.publication, self.published_at, self.group)?;
        writeln!(
            out,
            "{} order lines read: {published} published, {topic} behind them in the topic, {archive} from the archive; {refused} refused",
            published + topic + archive
        )?;
        write!(out, "{} customers compared", self.customers)?;
        if self.in_motion > 0 {
            write!(out, ", {} in motion were not", self.in_motion)?;
        }
        writeln!(out, "; {} have live state", self.state_records)?;
        for difference in &self.first {
            write!(out, "{difference}")?;
        }
        let more = self.differences - self.first.len() as u64;
        if more > 0 {
            writeln!(out, "… and {more} more")?;
        }
        match self.differences {
            0 => write!(out, "no differences: the merged view is exact")?,
            1 => write!(out, "1 difference")?,
            count => write!(out, "{count} differences")?,
        }
        writeln!(out, " ({:.1} s)", self.seconds)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::MergedView => "the merged view",
            What::WrittenTotals => "the totals in customer-state",
            What::WrittenSegment => "the segment in customer-state",
            What::Partition => {
                return writeln!(
                    out,
                    "customer {}: a record lies in another partition than the customer's",
                    self.customer_id
                );
            }
        };
        writeln!(out, "customer {}: {what}", self.customer_id)?;
        for (name, values) in [("expected", &self.expected), ("found", &self.found)] {
            let time = |time: Option<EventTime>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
            writeln!(
                out,
                "  {name:8}  frequency {}, monetary {}, first {}, last {}, segment {}",
                values.frequency,
                values.monetary,
                time(values.first_order_at),
                time(values.last_order_at),
                values.segment.as_deref().unwrap_or("-")
            )?;
        }
        Ok(())
    }
}
