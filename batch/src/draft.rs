//! Files that are there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file that takes its place when it is finished; dropped before, it leaves what was there.
#[derive(Debug)]
pub struct Draft {
    name: String,
    to: To,
}

#[derive(Debug)]
enum To {
    /// Renamed when finished.
    Beside { draft: NamedTempFile, target: PathBuf },
    /// A device or pipe: there is nothing to replace.
    Stream(File),
}

impl Draft {
    /// Begins a file for `path`, in its folder.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn new(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let to = open(path).map_err(|source| Error::Write { path: name.clone(), source })?;
        Ok(Self { name, to })
    }

    /// A way to write it.
    ///
    /// # Errors
    /// When the process may open no more files.
    pub fn file(&self) -> Result<File> {
        match &self.to {
            To::Beside { draft, .. } => draft.as_file(),
            To::Stream(file) => file,
        }
        .try_clone()
        .map_err(|source| Error::Write { path: self.name.clone(), source })
    }

    /// Writes all of it at once and puts it in its place.
    ///
    /// # Errors
    /// When the disk is full or the folder refuses.
    pub fn write(self, bytes: &[u8]) -> Result<()> {
        self.file()?.write_all(bytes).map_err(|source| Error::Write { path: self.name.clone(), source })?;
        self.finish()
    }

    /// Puts what was written in its place.
    ///
    /// # Errors
    /// When the folder refuses.
    pub fn finish(self) -> Result<()> {
        let To::Beside { draft, target } = self.to else { return Ok(()) };
        match draft.persist(target) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Write { path: self.name, source: error.error }),
        }
    }
}

fn open(path: &Path) -> io::Result<To> {
    // A link stays one: what it points to is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if target.exists() {
        // Opened in any case: a file that may not be written must not be replaced either.
        let present = OpenOptions::new().write(true).open(&target)?;
        if !target.is_file() {
            return Ok(To::Stream(present));
        }
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file, less what the process's mask takes.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let draft = builder.prefix(".").suffix(".part").tempfile_in(folder)?;
    if let Ok(present) = target.metadata() {
        draft.as_file().set_permissions(present.permissions())?;
    }
    Ok(To::Beside { draft, target })
}
