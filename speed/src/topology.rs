//! Which operators run, on which topics.

use std::fmt;
use std::sync::Arc;

use data::topics::dead_letter;

use crate::frame::{Dispatch, Input, Operator, Patience, Stage, Task, TopicId, split_memo};
use crate::operators::alerts::{self, Alerts, AlertsByField};
use crate::operators::behaviour::{self, Behaviour};
use crate::operators::segments::{self, Reading, Segments, Settings, Shelf};
use crate::rulebook::Rulebook;

/// What a topology is made for.
#[derive(Clone, Debug)]
pub struct Plan {
    pub topics: TopicNames,
    pub shards: u32,
    /// Kafka's id of the topic `orders`.
    pub orders_id: Arc<str>,
    /// The lake's id: that of its table `publications`.
    pub lake_id: Arc<str>,
    pub reading: Reading,
    pub patience: Patience,
    /// What the user's rules say; without any, clicks and orders of the shop are not read.
    pub rules: Option<Arc<Rulebook>>,
}

/// The names of the topics.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicNames {
    pub orders: String,
    pub orders_by_customer: String,
    pub orders_enriched: String,
    pub customer_state: String,
    pub segment_changes: String,
    pub clickstream: String,
    pub clickstream_by_user: String,
    pub clickstream_by_field: String,
    pub order_events: String,
    pub order_events_by_user: String,
    pub rule_state: String,
    pub rule_segments: String,
    pub rule_status: String,
    pub alert_state: String,
    pub alert_state_by_field: String,
    pub alerts: String,
    pub webhooks_dlq: String,
}

impl Default for TopicNames {
    fn default() -> Self {
        use data::topics;
        Self {
            orders: topics::ORDERS.to_owned(),
            orders_by_customer: topics::ORDERS_BY_CUSTOMER.to_owned(),
            orders_enriched: topics::ORDERS_ENRICHED.to_owned(),
            customer_state: topics::CUSTOMER_STATE.to_owned(),
            segment_changes: topics::SEGMENT_CHANGES.to_owned(),
            clickstream: topics::CLICKSTREAM.to_owned(),
            clickstream_by_user: topics::CLICKSTREAM_BY_USER.to_owned(),
            clickstream_by_field: topics::CLICKSTREAM_BY_FIELD.to_owned(),
            order_events: topics::ORDER_EVENTS.to_owned(),
            order_events_by_user: topics::ORDER_EVENTS_BY_USER.to_owned(),
            rule_state: topics::RULE_STATE.to_owned(),
            rule_segments: topics::RULE_SEGMENTS.to_owned(),
            rule_status: topics::RULE_STATUS.to_owned(),
            alert_state: topics::ALERT_STATE.to_owned(),
            alert_state_by_field: topics::ALERT_STATE_BY_FIELD.to_owned(),
            alerts: topics::ALERTS.to_owned(),
            webhooks_dlq: topics::WEBHOOKS_DLQ.to_owned(),
        }
    }
}

impl TopicNames {
    /// # Errors
    /// The setting whose value is no topic's name, or another topic's, and why.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let legal = |name: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            !matches!(name, "" | "." | "..") && name.len() <= 249 && name.bytes().all(plain)
        };
        let names = [
            ("topics.orders", &self.orders),
            ("topics.orders_by_customer", &self.orders_by_customer),
            ("topics.orders_enriched", &self.orders_enriched),
            ("topics.customer_state", &self.customer_state),
            ("topics.segment_changes", &self.segment_changes),
            ("topics.clickstream", &self.clickstream),
            ("topics.clickstream_by_user", &self.clickstream_by_user),
            ("topics.clickstream_by_field", &self.clickstream_by_field),
            ("topics.order_events", &self.order_events),
            ("topics.order_events_by_user", &self.order_events_by_user),
            ("topics.rule_state", &self.rule_state),
            ("topics.rule_segments", &self.rule_segments),
            ("topics.rule_status", &self.rule_status),
            ("topics.alert_state", &self.alert_state),
            ("topics.alert_state_by_field", &self.alert_state_by_field),
            ("topics.alerts", &self.alerts),
            ("topics.webhooks_dlq", &self.webhooks_dlq),
        ];
        if let Some((setting, name)) = names.into_iter().find(|(_, name)| !legal(name)) {
            let reason =
                format!("{name:?} is no topic's name: 1 to 249 letters, digits, dots, hyphens and underscores");
            return Err((setting, reason));
        }
        let read = [&self.orders, &self.clickstream, &self.order_events]
            .map(|name| ("a topic of dead letters", dead_letter(name)));
        let mut taken: Vec<(&str, String)> = read.into();
        for (setting, name) in names {
            if let Some((other, _)) = taken.iter().find(|(_, taken)| taken == name) {
                return Err((
                    setting,
                    format!("{name} is already {other}: what is written there would be read as something else"),
                ));
            }
            taken.push((setting, name.clone()));
        }
        Ok(())
    }
}

/// What a group does whose state or offsets cannot be gone on with.
pub const START_ANEW: &str = "start anew: another --group, and the topics customer-state, orders-by-customer, \
                              and, where there were rules, clickstream-by-user, clickstream-by-field, order-events-by-user, \
                              rule-state, alert-state and alert-state-by-field deleted (or other names for them in [topics])";

/// The operators that run: one line each.
#[must_use]
pub fn topology(plan: &Plan) -> Topology {
    let rules = plan.rules.clone();
    let mut topology =
        Topology { topics: Vec::new(), shards: plan.shards, home: TopicId(0), operators: Vec::new(), rules };
    topology.home = topology.topic(&plan.topics.orders_by_customer);
    segments(plan, &mut topology);
    if let Some(book) = &plan.rules {
        behaviour(plan, book, &mut topology);
        alerts(plan, book, &mut topology);
    }
    topology
}

fn behaviour(plan: &Plan, book: &Arc<Rulebook>, topology: &mut Topology) {
    let names = &plan.topics;
    let input = |topology: &mut Topology, name: &str, by_key: &str| Input {
        topic: topology.topic(name),
        name: name.to_owned(),
        by_key: topology.topic(by_key),
        dead_letters: Some(topology.topic(&dead_letter(name))),
    };
    let clicks = input(topology, &names.clickstream, &names.clickstream_by_user);
    let orders = input(topology, &names.order_events, &names.order_events_by_user);
    let topics = behaviour::Topics {
        orders: [orders.topic, orders.by_key],
        state: topology.topic(&names.rule_state),
        segments: topology.topic(&names.rule_segments),
        changes: topology.topic(&names.segment_changes),
    };
    let book = Arc::clone(book);
    topology.add(plan, behaviour::NAME, vec![clicks, orders], topics.state, move |opening| {
        let Opening { operator, shard, shards, memo, .. } = *opening;
        Ok(Behaviour::open(topics, behaviour::Place { operator, shard, shards }, book.newest(), memo)?)
    });
}

fn alerts(plan: &Plan, book: &Arc<Rulebook>, topology: &mut Topology) {
    let names = &plan.topics;
    let input = Input {
        topic: topology.topic(&names.clickstream),
        name: names.clickstream.clone(),
        by_key: topology.topic(&names.clickstream_by_user),
        dead_letters: None,
    };
    let topics = alerts::Topics {
        alerts: topology.topic(&names.alerts),
        state: topology.topic(&names.alert_state),
        by_field: topology.topic(&names.clickstream_by_field),
        state_by_field: topology.topic(&names.alert_state_by_field),
    };
    let rules = Arc::clone(book);
    topology.add(plan, alerts::NAME, vec![input], topics.state, move |opening| {
        Ok(Alerts::open(topics, (opening.shard, opening.shards), &rules.newest(), opening.memo)?)
    });
    let by_field = Input {
        topic: topics.by_field,
        name: names.clickstream_by_field.clone(),
        by_key: topics.by_field,
        dead_letters: Some(topology.topic(&dead_letter(&names.clickstream))),
    };
    let rules = Arc::clone(book);
    topology.add(plan, alerts::BY_FIELD, vec![by_field], topics.state_by_field, move |opening| {
        Ok(AlertsByField::open(topics, (opening.shard, opening.shards), &rules.newest())?)
    });
}

fn segments(plan: &Plan, topology: &mut Topology) {
    let names = &plan.topics;
    let input = Input {
        topic: topology.topic(&names.orders),
        name: names.orders.clone(),
        by_key: topology.topic(&names.orders_by_customer),
        dead_letters: Some(topology.topic(&dead_letter(&names.orders))),
    };
    let settings = Arc::new(Settings {
        reading: plan.reading.clone(),
        orders: names.orders.clone(),
        topic_id: Arc::clone(&plan.orders_id),
        lake_id: Arc::clone(&plan.lake_id),
        enriched: topology.topic(&names.orders_enriched),
        state: topology.topic(&names.customer_state),
        changes: topology.topic(&names.segment_changes),
    });
    let changelog = settings.state;
    topology.add(plan, segments::NAME, vec![input], changelog, move |opening| {
        Segments::open(Arc::clone(&settings), (opening.shard, opening.shards), opening.shelf, opening.memo)
    });
}

/// The operators and the topics they read and write.
pub struct Topology {
    /// Names, by [`TopicId`].
    pub topics: Vec<String>,
    /// How many shards the keys are spread over: the partitions of every topic by key and of every changelog.
    pub shards: u32,
    /// The topic whose partitions stand for the shards: who is assigned one runs the shard. A topic by key.
    pub home: TopicId,
    pub operators: Vec<Arc<OperatorSpec>>,
    /// Where rules are found that were read anew.
    pub rules: Option<Arc<Rulebook>>,
}

/// How an operator is made for a shard.
pub struct OperatorSpec {
    pub name: &'static str,
    pub inputs: Vec<Input>,
    pub changelog: TopicId,
    pub open: Box<Open>,
}

/// Makes the operator from what its last commit left.
pub type Open = dyn Fn(&Opening<'_>) -> Result<Box<dyn Task>, OpenError> + Send + Sync;

/// Why an operator cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("its memo cannot be read: {0}")]
    Unreadable(String),
    /// It may be possible later.
    #[error("{0}")]
    NotYet(String),
    /// Its state rests on another topic or lake than those that are there now.
    #[error("{0}")]
    Foreign(String),
}

impl From<String> for OpenError {
    fn from(reason: String) -> Self {
        Self::Unreadable(reason)
    }
}

/// The shard that an operator is made for.
pub struct Opening<'o> {
    pub shard: u32,
    pub shards: u32,
    /// The operator's place in the topology.
    pub operator: usize,
    pub shelf: &'o dyn Shelf,
    pub memo: Option<&'o str>,
}

impl Topology {
    /// The id of the topic called `name`, given when it has none yet.
    pub fn topic(&mut self, name: &str) -> TopicId {
        let place = self.topics.iter().position(|topic| topic == name).unwrap_or_else(|| {
            self.topics.push(name.to_owned());
            self.topics.len() - 1
        });
        TopicId(u16::try_from(place).unwrap_or(u16::MAX))
    }

    /// Adds an operator: what it reads, where its state goes, and how it is made.
    pub fn add<O: Operator + 'static>(
        &mut self,
        plan: &Plan,
        name: &'static str,
        inputs: Vec<Input>,
        changelog: TopicId,
        open: impl Fn(&Opening<'_>) -> Result<O, OpenError> + Send + Sync + 'static,
    ) {
        let patience = plan.patience;
        let read = inputs.clone();
        let open = move |opening: &Opening<'_>| -> Result<Box<dyn Task>, OpenError> {
            let Opening { operator, shard, shards, .. } = *opening;
            let dispatch = Dispatch { operator, shard, shards, inputs: read.clone(), patience };
            let (reached, memo) = match opening.memo.map(split_memo).transpose()? {
                Some((reached, memo)) => (reached, Some(memo)),
                None => (None, None),
            };
            Ok(Box::new(Stage::new(open(&Opening { memo, ..*opening })?, dispatch, reached)))
        };
        self.operators.push(Arc::new(OperatorSpec { name, inputs, changelog, open: Box::new(open) }));
    }

    /// The name of a topic; empty for an id that is not this topology's.
    #[must_use]
    pub fn name(&self, topic: TopicId) -> &str {
        self.topics.get(usize::from(topic.0)).map_or("", String::as_str)
    }

    #[must_use]
    pub fn is_dead_letters(&self, topic: TopicId) -> bool {
        self.operators.iter().any(|spec| spec.inputs.iter().any(|input| input.dead_letters == Some(topic)))
    }

    /// The topics that others write, each once.
    #[must_use]
    pub fn inputs(&self) -> Vec<TopicId> {
        let all = self.operators.iter().flat_map(|spec| &spec.inputs);
        let mut inputs: Vec<_> = all.filter(|input| !input.is_by_key()).map(|input| input.topic).collect();
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }

    /// Whether clicks are copied there for patterns: what retention deletes of it unread is lost to these, and to nothing else.
    #[must_use]
    pub fn is_of_copies(&self, topic: TopicId) -> bool {
        self.operators.iter().flat_map(|spec| &spec.inputs).any(|input| input.is_by_key() && input.topic == topic)
    }

    /// Every topic by key once.
    #[must_use]
    pub fn by_key(&self) -> Vec<TopicId> {
        let mut topics: Vec<_> =
            self.operators.iter().flat_map(|spec| spec.inputs.iter().map(|input| input.by_key)).collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.operators.iter().map(|spec| spec.name).collect();
        out.debug_struct("Topology").field("operators", &names).field("shards", &self.shards).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_one_role() {
        assert_eq!(TopicNames::default().check(), Ok(()));
        let one = |change: fn(&mut TopicNames)| {
            let mut names = TopicNames::default();
            change(&mut names);
            names.check().expect_err("refused").0
        };
        assert_eq!(one(|names| names.orders_enriched = names.orders.clone()), "topics.orders_enriched");
        assert_eq!(one(|names| names.customer_state = "orders-dlq".to_owned()), "topics.customer_state");
        assert_eq!(one(|names| names.alerts = String::new()), "topics.alerts");
    }
}
