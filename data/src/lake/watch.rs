//! Noticing that something newer was published.

use super::{Lake, Publication, Result, Table};

/// Looks for newer publications; while there is none, a look costs one HEAD request (in a folder, one look at a file).
#[derive(Debug)]
pub struct PublicationWatch {
    lake: Lake,
    /// The version of `publications` that is not there yet; `None` before the first look.
    next: Option<u64>,
    seen: Option<i64>,
}

impl PublicationWatch {
    /// Watches for what is newer than publication `seen`; `None` for any.
    #[must_use]
    pub const fn new(lake: Lake, seen: Option<i64>) -> Self {
        Self { lake, next: None, seen }
    }

    /// The newest publication, unless an earlier look has found it; those between are passed over.
    ///
    /// # Errors
    /// When the lake cannot be read; the next look tries again.
    pub async fn poll(&mut self) -> Result<Option<Publication>> {
        if let Some(next) = self.next
            && !self.lake.has_commit(Table::Publications, next).await?
        {
            return Ok(None);
        }
        let Some(table) = self.lake.snapshot(Table::Publications, None).await? else { return Ok(None) };
        let newest = table.publications().await?.pop();
        self.next = Some(table.version() + 1);
        // Vacuum commits too, without a new publication.
        let newer = newest.filter(|publication| self.seen.is_none_or(|seen| publication.id > seen));
        self.seen = newer.as_ref().map(|publication| publication.id).or(self.seen);
        Ok(newer)
    }
}
