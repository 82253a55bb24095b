//! The speed layer: keyed stream operators over Kafka, exactly once, joined with the published segments.

pub mod archive;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod dry_run;
pub mod error;
pub mod frame;
pub mod http;
pub mod json;
pub mod kafka;
mod lag;
mod observe;
pub mod operators;
mod rule_watch;
pub mod rulebook;
pub mod run;
pub mod status;
pub mod telemetry;
pub mod topology;
pub mod verify;
pub mod watch;
pub mod webhooks;
pub mod worker;
