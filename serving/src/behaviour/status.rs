//! Which rules are in force in each process of `speed`, and what it refused.

use std::collections::BTreeMap;

use data::{DateFormat, DayMonth, EventTime};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A process tells at least every 30 s: one that is silent for so long has ended.
const SILENT_MICROS: i64 = 100_000_000;

/// What a process says of its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleStatus {
    pub process: String,
    /// When it said so.
    pub at: String,
    /// Since when these rules are in force.
    pub since: String,
    /// The same in every process that has read the same files.
    pub fingerprint: String,
    pub rules: RulesInForce,
    /// Files that were refused since; the rules before them stay in force.
    pub refused: Option<Refused>,
}

/// Rules, as their files have them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RulesInForce {
    pub features: Vec<FeatureRule>,
    pub scores: Vec<ScoreRule>,
    /// The first that fits is the customer's.
    pub segments: Vec<SegmentRule>,
    pub patterns: Vec<PatternRule>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeatureRule {
    pub name: String,
    pub about: String,
    /// `count`, `sum`, `first`, `last`, `days_since_first` or `days_since_last`.
    pub measure: String,
    /// Days that count; `null`: all.
    pub days: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScoreRule {
    pub name: String,
    pub about: String,
    /// What it gives points for.
    pub of: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SegmentRule {
    pub name: String,
    pub when: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PatternRule {
    pub id: String,
    pub about: String,
    pub severity: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refused {
    pub at: String,
    pub mistakes: Vec<RuleMistake>,
}

/// A mistake in a rule file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleMistake {
    pub file: String,
    /// 0 if the file as a whole is meant.
    pub line: usize,
    pub field: String,
    pub message: String,
}

/// Of all processes.
#[derive(Debug, Default)]
pub struct Statuses(BTreeMap<String, RuleStatus>);

impl Statuses {
    /// Takes what a process says; `None` when it has ended. Whether that is news.
    ///
    /// # Errors
    /// When it is no status.
    pub fn put(&mut self, process: &str, value: Option<&[u8]>) -> Result<bool, serde_json::Error> {
        let Some(value) = value else { return Ok(self.0.remove(process).is_some()) };
        let status: RuleStatus = serde_json::from_slice(value)?;
        let news = |before: &RuleStatus| RuleStatus { at: status.at.clone(), ..before.clone() } != status;
        let is_news = self.0.get(process).is_none_or(news);
        self.0.insert(process.to_owned(), status);
        Ok(is_news)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of the processes that were heard of lately, as of `now`.
    pub fn alive(&self, now: EventTime) -> impl Iterator<Item = &RuleStatus> {
        let since = EventTime::from_micros(now.micros() - SILENT_MICROS);
        let format = DateFormat::Order(DayMonth::MonthFirst);
        self.0.values().filter(move |status| format.parse(status.at.as_bytes()).is_none_or(|at| at > since))
    }

    /// The rules that came into force last.
    #[must_use]
    pub fn newest(&self) -> Option<&RulesInForce> {
        self.0.values().max_by(|one, other| one.since.cmp(&other.since)).map(|status| &status.rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(at: &str, refused: bool) -> Vec<u8> {
        let refused = refused.then(|| Refused { at: at.to_owned(), mistakes: Vec::new() });
        let status = RuleStatus {
            process: "p".to_owned(),
            at: at.to_owned(),
            since: "2026-01-01T00:00:00Z".to_owned(),
            fingerprint: String::new(),
            rules: RulesInForce::default(),
            refused,
        };
        serde_json::to_vec(&status).expect("JSON")
    }

    #[test]
    fn a_process_that_is_silent_or_ended_says_nothing() {
        let mut statuses = Statuses::default();
        assert!(statuses.put("p", Some(&status("2026-01-01T00:00:00Z", false))).expect("a status"));
        assert!(!statuses.put("p", Some(&status("2026-01-01T00:00:30Z", false))).expect("a status"), "no news");
        assert!(statuses.put("p", Some(&status("2026-01-01T00:01:00Z", true))).expect("a status"));
        let at = |second: i64| EventTime::from_micros((1_767_225_600 + second) * 1_000_000);
        assert_eq!(statuses.alive(at(100)).filter(|status| status.refused.is_some()).count(), 1);
        assert_eq!(statuses.alive(at(200)).count(), 0);
        assert!(statuses.put("p", None).expect("a tombstone") && statuses.is_empty());
        assert!(statuses.put("p", Some(b"{}")).is_err());
    }
}
