//! Joins every order with its customer's live segment, and keeps what no publication covers yet.

mod customer;
pub mod order;
mod output;
mod sweep;
mod view;

use std::sync::Arc;

use data::EventTime;
use data::base::Base;
use data::kafka::partition_of;
use data::merge::{Contribution, InvoiceHash, Span, Totals};
use data::model::Segment;

pub use customer::Customer;
pub use data::state::{StateRecord, Suffix};
pub use order::{Order, Reading};

use crate::frame::{
    Decoded, Effects, EpochEnd, KeyedState, Operator, Origin, Record, Refusal, Signal, Target, TopicId,
};
use crate::topology::{OpenError, START_ANEW};
use customer::Change;
use output::{Cause, Live, Moved, is_purchase, write_change, write_enriched};
pub use sweep::Memo;
use sweep::{Stage, Sweep};
use view::View;

/// Its name in a topology, by which its memos are kept.
pub const NAME: &str = "segments";

/// What the operator is told once.
#[derive(Debug)]
pub struct Settings {
    pub reading: Reading,
    /// The topic `orders`: its name, and Kafka's id for it, by which publications name their offsets.
    pub orders: String,
    pub topic_id: Arc<str>,
    /// The lake's id, without which its publications are mere numbers.
    pub lake_id: Arc<str>,
    pub enriched: TopicId,
    pub state: TopicId,
    pub changes: TopicId,
}

/// The publications that can be had.
pub trait Shelf {
    /// The newest one.
    fn newest(&self) -> Arc<Base>;
    /// The one called `id`, unless it is forgotten.
    fn get(&self, id: i64) -> Option<Arc<Base>>;
}

/// The join, for one shard.
#[derive(Debug)]
pub struct Segments {
    settings: Arc<Settings>,
    shard: u32,
    shards: u32,
    view: View,
    newest: Option<EventTime>,
    customers: KeyedState<Customer>,
    sweep: Option<Sweep>,
    /// View, newest order and sweep as of the last commit: what an abort goes back to.
    committed: (View, Option<EventTime>, Option<Sweep>),
}

impl Segments {
    /// Opens a shard where `memo` left it, or anew under the newest publication.
    ///
    /// # Errors
    /// When the memo cannot be read, or names a publication that this process has not noticed yet and cannot load:
    /// under an older one, lines would be missing that no state holds any more.
    pub fn open(
        settings: Arc<Settings>,
        (shard, shards): (u32, u32),
        shelf: &dyn Shelf,
        memo: Option<&str>,
    ) -> Result<Self, OpenError> {
        let memo: Memo = memo.map_or_else(|| Ok(Memo::default()), serde_json::from_str).map_err(|e| e.to_string())?;
        let newest = memo.newest();
        let topic_id = Arc::clone(&settings.topic_id);
        memo.check(&topic_id, &settings.lake_id).map_err(OpenError::Foreign)?;
        let view = |base: Arc<Base>| View::new(base, Arc::clone(&topic_id), newest);
        let kept = memo.publication.and_then(|id| shelf.get(id));
        let known = shelf.newest().publication;
        if let Some(wanted) = memo.publication.filter(|wanted| kept.is_none() && *wanted > known) {
            return Err(OpenError::NotYet(format!(
                "publication {wanted}, which its state rests on, cannot be loaded, and the newest known is {known}; is the lake \
                 an older copy? Bring back the one that has it, or {START_ANEW}"
            )));
        }
        let is_other = |base: &Arc<Base>| memo.published_at.is_some_and(|known| known != base.published_at.micros());
        if let Some(other) = kept.as_ref().filter(|base| is_other(base)) {
            return Err(OpenError::Foreign(format!(
                "publication {} of the lake is not the one that the state rests on, which was published at another time: the lake \
                 was put back from a copy. Bring back the one that it was, or {START_ANEW}",
                other.publication
            )));
        }
        let (view, sweep) = match (memo.publication, kept) {
            (_, Some(base)) => (view(base), None),
            (None, None) => (view(shelf.newest()), None),
            // What customers were announced under is forgotten: those with state know their segment themselves.
            (Some(_), None) => (view(shelf.newest()), Some(Sweep::new(Cause::Publication, None))),
        };
        let resumed = memo.sweep.map(|memo| {
            let from = shelf.get(memo.from.0).map(|base| View {
                base,
                topic_id: Arc::clone(&topic_id),
                reference: EventTime::from_micros(memo.from.1),
            });
            let stage = memo.next.map_or(Stage::State { left: None }, |next| Stage::Base { next });
            Sweep { cause: memo.cause, from, stage }
        });
        let sweep = sweep.or(resumed);
        let committed = (view.clone(), newest, sweep.clone());
        Ok(Self { settings, shard, shards, view, newest, customers: KeyedState::default(), sweep, committed })
    }

    /// Counts a line that no publication covers; whether its customer's segment is another now is announced.
    fn count(&mut self, id: &str, at: EventTime, line: Contribution, out: &mut Effects) {
        self.settle(id, out);
        let Self { view, customers, .. } = self;
        let customer = customers.entry(id, || {
            let totals = view.of(id).totals;
            let segment = view.segment(&totals).map(|segment| segment.id);
            Customer { totals, segment, publication: view.base.publication, suffix: Suffix::new() }
        });
        if customer.count(line, view) == Change::Repeated {
            return;
        }
        let to = view.segment(&customer.totals);
        let before = std::mem::replace(&mut customer.segment, to.map(|segment| segment.id));
        if before != customer.segment {
            let from = before.map(|id| (id, name_in(view, id)));
            announce(&self.settings, view, id, &Moved { from, to, cause: Cause::Order, at }, out);
        }
    }

    /// Goes on to a later reference time when the shard's newest order is of a later day.
    fn observe(&mut self, at: EventTime, out: &mut Effects) {
        if self.newest.is_some_and(|newest| at <= newest) {
            return;
        }
        self.newest = Some(at);
        let reference = self.view.reference_with(self.newest);
        if reference != self.view.reference {
            self.turn(View { reference, ..self.view.clone() }, Cause::Time, out);
        }
    }

    /// Judges by `view` from now on, and sweeps the customers from the view before.
    fn turn(&mut self, view: View, cause: Cause, out: &mut Effects) {
        while self.sweep.is_some() {
            self.work(usize::MAX, out);
        }
        let before = std::mem::replace(&mut self.view, view);
        self.sweep = Some(Sweep::new(cause, Some(before)));
        out.more_work = true;
    }

    /// Visits up to `budget` customers of the sweep.
    fn work(&mut self, budget: usize, out: &mut Effects) {
        let Some(mut sweep) = self.sweep.take() else { return };
        let done = match &mut sweep.stage {
            Stage::Base { next } => {
                let ended =
                    sweep.from.as_ref().is_none_or(|from| self.visit_base(from, sweep.cause, next, budget, out));
                if ended {
                    sweep.stage = Stage::State { left: None };
                }
                false
            }
            Stage::State { left } => {
                let left = left.get_or_insert_with(|| self.customers.keys().cloned().collect());
                for id in left.split_off(left.len().saturating_sub(budget)) {
                    self.settle_with_state(&id, sweep.cause, sweep.from.as_ref(), out);
                }
                left.is_empty()
            }
        };
        self.sweep = (!done).then_some(sweep);
        out.more_work |= self.sweep.is_some();
    }

    /// Visits customers without state, from the place `next` on; whether it came to the end.
    fn visit_base(&self, from: &View, cause: Cause, next: &mut usize, budget: usize, out: &mut Effects) -> bool {
        let base = &self.view.base;
        let end = base.len().min(next.saturating_add(budget));
        for place in *next..end {
            let id = base.id(place);
            if partition_of(id.as_bytes(), self.shards) == self.shard && self.customers.get(id).is_none() {
                self.compare(from, id, &base.totals(place), cause, out);
            }
        }
        *next = end;
        end == base.len()
    }

    /// Brings a customer up to the view before its next order is counted.
    fn settle(&mut self, id: &str, out: &mut Effects) {
        let Some(sweep) = &self.sweep else { return };
        if self.customers.get(id).is_some() {
            let (cause, from) = (sweep.cause, sweep.from.clone());
            self.settle_with_state(id, cause, from.as_ref(), out);
        } else if let Some(from) = sweep.from.as_ref().filter(|_| sweep.awaits(self.view.base.find(id))) {
            self.compare(from, id, &self.view.of(id).totals, sweep.cause, out);
        }
    }

    /// Announces the customer when the base alone puts it elsewhere than `from` did.
    fn compare(&self, from: &View, id: &str, totals: &Totals, cause: Cause, out: &mut Effects) {
        let (before, to) = (from.segment(&from.of(id).totals), self.view.segment(totals));
        if before.map(|segment| segment.id) != to.map(|segment| segment.id) {
            let from = before.map(|segment| (segment.id, Some(segment.name.as_str())));
            let moved = Moved { from, to, cause, at: self.view.reference };
            announce(&self.settings, &self.view, id, &moved, out);
        }
    }

    fn settle_with_state(&mut self, id: &str, cause: Cause, from: Option<&View>, out: &mut Effects) {
        let Self { settings, view, customers, .. } = self;
        let Some(customer) = customers.get(id) else { return };
        let outdated = customer.publication != view.base.publication;
        if !outdated && view.segment(&customer.totals).map(|segment| segment.id) == customer.segment {
            return;
        }
        let customer = customers.entry(id, || unreachable!("the customer was there above"));
        if outdated {
            customer.rebase(id, view);
        }
        let to = view.segment(&customer.totals);
        let before = std::mem::replace(&mut customer.segment, to.map(|segment| segment.id));
        if before != customer.segment {
            let name = |id| from.and_then(|from| name_in(from, id)).or_else(|| name_in(view, id));
            let from = before.map(|id| (id, name(id)));
            announce(settings, view, id, &Moved { from, to, cause, at: view.reference }, out);
        }
        if customer.suffix.is_empty() {
            customers.remove(id);
        }
    }

    /// What is known of the customer now.
    fn live(&self, id: &str) -> Live<'_> {
        let Self { view, customers, .. } = self;
        let place = view.base.find(id);
        let base = place.map(|place| view.base.totals(place));
        let totals = match customers.get(id) {
            Some(customer) if customer.publication == view.base.publication => customer.totals,
            Some(customer) => data::merge::merge(&view.of(id), &customer.suffix),
            None => base.unwrap_or_default(),
        };
        let batch_segment = base.and_then(|totals| view.base.segment(&totals, view.base.reference));
        Live { known: place.is_some(), totals, segment: view.segment(&totals), batch_segment }
    }

    fn memo(&self) -> Memo {
        Memo {
            publication: Some(self.view.base.publication),
            published_at: Some(self.view.base.published_at.micros()),
            topic_id: Some(self.settings.topic_id.as_ref().to_owned()),
            lake_id: Some(self.settings.lake_id.as_ref().to_owned()),
            newest: self.newest.map(EventTime::micros),
            sweep: self.sweep.as_ref().map(Sweep::memo),
        }
    }
}

impl Operator for Segments {
    type Event<'r> = Order<'r>;

    fn decode<'r>(&self, record: &Record<'r>) -> Result<Decoded<'r, Order<'r>>, Refusal> {
        order::decode(record.value, record.timestamp, &self.settings.reading)
    }

    fn apply(&mut self, order: &Decoded<'_, Order<'_>>, origin: &Origin, out: &mut Effects) {
        let (id, event) = (&*order.key, &order.event);
        let purchase = is_purchase(event.amount);
        if purchase {
            self.observe(order.at, out);
        }
        let Origin { at, offset, cell } = *origin;
        if !self.view.covers(at.partition, offset) {
            let line = Contribution {
                partition: at.partition,
                cell,
                through: offset,
                invoice: InvoiceHash::of(id.as_bytes(), event.invoice.as_bytes()),
                amount: event.amount,
                purchased: purchase.then_some(Span::at(order.at)),
            };
            self.count(id, order.at, line, out);
        }
        let live = self.live(id);
        out.emit(Target::ByKey(self.settings.enriched), id.as_bytes(), |out| {
            write_enriched(out, order, &live, &self.view, &self.settings.orders, origin);
        });
    }

    fn signal(&mut self, signal: &Signal<'_>, out: &mut Effects) {
        match signal {
            // An older one comes from a process that has not noticed the newer one yet.
            Signal::Publication(base) if base.publication > self.view.base.publication => {
                let view = View::new(Arc::clone(base), Arc::clone(&self.view.topic_id), self.newest);
                self.turn(view, Cause::Publication, out);
            }
            Signal::Work { budget } => self.work(*budget, out),
            Signal::Publication(_) | Signal::Rules(_) | Signal::Watermark(_) | Signal::Backlog(_) | Signal::Silence => {
            }
        }
    }

    fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        let customer = value.map(|value| Customer::read(key, value, &self.view)).transpose()?;
        self.customers.restore(key, customer);
        Ok(())
    }

    fn end_epoch(&mut self, end: EpochEnd<'_>, out: &mut Effects) {
        match end {
            EpochEnd::Flush { memo } => {
                let target = Target::Partition(self.settings.state, self.shard);
                for (id, customer) in self.customers.changes() {
                    match customer {
                        Some(customer) => {
                            out.emit(target, id.as_bytes(), |out| customer.write(id, &self.view, out));
                        }
                        None => out.delete(target, id.as_bytes()),
                    }
                }
                *memo = serde_json::to_string(&self.memo()).unwrap_or_default();
            }
            EpochEnd::Committed => {
                self.customers.commit();
                self.committed = (self.view.clone(), self.newest, self.sweep.as_ref().map(Sweep::resumable));
            }
            EpochEnd::Aborted => {
                self.customers.roll_back();
                (self.view, self.newest, self.sweep) = self.committed.clone();
            }
        }
    }
}

fn announce(settings: &Settings, view: &View, id: &str, moved: &Moved<'_>, out: &mut Effects) {
    out.emit(Target::ByKey(settings.changes), id.as_bytes(), |out| {
        write_change(out, id, moved, view.base.publication);
    });
}

fn name_in(view: &View, id: u32) -> Option<&str> {
    view.segment_named(Some(id)).map(|segment: &Segment| segment.name.as_str())
}

#[cfg(test)]
mod tests;
