//! Expected against found, customer by customer.

use data::base::Base;
use data::merge::{Totals, merge};
use data::{EventTime, Money};
use serde::Serialize;

use super::accepted::Sums;
use super::{Accepted, Customers, Record, State};

/// So many differences are shown.
const SHOWN: usize = 20;

/// The merged view, and what it is to be judged with.
pub struct Comparison<'c> {
    pub base: &'c Base,
    pub topic_id: &'c str,
    pub state: &'c State,
    /// By shard: under which reference time its segments were announced; `None` when that is not settled.
    pub shards: &'c [Option<EventTime>],
}

/// What the comparison came to.
#[derive(Debug, Default)]
pub struct Compared {
    pub customers: u64,
    pub differences: u64,
    /// The first of them.
    pub first: Vec<Difference>,
}

/// A customer whose view is not what it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    pub customer_id: String,
    pub what: What,
    pub expected: Values,
    pub found: Values,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Publication and state, merged.
    MergedView,
    /// What the state's record says for its readers.
    WrittenTotals,
    /// The segment that was announced last, of the record.
    WrittenSegment,
    /// A record in a partition that is not its customer's.
    Partition,
}

/// A customer's figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Values {
    pub frequency: u64,
    pub monetary: Money,
    pub first_order_at: Option<EventTime>,
    pub last_order_at: Option<EventTime>,
    pub segment_id: Option<u32>,
    pub segment: Option<String>,
}

impl Comparison<'_> {
    /// Compares everybody but those who are `moving`.
    #[must_use]
    pub fn run(&self, accepted: &Accepted, moving: &Customers) -> Compared {
        let mut compared = Compared::default();
        let mut look = |id: &str, expected: Sums| {
            if !moving.contains(id) {
                compared.customers += 1;
                self.look(id, expected, &mut compared);
            }
        };
        for (id, expected) in accepted.customers() {
            look(id, expected);
        }
        let in_base = (0..self.base.len()).map(|place| self.base.id(place));
        for id in in_base.filter(|id| accepted.get(id).is_none()) {
            look(id, Sums::default());
        }
        let in_state = self.state.ids().filter(|id| self.base.find(id).is_none());
        for id in in_state.filter(|id| accepted.get(id).is_none()) {
            look(id, Sums::default());
        }
        for (id, _) in &self.state.astray {
            let (expected, found) = (Values::default(), Values::default());
            compared.add(Difference { customer_id: id.to_string(), what: What::Partition, expected, found });
        }
        compared
    }

    fn look(&self, id: &str, expected: Sums, compared: &mut Compared) {
        let record = self.state.get(id);
        let found = merge(
            &self.base.of(id, self.topic_id),
            record.map_or(&[], |record| record.written.contributions.as_slice()),
        );
        let reference = self.base.reference;
        let mut differs = |what, expected, found| {
            compared.add(Difference { customer_id: id.to_owned(), what, expected, found });
        };
        if !is_same(&expected, &found) {
            return differs(What::MergedView, self.expected(&expected, reference), self.found(&found, reference));
        }
        let Some(record) = record.filter(|record| record.written.publication == self.base.publication) else { return };
        if !is_same(&expected, &record.written.totals) {
            let found = self.found(&record.written.totals, reference);
            return differs(What::WrittenTotals, self.expected(&expected, reference), found);
        }
        let Some(reference) = self.shards.get(record.shard as usize).copied().flatten() else { return };
        let expected = self.expected(&expected, reference);
        if expected.segment_id != record.written.segment_id {
            let found = self.announced(record);
            differs(What::WrittenSegment, expected, found);
        }
    }

    fn expected(&self, sums: &Sums, reference: EventTime) -> Values {
        // One that is no amount any more is shown as the largest; it was compared as it is.
        let monetary = Money::from_raw(i64::try_from(sums.amount).unwrap_or(i64::MAX));
        let segment = sums.span.and_then(|(_, last)| {
            #[expect(clippy::cast_precision_loss, reason = "days and invoice counts are far below 2^53")]
            let features = [last.days_before(reference) as f64, sums.invoices as f64, monetary.to_f64()];
            self.base.model.nearest(features).map(|(segment, _)| segment)
        });
        Values {
            frequency: sums.invoices,
            monetary,
            first_order_at: sums.span.map(|(first, _)| first),
            last_order_at: sums.span.map(|(_, last)| last),
            segment_id: segment.map(|segment| segment.id),
            segment: segment.map(|segment| segment.name.clone()),
        }
    }

    fn found(&self, totals: &Totals, reference: EventTime) -> Values {
        let segment = self.base.segment(totals, reference);
        Values {
            frequency: totals.frequency,
            monetary: totals.monetary,
            first_order_at: totals.span.map(|span| span.first),
            last_order_at: totals.span.map(|span| span.last),
            segment_id: segment.map(|segment| segment.id),
            segment: segment.map(|segment| segment.name.clone()),
        }
    }

    fn announced(&self, record: &Record) -> Values {
        let named = self.base.model.segments.iter().find(|segment| Some(segment.id) == record.written.segment_id);
        Values {
            segment_id: record.written.segment_id,
            segment: named.map(|segment| segment.name.clone()),
            ..self.found(&record.written.totals, self.base.reference)
        }
    }
}

impl Compared {
    fn add(&mut self, difference: Difference) {
        self.differences += 1;
        if self.first.len() < SHOWN {
            self.first.push(difference);
        }
    }
}

fn is_same(expected: &Sums, found: &Totals) -> bool {
    expected.invoices == found.frequency
        && expected.amount == i128::from(found.monetary.raw())
        && expected.span == found.span.map(|span| (span.first, span.last))
}
