//! A worker's way to the simulated cluster, with everything that can go wrong on it.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use speed::frame::{Emitted, Record, TopicId, TopicPartition};
use speed::operators::segments::Shelf;
use speed::topology::Topology;
use speed::worker::port::{Change, Commit, Facts, Failure, Reading, Result, Writing};

use super::checks::epoch::Claim;
use super::cluster::Cluster;
use super::faults::Fault;
use super::group::MemberId;
use super::log::is_committed;
use super::observed::Invariant;
use super::sabotage::Sabotage;
use super::shelf::SimShelf;

pub struct SimPort {
    cluster: Rc<RefCell<Cluster>>,
    topology: Arc<Topology>,
    shelf: Arc<SimShelf>,
    /// Unique; the name may be an earlier worker's.
    pub instance: u32,
    pub name: String,
    /// Where a group begins that has committed nothing.
    latest: bool,
    epoch: Option<u32>,
    pub member: Option<MemberId>,
    /// What it believes to be assigned.
    held: BTreeSet<u32>,
    /// What it was told to let go; it may have that still to do.
    outdated: BTreeSet<u32>,
    counts: BTreeMap<TopicId, u32>,
    positions: BTreeMap<TopicPartition, i64>,
    /// When the transaction was begun, and what was read for it.
    pub open: Option<Duration>,
    pub read: usize,
    pub begun_under: i64,
    aborted: bool,
    pub dead: bool,
    /// What was known before the fence, for a sabotage.
    stale: BTreeMap<TopicPartition, Facts>,
    /// Where each partition may begin, where it did, and the publication that each shard was opened under first.
    told: BTreeMap<TopicPartition, [i64; 2]>,
    pub initial: BTreeMap<TopicPartition, i64>,
    pub first_view: BTreeMap<u32, i64>,
}

impl SimPort {
    pub fn new(
        cluster: &Rc<RefCell<Cluster>>,
        topology: &Arc<Topology>,
        shelf: &Arc<SimShelf>,
        (instance, name): (u32, &str),
        latest: bool,
    ) -> Self {
        let mut port = Self {
            cluster: Rc::clone(cluster),
            topology: Arc::clone(topology),
            shelf: Arc::clone(shelf),
            instance,
            name: name.to_owned(),
            latest,
            epoch: None,
            member: None,
            held: BTreeSet::new(),
            outdated: BTreeSet::new(),
            counts: BTreeMap::new(),
            positions: BTreeMap::new(),
            open: None,
            read: 0,
            begun_under: 0,
            aborted: false,
            dead: false,
            stale: BTreeMap::new(),
            told: BTreeMap::new(),
            initial: BTreeMap::new(),
            first_view: BTreeMap::new(),
        };
        if matches!(port.cluster().sabotage, Sabotage::FactsBeforeFence | Sabotage::RestoredToSeen) {
            port.stale = port.everything();
        }
        port
    }

    fn cluster(&self) -> Ref<'_, Cluster> {
        self.cluster.borrow()
    }

    fn cluster_mut(&self) -> RefMut<'_, Cluster> {
        self.cluster.borrow_mut()
    }

    fn everything(&self) -> BTreeMap<TopicPartition, Facts> {
        let topics = 0..u16::try_from(self.topology.topics.len()).expect("few");
        let of = |topic| (0..self.cluster().partitions(TopicId(topic))).map(move |id| (TopicId(topic), id));
        topics
            .flat_map(|topic| of(topic).collect::<Vec<_>>())
            .map(|(topic, partition)| TopicPartition { topic, partition })
            .map(|at| (at, self.facts_of(at)))
            .collect()
    }

    fn facts_of(&self, at: TopicPartition) -> Facts {
        let cluster = self.cluster();
        let log = cluster.log(at);
        let end = if cluster.sabotage == Sabotage::RestoredToStable { log.stable() } else { log.high };
        let initial = if self.latest { log.stable() } else { 0 };
        Facts { committed: cluster.committed_offset(at).cloned(), initial, low: 0, end }
    }

    pub fn die(&mut self) -> Failure {
        self.dead = true;
        Failure::Ended("killed".to_owned())
    }

    /// Makes a call, which may go wrong before, within or after it.
    fn call<T>(&mut self, name: &str, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.dead {
            return Err(Failure::Ended("dead already".to_owned()));
        }
        let fault = {
            let mut cluster = self.cluster_mut();
            let cluster = &mut *cluster;
            if cluster.chance.one_in(40) {
                cluster.deliver();
            }
            let fault = cluster.faults.strike(&mut cluster.chance);
            if let Some(fault) = fault {
                let instance = self.instance;
                cluster.observed.note(|| format!("worker {instance}: {name}: {fault:?}"));
            }
            fault
        };
        let refused = || Failure::Abort("the brokers do not answer".to_owned());
        match fault {
            None => work(self),
            Some(Fault::Hung(time)) => {
                self.cluster_mut().pass(time);
                work(self)
            }
            Some(Fault::RefusedBefore) => Err(refused()),
            // News of the group is not told twice.
            Some(Fault::RefusedAfter | Fault::AnswerLost) if name == "changes" => Err(self.die()),
            Some(Fault::RefusedAfter | Fault::AnswerLost | Fault::Delayed) => work(self).and_then(|_| Err(refused())),
            Some(Fault::DiedBefore) => Err(self.die()),
            Some(Fault::DiedWithin | Fault::DiedAfter) => {
                let _ = work(self);
                Err(self.die())
            }
        }
    }

    fn expect(&self, invariant: Invariant, holds: bool, told: impl FnOnce() -> String) {
        let told = if holds { String::new() } else { told() };
        self.cluster_mut().observed.expect(invariant, holds, || told);
    }

    fn expect_fenced(&self, call: &str) {
        let fenced = self.epoch.is_some();
        self.expect(Invariant::Eo2, fenced, || format!("worker {} asks for {call} before it fenced", self.instance));
    }

    fn own_epoch(&self) -> u32 {
        self.epoch.unwrap_or_default()
    }

    fn member(&mut self) -> MemberId {
        *self.member.get_or_insert_with(|| self.cluster.borrow_mut().join())
    }

    fn counted(&mut self) -> Vec<Change> {
        let first = self.counts.is_empty();
        if !first && !self.cluster_mut().happens(4) {
            return Vec::new();
        }
        let mut changes = Vec::new();
        for topic in self.topology.inputs() {
            let count = self.cluster().partitions(topic);
            if self.counts.insert(topic, count) != Some(count) {
                changes.push(Change::Partitions(topic, count));
            }
        }
        changes
    }

    fn note_beginnings(&mut self, from: &[(TopicPartition, i64)]) {
        for (at, offset) in from {
            if self.cluster().committed_offset(*at).is_none() {
                let holds = self.told.get(at).is_some_and(|told| told.contains(offset));
                self.expect(Invariant::Eo5, holds, || format!("{} is begun at {offset}", self.cluster().show(*at)));
                self.initial.insert(*at, *offset);
            }
        }
    }

    fn check_restart(&self, from: &[(TopicPartition, i64)]) {
        let Some(member) = self.member else { return };
        let shards = self.topology.shards;
        for (at, offset) in from {
            let shard = at.partition % shards;
            if self.outdated.contains(&shard) || !self.cluster().group.owns(member, shard) {
                continue;
            }
            let committed = self.cluster().committed_offset(*at).map(|committed| committed.offset);
            let wanted = committed.or_else(|| self.initial.get(at).copied());
            self.expect(Invariant::Eo5, wanted.is_none_or(|wanted| wanted == *offset), || {
                format!("after an abort {} goes on from {offset}, not from {wanted:?}", self.cluster().show(*at))
            });
        }
    }
}

impl Reading for SimPort {
    fn changes(&mut self) -> Result<Vec<Change>> {
        self.call("changes", |port| {
            port.expect_fenced("changes");
            let mut changes = port.counted();
            let member = port.member();
            if port.cluster().group.has(member) {
                changes.append(&mut port.cluster_mut().group.news(member));
            } else if port.cluster_mut().happens(3) {
                // Only now it hears that it was thrown out; it joins again with the next call.
                changes.push(Change::Revoked(std::mem::take(&mut port.held).into_iter().collect()));
                port.member = None;
            }
            for change in &changes {
                match change {
                    Change::Assigned(ids) => port.held.extend(ids),
                    Change::Revoked(ids) => {
                        port.held.retain(|id| !ids.contains(id));
                        port.outdated.extend(ids);
                    }
                    Change::Partitions(..) => {}
                }
            }
            Ok(changes)
        })
    }

    fn facts(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Facts>> {
        self.call("facts", |port| {
            port.expect_fenced("facts");
            if let Some(at) = partitions.iter().find(|at| !port.cluster().is_offset_stable(**at)) {
                return Err(Failure::Abort(format!("offsets of {} are pending", port.cluster().show(*at))));
            }
            let stale = port.cluster().sabotage == Sabotage::FactsBeforeFence;
            let inputs = [port.topology.inputs(), port.topology.by_key()].concat();
            let mut answer = Vec::new();
            for at in partitions {
                let mut facts = port.facts_of(*at);
                match port.stale.get(at) {
                    Some(seen) if stale => facts = seen.clone(),
                    Some(seen) if !inputs.contains(&at.topic) => facts.end = seen.end,
                    _ => {}
                }
                if at.topic == port.topology.home {
                    port.outdated.remove(&at.partition);
                    port.first_view.insert(at.partition, port.shelf.newest().publication);
                }
                port.told.insert(*at, [facts.initial, facts.low]);
                answer.push(facts);
            }
            // What is on its way often arrives right behind the answer, where it would hurt most.
            let cluster = &mut *port.cluster_mut();
            if cluster.chance.one_in(2) {
                cluster.deliver();
            }
            Ok(answer)
        })
    }

    fn read_all(&mut self, at: TopicPartition, facts: &Facts, each: &mut dyn FnMut(&Record<'_>)) -> Result<()> {
        self.call("read_all", |port| {
            port.expect_fenced("read_all");
            let cluster = port.cluster();
            if cluster.log(at).stable() < facts.end {
                return Err(Failure::Abort(format!("{} has an open transaction", cluster.show(at))));
            }
            let records = cluster.log(at).from(facts.low).iter();
            let committed = records.filter(|record| is_committed(record, &cluster.txns));
            for record in committed.take_while(|record| record.offset < facts.end) {
                each(&record.as_record(at));
            }
            let newest = cluster.committed_records(at).last().map_or(0, |record| record.offset + 1);
            drop(cluster);
            port.expect(Invariant::Eo3, newest <= facts.end, || {
                format!("restored up to {}, but a record before {newest} is committed", facts.end)
            });
            Ok(())
        })
    }

    fn follow(&mut self, from: &[(TopicPartition, i64)], leave: &[TopicPartition]) -> Result<()> {
        self.call("follow", |port| {
            if std::mem::take(&mut port.aborted) {
                port.check_restart(from);
            }
            port.note_beginnings(from);
            port.positions.retain(|at, _| !leave.contains(at));
            port.positions.extend(from.iter().copied());
            Ok(())
        })
    }

    fn hear(&mut self) -> bool {
        true
    }

    fn poll(&mut self, _: Duration, most: usize, each: &mut dyn FnMut(&Record<'_>)) -> Result<usize> {
        self.call("poll", |port| {
            port.expect_fenced("poll");
            let mut followed: Vec<TopicPartition> = port.positions.keys().copied().collect();
            port.cluster_mut().chance.shuffle(&mut followed);
            let mut count = 0;
            for at in followed {
                let left = most - count;
                let some = if port.cluster().calm { left } else { port.cluster_mut().chance.index(left + 1) };
                let cluster = port.cluster.borrow();
                let position = port.positions.get_mut(&at).expect("followed");
                let stable = cluster.log(at).stable();
                let records = cluster.log(at).from(*position).iter().take_while(|record| record.offset < stable);
                for record in records.filter(|record| is_committed(record, &cluster.txns)).take(some) {
                    *position = record.offset + 1;
                    each(&record.as_record(at));
                    count += 1;
                }
            }
            port.read += count;
            Ok(count)
        })
    }
}

impl Writing for SimPort {
    fn fence(&mut self) -> Result<()> {
        self.call("fence", |port| {
            if port.cluster().sabotage == Sabotage::FenceForgotten {
                return Ok(());
            }
            let epoch = port.cluster_mut().fence(&port.name);
            port.epoch = Some(epoch);
            Ok(())
        })
    }

    fn begin(&mut self) -> Result<()> {
        self.call("begin", |port| {
            let now = port.cluster().now;
            port.open = Some(now);
            port.begun_under = port.shelf.newest().publication;
            Ok(())
        })
    }

    fn send(&mut self, record: &Emitted<'_>) -> Result<()> {
        self.call("send", |port| port.cluster_mut().send(&port.name, port.own_epoch(), record))
    }

    fn commit(&mut self, offsets: &[Commit]) -> Result<()> {
        if self.dead {
            return Err(Failure::Ended("dead already".to_owned()));
        }
        let shared = Rc::clone(&self.cluster);
        let mut cluster = shared.borrow_mut();
        let cluster = &mut *cluster;
        let fault = cluster.faults.strike_commit(&mut cluster.chance);
        cluster.observed.note(|| format!("worker {}: commit {offsets:?} {fault:?}", self.instance));
        match fault {
            Some(Fault::RefusedBefore | Fault::RefusedAfter) => {
                return Err(Failure::Abort("the brokers do not answer".to_owned()));
            }
            Some(Fault::DiedBefore) => {
                self.dead = true;
                return Err(Failure::Ended("killed before the commit".to_owned()));
            }
            Some(Fault::Hung(time)) => cluster.pass(time),
            _ => {}
        }
        let epoch = self.epoch.unwrap_or_default();
        cluster.send_offsets(&self.name, epoch, self.member, offsets)?;
        if fault == Some(Fault::DiedWithin) {
            self.dead = true;
            return Err(Failure::Ended("killed within the commit".to_owned()));
        }
        let claim = Claim {
            offsets: offsets.to_vec(),
            initial: self.initial.clone(),
            first_view: self.first_view.clone(),
            begun_under: self.begun_under,
        };
        if fault == Some(Fault::Delayed) {
            self.dead = true;
            cluster.delay_commit(&self.name, epoch, claim);
            if let Some(member) = self.member.filter(|_| cluster.chance.one_in(2)) {
                cluster.throw_out(member);
            }
            return Err(Failure::Ended("stopped within the commit".to_owned()));
        }
        cluster.commit(&self.name, epoch, &claim)?;
        (self.open, self.read) = (None, 0);
        if cluster.sabotage == Sabotage::CommitsDenied && cluster.chance.one_in(20) {
            return Err(Failure::Abort("the brokers do not answer".to_owned()));
        }
        match fault {
            Some(Fault::DiedAfter) => {
                self.dead = true;
                Err(Failure::Ended("killed behind the commit".to_owned()))
            }
            Some(Fault::AnswerLost) => Err(Failure::Ended("nobody knows whether it was committed".to_owned())),
            _ => Ok(()),
        }
    }

    fn abort(&mut self) -> Result<()> {
        let aborted = self.call("abort", |port| {
            (port.aborted, port.read) = (true, 0);
            match port.open.take() {
                Some(_) => port.cluster_mut().abort(&port.name, port.own_epoch()),
                None => Ok(()),
            }
        });
        aborted.map_err(|failure| Failure::Ended(failure.to_string()))
    }
}
