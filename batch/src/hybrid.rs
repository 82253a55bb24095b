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

/// Groups of a packed run: their count fits the one byte that is left for it.
const MOST_GROUPS: usize = 63;

/// Encodes values one by one or by runs: runs of eight and more as such, the others packed.
#[derive(Debug)]
pub struct Encoder {
    width: u32,
    out: Vec<u8>,
    run: Option<(u32, usize)>,
    /// Where the count of the groups of the packed run goes that is under way.
    header: usize,
    /// Values of that run.
    packed: usize,
    packer: Packer,
}

impl Encoder {
    /// Of values below `2^width`, appended to `out`.
    #[must_use]
    pub const fn new(width: u32, out: Vec<u8>) -> Self {
        Self { width, out, run: None, header: 0, packed: 0, packer: Packer::new() }
    }

    #[inline]
    pub fn push(&mut self, value: u32, times: u32) {
        self.repeat(value, times as usize);
    }

    #[inline]
    fn repeat(&mut self, value: u32, times: usize) {
        match &mut self.run {
            Some((last, length)) if *last == value => *length += times,
            Some((last, 1)) => {
                let last = *last;
                self.run = Some((value, times));
                self.pack(last);
            }
            _ => {
                self.place();
                self.run = Some((value, times));
            }
        }
    }

    /// Values that seldom come twice in a row; from the start, and nothing behind them.
    #[must_use]
    pub fn encode(mut self, values: &[u32]) -> Vec<u8> {
        let (groups, rest) = values.as_chunks::<GROUP>();
        for group in groups {
            let [first, others @ ..] = group;
            if others.iter().all(|value| value == first) {
                self.repeat(*first, GROUP);
                continue;
            }
            self.place();
            self.run = None;
            group.iter().for_each(|value| self.pack(*value));
        }
        rest.iter().for_each(|value| self.push(*value, 1));
        self.finish()
    }

    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.place();
        while !self.packed.is_multiple_of(GROUP) {
            self.pack(0);
        }
        self.close();
        self.out
    }

    /// Writes the run that has ended.
    #[inline(never)]
    fn place(&mut self) {
        let Some((value, times)) = self.run else { return };
        // A packed run ends with a whole group.
        let filling = self.packed.wrapping_neg() % GROUP;
        if times < filling + GROUP {
            (0..times).for_each(|_| self.pack(value));
            return;
        }
        (0..filling).for_each(|_| self.pack(value));
        self.close();
        push_run(value, times - filling, self.width, &mut self.out);
    }

    #[inline]
    fn pack(&mut self, value: u32) {
        if self.packed == 0 {
            self.header = self.out.len();
            self.out.push(0);
        }
        self.packer.push(u64::from(value), self.width, &mut self.out);
        self.packed += 1;
        if self.packed == MOST_GROUPS * GROUP {
            self.close();
        }
    }

    /// Ends the packed run, which is of whole groups.
    #[inline(never)]
    fn close(&mut self) {
        if self.packed == 0 {
            return;
        }
        self.packer.finish(&mut self.out);
        if let Some(header) = self.out.get_mut(self.header) {
            #[expect(clippy::cast_possible_truncation, reason = "at most MOST_GROUPS")]
            let groups = (self.packed / GROUP) as u8;
            *header = groups << 1 | 1;
        }
        self.packed = 0;
    }
}

/// Values of at most 32 bits one behind the other, from the low bit of each byte up.
#[derive(Debug)]
pub struct Packer {
    bits: u64,
    held: u32,
}

impl Packer {
    #[must_use]
    pub const fn new() -> Self {
        Self { bits: 0, held: 0 }
    }

    /// Appends a value below `2^width`.
    #[inline]
    pub fn push(&mut self, value: u64, width: u32, out: &mut Vec<u8>) {
        self.bits |= value << self.held;
        self.held += width;
        if self.held >= u32::BITS {
            #[expect(clippy::cast_possible_truncation, reason = "the low half is taken, the high half stays")]
            out.extend_from_slice(&(self.bits as u32).to_le_bytes());
            self.bits >>= u32::BITS;
            self.held -= u32::BITS;
        }
    }

    /// Appends the bytes that are begun; what comes then begins anew.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend(self.bits.to_le_bytes().into_iter().take(self.held.div_ceil(u8::BITS) as usize));
        *self = Self::new();
    }
}

/// Appends a run of one value.
pub fn push_run(value: u32, length: usize, width: u32, out: &mut Vec<u8>) {
    push_varint((length as u64) << 1, out);
    let bytes = width.div_ceil(8) as usize;
    out.extend(value.to_le_bytes().into_iter().take(bytes));
}

/// Takes `count` values apart again, in runs; `None` when `bytes` do not hold as many.
pub fn decode(bytes: &[u8], width: u32, count: usize, mut take: impl FnMut(u32, u32)) -> Option<()> {
    if width > u32::BITS {
        return None;
    }
    let (mut rest, mut left) = (bytes, u32::try_from(count).ok()?);
    let value_bytes = width.div_ceil(u8::BITS) as usize;
    while left > 0 {
        let header = take_varint(&mut rest)?;
        if header & 1 == 0 {
            let value = take_bytes(&mut rest, value_bytes)?;
            let times = left.min(u32::try_from(header >> 1).ok()?);
            take(value.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)), times);
            left -= times;
        } else {
            let groups = usize::try_from(header >> 1).ok()?;
            // The last run may be cut off behind its last value.
            let length = groups.checked_mul(width as usize)?.min(rest.len());
            let packed = take_bytes(&mut rest, length)?;
            let values = left.min(u32::try_from(groups.checked_mul(GROUP)?).ok()?);
            unpack(packed, width, values, &mut take)?;
            left -= values;
        }
    }
    Some(())
}

#[inline]
fn unpack(mut packed: &[u8], width: u32, values: u32, take: &mut impl FnMut(u32, u32)) -> Option<()> {
    if (packed.len() as u64) * u64::from(u8::BITS) < u64::from(values) * u64::from(width) {
        return None;
    }
    let mask = u32::MAX.checked_shr(u32::BITS - width).unwrap_or(0);
    let (mut bits, mut held) = (0_u64, 0_u32);
    for _ in 0..values {
        if held < width {
            let word = match packed.split_first_chunk() {
                Some((word, rest)) => {
                    packed = rest;
                    u32::from_le_bytes(*word)
                }
                None => {
                    let last = std::mem::take(&mut packed);
                    last.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
                }
            };
            bits |= u64::from(word) << held;
            held += u32::BITS;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
        take(bits as u32 & mask, 1);
        bits >>= width;
        held -= width;
    }
    Some(())
}

fn take_bytes<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Seven bits a byte, the low ones first (LEB128).
#[expect(clippy::cast_possible_truncation, reason = "seven bits are taken at a time")]
pub fn push_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests;
