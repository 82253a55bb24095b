use proptest::prelude::*;

use super::*;

/// Written from the format's description, one value at a time.
fn by_the_book(bytes: &[u8], width: u32, count: usize) -> Vec<u32> {
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

fn encode(runs: &[(u32, u32)], width: u32) -> Vec<u8> {
    let mut encoder = Encoder::new(width, Vec::new());
    runs.iter().for_each(|(value, times)| encoder.push(*value, *times));
    encoder.finish()
}

proptest! {
    #[test]
    fn decodes_to_what_was_encoded(runs in prop::collection::vec((0_u32..5000, 1_u32..40), 0..60), width in 13_u32..=32) {
        let values: Vec<u32> = runs.iter().flat_map(|(value, length)| std::iter::repeat_n(*value, *length as usize)).collect();
        prop_assert_eq!(by_the_book(&encode(&runs, width), width, values.len()), values.clone());
        let mut decoded = Vec::new();
        let all = decode(&encode(&runs, width), width, values.len(), |value, times| decoded.extend(std::iter::repeat_n(value, times as usize)));
        prop_assert_eq!((all, decoded), (Some(()), values.clone()));
        // One by one they are the same runs.
        let single: Vec<(u32, u32)> = values.iter().map(|value| (*value, 1)).collect();
        prop_assert_eq!(encode(&single, width), encode(&runs, width));
        let each = Encoder::new(width, Vec::new()).encode(&values);
        prop_assert_eq!(by_the_book(&each, width, values.len()), values);
    }

    #[test]
    fn decodes_narrow_values(values in prop::collection::vec(0_u32..2, 0..1200)) {
        let single: Vec<(u32, u32)> = values.iter().map(|value| (*value, 1)).collect();
        prop_assert_eq!(by_the_book(&encode(&single, 1), 1, values.len()), values);
    }
}

proptest! {
    #[test]
    fn whatever_the_bytes_no_more_is_decoded_than_asked(bytes in prop::collection::vec(any::<u8>(), 0..60), width in 0_u32..=32, count in 0_usize..300) {
        let mut decoded = 0;
        let all = decode(&bytes, width, count, |_, times| decoded += times as usize);
        prop_assert!(decoded <= count && (all.is_none() || decoded == count));
    }

    #[test]
    fn what_is_cut_off_is_not_made_up(values in prop::collection::vec(0_u32..8, 1..200), cut in 1_usize..40) {
        let bytes = Encoder::new(3, Vec::new()).encode(&values);
        let kept = bytes.len().saturating_sub(cut);
        let mut decoded = Vec::new();
        let all = decode(&bytes[..kept], 3, values.len(), |value, times| decoded.extend(std::iter::repeat_n(value, times as usize)));
        // What pads the last group may be missing.
        prop_assert!(values.starts_with(&decoded) && (all.is_none() || decoded == values));
    }
}

#[test]
fn knows_the_width_of_a_dictionary() {
    let widths = [(0, 0), (1, 0), (2, 1), (3, 2), (256, 8), (257, 9)];
    for (count, width) in widths {
        assert_eq!(bit_width(count), width);
    }
}
