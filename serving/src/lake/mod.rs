//! What is read from the lake: publications and, for single questions, orders and refused lines.

mod files;
mod history;
mod orders;
mod rejected;
mod shelf;
mod timeline;

pub use files::{Files, columns};
pub use history::{Past, past_of};
pub use orders::{OrderedLine, orders_of, orders_since};
pub use rejected::{Place, Refused, RefusedLine};
pub use shelf::{AsOf, Shelf};
pub use timeline::{Payment, Timeline};
