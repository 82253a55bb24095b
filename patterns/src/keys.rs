//! The keys of a stream: finds the state of an event's key, and the keys that have something to do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::{Arrival, KeyState, Matcher, Output};

/// The states of all keys that have one, and when each is due.
#[derive(Debug)]
pub struct Keys<E> {
    matcher: Matcher<E>,
    hasher: FixedState,
    places: HashTable<u32>,
    slots: Vec<Slot<E>>,
    free: Vec<u32>,
    /// Each key at the earliest time it is due; entries that are out of date do no harm.
    due: BinaryHeap<Reverse<(i64, u32)>>,
    watermark: i64,
}

#[derive(Debug)]
struct Slot<E> {
    key: Box<str>,
    state: KeyState<E>,
    /// The earliest entry in the heap.
    scheduled: i64,
}

#[expect(clippy::indexing_slicing, reason = "places are indices of slots")]
impl<E> Keys<E> {
    #[must_use]
    pub fn new(matcher: Matcher<E>) -> Self {
        Self {
            matcher,
            hasher: FixedState::default(),
            places: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            watermark: i64::MIN,
        }
    }

    #[must_use]
    pub const fn watermark(&self) -> i64 {
        self.watermark
    }

    /// Keys with a state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Hands in an event of `key` at `at` (milliseconds).
    pub fn push(&mut self, key: &str, at: i64, event: E) -> Arrival {
        if at <= self.watermark {
            return Arrival::Late;
        }
        let place = self.place(key);
        let slot = &mut self.slots[place as usize];
        let arrival = self.matcher.push(&mut slot.state, at, event, self.watermark);
        if at < slot.scheduled {
            slot.scheduled = at;
            self.due.push(Reverse((at, place)));
        }
        arrival
    }

    /// Takes the watermark to `watermark`; reports with the key.
    pub fn advance(&mut self, watermark: i64, out: &mut dyn FnMut(&str, Output<'_, E>)) {
        self.watermark = self.watermark.max(watermark);
        while let Some(&Reverse((at, place))) = self.due.peek() {
            if at > watermark {
                return;
            }
            self.due.pop();
            let slot = &mut self.slots[place as usize];
            if slot.scheduled != at {
                continue;
            }
            let Slot { key, state, scheduled } = slot;
            *scheduled = i64::MAX;
            self.matcher.advance(state, watermark, &mut |output| out(key, output));
            if state.is_empty() {
                self.forget(place);
            } else if let Some(due) = self.matcher.due(state).filter(|&due| due > watermark) {
                *scheduled = due;
                self.due.push(Reverse((due, place)));
            }
        }
    }

    fn place(&mut self, key: &str) -> u32 {
        let hash = self.hasher.hash_one(key);
        if let Some(&place) = self.places.find(hash, |&place| *self.slots[place as usize].key == *key) {
            return place;
        }
        let slot = Slot { key: key.into(), state: KeyState::default(), scheduled: i64::MAX };
        let place = if let Some(place) = self.free.pop() {
            self.slots[place as usize] = slot;
            place
        } else {
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.places.insert_unique(hash, place, |&place| hasher.hash_one(&*slots[place as usize].key));
        place
    }

    fn forget(&mut self, place: u32) {
        let slot = &mut self.slots[place as usize];
        let hash = self.hasher.hash_one(&*slot.key);
        if let Ok(entry) = self.places.find_entry(hash, |&other| other == place) {
            entry.remove();
        }
        slot.key = Box::default();
        slot.scheduled = i64::MAX;
        self.free.push(place);
    }
}
