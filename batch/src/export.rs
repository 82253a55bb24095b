//! Any table of the lake as one file, sorted by its key.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::ArrayWriter;
use data::lake::{DataFile, Lake, MONTH_COLUMN, Snapshot, Table};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use crate::cli::Format;
use crate::draft::Draft;
use crate::error::{Error, Result};

/// What was written.
#[derive(Debug, serde::Serialize)]
pub struct Exported {
    pub table: &'static str,
    pub publication: Option<i64>,
    pub rows: u64,
    pub file: Option<String>,
}

/// Opens `table` as publication `id`, or the current one, names it; as it is now when nothing is published yet.
///
/// # Errors
/// When there is no such publication or table.
pub async fn open(lake: &Lake, table: Table, id: Option<i64>) -> Result<(Snapshot, Option<i64>)> {
    let publication = match lake.publication(id).await {
        Ok(publication) => Some(publication),
        Err(data::lake::Error::NoPublication { id: None, .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let version = publication.as_ref().and_then(|publication| publication.versions.of(table));
    let snapshot = lake.snapshot(table, version).await?;
    let missing = || Error::Source {
        name: lake.location(),
        reason: "is no lake yet; make one with batch run --input FILE".to_owned(),
    };
    Ok((snapshot.ok_or_else(missing)?, publication.map(|publication| publication.id)))
}

/// Writes every row, by key; `orders` month by month, so that memory holds one month at most.
///
/// # Errors
/// When the table cannot be read or the output cannot be written.
pub async fn write(snapshot: &Snapshot, table: Table, format: Format, output: Option<&Path>) -> Result<u64> {
    let name = output.map_or_else(|| "stdout".to_owned(), |path| path.display().to_string());
    let draft = output.map(Draft::new).transpose()?;
    let to: Box<dyn Write + Send> = match &draft {
        Some(draft) => Box::new(draft.file()?),
        None => Box::new(io::stdout()),
    };
    let encoder = Encoder::new(BufWriter::with_capacity(1 << 20, to), format, Arc::new(table.schema()))?;
    let rows = encode(encoder, snapshot, table).await.map_err(|error| write_fault(error, &name))?;
    draft.map_or(Ok(()), Draft::finish)?;
    Ok(rows)
}

async fn encode(mut encoder: Encoder, snapshot: &Snapshot, table: Table) -> Result<u64> {
    let mut rows = 0;
    for group in groups(snapshot.files()?) {
        let batch = read(snapshot, table, &group).await?;
        rows += batch.num_rows() as u64;
        encoder.write(&sorted(table, &batch)?)?;
    }
    encoder.finish()?.flush().map_err(|source| Error::Export(source.into()))?;
    Ok(rows)
}

/// What arrow and Parquet wrap when the output refuses is [`Error::Write`] again.
fn write_fault(error: Error, name: &str) -> Error {
    let write = |source: io::Error| Error::Write { path: name.to_owned(), source };
    match error {
        Error::Columns(ArrowError::IoError(_, source)) => write(source),
        Error::Columns(ArrowError::CsvError(text)) => match io_error_in(&text) {
            Some(source) => write(source),
            None => Error::Columns(ArrowError::CsvError(text)),
        },
        Error::Export(ParquetError::External(source)) => match source.downcast::<io::Error>() {
            Ok(source) => write(*source),
            Err(source) => Error::Export(ParquetError::External(source)),
        },
        other => other,
    }
}

/// The operating system's error behind a text that ends in `(os error 32)`: all that arrow's CSV writer leaves of it.
fn io_error_in(text: &str) -> Option<io::Error> {
    let (_, code) = text.rsplit_once("(os error ")?;
    code.trim_end_matches(')').parse().ok().map(io::Error::from_raw_os_error)
}

/// Files of one partition together, partitions in order.
fn groups(files: Vec<DataFile>) -> Vec<Vec<DataFile>> {
    let mut groups: Vec<Vec<DataFile>> = Vec::new();
    for file in files {
        let partition = partition(&file).map(str::to_owned);
        match groups.last_mut() {
            Some(group) if group.first().and_then(partition_of) == partition => group.push(file),
            _ => groups.push(vec![file]),
        }
    }
    groups
}

fn partition_of(file: &DataFile) -> Option<String> {
    partition(file).map(str::to_owned)
}

fn partition(file: &DataFile) -> Option<&str> {
    file.path.strip_prefix(MONTH_COLUMN)?.strip_prefix('=')?.split('/').next()
}

async fn read(snapshot: &Snapshot, table: Table, files: &[DataFile]) -> Result<RecordBatch> {
    let schema = Arc::new(table.schema());
    let mut batches = Vec::new();
    for file in files {
        for batch in snapshot.rows_of(file).await? {
            let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
            if let Some(month) = partition(file) {
                columns.push(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(month, batch.num_rows()))));
            }
            batches.push(RecordBatch::try_new(schema.clone(), columns)?);
        }
    }
    Ok(concat_batches(&schema, &batches)?)
}

fn sorted(table: Table, batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = key(table).iter().filter_map(|name| batch.column_by_name(name));
    let columns: Vec<SortColumn> = columns.map(|values| SortColumn { values: values.clone(), options: None }).collect();
    let order = lexsort_to_indices(&columns, None)?;
    Ok(take_record_batch(batch, &order)?)
}

const fn key(table: Table) -> &'static [&'static str] {
    match table {
        Table::Orders => &["ordered_at", "invoice", "source", "source_position"],
        Table::RejectedOrders => &["source", "source_position"],
        Table::Sources => &["ingested_at", "source_id"],
        Table::CustomerRfm | Table::CustomerSegments | Table::NettedCustomers => &["customer_id"],
        Table::SegmentProfiles => &["segment_id"],
        Table::CountedInvoices => &["invoice_hash"],
        Table::Publications => &["publication"],
    }
}

type Out = BufWriter<Box<dyn Write + Send>>;

enum Encoder {
    Csv(Box<arrow::csv::Writer<Out>>, SchemaRef),
    Json(ArrayWriter<Out>),
    Parquet(Box<ArrowWriter<Out>>),
}

impl Encoder {
    fn new(out: Out, format: Format, schema: SchemaRef) -> Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(arrow::csv::WriterBuilder::new().with_header(true).build(out)), schema),
            Format::Json => Self::Json(ArrayWriter::new(out)),
            Format::Parquet => Self::Parquet(Box::new(ArrowWriter::try_new(out, schema, None).map_err(Error::Export)?)),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Csv(writer, _) => Ok(writer.write(batch)?),
            Self::Json(writer) => Ok(writer.write(batch)?),
            Self::Parquet(writer) => writer.write(batch).map_err(Error::Export),
        }
    }

    fn finish(self) -> Result<Out> {
        match self {
            Self::Csv(mut writer, schema) => {
                // An empty table still has its header.
                writer.write(&RecordBatch::new_empty(schema))?;
                Ok(writer.into_inner())
            }
            Self::Json(mut writer) => {
                writer.finish()?;
                let mut out = writer.into_inner();
                out.write_all(b"\n").map_err(|source| Error::Export(source.into()))?;
                Ok(out)
            }
            Self::Parquet(writer) => writer.into_inner().map_err(Error::Export),
        }
    }
}

/// The format that a file's ending names, if it has one.
///
/// # Errors
/// When nothing can be written under that ending; for other endings than those of our formats unless `asked`.
pub fn format_of(path: &Path, asked: Option<Format>) -> Result<Option<Format>> {
    let Some(ending) = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()) else {
        return Ok(asked);
    };
    let refused =
        |reason: String| Err(Error::Option { flag: "--output", reason: format!("{}: {reason}", path.display()) });
    let named = match ending.as_str() {
        "gz" | "zst" => {
            return refused("exports are not compressed; write Parquet, or pipe the export through gzip".to_owned());
        }
        "csv" => Some(Format::Csv),
        "parquet" | "pq" => Some(Format::Parquet),
        "json" => Some(Format::Json),
        _ => None,
    };
    match asked.or(named) {
        Some(format) => Ok(Some(format)),
        None => refused(format!(".{ending} names no format; end it in .csv, .parquet or .json, or pass --format")),
    }
}
