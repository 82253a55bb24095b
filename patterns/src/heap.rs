//! A binary heap of runs whose order among equals is that of `java.util.PriorityQueue`.
//!
//! Which of several matches with the same start comes first decides what a skip strategy leaves over, so the order in which
//! equals leave the heap, and in which its array is walked, is part of the semantics.
#![expect(clippy::indexing_slicing, reason = "indices are computed from the length")]

use smallvec::SmallVec;

use crate::runs::Run;

/// Runs, the earliest start first; most keys have one that has begun, and one that has not.
pub type Heap = SmallVec<[Run; 2]>;

pub fn push(heap: &mut Heap, run: Run) {
    heap.push(run);
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
