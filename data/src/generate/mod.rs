//! Order files made up from a seed, in the shape of UCI Online Retail.
//!
//! ```text
//! calendar ─ moments ─┐
//! customers ─ visits ─┼▶ orders ─ lines ─▶ csv ─▶ file
//! catalogue ─ prices ─┘      └─ dirt        └───▶ summary
//! ```
//!
//! The same options give the same bytes on every machine: chance is ChaCha8, and nothing calls the platform's
//! mathematics. Memory follows the number of customers and products, never that of lines.

mod baskets;
pub mod calendar;
mod catalogue;
mod chance;
mod csv;
mod customers;
mod dirt;
mod error;
mod line;
mod live;
pub mod options;
mod orders;
pub mod output;
mod portable;
pub mod shop;
mod shop_csv;
mod summary;
mod words;

use std::io::{self, Write};

pub use calendar::Date;
pub use error::{Error, Result};
pub use live::{LiveLine, LiveOptions, LiveOrders};
pub use options::{Encoding, Options, RawOptions, Size};
pub use output::Output;
pub use shop::{Shop, ShopOptions};
pub use shop_csv::{write_clicks, write_order_events};
pub use summary::{Accepted, Summary};

use csv::CsvWriter;
use orders::Orders;
use summary::Tally;

/// How far the work is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub lines: u64,
    pub invoices: u64,
}

const fn lines_per_invoice() -> f64 {
    baskets::LINES_PER_INVOICE
}

/// Writes an order file to `out` and says what it holds; `observe` hears about it every few thousand lines.
///
/// # Errors
/// What `out` returns; the file is then incomplete.
pub fn write_orders<W: Write>(
    options: &Options,
    out: W,
    mut observe: impl FnMut(Progress),
) -> io::Result<(W, Summary)> {
    const STEP: u64 = 8_192;
    let orders = Orders::new(options).ok_or_else(|| io::Error::other("the shop is closed in the whole range"))?;
    let mut csv = CsvWriter::new(out, orders.catalogue(), options.encoding);
    let mut tally = Tally::new(options);
    for line in orders {
        csv.write(&line)?;
        tally.count(&line);
        if tally.lines().is_multiple_of(STEP) {
            observe(Progress { lines: tally.lines(), invoices: tally.invoices() });
        }
    }
    observe(Progress { lines: tally.lines(), invoices: tally.invoices() });
    let (out, written) = csv.finish()?;
    Ok((out, tally.finish(options, written)))
}

#[cfg(test)]
mod tests;
