//! Columns of `orders` out of their pages, without a value for each line where a run says it once.
//!
//! This reads what this program and Arrow's writers make: dictionaries with codes, or plain values, of lines that all have one.
//! Anything else is left to Arrow's reader, at ten times the cost.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use data::lake::FileHandle;
use parquet::basic::{Encoding, LogicalType, TimeUnit, Type};
use parquet::column::page::{Page, PageReader};
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::lines::{Runs, Texts, add_run};
use crate::hybrid;

/// A row group of more is left to Arrow's reader, which takes it in batches: a column of it would be held whole here.
const MOST_ROWS: usize = 4 << 20;

/// The text column `name`; `None` where it has another form.
///
/// # Errors
/// When the file cannot be read.
pub fn texts(handle: &Arc<FileHandle>, group: &RowGroupMetaData, name: &str) -> Result<Option<Texts>> {
    let Some(column) = column(group, name).filter(|column| column.column_type() == Type::BYTE_ARRAY) else {
        return Ok(None);
    };
    let (mut values, mut runs) = (None, Runs::new());
    let read = each_part(handle, group, column, |part| match part {
        // A second one would give another meaning to the codes before it.
        Part::Dictionary(_) if values.is_some() => None,
        Part::Dictionary(plain) => {
            values = Some(byte_arrays(plain)?);
            Some(())
        }
        Part::Codes { bytes, width, count } => {
            hybrid::decode(&bytes, width, count, |code, times| add_run(&mut runs, code, times))
        }
        Part::Plain { .. } => None,
    })?;
    Ok(read.and_then(|()| Texts::new(values.unwrap_or_default(), runs)))
}

/// The column of times `name`, in UTC microseconds; `None` where it has another form.
///
/// # Errors
/// When the file cannot be read.
pub fn times(handle: &Arc<FileHandle>, group: &RowGroupMetaData, name: &str) -> Result<Option<Runs<i64>>> {
    let micros = |kind: Option<&LogicalType>| matches!(kind, Some(LogicalType::Timestamp(kind)) if kind.unit == TimeUnit::MICROS);
    let mut runs = Runs::new();
    let read = integers(handle, group, name, micros, |value, times| add_run(&mut runs, value, times))?;
    Ok(read.map(|()| runs))
}

/// The column of amounts `name`, in ten-thousandths; `None` where it has another form.
///
/// # Errors
/// When the file cannot be read.
pub fn money(handle: &Arc<FileHandle>, group: &RowGroupMetaData, name: &str) -> Result<Option<Vec<i64>>> {
    let four_decimals =
        |kind: Option<&LogicalType>| matches!(kind, Some(LogicalType::Decimal(kind)) if kind.scale == 4);
    let mut values = Vec::with_capacity(usize::try_from(group.num_rows()).unwrap_or_default().min(MOST_ROWS));
    let read = integers(handle, group, name, four_decimals, |value, times| {
        values.extend(std::iter::repeat_n(value, times as usize));
    })?;
    Ok(read.map(|()| values))
}

fn integers(
    handle: &Arc<FileHandle>,
    group: &RowGroupMetaData,
    name: &str,
    is_meant: impl Fn(Option<&LogicalType>) -> bool,
    mut take: impl FnMut(i64, u32),
) -> Result<Option<()>> {
    let is_meant = |column: &&ColumnChunkMetaData| {
        column.column_type() == Type::INT64 && is_meant(column.column_descr().logical_type_ref())
    };
    let Some(column) = column(group, name).filter(is_meant) else { return Ok(None) };
    let mut values: Vec<i64> = Vec::new();
    each_part(handle, group, column, |part| match part {
        Part::Dictionary(plain) => {
            values = words(&plain).collect();
            Some(())
        }
        Part::Codes { bytes, width, count } => {
            let mut known = true;
            hybrid::decode(&bytes, width, count, |code, times| match values.get(code as usize) {
                Some(value) => take(*value, times),
                None => known = false,
            })?;
            known.then_some(())
        }
        Part::Plain { bytes: plain, count } => {
            if plain.len() != count * size_of::<i64>() {
                return None;
            }
            words(&plain).for_each(|value| take(value, 1));
            Some(())
        }
    })
}

fn column<'a>(group: &'a RowGroupMetaData, name: &str) -> Option<&'a ColumnChunkMetaData> {
    group.columns().iter().find(|column| column.column_path().string() == name)
}

/// What a page holds besides its levels.
enum Part {
    Dictionary(Bytes),
    Codes { bytes: Bytes, width: u32, count: usize },
    Plain { bytes: Bytes, count: usize },
}

impl Part {
    /// Lines whose values it has.
    const fn count(&self) -> usize {
        match self {
            Self::Dictionary(_) => 0,
            Self::Codes { count, .. } | Self::Plain { count, .. } => *count,
        }
    }
}

/// Hands over the pages of a column; `None` as soon as one has another form, or `take` says so.
fn each_part(
    handle: &Arc<FileHandle>,
    group: &RowGroupMetaData,
    column: &ColumnChunkMetaData,
    mut take: impl FnMut(Part) -> Option<()>,
) -> Result<Option<()>> {
    let descriptor = column.column_descr();
    let rows = usize::try_from(group.num_rows()).unwrap_or(usize::MAX);
    if rows > MOST_ROWS || descriptor.max_rep_level() > 0 || descriptor.max_def_level() > 1 {
        return Ok(None);
    }
    let mut pages = SerializedPageReader::new(handle.clone(), column, rows, None)?;
    let mut left = rows;
    while let Some(page) = pages.get_next_page()? {
        let Some(part) = part_of(page, descriptor.max_def_level() == 1) else { return Ok(None) };
        // What a damaged page says of itself must not be believed.
        let Some(behind) = left.checked_sub(part.count()) else { return Ok(None) };
        left = behind;
        if take(part).is_none() {
            return Ok(None);
        }
    }
    Ok((left == 0).then_some(()))
}

fn part_of(page: Page, optional: bool) -> Option<Part> {
    match page {
        Page::DictionaryPage { buf, encoding: Encoding::PLAIN | Encoding::PLAIN_DICTIONARY, .. } => {
            Some(Part::Dictionary(buf))
        }
        Page::DataPage { mut buf, num_values, encoding, def_level_encoding, .. } => {
            let count = num_values as usize;
            if optional {
                if def_level_encoding != Encoding::RLE {
                    return None;
                }
                let length = usize::try_from(buf.try_get_u32_le().ok()?).ok()?;
                let levels = (length <= buf.len()).then(|| buf.split_to(length))?;
                let mut present = true;
                hybrid::decode(&levels, 1, count, |level, _| present &= level == 1)?;
                present.then_some(())?;
            }
            match encoding {
                Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                    let width = u32::from(buf.try_get_u8().ok()?);
                    Some(Part::Codes { bytes: buf, width, count })
                }
                Encoding::PLAIN => Some(Part::Plain { bytes: buf, count }),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Texts in Parquet's `PLAIN`: each behind its length.
fn byte_arrays(mut plain: Bytes) -> Option<Vec<Bytes>> {
    let mut values = Vec::new();
    while !plain.is_empty() {
        let length = usize::try_from(plain.try_get_u32_le().ok()?).ok()?;
        let value = (length <= plain.len()).then(|| plain.split_to(length))?;
        values.push(std::str::from_utf8(&value).is_ok().then_some(value)?);
    }
    Some(values)
}

fn words(plain: &[u8]) -> impl Iterator<Item = i64> {
    plain.as_chunks().0.iter().map(|word| i64::from_le_bytes(*word))
}
