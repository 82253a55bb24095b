//! Things broken on purpose, to see whether the checks see them.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    #[default]
    None,
    /// EO-1: a commit without its offsets.
    OffsetsForgotten,
    /// EO-1: offsets without the last record.
    RecordsForgotten,
    /// EO-2: zombies commit.
    NoFence,
    /// EO-2: positions are those read before the fence.
    FactsBeforeFence,
    /// EO-3: restored to the last stable offset, while committed records stand behind it.
    RestoredToStable,
    /// EO-3: restored to the end as it was once seen.
    RestoredToSeen,
    /// EO-3: offsets are told while a transaction is about to change them.
    UnstableOffsets,
    /// EO-6: dead letters are written outside the transaction.
    LettersOutside,
    /// EO-8: the archiver forgets what it has committed when it dies.
    ArchivedTwice,
    /// L-2: a publication is taken to cover one order more than it does.
    ForgetsOne,
    /// L-2: … one order less.
    KeepsOne,
    /// L-2: what a publication covers is counted all the same.
    CoveredCounted,
    /// L-2: the archiver cuts anywhere.
    CutsAnywhere,
}
