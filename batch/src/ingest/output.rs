//! The files of one source: a row group at a time, in order, renamed into place only when whole.

use std::collections::BTreeMap;

use data::lake::{FileSink, Lake, Table, WrittenFile};
use parquet::file::writer::SerializedFileWriter;
use tokio::runtime::Handle;

use super::encode::FileLayout;
use super::pages::ColumnPages;
use crate::error::{Error, Result};

/// A file is ended behind the row group that brings it here.
const FILE_BYTES: u64 = 256 << 20;
/// Files open at once: some systems grant a process 256, and each may hold a part of an upload in memory.
const MOST_OPEN: usize = 64;

/// The open and the finished files of one table, at most one open for each partition.
///
/// A source of more months than may be open gets several files for some of them.
pub struct Output {
    lake: Lake,
    table: Table,
    pub layout: FileLayout,
    runtime: Handle,
    open: BTreeMap<Option<String>, Open>,
    row_groups: u64,
    finished: Vec<WrittenFile>,
}

struct Open {
    path: String,
    rows: u64,
    /// Number of the row group appended last.
    last: u64,
    writer: SerializedFileWriter<FileSink>,
}

impl Output {
    /// # Errors
    /// When the table's schema has no Parquet form.
    pub fn new(lake: &Lake, table: Table, runtime: &Handle) -> Result<Self> {
        Ok(Self {
            lake: lake.clone(),
            table,
            layout: FileLayout::of(table).map_err(Error::Ingest)?,
            runtime: runtime.clone(),
            open: BTreeMap::new(),
            row_groups: 0,
            finished: Vec::new(),
        })
    }

    /// Adds a row group to the file of `partition` (`column=value`).
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn append(&mut self, partition: Option<String>, rows: u64, chunks: Vec<ColumnPages>) -> Result<()> {
        self.row_groups += 1;
        if !self.open.contains_key(&partition) {
            self.make_room()?;
            let open = self.start(partition.as_deref())?;
            self.open.insert(partition.clone(), open);
        }
        let Some(open) = self.open.get_mut(&partition) else { return Ok(()) };
        let append = || -> parquet::errors::Result<()> {
            let mut group = open.writer.next_row_group()?;
            for chunk in chunks {
                chunk.append_to(&mut group)?;
            }
            group.close()?;
            Ok(())
        };
        append().map_err(Error::Ingest)?;
        (open.rows, open.last) = (open.rows + rows, self.row_groups);
        if open.writer.inner().written() >= FILE_BYTES {
            self.end(&partition)?;
        }
        Ok(())
    }

    /// Ends every file.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn finish(&mut self) -> Result<()> {
        let open: Vec<_> = self.open.keys().cloned().collect();
        open.iter().try_for_each(|partition| self.end(partition))
    }

    /// The files that are finished.
    #[must_use]
    pub fn files(&self) -> &[WrittenFile] {
        &self.finished
    }

    /// The finished files, which are to stay.
    #[must_use]
    pub fn keep(mut self) -> Vec<WrittenFile> {
        std::mem::take(&mut self.finished)
    }

    /// Ends the file that has waited longest when no more may be open.
    fn make_room(&mut self) -> Result<()> {
        let oldest = self.open.iter().min_by_key(|(_, open)| open.last).map(|(partition, _)| partition.clone());
        match oldest {
            Some(partition) if self.open.len() >= MOST_OPEN => self.end(&partition),
            _ => Ok(()),
        }
    }

    fn start(&self, partition: Option<&str>) -> Result<Open> {
        let name = format!("part-{}.parquet", uuid::Uuid::new_v4());
        let path = partition.map_or_else(|| name.clone(), |partition| format!("{partition}/{name}"));
        let sink = FileSink::create(&self.lake, self.table, &path, &self.runtime)?;
        let writer = SerializedFileWriter::new(sink, self.layout.parquet.clone(), self.layout.properties.clone())
            .map_err(Error::Ingest)?;
        Ok(Open { path, rows: 0, last: 0, writer })
    }

    fn end(&mut self, partition: &Option<String>) -> Result<()> {
        let Some(open) = self.open.remove(partition) else { return Ok(()) };
        let sink = open.writer.into_inner().map_err(Error::Ingest)?;
        let bytes = sink.finish().map_err(Error::Upload)?;
        let partition = partition.as_deref().and_then(|text| text.split_once('='));
        let partition = partition.map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.finished.push(WrittenFile::new(open.path, bytes, partition, open.rows));
        Ok(())
    }
}

/// What was written of an abandoned source goes away: a disk that is full would stay full.
impl Drop for Output {
    fn drop(&mut self) {
        for (_, open) in std::mem::take(&mut self.open) {
            if let Ok(sink) = open.writer.into_inner() {
                sink.abort();
            }
        }
        for file in std::mem::take(&mut self.finished) {
            if let Err(error) = self.runtime.block_on(self.lake.discard(self.table, &file)) {
                tracing::warn!(%error, file = file.path, "could not remove a file that no commit names; `batch vacuum` will");
            }
        }
    }
}
