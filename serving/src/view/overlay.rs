//! Customers with live orders: what a view has beside its publication.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use data::{EventTime, Money};
use foldhash::fast::FixedState;

use super::Figures;

/// So many that copying those which changed between two views stays cheap.
const SHARDS: usize = 256;

/// A customer whom live orders changed.
#[derive(Clone, Debug)]
pub struct LiveCustomer {
    /// Among the publication's customers.
    pub place: Option<u32>,
    pub figures: Figures,
    pub country: Option<Arc<str>>,
    /// What no publication covers.
    pub invoices: Box<[LiveInvoice]>,
}

/// The live lines of an invoice, added up.
#[derive(Clone, Copy, Debug)]
pub struct LiveInvoice {
    pub at: EventTime,
    pub amount: Money,
    /// Whether none of its lines was counted before.
    pub new: bool,
}

type Shard = HashMap<Box<str>, Arc<LiveCustomer>, FixedState>;

/// All of them. A clone shares what neither side changes afterwards.
#[derive(Clone, Debug)]
pub struct Overlay {
    shards: Vec<Arc<Shard>>,
    /// A bit for each place of the publication.
    touched: Arc<Vec<u64>>,
    len: usize,
}

impl Overlay {
    /// Over a publication of so many customers.
    #[must_use]
    pub fn new(customers: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Arc::default()).collect();
        Self { shards, touched: Arc::new(vec![0; customers.div_ceil(64)]), len: 0 }
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<&LiveCustomer> {
        self.shards.get(shard_of(id))?.get(id).map(Arc::as_ref)
    }

    /// [`Overlay::get`], with the id that lives as long.
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<(&str, &LiveCustomer)> {
        let (id, customer) = self.shards.get(shard_of(id))?.get_key_value(id)?;
        Some((id, customer))
    }

    /// Whether the customer at `place` of the publication is in here.
    #[must_use]
    pub fn has(&self, place: usize) -> bool {
        self.touched.get(place / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 1)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &LiveCustomer)> {
        self.shards.iter().flat_map(|shard| shard.iter().map(|(id, customer)| (&**id, &**customer)))
    }

    pub fn insert(&mut self, id: &str, customer: LiveCustomer) {
        self.mark(customer.place, true);
        let Some(shard) = self.shards.get_mut(shard_of(id)) else { return };
        if Arc::make_mut(shard).insert(id.into(), Arc::new(customer)).is_none() {
            self.len += 1;
        }
    }

    pub fn remove(&mut self, id: &str) -> Option<Arc<LiveCustomer>> {
        let shard = self.shards.get_mut(shard_of(id))?;
        if !shard.contains_key(id) {
            return None;
        }
        let removed = Arc::make_mut(shard).remove(id)?;
        self.mark(removed.place, false);
        self.len -= 1;
        Some(removed)
    }

    fn mark(&mut self, place: Option<u32>, touched: bool) {
        let Some(place) = place.map(|place| place as usize) else { return };
        if let Some(bits) = Arc::make_mut(&mut self.touched).get_mut(place / 64) {
            let bit = 1 << (place % 64);
            if touched { *bits |= bit } else { *bits &= !bit }
        }
    }
}

fn shard_of(id: &str) -> usize {
    usize::try_from(FixedState::default().hash_one(id) % SHARDS as u64).unwrap_or_default()
}
