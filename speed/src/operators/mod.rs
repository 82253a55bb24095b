//! The operators; `topology.rs` lists them.

pub mod segments;
