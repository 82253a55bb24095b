//! Recency, frequency and monetary value of every customer, from the accepted lines of one snapshot.

mod fold;
mod lines;
mod pages;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use data::lake::{DataFile, Snapshot};
use data::merge::InvoiceHash;
use data::{EventTime, Money};
use parquet::errors::ParquetError;
use parquet::file::reader::Length;
use tokio::runtime::Handle;

use self::fold::Fold;
use crate::error::{Error, Result};
use crate::guard::guarded;
use crate::topics;

/// The customers of a snapshot, sorted by id; the columns are of one length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customers {
    pub id: Vec<String>,
    /// Distinct invoices.
    pub frequency: Vec<i64>,
    pub monetary: Vec<Money>,
    pub first_order_at: Vec<EventTime>,
    pub last_order_at: Vec<EventTime>,
    /// Country of the newest line.
    pub country: Vec<String>,
    /// Every invoice with a purchase, ascending.
    pub invoices: Vec<InvoiceHash>,
    /// Customers without a purchase, by id, and what their netted cancellations add up to; they are in no other column.
    pub netted: Vec<(String, Money)>,
    /// Accepted lines behind all of it.
    pub lines: u64,
    /// Those of them that came from topics, by source.
    pub archived: topics::Lines,
}

impl Customers {
    #[must_use]
    pub fn len(&self) -> usize {
        self.id.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    /// Calendar days from each customer's last order to `reference`.
    #[must_use]
    pub fn recency_days(&self, reference: EventTime) -> Vec<i64> {
        self.last_order_at.iter().map(|last| last.days_before(reference)).collect()
    }

    /// Midnight after the newest accepted order.
    #[must_use]
    pub fn default_reference(&self) -> Option<EventTime> {
        self.last_order_at.iter().max().map(|newest| EventTime::at_day(newest.day() + 1))
    }
}

/// Reads `orders` and folds its lines by customer, on `threads` threads.
///
/// Memory grows with customers and invoices, not with lines. The result depends neither on the order of
/// the lines nor on the threads: sums are of integers, the rest are minima, maxima and distinct counts.
///
/// # Errors
/// When a file cannot be read, or the revenue leaves 18 digits.
pub fn compute(orders: &Snapshot, threads: usize, runtime: &Handle) -> Result<Customers> {
    let files = orders.files()?;
    let next = AtomicUsize::new(0);
    let folds: Vec<Result<Fold>> = thread::scope(|scope| {
        let worker = || {
            let mut fold = Fold::default();
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                fold_file(orders, file, &mut fold, runtime)?;
            }
            fold.settle();
            Ok(fold)
        };
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(worker)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut folds = folds.into_iter();
    let mut whole = folds.next().unwrap_or_else(|| Ok(Fold::default()))?;
    for fold in folds {
        whole.merge(fold?);
    }
    whole.finish().ok_or_else(|| Error::RevenueOverflow)
}

fn fold_file(orders: &Snapshot, file: &DataFile, fold: &mut Fold, runtime: &Handle) -> Result<()> {
    let handle = runtime.block_on(orders.open_file(file))?;
    let fail = |source| Error::Orders { path: file.path.clone(), source };
    if handle.len() != file.bytes {
        return Err(fail(ParquetError::General(format!(
            "it has {} bytes, and the table's log says {}: it was changed after it was written; restore it from a copy of the lake",
            handle.len(),
            file.bytes
        ))));
    }
    guarded(|| lines::each_row_group(handle, |lines| fold.add(&lines))).map_err(fail)
}

#[cfg(test)]
mod tests;
