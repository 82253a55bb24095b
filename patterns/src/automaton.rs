//! A compiled pattern: for each state, what an event does, looked up by which of the state's conditions hold.

use std::borrow::Cow;

use crate::compile::{Action, Edge, Graph, Kind, StateId, graph};
use crate::{ConditionId, Malformed, Pattern, Skip, StageId};

/// A state whose outcome depends on at most so many conditions has a table of all cases.
const TABLED: usize = 8;

/// What one event does to a run in one state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Those that leave something, in the order in which Flink does them.
    pub steps: Vec<Step>,
    /// Something forbidden came: only matches are left, and no run goes on.
    pub stopped: bool,
    /// The run stays as it is.
    pub stays: bool,
}

/// One way that a run takes with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub target: StateId,
    /// The stage that takes the event; `None`: it is skipped.
    pub stage: Option<u16>,
    /// Whether a run goes on from the target.
    pub goes_on: bool,
    /// How many matches it completes.
    pub finished: u32,
}

#[derive(Clone, Debug)]
struct Row {
    kind: Kind,
    within_previous: i64,
    /// The conditions that the state's outcome depends on.
    asks: Vec<ConditionId>,
    /// By the bits of `asks`; empty if there are more than [`TABLED`].
    cases: Vec<Decision>,
}

/// A pattern, ready to be matched. Plain data: it may be shared by threads.
#[derive(Clone, Debug)]
pub struct Automaton {
    rows: Vec<Row>,
    graph: Graph,
    pages: Vec<String>,
    page_of: Vec<u16>,
    skip: Pruning,
    previous_windows: bool,
    pending: bool,
}

/// [`Skip`], resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruning {
    No,
    ToNext,
    PastLast,
    /// `None`: the stage's events are filed under another name, so nothing is ever skipped.
    ToFirst(Option<u16>),
    ToLast(Option<u16>),
}

impl Automaton {
    /// # Errors
    /// What [`crate::Draft::check`] would have found.
    pub fn compile(pattern: &Pattern) -> Result<Self, Malformed> {
        let graph = graph(&pattern.stages)?;
        let page = |name: &str| pattern.stage(name).and_then(|stage| u16::try_from(stage).ok());
        let page_of = pattern.stages.iter().map(|stage| page(stage.page()).unwrap_or_default()).collect();
        let mut automaton = Self {
            rows: Vec::new(),
            pages: pattern.stages.iter().map(|stage| stage.page().to_owned()).collect(),
            page_of,
            skip: match &pattern.skip {
                Skip::No => Pruning::No,
                Skip::ToNext => Pruning::ToNext,
                Skip::PastLast => Pruning::PastLast,
                Skip::ToFirst(name) => Pruning::ToFirst(page(name)),
                Skip::ToLast(name) => Pruning::ToLast(page(name)),
            },
            pending: graph.states.iter().any(|state| state.kind == Kind::Pending),
            previous_windows: graph.states.iter().any(|state| state.within_previous.is_some()),
            graph,
        };
        let states = (0..automaton.graph.states.len()).map(|id| StateId::try_from(id).unwrap_or_default());
        automaton.rows = states.map(|id| automaton.row(id)).collect();
        Ok(automaton)
    }

    /// The name that a stage's events are filed under.
    #[must_use]
    pub fn stage_name(&self, stage: StageId) -> &str {
        self.pages.get(stage).map_or("", String::as_str)
    }

    /// How many stages there are.
    #[must_use]
    pub fn stages(&self) -> usize {
        self.pages.len()
    }

    /// Milliseconds between the first and the last event of a match; zero or less is no window.
    #[must_use]
    pub fn window(&self) -> i64 {
        self.graph.window
    }

    pub(crate) const fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(crate) const fn start(&self) -> StateId {
        self.graph.start
    }

    pub(crate) const fn pruning(&self) -> Pruning {
        self.skip
    }

    pub(crate) const fn has_previous_windows(&self) -> bool {
        self.previous_windows
    }

    /// Whether it makes a difference when a run leaves its window, time-outs aside.
    pub(crate) fn shows_expiry(&self) -> bool {
        self.skip != Pruning::No || self.previous_windows || self.pending
    }

    pub(crate) fn states(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn kind(&self, state: StateId) -> Kind {
        self.rows.get(usize::from(state)).map_or(Kind::Stop, |row| row.kind)
    }

    /// Zero is none.
    pub(crate) fn within_previous(&self, state: StateId) -> i64 {
        self.rows.get(usize::from(state)).map_or(0, |row| row.within_previous)
    }

    /// What an event does in `state`.
    #[inline]
    pub(crate) fn decide(&self, state: StateId, mut holds: impl FnMut(ConditionId) -> bool) -> Cow<'_, Decision> {
        let Some(row) = self.rows.get(usize::from(state)) else { return Cow::Owned(Decision::default()) };
        if row.cases.is_empty() {
            return Cow::Owned(self.decision(state, &mut holds));
        }
        let mut case = 0;
        for (bit, &condition) in row.asks.iter().enumerate() {
            case |= usize::from(holds(condition)) << bit;
        }
        row.cases.get(case).map_or_else(|| Cow::Owned(Decision::default()), Cow::Borrowed)
    }

    /// Whether an event begins a run.
    pub(crate) fn begins(&self, holds: impl FnMut(ConditionId) -> bool) -> bool {
        !self.decide(self.start(), holds).stays
    }

    fn row(&self, id: StateId) -> Row {
        let mut asks = Vec::new();
        self.collect_asks(id, &mut asks);
        let bit = |condition: ConditionId| asks.iter().position(|&ask| ask == condition).unwrap_or_default();
        let cases = if asks.len() <= TABLED { 1_usize << asks.len() } else { 0 };
        let cases =
            (0..cases).map(|case| self.decision(id, &mut |condition| case >> bit(condition) & 1 == 1)).collect();
        let state = self.graph.states.get(usize::from(id));
        Row {
            kind: state.map_or(Kind::Stop, |state| state.kind),
            within_previous: state.and_then(|state| state.within_previous).unwrap_or(0),
            asks,
            cases,
        }
    }

    /// All conditions on the ways that one event can go from `state`: what it meets before it is taken or skipped, and,
    /// where it is taken, what then leads to the end.
    fn collect_asks(&self, state: StateId, asks: &mut Vec<ConditionId>) {
        let mut taken_to = Vec::new();
        for at in self.reached(vec![state]) {
            for edge in self.edges(at).iter().filter(|edge| !edge.guard.never) {
                ask(edge, asks);
                if edge.action == Action::Take {
                    taken_to.push(edge.target);
                }
            }
        }
        for at in self.reached(taken_to) {
            let onward = |edge: &&Edge| edge.action == Action::Proceed && !edge.guard.never;
            self.edges(at).iter().filter(onward).for_each(|edge| ask(edge, asks));
        }
    }

    /// All states that can be reached from `open` without an event.
    pub(crate) fn reached(&self, mut open: Vec<StateId>) -> Vec<StateId> {
        let mut reached = Vec::new();
        while let Some(at) = open.pop() {
            if reached.contains(&at) {
                continue;
            }
            reached.push(at);
            let onward = |edge: &&Edge| edge.action == Action::Proceed && !edge.guard.never;
            open.extend(self.edges(at).iter().filter(onward).map(|edge| edge.target));
        }
        reached
    }

    /// Goes through all edges that can be reached without an event, the state entered last first.
    fn decision(&self, state: StateId, holds: &mut dyn FnMut(ConditionId) -> bool) -> Decision {
        let starting = state == self.graph.start;
        let mut steps = Vec::new();
        let mut open = vec![state];
        while let Some(at) = open.pop() {
            for edge in self.edges(at) {
                if !edge.guard.holds(&mut *holds) {
                    continue;
                }
                let target = edge.target;
                match edge.action {
                    Action::Proceed => open.push(target),
                    Action::Ignore if starting => {}
                    Action::Ignore => steps.push(Step { target, stage: None, goes_on: true, finished: 0 }),
                    Action::Take => {
                        let finished = u32::from(self.leads_to_final(target, holds));
                        let stage = self.graph.states.get(usize::from(at)).map_or(0, |state| state.stage);
                        let stage = self.page_of.get(stage).copied().unwrap_or_default();
                        steps.push(Step { target, stage: Some(stage), goes_on: true, finished });
                    }
                }
            }
        }
        let stays = if starting {
            steps.is_empty()
        } else {
            matches!(steps.as_slice(), [Step { target, stage: None, .. }] if *target == state)
        };
        let stopped = steps.iter().any(|step| self.kind_in_graph(step.target) == Kind::Stop);
        for step in &mut steps {
            let is_final = self.kind_in_graph(step.target) == Kind::Final;
            step.goes_on = !is_final && !stopped;
            step.finished += u32::from(is_final);
        }
        steps.retain(|step| step.goes_on || step.finished > 0);
        Decision { steps, stopped, stays }
    }

    /// Whether the end can be reached from `state` without a further event, with the one just taken.
    fn leads_to_final(&self, state: StateId, holds: &mut dyn FnMut(ConditionId) -> bool) -> bool {
        let mut open = vec![state];
        while let Some(at) = open.pop() {
            for edge in self.edges(at) {
                if edge.action == Action::Proceed && edge.guard.holds(&mut *holds) {
                    if self.kind_in_graph(edge.target) == Kind::Final {
                        return true;
                    }
                    open.push(edge.target);
                }
            }
        }
        false
    }

    pub(crate) fn edges(&self, state: StateId) -> &[Edge] {
        self.graph.states.get(usize::from(state)).map_or(&[], |state| &state.edges)
    }

    fn kind_in_graph(&self, state: StateId) -> Kind {
        self.graph.states.get(usize::from(state)).map_or(Kind::Stop, |state| state.kind)
    }
}

fn ask(edge: &Edge, asks: &mut Vec<ConditionId>) {
    for &(condition, _) in &edge.guard.literals {
        if !asks.contains(&condition) {
            asks.push(condition);
        }
    }
}
