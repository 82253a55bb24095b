//! The patterns of one kind of key, and what they remember about a key.

use crate::automaton::Automaton;
use crate::condition::Known;
use crate::runs::{Arrived, Room, Runs, Work};
use crate::store::Events;
use crate::{Arrival, Conditions, KeyState, Limits, Malformed, Output, Pattern, Taken};

/// How many empty [`Runs`] are kept.
const SPARE: usize = 1024;

#[derive(Debug)]
struct Entry {
    automaton: Automaton,
    limits: Limits,
    wants_timeouts: bool,
    /// Whether it can be seen that a run leaves its window.
    visible: bool,
}

/// Patterns over the same kind of key, with their conditions. It has no state but room to work in.
#[derive(Debug)]
pub struct Matcher<E> {
    conditions: Conditions<E>,
    patterns: Vec<Entry>,
    limits: Limits,
    known: Known,
    room: Room,
    /// For each pattern, whether a run began with the events that came up together.
    began: Vec<bool>,
    /// Empty ones, whose room is used again.
    #[expect(clippy::vec_box, reason = "keys hold them in boxes, which go back and forth")]
    spare: Vec<Box<Runs>>,
}

impl<E> Matcher<E> {
    #[must_use]
    pub fn new(conditions: Conditions<E>, limits: Limits) -> Self {
        Self {
            conditions,
            patterns: Vec::new(),
            limits,
            known: Known::default(),
            room: Room::default(),
            began: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Adds a pattern whose conditions are this matcher's; returns its number. Time-outs are only reported if wanted.
    ///
    /// # Errors
    /// If the pattern cannot be compiled.
    pub fn add(&mut self, pattern: &Pattern, wants_timeouts: bool) -> Result<usize, Malformed> {
        self.add_limited(pattern, wants_timeouts, self.limits)
    }

    /// The same with limits of its own. How many events may wait is the matcher's alone.
    ///
    /// # Errors
    /// If the pattern cannot be compiled.
    pub fn add_limited(&mut self, pattern: &Pattern, wants_timeouts: bool, limits: Limits) -> Result<usize, Malformed> {
        let automaton = Automaton::compile(pattern)?;
        let visible = wants_timeouts || automaton.shows_expiry();
        self.patterns.push(Entry { automaton, limits, wants_timeouts, visible });
        self.began.push(false);
        Ok(self.patterns.len() - 1)
    }

    #[must_use]
    pub fn automaton(&self, pattern: usize) -> Option<&Automaton> {
        self.patterns.get(pattern).map(|entry| &entry.automaton)
    }

    /// Takes in an event of the key at `at` (milliseconds), which waits until the watermark reaches it. Events of the same
    /// time keep the order of their arrival.
    pub fn push(&self, state: &mut KeyState<E>, at: i64, event: E, watermark: i64) -> Arrival {
        if at <= watermark {
            return Arrival::Late;
        }
        if state.waiting.len() >= self.limits.waiting {
            return Arrival::Full;
        }
        let slot = state.events.add(at, event);
        let events = &state.events;
        let place = match state.waiting.last() {
            Some(&last) if events.at(last) > at => state.waiting.partition_point(|&before| events.at(before) <= at),
            _ => state.waiting.len(),
        };
        state.waiting.insert(place, slot);
        Arrival::Waiting
    }

    /// When [`Matcher::advance`] has something to do for this key: at the first watermark of at least this.
    #[must_use]
    pub fn due(&self, state: &KeyState<E>) -> Option<i64> {
        self.event_due(state).into_iter().chain(self.window_due(state)).min()
    }

    /// When the first event that waits is due.
    pub(crate) fn event_due(&self, state: &KeyState<E>) -> Option<i64> {
        state.waiting.first().map(|&event| state.events.at(event))
    }

    /// When the key must be looked at for its windows.
    pub(crate) fn window_due(&self, state: &KeyState<E>) -> Option<i64> {
        let due = |(pattern, runs): &(u32, Box<Runs>)| {
            let entry = self.patterns.get(*pattern as usize)?;
            runs.due(&entry.automaton, entry.visible).map(|(_, latest)| latest)
        };
        state.runs.iter().filter_map(due).min()
    }

    /// Matches all events that `watermark` has reached, and lets runs go whose window has closed. At the end of the input,
    /// `i64::MAX` closes every window.
    pub fn advance(&mut self, state: &mut KeyState<E>, watermark: i64, out: &mut dyn FnMut(Output<'_, E>)) {
        if self.has_faded(state, watermark) {
            return self.forget(state);
        }
        let reached = state.waiting.iter().take_while(|&&event| state.events.at(event) <= watermark).count();
        // Flink's flag for a timer to be set stays up until all events that came up together are matched.
        self.began.fill(false);
        let mut time = None;
        for place in 0..reached {
            let Some(&event) = state.waiting.get(place) else { break };
            // Flink closes windows once for all events of the same time, before the first: a run that enters a windowed
            // state with one of them outlives the others.
            let at = Some(state.events.at(event));
            let new_time = std::mem::replace(&mut time, at) != at;
            self.match_event(state, event, new_time, out);
            state.events.release(event);
        }
        state.waiting.drain(..reached);
        let mut place = 0;
        while place < state.runs.len() {
            if self.close(state, place, watermark, reached > 0, out) {
                keep(&mut self.spare, state.runs.remove(place).1);
            } else {
                place += 1;
            }
        }
        if state.is_empty() {
            state.matched = 0;
        }
    }

    /// Drops half of what is remembered of a key: the oldest runs, and of the events that wait the latest. Returns how many events
    /// no longer wait.
    pub fn halve(&mut self, state: &mut KeyState<E>, watermark: i64, out: &mut dyn FnMut(Output<'_, E>)) -> usize {
        let kept = state.waiting.len() / 2;
        let waited = state.waiting.drain(kept..).map(|event| state.events.release(event)).count();
        for (pattern, runs) in &mut state.runs {
            let pattern = *pattern as usize;
            let Some(entry) = self.patterns.get(pattern) else { continue };
            let (open, taken) = (runs.partial.len() + runs.completed().len(), runs.chains.len());
            let limits = Limits { runs: open / 2, taken: taken / 2, ..entry.limits };
            let (known, room) = (&mut self.known, &mut self.room);
            runs.shed(
                watermark,
                &limits,
                &mut entry.work(pattern, &self.conditions, known, &mut state.events, room, out),
            );
        }
        waited
    }

    /// Whether all runs have left their windows unseen, and no event waits.
    pub(crate) fn has_faded(&self, state: &KeyState<E>, watermark: i64) -> bool {
        let faded = |(pattern, runs): &(u32, Box<Runs>)| {
            let entry = self.patterns.get(*pattern as usize);
            entry.is_none_or(|entry| runs.has_faded(&entry.automaton, entry.visible, watermark))
        };
        state.waiting.is_empty() && state.runs.iter().all(faded)
    }

    /// Forgets a key without looking at its runs one by one.
    fn forget(&mut self, state: &mut KeyState<E>) {
        for (_, runs) in state.runs.drain(..) {
            keep(&mut self.spare, runs);
        }
        state.events.clear();
        state.matched = 0;
    }

    fn match_event(&mut self, state: &mut KeyState<E>, event: u32, new_time: bool, out: &mut dyn FnMut(Output<'_, E>)) {
        self.known.next_event(self.conditions.len());
        let arrived = Arrived { event, at: state.events.at(event), order: state.matched };
        state.events.set_order(event, arrived.order);
        state.matched += 1;
        let mut place = 0;
        for (pattern, entry) in (0_u32..).zip(&self.patterns) {
            if state.runs.get(place).is_none_or(|(of, _)| *of != pattern) {
                if !starts(entry, &self.conditions, &mut self.known, &state.events, event) {
                    continue;
                }
                let mut runs = self.spare.pop().unwrap_or_default();
                runs.begin_anew(&entry.automaton);
                state.runs.insert(place, (pattern, runs));
            }
            let Some((_, runs)) = state.runs.get_mut(place) else { break };
            place += 1;
            let pattern = pattern as usize;
            let (known, room) = (&mut self.known, &mut self.room);
            let mut work = entry.work(pattern, &self.conditions, known, &mut state.events, room, out);
            if new_time && runs.may_expire(&entry.automaton, arrived.at) {
                runs.expire(arrived.at, &mut work);
            }
            let began = runs.event(arrived, &mut work);
            runs.shed(arrived.at, &entry.limits, &mut work);
            if let Some(before) = self.began.get_mut(pattern).filter(|_| entry.sets_timers()) {
                *before |= began;
                if *before {
                    let timer = arrived.at.saturating_add(entry.automaton.window());
                    runs.rare.get_or_insert_default().timers.push(timer);
                }
            }
        }
    }

    /// Brings one pattern to the watermark, if Flink would look at the key for it; returns whether nothing is left of it.
    fn close(
        &mut self,
        state: &mut KeyState<E>,
        place: usize,
        watermark: i64,
        matched: bool,
        out: &mut dyn FnMut(Output<'_, E>),
    ) -> bool {
        let Some((pattern, runs)) = state.runs.get_mut(place) else { return false };
        let pattern = *pattern as usize;
        let Some(entry) = self.patterns.get(pattern) else { return true };
        if !matched && runs.due(&entry.automaton, entry.visible).is_none_or(|(due, _)| due > watermark) {
            return false;
        }
        if runs.may_expire(&entry.automaton, watermark) {
            let (known, room) = (&mut self.known, &mut self.room);
            runs.expire(watermark, &mut entry.work(pattern, &self.conditions, known, &mut state.events, room, out));
        }
        if let Some(rare) = &mut runs.rare {
            rare.timers.retain(|&timer| timer > watermark);
        }
        let over = runs.is_over();
        if over {
            runs.release_all(&mut state.events);
        }
        over
    }
}

impl Entry {
    /// Whether windows of two kinds meet, so that Flink looks at a key although nothing came.
    fn sets_timers(&self) -> bool {
        self.automaton.window() > 0 && self.automaton.has_previous_windows()
    }

    fn work<'w, E>(
        &'w self,
        pattern: usize,
        conditions: &'w Conditions<E>,
        known: &'w mut Known,
        events: &'w mut Events<E>,
        room: &'w mut Room,
        out: &'w mut dyn FnMut(Output<'_, E>),
    ) -> Work<'w, E> {
        let (automaton, wants_timeouts) = (&self.automaton, self.wants_timeouts);
        Work { pattern, automaton, wants_timeouts, conditions, known, events, room, out }
    }
}

/// Whether the event begins a run of a pattern that remembers nothing of the key: most do not.
fn starts<E>(entry: &Entry, conditions: &Conditions<E>, known: &mut Known, events: &Events<E>, event: u32) -> bool {
    let taken = Taken { events, chains: None, last: crate::store::NONE };
    entry.automaton.begins(|condition| known.holds(conditions, condition, event, &taken))
}

/// Keeps the room of runs that are over.
#[expect(clippy::vec_box, reason = "they are in boxes already")]
fn keep(spare: &mut Vec<Box<Runs>>, runs: Box<Runs>) {
    if runs.is_small() && spare.len() < SPARE {
        spare.push(runs);
    }
}
