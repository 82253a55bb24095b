//! From files to accepted order lines in the lake: read, clean, encode, commit; each source at most once.

mod chunk;
mod delta;
mod dictionary;
mod encode;
mod fingerprint;
mod integers;
mod ledger;
mod output;
mod overlap;
mod pages;
mod pipeline;
mod run;
mod workers;

pub use chunk::Counts;
pub use dictionary::Dictionary;
pub use ledger::Ledger;
pub use run::{Ingested, Options, SourceReport, ingest};
