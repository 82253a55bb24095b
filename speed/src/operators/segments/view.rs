//! What customers are judged by: a publication, and the moment that recency is counted to.

use std::sync::Arc;

use data::EventTime;
use data::base::Base;
use data::merge::{BaseOf, Totals};
use data::model::Segment;

/// A publication seen from a reference time.
#[derive(Clone, Debug)]
pub struct View {
    pub base: Arc<Base>,
    /// Of the topic `orders`: Kafka's id, by which the publication names its offsets.
    pub topic_id: Arc<str>,
    pub reference: EventTime,
}

impl View {
    /// The publication's reference time, or the day after the partition's newest order, whichever is later.
    #[must_use]
    pub fn new(base: Arc<Base>, topic_id: Arc<str>, newest: Option<EventTime>) -> Self {
        let mut view = Self { reference: base.reference, base, topic_id };
        view.reference = view.reference_with(newest);
        view
    }

    #[must_use]
    pub fn reference_with(&self, newest: Option<EventTime>) -> EventTime {
        let eve = newest.map(|newest| EventTime::at_day(newest.day() + 1));
        eve.map_or(self.base.reference, |next| next.max(self.base.reference))
    }

    #[must_use]
    pub fn of(&self, id: &str) -> BaseOf<'_> {
        self.base.of(id, &self.topic_id)
    }

    #[must_use]
    pub fn covers(&self, partition: u32, offset: i64) -> bool {
        data::merge::covers(self.base.covered(&self.topic_id), partition, offset)
    }

    #[must_use]
    pub fn segment(&self, totals: &Totals) -> Option<&Segment> {
        self.base.segment(totals, self.reference)
    }

    #[must_use]
    pub fn segment_named(&self, id: Option<u32>) -> Option<&Segment> {
        let id = id?;
        self.base.model.segments.iter().find(|segment| segment.id == id)
    }
}
