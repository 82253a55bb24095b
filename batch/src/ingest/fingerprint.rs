//! How a source is known again when it comes back: whole, grown, changed or rearranged.

use data::{DateEvidence, DateFormat};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::error::Result;
use crate::source::Source;

/// Bytes at the start by which sources are told apart at first sight.
const HEAD_BYTES: usize = 4096;
/// Invoices remembered: the ones with the smallest hashes (a bottom-k sketch, Cohen & Kaplan 2007).
const SKETCH: usize = 256;
/// Invoices that two sketches must both cover before their overlap counts.
const ENOUGH: usize = 20;
const READ_BYTES: usize = 4 << 20;

/// What the ledger keeps of a source's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub head_bytes: usize,
    /// XXH3-128 of the head, hexadecimal.
    pub head: String,
    /// Order lines in the whole content, those of an earlier, shorter state among them.
    pub lines_read: u64,
    pub ends_with_newline: bool,
    pub invoices: Vec<u64>,
    pub dates: Dates,
}

/// How the dates of a whole content were read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dates {
    pub format: DateFormat,
    pub evidence: DateEvidence,
}

impl Fingerprint {
    #[must_use]
    pub fn new(head: &[u8], lines_read: u64, ends_with_newline: bool, invoices: Sketch, dates: Dates) -> Self {
        let head = head.get(..HEAD_BYTES).unwrap_or(head);
        Self {
            head_bytes: head.len(),
            head: hex(xxh3_128(head)),
            lines_read,
            ends_with_newline,
            invoices: invoices.finish(),
            dates,
        }
    }

    /// Whether a text that begins with `head` may be this one, or this one grown.
    #[must_use]
    pub fn begins(&self, head: &[u8]) -> bool {
        head.get(..self.head_bytes).is_some_and(|start| hex(xxh3_128(start)) == self.head)
    }

    /// The share of the smaller source's invoices that both hold, where the sketches can tell.
    #[must_use]
    pub fn overlap(&self, invoices: &[u64]) -> Option<f64> {
        let limit = |sketch: &[u64]| if sketch.len() < SKETCH { u64::MAX } else { sketch.last().copied().unwrap_or(0) };
        let end = limit(&self.invoices).min(limit(invoices));
        let within = |sketch: &[u64]| sketch.iter().take_while(|hash| **hash <= end).count();
        let smaller = within(&self.invoices).min(within(invoices));
        if smaller < ENOUGH {
            return None;
        }
        let common = invoices.iter().filter(|hash| **hash <= end && self.invoices.binary_search(hash).is_ok()).count();
        #[expect(clippy::cast_precision_loss, reason = "at most 256")]
        Some(common as f64 / smaller as f64)
    }
}

/// The smallest distinct hashes seen.
#[derive(Clone, Debug, Default)]
pub struct Sketch(Vec<u64>);

impl Sketch {
    pub fn add(&mut self, hashes: &[u64]) {
        let limit = if self.0.len() < SKETCH { u64::MAX } else { self.0.last().copied().unwrap_or(u64::MAX) };
        self.0.extend(hashes.iter().filter(|hash| **hash < limit));
        self.0.sort_unstable();
        self.0.dedup();
        self.0.truncate(SKETCH);
    }

    fn finish(self) -> Vec<u64> {
        self.0
    }

    #[must_use]
    pub fn hashes(&self) -> &[u64] {
        &self.0
    }
}

/// A running hash of a text.
#[derive(Default)]
pub struct ContentHash(Xxh3);

impl ContentHash {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    #[must_use]
    pub fn id(&self) -> String {
        hex(self.0.digest128())
    }
}

fn hex(hash: u128) -> String {
    format!("{hash:032x}")
}

/// The ids of a source's first `lengths` bytes (ascending), its whole length, and the byte behind each length.
///
/// # Errors
/// When the source cannot be read.
pub fn prefix_ids(source: &Source, lengths: &[u64]) -> Result<Prefixes> {
    let mut text = source.open()?;
    let mut hash = ContentHash::default();
    let mut found = Prefixes::default();
    let mut wanted = lengths.iter().copied().peekable();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let read = text.append_to(&mut buffer, READ_BYTES)?;
        let mut rest = buffer.as_slice();
        while let Some(&length) = wanted.peek().filter(|length| **length <= found.length + rest.len() as u64) {
            let (before, after) = rest.split_at(usize::try_from(length - found.length).unwrap_or(rest.len()));
            hash.update(before);
            found.length = length;
            if after.is_empty() && read > 0 {
                rest = after;
                break;
            }
            found.ids.push((length, hash.id(), after.first().copied()));
            rest = after;
            wanted.next();
        }
        hash.update(rest);
        found.length += rest.len() as u64;
        if read == 0 {
            found.whole = hash.id();
            return Ok(found);
        }
    }
}

/// What [`prefix_ids`] found.
#[derive(Debug, Default)]
pub struct Prefixes {
    /// Length, id, and the byte behind it.
    pub ids: Vec<(u64, String, Option<u8>)>,
    pub length: u64,
    pub whole: String,
}

#[cfg(test)]
mod tests {
    use data::DayMonth;

    use super::*;

    fn sketch(hashes: impl Iterator<Item = u64>) -> Sketch {
        let mut sketch = Sketch::default();
        for hash in hashes {
            sketch.add(&[hash.wrapping_mul(0x9E37_79B9_7F4A_7C15)]);
        }
        sketch
    }

    fn dates() -> Dates {
        Dates { format: DateFormat::Order(DayMonth::MonthFirst), evidence: DateEvidence::default() }
    }

    #[test]
    fn estimates_the_overlap_of_sources() {
        let known = Fingerprint::new(b"head", 0, true, sketch(0..10_000), dates());
        let cases = [(0..10_000, 1.0), (5_000..15_000, 0.5), (20_000..30_000, 0.0), (0..1_000, 1.0)];
        for (invoices, expected) in cases {
            let overlap = known.overlap(sketch(invoices.clone()).hashes()).expect("enough invoices");
            assert!((overlap - expected).abs() < 0.12, "{invoices:?}: {overlap}");
        }
        assert_eq!(known.overlap(sketch(0..10).hashes()), None);
    }

    #[test]
    fn knows_its_head_again() {
        let known = Fingerprint::new(b"a,b\n1,2\n", 1, true, Sketch::default(), dates());
        assert!(known.begins(b"a,b\n1,2\n3,4\n"));
        assert!(!known.begins(b"a,b\n1,3\n"));
        assert!(!known.begins(b"a,b\n"));
    }
}
