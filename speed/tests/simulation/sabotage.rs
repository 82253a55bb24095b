//! Things broken on purpose, to see whether the checks see them.

use super::observed::Invariant;
use super::schedule::run;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    #[default]
    None,
    /// EO-1: a commit without its offsets.
    OffsetsForgotten,
    /// EO-1: offsets without the last record.
    RecordsForgotten,
    /// EO-2: workers believe to have fenced and have not.
    FenceForgotten,
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
    /// EO-4: workers have no limits.
    EndlessEpochs,
    /// EO-5: a commit is taken for an abort.
    CommitsDenied,
    /// EO-6: dead letters are written outside the transaction.
    LettersOutside,
    /// EO-7: a partition is never taken to be idle.
    NeverIdle,
    /// EO-8: the archiver forgets what it has committed when it dies.
    ArchivedTwice,
    /// L-2: a publication is taken to cover one order more than it does.
    ForgetsOne,
    /// L-2: … one order less.
    KeepsOne,
    /// L-2: what a publication covers is counted, and kept, all the same.
    CoveredCounted,
    /// L-2: the archiver cuts anywhere.
    CutsAnywhere,
    /// L-3: speed judges lines by other rules.
    OtherRules,
    /// L-4: a publication does not know the invoices that it counts.
    InvoicesForgotten,
    /// L-5: the newest publication is never seen.
    OneBehind,
}

/// Whether the check whose task it is sees it, among the first seeds; others may see it sooner.
fn found(sabotage: Sabotage, by: &[Invariant]) {
    let mut first = None;
    for seed in 0..MOST_SEEDS {
        let Some(violation) = run(seed, sabotage, false).violation else { continue };
        let first = first.get_or_insert((seed, violation.clone()));
        if by.contains(&violation.invariant) {
            let (earlier, told) = first;
            println!(
                "{sabotage:?} is found by {:?} with seed {seed}, and by {:?} with seed {earlier}",
                violation.invariant, told.invariant
            );
            return;
        }
    }
    panic!("{sabotage:?} is not found by {by:?} in {MOST_SEEDS} schedules, but first so: {first:?}");
}

const MOST_SEEDS: u64 = 3000;

#[test]
fn a_commit_without_its_offsets_is_seen() {
    found(Sabotage::OffsetsForgotten, &[Invariant::Eo1]);
}

#[test]
fn offsets_without_a_record_is_seen() {
    found(Sabotage::RecordsForgotten, &[Invariant::Eo1]);
}

#[test]
fn a_fence_forgotten_is_seen() {
    found(Sabotage::FenceForgotten, &[Invariant::Eo2]);
}

#[test]
fn zombies_that_commit_is_seen() {
    found(Sabotage::NoFence, &[Invariant::Eo1]);
}

#[test]
fn positions_from_before_the_fence_is_seen() {
    found(Sabotage::FactsBeforeFence, &[Invariant::Eo1]);
}

#[test]
fn a_restore_to_the_last_stable_offset_is_seen() {
    found(Sabotage::RestoredToStable, &[Invariant::Eo3]);
}

#[test]
fn a_restore_to_an_end_once_seen_is_seen() {
    found(Sabotage::RestoredToSeen, &[Invariant::Eo3]);
}

#[test]
fn offsets_told_while_they_change_is_seen() {
    found(Sabotage::UnstableOffsets, &[Invariant::Eo1, Invariant::Eo5]);
}

#[test]
fn epochs_without_limits_is_seen() {
    found(Sabotage::EndlessEpochs, &[Invariant::Eo4]);
}

#[test]
fn a_commit_taken_for_an_abort_is_seen() {
    found(Sabotage::CommitsDenied, &[Invariant::Eo5]);
}

#[test]
fn timers_that_wait_for_silent_partitions_is_seen() {
    found(Sabotage::NeverIdle, &[Invariant::Eo7]);
}

#[test]
fn dead_letters_outside_the_transaction_is_seen() {
    found(Sabotage::LettersOutside, &[Invariant::Eo6]);
}

#[test]
fn an_archive_without_application_transactions_is_seen() {
    found(Sabotage::ArchivedTwice, &[Invariant::Eo8]);
}

#[test]
fn a_publication_that_forgets_an_order_is_seen() {
    found(Sabotage::ForgetsOne, &[Invariant::L1]);
}

#[test]
fn a_publication_that_keeps_an_order_too_many_is_seen() {
    found(Sabotage::KeepsOne, &[Invariant::L2]);
}

#[test]
fn covered_lines_counted_again_is_seen() {
    found(Sabotage::CoveredCounted, &[Invariant::L2]);
}

#[test]
fn an_archive_cut_anywhere_is_seen() {
    found(Sabotage::CutsAnywhere, &[Invariant::L1]);
}

#[test]
fn lines_judged_by_other_rules_is_seen() {
    found(Sabotage::OtherRules, &[Invariant::L3]);
}

#[test]
fn a_publication_without_its_invoices_is_seen() {
    found(Sabotage::InvoicesForgotten, &[Invariant::L4]);
}

#[test]
fn a_publication_never_taken_up_is_seen() {
    found(Sabotage::OneBehind, &[Invariant::L5]);
}
