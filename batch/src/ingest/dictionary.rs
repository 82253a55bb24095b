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
    codes: HashTable<Code>,
    last: Code,
}

impl Dictionary {
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
        if !self.is_empty() && same(self.get(self.last), value) {
            return self.last;
        }
        self.last = self.find_or_insert(value);
        self.last
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
        let hash = hash(value);
        if let Some(code) = codes.find(hash, |code| same(value_at(bytes, ends, *code), value)) {
            return *code;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a chunk's text is far below 4 GiB")]
        let (code, end) = (ends.len() as Code, (bytes.len() + value.len()) as u32);
        codes.insert_unique(hash, code, |code| hash_at(bytes, ends, *code));
        bytes.extend_from_slice(value);
        ends.push(end);
        code
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
    let code = code as usize;
    let start = code.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let end = ends.get(code).copied().unwrap_or(start);
    bytes.get(start as usize..end as usize).unwrap_or_default()
}

fn hash_at(bytes: &[u8], ends: &[u32], code: Code) -> u64 {
    hash(value_at(bytes, ends, code))
}

#[inline]
fn hash(value: &[u8]) -> u64 {
    FixedState::default().hash_one(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_each_value_once() {
        let mut dictionary = Dictionary::default();
        let codes: Vec<Code> = [&b"a"[..], b"b", b"b", b"", b"a", b""].map(|value| dictionary.code(value)).to_vec();
        assert_eq!(codes, [0, 1, 1, 2, 0, 2]);
        assert_eq!((dictionary.get(1), dictionary.get(2), dictionary.len()), (&b"b"[..], &b""[..], 3));
        assert_eq!(dictionary.code_near(b"b", Some(0)), 1);
    }
}
