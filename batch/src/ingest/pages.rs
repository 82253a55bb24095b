//! Values chunks of Parquet files, made of dictionaries that the reader has built already.
//!
//! The general writer would hash every value of every column once more to find its place in a dictionary; that
//! was 40 % of an ingest's processor time (`./just bench batch`). Here a column is its dictionary page and one
//! page of codes, and what all lines of an order share is encoded once for all of them.

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::delta;
use super::dictionary::{Code, Dictionary};
use super::integers::Integers;
use crate::hybrid::{self, Encoder};

/// On order lines as quick as LZ4, in half the space.
const ZSTD_LEVEL: i32 = 1;
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

/// The values of a column's rows.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a, T> {
    Each(&'a [T]),
    /// Each with how often it comes.
    Runs(&'a [(T, u32)]),
}

impl<'a, T: Copy> Values<'a, T> {
    fn rows(self) -> usize {
        match self {
            Self::Each(values) => values.len(),
            Self::Runs(runs) => runs.iter().map(|(_, times)| *times as usize).sum(),
        }
    }
}

/// A text column: the codes of values in `texts`, which are UTF-8.
///
/// # Errors
/// When there are more rows than a page can count.
pub fn texts(descriptor: &ColumnDescPtr, texts: &Dictionary, codes: Values<'_, Code>) -> Result<ColumnPages> {
    let mut plain = Vec::with_capacity(texts.bytes() + size_of::<u32>() * texts.len());
    for value in texts.values() {
        plain.extend_from_slice(&count(value.len())?.to_le_bytes());
        plain.extend_from_slice(value);
    }
    let short = |value: Option<&[u8]>| {
        value.filter(|value| value.len() <= STATISTICS_BYTES).map(|value| ByteArray::from(value.to_vec()))
    };
    let statistics =
        Statistics::byte_array(short(texts.values().min()), short(texts.values().max()), None, Some(0), false);
    dictionary_column(descriptor, (plain, texts.len()), codes, statistics)
}

/// A column of 64-bit integers.
///
/// # Errors
/// When there are more rows than a page can count.
pub fn integers(descriptor: &ColumnDescPtr, column: Values<'_, i64>) -> Result<ColumnPages> {
    let mut distinct = Integers::default();
    let codes = match column {
        Values::Each(values) => distinct.codes(values.iter().copied()),
        Values::Runs(runs) => distinct.codes(runs.iter().map(|(value, _)| *value)),
    };
    let Some(codes) = codes else { return plain_integers(descriptor, column) };
    let values = distinct.values();
    let statistics = integer_statistics(values.iter().copied());
    let dictionary = (values.iter().flat_map(|value| value.to_le_bytes()).collect(), values.len());
    match column {
        Values::Each(_) => dictionary_column(descriptor, dictionary, Values::Each(&codes), statistics),
        Values::Runs(runs) => {
            let runs: Vec<(Code, u32)> = codes.into_iter().zip(runs.iter().map(|(_, times)| *times)).collect();
            dictionary_column(descriptor, dictionary, Values::Runs(&runs), statistics)
        }
    }
}

fn plain_integers(descriptor: &ColumnDescPtr, column: Values<'_, i64>) -> Result<ColumnPages> {
    let mut data = DataPage::new(column.rows(), size_of::<i64>() * column.rows())?;
    let statistics = match column {
        Values::Each(values) => {
            data.body.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            integer_statistics(values.iter().copied())
        }
        Values::Runs(runs) => {
            let each = runs.iter().flat_map(|(value, times)| std::iter::repeat_n(*value, *times as usize));
            data.body.extend(each.flat_map(i64::to_le_bytes));
            integer_statistics(runs.iter().map(|(value, _)| *value))
        }
    };
    column_chunk(descriptor, None, vec![data], Encoding::PLAIN, statistics)
}

/// A column of 64-bit integers that grow in small steps.
///
/// # Errors
/// When there are more rows than a page can count.
pub fn growing_integers(descriptor: &ColumnDescPtr, values: &[i64]) -> Result<ColumnPages> {
    let mut data = DataPage::new(values.len(), values.len())?;
    if delta::encode(values, &mut data.body).is_none() {
        return plain_integers(descriptor, Values::Each(values));
    }
    let statistics = integer_statistics(values.iter().copied());
    column_chunk(descriptor, None, vec![data], Encoding::DELTA_BINARY_PACKED, statistics)
}

fn integer_statistics(values: impl Iterator<Item = i64> + Clone) -> Statistics {
    Statistics::int64(values.clone().min(), values.max(), None, Some(0), false)
}

/// A text column that is compressed instead: `PLAIN` values, for each page with the number of them.
///
/// # Errors
/// When there are more rows than a page can count.
pub fn compressed_texts(descriptor: &ColumnDescPtr, pages: &[(&[u8], usize)]) -> Result<ColumnPages> {
    let pages = pages.iter().map(|(plain, rows)| {
        let mut data = DataPage::new(*rows, plain.len())?;
        data.body.extend_from_slice(plain);
        data.compress()
    });
    let statistics = Statistics::byte_array(None, None, None, Some(0), false);
    column_chunk(descriptor, None, pages.collect::<Result<_>>()?, Encoding::PLAIN, statistics)
}

/// A data page: definition levels, then the values.
struct DataPage {
    rows: usize,
    body: Vec<u8>,
    /// Bytes of the body before it was compressed.
    uncompressed: Option<usize>,
}

impl DataPage {
    /// With room for so many bytes of values, none of which is null.
    fn new(rows: usize, bytes: usize) -> Result<Self> {
        let mut present = Vec::new();
        hybrid::push_run(1, rows, 1, &mut present);
        let mut body = Vec::with_capacity(bytes + 16);
        body.extend_from_slice(&count(present.len())?.to_le_bytes());
        body.extend_from_slice(&present);
        Ok(Self { rows, body, uncompressed: None })
    }

    /// The page and its length before it was compressed.
    fn encoded(self, encoding: Encoding) -> Result<(Page, usize)> {
        let length = self.uncompressed.unwrap_or(self.body.len());
        let page = Page::DataPage {
            buf: self.body.into(),
            num_values: count(self.rows)?,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        Ok((page, length))
    }

    fn compress(self) -> Result<Self> {
        let body = zstd::bulk::compress(&self.body, ZSTD_LEVEL)?;
        Ok(Self { rows: self.rows, uncompressed: Some(self.body.len()), body })
    }
}

/// A column of values out of a dictionary: its plain values and how many they are.
fn dictionary_column(
    descriptor: &ColumnDescPtr,
    dictionary: (Vec<u8>, usize),
    codes: Values<'_, Code>,
    statistics: Statistics,
) -> Result<ColumnPages> {
    let width = hybrid::bit_width(dictionary.1);
    let mut data = DataPage::new(codes.rows(), codes.rows() * width as usize / 8)?;
    data.body.push(u8::try_from(width).unwrap_or(u8::MAX));
    let mut encoder = Encoder::new(width, data.body);
    data.body = match codes {
        Values::Each(codes) => encoder.encode(codes),
        Values::Runs(runs) => {
            runs.iter().for_each(|(code, times)| encoder.push(*code, *times));
            encoder.finish()
        }
    };
    column_chunk(descriptor, Some(dictionary), vec![data], Encoding::RLE_DICTIONARY, statistics)
}

fn column_chunk(
    descriptor: &ColumnDescPtr,
    dictionary: Option<(Vec<u8>, usize)>,
    pages: Vec<DataPage>,
    encoding: Encoding,
    statistics: Statistics,
) -> Result<ColumnPages> {
    let rows: usize = pages.iter().map(|page| page.rows).sum();
    let compressed = pages.iter().any(|page| page.uncompressed.is_some());
    let mut sink = TrackedWrite::new(Vec::new());
    let mut writer = SerializedPageWriter::new(&mut sink);
    let mut encodings = vec![Encoding::RLE, encoding];
    let mut uncompressed_length = 0;
    let mut write = |(page, uncompressed)| {
        let written = writer.write_page(CompressedPage::new(page, uncompressed))?;
        uncompressed_length += written.uncompressed_size;
        offset(written.offset)
    };
    let mut dictionary_offset = None;
    if let Some((plain, distinct)) = dictionary {
        encodings.push(Encoding::PLAIN);
        dictionary_offset = Some(write(dictionary_page(plain, distinct)?)?);
    }
    let mut data_offset = None;
    for page in pages {
        let at = write(page.encoded(encoding)?)?;
        data_offset.get_or_insert(at);
    }
    let bytes = Bytes::from(sink.into_inner()?);
    let metadata = ColumnChunkMetaData::builder(descriptor.clone())
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

/// A page and its length before it was compressed.
fn dictionary_page(plain: Vec<u8>, distinct: usize) -> Result<(Page, usize)> {
    let (length, num_values) = (plain.len(), count(distinct)?);
    let page = Page::DictionaryPage { buf: plain.into(), num_values, encoding: Encoding::PLAIN, is_sorted: false };
    Ok((page, length))
}

fn count(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_| ParquetError::General(format!("{number} values do not fit one page")))
}

fn offset(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| ParquetError::General(format!("offset {number} does not fit a file")))
}

#[cfg(test)]
mod tests;
