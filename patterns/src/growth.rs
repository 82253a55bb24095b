//! Whether what is remembered of a key can grow without limit.

use crate::automaton::Automaton;
use crate::compile::{Action, Edge, Guard, Kind, StateId};

/// How the memory that a pattern needs for one key grows with the key's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Runs end by themselves after a few events.
    Bounded,
    /// Runs live as long as the window. If `exponential`, each event that fits can double them meanwhile: a loop that may
    /// take or leave an event.
    Windowed { exponential: bool },
    /// Without a window a run can wait for ever in this stage: such a pattern should be refused, or capped by
    /// [`crate::Limits`].
    Unbounded { stage: usize, exponential: bool },
}

impl Automaton {
    /// How much may have to be remembered of a key.
    #[must_use]
    pub fn growth(&self) -> Growth {
        let followers: Vec<_> = (0..self.states()).map(|state| self.followers(state)).collect();
        let mut lasting = None;
        let mut exponential = false;
        for state in 0..self.states() {
            let back = |step: &&Step| leads_to(&followers, usize::from(step.target), state);
            let round: Vec<_> = followers.get(state).into_iter().flatten().filter(back).collect();
            if !round.is_empty() {
                lasting = lasting.or_else(|| self.graph().states.get(state).map(|state| state.stage));
            }
            exponential |= round.iter().enumerate().any(|(place, one)| {
                round
                    .iter()
                    .skip(place + 1)
                    .any(|other| one.target != other.target && together(&one.guard, &other.guard))
            });
        }
        match lasting {
            None => Growth::Bounded,
            Some(_) if self.window() > 0 => Growth::Windowed { exponential },
            Some(stage) => Growth::Unbounded { stage, exponential },
        }
    }

    /// Where an open run in `state` can be after one event.
    fn followers(&self, state: usize) -> Vec<Step> {
        let Ok(state) = StateId::try_from(state) else { return Vec::new() };
        if !self.keeps_runs(state) || self.within_previous(state) > 0 {
            return Vec::new();
        }
        let states = self.reached(vec![state]);
        let edges = states.into_iter().flat_map(|state| self.edges(state));
        let steps = edges.filter(|edge| edge.action != Action::Proceed && !edge.guard.never);
        let step = |edge: &Edge| Step { target: edge.target, guard: edge.guard.clone() };
        steps.map(step).filter(|step| self.keeps_runs(step.target)).collect()
    }

    fn keeps_runs(&self, state: StateId) -> bool {
        matches!(self.kind(state), Kind::Normal | Kind::Pending)
    }
}

struct Step {
    target: StateId,
    guard: Guard,
}

fn leads_to(followers: &[Vec<Step>], from: usize, to: usize) -> bool {
    let mut seen = vec![false; followers.len()];
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.get(at).copied().unwrap_or(true) {
            continue;
        }
        if let Some(seen) = seen.get_mut(at) {
            *seen = true;
        }
        open.extend(followers.get(at).into_iter().flatten().map(|step| usize::from(step.target)));
    }
    false
}

/// Whether one event can satisfy both.
fn together(one: &Guard, other: &Guard) -> bool {
    !one.literals.iter().any(|(id, holds)| other.literals.contains(&(*id, !holds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conditions, Contiguity, Draft, Inner, Skip, Stage, Times};

    fn growth(second: impl FnOnce(&mut Stage), window: Option<i64>) -> Growth {
        let mut conditions = Conditions::<u8>::default();
        let [a, b] = [1, 2].map(|letter| conditions.event(move |event| *event == letter).ok());
        let first = Stage { condition: a, ..Stage::new("a", Contiguity::Next) };
        let mut stage = Stage { condition: b, within: window, ..Stage::new("b", Contiguity::Next) };
        second(&mut stage);
        let last = Stage { within: window, ..Stage::new("c", Contiguity::Next) };
        let pattern = Draft { stages: vec![first, stage, last], skip: Skip::No }.check().expect("a good pattern");
        Automaton::compile(&pattern).expect("a good pattern").growth()
    }

    #[test]
    fn a_pattern_without_a_window_is_bounded_if_every_event_counts() {
        assert_eq!(growth(|_| {}, None), Growth::Bounded);
        assert_eq!(growth(|b| b.times = Times::Exactly(3), None), Growth::Unbounded { stage: 1, exponential: false });
        let strict = |b: &mut Stage| (b.times, b.inner) = (Times::Exactly(3), Inner::Consecutive);
        assert_eq!(growth(strict, None), Growth::Bounded);
        let waiting = |b: &mut Stage| b.contiguity = Contiguity::FollowedBy;
        assert_eq!(growth(waiting, None), Growth::Unbounded { stage: 1, exponential: false });
        assert_eq!(growth(waiting, Some(5)), Growth::Windowed { exponential: false });
        assert_eq!(growth(waiting, Some(0)), Growth::Unbounded { stage: 1, exponential: false });
    }

    #[test]
    fn a_loop_that_may_leave_an_event_doubles() {
        let looping = |inner| move |b: &mut Stage| (b.times, b.inner) = (Times::AtLeast(1), inner);
        assert_eq!(growth(looping(Inner::Combinations), Some(5)), Growth::Windowed { exponential: true });
        assert_eq!(growth(looping(Inner::Relaxed), Some(5)), Growth::Windowed { exponential: false });
        assert_eq!(growth(looping(Inner::Consecutive), None), Growth::Unbounded { stage: 1, exponential: false });
    }
}
