//! The speed layer on a simulated Kafka: one seed, one schedule, and everything must add up.
//!
//! The schedules are run once, and each test asks them about its invariant. `SIMULATE=n` runs n of them instead of
//! 10,000; `SEED=n` runs one and prints what happened.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]
#![allow(clippy::print_stdout, reason = "a trace is printed")]

mod archive;
mod chance;
mod checks;
mod cluster;
mod faults;
mod group;
mod lake;
mod log;
mod observed;
mod orders;
mod port;
mod report;
mod sabotage;
mod scene;
mod schedule;
mod sessions;
mod shelf;
mod world;

use observed::Invariant;
use report::holds;

#[test]
fn eo_1_outputs_state_and_offsets_are_committed_together() {
    holds(Invariant::Eo1);
}

#[test]
fn eo_2_nothing_is_read_before_the_fence() {
    holds(Invariant::Eo2);
}

#[test]
fn eo_3_state_is_restored_to_its_end() {
    holds(Invariant::Eo3);
}

#[test]
fn eo_4_epochs_are_bounded_in_time_and_records() {
    holds(Invariant::Eo4);
}

#[test]
fn eo_5_an_aborted_epoch_restarts_from_the_committed_offsets() {
    holds(Invariant::Eo5);
}

#[test]
fn eo_6_what_cannot_be_read_is_a_dead_letter_once_and_halts_nothing() {
    holds(Invariant::Eo6);
}

#[test]
fn eo_7_timers_fire_on_time_alone() {
    holds(Invariant::Eo7);
}

#[test]
fn eo_8_the_lake_holds_every_accepted_line_once() {
    holds(Invariant::Eo8);
}

#[test]
fn l_1_the_merged_view_is_the_recomputation() {
    holds(Invariant::L1);
}

#[test]
fn l_2_what_a_publication_covers_is_kept_no_longer() {
    holds(Invariant::L2);
}

#[test]
fn l_3_batch_and_speed_refuse_the_same_lines() {
    holds(Invariant::L3);
}

#[test]
fn l_4_an_invoice_counts_once() {
    holds(Invariant::L4);
}

#[test]
fn l_5_an_epoch_is_under_the_newest_publication_known() {
    holds(Invariant::L5);
}

#[test]
fn segment_changes_form_a_chain_to_the_present() {
    holds(Invariant::Changes);
}

#[test]
fn workers_go_on_whatever_happens() {
    holds(Invariant::Progress);
}
