//! Keyed state that knows what an epoch changed, and can take it back.

use std::hash::BuildHasher;

use compact_str::CompactString;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// So many free slots are kept, and more as long as they are no more than three in four.
const FREE: usize = 1_024;

/// A value for each key; changes since the last commit are kept apart until they are committed or undone.
#[derive(Debug)]
pub struct KeyedState<V> {
    hasher: FixedState,
    /// Where the keys' slots are.
    places: HashTable<Place>,
    slots: Vec<Slot<V>>,
    free: Vec<Place>,
    /// What each key touched in this epoch held before it.
    before: Vec<(Place, Option<V>)>,
    epoch: u32,
}

/// Where a key's value is, until the epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

#[derive(Debug)]
struct Slot<V> {
    key: CompactString,
    hash: u64,
    /// The epoch that touched it last.
    epoch: u32,
    /// `None` if the slot is free, or will be when the epoch ends.
    value: Option<V>,
}

impl<V> Default for KeyedState<V> {
    fn default() -> Self {
        let (places, slots, free, before) = (HashTable::new(), Vec::new(), Vec::new(), Vec::new());
        Self { hasher: FixedState::default(), places, slots, free, before, epoch: 1 }
    }
}

#[expect(clippy::indexing_slicing, reason = "places are indices of slots")]
impl<V: Clone> KeyedState<V> {
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&V> {
        self.at(self.find(key)?)
    }

    /// Where a key is that has a value, or had one in this epoch.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<Place> {
        self.find_hashed(self.hasher.hash_one(key), key)
    }

    #[must_use]
    pub fn key(&self, place: Place) -> &str {
        &self.slots[place.0 as usize].key
    }

    #[must_use]
    pub fn at(&self, place: Place) -> Option<&V> {
        self.slots[place.0 as usize].value.as_ref()
    }

    /// The value to be changed, made by `missing` where there is none.
    pub fn entry(&mut self, key: &str, missing: impl FnOnce() -> V) -> &mut V {
        let hash = self.hasher.hash_one(key);
        let place = self.find_hashed(hash, key).unwrap_or_else(|| self.insert(hash, key));
        self.touch(place).get_or_insert_with(missing)
    }

    /// The same where there is a value.
    pub fn entry_at(&mut self, place: Place) -> Option<&mut V> {
        self.at(place)?;
        self.touch(place).as_mut()
    }

    pub fn remove(&mut self, key: &str) {
        if let Some(place) = self.find(key) {
            self.remove_at(place);
        }
    }

    pub fn remove_at(&mut self, place: Place) {
        let slot = &mut self.slots[place.0 as usize];
        let value = slot.value.take();
        if slot.epoch != self.epoch {
            slot.epoch = self.epoch;
            self.before.push((place, value));
        }
    }

    /// Puts back a committed value, or forgets the key: outside epochs.
    pub fn restore(&mut self, key: &str, value: Option<V>) {
        let hash = self.hasher.hash_one(key);
        match (self.find_hashed(hash, key), value) {
            (place, Some(value)) => {
                let place = place.unwrap_or_else(|| self.insert(hash, key));
                let slot = &mut self.slots[place.0 as usize];
                (slot.epoch, slot.value) = (0, Some(value));
            }
            (Some(place), None) => self.give_back(place),
            (None, None) => {}
        }
    }

    /// Where this epoch touched a value, or removed one.
    pub fn changed(&self) -> impl Iterator<Item = Place> {
        self.before.iter().map(|&(place, _)| place)
    }

    /// What this epoch touched, as it is now: `None` was removed.
    pub fn changes(&self) -> impl Iterator<Item = (&str, Option<&V>)> + Clone {
        let slots = self.before.iter().map(|(place, _)| &self.slots[place.0 as usize]);
        slots.map(|slot| (slot.key.as_str(), slot.value.as_ref()))
    }

    pub fn commit(&mut self) {
        let mut before = std::mem::take(&mut self.before);
        for (place, _) in before.drain(..) {
            if self.at(place).is_none() {
                self.give_back(place);
            }
        }
        self.before = before;
        self.shrink();
        self.next_epoch();
    }

    pub fn roll_back(&mut self) {
        for (place, value) in std::mem::take(&mut self.before) {
            if value.is_none() {
                self.give_back(place);
            } else {
                self.slots[place.0 as usize].value = value;
            }
        }
        self.next_epoch();
    }

    /// Keys with a value, or with one in this epoch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Keys with a value.
    pub fn keys(&self) -> impl Iterator<Item = &CompactString> {
        self.slots.iter().filter(|slot| slot.value.is_some()).map(|slot| &slot.key)
    }

    fn find_hashed(&self, hash: u64, key: &str) -> Option<Place> {
        self.places.find(hash, |place| self.slots[place.0 as usize].key == key).copied()
    }

    /// A slot for a new key, without a value.
    fn insert(&mut self, hash: u64, key: &str) -> Place {
        let slot = Slot { key: CompactString::new(key), hash, epoch: 0, value: None };
        let place = if let Some(place) = self.free.pop() {
            self.slots[place.0 as usize] = slot;
            place
        } else {
            self.slots.push(slot);
            Place(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
        };
        self.places.insert_unique(hash, place, |place| self.slots[place.0 as usize].hash);
        place
    }

    /// The value at a place, whose value before the epoch is kept.
    fn touch(&mut self, place: Place) -> &mut Option<V> {
        let slot = &mut self.slots[place.0 as usize];
        if slot.epoch != self.epoch {
            slot.epoch = self.epoch;
            self.before.push((place, slot.value.clone()));
        }
        &mut slot.value
    }

    fn give_back(&mut self, place: Place) {
        let slot = &mut self.slots[place.0 as usize];
        slot.value = None;
        if let Ok(entry) = self.places.find_entry(slot.hash, |&other| other == place) {
            entry.remove();
        }
        self.free.push(place);
    }

    /// Gives back the room of many keys that are no more. No place outlives an epoch, so values may move.
    fn shrink(&mut self) {
        if self.free.len() <= FREE || self.free.len() / 3 <= self.slots.len() - self.free.len() {
            return;
        }
        self.slots.retain(|slot| slot.value.is_some());
        self.slots.shrink_to_fit();
        (self.free, self.before) = (Vec::new(), Vec::new());
        self.places = HashTable::with_capacity(self.slots.len());
        for (place, slot) in (0..).zip(&self.slots) {
            self.places.insert_unique(slot.hash, Place(place), |place| self.slots[place.0 as usize].hash);
        }
    }

    /// Epoch 0 marks slots that no epoch has touched, so the count skips it when it wraps.
    fn next_epoch(&mut self) {
        self.epoch = self.epoch.checked_add(1).unwrap_or_else(|| {
            self.slots.iter_mut().for_each(|slot| slot.epoch = 0);
            1
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Add(u8, i64),
        Remove(u8),
        Commit,
        RollBack,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..5_u8, -9..9_i64).prop_map(|(key, by)| Step::Add(key, by)),
            2 => (0..5_u8).prop_map(Step::Remove),
            1 => Just(Step::Commit),
            1 => Just(Step::RollBack),
        ];
        prop::collection::vec(step, 0..60)
    }

    #[test]
    fn the_room_of_keys_that_are_no_more_is_given_back() {
        let mut state = KeyedState::<i64>::default();
        let name = |key: i64| format!("a key of more than twenty-four letters: {key}");
        (0..20_000).for_each(|key| *state.entry(&name(key), || 0) += key);
        state.commit();
        (0..20_000).filter(|key| key % 1_000 != 7).for_each(|key| state.remove(&name(key)));
        state.commit();
        assert!(
            state.len() == 20 && state.slots.capacity() < 100 && state.places.capacity() < 100 && state.free.is_empty()
        );
        for key in 0..20_000 {
            assert_eq!(state.get(&name(key)), (key % 1_000 == 7).then_some(&key));
        }
        *state.entry(&name(7), || 0) += 1;
        state.remove(&name(1_007));
        state.roll_back();
        assert_eq!([state.get(&name(7)), state.get(&name(1_007))], [Some(&7), Some(&1_007)]);
    }

    proptest! {
        #[test]
        fn eo_5_an_aborted_epoch_leaves_no_trace(steps in steps()) {
            let (mut state, mut now, mut committed) =
                (KeyedState::<i64>::default(), BTreeMap::new(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Add(key, by) => {
                        *state.entry(&key.to_string(), || 100) += by;
                        *now.entry(key.to_string()).or_insert(100) += by;
                    }
                    Step::Remove(key) => {
                        state.remove(&key.to_string());
                        now.remove(&key.to_string());
                    }
                    Step::Commit => {
                        for (key, value) in state.changes() {
                            prop_assert_eq!(value, now.get(key));
                        }
                        state.commit();
                        committed.clone_from(&now);
                    }
                    Step::RollBack => {
                        state.roll_back();
                        now.clone_from(&committed);
                    }
                }
                for key in 0..5_u8 {
                    prop_assert_eq!(state.get(&key.to_string()), now.get(&key.to_string()));
                }
            }
            state.roll_back();
            prop_assert_eq!(state.len(), committed.len());
        }
    }
}
