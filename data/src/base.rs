//! A publication in memory, compact: what speed and serving merge live orders with.

mod load;

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::merge::{BaseOf, InvoiceSet, Span, Totals};
use crate::model::{Model, Segment};
use crate::{EventTime, Money};

/// The customers of one publication, sorted by id, with everything that merging needs.
///
/// About 60 bytes a customer and 8 an invoice.
#[derive(Debug)]
pub struct Base {
    pub publication: i64,
    pub published_at: EventTime,
    /// What the publication counts recency to.
    pub reference: EventTime,
    pub model: Model,
    pub invoices: InvoiceSet,
    /// By topic id, then by partition: the first offset not covered.
    covered: BTreeMap<String, Vec<i64>>,
    ids: Ids,
    frequency: Vec<u32>,
    monetary: Vec<Money>,
    /// First and last purchase; in reverse order when there is none.
    first: Vec<EventTime>,
    last: Vec<EventTime>,
}

/// A publication's parts, as they are read.
#[derive(Debug, Default)]
pub struct BaseParts {
    pub publication: i64,
    pub published_at: EventTime,
    pub reference: EventTime,
    /// Sorted by id, without doubles.
    pub customers: Vec<(String, Totals)>,
    pub invoices: InvoiceSet,
    pub covered: BTreeMap<String, Vec<i64>>,
}

impl Base {
    /// Puts a publication together from its parts, in any order of customers.
    #[must_use]
    pub fn new(parts: BaseParts, model: Model) -> Self {
        let mut customers = parts.customers;
        customers.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let mut base = Self {
            publication: parts.publication,
            published_at: parts.published_at,
            reference: parts.reference,
            model,
            invoices: parts.invoices,
            covered: parts.covered,
            ids: Ids::default(),
            frequency: Vec::with_capacity(customers.len()),
            monetary: Vec::with_capacity(customers.len()),
            first: Vec::with_capacity(customers.len()),
            last: Vec::with_capacity(customers.len()),
        };
        for (id, totals) in &customers {
            base.push(id, totals);
        }
        base.ids.index();
        base
    }

    fn push(&mut self, id: &str, totals: &Totals) {
        self.ids.push(id);
        self.frequency.push(u32::try_from(totals.frequency).unwrap_or(u32::MAX));
        self.monetary.push(totals.monetary);
        let (first, last) = totals.span.map_or((NEVER.last, NEVER.first), |span| (span.first, span.last));
        self.first.push(first);
        self.last.push(last);
    }

    /// Customers, those without a purchase included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.frequency.len()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.frequency.is_empty()
    }

    /// The place of a customer in the order of ids.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<usize> {
        self.ids.find(id)
    }

    /// The id of the customer at `place`; empty when there is no such place.
    #[must_use]
    pub fn id(&self, place: usize) -> &str {
        self.ids.get(place)
    }

    /// What the publication counted of the customer at `place`; nothing when there is no such place.
    #[must_use]
    pub fn totals(&self, place: usize) -> Totals {
        let (Some(&frequency), Some(&monetary), Some(&first), Some(&last)) =
            (self.frequency.get(place), self.monetary.get(place), self.first.get(place), self.last.get(place))
        else {
            return Totals::default();
        };
        let span = (first <= last).then_some(Span { first, last });
        Totals { frequency: u64::from(frequency), monetary, span }
    }

    /// By partition of the topic `topic_id`: the first offset that the publication does not cover.
    #[must_use]
    pub fn covered(&self, topic_id: &str) -> &[i64] {
        self.covered.get(topic_id).map_or(&[], Vec::as_slice)
    }

    /// What merging needs of the customer called `id`.
    #[must_use]
    pub fn of(&self, id: &str, topic_id: &str) -> BaseOf<'_> {
        let totals = self.find(id).map_or_else(Totals::default, |place| self.totals(place));
        BaseOf { totals, covered: self.covered(topic_id), invoices: &self.invoices }
    }

    /// The segment of a customer at `reference`; `None` without a purchase.
    #[must_use]
    pub fn segment(&self, totals: &Totals, reference: EventTime) -> Option<&Segment> {
        self.model.nearest(totals.features(reference)?).map(|(segment, _)| segment)
    }
}

const NEVER: Span = Span { first: EventTime::from_micros(0), last: EventTime::from_micros(1) };

/// Texts behind one another, found by hash.
#[derive(Debug, Default)]
struct Ids {
    bytes: String,
    /// End of each text.
    ends: Vec<u32>,
    places: HashTable<u32>,
}

impl Ids {
    fn push(&mut self, id: &str) {
        self.bytes.push_str(id);
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    fn index(&mut self) {
        let mut places = HashTable::with_capacity(self.ends.len());
        #[expect(clippy::cast_possible_truncation, reason = "ends are 32-bit, so places are")]
        for place in 0..self.ends.len() {
            places.insert_unique(hash(self.get(place)), place as u32, |place| hash(self.get(*place as usize)));
        }
        self.places = places;
    }

    fn get(&self, place: usize) -> &str {
        let start = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        let end = self.ends.get(place).copied().unwrap_or(start);
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.places.find(hash(id), |place| self.get(*place as usize) == id).map(|place| *place as usize)
    }
}

fn hash(id: &str) -> u64 {
    FixedState::default().hash_one(id)
}

#[cfg(test)]
mod tests;
