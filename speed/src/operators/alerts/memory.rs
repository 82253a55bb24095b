//! What patterns remember of a key.

use std::sync::Arc;

use compact_str::CompactString;
use data::EventTime;
use patterns::{KeyState, Matcher, Saved};
use rules::{Event, Group, Label, RuleSet};
use serde::{Deserialize, Serialize};

use crate::frame::Timers;
use crate::operators::events::micros;

/// What patterns remember of a user, or of a field's value: for each group of patterns, and each key of that group which
/// belongs to it.
#[derive(Clone, Debug)]
pub struct Memory {
    /// What `groups` are.
    labels: Arc<Vec<Label>>,
    pub groups: Vec<Vec<Remembered>>,
    /// When the timer is set; follows from the rest.
    pub wake: Option<EventTime>,
}

/// A key of a group, and what is known of it.
pub type Remembered = (CompactString, KeyState<Event>);

/// An event takes no more, however long its texts are.
const EVENT_BYTES: usize = 66_000;

#[derive(Serialize)]
struct Written<'m> {
    labels: &'m [Label],
    groups: Vec<Vec<(&'m str, Saved<&'m Event>)>>,
}

#[derive(Deserialize)]
struct Read {
    labels: Vec<Label>,
    groups: Vec<Vec<(CompactString, Saved<Event>)>>,
}

impl Memory {
    pub fn new(labels: &Arc<Vec<Label>>) -> Self {
        Self { labels: Arc::clone(labels), groups: labels.iter().map(|_| Vec::new()).collect(), wake: None }
    }

    /// Reads a little of all that matching needs of these.
    pub fn fetch<'m>(memories: impl Iterator<Item = &'m Self> + Clone) {
        KeyState::fetch_all(memories.flat_map(|memory| memory.groups.iter().flatten().map(|(_, state)| state)));
    }

    /// Whether it takes more than `most` bytes when it is written.
    pub fn is_larger_than(&self, most: usize) -> bool {
        let states = || self.groups.iter().flatten();
        // Few of them are worth a look at their events.
        let at_most = |(key, state): &Remembered| key.len() + state.saved_size(state.events() * EVENT_BYTES);
        states().map(at_most).sum::<usize>() > most && states().map(size).sum::<usize>() > most
    }

    /// The group and the place in it of what takes most room, and how much.
    pub fn largest(&self) -> Option<(usize, usize, usize)> {
        let sizes = |(group, states): (usize, &Vec<Remembered>)| {
            states.iter().map(size).enumerate().map(|(place, size)| (size, group, place)).max()
        };
        let (size, group, place) = self.groups.iter().enumerate().filter_map(sizes).max()?;
        Some((group, place, size))
    }

    pub fn is_empty(&self) -> bool {
        self.groups.iter().all(Vec::is_empty)
    }

    /// Whether it is the state of the groups with these labels.
    pub fn is_arranged(&self, labels: &[Label]) -> bool {
        *self.labels == *labels
    }

    /// Makes it the state of the rules in force; what patterns remember that are still the same is kept.
    pub fn arrange(&mut self, rules: &RuleSet, groups: &[(Group, Matcher<Event>)], labels: &Arc<Vec<Label>>) {
        if Arc::ptr_eq(&self.labels, labels) {
            return;
        }
        if *self.labels != **labels {
            let mut before = std::mem::take(&mut self.groups);
            let mut take = |(group, _): &(Group, Matcher<Event>), label: &Label| {
                let Some(place) = same_group(&self.labels, label) else { return Vec::new() };
                let (Some(mut states), Some(old)) = (before.get_mut(place).map(std::mem::take), self.labels.get(place))
                else {
                    return Vec::new();
                };
                let from = group.from(rules, old);
                states.iter_mut().for_each(|(_, state)| state.rearrange(&from));
                states
            };
            self.groups = groups.iter().zip(labels.iter()).map(|(group, label)| take(group, label)).collect();
        }
        self.labels = Arc::clone(labels);
    }

    /// Reads it from the changelog, as the state of the rules in force.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read(
        value: &[u8],
        rules: &RuleSet,
        groups: &[(Group, Matcher<Event>)],
        labels: &Arc<Vec<Label>>,
    ) -> Result<Self, String> {
        let mut read: Read = rmp_serde::from_slice(value).map_err(|error| error.to_string())?;
        let mut memory = Self::new(labels);
        for (((group, matcher), label), states) in groups.iter().zip(labels.iter()).zip(&mut memory.groups) {
            let Some(place) = same_group(&read.labels, label) else { continue };
            let (Some(saved), Some(old)) = (read.groups.get_mut(place).map(std::mem::take), read.labels.get(place))
            else {
                continue;
            };
            let from = group.from(rules, old);
            for (key, mut saved) in saved {
                saved.rearrange(&from);
                let state = matcher.restore(saved).map_err(|error| error.to_string())?;
                if !state.is_empty() {
                    states.push((key, state));
                }
            }
        }
        Ok(memory)
    }

    /// Writes it to the changelog, in MessagePack.
    pub fn write(&self, out: &mut Vec<u8>) {
        let saved = self.groups.iter().map(|states| states.iter().map(|(key, state)| (key.as_str(), state.save())));
        let groups = saved.map(Iterator::collect).collect();
        // Writing to memory does not fail.
        let _ = rmp_serde::encode::write(out, &Written { labels: &self.labels, groups });
    }

    /// Sets the timer for when there is something to match, or a window closes.
    pub fn set_timer(&mut self, key: &str, groups: &[(Group, Matcher<Event>)], timers: &mut Timers) {
        let due = groups
            .iter()
            .zip(&self.groups)
            .flat_map(|((_, matcher), states)| states.iter().filter_map(|(_, state)| matcher.due(state)));
        let next = due.min().and_then(|due| micros(rules::EventTime(due)));
        if let Some(wake) = self.wake.filter(|wake| Some(*wake) != next) {
            timers.cancel(wake, key);
        }
        if let Some(next) = next {
            timers.set(next, key);
        }
        self.wake = next;
    }
}

/// How many bytes it takes at most when it is written.
pub fn size((key, state): &Remembered) -> usize {
    key.len() + state.saved_size(state.all_events().map(Event::saved_size).sum())
}

/// The group that had the same key.
fn same_group(labels: &[Label], wanted: &Label) -> Option<usize> {
    labels.iter().position(|label| label.key == wanted.key)
}
