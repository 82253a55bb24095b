//! Accepted and refused lines as Parquet row groups.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::SchemaRef;
use data::lake::{Table, writer_properties};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr, TypePtr};

use super::chunk::{Header, Refused, Rows, Texts};
use super::dictionary::{Code, Dictionary};
use super::pages::{self, ColumnPages};
use crate::csv::dialect::Encoding as CharacterEncoding;

/// Accepted lines of one chunk and month.
#[derive(Debug)]
pub struct Piece {
    pub rows: Rows,
    pub texts: Arc<Texts>,
    /// Physical line of the source at which the chunk begins, from 1.
    pub first_line: u64,
}

/// Refused lines of one chunk.
#[derive(Debug)]
pub struct RefusedPiece {
    pub refused: Refused,
    pub first_line: u64,
}

/// How the files of one table are encoded.
#[derive(Clone)]
pub struct FileLayout {
    arrow: SchemaRef,
    pub parquet: TypePtr,
    pub properties: WriterPropertiesPtr,
    descriptor: SchemaDescPtr,
    general: Arc<ArrowRowGroupWriterFactory>,
}

impl FileLayout {
    /// # Errors
    /// When the schema has no Parquet form.
    pub fn of(table: Table) -> Result<Self> {
        let arrow = Arc::new(table.file_schema());
        let descriptor = Arc::new(ArrowSchemaConverter::new().convert(&arrow)?);
        let properties = WriterProperties::into_builder(writer_properties(Compression::UNCOMPRESSED))
            .set_column_dictionary_enabled("source_position".into(), false)
            .set_column_encoding("source_position".into(), Encoding::DELTA_BINARY_PACKED);
        let (parquet, properties) = (descriptor.root_schema_ptr(), Arc::new(properties.build()));
        // The factory of column writers is only to be had from a file writer.
        let nowhere = SerializedFileWriter::new(std::io::sink(), parquet.clone(), properties.clone())?;
        let general = Arc::new(ArrowRowGroupWriterFactory::new(&nowhere, arrow.clone()));
        Ok(Self { arrow, parquet, properties, descriptor, general })
    }

    fn column(&self, index: usize) -> ColumnDescPtr {
        self.descriptor.column(index)
    }

    /// Encodes column `index` by the general writer.
    fn encode(&self, index: usize, values: &ArrayRef) -> Result<Column> {
        let mut writers = self.general.create_column_writers(0)?;
        let mut writer = writers.swap_remove(index);
        for leaf in compute_leaves(self.arrow.field(index), values)? {
            writer.write(&leaf)?;
        }
        let mut chunk = writer.close()?;
        // A file has page indexes for all of its columns or for none.
        (chunk.close_mut().column_index, chunk.close_mut().offset_index) = (None, None);
        Ok(Column::Written(chunk))
    }
}

/// An encoded column chunk.
pub enum Column {
    /// By the general writer.
    Written(ArrowColumnChunk),
    Pages(ColumnPages),
}

impl Column {
    /// Appends the chunk to a row group.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        match self {
            Self::Written(chunk) => chunk.append_to_row_group(group),
            Self::Pages(pages) => pages.append_to(group),
        }
    }
}

/// One row group of `orders`.
///
/// # Errors
/// When the rows cannot be encoded.
pub fn encode_orders<'p>(
    pieces: &'p [Piece],
    source: &str,
    encoding: CharacterEncoding,
    layout: &FileLayout,
) -> Result<Vec<Column>> {
    type CodesOf = fn(&Rows) -> &Vec<Code>;
    type CodeOf = fn(&Header) -> Code;
    type TextsOf = fn(&Texts) -> &Dictionary;
    let rows = pieces.iter().map(|piece| piece.rows.len()).sum();
    let text = |index, codes: CodesOf, texts: TextsOf| {
        let runs = |rows: &'p Rows| codes(rows).iter().map(|code| (*code, 1));
        text_column(pieces, runs, texts, encoding, &layout.column(index))
    };
    let shared = |index, code: CodeOf, texts: TextsOf| {
        let runs = |rows: &'p Rows| rows.headers.iter().map(move |(header, lines)| (code(header), *lines));
        text_column(pieces, runs, texts, encoding, &layout.column(index))
    };
    let numbers = |index, values: fn(&Rows) -> &Vec<i64>| {
        let values = pieces.iter().flat_map(|piece| values(&piece.rows).iter().map(|value| (*value, 1)));
        pages::integers(&layout.column(index), rows, values).map(Column::Pages)
    };
    // The cleaning rule has seen that it fits.
    let amount = |piece: &'p Piece| {
        piece.rows.quantity.iter().zip(&piece.rows.unit_price).map(|(quantity, price)| (quantity * price, 1))
    };
    let times =
        pieces.iter().flat_map(|piece| piece.rows.headers.iter().map(|(header, lines)| (header.ordered_at, *lines)));
    Ok(vec![
        shared(0, |header| header.invoice, |texts| &texts.invoice)?,
        text(1, |rows| &rows.stock_code, |texts| &texts.stock_code)?,
        text(2, |rows| &rows.description, |texts| &texts.description)?,
        numbers(3, |rows| &rows.quantity)?,
        numbers(4, |rows| &rows.unit_price)?,
        Column::Pages(pages::integers(&layout.column(5), rows, pieces.iter().flat_map(amount))?),
        shared(6, |header| header.customer_id, |texts| &texts.customer_id)?,
        shared(7, |header| header.country, |texts| &texts.country)?,
        Column::Pages(pages::integers(&layout.column(8), rows, times)?),
        constant_column(source, rows, &layout.column(9))?,
        layout.encode(10, &positions(pieces.iter().map(|piece| (piece.first_line, &piece.rows.line))))?,
    ])
}

/// One row group of `rejected_orders`.
///
/// # Errors
/// When the rows cannot be encoded.
pub fn encode_refused(
    pieces: &[RefusedPiece],
    source: &str,
    encoding: CharacterEncoding,
    layout: &FileLayout,
) -> Result<Vec<Column>> {
    let rows = pieces.iter().map(|piece| piece.refused.line.len()).sum();
    let mut names = Dictionary::default();
    let reasons = pieces.iter().flat_map(|piece| &piece.refused.reason);
    let reasons: Vec<(Code, u32)> = reasons.map(|reason| (names.code(reason.name().as_bytes()), 1)).collect();
    Ok(vec![
        raw_lines(pieces, encoding, &layout.column(0))?,
        constant_column(source, rows, &layout.column(1))?,
        layout.encode(2, &positions(pieces.iter().map(|piece| (piece.first_line, &piece.refused.line))))?,
        Column::Pages(pages::texts(&layout.column(3), &names, rows, reasons.into_iter())?),
    ])
}

fn positions<'a>(lines: impl Iterator<Item = (u64, &'a Vec<u32>)>) -> ArrayRef {
    let positions = lines.flat_map(|(first, lines)| lines.iter().map(move |line| first + u64::from(*line)));
    Arc::new(positions.map(|position| i64::try_from(position).ok()).collect::<Int64Array>())
}

fn constant_column(value: &str, rows: usize, column: &ColumnDescPtr) -> Result<Column> {
    let mut values = Dictionary::default();
    let run =
        (values.code(value.as_bytes()), u32::try_from(rows).map_err(|error| ParquetError::External(error.into()))?);
    Ok(Column::Pages(pages::texts(column, &values, rows, std::iter::once(run))?))
}

/// A text column over one dictionary: the used values of each piece's own, as UTF-8.
fn text_column<'p, R: Iterator<Item = (Code, u32)>>(
    pieces: &'p [Piece],
    runs: impl Fn(&'p Rows) -> R,
    dictionary: impl Fn(&Texts) -> &Dictionary,
    encoding: CharacterEncoding,
    column: &ColumnDescPtr,
) -> Result<Column> {
    let mut union = Dictionary::default();
    let mut renumbered_runs = Vec::new();
    let mut rows = 0;
    for piece in pieces {
        let own = dictionary(&piece.texts);
        let mut renumbered: Vec<Option<Code>> = vec![None; own.len()];
        rows += piece.rows.len();
        renumbered_runs.extend(runs(&piece.rows).filter_map(|(code, times)| {
            let slot = renumbered.get_mut(code as usize)?;
            let new = || union.code(&text_of(own.get(code), piece.texts.plain, encoding));
            Some((*slot.get_or_insert_with(new), times))
        }));
    }
    Ok(Column::Pages(pages::texts(column, &union, rows, renumbered_runs.into_iter())?))
}

/// `bytes` in UTF-8, which they are already where they are `plain`.
fn text_of(bytes: &[u8], plain: bool, encoding: CharacterEncoding) -> Cow<'_, [u8]> {
    if plain { Cow::Borrowed(bytes) } else { encoding.to_utf8(bytes) }
}

/// The refused lines' text, a page for each piece.
fn raw_lines(pieces: &[RefusedPiece], encoding: CharacterEncoding, column: &ColumnDescPtr) -> Result<Column> {
    let texts: Vec<Cow<'_, [u8]>> = pieces
        .iter()
        .map(|piece| match &piece.refused {
            Refused { raw, plain: true, .. } => Cow::Borrowed(raw.as_slice()),
            Refused { raw, .. } => Cow::Owned(in_utf8(raw, encoding)),
        })
        .collect();
    let pages: Vec<(&[u8], usize)> =
        texts.iter().zip(pieces).map(|(text, piece)| (&**text, piece.refused.line.len())).collect();
    Ok(Column::Pages(pages::compressed_texts(column, &pages)?))
}

/// Lines, each behind its length, decoded one by one: two may hold the halves of what together would be one character.
fn in_utf8(mut lines: &[u8], encoding: CharacterEncoding) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(lines.len() + lines.len() / 16);
    while let Some((length, rest)) = lines.split_first_chunk() {
        let (line, behind) = rest.split_at(rest.len().min(u32::from_le_bytes(*length) as usize));
        let text = encoding.to_utf8(line);
        #[expect(clippy::cast_possible_truncation, reason = "a line is at most 64 MiB")]
        decoded.extend_from_slice(&(text.len() as u32).to_le_bytes());
        decoded.extend_from_slice(&text);
        lines = behind;
    }
    decoded
}
