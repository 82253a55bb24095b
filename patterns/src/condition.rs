//! Conditions on events, and what is known of them for the event at hand.

use crate::{Malformed, Taken};

/// A condition's place in [`Conditions`].
pub type ConditionId = u16;

type OfEvent<E> = Box<dyn Fn(&E) -> bool + Send + Sync>;
type OfTaken<E> = Box<dyn Fn(&E, &Taken<'_, E>) -> bool + Send + Sync>;

enum Condition<E> {
    /// Looks at the event alone: asked at most once for an event, whatever the number of patterns and runs.
    Event(OfEvent<E>),
    /// Looks at earlier events too: asked once for each run that waits for it.
    Taken(OfTaken<E>),
}

/// The conditions of one or more patterns.
pub struct Conditions<E> {
    all: Vec<Condition<E>>,
}

impl<E> Default for Conditions<E> {
    fn default() -> Self {
        Self { all: Vec::new() }
    }
}

impl<E> std::fmt::Debug for Conditions<E> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} conditions", self.all.len())
    }
}

impl<E> Conditions<E> {
    /// Adds a condition on the event alone.
    ///
    /// # Errors
    /// When there are too many already.
    pub fn event(&mut self, holds: impl Fn(&E) -> bool + Send + Sync + 'static) -> Result<ConditionId, Malformed> {
        self.push(Condition::Event(Box::new(holds)))
    }

    /// Adds a condition that also looks at the events taken before the one at hand.
    ///
    /// # Errors
    /// When there are too many already.
    pub fn taken(
        &mut self,
        holds: impl Fn(&E, &Taken<'_, E>) -> bool + Send + Sync + 'static,
    ) -> Result<ConditionId, Malformed> {
        self.push(Condition::Taken(Box::new(holds)))
    }

    fn push(&mut self, condition: Condition<E>) -> Result<ConditionId, Malformed> {
        let limit = usize::from(ConditionId::MAX);
        let id = ConditionId::try_from(self.all.len()).map_err(|_| Malformed::TooManyConditions { limit })?;
        self.all.push(condition);
        Ok(id)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// What was found out about one event: bit sets over the conditions.
#[derive(Debug, Default)]
pub struct Known {
    asked: Vec<u64>,
    holds: Vec<u64>,
}

impl Known {
    /// Forgets the event before.
    pub fn next_event(&mut self, conditions: usize) {
        let words = conditions.div_ceil(64);
        if self.asked.len() != words {
            self.asked.resize(words, 0);
            self.holds.resize(words, 0);
        }
        self.asked.fill(0);
    }

    /// Whether the condition holds for the event in the slot `event` behind `taken`.
    #[inline]
    pub fn holds<E>(&mut self, all: &Conditions<E>, id: ConditionId, event: u32, taken: &Taken<'_, E>) -> bool {
        let (word, bit) = (usize::from(id) / 64, 1_u64 << (id % 64));
        let (Some(asked), Some(holds)) = (self.asked.get_mut(word), self.holds.get_mut(word)) else { return false };
        if *asked & bit != 0 {
            return *holds & bit != 0;
        }
        let Some(event) = taken.events.get(event) else { return false };
        match all.all.get(usize::from(id)) {
            Some(Condition::Event(condition)) => {
                let value = condition(event);
                *asked |= bit;
                *holds = if value { *holds | bit } else { *holds & !bit };
                value
            }
            Some(Condition::Taken(condition)) => condition(event, taken),
            None => false,
        }
    }
}
