//! The publications in memory: the newest, and the one before it while somebody still needs it.

use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use data::base::Base;
use data::lake::{Lake, Publication, PublicationWatch};
use tokio::runtime::Handle;

use crate::error::Result;
use crate::operators::segments::Shelf;

/// How often the lake is looked at; with loading it must stay below the 2 s of L-5.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub struct Catalog {
    lake: Lake,
    runtime: Handle,
    newest: RwLock<Arc<Base>>,
    older: Mutex<Vec<Weak<Base>>>,
}

impl Catalog {
    /// Loads the newest publication; as long as there is none, waits for one (L-5) until `stopped` says so.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn open(lake: Lake, stopped: impl Fn() -> bool) -> Result<Option<(Arc<Self>, PublicationWatch)>> {
        let mut watch = PublicationWatch::new(lake.clone(), None);
        let mut told = false;
        while !stopped() {
            if let Some(publication) = watch.poll().await? {
                let newest = RwLock::new(Arc::new(load(&lake, &publication).await?));
                let (runtime, older) = (Handle::current(), Mutex::default());
                return Ok(Some((Arc::new(Self { lake, runtime, newest, older }), watch)));
            }
            if !std::mem::replace(&mut told, true) {
                let lake = lake.location();
                tracing::warn!(lake, "waiting for the first publication: make one with `batch run --input FILE`");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(None)
    }

    /// Looks for newer publications for ever and puts them on the shelf.
    pub async fn keep_up(self: Arc<Self>, mut watch: PublicationWatch) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = self.look(&mut watch).await {
                tracing::warn!(%error, "the lake cannot be read; the publication stays as it is");
                tokio::time::sleep(LOOK_EVERY * 4).await;
            }
        }
    }

    async fn look(&self, watch: &mut PublicationWatch) -> Result<()> {
        let Some(publication) = watch.poll().await? else { return Ok(()) };
        let loaded = load(&self.lake, &publication).await;
        if loaded.is_err() {
            // Found again by the next look.
            *watch = PublicationWatch::new(self.lake.clone(), Some(self.newest().publication));
        }
        let base = Arc::new(loaded?);
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *newest, base);
        drop(newest);
        let mut older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        older.retain(|base| base.strong_count() > 0);
        older.push(Arc::downgrade(&before));
        Ok(())
    }

    fn held(&self, id: i64) -> Option<Arc<Base>> {
        let older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        older.iter().filter_map(Weak::upgrade).find(|base| base.publication == id)
    }
}

impl Shelf for Catalog {
    fn newest(&self) -> Arc<Base> {
        Arc::clone(&self.newest.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn get(&self, id: i64) -> Option<Arc<Base>> {
        let newest = self.newest();
        if newest.publication == id {
            return Some(newest);
        }
        if let Some(base) = self.held(id) {
            return Some(base);
        }
        let loaded = self.runtime.block_on(async {
            let publication = self.lake.publication(Some(id)).await?;
            load(&self.lake, &publication).await
        });
        let base =
            Arc::new(loaded.inspect_err(|error| tracing::warn!(id, %error, "an older publication is gone")).ok()?);
        self.older.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&base));
        Some(base)
    }
}

async fn load(lake: &Lake, publication: &Publication) -> Result<Base> {
    let since = Instant::now();
    let base = Base::load(lake, publication).await?;
    let (id, customers, invoices) = (base.publication, base.len(), base.invoices.len());
    tracing::info!(publication = id, customers, invoices, ms = since.elapsed().as_millis(), "publication loaded");
    Ok(base)
}
