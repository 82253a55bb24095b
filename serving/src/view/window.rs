//! One merged view, which never changes: a request sees the same one from beginning to end.

use std::sync::{Arc, OnceLock};

use data::EventTime;
use data::model::Segment;

use super::ranks::{Changed, Ranks};
use super::{Figures, Judged, LiveCustomer, Measure, Overlay, Part, Sums};

#[derive(Debug)]
pub struct View {
    pub judged: Arc<Judged>,
    pub overlay: Overlay,
    pub sums: Sums,
    /// Grows from view to view of a process.
    pub version: u64,
    /// Whether live orders are merged into it.
    pub live: bool,
    changes: OnceLock<[Ranks; 2]>,
}

/// A customer of a view.
#[derive(Clone, Copy, Debug)]
pub struct Row<'v> {
    pub id: &'v str,
    /// Among the publication's customers.
    pub place: Option<usize>,
    pub figures: Figures,
    pub country: Option<&'v str>,
    /// Present when live orders changed the customer.
    pub live: Option<&'v LiveCustomer>,
}

impl View {
    #[must_use]
    pub const fn new(judged: Arc<Judged>, overlay: Overlay, sums: Sums, version: u64, live: bool) -> Self {
        Self { judged, overlay, sums, version, live, changes: OnceLock::new() }
    }

    /// A publication alone.
    #[must_use]
    pub fn of_batch(judged: Arc<Judged>) -> Self {
        let (overlay, sums) = (Overlay::new(judged.batch.base.len()), judged.sums.clone());
        Self::new(judged, overlay, sums, 0, false)
    }

    #[must_use]
    pub fn reference(&self) -> EventTime {
        self.judged.reference
    }

    #[must_use]
    pub fn publication(&self) -> i64 {
        self.judged.batch.base.publication
    }

    /// In the order of the labels.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.judged.batch.base.model.segments
    }

    #[must_use]
    pub fn segment(&self, label: u8) -> Option<&Segment> {
        self.segments().get(usize::from(label))
    }

    #[must_use]
    pub fn label_of(&self, segment_id: u32) -> Option<u8> {
        let label = self.segments().iter().position(|segment| segment.id == segment_id)?;
        u8::try_from(label).ok()
    }

    #[must_use]
    pub fn part(&self, label: u8) -> Part {
        self.sums.segments.get(usize::from(label)).copied().unwrap_or_default()
    }

    /// The customer called `id`; `None` for one without a purchase.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Row<'_>> {
        if let Some((id, live)) = self.overlay.entry(id) {
            return Some(self.live_row(id, live));
        }
        self.base_row(self.judged.batch.base.find(id)?)
    }

    /// Every customer with a purchase: those of the publication by id, then those whom live orders changed.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let base = (0..self.judged.batch.base.len()).filter(|place| !self.overlay.has(*place));
        let base = base.filter_map(|place| self.base_row(place));
        base.chain(self.overlay.iter().map(|(id, live)| self.live_row(id, live)))
    }

    fn base_row(&self, place: usize) -> Option<Row<'_>> {
        let batch = &self.judged.batch;
        let figures = self.judged.figures(place)?;
        Some(Row { id: batch.base.id(place), place: Some(place), figures, country: batch.country(place), live: None })
    }

    fn live_row<'v>(&'v self, id: &'v str, live: &'v LiveCustomer) -> Row<'v> {
        let place = live.place.map(|place| place as usize);
        let published = place.and_then(|place| self.judged.batch.country(place));
        Row { id, place, figures: live.figures, country: live.country.as_deref().or(published), live: Some(live) }
    }

    /// The median of a measure in one segment or in all; recency in days.
    #[must_use]
    pub fn median(&self, label: Option<u8>, measure: Measure) -> Option<f64> {
        let median = self.changed(label, measure)?.median()?;
        Some(match measure {
            Measure::LastDay => days(self.reference()) - median,
            Measure::Frequency => median,
            Measure::Monetary => median / data::money::UNIT_F64,
        })
    }

    /// Share of the customers below this one in recency (days), frequency and monetary.
    #[must_use]
    pub fn percentiles(&self, customer: &Figures) -> [f64; 3] {
        Measure::ALL.map(|measure| {
            let changed = self.changed(None, measure);
            let (below, above) = changed.map_or((0.0, 0.0), |changed| changed.shares(measure.of(customer)));
            if measure == Measure::LastDay { above } else { below }
        })
    }

    fn changed(&self, label: Option<u8>, measure: Measure) -> Option<Changed<'_>> {
        let [minus, plus] = self.changes();
        let base = self.judged.column(label, measure)?;
        Some(Changed { base, minus: minus.column(label, measure)?, plus: plus.column(label, measure)? })
    }

    /// What live orders took from the publication's columns, and what they added.
    fn changes(&self) -> &[Ranks; 2] {
        self.changes.get_or_init(|| {
            let segments = self.segments().len();
            let live = || self.overlay.iter().map(|(_, customer)| customer);
            let before = live().filter_map(|customer| self.judged.figures(customer.place? as usize)).collect();
            let now = live().map(|customer| customer.figures).collect();
            [before, now].map(|customers: Vec<Figures>| Ranks::new(segments, &customers))
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "days are far below 2^53")]
const fn days(time: EventTime) -> f64 {
    time.day() as f64
}
