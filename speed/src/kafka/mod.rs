//! Kafka as workers want it: the one place of this crate that knows rdkafka.

mod failure;
mod flush;
mod member;
mod port;
mod producer;
mod reader;
mod spans;
mod tail;

pub use port::{Delivery, KafkaPort, MESSAGE_BYTES, Start};
<<<<<<< HEAD
pub use spans::{Ends, Sight, Spans};
=======
pub use spans::{Ends, Spans};
pub use tail::tail;
>>>>>>> a272a7a0f8747d13cd46b4d526e5f0c68de3b81e
