//! The publications, as each process knows them: some later than others.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use data::base::Base;
use speed::operators::segments::Shelf;

/// Everything published, oldest first; publication `n` stands at `n - 1`.
pub type Published = Arc<Mutex<Vec<Arc<Base>>>>;

/// What one process knows.
#[derive(Debug)]
pub struct SimShelf {
    published: Published,
    /// How many publications it has noticed.
    noticed: AtomicUsize,
    /// Whether publications but the newest cannot be had any more.
    pub forgets: AtomicBool,
    /// Whether the newest publication that it has noticed is kept back.
    pub is_behind: AtomicBool,
}

impl SimShelf {
    pub fn new(published: &Published) -> Self {
        let noticed = AtomicUsize::new(published.lock().expect("one thread").len());
        Self {
            published: Arc::clone(published),
            noticed,
            forgets: AtomicBool::new(false),
            is_behind: AtomicBool::new(false),
        }
    }

    /// Takes notice of the newest publication.
    pub fn look(&self) {
        self.noticed.store(self.published.lock().expect("one thread").len(), Ordering::Relaxed);
    }
}

impl Shelf for SimShelf {
    fn newest(&self) -> Arc<Base> {
        let published = self.published.lock().expect("one thread");
        let behind = usize::from(self.is_behind.load(Ordering::Relaxed));
        let noticed = self.noticed.load(Ordering::Relaxed) - 1;
        Arc::clone(&published[noticed.saturating_sub(behind)])
    }

    fn get(&self, id: i64) -> Option<Arc<Base>> {
        let published = self.published.lock().expect("one thread");
        let newest = published[self.noticed.load(Ordering::Relaxed) - 1].publication;
        let base = published.get(usize::try_from(id - 1).ok()?)?;
        (id == newest || !self.forgets.load(Ordering::Relaxed)).then(|| Arc::clone(base))
    }
}
