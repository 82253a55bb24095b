//! From stages to a graph of states.
//!
//! The graph is built from the last stage to the first, each stage pointing to the one behind it, as Flink's compiler
//! does: which states exist, and in which order their edges are tried, decides about the odd corners.

mod edges;
mod loops;

pub use edges::{Action, Edge, Guard};

use crate::check::is_optional;
use crate::{Contiguity, Malformed, Stage, StageId, Times};

pub type StateId = u16;

pub const END_NAME: &str = "$endState$";

/// More states than any pattern made by hand needs; a count such as `times(10000)` would.
const MOST_STATES: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Start,
    Normal,
    /// A last `not_followed_by` waits here for the window to close.
    Pending,
    Final,
    Stop,
}

#[derive(Clone, Debug)]
pub struct State {
    pub kind: Kind,
    /// The stage whose events are taken here.
    pub stage: StageId,
    /// Milliseconds that may pass since the event taken before.
    pub within_previous: Option<i64>,
    pub edges: Vec<Edge>,
}

#[derive(Clone, Debug)]
pub struct Graph {
    pub states: Vec<State>,
    pub start: StateId,
    /// Milliseconds between first and last event; zero or less is no window.
    pub window: i64,
}

/// Compiles checked stages.
pub fn graph(stages: &[Stage]) -> Result<Graph, Malformed> {
    let states = stages.iter().map(states_needed).fold(0_usize, usize::saturating_add);
    if states > MOST_STATES {
        return Err(Malformed::TooLarge { limit: MOST_STATES });
    }
    let Some(last) = stages.len().checked_sub(1) else { return Err(Malformed::NoStart) };
    let mut builder = Builder {
        stages,
        states: Vec::new(),
        stops: vec![None; stages.len()],
        originals: Vec::new(),
        current: last,
        window: None,
    };
    let start = builder.build();
    if builder.states.len() > MOST_STATES {
        return Err(Malformed::TooLarge { limit: MOST_STATES });
    }
    builder.check_windows()?;
    Ok(Graph { window: builder.window.unwrap_or(0), states: builder.states, start })
}

fn states_needed(stage: &Stage) -> usize {
    let most = match stage.times {
        Times::Once => 1,
        Times::Exactly(n) | Times::AtLeast(n) | Times::Between(_, n) => n,
    };
    usize::try_from(most).unwrap_or(usize::MAX).saturating_mul(2).saturating_add(2)
}

/// A graph half built.
struct Builder<'s> {
    stages: &'s [Stage],
    states: Vec<State>,
    /// One stop state for each forbidding stage.
    stops: Vec<Option<StateId>>,
    /// Copies of states as they were before a greedy loop changed their edges.
    originals: Vec<(StateId, StateId)>,
    current: StageId,
    window: Option<i64>,
}

#[expect(clippy::indexing_slicing, reason = "stages and states are numbered by this builder")]
impl Builder<'_> {
    fn build(&mut self) -> StateId {
        let mut sink = self.state(Kind::Final);
        self.window = self.stage().within;
        while self.current > 0 {
            sink = match self.stage().contiguity {
                Contiguity::NotFollowedBy => self.not_followed_by(sink),
                Contiguity::NotNext => self.not_next(sink),
                _ => self.convert(sink),
            };
            self.current -= 1;
            if let Some(window) = self.stage().within {
                self.window = Some(self.window.map_or(window, |least| least.min(window)));
            }
        }
        let start = self.convert(sink);
        self.states[usize::from(start)].kind = Kind::Start;
        start
    }

    fn stage(&self) -> &Stage {
        &self.stages[self.current]
    }

    /// A window that is called in mid-chain is too late for a last `not_followed_by`: Flink then drops the stage.
    fn not_followed_by(&mut self, sink: StateId) -> StateId {
        let windowed = self.stage().within_previous.is_some() || self.window.unwrap_or(0) > 0;
        if !windowed || self.states[usize::from(sink)].kind != Kind::Final {
            return sink;
        }
        let pending = self.taking(Kind::Pending);
        let forbidden = Guard::of(self.stage().condition);
        let stop = self.stop(self.current);
        self.edge(pending, Action::Proceed, stop, forbidden.clone());
        self.edge(pending, Action::Ignore, pending, forbidden.negated());
        pending
    }

    fn not_next(&mut self, sink: StateId) -> StateId {
        let state = self.taking(Kind::Normal);
        let forbidden = Guard::of(self.stage().condition);
        let stop = self.stop(self.current);
        let last = self.states[usize::from(sink)].kind == Kind::Final;
        let onward = if last { Action::Ignore } else { Action::Proceed };
        self.edge(state, onward, sink, forbidden.clone().negated());
        self.edge(state, Action::Proceed, stop, forbidden);
        state
    }

    fn state(&mut self, kind: Kind) -> StateId {
        let id = StateId::try_from(self.states.len()).unwrap_or(StateId::MAX);
        self.states.push(State { kind, stage: self.current, within_previous: None, edges: Vec::new() });
        id
    }

    /// A state of the current stage that the window since the previous event holds for.
    fn taking(&mut self, kind: Kind) -> StateId {
        let id = self.state(kind);
        if self.stage().times == Times::Once {
            self.states[usize::from(id)].within_previous = self.stage().within_previous;
        }
        id
    }

    fn stop(&mut self, stage: StageId) -> StateId {
        if let Some(stop) = self.stops[stage] {
            return stop;
        }
        let stop = self.state(Kind::Stop);
        self.states[usize::from(stop)].stage = stage;
        self.edge(stop, Action::Take, stop, Guard::of(self.stages[stage].condition));
        self.stops[stage] = Some(stop);
        stop
    }

    fn edge(&mut self, from: StateId, action: Action, target: StateId, guard: Guard) {
        self.states[usize::from(from)].edges.push(Edge { action, target, guard });
    }

    /// The forbidding stages before the current one, across optional stages.
    fn nots_before(&self) -> Vec<StageId> {
        let before = self.stages[..self.current].iter().enumerate().rev();
        before
            .take_while(|(_, stage)| is_optional(stage) || stage.contiguity == Contiguity::NotFollowedBy)
            .filter(|(_, stage)| stage.contiguity == Contiguity::NotFollowedBy)
            .map(|(id, _)| id)
            .collect()
    }

    fn check_windows(&self) -> Result<(), Malformed> {
        let mut previous = self.states.iter().filter_map(|state| state.within_previous);
        if self.window.is_some_and(|window| previous.any(|previous| previous > window)) {
            return Err(Malformed::PreviousWindowLonger);
        }
        let Some(last) = self.stages.last() else { return Ok(()) };
        let windowed = last.within_previous.is_some_and(|window| window > 0) || self.window.unwrap_or(0) != 0;
        if last.contiguity == Contiguity::NotFollowedBy && !windowed {
            return Err(Malformed::EndlessNot { stage: last.name.clone() });
        }
        Ok(())
    }
}
