//! An operator in a shard: keys to shards, refused records to dead letters, event time to watermarks.

use data::EventTime;
use data::kafka::partition_of;

use super::{
    Effects, EpochEnd, Operator, Origin, Patience, Reached, Record, Refusal, Signal, Target, Tick, TopicId, Watermarks,
};

/// A topic that an operator reads.
#[derive(Clone, Debug)]
pub struct Input {
    pub topic: TopicId,
    pub name: String,
    /// Where records go whose key lives in another shard, and where they are read again.
    pub by_key: TopicId,
    /// `None` when another operator that reads this topic writes its dead letters.
    pub dead_letters: Option<TopicId>,
}

impl Input {
    /// Whether its records are written by another operator, to the shards of their keys.
    #[must_use]
    pub fn is_by_key(&self) -> bool {
        self.topic == self.by_key
    }
}

/// Where a stage stands.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The operator's place in the topology.
    pub operator: usize,
    pub shard: u32,
    pub shards: u32,
    pub inputs: Vec<Input>,
    pub patience: Patience,
}

/// What a shard does with its stages, whatever their events.
pub trait Task {
    /// A record of one of the stage's topics; `cell` is the start of the cell that its offset lies in.
    fn record(&mut self, record: &Record<'_>, cell: i64, out: &mut Effects);
    fn signal(&mut self, signal: &Signal<'_>, out: &mut Effects);
    fn tick(&mut self, tick: &Tick, out: &mut Effects);
    /// # Errors
    /// What cannot be read in it.
    fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String>;
    fn end_epoch(&mut self, end: EpochEnd<'_>, out: &mut Effects);
}

#[derive(Debug)]
pub struct Stage<O> {
    operator: O,
    dispatch: Dispatch,
    watermarks: Watermarks,
}

impl<O: Operator> Stage<O> {
    /// `reached` is what [`split_memo`] found.
    pub fn new(operator: O, dispatch: Dispatch, reached: Option<Reached>) -> Self {
        let watermarks = Watermarks::new(dispatch.patience, reached);
        Self { operator, dispatch, watermarks }
    }

    fn input(&self, topic: TopicId) -> Option<&Input> {
        self.dispatch.inputs.iter().find(|input| input.topic == topic || input.by_key == topic)
    }
}

/// What a record is to a stage.
enum Arrival {
    /// It entered here.
    Direct(Origin),
    /// Another shard handed it on.
    Forwarded(Origin),
    ForOther,
    Foreign,
}

impl<O: Operator> Stage<O> {
    fn arrival(&self, input: &Input, record: &Record<'_>, cell: i64) -> Arrival {
        if record.at.topic == input.topic {
            return Arrival::Direct(Origin { at: record.at, offset: record.offset, cell });
        }
        match record.origin.and_then(Origin::from_header) {
            Some((operator, origin)) if operator == self.dispatch.operator => Arrival::Forwarded(origin),
            Some(_) => Arrival::ForOther,
            None => Arrival::Foreign,
        }
    }
}

impl<O: Operator> Task for Stage<O> {
    fn record(&mut self, record: &Record<'_>, cell: i64, out: &mut Effects) {
        self.watermarks.came(record.at);
        let Some(input) = self.input(record.at.topic) else { return };
        let refuse = |refusal: &Refusal, out: &mut Effects| {
            if let Some(topic) = input.dead_letters {
                out.dead_letter(topic, &input.name, record, refusal);
            }
        };
        let (origin, forwarded) = match self.arrival(input, record, cell) {
            Arrival::Direct(origin) => (origin, false),
            Arrival::Forwarded(origin) => (origin, true),
            Arrival::ForOther => return,
            Arrival::Foreign => {
                let detail = format!("not written by this program: header {} is missing", Origin::HEADER);
                return refuse(&Refusal { reason: "foreign", detail }, out);
            }
        };
        match self.operator.decode(record) {
            Err(refusal) => refuse(&refusal, out),
            Ok(event) => {
                let home = partition_of(event.key.as_bytes(), self.dispatch.shards);
                if home == self.dispatch.shard || forwarded || input.is_by_key() {
                    // What shards tell each other has no time of its own.
                    if event.at > EventTime::from_micros(i64::MIN) {
                        self.watermarks.observe(origin.at, event.at);
                    }
                    self.operator.apply(&event, &origin, out);
                } else {
                    let header = origin.to_header(self.dispatch.operator);
                    let target = Target::Partition(input.by_key, home);
                    let value = record.value.unwrap_or_default();
                    let header = (Origin::HEADER, header.as_bytes());
                    out.forward(target, event.key.as_bytes(), value, header, record.timestamp);
                    out.counted.handed_on += 1;
                }
            }
        }
    }

    fn signal(&mut self, signal: &Signal<'_>, out: &mut Effects) {
        if let Signal::Backlog(partitions) = signal {
            let reads = |topic| self.input(topic).is_some();
            let ours: Vec<_> = partitions.iter().copied().filter(|at| reads(at.topic)).collect();
            self.watermarks.await_backlog(&ours);
        }
        self.operator.signal(signal, out);
    }

    fn tick(&mut self, tick: &Tick, out: &mut Effects) {
        let watermark = self.watermarks.advance(tick);
        if self.watermarks.is_silent(tick) {
            self.operator.signal(&Signal::Silence, out);
        }
        if let Some(watermark) = watermark {
            self.operator.signal(&Signal::Watermark(watermark), out);
        }
    }

    fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        self.operator.restore(key, value)
    }

    fn end_epoch(&mut self, end: EpochEnd<'_>, out: &mut Effects) {
        match end {
            EpochEnd::Flush { memo } => {
                let mut own = String::new();
                self.operator.end_epoch(EpochEnd::Flush { memo: &mut own }, out);
                write_memo(memo, self.watermarks.reached(), &own);
            }
            EpochEnd::Committed => {
                self.watermarks.commit();
                self.operator.end_epoch(EpochEnd::Committed, out);
            }
            EpochEnd::Aborted => {
                self.watermarks.roll_back();
                self.operator.end_epoch(EpochEnd::Aborted, out);
            }
        }
    }
}

/// A stage's memo is `@newest,watermark memo`: how far event time came, in microseconds, and the operator's own.
fn write_memo(memo: &mut String, reached: Option<Reached>, own: &str) {
    memo.push('@');
    if let Some(Reached { newest, watermark }) = reached {
        memo.push_str(&format!("{},{}", newest.micros(), watermark.micros()));
    }
    memo.push(' ');
    memo.push_str(own);
}

/// Takes a stage's memo apart.
///
/// # Errors
/// What is wrong with it.
pub fn split_memo(memo: &str) -> Result<(Option<Reached>, &str), String> {
    let broken = || format!("event time is missing in {memo:?}");
    let (time, own) = memo.strip_prefix('@').and_then(|memo| memo.split_once(' ')).ok_or_else(broken)?;
    if time.is_empty() {
        return Ok((None, own));
    }
    let (newest, watermark) = time.split_once(',').ok_or_else(broken)?;
    let moment = |text: &str| text.parse().map(EventTime::from_micros).map_err(|_| broken());
    Ok((Some(Reached { newest: moment(newest)?, watermark: moment(watermark)? }), own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memo_comes_apart_as_it_was_put_together() {
        let moment = EventTime::from_micros;
        for reached in [None, Some(Reached { newest: moment(-5), watermark: moment(i64::MIN) })] {
            for own in ["", "{\"a\": 1}", "@1,2 x"] {
                let mut memo = String::new();
                write_memo(&mut memo, reached, own);
                assert_eq!(split_memo(&memo), Ok((reached, own)));
            }
        }
        for broken in ["", "{}", "@1 ", "@1,x ", "@1,2"] {
            assert!(split_memo(broken).is_err(), "{broken}");
        }
    }
}
