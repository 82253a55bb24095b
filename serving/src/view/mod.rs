//! The merged view in memory: a publication, judged at a reference time, under what the live orders added to it.
//!
//! ```text
//! lake ─▶ Batch ─▶ Judged (segments and scores at a reference time) ─┐
//! customer-state ─▶ Merger ─▶ Overlay (customers with live orders) ──┴▶ View: never changes, replaced as a whole
//! ```

mod batch;
mod edges;
mod judged;
mod merger;
mod overlay;
mod ranks;
mod sums;
mod window;

pub use batch::Batch;
pub use edges::Edges;
pub use judged::{Figures, Judged};
pub use merger::Merger;
pub use overlay::{LiveCustomer, LiveInvoice, Overlay};
pub use ranks::{Column, Measure, Ordered};
pub use sums::{Part, Sums};
pub use window::{Row, View};
