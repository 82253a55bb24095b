//! The events that runs still need, and the chains of events that runs have taken.
#![expect(clippy::indexing_slicing, reason = "indices are handed out by these arenas, and checked when restored")]

use std::ops::RangeInclusive;

use smallvec::SmallVec;

use crate::StageId;

/// No node, no event.
pub const NONE: u32 = u32::MAX;

/// An event of a key, kept as long as it waits or a run refers to it.
#[derive(Clone, Debug)]
pub struct Slot<E> {
    pub at: i64,
    /// Its place among the key's events, once it is matched.
    pub order: u64,
    /// As wide as the rest: a processor that has just written half a word waits before it can copy the whole.
    pub uses: u64,
    pub event: Option<E>,
}

/// The events of a key.
#[derive(Clone, Debug)]
pub struct Events<E> {
    pub(crate) slots: SmallVec<[Slot<E>; 1]>,
    /// The first free slot; its `order` is the next one.
    free: u32,
    used: u32,
}

impl<E> Default for Events<E> {
    fn default() -> Self {
        Self { slots: SmallVec::new(), free: NONE, used: 0 }
    }
}

impl<E> Events<E> {
    pub fn len(&self) -> usize {
        self.used as usize
    }

    /// Reads a little of where the next event will be kept.
    pub fn fetch(&self) -> usize {
        let free = self.slots.get(self.free as usize);
        free.or(self.slots.last()).map_or(0, |slot| usize::from(slot.uses == 0))
    }

    /// Keeps an event, used once.
    pub fn add(&mut self, at: i64, event: E) -> u32 {
        self.used += 1;
        let place = if self.free == NONE {
            self.slots.push(Slot { at: 0, order: 0, uses: 0, event: None });
            u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
        } else {
            let place = self.free;
            self.free = u32::try_from(self.slots[place as usize].order).unwrap_or(NONE);
            place
        };
        let slot = &mut self.slots[place as usize];
        (slot.at, slot.order, slot.uses) = (at, 0, 1);
        // Nothing was there, and need not be read to be dropped.
        std::mem::forget(slot.event.replace(event));
        place
    }

    /// Forgets all events.
    pub fn clear(&mut self) {
        self.slots.clear();
        (self.free, self.used) = (NONE, 0);
    }

    pub fn at(&self, event: u32) -> i64 {
        self.slots[event as usize].at
    }

    pub fn order(&self, event: u32) -> u64 {
        self.slots[event as usize].order
    }

    pub fn set_order(&mut self, event: u32, order: u64) {
        self.slots[event as usize].order = order;
    }

    pub fn get(&self, event: u32) -> Option<&E> {
        self.slots[event as usize].event.as_ref()
    }

    pub fn retain(&mut self, event: u32) {
        self.slots[event as usize].uses += 1;
    }

    pub fn release(&mut self, event: u32) {
        let slot = &mut self.slots[event as usize];
        slot.uses -= 1;
        if slot.uses == 0 {
            slot.event = None;
            slot.order = u64::from(self.free);
            self.free = event;
            self.used -= 1;
            if self.used == 0 {
                self.clear();
            }
        }
    }
}

/// Events that one run has taken in one stage, behind the ones taken before: one event, and those that lie in the slots before
/// it, so that a run which takes each event does not need a node for each.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub before: u32,
    /// The last one.
    pub event: u32,
    /// Runs in this place, and nodes behind it.
    pub uses: u32,
    pub stage: u16,
    /// How many more there are, in the slots before the last one's.
    pub more: u16,
}

impl Node {
    /// The slots of its events, the first event first.
    pub fn events(&self) -> RangeInclusive<u32> {
        self.event - u32::from(self.more)..=self.event
    }
}

/// The chains of a pattern's runs; runs that began alike share their beginning.
#[derive(Clone, Debug)]
pub struct Chains {
    pub(crate) nodes: SmallVec<[Node; 2]>,
    /// The first free node; its `before` is the next one.
    free: u32,
    taken: u32,
}

impl Default for Chains {
    fn default() -> Self {
        Self { nodes: SmallVec::new(), free: NONE, taken: 0 }
    }
}

impl Chains {
    /// How many events are in the nodes.
    pub fn len(&self) -> usize {
        self.taken as usize
    }

    /// How many nodes there are at most: some may be free, and each of the others has an event.
    pub fn most_nodes(&self) -> usize {
        self.nodes.len().min(self.len())
    }

    /// A node with one event that is used so often. It uses its event, and takes over one use of the node before.
    #[inline]
    pub fn add<E>(&mut self, events: &mut Events<E>, before: u32, event: u32, stage: u16, uses: u32) -> u32 {
        events.retain(event);
        self.taken += 1;
        let node = Node { before, event, uses, stage, more: 0 };
        if self.free == NONE {
            self.nodes.push(node);
            return u32::try_from(self.nodes.len() - 1).unwrap_or(NONE);
        }
        let place = self.free;
        self.free = std::mem::replace(&mut self.nodes[place as usize], node).before;
        place
    }

    /// The same with a node that was made elsewhere.
    pub fn push<E>(&mut self, events: &mut Events<E>, node: Node) {
        node.events().for_each(|event| events.retain(event));
        self.taken += u32::from(node.more) + 1;
        self.nodes.push(node);
    }

    /// Puts an event into a node, which is then used so often; not if another run needs the node as it is, or if the event does
    /// not lie behind its last one.
    #[inline]
    pub fn extend<E>(&mut self, events: &mut Events<E>, node: u32, event: u32, stage: u16, uses: u32) -> bool {
        let Some(last) = self.nodes.get_mut(node as usize) else { return false };
        if last.uses != 1 || last.stage != stage || last.event + 1 != event || last.more == u16::MAX {
            return false;
        }
        (last.event, last.uses, last.more) = (event, uses, last.more + 1);
        events.retain(event);
        self.taken += 1;
        true
    }

    pub fn retain_by(&mut self, node: u32, uses: u32) {
        if node != NONE {
            self.nodes[node as usize].uses += uses;
        }
    }

    /// Gives up one use, and with the last one the node, and so on back to the beginning.
    pub fn release<E>(&mut self, events: &mut Events<E>, mut node: u32) {
        let nodes = self.nodes.as_mut_slice();
        while node != NONE {
            let last = &mut nodes[node as usize];
            last.uses = last.uses.saturating_sub(1);
            if last.uses > 0 {
                return;
            }
            for event in last.events() {
                events.release(event);
            }
            self.taken -= u32::from(last.more) + 1;
            let before = std::mem::replace(&mut last.before, self.free);
            self.free = node;
            node = before;
        }
        if self.taken == 0 {
            self.clear();
        }
    }

    /// Forgets all nodes, whose events are forgotten too.
    pub fn clear(&mut self) {
        self.nodes.clear();
        (self.free, self.taken) = (NONE, 0);
    }

    /// The last event.
    pub fn event(&self, node: u32) -> u32 {
        self.nodes[node as usize].event
    }

    /// The chain up to `node`, first event first, into `path`.
    pub fn path(&self, mut node: u32, path: &mut Vec<(u16, u32)>) {
        path.clear();
        while node != NONE {
            let taken = &self.nodes[node as usize];
            path.extend(taken.events().rev().map(|event| (taken.stage, event)));
            node = taken.before;
        }
        path.reverse();
    }
}

/// The events that a run has taken, by stage.
#[derive(Debug)]
pub struct Taken<'a, E> {
    pub(crate) events: &'a Events<E>,
    pub(crate) chains: Option<&'a Chains>,
    pub(crate) last: u32,
}

impl<'a, E> Taken<'a, E> {
    /// The events of a stage, the newest first.
    pub fn newest_first(&self, stage: StageId) -> impl Iterator<Item = &'a E> + use<'a, E> {
        let (events, chains, mut next) = (self.events, self.chains, self.last);
        let nodes = std::iter::from_fn(move || {
            let node = chains?.nodes.get(next as usize)?;
            next = node.before;
            Some(node)
        });
        let of_stage = nodes.filter(move |node| usize::from(node.stage) == stage);
        of_stage.flat_map(|node| node.events().rev()).filter_map(|event| events.get(event))
    }

    /// The first event that the stage took.
    #[must_use]
    pub fn first(&self, stage: StageId) -> Option<&'a E> {
        self.newest_first(stage).last()
    }

    /// The last event that the stage took.
    #[must_use]
    pub fn last(&self, stage: StageId) -> Option<&'a E> {
        self.newest_first(stage).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_takes_what_lies_behind_it_for_one_run_alone() {
        let (mut events, mut chains) = (Events::default(), Chains::default());
        let slots: Vec<u32> = (0..4).map(|at| events.add(at, at)).collect();
        let node = chains.add(&mut events, NONE, slots[0], 0, 1);
        assert!(chains.extend(&mut events, node, slots[1], 0, 2));
        assert!(!chains.extend(&mut events, node, slots[2], 0, 1), "two runs need it");
        chains.release(&mut events, node);
        assert!(!chains.extend(&mut events, node, slots[2], 1, 1), "it is of another stage");
        assert!(!chains.extend(&mut events, node, slots[3], 0, 1), "one lies between");
        assert!(chains.extend(&mut events, node, slots[2], 0, 1));

        let next = chains.add(&mut events, node, slots[3], 1, 1);
        let mut path = Vec::new();
        chains.path(next, &mut path);
        assert_eq!((path, chains.len()), (vec![(0, 0), (0, 1), (0, 2), (1, 3)], 4));
        let taken = Taken { events: &events, chains: Some(&chains), last: next };
        assert_eq!((taken.first(0), taken.last(0), taken.last(1)), (Some(&0), Some(&2), Some(&3)));

        slots.into_iter().for_each(|slot| events.release(slot));
        assert_eq!(events.len(), 4);
        chains.release(&mut events, next);
        assert_eq!((events.len(), chains.len()), (0, 0));
    }
}
