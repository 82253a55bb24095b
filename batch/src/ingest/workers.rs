//! The threads that parse chunks and encode row groups.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use data::Rules;

use super::chunk::{Parsed, parse};
use super::encode::{FileLayout, Piece, RefusedPiece, encode_orders, encode_refused};
use super::pages::ColumnPages;
use crate::csv::dialect::Layout;

/// How often to look whether a thread has panicked while waiting for answers.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a thread is asked to do; `ticket` orders the answers.
pub enum Job {
    Parse { ticket: u64, text: Arc<Vec<u8>>, from: usize, last: bool },
    EncodeOrders { ticket: u64, partition: String, pieces: Vec<Piece> },
    EncodeRefused { ticket: u64, pieces: Vec<RefusedPiece> },
}

/// What a thread answers.
pub enum Answer {
    Parsed { ticket: u64, text: Arc<Vec<u8>>, from: usize, last: bool, parsed: Box<Parsed> },
    Encoded { ticket: u64, group: RowGroup },
}

/// An encoded row group and where it belongs: `None` is `rejected_orders`.
pub struct RowGroup {
    pub partition: Option<String>,
    pub rows: u64,
    pub chunks: parquet::errors::Result<Vec<ColumnPages>>,
}

/// What all jobs of one source share.
pub struct Shared {
    pub layout: Layout,
    pub rules: Rules,
    pub source: String,
    pub orders: FileLayout,
    pub refused: FileLayout,
}

/// A fixed set of threads that share one queue of jobs.
pub struct Workers {
    jobs: Option<Sender<Job>>,
    answers: Receiver<Answer>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    #[must_use]
    pub fn start(threads: usize, shared: &Arc<Shared>) -> Self {
        // Without a limit: whoever waited here for room would not take the answers that the threads wait to give.
        let (jobs, queue) = channel::<Job>();
        let (reply, answers) = sync_channel(256);
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..threads)
            .map(|_| {
                let (queue, reply, shared) = (queue.clone(), reply.clone(), shared.clone());
                thread::spawn(move || work(&queue, &reply, &shared))
            })
            .collect();
        Self { jobs: Some(jobs), answers, threads }
    }

    pub fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // Fails only when every thread has panicked; waiting for the next answer then says so.
            let _ = jobs.send(job);
        }
    }

    /// Waits for the next answer, in no order.
    ///
    /// # Panics
    /// When a thread has panicked: a broken invariant, which is passed on.
    #[must_use]
    pub fn receive(&self) -> Answer {
        loop {
            match self.answers.recv_timeout(LOOK_EVERY) {
                Ok(answer) => return answer,
                // Threads live as long as the queue; the answer of one that has ended would never come.
                Err(RecvTimeoutError::Timeout) if !self.threads.iter().any(JoinHandle::is_finished) => {}
                Err(_) => panic!("a worker thread has panicked"),
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        // A thread whose answer nobody takes ends.
        self.answers = sync_channel(0).1;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(queue: &Mutex<Receiver<Job>>, reply: &SyncSender<Answer>, shared: &Shared) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if reply.send(answer(job, shared)).is_err() {
            return;
        }
    }
}

fn answer(job: Job, shared: &Shared) -> Answer {
    match job {
        Job::Parse { ticket, text, from, last } => {
            let parsed = Box::new(parse(text.get(from..).unwrap_or_default(), last, &shared.layout, &shared.rules));
            Answer::Parsed { ticket, text, from, last, parsed }
        }
        Job::EncodeOrders { ticket, partition, pieces } => {
            let rows = pieces.iter().map(|piece| piece.rows.len() as u64).sum();
            let chunks = encode_orders(&pieces, &shared.source, &shared.orders);
            Answer::Encoded { ticket, group: RowGroup { partition: Some(partition), rows, chunks } }
        }
        Job::EncodeRefused { ticket, pieces } => {
            let rows = pieces.iter().map(|piece| piece.refused.line.len() as u64).sum();
            let chunks = encode_refused(&pieces, &shared.source, &shared.refused);
            Answer::Encoded { ticket, group: RowGroup { partition: None, rows, chunks } }
        }
    }
}

#[cfg(test)]
mod tests {
    use data::lake::Table;

    use super::*;
    use crate::csv::dialect::{Wishes, detect};

    fn workers() -> Workers {
        let header = b"InvoiceNo,Quantity,InvoiceDate,UnitPrice,CustomerID\n";
        let shared = Shared {
            layout: detect(header, true, &Wishes::default()).expect("a layout"),
            rules: Rules::default(),
            source: "orders.csv".to_owned(),
            orders: FileLayout::of(Table::Orders).expect("a layout"),
            refused: FileLayout::of(Table::RejectedOrders).expect("a layout"),
        };
        Workers::start(2, &Arc::new(shared))
    }

    fn send(workers: &Workers, jobs: u64) {
        for ticket in 0..jobs {
            workers.send(Job::Parse { ticket, text: Arc::default(), from: 0, last: true });
        }
    }

    #[test]
    fn jobs_are_taken_however_many_answers_wait() {
        let workers = workers();
        send(&workers, 2_000);
        let mut tickets: Vec<u64> = (0..2_000)
            .map(|_| match workers.receive() {
                Answer::Parsed { ticket, .. } | Answer::Encoded { ticket, .. } => ticket,
            })
            .collect();
        tickets.sort_unstable();
        assert!(tickets.into_iter().eq(0..2_000));
    }

    #[test]
    fn threads_end_with_work_left_over() {
        let workers = workers();
        send(&workers, 2_000);
        drop(workers);
    }
}
