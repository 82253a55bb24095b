//! Column chunks of Parquet files, made of dictionaries that the reader has built already.
//!
//! The general writer would hash every value of every column once more to find its place in a dictionary; that
//! was 40 % of an ingest's processor time (`./just bench batch`). Here a column is its dictionary page and one
//! page of codes, and what all lines of an order share is encoded once for all of them.

use std::hash::BuildHasher;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::dictionary::{Code, Dictionary};
use crate::hybrid::{self, Encoder};

/// Distinct integers above which a column is written plain.
const MOST_DISTINCT: usize = 1 << 15;
/// On order lines as quick as LZ4, in half the space.
const ZSTD_LEVEL: i32 = 1;
/// Of the table of values seen lately.
const LATELY_BITS: u32 = 11;
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

/// A text column: runs of the codes of values in `texts`, which are UTF-8.
///
/// # Errors
/// When there are more rows than a page can count.
pub fn texts(
    column: &ColumnDescPtr,
    texts: &Dictionary,
    rows: usize,
    runs: impl Iterator<Item = (Code, u32)>,
) -> Result<ColumnPages> {
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
    dictionary_column(column, (plain, texts.len()), rows, runs, statistics)
}

/// A column of 64-bit integers, by runs.
///
/// # Errors
/// When there are more rows than a page can count.
pub fn integers(
    column: &ColumnDescPtr,
    rows: usize,
    mut runs: impl Iterator<Item = (i64, u32)> + Clone,
) -> Result<ColumnPages> {
    let statistics = |least, most| Statistics::int64(least, most, None, Some(0), false);
    let mut distinct = Integers::default();
    let all = runs.clone();
    let mut codes = Vec::with_capacity(rows);
    let few = runs.try_for_each(|(value, _)| {
        codes.push(distinct.code(value));
        (distinct.values.len() <= MOST_DISTINCT).then_some(())
    });
    if few.is_none() {
        let mut data = Data::new(rows, 8 * rows)?;
        all.clone().for_each(|(value, times)| (0..times).for_each(|_| data.body.extend(value.to_le_bytes())));
        let values = || all.clone().map(|(value, _)| value);
        let statistics = statistics(values().min(), values().max());
        return column_chunk(column, None, vec![data], Encoding::PLAIN, statistics);
    }
    let statistics = statistics(distinct.values.iter().min().copied(), distinct.values.iter().max().copied());
    let plain = distinct.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let runs = codes.into_iter().zip(all.map(|(_, times)| times));
    dictionary_column(column, (plain, distinct.values.len()), rows, runs, statistics)
}
/// A text column that is compressed instead: `PLAIN` values, for each page with the number of them.
///
/// # Errors
/// When there are more rows than a page can count.
pub fn compressed_texts(column: &ColumnDescPtr, pages: &[(&[u8], usize)]) -> Result<ColumnPages> {
    let pages = pages.iter().map(|(plain, rows)| {
        let mut data = Data::new(*rows, plain.len())?;
        data.body.extend_from_slice(plain);
        data.compress()
    });
    let statistics = Statistics::byte_array(None, None, None, Some(0), false);
    column_chunk(column, None, pages.collect::<Result<_>>()?, Encoding::PLAIN, statistics)
}

/// A data page: definition levels, then the values.
struct Data {
    rows: usize,
    body: Vec<u8>,
    /// Bytes of the body before it was compressed.
    uncompressed: Option<usize>,
}

impl Data {
    /// With room for so many bytes of values, none of which is null.
    fn new(rows: usize, bytes: usize) -> Result<Self> {
        let mut present = Vec::new();
        hybrid::push_run(1, rows, 1, &mut present);
        let mut body = Vec::with_capacity(bytes + 16);
        body.extend_from_slice(&count(present.len())?.to_le_bytes());
        body.extend_from_slice(&present);
        Ok(Self { rows, body, uncompressed: None })
    }

    fn compress(self) -> Result<Self> {
        let body = zstd::bulk::compress(&self.body, ZSTD_LEVEL)?;
        Ok(Self { rows: self.rows, uncompressed: Some(self.body.len()), body })
    }
}

/// A column of values out of a dictionary: its plain values and how many they are.
fn dictionary_column(
    column: &ColumnDescPtr,
    dictionary: (Vec<u8>, usize),
    rows: usize,
    runs: impl Iterator<Item = (Code, u32)>,
    statistics: Statistics,
) -> Result<ColumnPages> {
    let width = hybrid::bit_width(dictionary.1);
    let mut data = Data::new(rows, rows * width as usize / 8)?;
    data.body.push(u8::try_from(width).unwrap_or(u8::MAX));
    let mut encoder = Encoder::new(width, data.body);
    runs.for_each(|(code, times)| encoder.push(code, times));
    data.body = encoder.finish();
    column_chunk(column, Some(dictionary), vec![data], Encoding::RLE_DICTIONARY, statistics)
}

fn column_chunk(
    column: &ColumnDescPtr,
    dictionary: Option<(Vec<u8>, usize)>,
    pages: Vec<Data>,
    encoding: Encoding,
    statistics: Statistics,
) -> Result<ColumnPages> {
    let rows: usize = pages.iter().map(|data| data.rows).sum();
    let compressed = pages.iter().any(|data| data.uncompressed.is_some());
    let mut sink = TrackedWrite::new(Vec::new());
    let mut writer = SerializedPageWriter::new(&mut sink);
    let mut encodings = vec![Encoding::RLE, encoding];
    let mut uncompressed_length = 0;
    let mut write = |page: Page, uncompressed: usize| {
        let written = writer.write_page(CompressedPage::new(page, uncompressed))?;
        uncompressed_length += written.uncompressed_size;
        offset(written.offset)
    };
    let mut dictionary_offset = None;
    if let Some((plain, distinct)) = dictionary {
        encodings.push(Encoding::PLAIN);
        let length = plain.len();
        let page = Page::DictionaryPage {
            buf: plain.into(),
            num_values: count(distinct)?,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        dictionary_offset = Some(write(page, length)?);
    }
    let mut data_offset = None;
    for Data { rows, body, uncompressed } in pages {
        let length = uncompressed.unwrap_or(body.len());
        let page = Page::DataPage {
            buf: body.into(),
            num_values: count(rows)?,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let at = write(page, length)?;
        data_offset.get_or_insert(at);
    }
    let bytes = Bytes::from(sink.into_inner()?);
    let metadata = ColumnChunkMetaData::builder(column.clone())
        .set_encodings(encodings)
        .set_compression(if compressed {
            Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?)
        } else {
            Compression::UNCOMPRESSED
        })
        .set_num_values(offset(rows as u64)?)
        .set_total_compressed_size(offset(bytes.len() as u64)?)
        .set_total_uncompressed_size(offset(uncompressed_length as u64)?)
        .set_data_page_offset(data_offset.unwrap_or(0))
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

fn count(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_| ParquetError::General(format!("{number} values do not fit one page")))
}

fn offset(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| ParquetError::General(format!("offset {number} does not fit a file")))
}

/// Distinct integers, numbered as they come.
struct Integers {
    values: Vec<i64>,
    codes: HashTable<(i64, Code)>,
    /// Values seen lately, each in the one place that its bits say: most are found there.
    lately: Vec<Option<(i64, Code)>>,
}

impl Default for Integers {
    fn default() -> Self {
        Self { values: Vec::new(), codes: HashTable::new(), lately: vec![None; 1 << LATELY_BITS] }
    }
}

impl Integers {
    #[inline]
    fn code(&mut self, value: i64) -> Code {
        // Multiplicative hashing (Knuth, The Art of Computer Programming 3, 6.4): by the golden ratio, the high bits.
        let place = value.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - LATELY_BITS);
        #[expect(clippy::cast_possible_truncation, reason = "of LATELY_BITS bits")]
        let place = place as usize;
        if let Some(Some((known, code))) = self.lately.get(place)
            && *known == value
        {
            return *code;
        }
        let code = self.find_or_insert(value);
        if let Some(slot) = self.lately.get_mut(place) {
            *slot = Some((value, code));
        }
        code
    }

    fn find_or_insert(&mut self, value: i64) -> Code {
        let Self { values, codes, .. } = self;
        let hash = |value: i64| FixedState::default().hash_one(value);
        if let Some((_, code)) = codes.find(hash(value), |(known, _)| *known == value) {
            return *code;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most MOST_DISTINCT")]
        let code = values.len() as Code;
        codes.insert_unique(hash(value), (value, code), |(known, _)| hash(*known));
        values.push(value);
        code
    }
}

#[cfg(test)]
mod tests;
