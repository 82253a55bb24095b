//! What `customer-state` says of each customer.

use std::collections::{BTreeSet, HashMap};

use compact_str::CompactString;
use data::kafka::partition_of;
use foldhash::fast::FixedState;

use crate::error::{Error, Result};
use crate::kafka::Spans;
use crate::operators::segments::StateRecord;

/// The newest record of each customer, as far as the group has committed it.
#[derive(Debug, Default)]
pub struct State {
    records: HashMap<CompactString, Record, FixedState>,
    /// Records that lie in another partition than their customer's.
    pub astray: BTreeSet<(CompactString, u32)>,
}

/// One customer's.
#[derive(Debug)]
pub struct Record {
    pub shard: u32,
    /// As the record spells it out for its readers.
    pub written: StateRecord,
}

impl State {
    /// Reads every partition up to its end: what is committed by then, and what was about to be.
    ///
    /// # Errors
    /// When the topic cannot be read, or what is in it is no state.
    pub fn read(committed: &Spans, all: &Spans, topic: &str) -> Result<Self> {
        let shards = committed.partitions(topic)?;
        let mut state = Self::default();
        for shard in 0..shards {
            // A transaction's offsets may be visible before its records are: wait for those that are under way.
            let ends = all.ends(topic, shard)?;
            committed.read::<Error>(topic, shard, ends.low..ends.end, |record| {
                let Some((key, value)) = record.and_then(|record| Some((record.key?, record.value))) else {
                    return Ok(());
                };
                state.take((shard, shards), key, value).map_err(|reason| {
                    let offset = record.map_or(0, |record| record.offset);
                    Error::Kafka(format!("topic {topic}, partition {shard}, offset {offset}: {reason}"))
                })
            })?;
        }
        Ok(state)
    }

    /// Takes a record of the topic; a later one of the same customer stands for it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take(
        &mut self,
        (shard, shards): (u32, u32),
        key: &[u8],
        value: Option<&[u8]>,
    ) -> std::result::Result<(), String> {
        let id = CompactString::from_utf8_lossy(key);
        if partition_of(key, shards) != shard {
            let place = (id, shard);
            if value.is_some() {
                self.astray.insert(place)
            } else {
                self.astray.remove(&place)
            };
            return Ok(());
        }
        match value {
            Some(value) => {
                self.records.insert(id, Record { shard, written: StateRecord::read(value)? });
            }
            None => {
                self.records.remove(&id);
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Record> {
        self.records.get(id)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.records.keys().map(CompactString::as_str)
    }
}
