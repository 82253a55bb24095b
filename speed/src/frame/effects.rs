//! What operators want done: records to be produced within the epoch's transaction.

use std::collections::BTreeMap;
use std::ops::Range;

use data::EventTime;

use super::{Record, Refusal, TopicId};

/// Bytes of a refused record's value that are kept; longer ones are cut off, and tell their length.
const DEAD_LETTER: usize = 768 << 10;
const DEAD_KEY: usize = 64 << 10;

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the partition that the key's hash names.
    ByKey(TopicId),
    /// To this partition.
    Partition(TopicId, u32),
}

impl Target {
    #[must_use]
    pub const fn topic(self) -> TopicId {
        match self {
            Self::ByKey(topic) | Self::Partition(topic, _) => topic,
        }
    }
}

/// One record to be produced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emitted<'e> {
    pub target: Target,
    pub key: Option<&'e [u8]>,
    /// `None` is a tombstone.
    pub value: Option<&'e [u8]>,
    pub headers: &'e [(&'static str, Box<[u8]>)],
    /// Of what is handed on: that of the record as it entered; others have the time at which they are written.
    pub timestamp: Option<EventTime>,
}

/// Records to be produced, behind one another in one buffer.
#[derive(Debug, Default)]
pub struct Effects {
    bytes: Vec<u8>,
    records: Vec<Spans>,
    headers: Vec<(&'static str, Box<[u8]>)>,
    /// Whether an operator has more to do than its budget allowed.
    pub more_work: bool,
    /// Counted until the epoch is committed.
    pub counted: Counted,
    /// By shard, how far time has come for operators that hear of it from all shards.
    pub heard: BTreeMap<u32, Heard>,
}

/// What is worth counting beside records: what patterns were not given or had to forget, and detours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Events that came behind the watermark.
    pub late: u64,
    /// Events and runs beyond the limits of a key.
    pub shed: u64,
    /// Records whose key lives in another shard.
    pub handed_on: u64,
}

/// How far time has come by what other shards say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// In milliseconds; `None` before every shard has said something.
    pub until: Option<i64>,
    /// The shard whose word holds time back, if any does.
    pub waits_for: Option<u32>,
}

#[derive(Debug)]
struct Spans {
    target: Target,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
    timestamp: Option<EventTime>,
}

impl Effects {
    /// Adds a record whose value `write` writes.
    pub fn emit(&mut self, target: Target, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let key = self.copy(key);
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.push(target, Some(key), Some(start..self.bytes.len()));
    }

    /// Adds a tombstone.
    pub fn delete(&mut self, target: Target, key: &[u8]) {
        let key = self.copy(key);
        self.push(target, Some(key), None);
    }

    /// Hands a record on as it is, with one header more and its own time stamp.
    pub fn forward(
        &mut self,
        target: Target,
        key: &[u8],
        value: &[u8],
        header: (&'static str, &[u8]),
        timestamp: EventTime,
    ) {
        let (key, value) = (self.copy(key), self.copy(value));
        self.headers.push((header.0, header.1.into()));
        self.push(target, Some(key), Some(value));
        if let Some(handed_on) = self.records.last_mut() {
            handed_on.timestamp = Some(timestamp).filter(|timestamp| timestamp.micros() > 0);
        }
    }

    /// Adds a dead letter: the record as it came, and why it was refused (EO-6).
    pub fn dead_letter(&mut self, topic: TopicId, source: &str, record: &Record<'_>, refusal: &Refusal) {
        // What is too large for the topic would stop everything behind it.
        let key = record.key.map(|key| self.copy(key.get(..DEAD_KEY).unwrap_or(key)));
        let value = record.value.map(|value| self.copy(value.get(..DEAD_LETTER).unwrap_or(value)));
        if let Some(bytes) = record.value.map(<[u8]>::len).filter(|bytes| *bytes > DEAD_LETTER) {
            self.headers.push(("bytes", bytes.to_string().into_bytes().into()));
        }
        self.headers.extend([
            ("topic", source.as_bytes().into()),
            ("partition", record.at.partition.to_string().into_bytes().into()),
            ("offset", record.offset.to_string().into_bytes().into()),
            ("reason", refusal.reason.as_bytes().into()),
        ]);
        if !refusal.detail.is_empty() {
            self.headers.push(("detail", refusal.detail.as_bytes().into()));
        }
        // A tombstone cannot be told from an empty value on a compacted topic; dead letters are not compacted.
        self.push(Target::ByKey(topic), key, value);
    }

    /// Every record, in the order they were added.
    pub fn records(&self) -> impl Iterator<Item = Emitted<'_>> {
        self.records.iter().map(|spans| Emitted {
            target: spans.target,
            key: spans.key.clone().and_then(|span| self.bytes.get(span)),
            value: spans.value.clone().and_then(|span| self.bytes.get(span)),
            headers: self.headers.get(spans.headers.clone()).unwrap_or_default(),
            timestamp: spans.timestamp,
        })
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets the records; keeps the memory, [`Effects::more_work`] and what was counted and heard.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.headers.clear();
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn push(&mut self, target: Target, key: Option<Range<usize>>, value: Option<Range<usize>>) {
        let from = self.records.last().map_or(0, |last| last.headers.end);
        self.records.push(Spans { target, key, value, headers: from..self.headers.len(), timestamp: None });
    }
}
