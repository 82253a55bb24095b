//! What operators are written against: records in, effects out, keyed state, time. No clock, no I/O, no Kafka.

mod effects;
mod operator;
mod record;
mod stage;
mod state;
mod time;

pub use effects::{Counted, Effects, Emitted, Heard, Target};
pub use operator::{Decoded, EpochEnd, Operator, Refusal, Signal};
pub use record::{Decoding, Origin, Record, TopicId, TopicPartition};
pub use stage::{Dispatch, Input, Stage, Task, split_memo};
pub use state::{KeyedState, Place};
pub use time::{Patience, Reached, Tick, Timers, Watermarks};
