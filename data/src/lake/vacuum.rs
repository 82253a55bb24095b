//! Forgetting old publications, and removing the files that no kept one needs.

use std::collections::HashSet;
use std::time::Duration;

use arrow::compute::concat_batches;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

use super::{Error, Lake, Result, Snapshot, Table};

/// What a vacuum removed, or would remove.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Vacuumed {
    /// Ids of the forgotten publications.
    pub publications: Vec<i64>,
    pub files: u64,
    pub bytes: u64,
    pub kept_publications: u64,
}

/// Keeps the newest `keep` publications and removes what none of them, nor any table's present, needs.
///
/// Unfinished files younger than `grace` are left alone: a writer may be about to commit them.
///
/// # Errors
/// When the lake cannot be read or written.
pub async fn vacuum(lake: &Lake, keep: usize, grace: Duration, dry_run: bool) -> Result<Vacuumed> {
    let mut done = Vacuumed::default();
    let Some(mut publications) = lake.snapshot(Table::Publications, None).await? else { return Ok(done) };
    let all = publications.publications().await?;
    let (old, kept) = all.split_at(all.len().saturating_sub(keep));
    done.publications = old.iter().map(|publication| publication.id).collect();
    done.kept_publications = kept.len() as u64;
    if !dry_run && !old.is_empty() {
        let rows: Vec<_> = kept.iter().map(super::Publication::to_batch).collect::<Result<_>>()?;
        let rows = concat_batches(&std::sync::Arc::new(Table::Publications.file_schema()), &rows)
            .map_err(Error::columns(Table::Publications))?;
        publications.overwrite(&rows).await?;
    }
    for table in Table::ALL {
        let versions = kept.iter().filter_map(|publication| publication.versions.of(table));
        let needed = needed_files(lake, table, versions).await?;
        remove_others(lake, table, &needed, grace, dry_run, &mut done).await?;
    }
    Ok(done)
}

async fn needed_files(lake: &Lake, table: Table, versions: impl Iterator<Item = u64>) -> Result<HashSet<String>> {
    let mut needed = HashSet::new();
    let Some(present) = lake.snapshot(table, None).await? else { return Ok(needed) };
    let versions: HashSet<u64> = versions.filter(|version| *version != present.version()).collect();
    add_files(&present, &mut needed)?;
    for version in versions {
        if let Some(snapshot) = lake.snapshot(table, Some(version)).await? {
            add_files(&snapshot, &mut needed)?;
        }
    }
    Ok(needed)
}

fn add_files(snapshot: &Snapshot, needed: &mut HashSet<String>) -> Result<()> {
    needed.extend(snapshot.files()?.into_iter().map(|file| file.path));
    Ok(())
}

async fn remove_others(
    lake: &Lake,
    table: Table,
    needed: &HashSet<String>,
    grace: Duration,
    dry_run: bool,
    done: &mut Vacuumed,
) -> Result<()> {
    let folder = lake.prefix.clone().join(table.name());
    let objects: Vec<_> = lake.store.list(Some(&folder)).try_collect().await.map_err(Error::storage(table))?;
    let prefix = format!("{folder}/");
    let now = chrono::Utc::now();
    for object in objects {
        let path = object.location.as_ref();
        let relative = path.strip_prefix(&prefix).unwrap_or(path);
        if relative.starts_with("_delta_log") || needed.contains(relative) {
            continue;
        }
        let age = now.signed_duration_since(object.last_modified).to_std().unwrap_or_default();
        if age < grace {
            continue;
        }
        done.files += 1;
        done.bytes += object.size;
        if !dry_run {
            lake.store.delete(&object.location).await.map_err(Error::storage(table))?;
        }
    }
    Ok(())
}
