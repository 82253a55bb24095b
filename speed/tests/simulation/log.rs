//! One partition: records, some of them in transactions that are open or were aborted.

use data::EventTime;
use speed::frame::{Decoding, Origin, Record, TopicPartition};

/// A transaction's place in the coordinator's list; 0 stands for none, which counts as committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TxnId(pub usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxnState {
    Open,
    Committed,
    Aborted,
}

pub type Headers = Vec<(&'static str, Box<[u8]>)>;

#[derive(Clone, Debug)]
pub struct Stored {
    pub offset: i64,
    pub txn: TxnId,
    /// A marker that ends a transaction: takes an offset, and is never handed out.
    pub control: bool,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Headers,
}

impl Stored {
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| &**value)
    }

    pub fn as_record(&self, at: TopicPartition) -> Record<'_> {
        Record {
            at,
            offset: self.offset,
            timestamp: EventTime::from_micros(0),
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            origin: self.header(Origin::HEADER),
            decoded: Decoding::default(),
        }
    }
}

#[derive(Debug, Default)]
pub struct Log {
    records: Vec<Stored>,
    /// The offset that the next record gets: the high watermark.
    pub high: i64,
    /// The transactions that are open here, each with its first offset.
    open: Vec<(TxnId, i64)>,
}

impl Log {
    pub fn append(&mut self, txn: TxnId, key: Option<&[u8]>, value: Option<&[u8]>, headers: Headers) -> i64 {
        let offset = self.high;
        if txn.0 > 0 && !self.open.iter().any(|(own, _)| *own == txn) {
            self.open.push((txn, offset));
        }
        let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        self.records.push(Stored { offset, txn, control: false, key, value, headers });
        self.high += 1;
        offset
    }

    /// Writes the marker that ends `txn` here.
    pub fn end(&mut self, txn: TxnId) {
        self.open.retain(|(own, _)| *own != txn);
        let headers = Vec::new();
        self.records.push(Stored { offset: self.high, txn, control: true, key: None, value: None, headers });
        self.high += 1;
    }

    /// The last stable offset: before it no transaction is open.
    pub fn stable(&self) -> i64 {
        self.open.iter().map(|(_, first)| *first).min().unwrap_or(self.high)
    }

    pub fn from(&self, offset: i64) -> &[Stored] {
        &self.records[self.records.partition_point(|record| record.offset < offset)..]
    }

    /// Keeps the newest record of each key, and nothing of aborted transactions, up to the last stable offset.
    pub fn compact(&mut self, txns: &[TxnState]) {
        let stable = self.stable();
        let mut newest = std::collections::BTreeMap::new();
        for record in self.records.iter().filter(|record| record.offset < stable && is_committed(record, txns)) {
            newest.insert(record.key.clone(), record.offset);
        }
        self.records.retain(|record| {
            record.offset >= stable || (is_committed(record, txns) && newest.get(&record.key) == Some(&record.offset))
        });
    }
}

/// Whether a reader of committed records ever sees it.
pub fn is_committed(record: &Stored, txns: &[TxnState]) -> bool {
    !record.control && txns[record.txn.0] == TxnState::Committed
}
