//! One source through the threads: chunks in file order, row groups in file order, bounded memory.
//!
//! A chunk ends behind a line end, which may stand inside quotes. Then its last record is incomplete, and the
//! next chunk, parsed in the meantime from a wrong start, is parsed again together with that record.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use data::DateEvidence;
use data::lake::MONTH_COLUMN;
use data::time::Month;

use super::chunk::{Counts, Marks, Parsed, parse};
use super::encode::{Piece, RefusedPiece};
use super::fingerprint::{ContentHash, Sketch};
use super::output::Output;
use super::workers::{Answer, Job, RowGroup, Shared, Workers};
use crate::error::{Error, Result};
use crate::source::Text;

/// Bytes of a chunk: small enough that every thread gets some, large enough that its dictionaries pay.
const LEAST_CHUNK_BYTES: u64 = 1 << 20;
const MOST_CHUNK_BYTES: u64 = 4 << 20;
const CHUNKS_OF_A_SOURCE: u64 = 24;
/// A physical line longer than this is no order line.
const MAX_LINE_BYTES: usize = 64 << 20;
/// Rows at which a month's row group is encoded, and at which it may be when its month has passed.
const GROUP_ROWS: usize = 128 << 10;
const EARLY_ROWS: usize = 16 << 10;
/// Refused bytes at which their row group is encoded.
const REFUSED_BYTES: usize = 8 << 20;
/// Rows waiting for their group, over all months, at which the largest is encoded.
const WAITING_ROWS: usize = 1 << 20;

/// What was learnt of a source on the way.
#[derive(Debug, Default)]
pub struct Outcome {
    pub counts: Counts,
    pub dates: DateEvidence,
    /// Whether a date could be read by the layout's format.
    pub dated: bool,
    pub not_utf8: u64,
    pub marks: Marks,
    /// Physical lines up to the end.
    pub lines: u64,
    pub bytes: u64,
    pub id: String,
    pub ends_with_newline: bool,
    pub invoices: Sketch,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Bytes to pass over: the header, and what an earlier ingest took.
    pub bytes: u64,
    /// Physical lines in those bytes.
    pub lines: u64,
}

/// Reads `text` to its end; accepted lines go to `orders`, the others to `refused`.
///
/// # Errors
/// When the source cannot be read, a line is longer than 64 MiB, or the storage refuses.
pub fn run(
    text: &mut Text,
    start: Start,
    shared: &Arc<Shared>,
    orders: &mut Output,
    refused: &mut Output,
    threads: usize,
    mut progress: impl FnMut(u64),
) -> Result<Outcome> {
    let workers = Workers::start(threads, shared);
    let chunk_bytes = (text.stored / CHUNKS_OF_A_SOURCE).clamp(LEAST_CHUNK_BYTES, MOST_CHUNK_BYTES);
    let mut chunks = Chunks::new(text, start.bytes, &shared.source, usize::try_from(chunk_bytes).unwrap_or(usize::MAX));
    let mut flow = Flow::new(&workers, shared, orders, refused, start.lines);
    let most = (threads as u64 + 2, 2 * threads as u64 + 6);
    loop {
        while !chunks.ended && flow.parsing() < most.0 && flow.in_flight() < most.1 {
            chunks.free.append(&mut flow.free);
            let Some(chunk) = chunks.next()? else { break };
            progress(chunks.text.position());
            flow.parse(chunk);
        }
        if flow.in_flight() == 0 {
            break;
        }
        flow.take(workers.receive())?;
    }
    flow.flush_all();
    while flow.in_flight() > 0 {
        flow.take(workers.receive())?;
    }
    let mut outcome = flow.outcome;
    outcome.bytes = chunks.bytes;
    outcome.id = chunks.hash.id();
    outcome.ends_with_newline = chunks.last_byte == Some(b'\n');
    Ok(outcome)
}

struct Chunk {
    text: Vec<u8>,
    from: usize,
    last: bool,
}

/// Cuts a text into chunks that end behind line ends.
struct Chunks<'a> {
    text: &'a mut Text,
    name: &'a str,
    hash: ContentHash,
    bytes: u64,
    skip: u64,
    carry: Vec<u8>,
    chunk_bytes: usize,
    /// Buffers of chunks that were taken in.
    free: Vec<Vec<u8>>,
    ended: bool,
    last_byte: Option<u8>,
}

impl<'a> Chunks<'a> {
    fn new(text: &'a mut Text, skip: u64, name: &'a str, chunk_bytes: usize) -> Self {
        Self {
            text,
            name,
            hash: ContentHash::default(),
            bytes: 0,
            skip,
            carry: Vec::new(),
            chunk_bytes,
            free: Vec::new(),
            ended: false,
            last_byte: None,
        }
    }

    fn next(&mut self) -> Result<Option<Chunk>> {
        let mut buffer = self.free.pop().unwrap_or_default();
        buffer.clear();
        buffer.reserve(self.chunk_bytes + self.carry.len() + 1024);
        buffer.append(&mut self.carry);
        let mut searched = 0;
        loop {
            let before = buffer.len();
            let read = self.text.append_to(&mut buffer, self.chunk_bytes)?;
            let fresh = buffer.get(before..).unwrap_or_default();
            self.hash.update(fresh);
            self.bytes += read as u64;
            self.last_byte = fresh.last().copied().or(self.last_byte);
            if read < self.chunk_bytes {
                self.ended = true;
                return Ok(Some(self.chunk(buffer, true)));
            }
            if let Some(end) = memchr::memrchr(b'\n', buffer.get(searched..).unwrap_or_default()) {
                self.carry.extend_from_slice(buffer.get(searched + end + 1..).unwrap_or_default());
                buffer.truncate(searched + end + 1);
                return Ok(Some(self.chunk(buffer, false)));
            }
            searched = buffer.len();
            if searched > MAX_LINE_BYTES {
                let reason = "has a line longer than 64 MiB; it is no order file, or its line ends are lost".to_owned();
                return Err(Error::Source { name: self.name.to_owned(), reason });
            }
        }
    }

    fn chunk(&mut self, text: Vec<u8>, last: bool) -> Chunk {
        let skipped = self.skip.min(text.len() as u64);
        self.skip -= skipped;
        Chunk { from: usize::try_from(skipped).unwrap_or(text.len()), text, last }
    }
}

/// A chunk that was parsed and not yet taken in.
struct Waiting {
    text: Arc<Vec<u8>>,
    from: usize,
    last: bool,
    parsed: Box<Parsed>,
}

#[derive(Default)]
struct MonthGroup {
    pieces: Vec<Piece>,
    rows: usize,
    seen_in: u64,
}

/// Jobs out, answers in, everything taken in order.
struct Flow<'a> {
    workers: &'a Workers,
    shared: &'a Shared,
    orders: &'a mut Output,
    refused_out: &'a mut Output,
    parse_sent: u64,
    parse_taken: u64,
    encode_sent: u64,
    encode_taken: u64,
    parsed: HashMap<u64, Waiting>,
    encoded: HashMap<u64, RowGroup>,
    /// The incomplete record at the end of the chunk taken in last.
    tail: Vec<u8>,
    /// Buffers that no chunk needs any more.
    free: Vec<Vec<u8>>,
    months: BTreeMap<Month, MonthGroup>,
    refused: Vec<RefusedPiece>,
    refused_bytes: usize,
    lines: u64,
    outcome: Outcome,
}

impl<'a> Flow<'a> {
    fn new(
        workers: &'a Workers,
        shared: &'a Shared,
        orders: &'a mut Output,
        refused_out: &'a mut Output,
        lines: u64,
    ) -> Self {
        Self {
            workers,
            shared,
            orders,
            refused_out,
            parse_sent: 0,
            parse_taken: 0,
            encode_sent: 0,
            encode_taken: 0,
            parsed: HashMap::new(),
            encoded: HashMap::new(),
            tail: Vec::new(),
            free: Vec::new(),
            months: BTreeMap::new(),
            refused: Vec::new(),
            refused_bytes: 0,
            lines,
            outcome: Outcome { lines, ..Outcome::default() },
        }
    }

    const fn parsing(&self) -> u64 {
        self.parse_sent - self.parse_taken
    }

    const fn in_flight(&self) -> u64 {
        self.parse_sent - self.parse_taken + self.encode_sent - self.encode_taken
    }

    fn parse(&mut self, chunk: Chunk) {
        let ticket = self.parse_sent;
        self.parse_sent += 1;
        self.workers.send(Job::Parse { ticket, text: Arc::new(chunk.text), from: chunk.from, last: chunk.last });
    }

    fn take(&mut self, answer: Answer) -> Result<()> {
        match answer {
            Answer::Parsed { ticket, text, from, last, parsed } => {
                self.parsed.insert(ticket, Waiting { text, from, last, parsed });
                while let Some(next) = self.parsed.remove(&self.parse_taken) {
                    self.parse_taken += 1;
                    self.take_chunk(next)?;
                }
            }
            Answer::Encoded { ticket, group } => {
                self.encoded.insert(ticket, group);
                while let Some(next) = self.encoded.remove(&self.encode_taken) {
                    self.encode_taken += 1;
                    let output = if next.partition.is_some() { &mut *self.orders } else { &mut *self.refused_out };
                    output.append(next.partition, next.rows, next.chunks.map_err(Error::Ingest)?)?;
                }
            }
        }
        Ok(())
    }

    fn take_chunk(&mut self, waiting: Waiting) -> Result<()> {
        let Waiting { text, from, last, parsed } = waiting;
        if self.tail.is_empty() {
            self.take_parsed(*parsed, text.get(from..).unwrap_or_default());
        } else {
            let mut joined = std::mem::take(&mut self.tail);
            joined.extend_from_slice(text.get(from..).unwrap_or_default());
            let parsed = parse(&joined, last, &self.shared.layout, &self.shared.rules);
            self.take_parsed(parsed, &joined);
        }
        self.free.extend(Arc::into_inner(text));
        if self.tail.len() > MAX_LINE_BYTES {
            let reason =
                "has a record longer than 64 MiB: a quote that opens before it is not closed, or it is no order file"
                    .to_owned();
            return Err(Error::Source { name: self.shared.source.clone(), reason });
        }
        Ok(())
    }

    fn take_parsed(&mut self, mut parsed: Parsed, text: &[u8]) {
        if let Some(tail) = parsed.tail {
            self.tail = text.get(tail..).unwrap_or_default().to_vec();
        }
        let first_line = self.lines + 1;
        self.lines += u64::from(parsed.lines);
        let outcome = &mut self.outcome;
        outcome.lines = self.lines;
        outcome.counts.add(&parsed.counts);
        outcome.dates.add(&parsed.dates);
        outcome.dated |= parsed.dated;
        outcome.not_utf8 += parsed.not_utf8;
        outcome.marks.add(&parsed.marks);
        outcome.invoices.add(&parsed.invoice_hashes);
        for (month, rows) in std::mem::take(&mut parsed.months) {
            let group = self.months.entry(month).or_default();
            group.rows += rows.len();
            group.seen_in = self.parse_taken;
            group.pieces.push(Piece { rows, texts: parsed.texts.clone(), first_line });
        }
        if !parsed.refused.line.is_empty() {
            self.refused_bytes += parsed.refused.raw.len();
            self.refused.push(RefusedPiece { refused: parsed.refused, first_line });
        }
        self.flush_full();
    }

    fn flush_full(&mut self) {
        let now = self.parse_taken;
        let full = |group: &MonthGroup| group.rows >= GROUP_ROWS || group.rows >= EARLY_ROWS && group.seen_in + 1 < now;
        let months: Vec<Month> = self.months.iter().filter(|(_, group)| full(group)).map(|(month, _)| *month).collect();
        months.into_iter().for_each(|month| self.encode_month(month));
        while self.months.values().map(|group| group.rows).sum::<usize>() > WAITING_ROWS {
            let largest = self.months.iter().max_by_key(|(_, group)| group.rows).map(|(month, _)| *month);
            let Some(month) = largest else { break };
            self.encode_month(month);
        }
        if self.refused_bytes >= REFUSED_BYTES {
            self.encode_refused();
        }
    }

    fn flush_all(&mut self) {
        let months: Vec<Month> = self.months.keys().copied().collect();
        months.into_iter().for_each(|month| self.encode_month(month));
        if !self.refused.is_empty() {
            self.encode_refused();
        }
    }

    fn encode_month(&mut self, month: Month) {
        let Some(group) = self.months.remove(&month) else { return };
        let ticket = self.next_encode();
        let partition = format!("{MONTH_COLUMN}={month}");
        self.workers.send(Job::EncodeOrders { ticket, partition, pieces: group.pieces });
    }

    fn encode_refused(&mut self) {
        let ticket = self.next_encode();
        self.refused_bytes = 0;
        self.workers.send(Job::EncodeRefused { ticket, pieces: std::mem::take(&mut self.refused) });
    }

    const fn next_encode(&mut self) -> u64 {
        self.encode_sent += 1;
        self.encode_sent - 1
    }
}
