//! The lake's side of the promise, against a real broker: archive, verify, status.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod archive;
mod support;
