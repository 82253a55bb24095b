//! A binary heap of runs whose order among equals is that of `java.util.PriorityQueue`.
//!
//! Which of several matches with the same start comes first decides what a skip strategy leaves over, so the order in which
//! equals leave the heap, and in which its array is walked, is part of the semantics.
#![expect(clippy::indexing_slicing, reason = "indices are computed from the length")]

use smallvec::SmallVec;

use crate::runs::Run;

/// Runs, the earliest start first; most keys have one that has begun, and one that has not.
pub type Heap = SmallVec<[Run; 2]>;

#[inline(always)]
pub fn push(heap: &mut Heap, run: Run) {
    heap.push(run);
    sift_up(heap);
}

/// Brings the last one to its place.
#[inline]
fn sift_up(heap: &mut [Run]) {
    let mut at = heap.len() - 1;
    while at > 0 {
        let parent = (at - 1) >> 1;
        if heap[at].start >= heap[parent].start {
            break;
        }
        heap.swap(at, parent);
        at = parent;
    }
}

pub fn pop(heap: &mut Heap) -> Option<Run> {
    if heap.is_empty() {
        return None;
    }
    let first = heap.swap_remove(0);
    sift_down(heap, 0);
    Some(first)
}

/// Takes out all that `out` names, and puts the rest in order again.
pub fn extract(heap: &mut Heap, out: impl Fn(&Run) -> bool) -> Heap {
    let taken: Heap = heap.iter().filter(|run| out(run)).copied().collect();
    if !taken.is_empty() {
        heap.retain(|run| !out(run));
        for at in (0..heap.len() / 2).rev() {
            sift_down(heap, at);
        }
    }
    taken
}

/// A heap whose runs are taken out one by one, from the front of its array, while others are pushed: as if they went into an
/// empty heap, but in the room of those taken out as long as it is enough.
pub struct Refilled<'h> {
    runs: &'h mut [Run],
    /// How many were taken out, and how many were pushed in their room.
    taken: usize,
    pushed: usize,
    /// What was pushed when all were taken out, and there was no room any more. If there was none before that, it is all that was
    /// pushed, a heap.
    more: &'h mut Vec<Run>,
    moved: bool,
}

impl<'h> Refilled<'h> {
    /// `more` is empty room to work in.
    #[inline]
    pub fn new(heap: &'h mut Heap, more: &'h mut Vec<Run>) -> Self {
        Self { runs: heap.as_mut_slice(), taken: 0, pushed: 0, more, moved: false }
    }

    #[inline]
    pub fn next(&mut self) -> Option<Run> {
        let run = self.runs.get(self.taken).copied()?;
        self.taken += 1;
        Some(run)
    }

    #[inline(always)]
    pub fn push(&mut self, run: Run) {
        if self.pushed < self.taken && !self.moved {
            self.runs[self.pushed] = run;
            self.pushed += 1;
            sift_up(&mut self.runs[..self.pushed]);
        } else {
            self.push_more(run);
        }
    }

    #[inline(never)]
    fn push_more(&mut self, run: Run) {
        if self.taken < self.runs.len() && !self.moved {
            self.more.extend_from_slice(&self.runs[..self.pushed]);
            self.moved = true;
        }
        self.more.push(run);
        if self.moved {
            sift_up(self.more);
        }
    }

    /// Ends it when all were taken out; how many of the heap's runs stay, behind which [`refill`] pushes the others.
    #[inline]
    pub const fn end(self) -> usize {
        if self.moved { 0 } else { self.pushed }
    }
}

/// Ends it: pushes what there was no room for.
#[inline]
pub fn refill(heap: &mut Heap, kept: usize, more: &mut Vec<Run>) {
    heap.truncate(kept);
    for run in more.drain(..) {
        push(heap, run);
    }
}

fn sift_down(heap: &mut [Run], mut at: usize) {
    let half = heap.len() >> 1;
    while at < half {
        let mut child = (at << 1) + 1;
        let right = child + 1;
        if right < heap.len() && heap[child].start > heap[right].start {
            child = right;
        }
        if heap[at].start <= heap[child].start {
            break;
        }
        heap.swap(at, child);
        at = child;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Runs of a heap are followed by none, one or several, at their own starts or at later ones.
        #[test]
        fn a_refilled_heap_is_one_that_was_filled_anew(
            starts in prop::collection::vec(0..9_u64, 0..20),
            followed_by in prop::collection::vec(prop::collection::vec(0..3_u64, 0..4), 20),
        ) {
            let run = |(start, node): (u64, u32)| Run::new(start, 0, node, 0);
            let mut heap = Heap::new();
            starts.into_iter().zip(0..).for_each(|named| push(&mut heap, run(named)));
            let followers = |run: Run| {
                followed_by[run.node() as usize].iter().map(move |later| Run::new(run.start + later, 0, run.node(), 0))
            };

            let mut anew = Heap::new();
            heap.iter().flat_map(|run| followers(*run)).for_each(|run| push(&mut anew, run));
            let mut room = Vec::new();
            let mut queue = Refilled::new(&mut heap, &mut room);
            while let Some(run) = queue.next() {
                followers(run).for_each(|run| queue.push(run));
            }
            let kept = queue.end();
            refill(&mut heap, kept, &mut room);
            prop_assert!(room.is_empty());

            let shown = |heap: &Heap| heap.iter().map(|run| (run.start, run.node())).collect::<Vec<_>>();
            prop_assert_eq!(shown(&heap), shown(&anew));
        }
    }
}
