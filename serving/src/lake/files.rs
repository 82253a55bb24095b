//! The data files of a table at one version, read a batch at a time.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use data::lake::{FileHandle, Lake, Table};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
    RowFilter,
};

use crate::error::{Error, Result};

const BATCH_ROWS: usize = 1 << 14;

/// Footers are read when it is opened; rows when they are asked for.
pub struct Files {
    table: Table,
    files: Vec<File>,
}

/// Path, handle and footer.
type File = (String, FileHandle, ArrowReaderMetadata);

impl Files {
    /// # Errors
    /// When the table is not there at this version, or cannot be read.
    pub async fn open(lake: &Lake, table: Table, version: u64) -> Result<Self> {
        Self::open_some(lake, table, Some(version), |_| true).await
    }

    /// Only the files whose path is wanted; of the newest version, if none is named.
    ///
    /// # Errors
    /// When the table is not there at this version, or cannot be read.
    pub async fn open_some(
        lake: &Lake,
        table: Table,
        version: Option<u64>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let missing = || data::lake::Error::Content { table, reason: "there is none".to_owned() };
        let snapshot = lake.snapshot(table, version).await?.ok_or_else(missing)?;
        let mut files = Vec::new();
        for file in snapshot.files()?.into_iter().filter(|file| wanted(&file.path)) {
            let handle = snapshot.open_file(&file).await?;
            let footer = ArrowReaderMetadata::load(&handle, ArrowReaderOptions::new());
            files.push((file.path, handle, footer.map_err(|source| Error::Parquet { table: table.name(), source })?));
        }
        Ok(Self { table, files })
    }

    /// Hands every row on, in the order of the files; `names` are in the order of the table's columns.
    ///
    /// # Errors
    /// When a file cannot be read, or `take` fails.
    pub fn each_batch(&self, names: &[&str], mut take: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        self.files.iter().try_for_each(|file| self.read(rows(file, names), &mut take))
    }

    /// The same, only rows whose `column` is `text`; other columns are decoded for those alone.
    ///
    /// # Errors
    /// When a file cannot be read, or `take` fails.
    pub fn each_batch_where(
        &self,
        names: &[&str],
        (column, text): (&str, &str),
        mut take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        for file in &self.files {
            let (_, _, footer) = file;
            let groups = (0..footer.metadata().num_row_groups()).filter(|group| may_have(footer, *group, column, text));
            let rows = rows(file, names).with_row_groups(groups.collect());
            self.read(rows.with_row_filter(only(footer, &[(column, text)])), &mut take)?;
        }
        Ok(())
    }

    /// The row groups of all files, in their order.
    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.files.iter().flat_map(move |file| {
            let (_, _, footer) = file;
            (0..footer.metadata().num_row_groups()).map(move |number| Group { files: self, file, number })
        })
    }

    fn read(
        &self,
        rows: ParquetRecordBatchReaderBuilder<FileHandle>,
        take: &mut impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let failed = |source| Error::Parquet { table: self.table.name(), source };
        for batch in rows.build().map_err(failed)? {
            take(&batch.map_err(|source| Error::Columns { table: self.table.name(), source })?)?;
        }
        Ok(())
    }
}

/// A row group of a table.
#[derive(Clone, Copy)]
pub struct Group<'f> {
    files: &'f Files,
    file: &'f File,
    number: usize,
}

impl Group<'_> {
    #[must_use]
    pub fn rows(&self) -> usize {
        let (_, _, footer) = self.file;
        usize::try_from(footer.metadata().row_group(self.number).num_rows()).unwrap_or_default()
    }

    /// Hands on the rows whose columns have these texts, but for the first `skip` of them, and `limit` at most.
    ///
    /// # Errors
    /// When the file cannot be read, or `take` fails.
    pub fn each_batch_where(
        &self,
        names: &[&str],
        texts: &[(&str, &str)],
        (skip, limit): (usize, usize),
        mut take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let (_, _, footer) = self.file;
        if texts.iter().any(|(column, text)| !may_have(footer, self.number, column, text)) {
            return Ok(());
        }
        let rows = rows(self.file, names).with_row_groups(vec![self.number]).with_row_filter(only(footer, texts));
        self.files.read(rows.with_offset(skip).with_limit(limit), &mut take)
    }
}

fn rows((_, handle, footer): &File, names: &[&str]) -> ParquetRecordBatchReaderBuilder<FileHandle> {
    let schema = footer.metadata().file_metadata().schema_descr();
    ParquetRecordBatchReaderBuilder::new_with_metadata(handle.clone(), footer.clone())
        .with_projection(ProjectionMask::columns(schema, names.iter().copied()))
        .with_batch_size(BATCH_ROWS)
}

/// Only rows whose columns have these texts.
fn only(footer: &ArrowReaderMetadata, texts: &[(&str, &str)]) -> RowFilter {
    let schema = footer.metadata().file_metadata().schema_descr();
    let predicate = |(column, text): &(&str, &str)| -> Box<dyn ArrowPredicate> {
        let text = (*text).to_owned();
        let is_it = move |batch: RecordBatch| Ok(equal_to(&batch, &text));
        Box::new(ArrowPredicateFn::new(ProjectionMask::columns(schema, [*column]), is_it))
    };
    RowFilter::new(texts.iter().map(predicate).collect())
}

fn equal_to(batch: &RecordBatch, text: &str) -> BooleanArray {
    use arrow::array::AsArray;
    let texts = batch.columns().first().and_then(|column| cast(column, &DataType::Utf8).ok());
    let texts = texts.as_ref().and_then(|texts| texts.as_string_opt::<i32>());
    texts.map_or_else(
        || BooleanArray::from(vec![false; batch.num_rows()]),
        |texts| texts.iter().map(|own| Some(own == Some(text))).collect(),
    )
}

/// Whether the statistics of a row group do not rule `text` out.
fn may_have(footer: &ArrowReaderMetadata, group: usize, column: &str, text: &str) -> bool {
    let group = footer.metadata().row_group(group);
    let chunk = group.columns().iter().find(|chunk| chunk.column_path().string() == column);
    let Some(statistics) = chunk.and_then(|chunk| chunk.statistics()) else { return true };
    let least = statistics.min_bytes_opt().is_none_or(|least| least <= text.as_bytes());
    // A maximum may be cut off: then it is a prefix of the real one.
    let most =
        statistics.max_bytes_opt().is_none_or(|most| most >= text.as_bytes() || text.as_bytes().starts_with(most));
    least && most
}

/// The columns called `names`, texts as `Utf8`, money as `Int64`, times as microseconds without a zone.
///
/// # Errors
/// When one is missing or of another kind.
pub fn columns<const N: usize>(batch: &RecordBatch, names: [&'static str; N]) -> Result<[ArrayRef; N]> {
    let mut found: Vec<ArrayRef> = Vec::with_capacity(N);
    for name in names {
        let failed = |source| Error::Columns { table: name, source };
        let schema = batch.schema();
        let place = schema.index_of(name).map_err(failed)?;
        let column = batch.column(place);
        found.push(match column.data_type() {
            DataType::Timestamp(..) => {
                let micros = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None)).map_err(failed)?;
                cast(&micros, &DataType::Int64).map_err(failed)?
            }
            DataType::Int32 => cast(column, &DataType::Int64).map_err(failed)?,
            DataType::Decimal64(..) | DataType::Decimal128(..) => raw_money(column),
            DataType::Dictionary(..) => cast(column, &DataType::Utf8).map_err(failed)?,
            _ => Arc::clone(column),
        });
    }
    found.try_into().map_err(|_| Error::Columns {
        table: "columns",
        source: arrow::error::ArrowError::SchemaError("a column is missing".to_owned()),
    })
}

/// Ten-thousandths.
fn raw_money(column: &ArrayRef) -> ArrayRef {
    use arrow::array::{Array, AsArray, Int64Array};
    use arrow::datatypes::{Decimal64Type, Decimal128Type};
    if let Some(money) = column.as_primitive_opt::<Decimal64Type>() {
        return Arc::new(money.iter().collect::<Int64Array>());
    }
    let money = column.as_primitive_opt::<Decimal128Type>();
    let raw = |raw: Option<i128>| raw.and_then(|raw| i64::try_from(raw).ok());
    Arc::new(money.map_or_else(|| Int64Array::new_null(column.len()), |money| money.iter().map(raw).collect()))
}
