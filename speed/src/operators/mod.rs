//! The operators; `topology.rs` lists them.

pub mod alerts;
pub mod behaviour;
mod events;
pub mod segments;
