//! What can be wrong with a pattern or with saved state.

use crate::Contiguity;

/// Why a pattern is refused. All but the last three are Flink's own reasons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("stage {stage:?} forbids events right after an optional stage: write one pattern with and one without it")]
    NotAfterOptional { stage: String },
    #[error("stage {stage:?} forbids events and cannot have a quantifier")]
    QuantifiedNot { stage: String },
    #[error("stage {stage:?} forbids events and cannot be optional")]
    OptionalNot { stage: String },
    #[error("stage {stage:?} is taken no times: give a positive number")]
    NoTimes { stage: String },
    #[error("stage {stage:?} starts at fewer than one time: give a positive number")]
    NoFrom { stage: String },
    #[error("stage {stage:?} ends before it starts: from {from} needs an end of at least {from}")]
    Reversed { stage: String, from: i64 },
    #[error("stage {stage:?} is taken once and cannot be consecutive")]
    SingleConsecutive { stage: String, contiguity: Contiguity },
    #[error("stage {stage:?} is taken once and cannot have combinations")]
    SingleCombinations { stage: String, contiguity: Contiguity },
    #[error("stage {stage:?} is taken once and cannot be greedy")]
    SingleGreedy { stage: String },
    #[error("stage {stage:?} has combinations and cannot be greedy")]
    GreedyCombinations { stage: String },
    #[error("stage {stage:?} is optional already, because it starts at 0 times")]
    OptionalTwice { stage: String },
    #[error("stage {stage:?} is optional and comes after a greedy one")]
    OptionalAfterGreedy { stage: String },
    #[error("stage {stage:?} has an until, which only a loop (at least n times) can have")]
    UntilWithoutLoop { stage: String },
    #[error("two stages are named {name:?}")]
    DuplicateName { name: String },
    #[error("there is no stage {name:?} to skip to")]
    UnknownSkip { name: String },
    #[error("the window since the previous event is longer than the window of the whole pattern")]
    PreviousWindowLonger,
    #[error("stage {stage:?} is the last and forbids events: give the pattern a window")]
    EndlessNot { stage: String },
    #[error("a pattern starts with one stage that takes events")]
    NoStart,
    #[error("the pattern needs more than {limit} states: use smaller numbers")]
    TooLarge { limit: usize },
    #[error("there are more than {limit} conditions: use fewer patterns")]
    TooManyConditions { limit: usize },
}

/// Saved state that does not fit the patterns it is restored for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("saved pattern state is broken: {0}")]
pub struct BrokenState(pub(crate) &'static str);
