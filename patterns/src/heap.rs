//! A binary heap whose order among equals is that of `java.util.PriorityQueue`.
//!
//! Which of several matches with the same start comes first decides what a skip strategy leaves over, so the order in which
//! equals leave the heap, and in which its array is walked, is part of the semantics.
#![expect(clippy::indexing_slicing, reason = "indices are computed from the length")]

/// What the heap sorts by: least first.
pub trait Ranked {
    fn rank(&self) -> u64;
}

pub fn push<T: Ranked>(heap: &mut Vec<T>, item: T) {
    heap.push(item);
    let mut at = heap.len() - 1;
    while at > 0 {
        let parent = (at - 1) >> 1;
        if heap[at].rank() >= heap[parent].rank() {
            break;
        }
        heap.swap(at, parent);
        at = parent;
    }
}

pub fn pop<T: Ranked>(heap: &mut Vec<T>) -> Option<T> {
    if heap.is_empty() {
        return None;
    }
    let first = heap.swap_remove(0);
    sift_down(heap, 0);
    Some(first)
}

/// Takes out all that `out` names, and puts the rest in order again.
pub fn extract<T: Ranked>(heap: &mut Vec<T>, out: impl FnMut(&mut T) -> bool) -> Vec<T> {
    let taken: Vec<T> = heap.extract_if(.., out).collect();
    if !taken.is_empty() {
        for at in (0..heap.len() / 2).rev() {
            sift_down(heap, at);
        }
    }
    taken
}

fn sift_down<T: Ranked>(heap: &mut [T], mut at: usize) {
    let half = heap.len() >> 1;
    while at < half {
        let mut child = (at << 1) + 1;
        let right = child + 1;
        if right < heap.len() && heap[child].rank() > heap[right].rank() {
            child = right;
        }
        if heap[at].rank() <= heap[child].rank() {
            break;
        }
        heap.swap(at, child);
        at = child;
    }
}
