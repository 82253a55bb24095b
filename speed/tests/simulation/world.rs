//! One schedule: everything that can happen, in an order that the seed decides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use speed::frame::TopicPartition;
use speed::topology::Topology;
use speed::worker::port::{Failure, Writing};
use speed::worker::{Limits, Worker};

use super::chance::Chance;
use super::cluster::Cluster;
use super::lake::{Lake, LakeLine};
use super::log::TxnId;
use super::observed::Invariant;
use super::orders::{Produced, Shop};
use super::port::SimPort;
use super::sabotage::Sabotage;
use super::scene::{Scene, Topics, shop};
use super::shelf::SimShelf;

pub struct World {
    pub scene: Scene,
    pub sabotage: Sabotage,
    pub cluster: Rc<RefCell<Cluster>>,
    pub topics: Topics,
    pub topology: Arc<Topology>,
    pub chance: Chance,
    pub shop: Shop,
    pub lake: Lake,
    /// What was produced to each place of `orders`.
    pub produced: BTreeMap<(u32, i64), Produced>,
    /// Transactions of other producers, still open.
    foreign: Vec<(TxnId, TopicPartition)>,
    pub slots: Vec<Slot>,
    /// Workers that were replaced, and go on.
    pub zombies: Vec<Running>,
    instances: u32,
    /// What the archiver believes to have archived.
    pub archiver: BTreeMap<u32, i64>,
}

/// A place for a worker; the process and its shelf may outlive it.
#[derive(Default)]
pub struct Slot {
    pub shelf: Option<Arc<SimShelf>>,
    pub running: Option<Running>,
    names: u32,
}

pub struct Running {
    pub worker: Worker<SimPort>,
    started: Duration,
}

impl World {
    pub fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut chance = Chance::new(seed);
        let scene = Scene::new(&mut chance);
        let shop = shop(&mut chance);
        let (topology, topics) = scene.topology(&shop.rules, sabotage);
        let partitions = |id: usize| if id == usize::from(topics.orders.0) { scene.partitions } else { scene.shards };
        let partitions: Vec<u32> = (0..topology.topics.len()).map(partitions).collect();
        let mut cluster = Cluster::new(topology.topics.clone(), topics, &partitions, chance.fork());
        cluster.sabotage = sabotage;
        let lake = Lake::new(&mut chance);
        let slots = (0..scene.workers).map(|_| Slot::default()).collect();
        Self {
            sabotage,
            cluster: Rc::new(RefCell::new(cluster)),
            topics,
            topology: Arc::new(topology),
            shop,
            lake,
            produced: BTreeMap::new(),
            foreign: Vec::new(),
            slots,
            zombies: Vec::new(),
            instances: 0,
            archiver: BTreeMap::new(),
            scene,
            chance,
        }
    }

    pub fn note(&self, told: impl FnOnce() -> String) {
        let mut cluster = self.cluster.borrow_mut();
        let now = cluster.now;
        cluster.observed.action(now, told);
    }

    pub fn is_wrong(&self) -> bool {
        self.cluster.borrow().observed.violation.is_some()
    }

    pub fn pass(&self, millis: u32) {
        self.cluster.borrow_mut().pass(Duration::from_millis(millis.into()));
    }

    /// Other programs write order lines: mostly plainly, sometimes in a transaction that is aborted or ends later.
    pub fn produce(&mut self) {
        let partitions = self.cluster.borrow().partitions(self.topics.orders);
        for _ in 0..self.chance.between(1, 5) {
            let produced = self.shop.line(&mut self.chance);
            let partition = match &produced.key {
                Some(key) => data::kafka::partition_of(key, partitions),
                None => self.chance.below(partitions),
            };
            let at = TopicPartition { topic: self.topics.orders, partition };
            let mut cluster = self.cluster.borrow_mut();
            let txn = if self.chance.one_in(20) { cluster.begin_foreign() } else { TxnId(0) };
            let offset = cluster.append(at, txn, produced.key.as_deref(), produced.value.as_deref());
            if txn.0 > 0 {
                if self.chance.one_in(2) {
                    cluster.end_foreign(txn, at, false);
                } else {
                    self.foreign.push((txn, at));
                }
            }
            cluster.observed.note(|| format!("orders/{partition}@{offset} {:?}", produced.verdict));
            self.produced.insert((partition, offset), produced);
        }
    }

    pub fn end_foreign(&mut self) {
        for (txn, at) in std::mem::take(&mut self.foreign) {
            let committed = self.chance.one_in(2);
            self.cluster.borrow_mut().end_foreign(txn, at, committed);
        }
    }

    pub fn publish(&mut self) {
        self.lake.publish(self.sabotage, &mut self.chance);
        let truth = self.lake.truth.last().expect("just published");
        let (lines, covered) = (truth.lines, &truth.covered);
        self.note(|| format!("publication {} of {lines} lines, covering {covered:?}", self.lake.truth.len()));
    }

    /// A file is ingested by batch.
    pub fn ingest(&mut self) {
        let mut lines = Vec::new();
        for _ in 0..self.chance.between(1, 6) {
            if let Ok(line) = self.shop.line(&mut self.chance).verdict {
                lines.push(LakeLine { line, source: None });
            }
        }
        self.note(|| format!("a file of {} lines", lines.len()));
        self.lake.append(lines, None);
    }

    /// Starts a worker in a slot: in a new process, or in one that is still there.
    pub fn start(&mut self, place: usize) {
        self.instances += 1;
        let instance = self.instances;
        let slot = &mut self.slots[place];
        let new_process = slot.shelf.is_none() || self.chance.one_in(2);
        if new_process {
            slot.shelf = Some(Arc::new(SimShelf::new(&self.lake.published)));
            slot.names += u32::from(self.chance.one_in(2));
        }
        let shelf = slot.shelf.clone().expect("made above");
        shelf.forgets.store(self.scene.forgets, Ordering::Relaxed);
        let name = format!("w{place}-{}", slot.names);
        self.note(|| format!("worker {instance} starts in place {place} as {name}"));
        let identity = (instance, name.as_str());
        let port = SimPort::new(&self.cluster, &self.topology, &shelf, identity, self.scene.latest);
        let limits = match self.sabotage {
            Sabotage::EndlessEpochs => {
                let never = Duration::from_secs(3_600);
                Limits { epoch: never, shortest_epoch: never, epoch_records: usize::MAX, ..self.scene.limits.clone() }
            }
            _ => self.scene.limits.clone(),
        };
        shelf.is_behind.store(self.sabotage == Sabotage::OneBehind, Ordering::Relaxed);
        let worker = Worker::new(port, Arc::clone(&self.topology), shelf, limits);
        let started = self.cluster.borrow().now;
        self.slots[place].running = worker.ok().map(|worker| Running { worker, started });
    }

    /// Lets a worker do its next step.
    pub fn step(&mut self, place: usize) -> usize {
        let Some(mut running) = self.slots[place].running.take() else { return 0 };
        let (alive, done) = self.step_of(&mut running);
        if alive {
            self.slots[place].running = Some(running);
        }
        done
    }

    pub fn step_zombie(&mut self, place: usize) {
        let mut zombie = self.zombies.swap_remove(place);
        if self.step_of(&mut zombie).0 {
            self.zombies.push(zombie);
        }
    }

    /// Whether it lives on, and how much it did.
    fn step_of(&self, running: &mut Running) -> (bool, usize) {
        let instance = running.worker.port().instance;
        self.note(|| format!("worker {instance} steps"));
        let now = self.cluster.borrow().now;
        let stepped = running.worker.step(now.saturating_sub(running.started));
        match stepped {
            Ok(step) => {
                self.check_epoch(running, now);
                self.cluster.borrow_mut().observed.note(|| format!("worker {instance}: {step:?}"));
                let ends = usize::from(step.aborted.is_some()) + usize::from(step.committed.is_some());
                (true, step.records + step.emitted + ends)
            }
            Err(failure) => {
                let mut cluster = self.cluster.borrow_mut();
                cluster.observed.note(|| format!("worker {instance} is over: {failure}"));
                if let Failure::Stop(reason) = failure {
                    cluster.observed.wrong(Invariant::Progress, reason);
                }
                drop(cluster);
                if !running.worker.port().dead {
                    let _ = running.worker.port().abort();
                }
                (false, 0)
            }
        }
    }

    /// EO-4: an epoch ends with the first step that finds it old or large enough.
    fn check_epoch(&self, running: &mut Running, now: Duration) {
        let port = running.worker.port();
        let Some(begun) = port.open else { return };
        let limits = &self.scene.limits;
        let (age, read) = (now.saturating_sub(begun), port.read);
        let holds = age < limits.epoch && read < limits.epoch_records + limits.poll_records;
        let instance = port.instance;
        self.cluster.borrow_mut().observed.expect(Invariant::Eo4, holds, || {
            format!("worker {instance} leaves an epoch open that is {age:?} old and holds {read} records")
        });
    }

    /// The process of a slot is killed.
    pub fn kill(&mut self, place: usize) {
        let slot = &mut self.slots[place];
        slot.shelf = None;
        if let Some(mut running) = slot.running.take() {
            let instance = running.worker.port().instance;
            self.note(|| format!("worker {instance} is killed"));
        }
    }

    /// The worker of a slot is taken for dead and replaced, and goes on all the same.
    pub fn abandon(&mut self, place: usize) {
        let Some(mut running) = self.slots[place].running.take() else { return };
        let instance = running.worker.port().instance;
        self.note(|| format!("worker {instance} is taken for dead"));
        if self.chance.one_in(2) {
            self.throw_out(&mut running);
        }
        self.zombies.push(running);
        self.start(place);
    }

    pub fn throw_out(&mut self, running: &mut Running) {
        if let Some(member) = running.worker.port().member {
            self.cluster.borrow_mut().throw_out(member);
        }
    }

    /// The group finds out who is dead.
    pub fn bury(&mut self) {
        let slots = self.slots.iter_mut().filter_map(|slot| slot.running.as_mut());
        let living: Vec<_> =
            slots.chain(&mut self.zombies).filter_map(|running| running.worker.port().member).collect();
        let mut cluster = self.cluster.borrow_mut();
        for member in cluster.group.members() {
            if !living.contains(&member) {
                cluster.throw_out(member);
            }
        }
    }
}
