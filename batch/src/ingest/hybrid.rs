//! Parquet's hybrid of run-length and bit-packed integers.
//!
//! Format: <https://parquet.apache.org/docs/file-format/data-pages/encodings/#run-length-encoding--bit-packing-hybrid-rle--3>.

/// Values that one bit-packed group holds.
const GROUP: usize = 8;

/// Bits that the values `0..count` need.
#[must_use]
pub const fn bit_width(count: usize) -> u32 {
    match count {
        0 | 1 => 0,
        _ => usize::BITS - (count - 1).leading_zeros(),
    }
}

/// Appends `values`, each below `2^width`: runs of eight and more as runs, the others packed.
pub fn encode(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let mut rest = values;
    while let Some(&first) = rest.first() {
        let run = run_length(rest, first);
        if run >= GROUP {
            push_run(first, run, width, out);
            rest = rest.get(run..).unwrap_or_default();
            continue;
        }
        let packed = packed_length(rest);
        let (literals, behind) = rest.split_at(packed);
        push_packed(literals, width, out);
        rest = behind;
    }
}

/// Appends a run of one value.
pub fn push_run(value: u32, length: usize, width: u32, out: &mut Vec<u8>) {
    push_varint((length as u64) << 1, out);
    let bytes = width.div_ceil(8) as usize;
    out.extend(value.to_le_bytes().into_iter().take(bytes));
}

fn run_length(values: &[u32], first: u32) -> usize {
    values.iter().take_while(|value| **value == first).count()
}

/// Values up to where a run of two groups or more begins: a whole number of groups, unless they are the last.
fn packed_length(values: &[u32]) -> usize {
    let mut length = 0;
    for group in values.chunks(GROUP) {
        let uniform =
            group.len() == GROUP && group.first().is_some_and(|first| group.iter().all(|value| value == first));
        if uniform && length > 0 {
            let behind = values.get(length + GROUP..).unwrap_or_default();
            if group.first().is_some_and(|first| run_length(behind.get(..GROUP).unwrap_or(behind), *first) == GROUP) {
                break;
            }
        }
        length += group.len();
    }
    length
}

fn push_packed(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let groups = values.len().div_ceil(GROUP);
    push_varint((groups as u64) << 1 | 1, out);
    out.reserve(groups * width as usize);
    let (mut bits, mut held) = (0_u64, 0_u32);
    let padding = groups * GROUP - values.len();
    for value in values.iter().copied().chain(std::iter::repeat_n(0, padding)) {
        bits |= u64::from(value) << held;
        held += width;
        if held >= 32 {
            #[expect(clippy::cast_possible_truncation, reason = "the low half is taken, the high half stays")]
            out.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= 32;
            held -= 32;
        }
    }
    out.extend(bits.to_le_bytes().into_iter().take(held.div_ceil(8) as usize));
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits are taken at a time")]
fn push_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written from the format's description, one value at a time.
    fn decode(bytes: &[u8], width: u32, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        let mut at = 0;
        let mut next = || {
            at += 1;
            bytes[at - 1]
        };
        while values.len() < count {
            let (mut header, mut shift) = (0_u64, 0);
            loop {
                let byte = next();
                header |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            if header & 1 == 0 {
                let value = (0..width.div_ceil(8)).fold(0, |value, place| value | u32::from(next()) << (8 * place));
                values.extend(std::iter::repeat_n(value, (header >> 1) as usize));
            } else {
                let packed: Vec<u8> = (0..(header >> 1) * u64::from(width)).map(|_| next()).collect();
                let bit = |place: usize| u32::from(packed[place / 8] >> (place % 8) & 1);
                let one = |index: usize| {
                    (0..width as usize).fold(0, |value, place| value | bit(index * width as usize + place) << place)
                };
                values.extend((0..(header >> 1) as usize * GROUP).map(one));
            }
        }
        values.truncate(count);
        values
    }

    proptest! {
        #[test]
        fn decodes_to_what_was_encoded(runs in prop::collection::vec((0_u32..5000, 1_usize..40), 0..60), width in 13_u32..=32) {
            let values: Vec<u32> = runs.into_iter().flat_map(|(value, length)| std::iter::repeat_n(value, length)).collect();
            let mut bytes = Vec::new();
            encode(&values, width, &mut bytes);
            prop_assert_eq!(decode(&bytes, width, values.len()), values);
        }

        #[test]
        fn decodes_narrow_values(values in prop::collection::vec(0_u32..2, 0..200)) {
            let mut bytes = Vec::new();
            encode(&values, 1, &mut bytes);
            prop_assert_eq!(decode(&bytes, 1, values.len()), values);
        }
    }

    #[test]
    fn knows_the_width_of_a_dictionary() {
        let widths = [(0, 0), (1, 0), (2, 1), (3, 2), (256, 8), (257, 9)];
        for (count, width) in widths {
            assert_eq!(bit_width(count), width);
        }
    }
}
