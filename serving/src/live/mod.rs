//! What comes from Kafka: the live side of the view, and the events that pages follow.
//!
//! ```text
//! customer-state ────────────────┐
//! orders-enriched ─┬─────────────┤   one thread, a tick of 50 ms
//! segment-changes ─┤  Reader ─▶ Loop ─▶ View, replaced as a whole
//! alerts ──────────┘             └────▶ Feeds ─▶ rings ─▶ clients
//! ```

mod event;
mod feed;
mod follow;
mod producer;
mod reader;
mod recent;
mod requests;
mod status;

pub use event::{Alert, Change, Changed, Order, RuleChange};
pub use feed::{Event, Feed, Feeds, Frame, Position, Resume};
pub use follow::{Follow, follow};
pub use producer::{Place, Producer};
pub use reader::TopicNames;
pub(crate) use reader::{is_lost, partitions_of, reading_client};
pub use requests::{Known, Requests};
pub use status::{LiveState, LiveStatus};
