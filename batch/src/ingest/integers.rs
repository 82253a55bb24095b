//! Distinct values of a column of integers, numbered as they come.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::dictionary::{Code, LATELY_BITS, lately_place};

/// Distinct integers above which a column is written plain.
pub const MOST_DISTINCT: usize = 1 << 15;

/// Distinct integers, numbered as they come.
pub struct Integers {
    values: Vec<i64>,
    places: HashTable<(i64, Code)>,
    /// Values seen lately, each in the one place that its bits say: most are found there.
    lately: Vec<(i64, Code)>,
}

impl Default for Integers {
    fn default() -> Self {
        Self { values: Vec::new(), places: HashTable::new(), lately: vec![(0, Code::MAX); 1 << LATELY_BITS] }
    }
}

impl Integers {
    /// By code.
    #[must_use]
    pub fn values(&self) -> &[i64] {
        &self.values
    }

    /// The code of each of `values`; `None` when too many of them are distinct.
    pub fn codes(&mut self, values: impl ExactSizeIterator<Item = i64>) -> Option<Vec<Code>> {
        let mut codes = Vec::with_capacity(values.len());
        for value in values {
            codes.push(self.code(value));
            if self.values.len() > MOST_DISTINCT {
                return None;
            }
        }
        Some(codes)
    }

    #[inline]
    fn code(&mut self, value: i64) -> Code {
        let place = lately_place(value.cast_unsigned());
        match self.lately.get(place) {
            Some((known, code)) if *known == value && *code != Code::MAX => *code,
            _ => {
                let code = self.find_or_insert(value);
                if let Some(slot) = self.lately.get_mut(place) {
                    *slot = (value, code);
                }
                code
            }
        }
    }

    #[inline(never)]
    fn find_or_insert(&mut self, value: i64) -> Code {
        let Self { values, places, .. } = self;
        let hash = |value: i64| FixedState::default().hash_one(value);
        if let Some((_, code)) = places.find(hash(value), |(known, _)| *known == value) {
            return *code;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most MOST_DISTINCT")]
        let code = values.len() as Code;
        places.insert_unique(hash(value), (value, code), |(known, _)| hash(*known));
        values.push(value);
        code
    }
}
