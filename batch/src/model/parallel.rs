//! Work on a few threads, with results in the order of the items.

use std::num::NonZeroUsize;
use std::thread;

/// `work(0), work(1), …, work(items - 1)`, done by up to `threads` threads in contiguous shares.
pub(crate) fn map_in_order<T: Send>(items: usize, threads: NonZeroUsize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let shares = threads.get().min(items).max(1);
    let share = |i: usize| (items * i / shares..items * (i + 1) / shares).map(&work).collect::<Vec<_>>();
    if shares == 1 {
        return share(0);
    }
    let share = &share;
    thread::scope(|scope| {
        let others: Vec<_> = (1..shares).map(|i| scope.spawn(move || share(i))).collect();
        let mut results = share(0);
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}
