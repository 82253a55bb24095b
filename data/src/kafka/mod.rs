//! What every client of Kafka here shares: settings, ids of topics, and the rule by which a key finds its partition.

pub mod partition;
pub mod settings;
pub mod topic_id;

pub use partition::partition_of;
pub use settings::{KafkaSettings, parse_property};
pub use topic_id::topic_id;
