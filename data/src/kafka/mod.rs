//! What every client of Kafka here shares: settings, ids of topics, the rule by which a key finds its partition, and
//! words for what goes wrong.

pub mod failure;
pub mod partition;
pub mod settings;
pub mod topic_id;

pub use failure::{Cause, Context, Failure, explain, reach};
pub use partition::partition_of;
pub use settings::{KafkaSettings, parse_property};
pub use topic_id::topic_id;
