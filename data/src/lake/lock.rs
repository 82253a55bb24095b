//! One writer at a time: a file lock in a local lake, a lease object in a remote one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use tokio::task::JoinHandle;

use super::{Error, Lake, Result};

const FILE_NAME: &str = "_writer.lock";
const POLL: Duration = Duration::from_millis(200);
const RENEW: Duration = Duration::from_secs(10);
/// A lease that was not renewed for so long belongs to nobody.
const EXPIRY: Duration = Duration::from_secs(60);

/// The right to write a lake's published tables; given back when dropped.
///
/// A killed process gives a file lock back at once, and a lease after 60 s.
#[derive(Debug)]
pub struct WriterLock {
    held: Held,
    location: String,
}

#[derive(Debug)]
enum Held {
    File { _file: File, path: PathBuf },
    Lease { lost: Arc<AtomicBool>, renewal: JoinHandle<()>, store: Arc<dyn ObjectStore>, path: Path },
}

enum Attempt {
    Taken(Held),
    HeldBy(String),
}

impl WriterLock {
    /// Takes the lock, waiting up to `wait` for another holder; `on_wait` is told once who holds it.
    ///
    /// # Errors
    /// [`Error::Locked`] when the wait ends, [`Error::Lock`] when the lake cannot be locked at all.
    pub async fn take(lake: &Lake, wait: Duration, on_wait: impl FnOnce(&str)) -> Result<Self> {
        let started = Instant::now();
        let mut on_wait = Some(on_wait);
        loop {
            let attempt = match lake.local_path() {
                Some(path) => try_file(&path.join(FILE_NAME)).map_err(|error| error.to_string()),
                None => {
                    try_lease(&lake.store, lake.prefix.clone().join(FILE_NAME)).await.map_err(|error| error.to_string())
                }
            }
            .map_err(|reason| Error::Lock { location: lake.location(), reason })?;
            match attempt {
                Attempt::Taken(held) => return Ok(Self { held, location: lake.location() }),
                Attempt::HeldBy(holder) if started.elapsed() >= wait => {
                    return Err(Error::Locked { location: lake.location(), holder, waited_s: wait.as_secs() });
                }
                Attempt::HeldBy(holder) => {
                    if let Some(tell) = on_wait.take() {
                        tell(&holder);
                    }
                    tokio::time::sleep(POLL.min(wait.saturating_sub(started.elapsed()))).await;
                }
            }
        }
    }

    /// # Errors
    /// [`Error::LockLost`] when another run took the lease over: nothing more may be committed.
    pub fn check(&self) -> Result<()> {
        match &self.held {
            Held::Lease { lost, .. } if lost.load(Ordering::Acquire) => {
                Err(Error::LockLost { location: self.location.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Gives the lock back and removes its file, for a lake that is not to be; of a remote one nothing stays anyway.
    pub async fn remove(self) {
        if let Held::File { path, .. } = &self.held
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::warn!(%error, "could not remove the lake's lock");
        }
        self.release().await;
    }

    /// Gives the lock back.
    pub async fn release(self) {
        if let Held::Lease { renewal, store, path, lost } = self.held {
            renewal.abort();
            if !lost.load(Ordering::Acquire)
                && let Err(error) = store.delete(&path).await
            {
                tracing::warn!(%error, "could not remove the lake's lease; it ends by itself in 60 s");
            }
        }
    }
}

fn owner() -> String {
    format!("process {}, since {}", std::process::id(), crate::EventTime::now())
}

fn try_file(path: &std::path::Path) -> std::io::Result<Attempt> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        // The file was removed meanwhile, with a lake that came to nothing: this is the lock of no lake.
        Ok(()) if !is_at(&file, path) => Ok(Attempt::HeldBy("a run that is ending".to_owned())),
        Ok(()) => {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(owner().as_bytes())?;
            Ok(Attempt::Taken(Held::File { _file: file, path: path.to_owned() }))
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.take(200).read_to_string(&mut holder)?;
            Ok(Attempt::HeldBy(if holder.is_empty() { "another process".to_owned() } else { holder }))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the open `file` is the one that is called `path` now.
#[cfg(unix)]
fn is_at(file: &File, path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: std::io::Result<std::fs::Metadata>| metadata.map(|found| (found.dev(), found.ino())).ok();
    id(file.metadata()) == id(path.metadata())
}

/// An open file cannot be removed here.
#[cfg(not(unix))]
fn is_at(_: &File, _: &std::path::Path) -> bool {
    true
}

async fn try_lease(store: &Arc<dyn ObjectStore>, path: Path) -> object_store::Result<Attempt> {
    let taken = match put_lease(store, &path, PutMode::Create).await {
        Ok(version) => version,
        Err(object_store::Error::AlreadyExists { .. }) => match take_over(store, &path).await? {
            Ok(version) => version,
            Err(holder) => return Ok(Attempt::HeldBy(holder)),
        },
        Err(error) => return Err(error),
    };
    let lost = Arc::new(AtomicBool::new(false));
    let renewal = tokio::spawn(renew(store.clone(), path.clone(), taken, lost.clone()));
    Ok(Attempt::Taken(Held::Lease { lost, renewal, store: store.clone(), path }))
}

async fn put_lease(store: &Arc<dyn ObjectStore>, path: &Path, mode: PutMode) -> object_store::Result<UpdateVersion> {
    let options = PutOptions { mode, ..PutOptions::default() };
    let put = store.put_opts(path, owner().into_bytes().into(), options).await?;
    Ok(UpdateVersion { e_tag: put.e_tag, version: put.version })
}

/// Takes an expired lease over; `Err(holder)` when it is alive.
async fn take_over(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
) -> object_store::Result<std::result::Result<UpdateVersion, String>> {
    let found = match store.get(path).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(Err("a run that is ending".to_owned())),
        Err(error) => return Err(error),
    };
    let meta = found.meta.clone();
    let holder = String::from_utf8_lossy(&found.bytes().await?).into_owned();
    let age = chrono::Utc::now().signed_duration_since(meta.last_modified);
    if age.to_std().unwrap_or_default() < EXPIRY {
        return Ok(Err(holder));
    }
    let seen = UpdateVersion { e_tag: meta.e_tag, version: meta.version };
    match put_lease(store, path, PutMode::Update(seen)).await {
        Ok(version) => Ok(Ok(version)),
        Err(object_store::Error::Precondition { .. }) => Ok(Err(holder)),
        Err(error) => Err(error),
    }
}

async fn renew(store: Arc<dyn ObjectStore>, path: Path, mut version: UpdateVersion, lost: Arc<AtomicBool>) {
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(RENEW).await;
        match put_lease(&store, &path, PutMode::Update(version.clone())).await {
            Ok(next) => {
                version = next;
                renewed = Instant::now();
            }
            Err(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) => break,
            Err(error) => {
                tracing::warn!(%error, "could not renew the lake's lease");
                if renewed.elapsed() + RENEW >= EXPIRY {
                    break;
                }
            }
        }
    }
    lost.store(true, Ordering::Release);
}
