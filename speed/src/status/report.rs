//! A status, for people and for scripts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use data::EventTime;
use serde::Serialize;

use super::{LakeLook, Look, Partition};
use crate::config::Place;

/// The outcome of [`super::status`].
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub group: Group,
    /// The one that every shard works with, or the oldest that any does.
    pub in_use: Option<Publication>,
    /// The lake's newest.
    pub newest: Option<Publication>,
    pub rates: Rates,
    /// Orders that wait to be processed.
    pub lag: i64,
    pub partitions: Vec<PartitionReport>,
    /// What a person should know.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    pub name: String,
    /// As Kafka says: Stable, Empty, PreparingRebalance, …; `None` where it has no such group.
    pub state: Option<String>,
    pub members: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Publication {
    pub publication: i64,
    /// `None` for one that the lake no longer has.
    pub published_at: Option<EventTime>,
    pub age_seconds: Option<i64>,
}

/// Orders a second, over a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rates {
    pub written: f64,
    pub processed: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionReport {
    pub topic: String,
    pub partition: u32,
    pub position: Option<i64>,
    pub end: i64,
    pub lag: i64,
    /// Of orders alone, as are the next two: what is before it may be archived.
    pub cell: Option<i64>,
    pub archived: Option<i64>,
    /// Processed, and not in the lake.
    pub archive_lag: Option<i64>,
    /// Of the topic by key alone: the publication that this shard works with.
    pub publication: Option<i64>,
}

/// Puts two looks, `apart` from one another, and the lake's into one.
#[must_use]
pub fn report(place: &Place, (first, second, apart): (&Look, &Look, Duration), group: Group, lake: LakeLook) -> Report {
    let orders = &place.topics.orders;
    let ((done_before, end_before), (done, end)) = (first.sums(orders), second.sums(orders));
    #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
    let rate = |before: i64, after: i64| (after - before).max(0) as f64 / apart.as_secs_f64();
    let used = second.partitions.iter().filter_map(|partition| partition.publication).min();
    let partitions = second.partitions.iter().map(|partition| of_partition(partition, orders, &lake.archived));
    let newest = lake.publications.last().map(|newest| newest.id);
    let mut report = Report {
        in_use: used.map(|id| publication(id, &lake)),
        newest: newest.map(|id| publication(id, &lake)),
        rates: Rates { written: rate(end_before, end), processed: rate(done_before, done) },
        lag: second.partitions.iter().map(|partition| partition.lag).sum(),
        partitions: partitions.collect(),
        notes: Vec::new(),
        group,
    };
    report.notes = notes(&report, second, &lake, &place.lake);
    report
}

fn of_partition(partition: &Partition, orders: &str, archived: &[Option<i64>]) -> PartitionReport {
    let is_order = partition.topic == orders;
    let archived = archived.get(partition.partition as usize).copied().flatten().filter(|_| is_order);
    PartitionReport {
        topic: partition.topic.clone(),
        partition: partition.partition,
        position: partition.position,
        end: partition.end,
        lag: partition.lag,
        cell: partition.cell.filter(|_| is_order),
        archived,
        archive_lag: partition.position.zip(archived).map(|(position, archived)| (position - archived).max(0)),
        publication: partition.publication,
    }
}

fn publication(id: i64, lake: &LakeLook) -> Publication {
    let published_at = lake.publications.iter().find(|found| found.id == id).map(|found| found.published_at);
    let age_seconds = published_at.map(|at| (EventTime::now().micros() - at.micros()) / 1_000_000);
    Publication { publication: id, published_at, age_seconds }
}

fn notes(report: &Report, look: &Look, lake: &LakeLook, location: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let name = &report.group.name;
    notes.extend(look.missing.iter().map(|topic| format!("there is no topic {topic}; `speed run` makes it")));
    let committed = look.partitions.iter().any(|partition| partition.position.is_some());
    if !committed {
        notes.push(format!("group {name} has processed nothing yet; start `speed run`, or name its --group"));
    } else if report.group.members == 0 && report.group.state.as_deref() == Some("Empty") {
        notes.push(format!("nobody works for group {name} now; start `speed run`"));
    }
    if let Some(trouble) = &lake.trouble {
        notes.push(trouble.clone());
    } else if lake.publications.is_empty() {
        notes.push(format!("lake {location} has no publication; make one with `batch run --input FILE`"));
    }
    let ids = report.in_use.as_ref().zip(report.newest.as_ref());
    if let Some((used, newest)) = ids.filter(|(used, newest)| used.publication < newest.publication) {
        let (used, newest) = (used.publication, newest.publication);
        notes.push(format!(
            "publication {newest} is there, but {used} is in use: a running group takes it up within 2 s"
        ));
    }
    for partition in look.partitions.iter().filter(|partition| partition.position.is_some_and(|at| at < partition.low))
    {
        let Partition { topic, partition, low, .. } = partition;
        notes.push(format!(
            "topic {topic}, partition {partition}: retention has deleted up to {low} before it was processed"
        ));
    }
    let archived = &report.partitions;
    for (look, partition) in look.partitions.iter().zip(archived) {
        if partition.archived.zip(partition.cell).is_some_and(|(archived, cell)| archived < look.low && archived < cell)
        {
            let (topic, number, low) = (&partition.topic, partition.partition, look.low);
            notes.push(format!(
                "topic {topic}, partition {number}: retention has deleted up to {low} before it was archived"
            ));
        }
    }
    notes
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Group { name, state, members } = &self.group;
        let state = state.as_deref().unwrap_or("unknown");
        let noun = if *members == 1 { "member" } else { "members" };
        writeln!(out, "group {name}: {state}, {members} {noun}")?;
        if let Some(used) = &self.in_use {
            write!(out, "publication {} in use", used.publication)?;
            if let Some(age) = used.age_seconds {
                write!(out, ", {} old", span(age))?;
            }
            match self.newest.as_ref().map(|newest| newest.publication) {
                Some(newest) if newest == used.publication => writeln!(out, ", the newest in the lake")?,
                Some(newest) => writeln!(out, "; the newest in the lake is {newest}")?,
                None => writeln!(out)?,
            }
        } else if let Some(newest) = &self.newest {
            writeln!(out, "no publication in use; the newest in the lake is {}", newest.publication)?;
        }
        let Rates { written, processed } = self.rates;
        writeln!(out, "{written:.0} orders/s written, {processed:.0}/s processed; {} wait", grouped(self.lag))?;
        self.write_table(out)?;
        self.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))
    }
}

impl Report {
    fn write_table(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.partitions.is_empty() {
            return Ok(());
        }
        let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
        let header = ["topic", "partition", "position", "end", "lag", "cell", "archived", "to archive"];
        let rows: Vec<[String; 8]> =
            std::iter::once(header.map(str::to_owned)).chain(self.partitions.iter().map(cells)).collect();
        for (place, cell) in rows.iter().flat_map(|row| row.iter().enumerate()) {
            let width = widths.entry(place).or_default();
            *width = (*width).max(cell.chars().count());
        }
        writeln!(out)?;
        for row in &rows {
            let mut line = String::new();
            for (place, cell) in row.iter().enumerate() {
                let width = widths.get(&place).copied().unwrap_or_default();
                line += &if place == 0 { format!("{cell:width$}") } else { format!("  {cell:>width$}") };
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn cells(row: &PartitionReport) -> [String; 8] {
    let maybe = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), grouped);
    [
        row.topic.clone(),
        row.partition.to_string(),
        maybe(row.position),
        grouped(row.end),
        grouped(row.lag),
        maybe(row.cell),
        maybe(row.archived),
        maybe(row.archive_lag),
    ]
}

/// `1,234,567`
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `40 s`, `12 min`, `5 h`, `3 days`
fn span(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
