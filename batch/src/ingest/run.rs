//! Every given source into the lake, one after the other; small ones share their commits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use data::cleaning::latest_date;
use data::lake::{SourceRow, Table, Tables, WrittenFile};
use data::numbers::DecimalMark;
use data::{DateEvidence, DateFormat, DayMonth, EventTime, Reason, Rules};
use serde::Serialize;
use tokio::runtime::Handle;

use super::chunk::Counts;
use super::fingerprint::{Dates, Fingerprint};
use super::ledger::{Standing, batch_of};
use super::output::Output;
use super::overlap;
use super::pipeline::{self, Outcome, Start};
use super::workers::Shared;
use crate::csv::dialect::{Layout, Wishes, detect};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::run::Writing;
use crate::show::{counted, grouped};
use crate::source::Source;

const HEAD_BYTES: usize = 1 << 20;
/// One line in so many may be known without the source being refused.
const REFUSED_SHARE: u64 = 100;
/// Least known lines, and one in so many, from which a source that grew is refused.
const GROWN_BY: (u64, u64) = (3, 2);

/// So many bytes of sources, or so many of them, share their three commits, which take 0.1 s of CPU together.
const TOGETHER_BYTES: u64 = 64 << 20;
const TOGETHER: usize = 100;

/// How to ingest.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub wishes: Wishes,
    pub allow_overlap: bool,
    pub threads: usize,
}

/// What became of one source.
#[derive(Clone, Debug, Serialize)]
pub struct SourceReport {
    pub source: String,
    pub read: u64,
    pub accepted: u64,
    pub rejected: BTreeMap<&'static str, u64>,
    pub already_known: u64,
    /// What was detected, and why: a sentence each.
    pub evidence: Vec<String>,
}

/// What became of the lines, then the evidence.
impl fmt::Display for SourceReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rejected: u64 = self.rejected.values().sum();
        let Self { source, read, accepted, already_known, .. } = self;
        let lines = counted(*read, "line");
        let [accepted, rejected, already_known] =
            [*accepted, rejected, *already_known].map(|number| grouped(&number.to_string()));
        write!(out, "{source}: {lines}, {accepted} accepted, {rejected} rejected, {already_known} already known")?;
        self.evidence.iter().try_for_each(|line| write!(out, "\n  {line}"))
    }
}

/// What became of all sources.
#[derive(Clone, Debug, Default)]
pub struct Ingested {
    pub counts: Counts,
    pub already_known: u64,
    pub sources: Vec<SourceReport>,
}

/// Ingests every source; what is committed stays committed when a later one fails.
///
/// # Errors
/// When a source cannot be read or is refused, or the lake cannot be written.
pub fn ingest(
    writing: &mut Writing,
    sources: &[Source],
    rules: &Rules,
    options: &Options,
    runtime: &Handle,
    progress: &Progress,
) -> Result<Ingested> {
    let mut ingested = Ingested::default();
    let mut ingest = Ingest { writing, rules, options, runtime, progress, waiting: Vec::new() };
    for source in sources {
        let (counts, report) = match ingest.source(source) {
            Ok(done) => done,
            // What came before it does not wait for it.
            Err(error) => return ingest.commit().and(Err(error)),
        };
        ingested.counts.add(&counts);
        ingested.already_known += report.already_known;
        ingested.sources.push(report);
    }
    ingest.commit()?;
    Ok(ingested)
}

struct Ingest<'a> {
    writing: &'a mut Writing,
    rules: &'a Rules,
    options: &'a Options,
    runtime: &'a Handle,
    progress: &'a Progress,
    waiting: Vec<Ready>,
}

/// A source whose lines are written, while no commit names them yet.
struct Ready {
    row: SourceRow,
    lines_read: i64,
    orders: Vec<WrittenFile>,
    refused: Vec<WrittenFile>,
    /// What is said once they are committed.
    told: String,
}

/// The files of one reading of a source.
struct Reading {
    outcome: Outcome,
    orders: Output,
    refused: Output,
}

/// The same, ended; no commit names them yet.
struct Written {
    outcome: Outcome,
    orders: Vec<WrittenFile>,
    refused: Vec<WrittenFile>,
}

impl Ingest<'_> {
    fn source(&mut self, source: &Source) -> Result<(Counts, SourceReport)> {
        let stamp = source.stamp()?;
        let mut head = Vec::new();
        let read = source.open()?.append_to(&mut head, HEAD_BYTES)?;
        let mut layout = detect(&head, read < HEAD_BYTES, &self.options.wishes)
            .map_err(|reason| Error::Source { name: source.name.clone(), reason })?;
        layout.latest = latest_date(EventTime::now());
        let standing = self.writing.ledger.standing(source, &head, self.options.allow_overlap)?;
        let (start, known, earlier) = match &standing {
            Standing::Known { lines_read } => {
                let report = known_report(source, *lines_read);
                self.progress.say(&report.to_string());
                return Ok((Counts::default(), report));
            }
            Standing::New => (Start { bytes: layout.header_bytes as u64, lines: layout.header_lines }, 0, None),
            Standing::Grown { bytes, lines, lines_read, dates, .. } => {
                if self.options.wishes.dates.is_none() {
                    layout.dates = dates.format.clone();
                }
                (Start { bytes: *bytes, lines: *lines }, *lines_read, Some(dates))
            }
        };
        let read = self.read(source, layout, start, earlier);
        // Whatever is wrong with its lines: a file that was written to meanwhile explains it.
        source.check_unchanged(stamp)?;
        let (layout, reading) = read?;
        let mut report = report(source, &layout, &reading.outcome, known, &standing);
        if standing == Standing::New {
            let overlap = self.writing.ledger.check_overlap(
                source,
                reading.outcome.invoices.hashes(),
                self.options.allow_overlap,
            )?;
            report.evidence.extend(overlap);
        }
        let Reading { outcome, mut orders, mut refused } = reading;
        orders.finish()?;
        refused.finish()?;
        if !self.options.allow_overlap {
            let new = standing == Standing::New;
            report.evidence.extend(self.check_lines(source, new, orders.files(), outcome.counts.accepted)?);
        }
        let counts = outcome.counts.clone();
        let mut evidence = outcome.dates;
        if let Some(earlier) = earlier {
            evidence.add(&earlier.evidence);
        }
        let written = Written { outcome, orders: orders.keep(), refused: refused.keep() };
        self.add(source, &head, known, written, Dates { format: layout.dates, evidence }, &report)?;
        let bytes: u64 = self.waiting.iter().map(|ready| ready.row.bytes).sum();
        if bytes >= TOGETHER_BYTES || self.waiting.len() >= TOGETHER {
            self.commit()?;
        }
        Ok((counts, report))
    }

    /// Compares a source's new lines with those of the lake: an invoice may be split over files, but its lines come
    /// once. Few equal ones are noted, since a shop's own exports do repeat a line here and there.
    fn check_lines(&self, source: &Source, new: bool, orders: &[WrittenFile], accepted: u64) -> Result<Option<String>> {
        let known = {
            let waiting = self.waiting.iter().flat_map(|ready| &ready.orders);
            overlap::known_lines(self.writing.tables.get(Table::Orders), waiting, orders, self.runtime)?
        };
        let shares = format!(
            "{known} of its {} to ingest were there before, with the same invoice and content",
            counted(accepted, "line")
        );
        // The few lines by which a source has grown may well go on with an invoice, and repeat a line of it.
        let (least, share) = if new { (1, REFUSED_SHARE) } else { GROWN_BY };
        if known >= least && known.saturating_mul(share) >= accepted {
            let reason = format!(
                "{shares}; counting them again would double orders. Leave them out, or pass --allow-overlap to count every line"
            );
            return Err(Error::Source { name: source.name.clone(), reason });
        }
        Ok((known > 0).then(|| format!("warning: {shares}; they count twice")))
    }

    /// Reads the source, and once more when its dates turn out to be of the other order, or its prices to have the other mark.
    ///
    /// New lines of a source that grew are dated as the `earlier` ones were, unless they refute it.
    fn read(
        &self,
        source: &Source,
        mut layout: Layout,
        start: Start,
        earlier: Option<&Dates>,
    ) -> Result<(Layout, Reading)> {
        let mut reading = self.read_once(source, &layout, start)?;
        let marks = reading.outcome.marks;
        if marks.other > 0 && !marks.told && earlier.is_none() {
            // The first megabyte had no price that tells.
            drop(reading);
            layout.mark = layout.mark.other();
            reading = self.read_once(source, &layout, start)?;
        }
        self.check_asked_dates(source, &layout, &reading.outcome)?;
        let DateFormat::Order(assumed) = layout.dates else { return Ok((layout, reading)) };
        if self.options.wishes.dates.is_some() {
            return Ok((layout, reading));
        }
        let refused = |reason| Err(Error::Source { name: source.name.clone(), reason });
        let mut dates = reading.outcome.dates;
        if let Some(earlier) = earlier {
            dates.add(&earlier.evidence);
        }
        match dates.decide() {
            None if earlier.is_some() => Ok((layout, reading)),
            None => refused("every date can be read as month/day and as day/month, and nothing tells which is meant; pass --date-format mdy or --date-format dmy".to_owned()),
            Some(order) if order == assumed => Ok((layout, reading)),
            Some(order) if earlier.is_some() => refused(format!(
                "its new lines show that its dates are {order}, but the lines ingested before were read as {assumed}; ingest the whole file into a new lake, or pass --date-format to read the new lines only"
            )),
            Some(order) => {
                drop(reading);
                layout.dates = DateFormat::Order(order);
                let again = self.read_once(source, &layout, start)?;
                Ok((layout, again))
            }
        }
    }

    /// Refuses a source none of whose dates the format reads that was asked for, though another would: its lines would be known, and
    /// nobody could bring them again.
    fn check_asked_dates(&self, source: &Source, layout: &Layout, outcome: &Outcome) -> Result<()> {
        let unreadable = outcome.counts.of(Reason::BadDate);
        let DateEvidence { plain, month_first_only, day_first_only, either, .. } = outcome.dates;
        let otherwise = plain + month_first_only + day_first_only + either > 0;
        if self.options.wishes.dates.is_none() || outcome.dated || unreadable == 0 || !otherwise {
            return Ok(());
        }
        let reason = format!(
            "none of its lines is accepted, and {} cannot be read as {}, which --date-format asks for; pass another, or none to have it decided",
            if unreadable == 1 { "1 date".to_owned() } else { counted(unreadable, "date") },
            layout.dates
        );
        Err(Error::Source { name: source.name.clone(), reason })
    }

    fn read_once(&self, source: &Source, layout: &Layout, start: Start) -> Result<Reading> {
        let mut orders = Output::new(&self.writing.lake, Table::Orders, self.runtime)?;
        let mut refused = Output::new(&self.writing.lake, Table::RejectedOrders, self.runtime)?;
        let mut text = source.open()?;
        let bar = self.progress.bytes(&format!("reading {}", source.name), text.stored);
        let shared = Arc::new(Shared {
            layout: layout.clone(),
            rules: self.rules.clone(),
            source: source.name.clone(),
            orders: orders.layout.clone(),
            refused: refused.layout.clone(),
        });
        let outcome =
            pipeline::run(&mut text, start, &shared, &mut orders, &mut refused, self.options.threads, |at| bar.at(at))?;
        Ok(Reading { outcome, orders, refused })
    }

    /// Enters a source into the ledger; its lines wait to be committed.
    fn add(
        &mut self,
        source: &Source,
        head: &[u8],
        known: u64,
        written: Written,
        dates: Dates,
        report: &SourceReport,
    ) -> Result<()> {
        let Written { outcome, orders, refused } = written;
        let lines_read = known + outcome.counts.read();
        let fingerprint = Fingerprint::new(head, lines_read, outcome.ends_with_newline, outcome.invoices, dates);
        let row = SourceRow {
            source_id: outcome.id.clone(),
            source: source.name.clone(),
            ingested_at: self.writing.ledger.next_time(),
            bytes: outcome.bytes,
            lines: outcome.lines,
            read: outcome.counts.read(),
            accepted: outcome.counts.accepted,
            rejected: serde_json::to_string(&report.rejected)?,
            fingerprint: serde_json::to_string(&fingerprint)?,
            evidence: serde_json::to_string(&report.evidence)?,
        };
        self.writing.ledger.add(row.clone(), fingerprint);
        let lines_read = i64::try_from(lines_read).unwrap_or(i64::MAX);
        self.waiting.push(Ready { row, lines_read, orders, refused, told: report.to_string() });
        Ok(())
    }

    /// Commits what waits: ledger, refused lines, accepted lines, in this order. The last commit makes the sources count.
    fn commit(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.writing.lock.check()?;
        let (mut refused, mut orders, mut told) = (Vec::new(), Vec::new(), Vec::new());
        let rows = batch_of(self.waiting.iter().map(|ready| &ready.row))?;
        for ready in self.waiting.drain(..) {
            let id = SourceRow::application_id(&ready.row.source_id);
            refused.push((id.clone(), ready.lines_read, ready.refused));
            orders.push((id, ready.lines_read, ready.orders));
            told.push(ready.told);
        }
        let tables = &mut self.writing.tables;
        self.runtime.block_on(async {
            tables.get_mut(Table::Sources).append_rows(&rows).await?;
            append_once(tables, Table::RejectedOrders, refused).await?;
            append_once(tables, Table::Orders, orders).await
        })?;
        told.iter().for_each(|told| self.progress.say(told));
        Ok(())
    }
}

/// Appends what each source has under its application id, unless an earlier run that was cut off did.
async fn append_once(tables: &mut Tables, table: Table, sources: Vec<(String, i64, Vec<WrittenFile>)>) -> Result<()> {
    let snapshot = tables.get_mut(table);
    let (mut files, mut applications) = (Vec::new(), Vec::new());
    for (id, lines_read, written) in sources {
        if snapshot.application_version(&id).await?.is_none() {
            files.extend(written);
            applications.push((id, lines_read));
        }
    }
    if !applications.is_empty() {
        snapshot.append(files, &applications).await?;
    }
    Ok(())
}

fn known_report(source: &Source, lines_read: u64) -> SourceReport {
    SourceReport {
        source: source.name.clone(),
        read: lines_read,
        accepted: 0,
        rejected: BTreeMap::new(),
        already_known: lines_read,
        evidence: vec!["was ingested before, under this or another name: nothing is counted twice".to_owned()],
    }
}

fn report(source: &Source, layout: &Layout, outcome: &Outcome, known: u64, standing: &Standing) -> SourceReport {
    let mut evidence = Vec::new();
    if let Standing::Grown { bytes, from, .. } = standing {
        evidence.push(format!("continues {from}, which was ingested before: its first {bytes} bytes are passed over"));
    }
    evidence.push(format!("fields are separated by {}", delimiter_name(layout.delimiter)));
    evidence.push(format!("decimals are behind a {}", mark_name(layout.mark)));
    if outcome.marks.other > 0 {
        evidence.push(format!(
            "warning: prices contradict each other: {} can only be read with a decimal {}; all were read with a decimal {}, so these lines are among the rejected (batch export rejected_orders), and others may be wrong. Split the file by its forms",
            counted(outcome.marks.other, "price"), mark_name(layout.mark.other()), mark_name(layout.mark)
        ));
    }
    evidence.push(encoding_evidence(layout, outcome));
    evidence.push(date_evidence(layout, &outcome.dates));
    evidence.extend(contradiction(layout, &outcome.dates));
    SourceReport {
        source: source.name.clone(),
        read: known + outcome.counts.read(),
        accepted: outcome.counts.accepted,
        rejected: outcome.counts.by_reason(),
        already_known: known,
        evidence,
    }
}

const fn mark_name(mark: DecimalMark) -> &'static str {
    match mark {
        DecimalMark::Point => "point",
        DecimalMark::Comma => "comma",
    }
}

fn delimiter_name(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tabs".to_owned(),
        other => format!("{:?}", char::from(other)),
    }
}

fn encoding_evidence(layout: &Layout, outcome: &Outcome) -> String {
    use crate::csv::dialect::Encoding;
    match (layout.encoding, outcome.not_utf8) {
        (Encoding::Utf8, _) => "encoding is UTF-8, as asked".to_owned(),
        (Encoding::Windows1252, _) => "encoding is Windows-1252 (ISO-8859-1), as asked".to_owned(),
        (Encoding::Detect, 0) => "encoding is UTF-8: every line is valid".to_owned(),
        (Encoding::Detect, lines) => {
            let told = if lines == 1 { "1 line is".to_owned() } else { format!("{lines} lines are") };
            format!("encoding is Windows-1252 (ISO-8859-1): {told} not UTF-8, the others are plain in both")
        }
    }
}

/// A warning where dates can be read in neither order alone.
fn contradiction(layout: &Layout, dates: &DateEvidence) -> Option<String> {
    let DateFormat::Order(order) = layout.dates else { return None };
    let (refused, other) = match order {
        DayMonth::MonthFirst => (dates.day_first_only, DayMonth::DayFirst),
        DayMonth::DayFirst => (dates.month_first_only, DayMonth::MonthFirst),
    };
    let agreeing = dates.day_first_only + dates.month_first_only - refused;
    // Where none agrees, the order was asked for, and it is not they that contradict each other.
    (refused > 0 && agreeing > 0).then(|| {
        format!(
            "warning: dates contradict each other: {} can only be {order}, {} only {other}; all were read as {order}, so the latter are among the rejected (batch export rejected_orders), and of {} that can be either some may have day and month exchanged. Split the file by its forms and pass --date-format with each",
            counted(agreeing, "line"), counted(refused, "line"), counted(dates.either, "line"),
        )
    })
}

fn date_evidence(layout: &Layout, dates: &DateEvidence) -> String {
    match &layout.dates {
        DateFormat::Pattern(pattern) => format!("dates are {pattern}, as asked"),
        DateFormat::Order(order) if dates.month_first_only + dates.day_first_only + dates.either > 0 => format!(
            "dates are {order}: {} lines can only be month/day, {} only day/month, {} either; {} steps back in time as month/day, {} as day/month",
            dates.month_first_only, dates.day_first_only, dates.either, dates.back_steps.0, dates.back_steps.1
        ),
        DateFormat::Order(_) => format!("dates are plain: {} lines in ISO 8601 or alike", dates.plain),
    }
}
