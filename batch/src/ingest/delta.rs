//! Parquet's `DELTA_BINARY_PACKED`, for numbers that grow in small steps.
//!
//! Format: <https://parquet.apache.org/docs/file-format/data-pages/encodings/#delta-encoding-delta_binary_packed--5>.

use crate::hybrid::{Packer, push_varint};

const BLOCK: usize = 128;
const MINIBLOCK: usize = 32;

/// Appends `values`; `None` when two that follow each other are 2^32 and more apart from the others' distance.
pub fn encode(values: &[i64], out: &mut Vec<u8>) -> Option<()> {
    push_varint(BLOCK as u64, out);
    push_varint((BLOCK / MINIBLOCK) as u64, out);
    push_varint(values.len() as u64, out);
    push_zigzag(values.first().copied().unwrap_or(0), out);
    let behind = values.get(1..).unwrap_or_default();
    let mut deltas = [0_i64; BLOCK];
    for (block, before) in behind.chunks(BLOCK).zip(values.chunks(BLOCK)) {
        let pairs = block.iter().zip(before);
        deltas.iter_mut().zip(pairs).for_each(|(delta, (value, before))| *delta = value.wrapping_sub(*before));
        let deltas = deltas.get(..block.len())?;
        let least = deltas.iter().min().copied().unwrap_or(0);
        push_zigzag(least, out);
        let widths = out.len();
        out.extend([0; BLOCK / MINIBLOCK]);
        for (place, miniblock) in deltas.chunks(MINIBLOCK).enumerate() {
            let steps = || miniblock.iter().map(|delta| delta.wrapping_sub(least).cast_unsigned());
            let width = u64::BITS - steps().fold(0, |all, step| all | step).leading_zeros();
            *out.get_mut(widths + place)? = u8::try_from(width).ok().filter(|_| width <= u32::BITS)?;
            pack(steps(), width, out);
        }
    }
    Some(())
}

/// Appends a miniblock, filled up with zeros.
fn pack(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    let end = out.len() + MINIBLOCK * width as usize / 8;
    let mut packer = Packer::new();
    values.for_each(|value| packer.push(value, width, out));
    packer.finish(out);
    out.resize(end, 0);
}

fn push_zigzag(value: i64, out: &mut Vec<u8>) {
    push_varint((value << 1 ^ value >> (i64::BITS - 1)).cast_unsigned(), out);
}
