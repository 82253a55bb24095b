//! The merged view over HTTP: REST, server-sent events and the dashboard.

pub mod error;
pub mod lake;
pub mod live;
pub mod view;
