//! Patterns in matchers: those over the same key share one.

use std::borrow::Cow;

use patterns::{Found, Malformed, Matcher, Output};

use crate::RuleSet;
use crate::alert::{Alert, Kind, Matched};
use crate::condition::{Earlier, Scene};
use crate::event::{Event, Field};
use crate::pattern::{PatternRule, Registry};

/// Patterns that share a matcher, and so the state of a key.
#[derive(Clone, Debug)]
pub struct Group {
    pub key: Field,
    /// Their places in the rules.
    pub patterns: Vec<usize>,
}

/// A group's patterns as they are saved with its state: what tells which of them are still the same.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "Written")]
pub struct Label {
    pub key: String,
    /// By their number: id and version.
    pub patterns: Vec<(String, u64)>,
}

/// A label as it is written, and as it was when groups were told apart by their limits too.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Written {
    Now((String, Vec<(String, u64)>)),
    Capped((String, usize, Vec<(String, u64)>)),
}

impl From<Written> for Label {
    fn from(written: Written) -> Self {
        let (Written::Now((key, patterns)) | Written::Capped((key, _, patterns))) = written;
        Self { key, patterns }
    }
}

impl RuleSet {
    /// The groups of all patterns.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (place, pattern) in self.patterns.iter().enumerate() {
            match groups.iter_mut().find(|group| group.key == pattern.key) {
                Some(group) => group.patterns.push(place),
                None => groups.push(Group { key: pattern.key, patterns: vec![place] }),
            }
        }
        groups
    }
}

impl Group {
    /// A matcher for the group's patterns.
    ///
    /// # Errors
    /// If there are too many conditions.
    pub fn matcher(&self, rules: &RuleSet) -> Result<Matcher<Event>, Malformed> {
        let mut registry = Registry::default();
        let known = || self.patterns.iter().filter_map(|place| rules.patterns.get(*place));
        let drafts = known().map(|rule| rule.draft(&mut registry)).collect::<Result<Vec<_>, _>>()?;
        // How many clicks may wait follows from the key, so that it is the same for all of them.
        let limits = known().next().map(PatternRule::limits).unwrap_or_default();
        let mut matcher = Matcher::new(registry.conditions, limits);
        for (rule, draft) in known().zip(drafts) {
            matcher.add_limited(&draft.check()?, rule.on_timeout.is_some(), rule.limits())?;
        }
        Ok(matcher)
    }

    #[must_use]
    pub fn label(&self, rules: &RuleSet) -> Label {
        let known = self.patterns.iter().filter_map(|place| rules.patterns.get(*place));
        Label {
            key: crate::event::Topic::Clickstream.name_of(self.key).to_owned(),
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
    pub fn alert<'r, 'e>(&self, rules: &'r RuleSet, key: &'e str, output: &Output<'e, Event>) -> Option<Alert<'r, 'e>> {
        let (kind, found) = match output {
            Output::Match(found) => (Kind::Match, found),
            Output::Timeout(found) => (Kind::Timeout, found),
            Output::Shed { .. } => return None,
        };
        let rule = rules.patterns.get(*self.patterns.get(found.pattern)?)?;
        match kind {
            Kind::Match => rule.on_match.as_ref()?,
            Kind::Timeout => rule.on_timeout.as_ref()?,
        };
        if kind == Kind::Match && !wanted(rule, found) {
            return None;
        }
        Some(Alert {
            rule,
            kind,
            key: Cow::Borrowed(key),
            matched: Matched::Found(*found),
            at: crate::EventTime(found.at),
        })
    }
}

fn wanted(rule: &PatternRule, found: &Found<'_, Event>) -> bool {
    let scene = Scene { event: None, earlier: Earlier::Found(found), values: &[] };
    rule.emit_if.as_ref().is_none_or(|condition| condition.holds(&scene))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_older_states_are_read() {
        let label = Label { key: "user_id".to_owned(), patterns: vec![("slow".to_owned(), 7)] };
        let written = rmp_serde::to_vec(&label).expect("a label can be written");
        assert_eq!(rmp_serde::from_slice::<Label>(&written).expect("a label"), label);
        let older = rmp_serde::to_vec(&("user_id", 1000, [("slow", 7)])).expect("it can be written");
        assert_eq!(rmp_serde::from_slice::<Label>(&older).expect("a label"), label);
    }
}
