//! The state of a key in a form that can be written down: what is free or could be computed is left out.

use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use crate::compile::{Kind, StateId};
use crate::heap::Heap;
use crate::runs::{Rare, Run, Runs, UNBEGUN};
use crate::store::{Chains, Events, NONE, Node};
use crate::{BrokenState, KeyState, Matcher};

/// Events in all chains of a pattern together, of a key; no limit is as high.
const MOST_TAKEN: usize = 1 << 28;

/// A [`KeyState`] to be written down and read again, for the same patterns in the same order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved<E> {
    matched: u64,
    /// Time, order, event.
    events: Vec<(i64, u64, E)>,
    /// Places of `events`, by time and arrival.
    waiting: Vec<u32>,
    /// By the number of the pattern.
    runs: Vec<(u32, SavedRuns)>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct SavedRuns {
    /// A node comes behind the one before it.
    nodes: Vec<SavedNode>,
    partial: Vec<SavedRun>,
    completed: Vec<SavedRun>,
    timers: Vec<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct SavedNode {
    /// Place of the node before plus one.
    before: u32,
    /// Place of the last event.
    event: u32,
    stage: u16,
    /// How many of the events before are in it too.
    #[serde(default)]
    more: u16,
}

/// Start (none: not begun), its time, place of the last node plus one, state.
type SavedRun = (Option<u64>, i64, u32, StateId);

impl<E> Saved<E> {
    /// Makes it the state of other patterns, as [`KeyState::rearrange`] does.
    pub fn rearrange(&mut self, from: &[Option<usize>]) {
        for (pattern, runs) in std::mem::take(&mut self.runs) {
            let now = from.iter().position(|from| *from == Some(pattern as usize)).map(u32::try_from);
            if let Some(Ok(now)) = now {
                self.runs.push((now, runs));
            }
        }
        self.runs.sort_unstable_by_key(|(pattern, _)| *pattern);
    }
}

impl<E> KeyState<E> {
    /// What has to be written down to restore it exactly, with events that are borrowed.
    #[must_use]
    pub fn save(&self) -> Saved<&E> {
        let mut places: SmallVec<[u32; 16]> = smallvec![NONE; self.events.slots.len()];
        let mut events = Vec::with_capacity(self.events.len());
        for (slot, place) in self.events.slots.iter().zip(&mut places) {
            if let Some(event) = &slot.event {
                *place = count(events.len());
                events.push((slot.at, slot.order, event));
            }
        }
        let place = |event: u32| places.get(event as usize).copied().unwrap_or(NONE);
        Saved {
            matched: self.matched,
            waiting: self.waiting.iter().map(|&event| place(event)).collect(),
            runs: self.runs.iter().map(|(pattern, runs)| (*pattern, save_runs(runs, place))).collect(),
            events,
        }
    }
}

fn save_runs(runs: &Runs, event_place: impl Fn(u32) -> u32) -> SavedRuns {
    let mut saved = SavedRuns { timers: runs.timers().to_vec(), ..SavedRuns::default() };
    let mut places: SmallVec<[u32; 16]> = smallvec![0; runs.chains.nodes.len()];
    let mut chain: SmallVec<[_; 16]> = SmallVec::new();
    saved.nodes.reserve(runs.chains.most_nodes());
    for run in runs.partial.iter().chain(runs.completed()) {
        let mut node = run.node();
        while let (Some(at), Some(0)) = (runs.chains.nodes.get(node as usize), places.get(node as usize)) {
            chain.push((node, *at));
            node = at.before;
        }
        for (node, at) in chain.drain(..).rev() {
            let before = places.get(at.before as usize).copied().unwrap_or(0);
            let (event, stage, more) = (event_place(at.event), at.stage, at.more);
            saved.nodes.push(SavedNode { before, event, stage, more });
            if let Some(place) = places.get_mut(node as usize) {
                *place = count(saved.nodes.len());
            }
        }
    }
    let save = |run: &Run| {
        let node = places.get(run.node() as usize).copied().unwrap_or(0);
        ((run.start != UNBEGUN).then_some(run.start), run.start_at, node, run.state())
    };
    saved.partial = runs.partial.iter().map(save).collect();
    saved.completed = runs.completed().iter().map(save).collect();
    saved
}

impl<E> Matcher<E> {
    /// Makes a key's state of what was saved.
    ///
    /// # Errors
    /// If it is not a state of these patterns.
    pub fn restore(&self, saved: Saved<E>) -> Result<KeyState<E>, BrokenState> {
        let mut state = KeyState { matched: saved.matched, ..KeyState::default() };
        for (at, order, event) in saved.events {
            let slot = state.events.add(at, event);
            state.events.set_order(slot, order);
        }
        let known = count(state.events.slots.len());
        let mut newest = i64::MIN;
        for event in saved.waiting {
            if event >= known || state.events.at(event) < newest {
                return Err(BrokenState("the events that wait are not in order"));
            }
            newest = state.events.at(event);
            state.events.retain(event);
            state.waiting.push(event);
        }
        for (pattern, runs) in saved.runs {
            let behind = state.runs.last().is_none_or(|(before, _)| *before < pattern);
            let Some(automaton) = self.automaton(pattern as usize).filter(|_| behind) else {
                return Err(BrokenState("it is of other patterns"));
            };
            state.runs.push((pattern, Box::new(restore_runs(runs, automaton, &mut state.events)?)));
        }
        // Each event was held while its users were counted.
        for event in 0..known {
            state.events.release(event);
        }
        Ok(state)
    }
}

fn restore_runs<E>(
    saved: SavedRuns,
    automaton: &crate::Automaton,
    events: &mut Events<E>,
) -> Result<Runs, BrokenState> {
    let known = count(events.slots.len());
    let mut chains = Chains::default();
    if saved.nodes.iter().map(|node| usize::from(node.more) + 1).sum::<usize>() > MOST_TAKEN {
        return Err(BrokenState("its chains have more events than any limit allows"));
    }
    for SavedNode { before, event, stage, more } in saved.nodes {
        let torn = before > count(chains.nodes.len()) || event >= known || u32::from(more) > event;
        if torn || usize::from(stage) >= automaton.stages() {
            return Err(BrokenState("a chain of events is torn"));
        }
        let before = before.checked_sub(1).unwrap_or(NONE);
        chains.retain_by(before, 1);
        chains.push(events, Node { before, event, uses: 0, stage, more });
    }
    let nodes = count(chains.nodes.len());
    let mut restore = |saved: Vec<SavedRun>, finished: bool| {
        let mut runs = Heap::with_capacity(saved.len());
        for (start, start_at, node, state) in saved {
            let fits = match automaton.kind(state) {
                Kind::Start => start.is_none() && node == 0 && !finished,
                Kind::Normal | Kind::Pending => start.is_some() && node > 0,
                Kind::Final => finished && node > 0,
                Kind::Stop => false,
            };
            if !fits || node > nodes || start == Some(UNBEGUN) {
                return Err(BrokenState("a run is in a state that it cannot be in"));
            }
            let node = node.checked_sub(1).unwrap_or(NONE);
            chains.retain_by(node, 1);
            let start_at = if start.is_some() { start_at } else { i64::MAX };
            runs.push(Run::new(start.unwrap_or(UNBEGUN), start_at, node, state));
        }
        Ok(runs)
    };
    let (partial, completed) = (restore(saved.partial, false)?, restore(saved.completed, true)?);
    if chains.nodes.iter().any(|node| node.uses == 0) {
        return Err(BrokenState("a chain of events belongs to no run"));
    }
    let newest = partial.iter().filter(|run| run.start != UNBEGUN).map(|run| run.start_at).max().unwrap_or(i64::MIN);
    let cannot_begin = partial.iter().all(|run| run.start != UNBEGUN);
    let is_rare = cannot_begin || !completed.is_empty() || !saved.timers.is_empty();
    let rare = is_rare.then(|| Box::new(Rare { completed, timers: saved.timers, cannot_begin }));
    let mut runs = Runs { partial, oldest: i64::MAX, newest, chains, rare };
    runs.note_oldest();
    Ok(runs)
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_older_states_are_read() {
        let older = rmp_serde::to_vec(&(0_u32, 3_u32, 1_u16)).expect("a node can be written");
        let node = SavedNode { before: 0, event: 3, stage: 1, more: 0 };
        assert_eq!(rmp_serde::from_slice::<SavedNode>(&older).expect("a node"), node);
        let written = rmp_serde::to_vec(&SavedNode { more: 2, ..node }).expect("a node can be written");
        assert_eq!(rmp_serde::from_slice::<SavedNode>(&written).expect("a node"), SavedNode { more: 2, ..node });
    }
}
