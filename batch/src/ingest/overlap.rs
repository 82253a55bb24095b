//! How many lines of a new source the lake has already: the same invoice with the same content, line by line.
//!
//! An equal line has an equal time, so only files of the source's own months are compared. A source of months that
//! the lake does not have costs nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, Decimal128Type, Int64Type, TimestampMicrosecondType};
use data::lake::{DataFile, FileHandle, Snapshot, Table, WrittenFile};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use tokio::runtime::Handle;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Result};

/// What makes two lines the same.
const TEXTS: [&str; 3] = ["invoice", "stock_code", "customer_id"];
const COLUMNS: [&str; 6] = ["invoice", "stock_code", "customer_id", "quantity", "unit_price", "ordered_at"];
const BATCH_ROWS: usize = 1 << 14;

/// Lines of `new` files that `orders` holds too, or files that are `waiting` to be committed to it. A line that comes several times
/// counts as often as both have it.
///
/// # Errors
/// When a file cannot be read.
pub fn known_lines<'w>(
    orders: &Snapshot,
    waiting: impl Iterator<Item = &'w WrittenFile>,
    new: &[WrittenFile],
    runtime: &Handle,
) -> Result<u64> {
    let data = |file: &WrittenFile| DataFile { path: file.path.clone(), bytes: file.bytes };
    let mut months: BTreeMap<&str, Vec<DataFile>> = BTreeMap::new();
    for file in new {
        months.entry(folder(&file.path)).or_default().push(data(file));
    }
    let present: Vec<DataFile> = orders.files()?.into_iter().chain(waiting.map(data)).collect();
    let mut known = 0;
    for (month, files) in months {
        let mut earlier = present.iter().filter(|file| folder(&file.path) == month).peekable();
        if earlier.peek().is_none() {
            continue;
        }
        let mut lines: HashMap<u128, u32> = HashMap::new();
        for file in &files {
            each_line(orders, file, runtime, |line| *lines.entry(line).or_default() += 1)?;
        }
        for file in earlier {
            each_line(orders, file, runtime, |line| {
                if let Some(left) = lines.get_mut(&line).filter(|left| **left > 0) {
                    *left -= 1;
                    known += 1;
                }
            })?;
        }
    }
    Ok(known)
}

/// The partition that a file is in.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn each_line(orders: &Snapshot, file: &DataFile, runtime: &Handle, mut take: impl FnMut(u128)) -> Result<()> {
    let handle = runtime.block_on(orders.open_file(file))?;
    let fail = |source| Error::Orders { path: file.path.clone(), source };
    for batch in batches(handle).map_err(fail)? {
        let batch = batch?;
        let mut line = Vec::new();
        for row in 0..batch.num_rows() {
            line.clear();
            for name in TEXTS {
                let text = batch.column_by_name(name).and_then(|texts| texts.as_string_opt::<i32>());
                // No text holds a byte that UTF-8 does not know.
                line.extend_from_slice(
                    text.filter(|texts| texts.is_valid(row)).map_or("", |texts| texts.value(row)).as_bytes(),
                );
                line.push(0xff);
            }
            line.extend_from_slice(&number::<Int64Type>(&batch, "quantity", row).unwrap_or_default().to_le_bytes());
            let price = number::<Decimal128Type>(&batch, "unit_price", row).unwrap_or_default();
            line.extend_from_slice(&price.to_le_bytes());
            let time = number::<TimestampMicrosecondType>(&batch, "ordered_at", row).unwrap_or_default();
            line.extend_from_slice(&time.to_le_bytes());
            take(xxh3_128(&line));
        }
    }
    Ok(())
}

type Batches = parquet::arrow::arrow_reader::ParquetRecordBatchReader;

fn batches(handle: FileHandle) -> parquet::errors::Result<Batches> {
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Table::Orders.file_schema()));
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(handle, options)?;
    let projection = ProjectionMask::columns(reader.parquet_schema(), COLUMNS);
    reader.with_projection(projection).with_batch_size(BATCH_ROWS).build()
}

fn number<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str, row: usize) -> Option<T::Native> {
    Some(batch.column_by_name(name)?.as_primitive_opt::<T>()?.value(row))
}
