//! What comes out of matching.

use crate::StageId;
use crate::store::Events;

/// Something to report.
#[derive(Debug)]
pub enum Output<'a, E> {
    /// All stages were found; its time is that of the event, or of the watermark, which completed or released it.
    Match(Found<'a, E>),
    /// A run left its window; its time is when the window closed.
    Timeout(Found<'a, E>),
    /// So many runs were dropped, because the key went beyond [`crate::Limits`].
    Shed { pattern: usize, runs: usize },
}

/// The events of a match, or of a run that timed out. It borrows them: copies cost nothing.
#[derive(Debug)]
pub struct Found<'a, E> {
    /// The pattern's number.
    pub pattern: usize,
    /// Milliseconds: the time that Flink stamps on it.
    pub at: i64,
    pub(crate) path: &'a [(u16, u32)],
    pub(crate) events: &'a Events<E>,
}

impl<E> Clone for Found<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Found<'_, E> {}

impl<'a, E> Found<'a, E> {
    /// Its events with their stages and times, in the order in which they were taken.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = (StageId, i64, &'a E)> + use<'a, E> {
        let Self { path, events, .. } = *self;
        let event = move |&(stage, event): &(u16, u32)| {
            events.get(event).map(|taken| (StageId::from(stage), events.at(event), taken))
        };
        path.iter().filter_map(event)
    }
}
