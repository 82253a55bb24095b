//! Where a file goes: a path, compressed as its name says, or stdout.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::error::{Error, Result};

/// An open destination. A file appears under its name only once it is complete.
pub struct Output {
    encoder: Encoder,
    shown: String,
    /// The file being written, and the name that it gets.
    rename: Option<(PathBuf, PathBuf)>,
}

enum Encoder {
    Plain(Box<dyn Write>),
    Gzip(GzEncoder<Box<dyn Write>>),
    Zstd(zstd::Encoder<'static, Box<dyn Write>>),
}

impl Output {
    /// Uncompressed, to stdout.
    #[must_use]
    pub fn stdout() -> Self {
        Self { encoder: Encoder::Plain(Box::new(io::stdout())), shown: "stdout".to_owned(), rename: None }
    }

    /// To `path`: gzip for `.gz`, zstd for `.zst`, else plain.
    ///
    /// # Errors
    /// [`Error::Write`] when the file cannot be made.
    pub fn file(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        // A pipe or a device is written in place; so is what a link points to.
        let in_place = fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let partial = if in_place { path.to_owned() } else { partial_name(path) };
        let opened = File::create(&partial).and_then(|file| Encoder::new(path, Box::new(file)));
        let encoder = opened.map_err(|source| Error::Write { path: shown.clone(), source })?;
        Ok(Self { encoder, shown, rename: (!in_place).then(|| (partial, path.to_owned())) })
    }

    /// Runs `work` on the destination, then completes it; a file that failed is removed.
    ///
    /// # Errors
    /// [`Error::Write`], also when the disk is full or the reader went away.
    pub fn write<T>(mut self, work: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> Result<T> {
        let done = work(self.encoder.writer()).and_then(|value| self.encoder.finish().map(|()| value));
        let named = done.and_then(|value| match &self.rename {
            Some((partial, path)) => fs::rename(partial, path).map(|()| value),
            None => Ok(value),
        });
        named.map_err(|source| {
            if let Some((partial, _)) = &self.rename {
                // The first error is the one worth telling.
                let _ = fs::remove_file(partial);
            }
            Error::Write { path: self.shown, source }
        })
    }
}

impl Encoder {
    fn new(path: &Path, out: Box<dyn Write>) -> io::Result<Self> {
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        Ok(match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip(GzEncoder::new(out, Compression::fast())),
            Some("zst") => Self::Zstd(zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?),
            _ => Self::Plain(out),
        })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Plain(out) => out,
            Self::Gzip(out) => out,
            Self::Zstd(out) => out,
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut out) => out.flush(),
            Self::Gzip(out) => out.finish()?.flush(),
            Self::Zstd(out) => out.finish()?.flush(),
        }
    }
}

/// Next to the file, so that the last step is a rename.
fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}
