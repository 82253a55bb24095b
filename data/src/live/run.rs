//! Source to topic, at its pace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::delivery::{Counts, Delivery};
use super::error::Result;
use super::pace::{Pace, Schedule};
use super::{Message, Source};
use crate::EventTime;

/// The shortest wait: what falls due within it goes out together, so that a high rate does not wake us for each.
const TICK: Duration = Duration::from_millis(2);
/// The longest, so that a stop is heard.
const LONGEST: Duration = Duration::from_millis(100);
/// Messages between two looks at acknowledgements and the clock.
const STEP: u64 = 1_024;
/// What is under way at the end may take as long as a message waits; after a stop, not so long.
const FINISH_PATIENCE: Duration = Duration::from_secs(70);
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How far the work is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub sent: u64,
    pub counts: Counts,
    /// From 0 to 1; `None` without an end.
    pub share: Option<f64>,
    pub elapsed: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The topic, or the topics with "and" between them.
    pub topic: String,
    /// Messages that the broker acknowledged.
    pub delivered: u64,
    /// Messages that it did not.
    pub failed: u64,
    /// Why the first of them failed.
    pub reason: Option<String>,
    /// Bytes of keys and values.
    pub bytes: u64,
    pub seconds: f64,
    /// Acknowledged messages a second.
    pub per_second: f64,
    /// Whether it was told to stop.
    pub stopped: bool,
}

/// Sends what `source` has, at most `limit` messages, until it ends, `stop` is set, or the broker is given up.
///
/// # Errors
/// What the source returns; what was sent until then is delivered.
pub fn run(
    source: &mut dyn Source,
    delivery: Delivery,
    pace: Pace,
    limit: Option<u64>,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(Progress),
) -> Result<Summary> {
    let begun = Instant::now();
    let topic = delivery.topics();
    let mut sender = Sender { delivery, stop, observe, begun, now: Duration::ZERO, sent: 0, bytes: 0 };
    let done = sender.send_all(source, Schedule::new(pace, EventTime::now()), limit.unwrap_or(u64::MAX));
    let stopped = stop.load(Ordering::Relaxed);
    let bytes = sender.bytes;
    let (counts, failure) = sender.delivery.finish(if stopped { STOP_PATIENCE } else { FINISH_PATIENCE });
    done?;
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "exact for 2^53 messages")]
    let per_second = counts.delivered as f64 / seconds.max(1e-9);
    Ok(Summary {
        topic,
        delivered: counts.delivered,
        failed: counts.failed,
        reason: failure.map(|failure| failure.to_string()),
        bytes,
        seconds,
        per_second,
        stopped,
    })
}

struct Sender<'a> {
    delivery: Delivery,
    stop: &'a AtomicBool,
    observe: &'a mut dyn FnMut(Progress),
    begun: Instant,
    /// Time since the start, when last looked at.
    now: Duration,
    sent: u64,
    bytes: u64,
}

impl Sender<'_> {
    fn send_all(&mut self, source: &mut dyn Source, mut schedule: Schedule, limit: u64) -> Result<()> {
        let mut message = Message::default();
        while self.sent < limit {
            // The slot first: what is made up must not be older than it needs to be.
            if !self.wait(schedule.slot(self.sent), source) || !source.next(&mut message)? {
                break;
            }
            if !self.wait(schedule.due(message.ordered_at), source) || !self.delivery.send(&message, self.stop) {
                break;
            }
            self.sent += 1;
            self.bytes += u64::try_from(message.key.len() + message.value.len()).unwrap_or_default();
            if self.sent.is_multiple_of(STEP) {
                self.delivery.serve();
                self.look(source);
            }
        }
        self.look(source);
        Ok(())
    }

    /// Waits until `due`; `false` when there is no point in going on.
    fn wait(&mut self, due: Duration, source: &dyn Source) -> bool {
        while self.now < due {
            self.now = self.begun.elapsed();
            if self.now < due {
                sleep((due - self.now).clamp(TICK, LONGEST));
                self.delivery.serve();
                self.look(source);
            }
            if self.is_over() {
                return false;
            }
        }
        !self.is_over()
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.delivery.gave_up()
    }

    fn look(&mut self, source: &dyn Source) {
        self.now = self.begun.elapsed();
        let counts = self.delivery.counts();
        (self.observe)(Progress { sent: self.sent, counts, share: source.share(), elapsed: self.now });
    }
}
