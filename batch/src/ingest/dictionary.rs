//! Distinct values of a text column, numbered as they come.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Of tables of values seen lately.
pub const LATELY_BITS: u32 = 11;

/// The place of a value in a [`Dictionary`].
pub type Code = u32;

/// Byte strings, each held once.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    bytes: Vec<u8>,
    /// End of each value in `bytes`.
    ends: Vec<u32>,
    codes: HashTable<Entry>,
    last: Option<Last>,
    /// Short values seen lately, each in the one place that its bits say: most are found there.
    lately: Vec<Entry>,
}

/// The value that was asked for last, and where it is in the dictionary's bytes.
#[derive(Clone, Copy, Debug)]
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

    /// Gives back what no more values need.
    pub fn shrink(&mut self) {
        self.lately = Vec::new();
        if self.codes.len() < self.codes.capacity() / 4 {
            let Self { bytes, ends, codes, .. } = self;
            codes.shrink_to_fit(|entry| entry.hash(value_at(bytes, ends, entry.code)));
            ends.shrink_to_fit();
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
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
        match self.last {
            Some(Last { code, start, end })
                if same(self.bytes.get(start as usize..end as usize).unwrap_or_default(), value) =>
            {
                code
            }
            _ => self.other_code(value),
        }
    }

    #[inline(never)]
    fn other_code(&mut self, value: &[u8]) -> Code {
        let code = self.find_or_insert(Entry::of(value), value);
        let (start, end) = bounds(&self.ends, code);
        self.last = Some(Last { code, start, end });
        code
    }

    /// As [`Dictionary::code`], with a guess that is checked first.
    #[inline]
    pub fn code_near(&mut self, value: &[u8], guess: Option<Code>) -> Code {
        match guess {
            Some(code) if same(self.get(code), value) => code,
            _ => self.find_or_insert(Entry::of(value), value),
        }
    }

    /// As [`Dictionary::code`], for short values that do not follow each other.
    #[inline]
    pub fn code_lately(&mut self, value: &[u8]) -> Code {
        let entry = Entry::of(value);
        if value.len() > Entry::SHORT {
            return self.find_or_insert(entry, value);
        }
        let place = lately_place(entry.word);
        match self.lately.get(place) {
            Some(known) if known.is(&entry) => known.code,
            _ => {
                let code = self.find_or_insert(entry, value);
                if self.lately.is_empty() {
                    self.lately.resize(1 << LATELY_BITS, Entry::NONE);
                }
                if let Some(slot) = self.lately.get_mut(place) {
                    *slot = Entry { code, ..entry };
                }
                code
            }
        }
    }

    #[inline(never)]
    fn find_or_insert(&mut self, new: Entry, value: &[u8]) -> Code {
        let Self { bytes, ends, codes, .. } = self;
        let is_it = |entry: &Entry| {
            entry.is(&new) && (value.len() <= Entry::SHORT || same(value_at(bytes, ends, entry.code), value))
        };
        if let Some(entry) = codes.find(new.hash(value), is_it) {
            return entry.code;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a chunk's text is far below 4 GiB")]
        let (code, end) = (ends.len() as Code, (bytes.len() + value.len()) as u32);
        let hash_of = |entry: &Entry| entry.hash(value_at(bytes, ends, entry.code));
        codes.insert_unique(new.hash(value), Entry { code, ..new }, hash_of);
        bytes.extend_from_slice(value);
        ends.push(end);
        code
    }
}

/// The place of a word in a table of those seen lately, by multiplicative hashing (Knuth, The Art of Computer Programming 3,
/// 6.4): the high bits of the product with the golden ratio.
#[inline]
#[must_use]
pub const fn lately_place(word: u64) -> usize {
    (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - LATELY_BITS)) as usize
}

/// A value's length and first bytes, which are all that stock codes, invoices and customers have, and its code.
#[derive(Clone, Copy, Debug)]
struct Entry {
    word: u64,
    length: u32,
    code: Code,
}

impl Entry {
    const SHORT: usize = 8;
    /// Of no value.
    const NONE: Self = Self { word: 0, length: u32::MAX, code: 0 };

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
        Self { word, length: value.len() as u32, code: 0 }
    }

    /// Whether the values, if they are short, are the same.
    #[inline]
    const fn is(&self, other: &Self) -> bool {
        self.word == other.word && self.length == other.length
    }

    #[inline]
    fn hash(&self, value: &[u8]) -> u64 {
        let hasher = FixedState::default();
        if value.len() <= Self::SHORT { hasher.hash_one(self.word) } else { hasher.hash_one(value) }
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
            let codes: Vec<Code> = values.iter().enumerate().map(|(place, value)| match place % 3 {
                0 => dictionary.code_lately(value.as_bytes()),
                1 => dictionary.code(value.as_bytes()),
                _ => dictionary.code_near(value.as_bytes(), Some(0)),
            }).collect();
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
