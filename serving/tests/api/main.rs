//! The program as its users meet it: over HTTP, on real lakes, with a real broker where one is installed.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests: a wrong index is a failed test")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "tests: amounts and counts are small, and exact"
)]

mod client;
mod description;
mod facts;
mod fuzz;
mod live;
mod programs;
mod rules;
mod schema;
mod security;
mod store;
mod streams;
mod world;
