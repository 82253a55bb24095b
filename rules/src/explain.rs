//! Why something that began like a match did not become one.

use std::collections::HashSet;

use patterns::{Contiguity, Inner, Times};

use crate::RuleSet;
use crate::alert::{Alert, ByStage, by_stage};
use crate::condition::{Earlier, Scene};
use crate::event::Event;
use crate::pattern::{PatternRule, StageRule};

/// How many near misses of a pattern are told: those that came furthest.
const TOLD: usize = 20;
/// How many refused events are told of a near miss: the first ones.
const REFUSALS: usize = 3;

/// A run that began and came to nothing.
#[derive(Clone, Debug, serde::Serialize)]
pub struct NearMiss<'r> {
    pub pattern: String,
    pub key: String,
    /// Always `near`.
    pub kind: &'static str,
    /// The events that it had taken.
    pub rows: ByStage<'r, u64>,
    /// The stage that it waited in.
    pub stage: String,
    /// What the run ended of.
    pub because: String,
    pub refused: Vec<Refusal>,
}

/// An event that a stage did not take.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    pub row: u64,
    /// The part of the condition that did not hold, with the values it was about.
    pub condition: String,
}

/// For each pattern, the runs that came furthest without becoming an alert. Each event of no alert that fits the first stage is
/// followed in the simplest way: a stage takes the first events that fit. That is not how the matcher works, but it shows what a
/// reader would try.
#[must_use]
pub fn explain<'r>(rules: &'r RuleSet, events: &[Event], alerts: &[Alert<'_, '_>]) -> Vec<NearMiss<'r>> {
    let mut told = Vec::new();
    for rule in &rules.patterns {
        let found: HashSet<u64> = alerts
            .iter()
            .filter(|alert| alert.pattern() == rule.id)
            .flat_map(|alert| alert.events().map(|(_, event)| event.row()))
            .collect();
        let mut misses = of_pattern(rule, events, &found);
        misses.sort_by_key(|(far, _)| std::cmp::Reverse(*far));
        told.extend(misses.into_iter().take(TOLD).map(|(_, miss)| miss));
    }
    told
}

fn of_pattern<'r>(rule: &'r PatternRule, events: &[Event], found: &HashSet<u64>) -> Vec<(usize, NearMiss<'r>)> {
    let mut by_key: std::collections::BTreeMap<String, Vec<&Event>> = std::collections::BTreeMap::new();
    for event in events {
        let key = event.key(rule.key);
        if !key.is_empty() {
            by_key.entry(key.into_owned()).or_default().push(event);
        }
    }
    let mut misses = Vec::new();
    for (key, mut events) in by_key {
        events.sort_by_key(|event| event.at());
        for (place, event) in events.iter().enumerate() {
            if found.contains(&event.row()) {
                continue;
            }
            let behind = events.get(place..).unwrap_or_default();
            if let Some((far, miss)) = follow(rule, &key, behind) {
                misses.push((far, miss));
            }
        }
    }
    misses
}

/// The stages that take events, with the least number that each needs.
fn wanted(rule: &PatternRule) -> Vec<(usize, usize, &StageRule)> {
    let least = |stage: &StageRule| match stage.stage.times {
        _ if stage.stage.optional => 0,
        Times::Once => 1,
        Times::Exactly(n) | Times::AtLeast(n) | Times::Between(n, _) => usize::try_from(n).unwrap_or(0),
    };
    let takes = |(place, stage)| (place, least(stage), stage);
    let all = rule.stages.iter().enumerate().map(takes);
    all.filter(|(_, least, stage)| *least > 0 && !stage.stage.contiguity.is_not()).collect()
}

fn follow<'r>(rule: &'r PatternRule, key: &str, events: &[&Event]) -> Option<(usize, NearMiss<'r>)> {
    let mut taken: Vec<(usize, &Event)> = Vec::new();
    let mut next = 0;
    let first = events.first()?.at().0;
    let window = rule.within.into_iter().chain(rule.stages.iter().filter_map(|stage| stage.stage.within)).min();
    for (stage, least, of) in wanted(rule) {
        let mut refused: Vec<Refusal> = Vec::new();
        for count in 0..least {
            let strict =
                if count == 0 { of.stage.contiguity == Contiguity::Next } else { of.stage.inner == Inner::Consecutive };
            let because = loop {
                let Some(event) = events.get(next).copied() else {
                    break Some("no further event of this key".to_owned());
                };
                if window.is_some_and(|window| event.at().0 - first >= window) {
                    break Some(format!("row {} comes after the window closed", event.row()));
                }
                next += 1;
                let scene = Scene { event: Some(event), earlier: Earlier::List(&taken), values: &[] };
                let Some(condition) = of.condition.as_ref().and_then(|condition| condition.refusal(&scene)) else {
                    taken.push((stage, event));
                    break None;
                };
                if refused.len() < REFUSALS {
                    refused.push(Refusal { row: event.row(), condition });
                }
                if strict {
                    break Some(format!("row {} comes next and does not fit", event.row()));
                }
            };
            if let Some(because) = because {
                if taken.is_empty() {
                    return None;
                }
                let miss = NearMiss {
                    pattern: rule.id.clone(),
                    key: key.to_owned(),
                    kind: "near",
                    rows: by_stage(rule, taken.iter().copied(), Event::row),
                    stage: of.stage.name.clone(),
                    because,
                    refused,
                };
                return Some((taken.len(), miss));
            }
        }
    }
    unfinished(rule, key, &taken, &events.get(next..).unwrap_or_default().first().copied())
}

/// All stages that take events are full, and yet there is no alert: what may have been in the way.
fn unfinished<'r>(
    rule: &'r PatternRule,
    key: &str,
    taken: &[(usize, &Event)],
    next: &Option<&Event>,
) -> Option<(usize, NearMiss<'r>)> {
    let scene = Scene { event: None, earlier: Earlier::List(taken), values: &[] };
    let filtered = rule.emit_if.as_ref().and_then(|condition| condition.refusal(&scene));
    let forbids = rule.stages.iter().find(|stage| stage.stage.contiguity.is_not());
    let because = match (filtered, forbids) {
        (Some(condition), _) => format!("emit_if refuses it: {condition}"),
        (None, Some(stage)) => {
            let next = next.map_or_else(|| "no further event".to_owned(), |event| format!("row {}", event.row()));
            format!("stage {} forbids what came, or waits for an event still; next is {next}", stage.stage.name)
        }
        (None, None) if rule.on_match.is_none() => return None,
        (None, None) => "the same events belong to another match, or a skip strategy took the run away".to_owned(),
    };
    let stage = taken.last().map_or("", |(stage, _)| rule.stage(*stage)).to_owned();
    let rows = by_stage(rule, taken.iter().copied(), Event::row);
    let miss = NearMiss {
        pattern: rule.id.clone(),
        key: key.to_owned(),
        kind: "near",
        rows,
        stage,
        because,
        refused: Vec::new(),
    };
    Some((taken.len(), miss))
}
