//! The keys of a stream: finds the state of an event's key, and the keys that have something to do.

use std::hash::BuildHasher;
use std::ops::{Index, IndexMut};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::due::Due;
use crate::key::read_all;
use crate::{Arrival, KeyState, Matcher, Output};

/// So many keys that are due are fetched together.
const TOGETHER: usize = 32;

/// The states of all keys that have one, and when each is due.
#[derive(Debug)]
pub struct Keys<E> {
    matcher: Matcher<E>,
    hasher: FixedState,
    /// Hashes of keys, and where their states are.
    places: HashTable<(u32, u32)>,
    slots: Slots<E>,
    free: Vec<u32>,
    due: Due,
    watermark: i64,
    /// Reads of an event what must be read to drop it.
    touch: fn(&E) -> usize,
    /// Hashes and places of keys that were fetched, and how many of them were asked for since.
    fetched: Vec<(u32, Option<u32>)>,
    asked: usize,
    /// Room for keys that are due.
    ready: Vec<(i64, u32)>,
}

/// Slots, so many together: what is there stays where it is when more come.
#[derive(Debug)]
struct Slots<E>(Vec<Vec<Slot<E>>>);

/// Slots that are allocated together.
const MANY: usize = 1024;

#[derive(Debug)]
struct Slot<E> {
    key: String,
    hash: u32,
    /// Whether it is a key's.
    taken: bool,
    state: KeyState<E>,
    /// When it is looked at for an event, and for a window; never later than needed.
    event_due: i64,
    window_due: i64,
}

impl<E> Keys<E> {
    #[must_use]
    pub fn new(matcher: Matcher<E>) -> Self {
        Self {
            matcher,
            hasher: FixedState::default(),
            places: HashTable::new(),
            slots: Slots(Vec::new()),
            free: Vec::new(),
            due: Due::default(),
            watermark: i64::MIN,
            touch: |_| 0,
            fetched: Vec::new(),
            asked: 0,
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
        let likely = self.fetched.get(self.asked).and_then(|(_, place)| *place);
        self.asked += 1;
        if at <= self.watermark {
            return Arrival::Late;
        }
        let place = self.place(key, likely);
        let slot = &mut self.slots[place];
        let arrival = self.matcher.push(&mut slot.state, at, event, self.watermark);
        if at < slot.event_due && arrival == Arrival::Waiting {
            slot.event_due = at;
            self.due.push(at, place);
        }
        arrival
    }

    /// Reads a little of all that events of these keys will need, which are best handed in in the same order. Matching waits for
    /// memory more than for anything else, as what is known of each key lies elsewhere; a processor that is asked for many keys
    /// in a row waits for all of them at once, level by level: where a key's state is, the state, what it leads to. Chen, Ailamaki,
    /// Gibbons and Mowry, "Improving hash join performance through prefetching" (2004), call it group prefetching.
    pub fn fetch<K: AsRef<str>>(&mut self, keys: impl Iterator<Item = K>) {
        let Self { fetched, hasher, places, slots, free, .. } = self;
        fetched.clear();
        fetched.extend(keys.map(|key| (short_hash(hasher, key.as_ref()), None)));
        for (hash, place) in fetched.iter_mut() {
            *place = places.find(spread(*hash), |&(other, _)| other == *hash).map(|&(_, place)| place);
        }
        let unknown = fetched.iter().filter(|(_, place)| place.is_none()).count();
        read_all(free.iter().rev().take(unknown).map(|&place| slots[place].key.len()));
        let states = fetched.iter().filter_map(|(_, place)| *place).map(|place| &slots[place].state);
        KeyState::fetch_all(states);
        self.asked = 0;
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
        let states = ready.iter().map(|&(_, place)| &self.slots[place].state);
        read_all(states.clone().map(KeyState::fetch));
        read_all(states.clone().map(KeyState::fetch_runs));
        if self.watermark < i64::MAX {
            let forgotten = states.clone().filter(|state| !state.waits());
            read_all(forgotten.flat_map(KeyState::all_events).map(self.touch));
        }
        read_all(states.filter(|state| state.waits()).map(KeyState::fetch_chains));
    }

    /// Looks at a key that was to be looked at by now.
    fn advance_key(&mut self, at: i64, place: u32, out: &mut dyn FnMut(&str, Output<'_, E>)) {
        let watermark = self.watermark;
        let Slot { key, state, event_due, window_due, .. } = &mut self.slots[place];
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

    /// The place of a key, which may be the one it was fetched at; a new one, if it has none.
    fn place(&mut self, key: &str, likely: Option<u32>) -> u32 {
        let is_of_key = |slots: &Slots<E>, place: u32| slots[place].is_of(key);
        if let Some(place) = likely.filter(|&place| is_of_key(&self.slots, place)) {
            return place;
        }
        let hash = short_hash(&self.hasher, key);
        let slots = &self.slots;
        let known = self.places.find(spread(hash), |&(other, place)| other == hash && is_of_key(slots, place));
        if let Some(&(_, place)) = known {
            return place;
        }
        let place = if let Some(place) = self.free.pop() {
            // What is empty keeps its room.
            let slot = &mut self.slots[place];
            slot.key.clear();
            slot.key.push_str(key);
            (slot.hash, slot.taken) = (hash, true);
            place
        } else {
            let (key, state) = (key.to_owned(), KeyState::default());
            self.slots.push(Slot { key, hash, taken: true, state, event_due: i64::MAX, window_due: i64::MAX })
        };
        self.places.insert_unique(spread(hash), (hash, place), |&(hash, _)| spread(hash));
        place
    }

    fn forget(&mut self, place: u32) {
        let slot = &mut self.slots[place];
        if let Ok(entry) = self.places.find_entry(spread(slot.hash), |&(_, other)| other == place) {
            entry.remove();
        }
        if slot.state.is_large() {
            slot.state = KeyState::default();
        }
        (slot.taken, slot.event_due, slot.window_due) = (false, i64::MAX, i64::MAX);
        self.free.push(place);
    }
}

impl<E> Slots<E> {
    /// Returns its place.
    fn push(&mut self, slot: Slot<E>) -> u32 {
        if self.0.last().is_none_or(|last| last.len() == MANY) {
            self.0.push(Vec::with_capacity(MANY));
        }
        let before = (self.0.len() - 1) * MANY;
        let last = self.0.last_mut().map_or(0, |last| {
            last.push(slot);
            last.len() - 1
        });
        u32::try_from(before + last).unwrap_or(u32::MAX)
    }
}

#[expect(clippy::indexing_slicing, reason = "places are handed out by `push`")]
impl<E> Index<u32> for Slots<E> {
    type Output = Slot<E>;

    fn index(&self, place: u32) -> &Slot<E> {
        &self.0[place as usize / MANY][place as usize % MANY]
    }
}

#[expect(clippy::indexing_slicing, reason = "places are handed out by `push`")]
impl<E> IndexMut<u32> for Slots<E> {
    fn index_mut(&mut self, place: u32) -> &mut Slot<E> {
        &mut self.0[place as usize / MANY][place as usize % MANY]
    }
}

impl<E> Slot<E> {
    fn is_of(&self, key: &str) -> bool {
        self.taken && self.key == key
    }
}

/// Half of a hash, which is kept, so that other keys' slots need not be looked at.
fn short_hash(hasher: &FixedState, key: &str) -> u32 {
    (hasher.hash_one(key) >> 32) as u32
}

/// The hash of a table's entry: its upper bits tell entries apart, its lower bits say where they are.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
