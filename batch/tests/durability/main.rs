//! What happens to a lake when runs are cut off, compete, meet a full disk or damaged files, or are forgotten.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod archiving;
mod contention;
mod crashes;
mod faults;
mod forgetting;
mod kills;
#[path = "../support/mod.rs"]
mod support;
