//! Forgetting old publications, and removing the files that no kept one needs.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use arrow::compute::concat_batches;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

use super::files::percent_decoded;
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
/// The caller holds the lake's writer lock. The tables of order lines and the ledger are also written without it:
/// there, files younger than `grace` are left alone, since a writer may be about to commit them.
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
        // Forgetting replaces the files of `publications`, which a dry run still finds in place.
        let replaced = table == Table::Publications && dry_run && !old.is_empty();
        let needed = if replaced { HashSet::new() } else { needed_files(lake, table, versions).await? };
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
    needed.extend(snapshot.files()?.into_iter().map(|file| percent_decoded(&file.path)));
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
    let grace =
        if matches!(table, Table::Orders | Table::RejectedOrders | Table::Sources) { grace } else { Duration::ZERO };
    for file in files(lake, table).await? {
        let of_the_log = file.path.starts_with("_delta_log/") && !file.is_unfinished();
        if of_the_log || needed.contains(&file.path) || file.age < grace {
            continue;
        }
        done.files += 1;
        done.bytes += file.bytes;
        if !dry_run {
            remove(lake, table, &file.path).await?;
        }
    }
    Ok(())
}

/// Removes a table, its log first: without that it is none.
pub(super) async fn remove_all(lake: &Lake, table: Table) -> Result<()> {
    if let Some(root) = lake.local_path() {
        let folder = root.join(table.name());
        return match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(local(table, &folder, error)),
            _ => Ok(()),
        };
    }
    let mut found = files(lake, table).await?;
    found.sort_by_key(|file| !file.path.starts_with("_delta_log/"));
    for file in found {
        remove(lake, table, &file.path).await?;
    }
    Ok(())
}

/// A file in a table's folder, whether or not a commit names it.
struct Found {
    /// Relative to the table, separated by `/`.
    path: String,
    bytes: u64,
    age: Duration,
}

impl Found {
    /// What a killed process leaves in a local lake, `part-….parquet#1`: the object store neither lists it nor lets
    /// it be named. S3 keeps such parts out of sight too; a lifecycle rule of the bucket removes them.
    fn is_unfinished(&self) -> bool {
        self.path.rsplit_once('#').is_some_and(|(_, number)| number.parse::<u32>().is_ok())
    }
}

async fn files(lake: &Lake, table: Table) -> Result<Vec<Found>> {
    if let Some(root) = lake.local_path() {
        let mut found = Vec::new();
        walk(&root.join(table.name()), "", &mut found).map_err(|(path, error)| local(table, &path, error))?;
        return Ok(found);
    }
    let folder = lake.prefix.clone().join(table.name());
    let objects: Vec<_> = lake.store.list(Some(&folder)).try_collect().await.map_err(Error::storage(table))?;
    let prefix = format!("{folder}/");
    let now = chrono::Utc::now();
    let found = objects.into_iter().map(|object| {
        let path = object.location.as_ref();
        Found {
            path: path.strip_prefix(&prefix).unwrap_or(path).to_owned(),
            bytes: object.size,
            age: now.signed_duration_since(object.last_modified).to_std().unwrap_or_default(),
        }
    });
    Ok(found.collect())
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<Found>) -> std::result::Result<(), (PathBuf, io::Error)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(at(folder))?,
    };
    for entry in entries {
        let path = entry.map_err(at(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let relative = format!("{prefix}{name}");
        let metadata = match path.metadata() {
            // Another writer may end a file, and so rename it, meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata.map_err(at(&path))?,
        };
        if metadata.is_dir() {
            walk(&path, &format!("{relative}/"), found)?;
            continue;
        }
        let modified = metadata.modified().map_err(at(&path))?;
        let age = SystemTime::now().duration_since(modified).unwrap_or_default();
        found.push(Found { path: relative, bytes: metadata.len(), age });
    }
    Ok(())
}

async fn remove(lake: &Lake, table: Table, path: &str) -> Result<()> {
    if let Some(root) = lake.local_path() {
        let path = root.join(table.name()).join(path);
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(local(table, &path, error)),
            _ => Ok(()),
        };
    }
    lake.store.delete(&lake.object_path(table, path)).await.map_err(Error::storage(table))
}

fn local(table: Table, path: &Path, error: io::Error) -> Error {
    let source = io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    Error::storage(table)(object_store::Error::Generic { store: "LocalFileSystem", source: source.into() })
}
