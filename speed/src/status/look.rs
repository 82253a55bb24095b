//! Where every partition stands at one moment.

use crate::error::Result;
use crate::kafka::Spans;
use crate::operators::segments::{self, Memo};
use crate::worker::{InputMemo, operator_memo};

/// All partitions of the topics that the group reads.
#[derive(Debug)]
pub struct Look {
    pub partitions: Vec<Partition>,
    /// Topics that are not there.
    pub missing: Vec<String>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub topic: String,
    pub partition: u32,
    /// The next offset that the group reads; `None` before it has committed one.
    pub position: Option<i64>,
    /// First offset that may not be archived yet.
    pub cell: Option<i64>,
    pub low: i64,
    pub end: i64,
    /// Records that wait to be processed.
    pub lag: i64,
    /// Of a shard's home: the publication that it works with.
    pub publication: Option<i64>,
}

impl Partition {
    /// The first offset that is not processed.
    #[must_use]
    pub fn done(&self) -> i64 {
        self.position.unwrap_or(self.low)
    }
}

impl Look {
    /// # Errors
    /// When the brokers do not answer.
    pub fn take(kafka: &Spans, topics: &[&str]) -> Result<Self> {
        let mut look = Self { partitions: Vec::new(), missing: Vec::new() };
        for topic in topics {
            let count = kafka.partitions(topic)?;
            if count == 0 {
                look.missing.push((*topic).to_owned());
                continue;
            }
            let committed = kafka.committed(topic, &(0..count).collect::<Vec<_>>())?;
            for (partition, committed) in (0..count).zip(committed) {
                let ends = kafka.ends(topic, partition)?;
                let position = committed.as_ref().map(|committed| committed.offset);
                let metadata = committed.as_ref().map_or("", |committed| committed.metadata.as_str());
                look.partitions.push(Partition {
                    topic: (*topic).to_owned(),
                    partition,
                    position,
                    cell: InputMemo::read(metadata).ok().map(|memo| memo.cell),
                    low: ends.low,
                    end: ends.end,
                    lag: kafka.behind(topic, partition, position.unwrap_or(ends.low), &ends)?,
                    publication: shard_publication(metadata),
                });
            }
        }
        Ok(look)
    }

    /// Partitions of a topic.
    #[must_use]
    pub fn count(&self, topic: &str) -> u32 {
        let count = self.partitions.iter().filter(|partition| partition.topic == topic).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Offsets processed and offsets written, of all partitions of `topic` together.
    #[must_use]
    pub fn sums(&self, topic: &str) -> (i64, i64) {
        let mine = self.partitions.iter().filter(|partition| partition.topic == topic);
        mine.fold((0, 0), |(done, end), partition| (done + partition.done(), end + partition.end))
    }
}

/// The publication that the shard works with whose home's offset was committed with `metadata`.
fn shard_publication(metadata: &str) -> Option<i64> {
    let memo = operator_memo(metadata, segments::NAME).ok()??;
    serde_json::from_str::<Memo>(&memo).ok()?.publication
}
