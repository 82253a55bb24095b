//! Keeps the merged view: takes publications and records of `customer-state`, and gives views.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use data::EventTime;
use data::merge::{Contribution, merge};
use data::state::StateRecord;
use foldhash::fast::FixedState;

use super::{Batch, Judged, LiveCustomer, LiveInvoice, Overlay, Sums, View};

/// What changes; [`Merger::view`] gives what never does.
#[derive(Debug)]
pub struct Merger {
    judged: Arc<Judged>,
    /// Kafka's id of the topic `orders`.
    topic_id: Arc<str>,
    suffixes: HashMap<Box<str>, Suffix, FixedState>,
    overlay: Overlay,
    sums: Sums,
    /// Of all live orders that were seen.
    newest: Option<EventTime>,
    /// Whether live orders are merged: known up to their end.
    live: bool,
    version: u64,
}

#[derive(Debug, Default)]
struct Suffix {
    contributions: Box<[Contribution]>,
    country: Option<Arc<str>>,
}

impl Merger {
    /// The view of a publication alone.
    #[must_use]
    pub fn new(batch: Arc<Batch>) -> Self {
        let reference = batch.base.reference;
        let judged = Arc::new(Judged::new(batch, reference));
        Self {
            overlay: Overlay::new(judged.batch.base.len()),
            sums: judged.sums.clone(),
            judged,
            topic_id: "".into(),
            suffixes: HashMap::default(),
            newest: None,
            live: false,
            version: 0,
        }
    }

    /// Names the topic whose offsets publications cover; everything known of another one is forgotten.
    pub fn follow(&mut self, topic_id: &str) {
        if &*self.topic_id != topic_id {
            self.topic_id = topic_id.into();
            self.forget();
        }
    }

    /// Forgets every live order: they are read again from the beginning.
    pub fn forget(&mut self) {
        self.suffixes.clear();
        self.newest = None;
        self.live = false;
        self.rebuild();
    }

    /// From now on views are merged ones.
    pub const fn set_live(&mut self, live: bool) {
        self.live = live;
    }

    #[must_use]
    pub fn publication(&self) -> i64 {
        self.judged.batch.base.publication
    }

    /// Takes up a publication: what it covers leaves the live orders.
    pub fn publish(&mut self, batch: Arc<Batch>) {
        let reference = self.reference_of(&batch);
        self.judged = Arc::new(Judged::new(batch, reference));
        self.rebuild();
    }

    /// The publication's reference time, or the day after the newest order, whichever is later.
    fn reference_of(&self, batch: &Batch) -> EventTime {
        let eve = self.newest.map(|newest| EventTime::at_day(newest.day() + 1));
        eve.map_or(batch.base.reference, |next| next.max(batch.base.reference))
    }

    /// Takes the newest record of a customer; `None` is a tombstone.
    pub fn apply(&mut self, id: &str, record: Option<StateRecord>) {
        match record {
            Some(record) => {
                let contributions = record.contributions.into_vec().into_boxed_slice();
                let last = contributions.iter().filter_map(|own| Some(own.purchased?.last)).max();
                self.newest = self.newest.max(last);
                let country = self.suffixes.remove(id).and_then(|before| before.country);
                self.suffixes.insert(id.into(), Suffix { contributions, country });
            }
            None => drop(self.suffixes.remove(id)),
        }
        self.merge_one(id);
    }

    /// Takes in what an enriched order says of its customer and its time.
    pub fn observe(&mut self, id: &str, country: &str, ordered_at: Option<EventTime>) {
        self.newest = self.newest.max(ordered_at);
        // The state of this order may still be on its way: then its country waits here.
        let suffix = match self.suffixes.get_mut(id) {
            Some(suffix) => suffix,
            None => self.suffixes.entry(id.into()).or_default(),
        };
        if suffix.country.as_deref() != Some(country) && !country.is_empty() {
            suffix.country = Some(country.into());
            self.merge_one(id);
        }
    }

    /// The view as it is now.
    pub fn view(&mut self) -> Arc<View> {
        let reference = self.reference_of(&self.judged.batch);
        if reference > self.judged.reference {
            let since = Instant::now();
            self.publish(Arc::clone(&self.judged.batch));
            tracing::info!(%reference, ms = since.elapsed().as_millis(), "everybody judged at a new reference time");
        }
        self.version += 1;
        let (judged, overlay, sums) = (Arc::clone(&self.judged), self.overlay.clone(), self.sums.clone());
        Arc::new(View::new(judged, overlay, sums, self.version, self.live))
    }

    /// Adds everybody up again, over another publication or reference time.
    fn rebuild(&mut self) {
        self.overlay = Overlay::new(self.judged.batch.base.len());
        self.sums = self.judged.sums.clone();
        let suffixes = std::mem::take(&mut self.suffixes);
        for (id, suffix) in &suffixes {
            self.put(id, suffix);
        }
        self.suffixes = suffixes;
    }

    fn merge_one(&mut self, id: &str) {
        if let Some(before) = self.overlay.remove(id) {
            self.sums.remove(&before.figures);
            if let Some(figures) = before.place.and_then(|place| self.judged.figures(place as usize)) {
                self.sums.add(&figures);
            }
        }
        if let Some(suffix) = self.suffixes.remove(id) {
            self.put(id, &suffix);
            self.suffixes.insert(id.into(), suffix);
        }
    }

    /// Lays a customer over the publication, who is not in the overlay.
    fn put(&mut self, id: &str, suffix: &Suffix) {
        let judged = Arc::clone(&self.judged);
        let base = &judged.batch.base;
        let of = base.of(id, &self.topic_id);
        let uncovered: Vec<Contribution> = suffix.contributions.iter().filter(|own| !of.covers(own)).copied().collect();
        if uncovered.is_empty() {
            return;
        }
        let place = base.find(id);
        let Some(figures) = judged.judge(&merge(&of, &uncovered), place) else { return };
        if let Some(before) = place.and_then(|place| judged.figures(place)) {
            self.sums.remove(&before);
        }
        self.sums.add(&figures);
        let counted = |invoice| base.invoices.contains(invoice);
        let customer = LiveCustomer {
            place: place.and_then(|place| u32::try_from(place).ok()),
            figures,
            country: suffix.country.clone(),
            invoices: live_invoices(&uncovered, counted),
        };
        self.overlay.insert(id, customer);
    }
}

/// Contributions as what they add to revenue and orders over time.
fn live_invoices(uncovered: &[Contribution], counted: impl Fn(data::merge::InvoiceHash) -> bool) -> Box<[LiveInvoice]> {
    let invoice = |(index, own): (usize, &Contribution)| {
        let earlier =
            uncovered.iter().take(index).any(|other| other.invoice == own.invoice && other.purchased.is_some());
        let at = own.purchased.map_or(EventTime::from_micros(0), |span| span.first);
        LiveInvoice { at, amount: own.amount, new: own.purchased.is_some() && !earlier && !counted(own.invoice) }
    };
    uncovered.iter().enumerate().map(invoice).collect()
}
