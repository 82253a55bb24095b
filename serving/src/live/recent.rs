//! Ids that came lately.

use std::collections::{HashSet, VecDeque};

use xxhash_rust::xxh3::xxh3_128;

/// So many are remembered: twice those that a feed holds.
const REMEMBERED: usize = 20_000;

/// Tells what came before from what did not; two ids are taken for one with probability 2^-128.
#[derive(Debug, Default)]
pub(super) struct Recent {
    known: HashSet<u128>,
    order: VecDeque<u128>,
}

impl Recent {
    /// Whether `id` has not come lately; from now on it has.
    pub fn is_new(&mut self, id: &str) -> bool {
        let hash = xxh3_128(id.as_bytes());
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_lately_is_known_and_memory_is_bounded() {
        let mut recent = Recent::default();
        for number in 0..REMEMBERED + 10 {
            assert!(recent.is_new(&number.to_string()));
            assert!(!recent.is_new(&number.to_string()));
        }
        assert_eq!((recent.known.len(), recent.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!recent.is_new("10"));
        assert!(recent.is_new("9"));
    }
}
