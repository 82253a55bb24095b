//! The lines of a row group as the runs they are stored in: those of an order follow each other, and share nearly all.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal64Type, Field, Int32Type, Schema, TimestampMicrosecondType};
use bytes::Bytes;
use data::lake::{FileHandle, Table};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::schema::types::SchemaDescriptor;

use super::pages;
use crate::topics;

const COLUMNS: [&str; 5] = ["invoice", "customer_id", "amount", "country", "ordered_at"];
/// Read where it may name topics.
const SOURCE: &str = "source";
const BATCH_ROWS: usize = 1 << 17;

/// Runs of equal values that follow each other, and how long they are.
pub type Runs<T> = Vec<(T, u32)>;

/// Adds a run, to the last one where that goes on.
#[inline]
pub fn add_run<T: PartialEq>(runs: &mut Runs<T>, value: T, times: u32) {
    match runs.last_mut() {
        Some((last, length)) if *last == value => *length += times,
        _ => runs.push((value, times)),
    }
}

/// A text column: runs of the codes of its values.
#[derive(Debug, Default)]
pub struct Texts {
    values: Vec<Bytes>,
    pub runs: Runs<u32>,
}

impl Texts {
    /// `None` when a code stands for no value.
    #[must_use]
    pub fn new(values: Vec<Bytes>, runs: Runs<u32>) -> Option<Self> {
        runs.iter().all(|(code, _)| (*code as usize) < values.len()).then_some(Self { values, runs })
    }

    /// The value behind a code of a run.
    #[inline]
    #[must_use]
    pub fn get(&self, code: u32) -> &[u8] {
        self.values.get(code as usize).map(Bytes::as_ref).unwrap_or_default()
    }

    pub fn map<T>(&self, of: impl FnMut(&[u8]) -> T) -> Vec<T> {
        self.values.iter().map(Bytes::as_ref).map(of).collect()
    }

    fn of_array(column: &ArrayRef, name: &str) -> Result<Self> {
        let dictionary: &DictionaryArray<Int32Type> = column.as_dictionary();
        if dictionary.null_count() > 0 {
            return Err(ParquetError::General(format!("column {name} has lines without a value")));
        }
        let values = dictionary.values().as_string::<i32>().iter();
        let values = values.map(|value| Bytes::copy_from_slice(value.unwrap_or_default().as_bytes())).collect();
        let mut runs = Runs::new();
        dictionary.keys().values().iter().for_each(|key| add_run(&mut runs, key.cast_unsigned(), 1));
        Self::new(values, runs)
            .ok_or_else(|| ParquetError::General(format!("column {name} names values that it has not")))
    }
}

/// The columns that customers are computed from; all are of one length.
#[derive(Debug)]
pub struct Lines {
    pub rows: usize,
    pub customer_id: Texts,
    pub invoice: Texts,
    pub country: Texts,
    /// UTC microseconds.
    ordered_at: Runs<i64>,
    /// Ten-thousandths of the currency unit.
    amount: Vec<i64>,
    /// Where it may name topics.
    pub source: Option<Texts>,
}

/// What the lines of a span share; texts are codes.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub customer_id: u32,
    pub invoice: u32,
    pub country: u32,
    pub ordered_at: i64,
}

impl Lines {
    /// # Errors
    /// When the columns are of different lengths.
    fn new(
        [customer_id, invoice, country]: [Texts; 3],
        ordered_at: Runs<i64>,
        amount: Vec<i64>,
        source: Option<Texts>,
    ) -> Result<Self> {
        fn length<T>(runs: &Runs<T>) -> usize {
            runs.iter().map(|(_, times)| *times as usize).sum()
        }
        let rows = amount.len();
        let of_source = source.as_ref().map_or(rows, |source| length(&source.runs));
        let lengths =
            [length(&customer_id.runs), length(&invoice.runs), length(&country.runs), length(&ordered_at), of_source];
        if lengths.iter().any(|length| *length != rows) {
            return Err(ParquetError::General(format!("columns of one row group have {lengths:?} and {rows} lines")));
        }
        Ok(Self { rows, customer_id, invoice, country, ordered_at, amount, source })
    }

    /// As their pages are; `None` where another program wrote them in another form.
    ///
    /// # Errors
    /// When the file cannot be read, or its columns are of different lengths.
    pub fn of_pages(handle: &Arc<FileHandle>, group: &RowGroupMetaData, with_source: bool) -> Result<Option<Self>> {
        let text = |name| pages::texts(handle, group, name);
        let (Some(customer_id), Some(invoice), Some(country)) =
            (text("customer_id")?, text("invoice")?, text("country")?)
        else {
            return Ok(None);
        };
        let Some(ordered_at) = pages::times(handle, group, "ordered_at")? else { return Ok(None) };
        let Some(amount) = pages::money(handle, group, "amount")? else { return Ok(None) };
        let source = if with_source { text(SOURCE)? } else { None };
        if with_source && source.is_none() {
            return Ok(None);
        }
        Self::new([customer_id, invoice, country], ordered_at, amount, source).map(Some)
    }

    /// # Errors
    /// When a column is missing, or lacks values.
    pub fn of_batch(batch: &RecordBatch) -> Result<Self> {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| ParquetError::General(format!("column {name} is missing")))
        };
        let text = |name: &str| Texts::of_array(column(name)?, name);
        for name in ["amount", "ordered_at"] {
            if column(name)?.null_count() > 0 {
                return Err(ParquetError::General(format!("column {name} has lines without a value")));
            }
        }
        let mut times = Runs::new();
        let ordered_at = column("ordered_at")?.as_primitive::<TimestampMicrosecondType>().values();
        ordered_at.iter().for_each(|time| add_run(&mut times, *time, 1));
        let amount = column("amount")?.as_primitive::<Decimal64Type>().values().to_vec();
        let source = batch.column_by_name(SOURCE).map(|_| text(SOURCE)).transpose()?;
        Self::new([text("customer_id")?, text("invoice")?, text("country")?], times, amount, source)
    }

    /// Calls `take` with each span of lines that share everything but their amounts.
    #[inline]
    pub fn each_span(&self, mut take: impl FnMut(Span, &[i64])) {
        let mut customers = Cursor::new(&self.customer_id.runs);
        let mut invoices = Cursor::new(&self.invoice.runs);
        let mut countries = Cursor::new(&self.country.runs);
        let mut times = Cursor::new(&self.ordered_at);
        let mut amounts = self.amount.as_slice();
        while let (Some(customer), Some(invoice), Some(country), Some(time)) =
            (customers.current, invoices.current, countries.current, times.current)
        {
            let length = customer.1.min(invoice.1).min(country.1).min(time.1);
            let Some((span, rest)) = amounts.split_at_checked(length as usize) else { return };
            take(Span { customer_id: customer.0, invoice: invoice.0, country: country.0, ordered_at: time.0 }, span);
            amounts = rest;
            customers.pass(length);
            invoices.pass(length);
            countries.pass(length);
            times.pass(length);
        }
    }
}

/// A place in runs: the value there, and how often it still comes.
struct Cursor<'a, T> {
    rest: std::slice::Iter<'a, (T, u32)>,
    current: Option<(T, u32)>,
}

impl<'a, T: Copy> Cursor<'a, T> {
    fn new(runs: &'a Runs<T>) -> Self {
        let mut rest = runs.iter();
        let current = rest.next().copied();
        Self { rest, current }
    }

    /// Passes as many lines, at most those of the run.
    #[inline]
    fn pass(&mut self, lines: u32) {
        match &mut self.current {
            Some((_, left)) if *left > lines => *left -= lines,
            _ => self.current = self.rest.next().copied(),
        }
    }
}

/// Reads a file of `orders`.
///
/// # Errors
/// When it cannot be read.
pub fn each_row_group(handle: FileHandle, mut take: impl FnMut(Lines)) -> Result<()> {
    let options = ArrowReaderOptions::new().with_schema(Arc::new(reading_schema()));
    let metadata = ArrowReaderMetadata::load(&handle, options)?;
    let columns = metadata.metadata().file_metadata().schema_descr();
    check_scale(columns)?;
    let projection = ProjectionMask::columns(columns, COLUMNS);
    let with_source = ProjectionMask::columns(columns, COLUMNS.into_iter().chain([SOURCE]));
    let pages = Arc::new(handle.clone());
    for (group, content) in metadata.metadata().row_groups().iter().enumerate() {
        let may_name_topics = topics::may_be_in(content);
        if let Some(lines) = Lines::of_pages(&pages, content, may_name_topics)? {
            take(lines);
            continue;
        }
        // A batch never spans row groups: each has a dictionary of its own.
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(handle.clone(), metadata.clone())
            .with_projection(if may_name_topics { &with_source } else { &projection }.clone())
            .with_row_groups(vec![group])
            .with_batch_size(BATCH_ROWS)
            .build()?;
        for batch in batches {
            take(Lines::of_batch(&batch?)?);
        }
    }
    Ok(())
}

/// Refuses amounts of another scale: Arrow's reader would take their digits as ten-thousandths.
fn check_scale(columns: &SchemaDescriptor) -> Result<()> {
    let amount = columns.columns().iter().find(|column| column.name() == "amount");
    match amount.map(|column| column.type_scale()) {
        Some(scale) if scale != 4 => Err(ParquetError::General(format!(
            "column amount has {scale} decimals, and the table has 4; write it again"
        ))),
        _ => Ok(()),
    }
}

/// Texts as dictionaries, as they are stored; money as the 64-bit integers it is.
fn reading_schema() -> Schema {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let fields = Table::Orders
        .file_schema()
        .fields()
        .iter()
        .map(|field| {
            let kind = match field.data_type() {
                DataType::Utf8 => text.clone(),
                DataType::Decimal128(precision, scale) => DataType::Decimal64(*precision, *scale),
                other => other.clone(),
            };
            Field::new(field.name(), kind, true)
        })
        .collect::<Vec<_>>();
    Schema::new(fields)
}
