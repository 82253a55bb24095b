//! One colour per segment, the same in every chart and, since segment ids are stable, in every publication.

use std::collections::BTreeMap;

use super::page::Segment;

/// Colours that the style sheet defines as `--segment-0` to `--segment-7`.
pub const COLOURS: u64 = 8;

/// Which colour each segment has.
pub struct Palette(BTreeMap<u64, u64>);

impl Palette {
    /// An id takes its own colour, or the next free one when another has it; beyond eight segments colours repeat.
    pub fn of(segments: &[Segment]) -> Palette {
        let mut ids: Vec<u64> = segments.iter().map(|s| s.segment_id).collect();
        ids.sort_unstable();
        let mut taken = BTreeMap::new();
        for id in ids {
            let own = id % COLOURS;
            let free = (0..COLOURS).map(|i| (own + i) % COLOURS).find(|c| !taken.values().any(|t| t == c));
            taken.insert(id, free.unwrap_or(own));
        }
        Palette(taken)
    }

    /// The style class of a segment.
    pub fn class(&self, segment: &Segment) -> String {
        format!("s{}", self.0.get(&segment.segment_id).copied().unwrap_or_default())
    }
}
