//! States of a stage that takes events: once, several times, in a loop.

use super::{Action, Builder, Edge, Guard, Kind, StateId};
use crate::check::is_optional;
use crate::{Contiguity, Inner, Stage, Times};

/// What a state of a stage is made of.
struct Plan {
    sink: StateId,
    /// Where the state leads without an event; `None` where it must take one.
    proceed: Option<StateId>,
    take: Guard,
    /// `None`: any other event ends the run.
    ignore: Option<Guard>,
}

#[expect(clippy::indexing_slicing, reason = "stages and states are numbered by this builder")]
impl Builder<'_> {
    /// The states of the current stage, before `sink`.
    pub(super) fn convert(&mut self, sink: StateId) -> StateId {
        let state = match self.stage().times {
            Times::Once => {
                let stage = self.stage();
                let proceed = is_optional(stage).then_some(sink);
                let plan = Plan { sink, proceed, take: Guard::of(stage.condition), ignore: ignoring(stage) };
                self.single(plan)
            }
            Times::Exactly(n) => self.times(sink, sink, n, n),
            Times::Between(from, to) => self.times(sink, sink, from.max(1), to),
            Times::AtLeast(n) => {
                let without_nots = self.without_nots(sink);
                let looping = self.looping(without_nots);
                self.times(looping, sink, n, n)
            }
        };
        self.add_stops(state);
        state
    }

    /// A chain of `to` states, of which those behind the first `from` may be left for `proceed`.
    fn times(&mut self, sink: StateId, proceed: StateId, from: i64, to: i64) -> StateId {
        let stage = self.stage();
        let inner = inner_ignoring(stage).map(|guard| guard.and_not(stage.until));
        let take = Guard::of(stage.condition).and_not(stage.until);
        let (ignore, optional) = (ignoring(stage), is_optional(stage));
        if stage.greedy && from != to {
            self.forbid_taking(sink, &take);
        }
        let mut last = sink;
        for left in (1..to).rev() {
            let proceed = (left >= from).then_some(proceed);
            last = self.single(Plan { sink: last, proceed, take: take.clone(), ignore: inner.clone() });
            self.add_stop_to_loop(last);
        }
        self.single(Plan { sink: last, proceed: optional.then_some(proceed), take, ignore })
    }

    fn single(&mut self, plan: Plan) -> StateId {
        let Plan { sink, proceed, take, ignore } = plan;
        let state = self.taking(Kind::Normal);
        let sink = self.without_nots(sink);
        self.edge(state, Action::Take, sink, take.clone());
        if let Some(proceed) = proceed {
            self.add_proceed(state, proceed);
        }
        let Some(ignore) = ignore else { return state };
        if proceed.is_none() {
            self.edge(state, Action::Ignore, state, ignore);
            return state;
        }
        // Once an event was skipped, the way round the optional stage is closed.
        let waiting = self.state(Kind::Normal);
        self.edge(waiting, Action::Take, sink, take);
        self.edge(waiting, Action::Ignore, waiting, ignore.clone());
        self.add_stops(waiting);
        self.edge(state, Action::Ignore, waiting, ignore);
        state
    }

    /// The way round an optional stage.
    fn add_proceed(&mut self, state: StateId, proceed: StateId) {
        let (greedy, until) = (self.stage().greedy, self.stage().until);
        if !greedy || until.is_none() {
            return self.edge(state, Action::Proceed, proceed, Guard::always());
        }
        let original = self.originals.iter().rev().find(|(state, _)| *state == proceed);
        if let Some(&(_, original)) = original {
            self.edge(state, Action::Proceed, original, Guard::of(until));
        }
        self.edge(state, Action::Proceed, proceed, Guard::of(until).negated());
    }

    /// The state behind the counted ones of a loop.
    fn looping(&mut self, sink: StateId) -> StateId {
        let stage = self.stage();
        let (condition, until, greedy) = (stage.condition, stage.until, stage.greedy);
        let ignore = inner_ignoring(stage).map(|guard| guard.and_not(until));
        let take = Guard::of(condition).and_not(until);
        let state = self.taking(Kind::Normal);
        if greedy {
            if until.is_some() {
                let original = self.copy(sink);
                self.edge(state, Action::Proceed, original, Guard::of(until));
                self.originals.push((sink, original));
            }
            self.edge(state, Action::Proceed, sink, Guard::always().and_not(until));
            self.forbid_taking(sink, &Guard::of(condition));
        } else {
            self.edge(state, Action::Proceed, sink, Guard::always());
        }
        self.edge(state, Action::Take, state, take.clone());
        self.add_stop_to_loop(state);
        if let Some(ignore) = ignore {
            let waiting = self.state(Kind::Normal);
            self.edge(waiting, Action::Take, state, take);
            self.edge(waiting, Action::Ignore, waiting, ignore.clone());
            self.edge(state, Action::Ignore, waiting, ignore);
            self.add_stop_to_loop(waiting);
        }
        state
    }

    /// What a greedy stage accepts is not for the state behind it.
    fn forbid_taking(&mut self, state: StateId, take: &Guard) {
        let forbidden = take.clone().negated();
        for edge in &mut self.states[usize::from(state)].edges {
            edge.guard = edge.guard.clone().and(&forbidden);
        }
    }

    fn add_stops(&mut self, state: StateId) {
        for not in self.nots_before() {
            let stop = self.stop(not);
            let forbidden = Guard::of(self.stages[not].condition);
            self.edge(state, Action::Proceed, stop, forbidden);
        }
    }

    fn add_stop_to_loop(&mut self, state: StateId) {
        let following = self.current + 1;
        if self.stages.get(following).is_some_and(|stage| stage.contiguity == Contiguity::NotFollowedBy) {
            let stop = self.stop(following);
            let forbidden = Guard::of(self.stages[following].condition);
            self.edge(state, Action::Proceed, stop, forbidden);
        }
    }

    /// An event taken by an optional stage ends what was forbidden before that stage: `sink` without those stops.
    fn without_nots(&mut self, sink: StateId) -> StateId {
        let nots = self.nots_before();
        if nots.is_empty() || !is_optional(self.stage()) || self.states.len() > super::MOST_STATES {
            return sink;
        }
        let stops: Vec<_> = nots.iter().filter_map(|&not| self.stops[not]).collect();
        let copy = self.copied_state(sink);
        for mut edge in self.states[usize::from(sink)].edges.clone() {
            if edge.action == Action::Proceed {
                if stops.contains(&edge.target) {
                    continue;
                }
                if self.states[usize::from(edge.target)].kind != Kind::Stop {
                    edge.target = self.without_nots(edge.target);
                }
            } else if edge.target == sink {
                edge.target = copy;
            }
            self.states[usize::from(copy)].edges.push(edge);
        }
        copy
    }

    fn copy(&mut self, state: StateId) -> StateId {
        let copy = self.copied_state(state);
        let own = |edge: Edge| Edge { target: if edge.target == state { copy } else { edge.target }, ..edge };
        let edges = self.states[usize::from(state)].edges.iter().cloned().map(own).collect();
        self.states[usize::from(copy)].edges = edges;
        copy
    }

    fn copied_state(&mut self, state: StateId) -> StateId {
        let (kind, stage) = (self.states[usize::from(state)].kind, self.states[usize::from(state)].stage);
        let copy = self.state(kind);
        self.states[usize::from(copy)].stage = stage;
        copy
    }
}

/// Which events a stage lets pass while it waits for its first.
fn ignoring(stage: &Stage) -> Option<Guard> {
    match stage.contiguity {
        Contiguity::FollowedBy => Some(Guard::of(stage.condition).negated()),
        Contiguity::FollowedByAny => Some(Guard::always()),
        Contiguity::Next | Contiguity::NotNext | Contiguity::NotFollowedBy => None,
    }
}

/// Which events a stage lets pass between its own.
fn inner_ignoring(stage: &Stage) -> Option<Guard> {
    match stage.inner {
        Inner::Consecutive => None,
        Inner::Relaxed => Some(Guard::of(stage.condition).negated()),
        Inner::Combinations => Some(Guard::always()),
    }
}
