//! Edges and what they demand of an event.

use super::StateId;
use crate::ConditionId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Take,
    Ignore,
    /// To be in one state is to be in the other too.
    Proceed,
}

#[derive(Clone, Debug)]
pub struct Edge {
    pub action: Action,
    pub target: StateId,
    pub guard: Guard,
}

/// A conjunction of conditions and negated conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    pub literals: Vec<(ConditionId, bool)>,
    /// Holds for no event: the negation of "every event".
    pub never: bool,
}

impl Guard {
    pub fn always() -> Self {
        Self::default()
    }

    /// A stage's condition; `None` is every event.
    pub fn of(condition: Option<ConditionId>) -> Self {
        Self { literals: condition.map(|id| (id, true)).into_iter().collect(), never: false }
    }

    /// The contrary of a guard made by [`Guard::of`].
    pub fn negated(self) -> Self {
        let never = self.literals.is_empty() && !self.never;
        Self { literals: self.literals.into_iter().map(|(id, holds)| (id, !holds)).collect(), never }
    }

    pub fn and(mut self, other: &Self) -> Self {
        self.literals.extend_from_slice(&other.literals);
        self.never |= other.never;
        self
    }

    /// Adds that a loop's end has not come.
    pub fn and_not(self, until: Option<ConditionId>) -> Self {
        match until {
            Some(_) => self.and(&Self::of(until).negated()),
            None => self,
        }
    }

    pub fn holds(&self, mut value: impl FnMut(ConditionId) -> bool) -> bool {
        !self.never && self.literals.iter().all(|&(id, holds)| value(id) == holds)
    }
}
