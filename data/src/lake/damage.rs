//! Damaged files of a table's log. The Delta kernel tells what is wrong, but not with which file, and takes a
//! commit that a crash of the machine left empty for one that changed nothing.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::{Error, Lake, Table};

const LOG: &str = "_delta_log";

/// The first commit up to `version` that is empty; looked for where a file can lose its content, on a disk.
pub(super) async fn empty_commit(lake: &Lake, table: Table, version: Option<u64>) -> Option<Error> {
    lake.local_path()?;
    let (commits, _) = commits(lake, table, version).await?;
    let (version, _) = commits.iter().find(|(_, commit)| commit.size == 0)?;
    Some(damaged(table, *version, "is empty".to_owned()))
}

/// The first commit up to `version` that is missing, empty or unreadable.
pub(super) async fn find(lake: &Lake, table: Table, version: Option<u64>) -> Option<Error> {
    let (commits, has_checkpoint) = commits(lake, table, version).await?;
    // What a checkpoint covers may have been cleared away.
    let first = if has_checkpoint { *commits.first_key_value()?.0 } else { 0 };
    for wanted in first..=*commits.last_key_value()?.0 {
        let Some(commit) = commits.get(&wanted) else {
            return Some(damaged(table, wanted, "is missing".to_owned()));
        };
        if let Some(reason) = unreadable(lake, commit).await {
            return Some(damaged(table, wanted, reason));
        }
    }
    None
}

/// Commits by version, and whether there are checkpoints; `None` when they cannot be listed.
async fn commits(lake: &Lake, table: Table, until: Option<u64>) -> Option<(BTreeMap<u64, ObjectMeta>, bool)> {
    let folder = lake.prefix.clone().join(table.name()).join(LOG);
    let files: Vec<ObjectMeta> = lake.store.list(Some(&folder)).try_collect().await.ok()?;
    let has_checkpoint = files.iter().any(|file| file.location.as_ref().ends_with(".parquet"));
    let version = |file: &ObjectMeta| file.location.filename()?.strip_suffix(".json")?.parse::<u64>().ok();
    let commits = files.into_iter().filter_map(|file| Some((version(&file)?, file)));
    Some((commits.filter(|(version, _)| until.is_none_or(|until| *version <= until)).collect(), has_checkpoint))
}

async fn unreadable(lake: &Lake, commit: &ObjectMeta) -> Option<String> {
    if commit.size == 0 {
        return Some("is empty".to_owned());
    }
    let content = async { lake.store.get(&commit.location).await?.bytes().await };
    let bytes = match content.await {
        Ok(bytes) => bytes,
        Err(error) => return Some(format!("cannot be read: {error}")),
    };
    let mut actions = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let error = actions.find_map(|line| serde_json::from_slice::<serde_json::Value>(line).err())?;
    Some(format!("is damaged: {error}"))
}

fn damaged(table: Table, version: u64, reason: String) -> Error {
    Error::Log { table, file: format!("{LOG}/{version:020}.json"), reason }
}
