//! Lines whose bytes are not text as they stand.

use crate::csv::dialect::Encoding;

/// Where lines are foreign in a text: asked for one line after the other.
pub struct Foreign {
    /// Offsets, ascending: one a line.
    offsets: std::vec::IntoIter<usize>,
    next: Option<usize>,
    /// Lines that are not UTF-8.
    pub not_utf8: u64,
}

impl Foreign {
    pub fn of(text: &[u8], encoding: Encoding) -> Self {
        let lines = lines_not_utf8(text);
        let not_utf8 = lines.len() as u64;
        let lines = if encoding == Encoding::Windows1252 { lines_not_ascii(text) } else { lines };
        let mut offsets = lines.into_iter();
        Self { next: offsets.next(), offsets, not_utf8 }
    }

    /// Whether the line at `start..end` is foreign.
    #[inline]
    pub fn is_in(&mut self, start: usize, end: usize) -> bool {
        // Malformed records leave theirs behind.
        while self.next.is_some_and(|at| at < start) {
            self.next = self.offsets.next();
        }
        self.next.is_some_and(|at| at < end)
    }
}

/// Offsets at which lines stop being UTF-8: one a line.
pub fn lines_not_utf8(text: &[u8]) -> Vec<usize> {
    lines_with(text, |rest| std::str::from_utf8(rest).err().map(|error| error.valid_up_to()))
}

/// Offsets at which lines stop being ASCII: one a line.
fn lines_not_ascii(text: &[u8]) -> Vec<usize> {
    lines_with(text, |rest| rest.iter().position(|byte| !byte.is_ascii()))
}

/// The first place in each line that `find` finds in the text from there on.
fn lines_with(text: &[u8], find: impl Fn(&[u8]) -> Option<usize>) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(&find).map(|at| from + at) {
        offsets.push(at);
        let rest = text.get(at..).unwrap_or_default();
        from = at + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    }
    offsets
}
