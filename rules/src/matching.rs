//! Patterns in matchers: those over the same key, and with the same limits, share one.

use patterns::{Limits, Malformed, Matcher, Output};

use crate::RuleSet;
use crate::alert::{Alert, Kind};
use crate::condition::{Earlier, Scene};
use crate::event::{Event, Field};
use crate::pattern::{PatternRule, Registry};

/// Patterns that share a matcher, and so the state of a key.
#[derive(Debug)]
pub struct Group {
    pub key: Field,
    pub limits: Limits,
    /// Their places in the rules.
    pub patterns: Vec<usize>,
    pub matcher: Matcher<Event>,
}

/// A group's patterns as they are saved with its state: what tells which of them are still the same.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Label {
    pub key: String,
    pub max_runs: usize,
    /// By their number: id and version.
    pub patterns: Vec<(String, u64)>,
}

impl RuleSet {
    /// Puts all patterns into matchers.
    ///
    /// # Errors
    /// If there are too many conditions.
    pub fn groups(&self) -> Result<Vec<Group>, Malformed> {
        let mut plans: Vec<(Field, Limits, Vec<usize>)> = Vec::new();
        for (place, pattern) in self.patterns.iter().enumerate() {
            let (key, limits) = (pattern.key, pattern.limits());
            match plans.iter_mut().find(|(of, within, _)| (*of, *within) == (key, limits)) {
                Some((.., patterns)) => patterns.push(place),
                None => plans.push((key, limits, vec![place])),
            }
        }
        plans.into_iter().map(|(key, limits, patterns)| self.group(key, limits, patterns)).collect()
    }

    fn group(&self, key: Field, limits: Limits, patterns: Vec<usize>) -> Result<Group, Malformed> {
        let rules = || patterns.iter().filter_map(|place| self.patterns.get(*place));
        let mut registry = Registry::default();
        let drafts = rules().map(|rule| rule.draft(&mut registry)).collect::<Result<Vec<_>, _>>()?;
        let mut matcher = Matcher::new(registry.conditions, limits);
        for (rule, draft) in rules().zip(drafts) {
            matcher.add(&draft.check()?, rule.on_timeout.is_some())?;
        }
        Ok(Group { key, limits, patterns, matcher })
    }
}

impl Group {
    #[must_use]
    pub fn label(&self, rules: &RuleSet) -> Label {
        let known = self.patterns.iter().filter_map(|place| rules.patterns.get(*place));
        Label {
            key: crate::event::Topic::Clickstream.name_of(self.key).to_owned(),
            max_runs: self.limits.runs,
            patterns: known.map(|rule| (rule.id.clone(), rule.version)).collect(),
        }
    }

    /// For each pattern, the number that it had in a group labelled `before`, if it is still the same: what
    /// [`patterns::KeyState::rearrange`] wants.
    #[must_use]
    pub fn from(&self, rules: &RuleSet, before: &Label) -> Vec<Option<usize>> {
        let label = self.label(rules);
        label.patterns.iter().map(|pattern| before.patterns.iter().position(|old| old == pattern)).collect()
    }

    /// The alert that an output is, if it is one.
    #[must_use]
    pub fn alert(&self, rules: &RuleSet, key: &str, output: &Output<'_, Event>) -> Option<Alert> {
        let (kind, found) = match output {
            Output::Match(found) => (Kind::Match, found),
            Output::Timeout(found) => (Kind::Timeout, found),
            Output::Shed { .. } => return None,
        };
        let rule = rules.patterns.get(*self.patterns.get(found.pattern)?)?;
        let alert_type = match kind {
            Kind::Match => rule.on_match.as_ref()?,
            Kind::Timeout => rule.on_timeout.as_ref()?,
        };
        let events: Vec<_> = found.events().map(|(stage, _, event)| (stage, event.clone())).collect();
        if kind == Kind::Match && !wanted(rule, &events) {
            return None;
        }
        Some(Alert::new(rule, kind, alert_type, key, events, crate::EventTime(found.at)))
    }
}

fn wanted(rule: &PatternRule, events: &[(usize, Event)]) -> bool {
    let scene = Scene { event: None, earlier: Earlier::List(events), values: &[] };
    rule.emit_if.as_ref().is_none_or(|condition| condition.holds(&scene))
}
