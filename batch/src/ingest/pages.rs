//! Column chunks of Parquet files, made of dictionaries that the reader has built already.
//!
//! The general writer would hash every value of every column once more to find its place in a dictionary; that
//! was 40 % of an ingest's processor time (`./just bench batch`). Here a column is its dictionary page and one
//! page of codes.

use std::hash::BuildHasher;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::dictionary::{Code, Dictionary};
use super::hybrid;

/// Distinct integers above which a column is written plain.
const MOST_DISTINCT: usize = 1 << 15;
/// Longest text kept as a column's minimum or maximum.
const STATISTICS_BYTES: usize = 64;

/// An encoded column chunk.
pub struct ColumnPages {
    bytes: Bytes,
    close: ColumnCloseResult,
}

impl ColumnPages {
    /// Appends the chunk to a row group.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append_to<W: std::io::Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        group.append_column(&self.bytes, self.close)
    }
}

/// A text column: `codes` of the values in `texts`, which are UTF-8.
///
/// # Errors
/// When there are more rows than a page can count.
pub fn texts(column: &ColumnDescPtr, texts: &Dictionary, codes: &[Code]) -> Result<ColumnPages> {
    let mut plain = Vec::new();
    for value in texts.values() {
        plain.extend_from_slice(&count(value.len())?.to_le_bytes());
        plain.extend_from_slice(value);
    }
    let short = |value: Option<&[u8]>| {
        value.filter(|value| value.len() <= STATISTICS_BYTES).map(|value| ByteArray::from(value.to_vec()))
    };
    let statistics =
        Statistics::byte_array(short(texts.values().min()), short(texts.values().max()), None, Some(0), false);
    dictionary_column(column, plain, texts.len(), codes, statistics)
}

/// A column of 64-bit integers.
///
/// # Errors
/// When there are more rows than a page can count.
pub fn integers(column: &ColumnDescPtr, values: impl Iterator<Item = i64> + Clone) -> Result<ColumnPages> {
    let statistics = |least, most| Statistics::int64(least, most, None, Some(0), false);
    let mut distinct = Integers::default();
    let mut codes = Vec::with_capacity(values.size_hint().0);
    for value in values.clone() {
        codes.push(distinct.code(value));
        if distinct.values.len() > MOST_DISTINCT {
            let plain: Vec<u8> = values.clone().flat_map(i64::to_le_bytes).collect();
            let rows = plain.len() / 8;
            let statistics = statistics(values.clone().min(), values.max());
            return pages(column, None, &plain, Encoding::PLAIN, rows, statistics);
        }
    }
    let statistics = statistics(distinct.values.iter().min().copied(), distinct.values.iter().max().copied());
    let plain = distinct.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    dictionary_column(column, plain, distinct.values.len(), &codes, statistics)
}

fn dictionary_column(
    column: &ColumnDescPtr,
    plain: Vec<u8>,
    distinct: usize,
    codes: &[Code],
    statistics: Statistics,
) -> Result<ColumnPages> {
    let width = hybrid::bit_width(distinct);
    let mut body = vec![u8::try_from(width).unwrap_or(u8::MAX)];
    hybrid::encode(codes, width, &mut body);
    pages(column, Some((plain, distinct)), &body, Encoding::RLE_DICTIONARY, codes.len(), statistics)
}

fn pages(
    column: &ColumnDescPtr,
    dictionary: Option<(Vec<u8>, usize)>,
    body: &[u8],
    encoding: Encoding,
    rows: usize,
    statistics: Statistics,
) -> Result<ColumnPages> {
    let mut sink = TrackedWrite::new(Vec::new());
    let mut writer = SerializedPageWriter::new(&mut sink);
    let mut encodings = vec![Encoding::RLE, encoding];
    let mut write = |page: Page| {
        let bytes = page.buffer().len();
        writer.write_page(CompressedPage::new(page, bytes))
    };
    let mut dictionary_offset = None;
    if let Some((plain, distinct)) = dictionary {
        encodings.push(Encoding::PLAIN);
        let page = Page::DictionaryPage {
            buf: plain.into(),
            num_values: count(distinct)?,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        dictionary_offset = Some(offset(write(page)?.offset)?);
    }
    let page = Page::DataPage {
        buf: [&present(rows)?, body].concat().into(),
        num_values: count(rows)?,
        encoding,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    let data_offset = offset(write(page)?.offset)?;
    let bytes = Bytes::from(sink.into_inner()?);
    let length = offset(bytes.len() as u64)?;
    let metadata = ColumnChunkMetaData::builder(column.clone())
        .set_encodings(encodings)
        .set_compression(Compression::UNCOMPRESSED)
        .set_num_values(offset(rows as u64)?)
        .set_total_compressed_size(length)
        .set_total_uncompressed_size(length)
        .set_data_page_offset(data_offset)
        .set_dictionary_page_offset(dictionary_offset)
        .set_statistics(statistics)
        .build()?;
    let close = ColumnCloseResult {
        bytes_written: bytes.len() as u64,
        rows_written: rows as u64,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    };
    Ok(ColumnPages { bytes, close })
}

/// Definition levels of a page without nulls.
fn present(rows: usize) -> Result<Vec<u8>> {
    let mut run = Vec::new();
    hybrid::push_run(1, rows, 1, &mut run);
    Ok([&count(run.len())?.to_le_bytes()[..], &run].concat())
}

fn count(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_| ParquetError::General(format!("{number} values do not fit one page")))
}

fn offset(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| ParquetError::General(format!("offset {number} does not fit a file")))
}

/// Distinct integers, numbered as they come.
#[derive(Default)]
struct Integers {
    values: Vec<i64>,
    codes: HashTable<(i64, Code)>,
    last: Option<(i64, Code)>,
}

impl Integers {
    #[inline]
    fn code(&mut self, value: i64) -> Code {
        if let Some((last, code)) = self.last
            && last == value
        {
            return code;
        }
        let Self { values, codes, .. } = self;
        let hash = |value: i64| FixedState::default().hash_one(value);
        let code = if let Some((_, code)) = codes.find(hash(value), |(known, _)| *known == value) {
            *code
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "at most MOST_DISTINCT")]
            let code = values.len() as Code;
            codes.insert_unique(hash(value), (value, code), |(known, _)| hash(*known));
            values.push(value);
            code
        };
        self.last = Some((value, code));
        code
    }
}

#[cfg(test)]
mod tests;
