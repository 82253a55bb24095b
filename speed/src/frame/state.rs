//! Keyed state that knows what an epoch changed, and can take it back.

use compact_str::CompactString;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

/// A value for each key; changes since the last commit are kept apart until they are committed or undone.
#[derive(Debug)]
pub struct KeyedState<V> {
    slots: HashMap<CompactString, Slot<V>, FixedState>,
    /// What each key touched in this epoch held before it.
    before: Vec<(CompactString, Option<V>)>,
    /// Whether this epoch removed a key.
    removed: bool,
    epoch: u32,
}

#[derive(Debug)]
struct Slot<V> {
    /// The epoch that touched it last.
    epoch: u32,
    /// `None` only until the epoch ends: removed.
    value: Option<V>,
}

impl<V> Default for KeyedState<V> {
    fn default() -> Self {
        Self { slots: HashMap::default(), before: Vec::new(), removed: false, epoch: 1 }
    }
}

impl<V: Clone> KeyedState<V> {
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&V> {
        self.slots.get(key)?.value.as_ref()
    }

    /// The value to be changed, made by `missing` where there is none.
    pub fn entry(&mut self, key: &str, missing: impl FnOnce() -> V) -> &mut V {
        let epoch = self.epoch;
        let before = &mut self.before;
        let slot = match self.slots.entry_ref(key) {
            EntryRef::Occupied(slot) => slot.into_mut(),
            EntryRef::Vacant(free) => free.insert_with_key(CompactString::new(key), Slot { epoch: 0, value: None }),
        };
        if slot.epoch != epoch {
            slot.epoch = epoch;
            before.push((CompactString::new(key), slot.value.clone()));
        }
        slot.value.get_or_insert_with(missing)
    }

    pub fn remove(&mut self, key: &str) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let value = slot.value.take();
        self.removed = true;
        if slot.epoch != self.epoch {
            slot.epoch = self.epoch;
            self.before.push((CompactString::new(key), value));
        }
    }

    /// Puts back a committed value, or forgets the key: outside epochs.
    pub fn restore(&mut self, key: &str, value: Option<V>) {
        match value {
            Some(value) => {
                self.slots.insert(CompactString::new(key), Slot { epoch: 0, value: Some(value) });
            }
            None => {
                self.slots.remove(key);
            }
        }
    }

    /// What this epoch touched, as it is now: `None` was removed.
    pub fn changes(&self) -> impl Iterator<Item = (&str, Option<&V>)> {
        self.before.iter().map(|(key, _)| (key.as_str(), self.get(key)))
    }

    pub fn commit(&mut self) {
        let removed = std::mem::take(&mut self.removed);
        for (key, _) in self.before.drain(..) {
            if removed && self.slots.get(key.as_str()).is_some_and(|slot| slot.value.is_none()) {
                self.slots.remove(key.as_str());
            }
        }
        self.next_epoch();
    }

    pub fn roll_back(&mut self) {
        self.removed = false;
        for (key, value) in self.before.drain(..) {
            match value {
                Some(value) => {
                    self.slots.insert(key, Slot { epoch: 0, value: Some(value) });
                }
                None => {
                    self.slots.remove(&key);
                }
            }
        }
        self.next_epoch();
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn keys(&self) -> impl Iterator<Item = &CompactString> {
        self.slots.keys()
    }

    /// Epoch 0 marks slots that no epoch has touched, so the count skips it when it wraps.
    fn next_epoch(&mut self) {
        self.epoch = self.epoch.checked_add(1).unwrap_or_else(|| {
            self.slots.values_mut().for_each(|slot| slot.epoch = 0);
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
