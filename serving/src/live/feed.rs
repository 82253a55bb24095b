//! Recent events, encoded once for all who follow them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::broadcast;

/// Events that are held for those who come back, and their bytes: an alert can name hundreds of clicks.
const HELD: usize = 10_000;
const HELD_BYTES: usize = 16 << 20;
/// Ticks that a client may be behind before it is told of a gap: minutes of them.
const TICKS: usize = 1_024;

/// Offsets by which a client can be ahead of this process: another one that it followed was quicker. Who is further has seen
/// another topic of this name.
const AHEAD: i64 = 10_000;

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

    /// What was seen once `event` is.
    fn with<T>(&mut self, event: &Event<T>) -> &Self {
        let seen = self.0.entry(event.partition).or_insert(event.offset);
        *seen = (*seen).max(event.offset);
        self
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

impl<T> Event<T> {
    /// As it is sent to somebody who has seen what `position` says, and this one then.
    #[must_use]
    pub fn encoded_for(&self, position: &mut Position) -> Bytes {
        let id = format!("id: {}\n", position.with(self));
        let rest = self.encoded.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        Bytes::from([id.as_bytes(), self.encoded.get(rest..).unwrap_or_default()].concat())
    }
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
    /// Ends of the partitions when they were looked at first, or anew.
    ends: BTreeMap<u32, i64>,
    number: u64,
    /// Of the events as they are sent.
    bytes: usize,
}

impl<T> Ring<T> {
    fn push(&mut self, event: Arc<Event<T>>) {
        self.bytes += event.encoded.len();
        self.events.push_back(event);
        while (self.events.len() > HELD || self.bytes > HELD_BYTES)
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.encoded.len();
            self.lost.insert(oldest.partition, oldest.offset);
        }
    }

    /// Whether somebody has seen offsets that this topic does not have: it was made anew.
    fn is_beyond(&self, position: &Position) -> bool {
        let newest = |partition: &u32| {
            let read = self.position.0.get(partition).copied().unwrap_or(-1);
            self.ends.get(partition).copied().unwrap_or(0).max(read)
        };
        position.0.iter().any(|(partition, offset)| *offset > newest(partition).saturating_add(AHEAD))
    }
}

/// What somebody who comes back gets first.
#[derive(Debug)]
pub struct Resume<T> {
    /// Whether some of what was missed is not held any more.
    pub gap: bool,
    /// What the client has seen, if that is of this topic.
    pub seen: Option<Position>,
    pub missed: Vec<Arc<Event<T>>>,
    /// Frames up to this event were taken from the ring.
    pub through: u64,
    /// What the client has seen and the ring has still to read, as after a start.
    pub ahead: Option<Position>,
    pub frames: broadcast::Receiver<Arc<Frame<T>>>,
}

impl<T> Feed<T> {
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let ring = Ring {
            events: VecDeque::new(),
            position: Position::default(),
            lost: BTreeMap::new(),
            ends: BTreeMap::new(),
            number: 0,
            bytes: 0,
        };
        Self { name, ring: Mutex::new(ring), sender: broadcast::Sender::new(TICKS) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ring<T>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a partition is read from, for the first time or again: the offset before the first event that can come, and the
    /// partition's end now. What was seen beyond that end was of a topic that is gone.
    pub fn begin(&self, partition: u32, before: i64, end: i64) {
        let mut ring = self.lock();
        ring.lost.entry(partition).or_insert(before);
        ring.ends.insert(partition, end);
        if ring.position.0.get(&partition).is_none_or(|seen| *seen >= end) {
            ring.position.advance(partition, before);
        }
    }

    /// Adds the events of a tick: partition, offset, JSON, and what filters ask for; but none that was seen, when a lost
    /// connection made a reader begin again.
    pub fn publish(&self, events: Vec<(u32, i64, String, T)>) {
        let mut ring = self.lock();
        let events: Vec<_> =
            events.into_iter().filter(|(partition, offset, ..)| !ring.position.has(*partition, *offset)).collect();
        if events.is_empty() {
            return;
        }
        let mut frame = Frame { events: Vec::with_capacity(events.len()), encoded: Bytes::new() };
        let mut all = BytesMut::new();
        for (partition, offset, data, content) in events {
            ring.position.advance(partition, offset);
            ring.number += 1;
            let start = all.len();
            encode(&mut all, &ring.position.to_string(), self.name, &data);
            let encoded = Bytes::copy_from_slice(all.get(start..).unwrap_or_default());
            let event = Arc::new(Event { number: ring.number, partition, offset, encoded, content });
            frame.events.push(Arc::clone(&event));
            ring.push(event);
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
        let position = position.filter(|position| !ring.is_beyond(position)).ok_or(position.is_some());
        let position = match position {
            Ok(position) => position,
            Err(gap) => {
                let mut missed: Vec<_> = held.rev().take(NEWEST).cloned().collect();
                missed.reverse();
                return Resume { gap, seen: None, missed, through: ring.number, ahead: None, frames };
            }
        };
        let gap = ring
            .lost
            .iter()
            .any(|(partition, offset)| position.0.contains_key(partition) && !position.has(*partition, *offset));
        let unseen = |event: &&Arc<Event<T>>| !position.has(event.partition, event.offset);
        let is_ahead = position.0.iter().any(|(partition, offset)| !ring.position.has(*partition, *offset));
        let ahead = is_ahead.then(|| position.clone());
        let missed = held.filter(unseen).cloned().collect();
        Resume { gap, seen: Some(position.clone()), missed, through: ring.number, ahead, frames }
    }

    /// Those held that `wanted` wants, newest first.
    #[must_use]
    pub fn recent(&self, limit: usize, wanted: impl Fn(&T) -> bool) -> Vec<Arc<Event<T>>> {
        let ring = self.lock();
        ring.events.iter().rev().filter(|event| wanted(&event.content)).take(limit).cloned().collect()
    }

    /// How many events it has had.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.lock().number
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
    pub rule_changes: Feed<super::RuleChange>,
    pub alerts: Feed<super::Alert>,
}

impl Default for Feeds {
    fn default() -> Self {
        Self {
            orders: Feed::new("order"),
            changes: Feed::new("change"),
            rule_changes: Feed::new("rule-change"),
            alerts: Feed::new("alert"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(offsets: std::ops::Range<i64>) -> Feed<i64> {
        let feed = Feed::new("order");
        feed.begin(0, -1, 0);
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
    fn few_large_events_are_held() {
        let feed = feed(0..1);
        let large = "x".repeat(1 << 20);
        for offset in 1..40 {
            feed.publish(vec![(0, offset, large.clone(), offset)]);
        }
        let held = feed.recent(usize::MAX, |_| true);
        assert_eq!(held.first().map(|event| event.offset), Some(39));
        assert!(held.len() < 17 && held.iter().map(|event| event.encoded.len()).sum::<usize>() <= HELD_BYTES);
        assert!(feed.follow(Position::read("0:2").as_ref(), |_| true).gap);
    }

    #[test]
    fn what_is_read_again_is_no_event() {
        let feed = feed(0..5);
        feed.begin(0, -1, 5);
        feed.publish((3..7).map(|offset| (0, offset, offset.to_string(), offset)).collect());
        let offsets =
            |feed: &Feed<i64>| feed.follow(None, |_| true).missed.iter().map(|event| event.offset).collect::<Vec<_>>();
        assert_eq!(offsets(&feed), [0, 1, 2, 3, 4, 5, 6]);
        // A topic made again begins again.
        feed.begin(0, -1, 1);
        feed.publish(vec![(0, 0, "0".to_owned(), 0)]);
        assert_eq!(offsets(&feed).last(), Some(&0));
    }

    #[test]
    fn who_is_ahead_of_a_process_that_has_just_started_is_remembered() {
        let feed = feed(0..3);
        let ahead = |position: &str| feed.follow(Position::read(position).as_ref(), |_| true).ahead;
        assert_eq!(ahead("0:2"), None);
        assert_eq!(ahead("0:4").map(|ahead| ahead.to_string()), Some("0:4".to_owned()));
    }

    #[test]
    fn who_has_seen_another_topic_of_this_name_is_told_of_a_gap() {
        let feed = feed(0..3);
        let resume = feed.follow(Position::read("0:99999999").as_ref(), |_| true);
        assert!(resume.gap && resume.ahead.is_none());
        assert_eq!(resume.missed.len(), 3);
    }

    #[test]
    fn ids_of_what_was_missed_do_not_lie_behind_the_clients_own() {
        let feed = Feed::new("order");
        feed.begin(0, -1, 0);
        feed.begin(1, -1, 0);
        feed.publish(vec![(0, 0, "0".to_owned(), 0), (1, 0, "1".to_owned(), 1), (0, 1, "2".to_owned(), 2)]);
        let mut position = Position::read("0:-1,1:0").expect("a position");
        let missed = feed.follow(Some(&position), |_| true).missed;
        let encoded: Vec<_> = missed.iter().map(|event| event.encoded_for(&mut position)).collect();
        assert_eq!(encoded, ["id: 0:0,1:0\nevent: order\ndata: 0\n\n", "id: 0:1,1:0\nevent: order\ndata: 2\n\n"]);
    }

    #[test]
    fn positions_read_back() {
        let position = Position::read("0:12,3:7").expect("a position");
        assert_eq!(position.to_string(), "0:12,3:7");
        assert!(position.has(3, 7) && !position.has(3, 8) && !position.has(1, 0));
        assert_eq!(Position::read("0-12"), None);
    }
}
