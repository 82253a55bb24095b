//! Kafka as workers want it: the one place of this crate that knows rdkafka.

mod failure;
mod flush;
mod member;
mod notices;
mod port;
mod producer;
mod reader;
mod spans;
mod tail;

pub use failure::{REBALANCED, of_reading};
pub use notices::Notices;
pub use port::{Delivery, KafkaPort, MESSAGE_BYTES, Start};
pub use producer::Call;
pub use spans::{Ends, Spans};
pub use tail::tail;
