//! The archiver, and the other things that happen to a cluster without a worker.

use data::kafka::partition_of;
use speed::archive::decide::{Decision, Facts};
use speed::frame::TopicPartition;
use speed::worker::InputMemo;

use super::lake::LakeLine;
use super::sabotage::Sabotage;
use super::world::World;

impl World {
    /// Archives some partitions up to their committed cells; the archiver may die, and begin again.
    pub fn archive(&mut self) {
        let partitions = self.cluster.borrow().partitions(self.topics.orders);
        for partition in 0..partitions {
            if self.chance.one_in(2) {
                self.archive_partition(partition);
            }
        }
        if self.chance.one_in(4) {
            // Another process: only the lake knows how far it is.
            self.archiver.clone_from(&self.lake.archived);
        }
    }

    pub fn archive_all(&mut self) {
        self.note(|| "everything is archived".to_owned());
        let partitions = self.cluster.borrow().partitions(self.topics.orders);
        (0..partitions).for_each(|partition| self.archive_partition(partition));
    }

    fn archive_partition(&mut self, partition: u32) {
        let at = TopicPartition { topic: self.topics.orders, partition };
        let Some(committed) = self.cluster.borrow().committed_offset(at).cloned() else { return };
        let InputMemo { mut cell, start } = InputMemo::read(&committed.metadata).expect("a memo");
        if self.sabotage == Sabotage::CutsAnywhere {
            cell = committed.offset;
        }
        let known = if self.sabotage == Sabotage::ArchivedTwice { &self.archiver } else { &self.lake.archived };
        let archived = known.get(&partition).copied();
        let Decision::Append { from, to } = (Facts { start, cell, low: 0, archived }).decide() else { return };
        let cluster = self.cluster.borrow();
        let records = cluster.committed_records(at).filter(|record| (from..to).contains(&record.offset));
        let lines = records.filter_map(|record| {
            let line = self.produced[&(partition, record.offset)].verdict.clone().ok()?;
            Some(LakeLine { line, source: Some((partition, record.offset)) })
        });
        let lines: Vec<LakeLine> = lines.collect();
        drop(cluster);
        self.note(|| format!("orders/{partition} is archived from {from} to {to}"));
        self.lake.append(lines, Some((partition, to)));
        // It may die before it notes how far it came.
        if !self.chance.one_in(4) {
            self.archiver.insert(partition, to);
        }
    }

    pub fn rebalance(&mut self) {
        self.note(|| "the group deals its shards anew".to_owned());
        self.cluster.borrow_mut().rebalance();
    }

    pub fn compact(&mut self) {
        for topic in [self.topics.state, self.topics.sessions.state] {
            let partition = self.chance.below(self.scene.shards);
            self.cluster.borrow_mut().compact(TopicPartition { topic, partition });
        }
    }

    /// The topic gets another partition: producers choose differently from now on.
    pub fn grow(&mut self) {
        if self.cluster.borrow().partitions(self.topics.orders) < 6 {
            self.note(|| "orders gets another partition".to_owned());
            self.cluster.borrow_mut().grow(self.topics.orders);
        }
    }

    /// The shard that a key lives in.
    pub fn home(&self, key: &str) -> u32 {
        partition_of(key.as_bytes(), self.scene.shards)
    }
}
