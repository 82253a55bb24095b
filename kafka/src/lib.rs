//! A real Apache Kafka on loopback: one node that is broker and controller, started and stopped by a test.
//!
//! ```text
//! options ─▶ folder (settings, certificates, data, log) ─▶ java ─▶ Broker
//! ```
//!
//! `./just test` and `./just kafka` fetch Kafka's libraries and name their folder in `$CLIENTELE_KAFKA`. What was
//! started ends with its process, however that ends: a watcher holds a pipe and kills the broker when it closes.

mod broker;
mod certificates;
mod error;
mod folder;
mod installation;
mod java;
mod options;
mod ports;
mod records;
mod topics;

pub use broker::Broker;
pub use error::{Error, Result};
pub use installation::libraries;
pub use options::{BrokerOptions, Security};
pub use records::{ReadRecord, end_offsets, produce_all, read_committed};
pub use topics::{create_topic, delete_topic, grow_topic};
