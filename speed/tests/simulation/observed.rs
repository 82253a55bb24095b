//! What the simulation saw: a trace for people, tallies for the tests, and what is wrong.

use std::time::Duration;

/// What is checked, by the numbers of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    Eo1,
    Eo2,
    Eo3,
    Eo4,
    Eo5,
    Eo6,
    Eo7,
    Eo8,
    L1,
    L2,
    L3,
    L4,
    L5,
    /// The announced segments of a customer form a chain that ends at the segment it has.
    Changes,
    /// The worker asked for a person, or stopped making progress.
    Progress,
}

impl Invariant {
    pub const COUNT: usize = Self::Progress as usize + 1;
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub invariant: Invariant,
    pub told: String,
}

#[derive(Debug, Default)]
pub struct Observed {
    /// The first thing that is wrong; the schedule ends with it.
    pub violation: Option<Violation>,
    /// How often each invariant was put to the test.
    pub exercised: [u64; Invariant::COUNT],
    pub timeouts: u64,
    trace: Option<Vec<String>>,
    step: u64,
}

impl Observed {
    pub fn keep_trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    pub fn trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    pub fn note(&mut self, told: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("      {}", told()));
        }
    }

    pub fn action(&mut self, now: Duration, told: impl FnOnce() -> String) {
        self.step += 1;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:5} {:>10.3}s {}", self.step, now.as_secs_f64(), told()));
        }
    }

    pub fn exercise(&mut self, invariant: Invariant) {
        self.exercised[invariant as usize] += 1;
    }

    pub fn wrong(&mut self, invariant: Invariant, told: String) {
        self.note(|| format!("WRONG {invariant:?}: {told}"));
        self.violation.get_or_insert(Violation { invariant, told });
    }

    /// Puts `invariant` to the test once.
    pub fn expect(&mut self, invariant: Invariant, holds: bool, told: impl FnOnce() -> String) {
        self.exercise(invariant);
        if !holds {
            self.wrong(invariant, told());
        }
    }
}
