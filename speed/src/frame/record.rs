//! Records as workers hand them to operators.

use std::any::Any;
use std::cell::OnceCell;

use data::EventTime;

/// A topic, by its place in the topology's list of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: TopicId,
    pub partition: u32,
}

/// One record of an input topic.
#[derive(Debug)]
pub struct Record<'r> {
    pub at: TopicPartition,
    pub offset: i64,
    /// The broker's or the producer's timestamp.
    pub timestamp: EventTime,
    pub key: Option<&'r [u8]>,
    pub value: Option<&'r [u8]>,
    /// What a forwarded record says about where it came from (see [`Origin`]); `None` on every other record.
    pub origin: Option<&'r [u8]>,
    pub decoded: Decoding,
}

/// What one operator read in a record, for the others that read it alike.
#[derive(Debug, Default)]
pub struct Decoding(OnceCell<Box<dyn Any>>);

impl Decoding {
    /// What `read` returns: it is asked once for all operators that want the same type.
    pub fn once<T: Clone + 'static>(&self, read: impl Fn() -> T) -> T {
        let kept = self.0.get_or_init(|| Box::new(read()));
        kept.downcast_ref::<T>().map_or_else(read, T::clone)
    }
}

/// Where a record entered: its own place, or for a forwarded record the place it was forwarded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub at: TopicPartition,
    pub offset: i64,
    /// First offset of the cell: the run of offsets that is archived as a whole.
    pub cell: i64,
}

impl Origin {
    /// Name of the header that carries it.
    pub const HEADER: &'static str = "clientele-origin";

    /// `operator topic partition offset cell`, in decimal: what a forwarded record carries.
    #[must_use]
    pub fn to_header(self, operator: usize) -> String {
        let Self { at: TopicPartition { topic, partition }, offset, cell } = self;
        format!("{operator} {} {partition} {offset} {cell}", topic.0)
    }

    /// The operator that a forwarded record is for, and its origin.
    #[must_use]
    pub fn from_header(header: &[u8]) -> Option<(usize, Self)> {
        let mut fields = std::str::from_utf8(header).ok()?.split(' ');
        let operator = fields.next()?.parse().ok()?;
        let topic = TopicId(fields.next()?.parse().ok()?);
        let partition = fields.next()?.parse().ok()?;
        let offset = fields.next()?.parse().ok()?;
        let cell = fields.next()?.parse().ok()?;
        let at = TopicPartition { topic, partition };
        fields.next().is_none().then_some((operator, Self { at, offset, cell }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_survives_its_header() {
        let origin = Origin { at: TopicPartition { topic: TopicId(3), partition: 7 }, offset: 1 << 40, cell: 9 };
        assert_eq!(Origin::from_header(origin.to_header(2).as_bytes()), Some((2, origin)));
        for bad in ["", "1", "1 2 3 4", "1 2 3 4 5 6", "1 2 -3 4 5", "a b c d e", "\u{e9}"] {
            assert_eq!(Origin::from_header(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
