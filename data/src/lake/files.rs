//! The Parquet files behind the tables: written as streams of parts, read by ranges.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::{Buf, Bytes};
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::reader::{ChunkReader, Length};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::{Error, Lake, MONTH_COLUMN, Result, Table};
use crate::time::Month;

/// Part size of uploads; S3 wants at least 5 MiB.
const PART_BYTES: usize = 8 << 20;
const PARTS_IN_FLIGHT: usize = 2;

/// A data file that no commit names yet.
#[derive(Clone, Debug)]
pub struct WrittenFile {
    /// Relative to the table.
    pub path: String,
    pub bytes: u64,
    /// Partition column and value.
    pub partition: Option<(String, String)>,
    pub(super) stats: String,
}

impl WrittenFile {
    #[must_use]
    pub fn new(path: String, bytes: u64, partition: Option<(String, String)>, rows: u64) -> Self {
        Self { path, bytes, partition, stats: format!("{{\"numRecords\":{rows}}}") }
    }
}

/// How data files are encoded: for `small` tables compactly, for order lines fast.
#[must_use]
pub fn writer_properties(compression: Compression) -> WriterProperties {
    properties(compression).build()
}

fn properties(compression: Compression) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(compression)
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("clientele".to_owned())
}

fn properties_of(table: Table) -> parquet::errors::Result<WriterProperties> {
    Ok(match table {
        // Hashes are random: there is nothing to compress and nothing comes twice.
        Table::CountedInvoices => properties(Compression::UNCOMPRESSED).set_dictionary_enabled(false).build(),
        _ => writer_properties(Compression::ZSTD(ZstdLevel::try_new(1)?)),
    })
}

/// A new data file that is encoded as rows come, and put into the lake whole: for files of a few megabytes.
pub struct FileEncoder {
    table: Table,
    path: String,
    partition: Option<(String, String)>,
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
}

impl FileEncoder {
    /// Rows of `orders` are all of one `month`.
    ///
    /// # Errors
    /// When the encoding refuses the table's columns.
    pub fn new(table: Table, month: Option<Month>) -> Result<Self> {
        let name = format!("part-{}.parquet", uuid::Uuid::new_v4());
        let partition = month.map(|month| (MONTH_COLUMN.to_owned(), month.to_string()));
        let path =
            partition.as_ref().map_or_else(|| name.clone(), |(column, value)| format!("{column}={value}/{name}"));
        let writer = properties_of(table)
            .and_then(|properties| ArrowWriter::try_new(Vec::new(), Arc::new(table.file_schema()), Some(properties)))
            .map_err(Error::file(table, &path))?;
        Ok(Self { table, path, partition, writer, rows: 0 })
    }

    /// Adds rows, whose columns are those of [`Table::file_schema`].
    ///
    /// # Errors
    /// When the rows do not fit.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).map_err(Error::file(self.table, &self.path))
    }

    /// About what it takes so far, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.writer.bytes_written() + self.writer.memory_size()
    }

    pub(super) async fn put(self, lake: &Lake) -> Result<WrittenFile> {
        self.finish()?.put(lake).await
    }

    /// Encodes what is left.
    pub(super) fn finish(self) -> Result<EncodedFile> {
        let Self { table, path, partition, writer, rows } = self;
        let bytes = writer.into_inner().map_err(Error::file(table, &path))?;
        Ok(EncodedFile { table, written: WrittenFile::new(path, bytes.len() as u64, partition, rows), bytes })
    }
}

/// A whole data file that is not in the lake yet.
pub(super) struct EncodedFile {
    table: Table,
    written: WrittenFile,
    bytes: Vec<u8>,
}

impl EncodedFile {
    pub(super) async fn put(self, lake: &Lake) -> Result<WrittenFile> {
        let path = lake.object_path(self.table, &self.written.path);
        lake.store.put(&path, self.bytes.into()).await.map_err(Error::storage(self.table))?;
        Ok(self.written)
    }
}

/// A new data file that is uploaded while it is written.
///
/// Used from threads outside the async runtime: a write waits when parts leave slower than they come.
pub struct FileSink {
    runtime: Handle,
    upload: Box<dyn MultipartUpload>,
    buffer: Vec<u8>,
    in_flight: std::collections::VecDeque<JoinHandle<object_store::Result<()>>>,
    written: u64,
}

impl FileSink {
    /// Starts the file at `path`, relative to `table`.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn create(lake: &Lake, table: Table, path: &str, runtime: &Handle) -> Result<Self> {
        let upload = runtime
            .block_on(lake.store.put_multipart(&lake.object_path(table, path)))
            .map_err(Error::storage(table))?;
        Ok(Self {
            runtime: runtime.clone(),
            upload,
            buffer: Vec::new(),
            in_flight: std::collections::VecDeque::new(),
            written: 0,
        })
    }

    /// Bytes taken so far.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Ends the file; only now it exists.
    ///
    /// # Errors
    /// When a part or the end was refused, such as on a full disk.
    pub fn finish(mut self) -> io::Result<u64> {
        if !self.buffer.is_empty() {
            self.send_part();
        }
        while self.wait_for_one()? {}
        self.runtime.block_on(self.upload.complete()).map_err(io::Error::other)?;
        Ok(self.written)
    }

    /// Gives the file up and removes its parts.
    pub fn abort(mut self) {
        while let Some(part) = self.in_flight.pop_front() {
            let _ = self.runtime.block_on(part);
        }
        if let Err(error) = self.runtime.block_on(self.upload.abort()) {
            tracing::warn!(%error, "could not remove an unfinished file; `batch vacuum` will");
        }
    }

    fn send_part(&mut self) {
        let part = std::mem::take(&mut self.buffer);
        let upload = self.upload.put_part(PutPayload::from(part));
        self.in_flight.push_back(self.runtime.spawn(upload));
    }

    fn wait_for_one(&mut self) -> io::Result<bool> {
        let Some(part) = self.in_flight.pop_front() else { return Ok(false) };
        self.runtime.block_on(part).map_err(io::Error::other)?.map_err(io::Error::other)?;
        Ok(true)
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // At once, instead of copying what is there again and again; room that is not used costs no memory.
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(PART_BYTES + bytes.len());
        }
        self.buffer.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
        if self.buffer.len() >= PART_BYTES {
            self.send_part();
            if self.in_flight.len() > PARTS_IN_FLIGHT {
                self.wait_for_one()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A data file to read: a local one by ranges, a remote one fetched whole.
#[derive(Clone, Debug)]
pub enum FileHandle {
    Local(Arc<File>),
    Fetched(Bytes),
}

impl FileHandle {
    pub(super) async fn open(lake: &Lake, table: Table, path: &str) -> Result<Self> {
        let decoded = percent_decoded(path);
        if let Some(root) = lake.local_path() {
            let path = root.join(table.name()).join(&decoded);
            return File::open(&path).map(|file| Self::Local(Arc::new(file))).map_err(|error| Error::Storage {
                table,
                source: object_store::Error::NotFound { path: path.display().to_string(), source: error.into() },
            });
        }
        let object = lake.store.get(&lake.object_path(table, &decoded)).await.map_err(Error::storage(table))?;
        Ok(Self::Fetched(object.bytes().await.map_err(Error::storage(table))?))
    }

    pub(super) fn read_all(&self, table: Table, path: &str) -> Result<Vec<RecordBatch>> {
        let options = ArrowReaderOptions::new().with_schema(Arc::new(table.file_schema()));
        ParquetRecordBatchReaderBuilder::try_new_with_options(self.clone(), options)
            .and_then(ParquetRecordBatchReaderBuilder::build)
            .map_err(Error::file(table, path))?
            .collect::<std::result::Result<_, _>>()
            .map_err(Error::columns(table))
    }
}

pub(super) fn percent_decoded(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

impl Length for FileHandle {
    fn len(&self) -> u64 {
        match self {
            Self::Local(file) => file.len(),
            Self::Fetched(bytes) => bytes.len() as u64,
        }
    }
}

/// A reader over either kind.
pub enum RangeReader {
    Local(io::BufReader<File>),
    Fetched(bytes::buf::Reader<Bytes>),
}

impl io::Read for RangeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Local(file) => file.read(buffer),
            Self::Fetched(bytes) => bytes.read(buffer),
        }
    }
}

impl ChunkReader for FileHandle {
    type T = RangeReader;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        match self {
            Self::Local(file) => Ok(RangeReader::Local(file.get_read(start)?)),
            Self::Fetched(bytes) => Ok(RangeReader::Fetched(bytes.get_read(start)?.into_inner().reader())),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        match self {
            Self::Local(file) => file.get_bytes(start, length),
            Self::Fetched(bytes) => bytes.get_bytes(start, length),
        }
    }
}
