//! Kafka as workers want it: the one place of this crate that knows rdkafka.

mod admin;
mod failure;
mod member;
mod port;
mod producer;
mod reader;
mod spans;

pub use admin::{Cluster, TopicWish};
pub use port::{Delivery, KafkaPort, MESSAGE_BYTES, Start};
pub use spans::{Ends, Sight, Spans};
