//! Which key is due when: a queue for many keys, most of whose times lie far ahead.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// Widths of the boxes in which times further ahead are kept, as powers of two of a millisecond: 1 s, 1 min, 70 min.
const WIDTHS: [u32; 3] = [10, 16, 22];

/// As long as fewer than so many wait to be the next, those of the next 16 s wait with them.
const FEW: usize = 256;
const SOON: i64 = 1 << 14;

/// How many empty boxes are kept, and how large they may be.
const EMPTY: usize = 64;

/// Times and places, sorted only as far as they are near.
#[derive(Debug)]
pub struct Due {
    /// Those that came in the order of their times, as most events do.
    line: VecDeque<(i64, u32)>,
    near: BinaryHeap<Reverse<(i64, u32)>>,
    /// By width, then by time.
    far: [BTreeMap<i64, Vec<(i64, u32)>>; WIDTHS.len()],
    /// Empty boxes, used again.
    empty: Vec<Vec<(i64, u32)>>,
    /// When the first box is to be opened.
    opens: i64,
    now: i64,
}

impl Default for Due {
    fn default() -> Self {
        let (line, near) = (VecDeque::new(), BinaryHeap::new());
        Self { line, near, far: Default::default(), empty: Vec::new(), opens: i64::MAX, now: 0 }
    }
}

impl Due {
    pub fn push(&mut self, at: i64, place: u32) {
        if at.saturating_sub(self.now) < SOON && self.line.back().is_none_or(|&(last, _)| last <= at) {
            self.line.push_back((at, place));
        } else {
            self.sort_in(at, place);
        }
    }

    fn sort_in(&mut self, at: i64, place: u32) {
        if self.near.len() < FEW && at.saturating_sub(self.now) < SOON {
            self.near.push(Reverse((at, place)));
            return;
        }
        // The widest box that does not reach back to now.
        let boxes = WIDTHS.iter().zip(&mut self.far).rev();
        for (&width, far) in boxes {
            if at >> width > self.now >> width {
                let empty = || self.empty.pop().unwrap_or_default();
                far.entry(at >> width).or_insert_with(empty).push((at, place));
                self.opens = self.opens.min(at >> width << width);
                return;
            }
        }
        self.near.push(Reverse((at, place)));
    }

    /// The next that is due at `now`, in order of time.
    pub fn pop(&mut self, now: i64) -> Option<(i64, u32)> {
        if now > self.now {
            self.now = now;
            if now >= self.opens {
                self.unpack();
            }
        }
        let near = self.near.peek().map(|Reverse(due)| *due);
        match self.line.front().copied() {
            Some(first) if near.is_none_or(|near| first <= near) => self.line.pop_front_if(|(at, _)| *at <= now),
            _ => near.filter(|(at, _)| *at <= now).and_then(|_| self.near.pop()).map(|Reverse(due)| due),
        }
    }

    /// Opens the boxes that time has reached.
    fn unpack(&mut self) {
        for level in (0..WIDTHS.len()).rev() {
            while let Some(mut open) = self.reached(level) {
                open.drain(..).for_each(|(at, place)| self.sort_in(at, place));
                if self.empty.len() < EMPTY && open.capacity() <= EMPTY {
                    self.empty.push(open);
                }
            }
        }
        let first = |(width, far): (&u32, &BTreeMap<i64, _>)| far.keys().next().map(|first| first << width);
        self.opens = WIDTHS.iter().zip(&self.far).filter_map(first).min().unwrap_or(i64::MAX);
    }

    fn reached(&mut self, level: usize) -> Option<Vec<(i64, u32)>> {
        let (width, far) = (WIDTHS.get(level)?, self.far.get_mut(level)?);
        let first = far.first_entry()?;
        (*first.key() <= self.now >> width).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_in_order_however_far_ahead_they_were() {
        let mut due = Due::default();
        let times = [5, 1_000_000_000_000, 70_000, 70_001, 1_025, 1_023, 5_000_000, i64::MAX, -7];
        for (place, at) in (0..).zip(times) {
            due.push(at, place);
        }
        let mut came = Vec::new();
        for now in [-10, 4, 1_024, 69_000, 70_000, 80_000, 4_999_999, 1_000_000_000_000, i64::MAX] {
            while let Some((at, place)) = due.pop(now) {
                assert!(at <= now);
                came.push((at, place));
            }
        }
        let mut sorted: Vec<_> = times.into_iter().zip(0..).collect();
        sorted.sort_unstable();
        assert_eq!(came, sorted);
    }
}
