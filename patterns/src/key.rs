//! What is remembered about one key.

use std::hint::black_box;

use smallvec::SmallVec;

use crate::runs::Runs;
use crate::store::Events;

/// How much may be remembered about a key. What goes beyond is dropped, and
/// [`crate::Output::Shed`] or [`Arrival::Full`] says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open runs and held back matches of one pattern; the oldest runs are dropped first.
    pub runs: usize,
    /// Events taken by the runs of one pattern, counted once for each place in a chain that they have.
    pub taken: usize,
    /// Events that wait for the watermark.
    pub waiting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs: 10_000, taken: 1_000_000, waiting: 100_000 }
    }
}

/// What became of an event that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It waits for the watermark.
    Waiting,
    /// It came after the watermark had passed it, and was dropped.
    Late,
    /// [`Limits::waiting`] events wait already; it was dropped.
    Full,
}

/// What is remembered about one key: events that wait, and the runs of every pattern.
#[derive(Clone, Debug)]
pub struct KeyState<E> {
    pub(crate) events: Events<E>,
    /// Slots of events that wait for the watermark, by time, then by arrival.
    pub(crate) waiting: SmallVec<[u32; 4]>,
    /// How many events of the key were matched since it was remembered.
    pub(crate) matched: u64,
    /// By the number of the pattern; only of those that remember something.
    pub(crate) runs: SmallVec<[(u32, Box<Runs>); 2]>,
}

impl<E> Default for KeyState<E> {
    fn default() -> Self {
        Self { events: Events::default(), waiting: SmallVec::new(), matched: 0, runs: SmallVec::new() }
    }
}

impl<E> KeyState<E> {
    /// Whether nothing is remembered: the state can be forgotten.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.runs.is_empty()
    }

    /// Reads a little of the state itself, and returns something of that.
    pub(crate) fn fetch(&self) -> usize {
        self.events.len() + self.waiting.len() + self.runs.len() + usize::from(self.matched == 0)
    }

    /// Reads a little of what the state leads to.
    pub(crate) fn fetch_runs(&self) -> usize {
        let runs = self.runs.iter().map(|(_, runs)| runs.partial.len() + runs.chains.len());
        runs.fold(self.events.fetch(), usize::wrapping_add)
    }

    /// Reads a little of what its runs lead to.
    pub(crate) fn fetch_chains(&self) -> usize {
        // A line of memory holds two or three runs, and four nodes.
        let runs = |(_, runs): &(u32, Box<Runs>)| {
            let ends = runs.partial.iter().step_by(2).map(|run| run.node());
            let taken = runs.chains.nodes.iter().step_by(4).map(|node| node.event);
            ends.chain(taken).fold(0, u32::wrapping_add)
        };
        self.runs.iter().map(runs).fold(0, u32::wrapping_add) as usize
    }

    /// Reads a little of all that an event of each state needs, level by level: where memory is slow, it is waited for together.
    pub fn fetch_all<'s>(states: impl Iterator<Item = &'s Self> + Clone)
    where
        E: 's,
    {
        read_all(states.clone().map(Self::fetch));
        read_all(states.clone().map(Self::fetch_runs));
        read_all(states.map(Self::fetch_chains));
    }

    /// How many bytes it takes at most when it is saved in MessagePack, if its events take so many.
    #[must_use]
    pub fn saved_size(&self, events: usize) -> usize {
        let nodes: usize = self.runs.iter().map(|(_, runs)| runs.chains.most_nodes()).sum();
        events + 40 * self.events() + 24 * nodes + 32 * self.runs() + 16
    }

    /// Whether an event waits for the watermark.
    pub(crate) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The events that are kept.
    pub fn all_events(&self) -> impl Iterator<Item = &E> {
        self.events.slots.iter().filter_map(|slot| slot.event.as_ref())
    }

    /// Whether it takes much room, empty as it may be.
    pub(crate) fn is_large(&self) -> bool {
        self.events.slots.capacity() > 64 || self.waiting.spilled()
    }

    /// Makes it the state of other patterns: `from` has, for each of them, the number that it had before, if it is the same.
    /// What belongs to none of them is forgotten.
    pub fn rearrange(&mut self, from: &[Option<usize>]) {
        for (pattern, mut runs) in std::mem::take(&mut self.runs) {
            match from.iter().position(|from| *from == Some(pattern as usize)).map(u32::try_from) {
                Some(Ok(now)) => self.runs.push((now, runs)),
                _ => runs.release_all(&mut self.events),
            }
        }
        self.runs.sort_unstable_by_key(|(pattern, _)| *pattern);
    }

    /// Open runs and held back matches of all patterns.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.iter().map(|(_, runs)| runs.partial.len() + runs.completed().len()).sum()
    }

    /// Events that are kept, because they wait or because a run took them.
    #[must_use]
    pub fn events(&self) -> usize {
        self.events.len()
    }
}

/// Has these values computed; what they are is of no account.
pub fn read_all(values: impl Iterator<Item = usize>) {
    black_box(values.fold(0, usize::wrapping_add));
}
