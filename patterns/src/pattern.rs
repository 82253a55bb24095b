//! What a user asks for: stages, how they follow one another, how often, within which time.

use crate::{ConditionId, Malformed, check};

/// A place of a stage in its pattern, from 0.
pub type StageId = usize;

/// How a stage follows the one before it (Flink: contiguity).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contiguity {
    /// The very next event of the key (Flink: strict). The first stage has this one.
    Next,
    /// Other events may come between; the first that fits is taken (relaxed).
    FollowedBy,
    /// Any later event that fits, each in a match of its own (non-deterministic relaxed).
    FollowedByAny,
    /// The very next event must not fit.
    NotNext,
    /// No event that fits may come before the following stage; at the end, before the window closes.
    NotFollowedBy,
}

impl Contiguity {
    #[must_use]
    pub const fn is_not(self) -> bool {
        matches!(self, Self::NotNext | Self::NotFollowedBy)
    }
}

/// How often a stage takes an event. Counts are as the user wrote them; [`Draft::check`] refuses senseless ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    #[default]
    Once,
    Exactly(i64),
    /// From, to. From 0 is optional.
    Between(i64, i64),
    AtLeast(i64),
}

/// How the events of one stage follow one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inner {
    /// Events that do not fit are skipped, none that fits is.
    #[default]
    Relaxed,
    /// Directly behind one another.
    Consecutive,
    /// Every choice of events that fit.
    Combinations,
}

/// One stage of a pattern.
#[derive(Clone, Debug)]
pub struct Stage {
    pub name: String,
    pub contiguity: Contiguity,
    /// `None` fits every event.
    pub condition: Option<ConditionId>,
    pub times: Times,
    pub inner: Inner,
    /// The following stage does not get what this loop accepts.
    pub greedy: bool,
    pub optional: bool,
    /// Ends the loop; only for [`Times::AtLeast`].
    pub until: Option<ConditionId>,
    /// Milliseconds between the first and the last event of a match. One window holds for the whole pattern, the
    /// smallest; zero or less is none.
    pub within: Option<i64>,
    /// Milliseconds that may pass since the event before; effective for a stage that is taken once.
    pub within_previous: Option<i64>,
}

impl Stage {
    /// A stage that takes one event, whatever it is.
    #[must_use]
    pub fn new(name: impl Into<String>, contiguity: Contiguity) -> Self {
        Self {
            name: name.into(),
            contiguity,
            condition: None,
            times: Times::Once,
            inner: Inner::Relaxed,
            greedy: false,
            optional: false,
            until: None,
            within: None,
            within_previous: None,
        }
    }

    /// What this stage's events are filed under: Flink cuts a name at its first colon.
    #[must_use]
    pub fn page(&self) -> &str {
        self.name.split(':').next().unwrap_or_default()
    }
}

/// Which runs a match takes away (Flink: after match skip strategy). All but `No` hold a match back while an older run is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Skip {
    #[default]
    No,
    /// Those that started with the same event.
    ToNext,
    /// Those that started up to the last event of the match.
    PastLast,
    /// Those that started before the first event of this stage.
    ToFirst(String),
    /// Those that started before the last event of this stage.
    ToLast(String),
}

/// A pattern as it was written.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub stages: Vec<Stage>,
    pub skip: Skip,
}

impl Draft {
    /// Checks it as Flink does when it builds a job.
    ///
    /// # Errors
    /// The first thing that Flink would refuse, or what goes beyond this crate's limits.
    pub fn check(self) -> Result<Pattern, Malformed> {
        check::check(&self)?;
        Ok(Pattern { stages: self.stages, skip: self.skip })
    }
}

/// A checked pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub(crate) stages: Vec<Stage>,
    pub(crate) skip: Skip,
}

impl Pattern {
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The stage whose events are filed under `page`.
    #[must_use]
    pub fn stage(&self, page: &str) -> Option<StageId> {
        self.stages.iter().position(|stage| stage.page() == page)
    }
}
