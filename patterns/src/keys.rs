//! The keys of a stream: finds the state of an event's key, and the keys that have something to do.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::due::Due;
use crate::{Arrival, KeyState, Matcher, Output};

/// The states of all keys that have one, and when each is due.
#[derive(Debug)]
pub struct Keys<E> {
    matcher: Matcher<E>,
    hasher: FixedState,
    places: HashTable<u32>,
    slots: Vec<Slot<E>>,
    free: Vec<u32>,
    due: Due,
    watermark: i64,
}

#[derive(Debug)]
struct Slot<E> {
    key: String,
    state: KeyState<E>,
    /// When it is looked at for an event, and for a window; never later than needed.
    event_due: i64,
    window_due: i64,
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
            due: Due::default(),
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
        if at < slot.event_due && arrival == Arrival::Waiting {
            slot.event_due = at;
            self.due.push(at, place);
        }
        arrival
    }

    /// Takes the watermark to `watermark`; reports with the key.
    pub fn advance(&mut self, watermark: i64, out: &mut dyn FnMut(&str, Output<'_, E>)) {
        self.watermark = self.watermark.max(watermark);
        while let Some((at, place)) = self.due.pop(watermark) {
            let Slot { key, state, event_due, window_due } = &mut self.slots[place as usize];
            if *event_due != at && *window_due != at {
                continue;
            }
            for due in [&mut *event_due, &mut *window_due] {
                if *due <= watermark {
                    *due = i64::MAX;
                }
            }
            self.matcher.advance(state, watermark, &mut |output| out(key, output));
            if state.is_empty() {
                self.forget(place);
                continue;
            }
            let next = [self.matcher.event_due(state), self.matcher.window_due(state)];
            for (due, next) in [event_due, window_due].into_iter().zip(next) {
                if let Some(next) = next.filter(|&next| next < *due && next > watermark) {
                    *due = next;
                    self.due.push(next, place);
                }
            }
        }
    }

    fn place(&mut self, key: &str) -> u32 {
        let hash = self.hasher.hash_one(key);
        if let Some(&place) = self.places.find(hash, |&place| self.slots[place as usize].key == key) {
            return place;
        }
        let place = if let Some(place) = self.free.pop() {
            // What is empty keeps its room.
            self.slots[place as usize].key.clear();
            self.slots[place as usize].key.push_str(key);
            place
        } else {
            let state = KeyState::default();
            self.slots.push(Slot { key: key.to_owned(), state, event_due: i64::MAX, window_due: i64::MAX });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.places.insert_unique(hash, place, |&place| hasher.hash_one(slots[place as usize].key.as_str()));
        place
    }

    fn forget(&mut self, place: u32) {
        let slot = &mut self.slots[place as usize];
        let hash = self.hasher.hash_one(slot.key.as_str());
        if let Ok(entry) = self.places.find_entry(hash, |&other| other == place) {
            entry.remove();
        }
        if slot.state.is_large() {
            slot.state = KeyState::default();
        }
        (slot.event_due, slot.window_due) = (i64::MAX, i64::MAX);
        self.free.push(place);
    }
}
