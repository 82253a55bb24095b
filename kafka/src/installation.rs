//! Where Kafka's libraries are.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The folder of Kafka's libraries: `$CLIENTELE_KAFKA`, or what an earlier `./just` put into the tools folder.
///
/// # Errors
/// [`Error::NotInstalled`], which says how to get them.
pub fn libraries() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("CLIENTELE_KAFKA").map(PathBuf::from) {
        let reason = format!("{} of CLIENTELE_KAFKA is no folder of Kafka's libraries", folder.display());
        return if holds_kafka(&folder) { Ok(folder) } else { Err(Error::NotInstalled { reason }) };
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools");
    let tools = env::var_os("CLIENTELE_TOOLS").map_or(beside, PathBuf::from);
    let complete = tools.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = complete
        .filter(|path| path.join("complete").exists() && holds_kafka(&path.join("libs")))
        .max_by_key(|path| path.join("complete").metadata().and_then(|mark| mark.modified()).ok());
    let reason = format!("CLIENTELE_KAFKA is not set and {} has none", tools.display());
    newest.map(|path| path.join("libs")).ok_or(Error::NotInstalled { reason })
}

fn holds_kafka(folder: &Path) -> bool {
    let mut files = folder.read_dir().into_iter().flatten().flatten();
    files.any(|file| file.file_name().to_string_lossy().starts_with("kafka-server-"))
}
