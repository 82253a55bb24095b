//! Every publication by name, and some older ones in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use data::lake::{Lake, Publication, Table};
use data::{DateFormat, DayMonth, EventTime};

use super::Timeline;
use crate::error::Result;
use crate::view::{Batch, Judged, View};

/// Publications of the past held in memory at once.
const HELD: usize = 3;

/// Which publication a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    Publication(i64),
    /// The newest that was published by then.
    Time(EventTime),
}

impl AsOf {
    /// `12`, `2011-12-01` (its end) or `2011-12-01T12:00:00Z`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if !text.is_empty() && text.len() < 16 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self::Publication);
        }
        let time = DateFormat::Order(DayMonth::MonthFirst).parse(text.as_bytes())?;
        let is_date = text.trim().len() <= 10;
        let last = EventTime::from_micros(time.micros().saturating_add(data::time::DAY_MICROS - 1));
        Some(Self::Time(if is_date { last } else { time }))
    }
}

/// Filled by whoever asks first.
type TimelineCell = Arc<tokio::sync::OnceCell<Arc<Timeline>>>;

pub struct Shelf {
    lake: Lake,
    /// Oldest first.
    list: RwLock<Arc<Vec<Arc<Publication>>>>,
    held: Mutex<VecDeque<Arc<View>>>,
    timelines: Mutex<VecDeque<(i64, TimelineCell)>>,
    /// One at a time: each is as large as what is served.
    loading: tokio::sync::Mutex<()>,
}

impl Shelf {
    #[must_use]
    pub fn new(lake: Lake) -> Self {
        let (list, held, timelines, loading) = Default::default();
        Self { lake, list, held, timelines, loading }
    }

    #[must_use]
    pub const fn lake(&self) -> &Lake {
        &self.lake
    }

    /// Looks which publications there are.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn refresh(&self) -> Result<()> {
        let Some(table) = self.lake.snapshot(Table::Publications, None).await? else { return Ok(()) };
        let list = table.publications().await?.into_iter().map(Arc::new).collect();
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        Ok(())
    }

    /// Oldest first.
    #[must_use]
    pub fn list(&self) -> Arc<Vec<Arc<Publication>>> {
        Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner))
    }

    #[must_use]
    pub fn find(&self, as_of: AsOf) -> Option<Arc<Publication>> {
        let list = self.list();
        let wanted = |publication: &&Arc<Publication>| match as_of {
            AsOf::Publication(id) => publication.id == id,
            AsOf::Time(time) => publication.published_at <= time,
        };
        list.iter().rev().find(wanted).cloned()
    }

    /// The publication before the one called `id`.
    #[must_use]
    pub fn before(&self, id: i64) -> Option<Arc<Publication>> {
        self.list().iter().rev().find(|publication| publication.id < id).cloned()
    }

    /// The view of a publication alone, out of memory or the lake.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn view(&self, publication: &Arc<Publication>) -> Result<Arc<View>> {
        if let Some(view) = self.held(publication.id) {
            return Ok(view);
        }
        let _turn = self.loading.lock().await;
        if let Some(view) = self.held(publication.id) {
            return Ok(view);
        }
        let batch = Arc::new(Batch::load(&self.lake, Publication::clone(publication)).await?);
        let judged = tokio::task::spawn_blocking(move || Judged::new(Arc::clone(&batch), batch.base.reference));
        let view = Arc::new(View::of_batch(Arc::new(judged.await?)));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.push_front(Arc::clone(&view));
        held.truncate(HELD);
        Ok(view)
    }

    fn held(&self, id: i64) -> Option<Arc<View>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let place = held.iter().position(|view| view.publication() == id)?;
        let view = held.remove(place)?;
        held.push_front(Arc::clone(&view));
        Some(view)
    }

    /// Who paid what when, up to the view's publication: read once.
    ///
    /// # Errors
    /// When the orders cannot be read.
    pub async fn timeline(&self, view: &View) -> Result<Arc<Timeline>> {
        let cell = self.timeline_cell(view.publication());
        let read = || async {
            let since = std::time::Instant::now();
            let timeline = Timeline::read(&self.lake, Arc::clone(&view.judged.batch)).await?;
            tracing::info!(payments = timeline.len(), ms = since.elapsed().as_millis(), "orders over time read");
            Ok(Arc::new(timeline))
        };
        cell.get_or_try_init(read).await.map(Arc::clone)
    }

    fn timeline_cell(&self, id: i64) -> TimelineCell {
        let mut timelines = self.timelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cell)) = timelines.iter().find(|(own, _)| *own == id) {
            return Arc::clone(cell);
        }
        let cell = Arc::default();
        timelines.push_front((id, Arc::clone(&cell)));
        timelines.truncate(HELD);
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_of_is_a_publication_or_a_time() {
        assert_eq!(AsOf::read("12"), Some(AsOf::Publication(12)));
        let noon = EventTime::from_micros(1_322_740_800_000_000);
        assert_eq!(AsOf::read("2011-12-01T12:00:00Z"), Some(AsOf::Time(noon)));
        let end = EventTime::from_micros(EventTime::at_day(noon.day() + 1).micros() - 1);
        assert_eq!(AsOf::read("2011-12-01"), Some(AsOf::Time(end)));
        assert_eq!(AsOf::read("yesterday"), None);
        assert_eq!(AsOf::read(""), None);
    }
}
