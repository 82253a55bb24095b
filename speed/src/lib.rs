//! The speed layer: keyed stream operators over Kafka, exactly once, joined with the published segments.

pub mod frame;
pub mod json;
pub mod kafka;
pub mod operators;
pub mod topology;
pub mod worker;
