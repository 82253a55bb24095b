//! What a seed decides before anything happens: how large the world is, and how rough.

use std::sync::Arc;
use std::time::Duration;

use data::{Cancellations, DateFormat, Rules};
use speed::frame::{Patience, TopicId};
use speed::operators::segments::Reading;
use speed::topology::{Plan, TopicNames, Topology, topology};
use speed::worker::Limits;

use super::chance::Chance;
use super::faults::Faults;
use super::lake::ORDERS_ID;
use super::orders::Shop;
use super::sabotage::Sabotage;
use super::sessions::{SessionTopics, add_sessions};

#[derive(Debug)]
pub struct Scene {
    pub shards: u32,
    pub workers: usize,
    /// Of the topic `orders`, to begin with.
    pub partitions: u32,
    pub grows: bool,
    /// The group begins at the end of the topic.
    pub latest: bool,
    /// Publications but the newest are deleted.
    pub forgets: bool,
    pub faults: Faults,
    pub limits: Limits,
    pub actions: u32,
}

/// The topics by role.
#[derive(Clone, Copy, Debug)]
pub struct Topics {
    pub orders: TopicId,
    pub by_customer: TopicId,
    pub enriched: TopicId,
    pub state: TopicId,
    pub changes: TopicId,
    pub letters: TopicId,
    pub sessions: SessionTopics,
}

impl Scene {
    pub fn new(chance: &mut Chance) -> Self {
        let calm = chance.one_in(4);
        let mut rate = |most: u32| if calm { 0 } else { chance.below(most) };
        let faults = Faults { refusals: rate(12), deaths: rate(6), hangs: rate(8) };
        let millis = |chance: &mut Chance, least, most| Duration::from_millis(chance.between(least, most).into());
        let limits = Limits {
            epoch: Duration::from_millis(100),
            shortest_epoch: millis(chance, 0, 30),
            epoch_records: chance.between(4, 20) as usize,
            poll_wait: Duration::ZERO,
            poll_records: chance.between(1, 6) as usize,
            work_budget: chance.between(1, 3) as usize,
            cut_every: millis(chance, 20, 3_000),
            cut_records: i64::from(chance.between(1, 12)),
            hear_every: Duration::from_millis(100),
            cut_behind_backlog: false,
        };
        Self {
            shards: chance.between(1, 4),
            workers: chance.between(1, 3) as usize,
            partitions: chance.between(1, 6),
            grows: chance.one_in(4),
            latest: chance.one_in(8),
            forgets: chance.one_in(10),
            faults,
            limits,
            actions: chance.between(40, 170),
        }
    }

    /// What the second operator and the join are laid over.
    pub fn topology(&self, rules: &Rules, sabotage: Sabotage) -> (Topology, Topics) {
        let mut rules = rules.clone();
        if sabotage == Sabotage::OtherRules {
            rules.cancellation_prefix.clear();
            rules.adjustment_prefix.clear();
        }
        let idleness = Duration::from_secs(if sabotage == Sabotage::NeverIdle { 1_000_000_000 } else { 30 });
        let reading = Reading { rules, dates: DateFormat::from_flag("mdy").expect("a format") };
        let plan = Plan {
            topics: TopicNames::default(),
            shards: self.shards,
            orders_id: Arc::from(ORDERS_ID),
            lake_id: "lake".into(),
            reading,
            patience: Patience { lateness: Duration::from_secs(1), idleness, quiet: idleness },
            rules: None,
        };
        let mut topology = topology(&plan);
        let sessions = add_sessions(&plan, &mut topology);
        let names = plan.topics;
        let topics = Topics {
            orders: topology.topic(&names.orders),
            by_customer: topology.topic(&names.orders_by_customer),
            enriched: topology.topic(&names.orders_enriched),
            state: topology.topic(&names.customer_state),
            changes: topology.topic(&names.segment_changes),
            letters: topology.topic(&data::topics::dead_letter(&names.orders)),
            sessions,
        };
        (topology, topics)
    }
}

/// Who orders in this world.
pub fn shop(chance: &mut Chance) -> Shop {
    let count = chance.between(3, 12);
    let mut customers: Vec<String> = (0..count)
        .map(|number| match number % 4 {
            0 => format!("U{number:05}"),
            1 => format!("kündin {number}"),
            _ => (12_346 + number * 7).to_string(),
        })
        .collect();
    if chance.one_in(40) {
        // Nobody's id is that long; it must not stop the others.
        customers.push("Q".repeat(5_000));
    }
    let cancellations = if chance.one_in(2) { Cancellations::Net } else { Cancellations::Drop };
    Shop {
        customers,
        rules: Rules { cancellations, ..Rules::default() },
        dirt: *chance.pick(&[0, 5, 20]),
        wrong_keys: *chance.pick(&[0, 0, 20, 100]),
        day: 15_000,
        recent: Vec::new(),
        last: None,
    }
}
