//! The batch layer: order files and the lake's orders → clean lines → features → model → published tables.

pub mod cli;
pub mod config;
pub mod csv;
pub mod draft;
pub mod error;
pub mod export;
pub mod features;
pub mod guard;
mod hybrid;
pub mod ingest;
pub mod model;
pub mod picture;
pub mod progress;
pub mod report;
pub mod rfm;
pub mod run;
pub mod show;
pub mod source;
pub mod tables;
pub mod topics;
