//! `/rule-segments` and `/customers/{id}/rules`: segments and scores that rules define, and the rules in force.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Path, State};
use axum::response::Response;
use data::EventTime;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::customer::no_customer;
use super::overview::share;
use super::paging::checked;
use super::sight::json;
use super::story::NoQuery;
use super::{Answered, App, Ask, Problem, blocking};
use crate::behaviour::{Cursor, Member, Members, Named, RuleStatus, RulesInForce, Sort, Statuses};
use crate::live::{Feed, RuleChange};

/// Of the newest changes, so many are given.
const CHANGES: usize = 50;
const USUAL: usize = 50;
const MOST: usize = 1_000;

/// Segments that rules define, and where customers moved
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleSegments {
    /// Customers who are known to the rules.
    customers: u64,
    /// Whether all of them were read; after a start that takes a while.
    complete: bool,
    /// In the order of the rules.
    segments: Vec<RuleSegment>,
    moves: RuleMoves,
    /// Newest first.
    changes: Vec<RuleChange>,
    /// Those that came into force last; `null` where no process has told of any.
    rules: Option<RulesInForce>,
    /// What each process of `speed` says of its rules; only those that were heard of within 100 seconds.
    processes: Vec<RuleStatus>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RuleSegment {
    /// `null`: customers whom no segment fits.
    name: Option<String>,
    customers: u64,
    share: f64,
    /// The condition; `null` for a segment that is not in the rules any more.
    when: Option<String>,
}

/// The newest changes of segment, at most 10,000, added up.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleMoves {
    count: usize,
    /// When the oldest of them happened.
    since: Option<String>,
    /// Most customers first.
    flows: Vec<RuleFlow>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RuleFlow {
    /// `null`: new to the rules.
    from: Option<String>,
    to: Option<String>,
    customers: usize,
}

/// Segments that rules define, where customers moved, and the rules in force; empty without rules
#[utoipa::path(get, path = "/api/v1/rule-segments", tag = "rules",
    responses((status = 200, body = RuleSegments), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn rule_segments(State(app): State<Arc<App>>, Ask(NoQuery {}): Ask<NoQuery>) -> Answered<Response> {
    let behaviour = &app.follow.behaviour;
    let feed = &app.follow.feeds.rule_changes;
    let (rules, processes) = {
        let statuses = behaviour.statuses();
        (statuses.newest().cloned(), statuses.alive(EventTime::now()).cloned().collect())
    };
    let (customers, segments) = {
        let members = behaviour.members();
        (members.len() as u64, segments(&members, rules.as_ref()))
    };
    let changes = feed.recent(CHANGES, |_| true).iter().map(|event| event.content.clone()).collect();
    let complete = behaviour.complete.load(Ordering::Relaxed);
    Ok(json(&RuleSegments { customers, complete, segments, moves: moves(feed), changes, rules, processes }))
}

/// In the order of the rules; behind them what is in no rule any more.
fn segments(members: &Members, rules: Option<&RulesInForce>) -> Vec<RuleSegment> {
    let all = members.len() as u64;
    let mut counts: BTreeMap<Option<&str>, u64> = members.segments().collect();
    let mut segments = Vec::new();
    for rule in rules.map_or(&[][..], |rules| &rules.segments) {
        let customers = counts.remove(&Some(rule.name.as_str())).unwrap_or_default();
        let (name, when) = (Some(rule.name.clone()), Some(rule.when.clone()));
        segments.push(RuleSegment { name, customers, share: share(customers, all), when });
    }
    let rest = counts.into_iter().filter(|(_, customers)| *customers > 0);
    segments.extend(rest.map(|(name, customers)| RuleSegment {
        name: name.map(str::to_owned),
        customers,
        share: share(customers, all),
        when: None,
    }));
    segments
}

fn moves(feed: &Feed<RuleChange>) -> RuleMoves {
    let held = feed.recent(usize::MAX, |_| true);
    let mut flows: BTreeMap<(Option<&str>, Option<&str>), usize> = BTreeMap::new();
    for change in held.iter().map(|event| &event.content) {
        *flows.entry((change.from.as_deref(), change.to.as_deref())).or_default() += 1;
    }
    let owned = |name: Option<&str>| name.map(str::to_owned);
    let flow = |((from, to), customers)| RuleFlow { from: owned(from), to: owned(to), customers };
    let mut flows: Vec<RuleFlow> = flows.into_iter().map(flow).collect();
    flows.sort_by_key(|flow| std::cmp::Reverse(flow.customers));
    let since = held.iter().map(|event| &event.content.at).min().cloned();
    RuleMoves { count: held.len(), since, flows }
}

/// A customer as the rules see one.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleStanding {
    customer_id: String,
    /// `null`: no segment fits.
    segment: Option<String>,
    /// Of the newest event that counts, in event time; `null` for a customer of whom the rules have seen nothing.
    at: Option<String>,
    scores: Vec<RuleValue>,
    /// What the scores follow from.
    features: Vec<RuleValue>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RuleValue {
    name: String,
    /// What it is, in the rules' words; empty where they say nothing.
    about: String,
    /// Of a feature: `count`, `sum`, `first`, `last`, `days_since_first` or `days_since_last`.
    measure: Option<String>,
    /// `null` where there is nothing to measure.
    value: Option<f64>,
}

impl RuleStanding {
    fn of(members: &Members, statuses: &Statuses, customer: &str, member: &Member) -> Self {
        let rules = statuses.newest();
        let (scores, features) = members.values_of(member);
        let score = |own: Named<'_>| {
            let rule = rules.and_then(|rules| rules.scores.iter().find(|rule| rule.name == own.name));
            let about = rule.map_or_else(String::new, |rule| rule.about.clone());
            RuleValue { name: own.name.to_owned(), about, measure: None, value: own.value }
        };
        let feature = |own: Named<'_>| {
            let rule = rules.and_then(|rules| rules.features.iter().find(|rule| rule.name == own.name));
            let about = rule.map_or_else(String::new, |rule| rule.about.clone());
            let measure = rule.map(|rule| rule.measure.clone());
            RuleValue { name: own.name.to_owned(), about, measure, value: own.value }
        };
        Self {
            customer_id: customer.to_owned(),
            segment: members.segment_of(member).map(str::to_owned),
            at: Some(member.at.to_string()),
            scores: scores.into_iter().map(score).collect(),
            features: features.into_iter().map(feature).collect(),
        }
    }
}

/// A customer's segment, scores and features by rules
#[utoipa::path(get, path = "/api/v1/customers/{id}/rules", tag = "customers", params(("id" = String, Path)),
    responses((status = 200, body = RuleStanding), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn rules_of_customer(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Ask(NoQuery {}): Ask<NoQuery>,
) -> Answered<Response> {
    let (members, statuses) = (app.follow.behaviour.members(), app.follow.behaviour.statuses());
    if let Some(member) = members.get(&id) {
        return Ok(json(&RuleStanding::of(&members, &statuses, &id, member)));
    }
    if app.view()?.find(&id).is_none() {
        return Err(no_customer(&id));
    }
    let (scores, features) = (Vec::new(), Vec::new());
    Ok(json(&RuleStanding { customer_id: id, segment: None, at: None, scores, features }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MembersQuery {
    /// `customer_id`, or a score or feature; `-` before that for descending.
    sort: Option<String>,
    /// 1 to 1,000 customers, 50 unless said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Customers of a segment that rules define.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleMembers {
    items: Vec<RuleStanding>,
    /// For the next page; `null` at the end.
    next_cursor: Option<String>,
    /// As many as there are.
    total: u64,
}

/// The customers of a segment that rules define
#[utoipa::path(get, path = "/api/v1/rule-segments/{name}/customers", tag = "rules", params(("name" = String, Path), MembersQuery),
    responses((status = 200, body = RuleMembers), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn customers_of_rule_segment(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Ask(query): Ask<MembersQuery>,
) -> Answered<Response> {
    let limit = checked(query.limit, USUAL, MOST)?;
    let cursor = query.cursor.as_deref().map(Cursor::read);
    if cursor == Some(None) {
        return Err(Problem::parameter("cursor", "is none that a page gave; begin without it"));
    }
    let _turn = app.scans.acquire().await;
    let app = Arc::clone(&app);
    blocking(move || {
        let (members, statuses) = (app.follow.behaviour.members(), app.follow.behaviour.statuses());
        let sort = sort(query.sort.as_deref(), &members)?;
        let total = members.segments().find(|(own, _)| *own == Some(name.as_str())).map(|(_, count)| count);
        let is_rule = statuses.newest().is_some_and(|rules| rules.segments.iter().any(|rule| rule.name == name));
        let total = total.or(is_rule.then_some(0)).ok_or_else(|| {
            Problem::not_found(format!("the rules have no segment {name}; GET /api/v1/rule-segments lists them"))
        })?;
        let page = members.page(&name, &sort, cursor.flatten().as_ref(), limit);
        let standing = |(id, member): &(&str, &Member)| RuleStanding::of(&members, &statuses, id, member);
        let items = page.customers.iter().map(standing).collect();
        Ok(json(&RuleMembers { items, next_cursor: page.next.map(|next| next.to_string()), total }))
    })
    .await
}

fn sort(asked: Option<&str>, members: &Members) -> Answered<Sort> {
    let Some(asked) = asked.filter(|asked| *asked != "customer_id") else { return Ok(Sort::Id) };
    let (name, descending) = asked.strip_prefix('-').map_or((asked, false), |name| (name, true));
    if !members.has_value(name) {
        return Err(Problem::parameter("sort", "is customer_id, or a score or feature, such as -spend"));
    }
    Ok(Sort::Value { name: name.to_owned(), descending })
}
