//! The merged view over HTTP: REST, server-sent events and the dashboard.
//!
//! ```text
//! lake ─▶ view ◀─ customer-state           view/, live/follow.rs
//!          │      orders-enriched, …  ─▶ feeds
//!          ▼                               │
//!        api/  ◀───────────────────────────┘
//!          │
//!        http/: keys, headers, compression, the dashboard
//! ```

pub mod api;
pub mod behaviour;
pub mod cli;
pub mod config;
pub mod error;
pub mod export;
pub mod http;
pub mod lake;
pub mod live;
pub mod run;
pub mod telemetry;
pub mod view;
