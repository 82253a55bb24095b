//! What every client of Kafka here shares: settings and the rule by which a key finds its partition.

pub mod partition;
pub mod settings;

pub use partition::partition_of;
pub use settings::{KafkaSettings, parse_property};
