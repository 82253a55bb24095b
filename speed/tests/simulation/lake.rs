//! The lake, its archiver and its batch runs, in memory.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use data::base::{Base, BaseParts};
use data::merge::{InvoiceHash, InvoiceSet, Span, Totals};
use data::model::{Model, Segment};
use data::{EventTime, Money};

use super::chance::Chance;
use super::orders::Line;
use super::sabotage::Sabotage;
use super::shelf::Published;

/// Kafka's id of the topic `orders`.
pub const ORDERS_ID: &str = "orders-id";

#[derive(Clone, Debug)]
pub struct LakeLine {
    pub line: Line,
    /// Partition and offset, for a line of the topic.
    pub source: Option<(u32, i64)>,
}

/// The table `orders`, append-only: a version is a length.
#[derive(Debug)]
pub struct Lake {
    pub lines: Vec<LakeLine>,
    /// By partition: the application transaction's version, the next offset to archive.
    pub archived: BTreeMap<u32, i64>,
    /// What was there at each version.
    versions: Vec<(usize, Vec<i64>)>,
    pub published: Published,
    /// What each publication rests on, as [`Lake::published`].
    pub truth: Vec<Truth>,
    model: Model,
}

/// What a publication says, in truth.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The first lines of the table.
    pub lines: usize,
    pub covered: Vec<i64>,
    /// Made honestly, whatever the shelf hands out.
    pub base: Arc<Base>,
}

impl Lake {
    pub fn new(chance: &mut Chance) -> Self {
        let count = chance.between(2, 4);
        let segments = (0..count).map(|id| segment(id, chance)).collect();
        let model = Model { k: count as usize, seed: 0, scale: [4.0, 2.0, 60.0], inertia: 0.0, segments };
        Self {
            lines: Vec::new(),
            archived: BTreeMap::new(),
            versions: vec![(0, Vec::new())],
            published: Published::default(),
            truth: Vec::new(),
            model,
        }
    }

    /// One Delta commit: lines, and up to where the partition is archived with them.
    pub fn append(&mut self, lines: Vec<LakeLine>, archived: Option<(u32, i64)>) {
        self.lines.extend(lines);
        if let Some((partition, next)) = archived {
            self.archived.insert(partition, next);
        }
        let partitions = self.archived.last_key_value().map_or(0, |(last, _)| last + 1);
        let covered = (0..partitions).map(|partition| self.archived.get(&partition).copied().unwrap_or_default());
        self.versions.push((self.lines.len(), covered.collect()));
    }

    /// A batch run over some version that is not older than the one published last.
    pub fn publish(&mut self, sabotage: Sabotage, chance: &mut Chance) {
        let least = self.truth.last().map_or(0, |truth| truth.lines);
        let candidates: Vec<_> = self.versions.iter().filter(|(lines, _)| *lines >= least).cloned().collect();
        let at_least = self.truth.last().map(|truth| truth.covered.clone()).unwrap_or_default();
        let candidates: Vec<_> = candidates.into_iter().filter(|(_, covered)| reaches(covered, &at_least)).collect();
        let place = if chance.one_in(2) { candidates.len() - 1 } else { chance.index(candidates.len()) };
        self.publish_version(&candidates[place].clone(), sabotage, chance);
    }

    /// A batch run over everything that is there.
    pub fn publish_newest(&mut self, sabotage: Sabotage, chance: &mut Chance) {
        let newest = self.versions.last().expect("the first one is empty").clone();
        self.publish_version(&newest, sabotage, chance);
    }

    fn publish_version(&mut self, (lines, covered): &(usize, Vec<i64>), sabotage: Sabotage, chance: &mut Chance) {
        if chance.one_in(3) {
            let place = chance.index(self.model.segments.len());
            let fresh = segment(self.model.segments[place].id, chance);
            self.model.segments[place] = fresh;
        }
        let id = i64::try_from(self.truth.len()).expect("few") + 1;
        let newest = self.lines[..*lines].iter().map(|line| line.line.at.day()).max().unwrap_or(15_000);
        let day = if chance.one_in(8) { newest + i64::from(chance.below(9)) - 4 } else { newest + 1 };
        let make = |covered: &[i64], forgotten: bool| {
            let counted = count(&self.lines[..*lines]);
            let parts = BaseParts {
                invoices: if forgotten { InvoiceSet::default() } else { counted.invoices },
                publication: id,
                reference: EventTime::at_day(day),
                covered: BTreeMap::from([(ORDERS_ID.to_owned(), covered.to_vec())]),
                customers: counted.customers,
                ..BaseParts::default()
            };
            Arc::new(Base::new(parts, self.model.clone()))
        };
        let base = make(covered, false);
        let shown = match sabotage {
            Sabotage::ForgetsOne => make(&covered.iter().map(|next| next + 1).collect::<Vec<_>>(), false),
            Sabotage::KeepsOne => make(&covered.iter().map(|next| next - 1).collect::<Vec<_>>(), false),
            Sabotage::CoveredCounted => make(&[], false),
            Sabotage::InvoicesForgotten => make(covered, true),
            _ => Arc::clone(&base),
        };
        self.published.lock().expect("one thread").push(shown);
        self.truth.push(Truth { lines: *lines, covered: covered.clone(), base });
    }
}

fn reaches(covered: &[i64], least: &[i64]) -> bool {
    least.iter().enumerate().all(|(partition, least)| covered.get(partition).copied().unwrap_or_default() >= *least)
}

fn segment(id: u32, chance: &mut Chance) -> Segment {
    let mut unit = |most: f64| f64::from(chance.below(1_000)) / 1_000.0 * most;
    Segment { id, name: format!("segment {id}"), customers: 1, centroid: [unit(3.0), unit(3.0), unit(4.0)] }
}

/// What a batch run computes of lines.
fn count(lines: &[LakeLine]) -> BaseParts {
    let mut hashes = BTreeSet::new();
    for LakeLine { line, .. } in lines.iter().filter(|line| line.line.amount > 0) {
        hashes.insert(InvoiceHash::of(line.customer.as_bytes(), line.invoice.as_bytes()).0);
    }
    let customers = tally(lines.iter().map(|line| &line.line));
    BaseParts {
        customers: customers.into_iter().map(|(id, tally)| (id.to_owned(), tally.totals())).collect(),
        invoices: InvoiceSet::new(hashes.into_iter().collect()),
        ..BaseParts::default()
    }
}

/// One customer, added up the plain way.
#[derive(Clone, Debug, Default)]
pub struct Tally<'l> {
    invoices: HashSet<&'l str>,
    monetary: i64,
    span: Option<(EventTime, EventTime)>,
}

impl<'l> Tally<'l> {
    pub fn add(&mut self, line: &'l Line) {
        self.monetary += line.amount;
        if line.amount > 0 {
            self.invoices.insert(&line.invoice);
            let (first, last) = self.span.unwrap_or((line.at, line.at));
            self.span = Some((first.min(line.at), last.max(line.at)));
        }
    }

    pub fn totals(&self) -> Totals {
        Totals {
            frequency: self.invoices.len() as u64,
            monetary: Money::from_raw(self.monetary),
            span: self.span.map(|(first, last)| Span { first, last }),
        }
    }
}

pub fn tally<'l>(lines: impl Iterator<Item = &'l Line>) -> BTreeMap<&'l str, Tally<'l>> {
    let mut customers: BTreeMap<&str, Tally<'_>> = BTreeMap::new();
    for line in lines {
        customers.entry(line.customer.as_str()).or_default().add(line);
    }
    customers
}
