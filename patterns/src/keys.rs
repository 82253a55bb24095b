//! The keys of a stream: finds the state of an event's key, and the keys that have something to do.

use std::hash::BuildHasher;
use std::hint::black_box;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::due::Due;
use crate::{Arrival, KeyState, Matcher, Output};

/// So many keys that are due are fetched together.
const TOGETHER: usize = 32;

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
    /// Reads of an event what must be read to drop it.
    touch: fn(&E) -> usize,
    /// Room for places that are fetched, and for keys that are due.
    fetched: Vec<u32>,
    ready: Vec<(i64, u32)>,
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
            touch: |_| 0,
            fetched: Vec::new(),
            ready: Vec::new(),
        }
    }

    /// Has `touch` read of an event what must be read to drop it, for many events before the first of them is dropped. What it
    /// returns is of no account.
    #[must_use]
    pub fn touching(mut self, touch: fn(&E) -> usize) -> Self {
        self.touch = touch;
        self
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

    /// Reads a little of all that events of these keys will need. Matching waits for memory more than for anything else, as what
    /// is known of each key lies elsewhere; a processor that is asked for many keys in a row waits for all of them at once, level
    /// by level: where a key's state is, the state, what it leads to. Chen, Ailamaki, Gibbons and Mowry, "Improving hash join
    /// performance through prefetching" (2004), call it group prefetching.
    pub fn fetch<K: AsRef<str>>(&mut self, keys: impl Iterator<Item = K>) {
        let mut places = std::mem::take(&mut self.fetched);
        places.extend(keys.filter_map(|key| self.find(self.hasher.hash_one(key.as_ref()), key.as_ref())));
        let states = places.iter().map(|&place| &self.slots[place as usize].state);
        read(states.clone().map(KeyState::fetch));
        read(states.clone().map(KeyState::fetch_runs));
        read(states.map(KeyState::fetch_chains));
        places.clear();
        self.fetched = places;
    }

    /// Takes the watermark to `watermark`; reports with the key. At the end of the input, `i64::MAX`, keys that have nothing to
    /// report may stay.
    pub fn advance(&mut self, watermark: i64, out: &mut dyn FnMut(&str, Output<'_, E>)) {
        self.watermark = self.watermark.max(watermark);
        let mut ready = std::mem::take(&mut self.ready);
        loop {
            ready.extend(std::iter::from_fn(|| self.due.pop(self.watermark)).take(TOGETHER));
            if ready.len() > 1 {
                self.fetch_due(&ready);
            }
            if ready.is_empty() {
                break;
            }
            for (at, place) in ready.drain(..) {
                self.advance_key(at, place, out);
            }
        }
        self.ready = ready;
    }

    /// The same for keys that are due. Most of those that nothing came for are forgotten, with their events.
    fn fetch_due(&self, ready: &[(i64, u32)]) {
        let states = ready.iter().map(|&(_, place)| &self.slots[place as usize].state);
        read(states.clone().map(KeyState::fetch));
        read(states.clone().map(KeyState::fetch_runs));
        if self.watermark < i64::MAX {
            let forgotten = states.clone().filter(|state| !state.waits());
            read(forgotten.flat_map(KeyState::all_events).map(self.touch));
        }
        read(states.filter(|state| state.waits()).map(KeyState::fetch_chains));
    }

    /// Looks at a key that was to be looked at by now.
    fn advance_key(&mut self, at: i64, place: u32, out: &mut dyn FnMut(&str, Output<'_, E>)) {
        let watermark = self.watermark;
        let Slot { key, state, event_due, window_due } = &mut self.slots[place as usize];
        if *event_due != at && *window_due != at {
            return;
        }
        // Nothing comes behind the end of the input: what nobody sees need not be given back piece by piece.
        if watermark == i64::MAX && self.matcher.has_faded(state, watermark) {
            return;
        }
        for due in [&mut *event_due, &mut *window_due] {
            if *due <= watermark {
                *due = i64::MAX;
            }
        }
        self.matcher.advance(state, watermark, &mut |output| out(key, output));
        if state.is_empty() {
            return self.forget(place);
        }
        let next = [self.matcher.event_due(state), self.matcher.window_due(state)];
        for (due, next) in [event_due, window_due].into_iter().zip(next) {
            if let Some(next) = next.filter(|&next| next < *due && next > watermark) {
                *due = next;
                self.due.push(next, place);
            }
        }
    }

    fn find(&self, hash: u64, key: &str) -> Option<u32> {
        self.places.find(hash, |&place| self.slots[place as usize].key == key).copied()
    }

    fn place(&mut self, key: &str) -> u32 {
        let hash = self.hasher.hash_one(key);
        if let Some(place) = self.find(hash, key) {
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

/// Has these values computed; what they are is of no account.
fn read(values: impl Iterator<Item = usize>) {
    black_box(values.fold(0, usize::wrapping_add));
}
