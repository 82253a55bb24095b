//! Where order lines come from: files of several kinds, folders, globs and standard input.

mod input;
mod parquet;
mod workbook;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};

pub use input::expand;

/// One file's worth of delimited text, which can be read more than once.
#[derive(Debug)]
pub struct Source {
    /// As reports and tables show it.
    pub name: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    /// Pipes and rendered workbooks: removed when dropped.
    Spooled(File),
}

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Gzip,
    Zstd,
    Workbook,
    Parquet,
}

impl Kind {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'P', b'K', 3, 4, ..] => Self::Workbook,
            [b'P', b'A', b'R', b'1', ..] => Self::Parquet,
            _ => Self::Text,
        }
    }
}

/// What tells that a file was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(path: &Path, name: &str) -> Result<Self> {
        let metadata = path.metadata().map_err(|source| Error::Read { name: name.to_owned(), source })?;
        Ok(Self { bytes: metadata.len(), modified: metadata.modified().ok() })
    }

    /// Refuses a file that is not as it was.
    fn check(self, path: &Path, name: &str) -> Result<()> {
        let now = Self::of(path, name)?;
        if now == self {
            return Ok(());
        }
        let reason = format!(
            "was changed while it was read ({} bytes before, {} now), and nothing of it was ingested; try again when what writes it has ended",
            self.bytes, now.bytes
        );
        Err(Error::Source { name: name.to_owned(), reason })
    }
}

impl Source {
    /// What its file is like now; pipes and rendered files do not change.
    ///
    /// # Errors
    /// When the file is gone.
    pub fn stamp(&self) -> Result<Option<Stamp>> {
        match &self.place {
            Place::File(path) => Stamp::of(path, &self.name).map(Some),
            Place::Spooled(_) => Ok(None),
        }
    }

    /// Whether its file is still as `before`.
    ///
    /// # Errors
    /// When it was written to since.
    pub fn check_unchanged(&self, before: Option<Stamp>) -> Result<()> {
        match (&self.place, before) {
            (Place::File(path), Some(before)) => before.check(path, &self.name),
            _ => Ok(()),
        }
    }

    /// Prepares a file; workbooks and Parquet files are rendered as delimited text into a temporary file.
    ///
    /// # Errors
    /// When the file cannot be read, or is no workbook or Parquet file inside.
    pub fn of_file(path: PathBuf) -> Result<Self> {
        let name = path.display().to_string();
        let fail = |source| Error::Read { name: name.clone(), source };
        if path.metadata().map_err(fail)?.is_file() {
            return Self::prepare(path, name);
        }
        let pipe = File::open(&path).map_err(fail)?;
        Self::spool(pipe, name)
    }

    /// Spools standard input.
    ///
    /// # Errors
    /// As [`Source::of_file`]; and when the temporary folder is full.
    pub fn of_stdin() -> Result<Self> {
        Self::spool(io::stdin().lock(), "stdin".to_owned())
    }

    fn prepare(path: PathBuf, name: String) -> Result<Self> {
        let fail = |source| Error::Read { name: name.clone(), source };
        let mut magic = [0; 4];
        let mut file = File::open(&path).map_err(fail)?;
        let length = read_up_to(&mut file, &mut magic).map_err(fail)?;
        let before = Stamp::of(&path, &name)?;
        let place = match Kind::of(magic.get(..length).unwrap_or_default()) {
            Kind::Workbook => Place::Spooled(workbook::render(&path, &name)?),
            Kind::Parquet => Place::Spooled(parquet::render(file, &name)?),
            Kind::Text | Kind::Gzip | Kind::Zstd => return Ok(Self { name, place: Place::File(path) }),
        };
        before.check(&path, &name)?;
        Ok(Self { name, place })
    }

    /// Keeps what can be read only once in a temporary file.
    fn spool(mut stream: impl Read, name: String) -> Result<Self> {
        let fail = |source| Error::Read { name: name.clone(), source };
        let mut file = tempfile::NamedTempFile::new().map_err(fail)?;
        io::copy(&mut stream, &mut file).map_err(fail)?;
        let prepared = Self::prepare(file.path().to_owned(), name)?;
        let place = match prepared.place {
            Place::File(_) => Place::Spooled(file.into_file()),
            rendered @ Place::Spooled(_) => rendered,
        };
        Ok(Self { name: prepared.name, place })
    }

    /// Opens the text from its start.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(&self) -> Result<Text> {
        let fail = |source| Error::Read { name: self.name.clone(), source };
        let mut file = match &self.place {
            Place::File(path) => File::open(path).map_err(fail)?,
            Place::Spooled(file) => file.try_clone().map_err(fail)?,
        };
        file.rewind().map_err(fail)?;
        let mut magic = [0; 4];
        let length = read_up_to(&mut file, &mut magic).map_err(fail)?;
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        let stored = file.metadata().map_err(fail)?.len();
        let counted = Counted { file, position: 0 };
        let (reader, compressed) = match Kind::of(magic.get(..length).unwrap_or_default()) {
            Kind::Gzip => (
                Reader::Gzip(Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, counted)))),
                true,
            ),
            Kind::Zstd => (Reader::Zstd(Box::new(zstd::Decoder::new(counted).map_err(fail)?)), true),
            _ => (Reader::Plain(counted), false),
        };
        Ok(Text { name: self.name.clone(), reader, stored, compressed })
    }
}

/// The decompressed bytes of a source.
pub struct Text {
    name: String,
    reader: Reader,
    /// Bytes as stored, compressed or not.
    pub stored: u64,
    compressed: bool,
}

enum Reader {
    Plain(Counted),
    Gzip(Box<flate2::read::MultiGzDecoder<BufReader<Counted>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Counted>>>),
}

struct Counted {
    file: File,
    position: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.position += length as u64;
        Ok(length)
    }
}

impl Text {
    /// Fills `buffer` with up to `wanted` more bytes; fewer only at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or is cut short or damaged.
    pub fn append_to(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> Result<usize> {
        let limit = wanted as u64;
        let read = match &mut self.reader {
            Reader::Plain(reader) => {
                // The file itself, since only that can be read without the buffer being zeroed before.
                let read = (&reader.file).take(limit).read_to_end(buffer);
                reader.position += *read.as_ref().unwrap_or(&0) as u64;
                read
            }
            Reader::Gzip(reader) => reader.take(limit).read_to_end(buffer),
            Reader::Zstd(reader) => reader.take(limit).read_to_end(buffer),
        };
        read.map_err(|source| {
            let name = self.name.clone();
            if self.compressed { Error::Damaged { name, source } } else { Error::Read { name, source } }
        })
    }

    /// Stored bytes read so far.
    pub fn position(&self) -> u64 {
        match &self.reader {
            Reader::Plain(reader) => reader.position,
            Reader::Gzip(reader) => reader.get_ref().get_ref().position,
            Reader::Zstd(reader) => reader.get_ref().get_ref().position,
        }
    }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            length => filled += length,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test may panic: that is how it fails")]

    use super::*;

    #[test]
    fn a_file_that_is_written_to_is_told() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("orders.csv");
        let long_ago = SystemTime::UNIX_EPOCH;
        for (how, text) in [("cut", "head"), ("grown", "header and more"), ("rewritten", "HEADER")] {
            std::fs::write(&path, "header").expect("written");
            File::options().write(true).open(&path).and_then(|file| file.set_modified(long_ago)).expect("dated");
            let source = Source::of_file(path.clone()).expect("a source");
            let before = source.stamp().expect("there");
            assert!(source.check_unchanged(before).is_ok(), "{how}");
            std::fs::write(&path, text).expect("written");
            let told = source.check_unchanged(before).expect_err(how).to_string();
            assert!(told.contains("orders.csv: was changed while it was read (6 bytes before,"), "{how}: {told}");
        }
    }
}
