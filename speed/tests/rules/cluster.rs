//! Shards that run the operators of rules over a log in memory, epoch by epoch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use data::base::Base;
use data::kafka::partition_of;
use data::{DateFormat, EventTime};
use rules::RuleSet;
use serde_json::Value;
use speed::frame::{
    Decoding, Effects, EpochEnd, Patience, Record, Signal, Target, Task, Tick, TopicId, TopicPartition,
};
use speed::operators::segments::{Reading, Shelf};
use speed::rulebook::Rulebook;
use speed::topology::{Opening, Plan, TopicNames, Topology, topology};

use super::shop::{Chance, Happened, JITTER_MS};

/// What becomes of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Commit,
    Abort,
    Crash,
}

/// Topic, key, value: as committed.
type Written = (String, String, Option<Vec<u8>>);

pub struct Cluster {
    topology: Topology,
    book: Arc<Rulebook>,
    /// What each shard reads: the record's number in the whole log, and the record.
    shards: Vec<Vec<(usize, Fed)>>,
    /// The clicks that shards hand on by their fields, by the shard that reads them.
    by_field: Vec<Vec<(usize, Fed)>>,
    /// At which record of the whole log the rules change, and into what.
    pub reload: Option<(usize, RuleSet)>,
    log: Vec<Written>,
}

/// A record as it is read.
#[derive(Clone, Debug)]
struct Fed {
    topic: TopicId,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What an operator left with its last commit.
#[derive(Debug, Default)]
struct Left {
    memo: Option<String>,
    changelog: BTreeMap<String, Option<Vec<u8>>>,
}

struct NoShelf;

impl Shelf for NoShelf {
    fn newest(&self) -> Arc<Base> {
        unreachable!("only the operators of rules run")
    }

    fn get(&self, _: i64) -> Option<Arc<Base>> {
        None
    }
}

impl Cluster {
    pub fn new(rules: RuleSet, shards: u32, happened: &[Happened]) -> Self {
        let book = Arc::new(Rulebook::new(rules, 1));
        let plan = Plan {
            topics: TopicNames::default(),
            shards,
            orders_id: Arc::from("id"),
            lake_id: "lake".into(),
            reading: Reading { rules: data::Rules::default(), dates: DateFormat::from_flag("mdy").expect("a format") },
            patience: Patience {
                lateness: Duration::from_millis(JITTER_MS.unsigned_abs()),
                idleness: Duration::from_secs(1_000_000_000),
                quiet: Duration::from_secs(1_000_000_000),
            },
            rules: Some(Arc::clone(&book)),
        };
        let mut topology = topology(&plan);
        let mut by_shard = vec![Vec::new(); shards as usize];
        for (number, one) in happened.iter().enumerate() {
            let topic = topology.topic(one.topic.name());
            let fed = Fed { topic, key: one.user.clone().into_bytes(), value: one.json.clone().into_bytes() };
            by_shard[partition_of(one.user.as_bytes(), shards) as usize].push((number, fed));
        }
        let by_field = vec![Vec::new(); shards as usize];
        Self { topology, book, shards: by_shard, by_field, reload: None, log: Vec::new() }
    }

    /// Runs shard after shard, each with what users did; and again, with what it was handed on by fields. `fate` decides
    /// about each epoch.
    pub fn run(&mut self, fate: &mut dyn FnMut(&mut Chance) -> Fate) {
        let first = self.book.newest();
        for _ in 0..2 {
            for shard in 0..self.shards.len() {
                self.book.put(first.rules.clone(), first.fingerprint);
                let mut chance = Chance::new(shard as u64 + 77);
                self.run_shard(shard, &mut chance, fate);
            }
            self.shards.clone_from(&self.by_field);
        }
    }

    fn run_shard(&mut self, shard: usize, chance: &mut Chance, fate: &mut dyn FnMut(&mut Chance) -> Fate) {
        let records = self.shards[shard].clone();
        let mut left: BTreeMap<usize, Left> = BTreeMap::new();
        let mut tasks = self.open(shard, &left);
        let (mut position, mut out, mut clock) = (0, Effects::default(), 0);
        let mut told = 0;
        let mut rounds_behind = 0;
        while position < records.len() || rounds_behind < 40 {
            if let Some((at, rules)) = &self.reload
                && records.get(position).is_none_or(|(number, _)| number >= at)
                && self.book.newest().fingerprint == 1
            {
                self.book.put(rules.clone(), 2);
            }
            let edition = self.book.newest();
            if told != edition.number {
                told = edition.number;
                tasks.iter_mut().for_each(|(_, task)| task.signal(&Signal::Rules(&edition), &mut out));
            }
            let end = (position + usize::try_from(chance.below(9)).expect("small")).min(records.len());
            for (offset, (_, fed)) in records.iter().enumerate().take(end).skip(position) {
                hand_over(&mut tasks, shard, offset, fed, &mut out);
                if chance.below(3) == 0 {
                    clock += 1;
                    tick(&mut tasks, clock, &mut out);
                }
            }
            clock += 1;
            tick(&mut tasks, clock, &mut out);
            if end == records.len() {
                rounds_behind += 1;
            }
            let mut memos = Vec::new();
            for (operator, task) in &mut tasks {
                let mut memo = String::new();
                task.end_epoch(EpochEnd::Flush { memo: &mut memo }, &mut out);
                memos.push((*operator, memo));
            }
            match fate(chance) {
                Fate::Commit => {
                    self.commit(&out, &mut left, memos);
                    out.clear();
                    tasks.iter_mut().for_each(|(_, task)| task.end_epoch(EpochEnd::Committed, &mut out));
                    position = end;
                }
                Fate::Abort => {
                    out.clear();
                    tasks.iter_mut().for_each(|(_, task)| task.end_epoch(EpochEnd::Aborted, &mut out));
                    told = 0;
                }
                Fate::Crash => {
                    out.clear();
                    tasks = self.open(shard, &left);
                    told = 0;
                    clock = 0;
                }
            }
        }
    }

    fn open(&self, shard: usize, left: &BTreeMap<usize, Left>) -> Vec<(usize, Box<dyn Task>)> {
        let mut tasks = Vec::new();
        for (operator, spec) in self.topology.operators.iter().enumerate() {
            if spec.name == "segments" {
                continue;
            }
            let left = left.get(&operator);
            let shards = self.topology.shards;
            let memo = left.and_then(|left| left.memo.as_deref());
            let shard = u32::try_from(shard).expect("small");
            let mut task = (spec.open)(&Opening { shard, shards, operator, shelf: &NoShelf, memo }).expect("it opens");
            for (key, value) in left.into_iter().flat_map(|left| &left.changelog) {
                task.restore(key, value.as_deref()).expect("it can be read");
            }
            tasks.push((operator, task));
        }
        tasks
    }

    fn commit(&mut self, out: &Effects, left: &mut BTreeMap<usize, Left>, memos: Vec<(usize, String)>) {
        for record in out.records() {
            let topic = record.target.topic();
            let key = String::from_utf8(record.key.unwrap_or_default().to_vec()).expect("text");
            let value = record.value.map(<[u8]>::to_vec);
            if let Target::Partition(_, shard) = record.target
                && self.topology.name(topic) == "clickstream-by-field"
            {
                let fed = Fed { topic, key: key.clone().into_bytes(), value: value.clone().unwrap_or_default() };
                self.by_field[shard as usize].push((0, fed));
            }
            if let Target::Partition(..) = record.target
                && let Some(operator) = self.topology.operators.iter().position(|spec| spec.changelog == topic)
            {
                left.entry(operator).or_default().changelog.insert(key.clone(), value.clone());
            }
            self.log.push((self.topology.name(topic).to_owned(), key, value));
        }
        for (operator, memo) in memos {
            assert!(memo.len() < 1024);
            left.entry(operator).or_default().memo = Some(memo);
        }
    }

    pub fn written(&self, topic: &str) -> Vec<&Written> {
        self.log.iter().filter(|(of, ..)| of == topic).collect()
    }

    /// The values of a topic, in order.
    pub fn values(&self, topic: &str) -> Vec<Value> {
        let values = self.written(topic).into_iter().filter_map(|(.., value)| value.as_deref());
        values.map(|value| serde_json::from_slice(value).expect("JSON")).collect()
    }

    /// The newest value of each key.
    pub fn newest(&self, topic: &str) -> BTreeMap<String, Value> {
        let newest = self.newest_bytes(topic).into_iter();
        newest.map(|(key, value)| (key, serde_json::from_slice(&value).expect("JSON"))).collect()
    }

    pub fn newest_bytes(&self, topic: &str) -> BTreeMap<String, Vec<u8>> {
        let mut newest = BTreeMap::new();
        for (_, key, value) in self.written(topic) {
            match value {
                Some(value) => newest.insert(key.clone(), value.clone()),
                None => newest.remove(key),
            };
        }
        newest
    }
}

fn hand_over(tasks: &mut [(usize, Box<dyn Task>)], shard: usize, offset: usize, fed: &Fed, out: &mut Effects) {
    let record = Record {
        at: TopicPartition { topic: fed.topic, partition: u32::try_from(shard).expect("small") },
        offset: i64::try_from(offset).expect("small"),
        timestamp: EventTime::from_micros(0),
        key: Some(&fed.key),
        value: Some(&fed.value),
        origin: None,
        decoded: Decoding::default(),
    };
    tasks.iter_mut().for_each(|(_, task)| task.record(&record, 0, out));
}

/// As a shard does: timers, then postponed work.
fn tick(tasks: &mut [(usize, Box<dyn Task>)], clock: u64, out: &mut Effects) {
    let tick = Tick { now: Duration::from_secs(clock), ..Tick::default() };
    tasks.iter_mut().for_each(|(_, task)| task.tick(&tick, out));
    tasks.iter_mut().for_each(|(_, task)| task.signal(&Signal::Work { budget: 5 }, out));
    out.more_work = false;
}
