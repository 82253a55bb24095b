//! Distinct values of a text column, numbered as they come.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// The place of a value in a [`Dictionary`].
pub type Code = u32;

/// Byte strings, each held once.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    bytes: Vec<u8>,
    /// End of each value in `bytes`.
    ends: Vec<u32>,
    codes: HashTable<Entry>,
    last: Last,
}

/// The value that was asked for last, and where it is in the dictionary's bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    code: Code,
    start: u32,
    end: u32,
}

impl Dictionary {
    /// With room for so many distinct values.
    #[must_use]
    pub fn with_capacity(values: usize) -> Self {
        Self { ends: Vec::with_capacity(values), codes: HashTable::with_capacity(values), ..Self::default() }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Every value, by code.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.bytes.get(start as usize..*end as usize).unwrap_or_default())
    }

    /// The value behind `code`; empty when there is none.
    #[inline]
    #[must_use]
    pub fn get(&self, code: Code) -> &[u8] {
        value_at(&self.bytes, &self.ends, code)
    }

    /// The code of `value`, new when it is.
    #[inline]
    pub fn code(&mut self, value: &[u8]) -> Code {
        let Last { code, start, end } = self.last;
        if !self.is_empty() && same(self.bytes.get(start as usize..end as usize).unwrap_or_default(), value) {
            return code;
        }
        let code = self.find_or_insert(value);
        let (start, end) = bounds(&self.ends, code);
        self.last = Last { code, start, end };
        code
    }

    /// As [`Dictionary::code`], with a guess that is checked first.
    #[inline]
    pub fn code_near(&mut self, value: &[u8], guess: Option<Code>) -> Code {
        match guess {
            Some(code) if same(self.get(code), value) => code,
            _ => self.find_or_insert(value),
        }
    }

    fn find_or_insert(&mut self, value: &[u8]) -> Code {
        let Self { bytes, ends, codes, .. } = self;
        let short = Short::of(value);
        let is_it = |entry: &Entry| {
            entry.short == short && (value.len() <= Short::BYTES || same(value_at(bytes, ends, entry.code), value))
        };
        if let Some(entry) = codes.find(short.hash(value), is_it) {
            return entry.code;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a chunk's text is far below 4 GiB")]
        let (code, end) = (ends.len() as Code, (bytes.len() + value.len()) as u32);
        let hash_of = |entry: &Entry| entry.short.hash(value_at(bytes, ends, entry.code));
        codes.insert_unique(short.hash(value), Entry { short, code }, hash_of);
        bytes.extend_from_slice(value);
        ends.push(end);
        code
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    short: Short,
    code: Code,
}

/// A value's length and first bytes: all that stock codes, invoices and customers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Short {
    word: u64,
    length: u32,
}

impl Short {
    const BYTES: usize = 8;

    #[inline]
    fn of(value: &[u8]) -> Self {
        let word = match (value.first_chunk::<8>(), value.first_chunk::<4>(), value.last_chunk::<4>()) {
            (Some(bytes), ..) => u64::from_le_bytes(*bytes),
            (None, Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
            }
            _ => value.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        #[expect(clippy::cast_possible_truncation, reason = "a chunk's text is far below 4 GiB")]
        Self { word, length: value.len() as u32 }
    }

    #[inline]
    fn hash(self, value: &[u8]) -> u64 {
        let hasher = FixedState::default();
        if value.len() <= Self::BYTES { hasher.hash_one(self.word) } else { hasher.hash_one(value) }
    }
}

/// Whether two byte strings are equal; without a call for the short ones that order lines are made of.
#[inline]
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        4..=7 => one.first_chunk::<4>() == other.first_chunk() && one.last_chunk::<4>() == other.last_chunk(),
        8..=16 => one.first_chunk::<8>() == other.first_chunk() && one.last_chunk::<8>() == other.last_chunk(),
        17..=32 => one.first_chunk::<16>() == other.first_chunk() && one.last_chunk::<16>() == other.last_chunk(),
        _ => one == other,
    }
}

#[inline]
fn value_at<'a>(bytes: &'a [u8], ends: &[u32], code: Code) -> &'a [u8] {
    let (start, end) = bounds(ends, code);
    bytes.get(start as usize..end as usize).unwrap_or_default()
}

/// Where the value of `code` is.
#[inline]
fn bounds(ends: &[u32], code: Code) -> (u32, u32) {
    let code = code as usize;
    let start = code.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    (start, ends.get(code).copied().unwrap_or(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_code_stands_for_one_value(values in proptest::collection::vec("[ab\u{0}]{0,12}", 0..60)) {
            let mut dictionary = Dictionary::default();
            let codes: Vec<Code> = values.iter().map(|value| dictionary.code(value.as_bytes())).collect();
            for (code, value) in codes.iter().zip(&values) {
                proptest::prop_assert_eq!(dictionary.get(*code), value.as_bytes());
            }
            let distinct: std::collections::BTreeSet<_> = values.iter().collect();
            proptest::prop_assert_eq!(dictionary.len(), distinct.len());
        }
    }

    #[test]
    fn numbers_each_value_once() {
        let mut dictionary = Dictionary::default();
        let codes: Vec<Code> = [&b"a"[..], b"b", b"b", b"", b"a", b""].map(|value| dictionary.code(value)).to_vec();
        assert_eq!(codes, [0, 1, 1, 2, 0, 2]);
        assert_eq!((dictionary.get(1), dictionary.get(2), dictionary.len()), (&b"b"[..], &b""[..], 3));
        assert_eq!(dictionary.code_near(b"b", Some(0)), 1);
    }
}
