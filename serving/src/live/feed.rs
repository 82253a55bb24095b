//! Recent events, encoded once for all who follow them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::broadcast;

/// Events that are held for those who come back.
const HELD: usize = 10_000;
/// Ticks that a client may be behind before it is told of a gap: minutes of them.
const TICKS: usize = 1_024;

/// Events that somebody who comes for the first time begins with.
const NEWEST: usize = 20;

/// The newest offset of each partition: the `id` of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position(BTreeMap<u32, i64>);

impl Position {
    /// Reads `0:12,1:7`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let part = |part: &str| {
            let (partition, offset) = part.split_once(':')?;
            Some((partition.parse().ok()?, offset.parse().ok()?))
        };
        text.split(',').filter(|part| !part.is_empty()).map(part).collect::<Option<BTreeMap<_, _>>>().map(Self)
    }

    fn advance(&mut self, partition: u32, offset: i64) {
        self.0.insert(partition, offset);
    }

    /// Whether what lies at `offset` of `partition` was seen.
    #[must_use]
    pub fn has(&self, partition: u32, offset: i64) -> bool {
        self.0.get(&partition).is_some_and(|seen| offset <= *seen)
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (partition, offset)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(out, "{comma}{partition}:{offset}")?;
        }
        Ok(())
    }
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event<T> {
    /// Counts the events of this feed.
    pub number: u64,
    pub partition: u32,
    pub offset: i64,
    /// `id`, `event` and `data`, as they are sent.
    pub encoded: Bytes,
    pub content: T,
}

/// The events of one tick.
#[derive(Debug)]
pub struct Frame<T> {
    pub events: Vec<Arc<Event<T>>>,
    /// All of them behind one another.
    pub encoded: Bytes,
}

/// Recent events of one kind, and a way to follow them.
#[derive(Debug)]
pub struct Feed<T> {
    name: &'static str,
    ring: Mutex<Ring<T>>,
    sender: broadcast::Sender<Arc<Frame<T>>>,
}

#[derive(Debug)]
struct Ring<T> {
    events: VecDeque<Arc<Event<T>>>,
    position: Position,
    /// Of what the ring has lost, by partition: the newest offset.
    lost: BTreeMap<u32, i64>,
    number: u64,
}

/// What somebody who comes back gets first.
#[derive(Debug)]
pub struct Resume<T> {
    /// Whether some of what was missed is not held any more.
    pub gap: bool,
    pub missed: Vec<Arc<Event<T>>>,
    /// Frames up to this event were taken from the ring.
    pub through: u64,
    pub frames: broadcast::Receiver<Arc<Frame<T>>>,
}

impl<T> Feed<T> {
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let ring = Ring { events: VecDeque::new(), position: Position::default(), lost: BTreeMap::new(), number: 0 };
        Self { name, ring: Mutex::new(ring), sender: broadcast::Sender::new(TICKS) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ring<T>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a partition is read from: the offset before the first event that can come.
    pub fn begin(&self, partition: u32, before: i64) {
        let mut ring = self.lock();
        ring.lost.entry(partition).or_insert(before);
        if !ring.position.0.contains_key(&partition) {
            ring.position.advance(partition, before);
        }
    }

    /// Adds the events of a tick: partition, offset, JSON, and what filters ask for.
    pub fn publish(&self, events: Vec<(u32, i64, String, T)>) {
        if events.is_empty() {
            return;
        }
        let mut frame = Frame { events: Vec::with_capacity(events.len()), encoded: Bytes::new() };
        let mut all = BytesMut::new();
        let mut ring = self.lock();
        for (partition, offset, data, content) in events {
            ring.position.advance(partition, offset);
            ring.number += 1;
            let start = all.len();
            encode(&mut all, &ring.position.to_string(), self.name, &data);
            let encoded = Bytes::copy_from_slice(all.get(start..).unwrap_or_default());
            let event = Arc::new(Event { number: ring.number, partition, offset, encoded, content });
            frame.events.push(Arc::clone(&event));
            ring.events.push_back(event);
            if ring.events.len() > HELD
                && let Some(oldest) = ring.events.pop_front()
            {
                ring.lost.insert(oldest.partition, oldest.offset);
            }
        }
        frame.encoded = all.freeze();
        // Nobody may be following.
        let _ = self.sender.send(Arc::new(frame));
    }

    /// Follows the feed, from behind `position` on; without one from now, after the newest few that `wanted` wants.
    #[must_use]
    pub fn follow(&self, position: Option<&Position>, wanted: impl Fn(&T) -> bool) -> Resume<T> {
        let ring = self.lock();
        let frames = self.sender.subscribe();
        let held = ring.events.iter().filter(|event| wanted(&event.content));
        let Some(position) = position else {
            let mut missed: Vec<_> = held.rev().take(NEWEST).cloned().collect();
            missed.reverse();
            return Resume { gap: false, missed, through: ring.number, frames };
        };
        let gap = ring
            .lost
            .iter()
            .any(|(partition, offset)| position.0.contains_key(partition) && !position.has(*partition, *offset));
        let unseen = |event: &&Arc<Event<T>>| !position.has(event.partition, event.offset);
        Resume { gap, missed: held.filter(unseen).cloned().collect(), through: ring.number, frames }
    }

    /// Those held that `wanted` wants, newest first.
    #[must_use]
    pub fn recent(&self, limit: usize, wanted: impl Fn(&T) -> bool) -> Vec<Arc<Event<T>>> {
        let ring = self.lock();
        ring.events.iter().rev().filter(|event| wanted(&event.content)).take(limit).cloned().collect()
    }

    /// How many follow it now.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.sender.receiver_count()
    }
}

/// JSON has no line breaks of its own, so one line of data is all.
fn encode(out: &mut BytesMut, id: &str, event: &str, data: &str) {
    for (name, value) in [("id", id), ("event", event), ("data", data)] {
        out.put_slice(name.as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
}

/// The feeds of a process.
#[derive(Debug)]
pub struct Feeds {
    pub orders: Feed<super::Order>,
    pub changes: Feed<super::Change>,
    pub alerts: Feed<super::Alert>,
}

impl Default for Feeds {
    fn default() -> Self {
        Self { orders: Feed::new("order"), changes: Feed::new("change"), alerts: Feed::new("alert") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(offsets: std::ops::Range<i64>) -> Feed<i64> {
        let feed = Feed::new("order");
        feed.begin(0, -1);
        for offset in offsets {
            feed.publish(vec![(0, offset, format!("{offset}"), offset)]);
        }
        feed
    }

    #[test]
    fn resumes_behind_a_position_and_tells_of_gaps() {
        let feed = feed(0..5);
        let position = Position::read("0:2").expect("a position");
        let resume = feed.follow(Some(&position), |_| true);
        assert!(!resume.gap);
        assert_eq!(resume.missed.iter().map(|event| event.offset).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(resume.through, 5);
        let encoded = resume.missed.first().expect("an event").encoded.clone();
        assert_eq!(encoded, "id: 0:3\nevent: order\ndata: 3\n\n");
        assert_eq!(feed.follow(None, |offset| *offset > 2).missed.len(), 2);
    }

    #[test]
    fn what_the_ring_has_lost_is_a_gap() {
        let feed = feed(0..i64::try_from(HELD).expect("small") + 10);
        assert!(feed.follow(Position::read("0:2").as_ref(), |_| true).gap);
        assert!(!feed.follow(Position::read("0:9").as_ref(), |_| true).gap);
    }

    #[test]
    fn positions_read_back() {
        let position = Position::read("0:12,3:7").expect("a position");
        assert_eq!(position.to_string(), "0:12,3:7");
        assert!(position.has(3, 7) && !position.has(3, 8) && !position.has(1, 0));
        assert_eq!(Position::read("0-12"), None);
    }
}
