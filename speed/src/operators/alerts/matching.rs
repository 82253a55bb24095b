//! Patterns over the clicks of keys, whatever the keys are.

use std::sync::Arc;

use compact_str::CompactString;
use data::EventTime;
use patterns::{Arrival, KeyState, Matcher, Output};
use rules::{Event, Field, Group, Label, RuleSet};

use super::memory::{Memory, size};
use crate::frame::{Effects, KeyedState, Place, Target, Timers, TopicId};
use crate::operators::events::micros;
use crate::rulebook::Edition;

/// The memories of so many keys are fetched together.
const TOGETHER: usize = 32;

/// So many bytes of a memory are kept: it must fit a message of the changelog.
const MOST_BYTES: usize = 7 << 20;

/// The rules in force, with what matches them.
#[derive(Debug)]
struct Book {
    edition: Arc<Edition>,
    groups: Vec<(Group, Matcher<Event>)>,
    labels: Arc<Vec<Label>>,
}

impl Book {
    fn new(edition: &Arc<Edition>, takes: fn(Field) -> bool) -> Result<Self, String> {
        let with_matcher = |group: Group| {
            let matcher = group.matcher(&edition.rules).map_err(|error| error.to_string())?;
            Ok((group, matcher))
        };
        let groups = edition.rules.groups().into_iter().filter(|group| takes(group.key));
        let groups = groups.map(with_matcher).collect::<Result<Vec<_>, String>>()?;
        let labels = Arc::new(groups.iter().map(|(group, _)| group.label(&edition.rules)).collect());
        Ok(Self { edition: Arc::clone(edition), groups, labels })
    }
}

/// Matches patterns whose key it takes, over all keys of a shard.
#[derive(Debug)]
pub struct Matching {
    /// Where alerts go.
    alerts: TopicId,
    /// Its partition of the changelog.
    state: Target,
    takes: fn(Field) -> bool,
    book: Book,
    memories: KeyedState<Memory>,
    timers: Timers,
    /// The last watermark.
    reached: i64,
}

impl Matching {
    /// # Errors
    /// When the rules cannot be compiled.
    pub fn new(
        alerts: TopicId,
        state: Target,
        takes: fn(Field) -> bool,
        edition: &Arc<Edition>,
    ) -> Result<Self, String> {
        let (memories, timers) = (KeyedState::default(), Timers::default());
        Ok(Self { alerts, state, takes, book: Book::new(edition, takes)?, memories, timers, reached: i64::MIN })
    }

    /// Takes up rules that were read anew; whether there were any. Those that cannot be compiled are refused where they are read.
    pub fn take(&mut self, edition: &Arc<Edition>) -> bool {
        if edition.number != self.book.edition.number
            && let Ok(book) = Book::new(edition, self.takes)
        {
            self.book = book;
            return true;
        }
        false
    }

    /// Forgets at once what patterns remember that are no more, in `some` memories; by itself a memory does so when it is looked at.
    pub fn forget(&mut self, some: fn(&Memory) -> bool) {
        let Self { memories, book, timers, .. } = self;
        let of_others = |memory: &Memory| !memory.is_arranged(&book.labels) && some(memory);
        let keys: Vec<CompactString> = memories.keys().cloned().collect();
        for key in keys {
            if !memories.get(&key).is_some_and(of_others) {
                continue;
            }
            let memory = memories.entry(&key, || Memory::new(&book.labels));
            memory.arrange(&book.edition.rules, &book.groups, &book.labels);
            memory.set_timer(&key, &book.groups, timers);
            if memory.is_empty() {
                memories.remove(&key);
            }
        }
    }

    /// Whether there are no patterns.
    pub const fn is_idle(&self) -> bool {
        self.book.groups.is_empty()
    }

    /// Keeps a click of `key`, which is behind the `watermark` in milliseconds, until time has reached it: for the patterns over
    /// `field`, or over each where there is none.
    pub fn push(&mut self, key: &str, field: Option<Field>, click: &Event, watermark: i64, out: &mut Effects) {
        let Self { memories, book, timers, .. } = self;
        let of_field = |group: &Group| field.is_none_or(|field| group.key == field);
        if !book.groups.iter().any(|(group, _)| of_field(group) && !click.key(group.key).is_empty()) {
            return;
        }
        let memory = memories.entry(key, || Memory::new(&book.labels));
        memory.arrange(&book.edition.rules, &book.groups, &book.labels);
        for ((group, matcher), states) in book.groups.iter().zip(&mut memory.groups) {
            let sub_key = click.key(group.key);
            if sub_key.is_empty() || !of_field(group) {
                continue;
            }
            let place = states.iter().position(|(known, _)| *known == *sub_key).unwrap_or_else(|| {
                states.push((CompactString::from(&*sub_key), KeyState::default()));
                states.len() - 1
            });
            if let Some((_, state)) = states.get_mut(place) {
                let arrival = matcher.push(state, click.at().0, click.clone(), watermark);
                debug_assert_ne!(arrival, Arrival::Late, "whoever pushes has compared it with the watermark");
                out.counted.shed += u64::from(arrival == Arrival::Full);
            }
        }
        if memory.wake.is_none_or(|wake| micros(click.at()).is_some_and(|at| at < wake)) {
            memory.set_timer(key, &book.groups, timers);
        }
    }

    /// Matches all up to the `watermark`, in milliseconds.
    pub fn reach(&mut self, watermark: i64, out: &mut Effects) {
        let Some(reached) = micros(rules::EventTime(watermark)) else { return };
        self.reached = watermark;
        let mut due = Vec::with_capacity(TOGETHER);
        loop {
            let next = std::iter::from_fn(|| self.timers.take_due(reached)).take(TOGETHER);
            due.extend(next.map(|(_, key)| (self.memories.find(&key), key)));
            if due.is_empty() {
                return;
            }
            Memory::fetch(due.iter().filter_map(|&(place, _)| self.memories.at(place?)));
            for (place, key) in due.drain(..) {
                if let Some(place) = place {
                    self.advance(place, &key, watermark, out);
                }
            }
        }
    }

    /// Matches what waits of a key.
    fn advance(&mut self, place: Place, key: &str, watermark: i64, out: &mut Effects) {
        let Self { memories, book, timers, alerts, .. } = self;
        let Some(memory) = memories.entry_at(place) else { return };
        memory.arrange(&book.edition.rules, &book.groups, &book.labels);
        memory.wake = None;
        for ((group, matcher), states) in book.groups.iter_mut().zip(&mut memory.groups) {
            for (sub_key, state) in states.iter_mut() {
                matcher.advance(state, watermark, &mut |output| {
                    report(&output, (group, &book.edition.rules), (key, sub_key), *alerts, out);
                });
            }
            states.retain(|(_, state)| !state.is_empty());
        }
        if memory.is_empty() {
            memories.remove_at(place);
        } else {
            memory.set_timer(key, &book.groups, timers);
        }
    }

    /// Takes back what was remembered of a key; `None` for what was forgotten.
    ///
    /// # Errors
    /// What cannot be read in it.
    pub fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        if let Some(wake) = self.memories.get(key).and_then(|memory| memory.wake) {
            self.timers.cancel(wake, key);
        }
        let Book { edition, groups, labels } = &self.book;
        let mut memory = value.map(|value| Memory::read(value, &edition.rules, groups, labels)).transpose()?;
        memory.take_if(|memory| memory.is_empty());
        if let Some(memory) = &mut memory {
            memory.set_timer(key, groups, &mut self.timers);
        }
        self.memories.restore(key, memory);
        Ok(())
    }

    /// Drops what is more than a message of the changelog can hold.
    fn shed(&mut self, out: &mut Effects) {
        let is_large = |place: &Place| self.memories.at(*place).is_some_and(|memory| memory.is_larger_than(MOST_BYTES));
        let large: Vec<Place> = self.memories.changed().filter(is_large).collect();
        for place in large {
            let Self { memories, book, alerts, reached, .. } = self;
            let key = CompactString::new(memories.key(place));
            let Some(memory) = memories.entry_at(place) else { continue };
            memory.arrange(&book.edition.rules, &book.groups, &book.labels);
            while memory.is_larger_than(MOST_BYTES) {
                let Some((group, state, before)) = memory.largest() else { break };
                let (Some((group, matcher)), Some(states)) = (book.groups.get_mut(group), memory.groups.get_mut(group))
                else {
                    break;
                };
                let Some((sub_key, remembered)) = states.get_mut(state) else { break };
                let waited = matcher.halve(remembered, *reached, &mut |output| {
                    report(&output, (group, &book.edition.rules), (&key, sub_key), *alerts, out);
                });
                out.counted.shed += waited as u64;
                if states.get(state).is_some_and(|state| size(state) >= before) {
                    let (_, state) = states.swap_remove(state);
                    out.counted.shed += state.runs() as u64;
                }
            }
        }
    }

    /// Writes what changed to the changelog.
    pub fn flush(&mut self, out: &mut Effects) {
        self.shed(out);
        let mut ahead = self.memories.changes();
        for (number, (key, memory)) in self.memories.changes().enumerate() {
            if number.is_multiple_of(TOGETHER) {
                let next = ahead.clone().take(TOGETHER);
                Memory::fetch(next.filter_map(|(_, memory)| memory));
                ahead.by_ref().take(TOGETHER).for_each(drop);
            }
            match memory {
                Some(memory) => out.emit(self.state, key.as_bytes(), |out| memory.write(out)),
                None => out.delete(self.state, key.as_bytes()),
            }
        }
    }

    pub fn commit(&mut self) {
        self.memories.commit();
    }

    pub fn roll_back(&mut self) {
        self.memories.roll_back();
        self.timers = Timers::default();
        let due: Vec<(EventTime, CompactString)> =
            self.memories.keys().filter_map(|key| Some((self.memories.get(key)?.wake?, key.clone()))).collect();
        due.iter().for_each(|(wake, key)| self.timers.set(*wake, key));
    }
}

/// Counts what was dropped, and writes an alert.
fn report(
    output: &Output<'_, Event>,
    (group, rules): (&Group, &RuleSet),
    (key, sub_key): (&str, &str),
    alerts: TopicId,
    out: &mut Effects,
) {
    if let Output::Shed { runs, .. } = output {
        out.counted.shed += *runs as u64;
    }
    let Some(alert) = group.alert(rules, sub_key, output) else { return };
    out.emit(Target::ByKey(alerts), key.as_bytes(), |out| {
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(out, &alert.cloud_event());
    });
}

#[cfg(test)]
mod tests {
    use rules::{EventTime, Topic};

    use super::*;
    use crate::kafka::MESSAGE_BYTES;
    use crate::rulebook::Rulebook;

    const STATE: TopicId = TopicId(2);
    const RULES: &str = r#"
        [patterns.twice]
        key = "user_id"
        within = "1 hour"
        on_match = "TWICE"
        stages = [{ name = "view", where = 'event.type == "view"', times = 2 }]
        [patterns.left]
        key = "user_session"
        within = "1 hour"
        on_timeout = "LEFT"
        [[patterns.left.stages]]
        name = "view"
        where = 'event.type == "view"'
        [[patterns.left.stages]]
        name = "purchase"
        follows = "followed_by"
        where = 'event.type == "purchase"'
    "#;

    fn rules(text: &str) -> RuleSet {
        RuleSet::read(&[("rules.toml".into(), text.to_owned())]).expect("rules")
    }

    fn matching() -> Matching {
        let edition = Rulebook::new(rules(RULES), 1).newest();
        Matching::new(TopicId(1), Target::Partition(STATE, 0), |_| true, &edition).expect("compiled")
    }

    fn view(number: i64, session: &str, page: &str) -> Event {
        let id = format!("e{number}");
        let texts = [&id, "view", "u", session, "p", "", "", "", page, ""];
        Event::new(EventTime(number), None, &texts, 0)
    }

    fn written(out: &Effects) -> Vec<Option<Vec<u8>>> {
        let of_state = out.records().filter(|record| record.target.topic() == STATE);
        of_state.map(|record| record.value.map(<[u8]>::to_vec)).collect()
    }

    #[test]
    fn a_memory_always_fits_a_message_and_says_what_it_dropped() {
        let most: usize = MESSAGE_BYTES.parse().expect("a number");
        let page = "x".repeat(60_000);
        for reached in [0, 900] {
            let (mut matching, mut out) = (matching(), Effects::default());
            (1..=900).for_each(|number| matching.push("u", None, &view(number, "s", &page), 0, &mut out));
            matching.reach(reached, &mut out);
            matching.flush(&mut out);
            let values = written(&out);
            let [Some(value)] = values.as_slice() else { panic!("one memory") };
            assert!(value.len() > most / 4 && value.len() < most, "{}", value.len());
            assert!(out.counted.shed > 0, "what is dropped is counted");

            // What is left is read back, and matched.
            matching.restore("u", Some(value)).expect("it can be read");
            let mut out = Effects::default();
            matching.push("u", None, &view(901, "s", ""), reached, &mut out);
            matching.push("u", None, &view(902, "s", ""), reached, &mut out);
            matching.reach(903, &mut out);
            assert!(out.records().any(|record| record.target.topic() == TopicId(1)), "an alert");
        }
    }

    #[test]
    fn a_memory_fits_a_message_also_when_its_rules_are_replaced() {
        let most: usize = MESSAGE_BYTES.parse().expect("a number");
        let (mut matching, mut out) = (matching(), Effects::default());
        let page = "x".repeat(60_000);
        (1..=900).for_each(|number| matching.push("u", None, &view(number, "s", &page), 0, &mut out));
        assert!(matching.take(&Arc::new(Edition { number: 9, fingerprint: 9, rules: rules("") })));
        matching.flush(&mut out);
        assert!(written(&out).iter().flatten().all(|value| value.len() < most));
    }

    #[test]
    fn a_click_without_a_key_leaves_no_memory() {
        let (mut matching, mut out) = (matching(), Effects::default());
        matching.push("u", Topic::Clickstream.field("user_session"), &view(1, "", ""), 0, &mut out);
        matching.flush(&mut out);
        assert!(written(&out).is_empty() && matching.memories.is_empty());
    }
}
