//! Every customer of a publication, judged at one reference time.

use std::sync::{Arc, OnceLock};

use data::merge::Totals;
use data::{EventTime, Money};

use super::{Batch, Column, Measure, Sums};

/// What a page shows of one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Invoices.
    pub frequency: u32,
    pub monetary: Money,
    pub first: EventTime,
    pub last: EventTime,
    /// The segment, as its position in the model.
    pub label: u8,
    /// Recency, frequency, monetary: 1 (worst) to 5 (best).
    pub scores: [u8; 3],
}

impl Figures {
    fn of(totals: &Totals, label: usize, scores: [u8; 3]) -> Option<Self> {
        let span = totals.span?;
        Some(Self {
            frequency: u32::try_from(totals.frequency).unwrap_or(u32::MAX),
            monetary: totals.monetary,
            first: span.first,
            last: span.last,
            label: u8::try_from(label).unwrap_or(u8::MAX),
            scores,
        })
    }
}

/// A publication with the segments and scores that its customers have at `reference`.
#[derive(Debug)]
pub struct Judged {
    pub batch: Arc<Batch>,
    pub reference: EventTime,
    /// Of the publication's customers, as they are in it.
    pub sums: Sums,
    labels: Vec<u8>,
    recency_scores: Vec<u8>,
    /// By measure, then label; made when they are asked for first.
    columns: OnceLock<[Vec<Column>; 3]>,
}

impl Judged {
    #[must_use]
    pub fn new(batch: Arc<Batch>, reference: EventTime) -> Self {
        let customers = batch.base.len();
        let sums = Sums::of_segments(batch.base.model.segments.len());
        let (labels, recency_scores) = (Vec::with_capacity(customers), Vec::with_capacity(customers));
        let mut judged = Self { batch, reference, sums, labels, recency_scores, columns: OnceLock::new() };
        for place in 0..customers {
            let figures = judged.standing(place);
            let (label, recency_score) = figures.map_or((0, 0), |figures| {
                let [recency, ..] = figures.scores;
                (figures.label, recency)
            });
            judged.labels.push(label);
            judged.recency_scores.push(recency_score);
            if let Some(figures) = figures {
                judged.sums.add(&figures);
            }
        }
        judged
    }

    /// The customer at `place` of the publication, at this reference time: it decides about the label and the recency score.
    fn standing(&self, place: usize) -> Option<Figures> {
        let base = &self.batch.base;
        let totals = base.totals(place);
        let (span, features) = (totals.span?, totals.features(self.reference)?);
        let (label, _) = base.model.nearest_label(features)?;
        let [_, frequency, monetary] = self.batch.scores(place);
        let recency = self.batch.edges.recency(span.last.days_before(self.reference));
        Figures::of(&totals, label, [recency, frequency, monetary])
    }

    /// What a customer with `totals` comes to, who has `place` in the publication; `None` without a purchase.
    #[must_use]
    pub fn judge(&self, totals: &Totals, place: Option<usize>) -> Option<Figures> {
        let (span, features) = (totals.span?, totals.features(self.reference)?);
        let base = &self.batch.base;
        let (label, _) = base.model.nearest_label(features)?;
        let published = place.map(|place| (base.totals(place), self.batch.scores(place)));
        Figures::of(totals, label, self.scores(totals, span.last.days_before(self.reference), published))
    }

    fn scores(&self, totals: &Totals, days: i64, published: Option<(Totals, [u8; 3])>) -> [u8; 3] {
        let edges = &self.batch.edges;
        let invoices = i64::try_from(totals.frequency).unwrap_or(i64::MAX);
        let own = published.filter(|(before, _)| before.frequency == totals.frequency);
        // Equal frequencies are ranked: who did not order keeps the rank.
        let frequency = own.map_or_else(|| edges.frequency(invoices), |(_, [_, frequency, _])| frequency);
        [edges.recency(days), frequency, edges.monetary(totals.monetary.raw())]
    }

    /// The customer at `place`, as the publication has it; `None` without a purchase.
    #[must_use]
    pub fn figures(&self, place: usize) -> Option<Figures> {
        let totals = self.batch.base.totals(place);
        let [_, frequency, monetary] = self.batch.scores(place);
        let recency = self.recency_scores.get(place).copied()?;
        Figures::of(&totals, usize::from(*self.labels.get(place)?), [recency, frequency, monetary])
    }

    /// The customer at `place` as the run published it, at the publication's own reference time.
    #[must_use]
    pub fn published(&self, place: usize) -> Option<Figures> {
        let base = &self.batch.base;
        let features = base.totals(place).features(base.reference)?;
        let (label, _) = base.model.nearest_label(features)?;
        let label = u8::try_from(label).unwrap_or(u8::MAX);
        Some(Figures { label, scores: self.batch.scores(place), ..self.figures(place)? })
    }

    /// The ordered values of one segment's customers, or of all; `None` where there is no such segment.
    #[must_use]
    pub fn column(&self, label: Option<u8>, measure: Measure) -> Option<&Column> {
        let Some(label) = label else { return Some(&self.batch.ordered(measure).column) };
        let label_of = |place: usize| self.labels.get(place).copied().unwrap_or(u8::MAX);
        let segments = self.batch.base.model.segments.len();
        let columns = self
            .columns
            .get_or_init(|| Measure::ALL.map(|measure| self.batch.ordered(measure).by_label(segments, label_of)));
        columns.get(measure as usize)?.get(usize::from(label))
    }
}
