//! The lake's side of the promise, against a real broker: archive, proof, status.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod archive;
mod faults;
mod inputs;
mod programs;
mod rules;
mod status;
mod support;
mod verify;
mod webhooks;
