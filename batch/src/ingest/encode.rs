//! Accepted and refused lines as Parquet row groups.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, StringArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::SchemaRef;
use data::lake::{Table, writer_properties};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr, TypePtr};

use super::chunk::{Refused, Rows, Texts};
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
        let properties = WriterProperties::into_builder(writer_properties(Compression::LZ4_RAW))
            .set_column_dictionary_enabled("raw_line".into(), false)
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
pub fn encode_orders(
    pieces: &[Piece],
    source: &str,
    encoding: CharacterEncoding,
    layout: &FileLayout,
) -> Result<Vec<Column>> {
    type CodesOf = fn(&Rows) -> &Vec<Code>;
    type TextsOf = fn(&Texts) -> &Dictionary;
    type NumbersOf = fn(&Rows) -> &Vec<i64>;
    let text =
        |index, codes: CodesOf, texts: TextsOf| text_column(pieces, codes, texts, encoding, &layout.column(index));
    let number = |index, values: NumbersOf| {
        let values = pieces.iter().flat_map(move |piece| values(&piece.rows).iter().copied());
        Ok::<_, ParquetError>(Column::Pages(pages::integers(&layout.column(index), values)?))
    };
    let rows = pieces.iter().map(|piece| piece.rows.len()).sum();
    let mut one_source = Dictionary::default();
    let source_codes = vec![one_source.code(source.as_bytes()); rows];
    Ok(vec![
        text(0, |rows| &rows.invoice, |texts| &texts.invoice)?,
        text(1, |rows| &rows.stock_code, |texts| &texts.stock_code)?,
        text(2, |rows| &rows.description, |texts| &texts.description)?,
        number(3, |rows| &rows.quantity)?,
        number(4, |rows| &rows.unit_price)?,
        number(5, |rows| &rows.amount)?,
        text(6, |rows| &rows.customer_id, |texts| &texts.customer_id)?,
        text(7, |rows| &rows.country, |texts| &texts.country)?,
        number(8, |rows| &rows.ordered_at)?,
        Column::Pages(pages::texts(&layout.column(9), &one_source, &source_codes)?),
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
    let reasons =
        pieces.iter().flat_map(|piece| piece.refused.reason.iter().map(|reason| i32::try_from(reason.index()).ok()));
    let names = StringArray::from_iter_values(data::Reason::ALL.map(data::Reason::name));
    let columns: [ArrayRef; 4] = [
        Arc::new(raw_lines(pieces, encoding)?),
        constant_column(source, rows)?,
        positions(pieces.iter().map(|piece| (piece.first_line, &piece.refused.line))),
        Arc::new(DictionaryArray::try_new(Int32Array::from_iter(reasons), Arc::new(names))?),
    ];
    columns.iter().enumerate().map(|(index, values)| layout.encode(index, values)).collect()
}

fn positions<'a>(lines: impl Iterator<Item = (u64, &'a Vec<u32>)>) -> ArrayRef {
    let positions = lines.flat_map(|(first, lines)| lines.iter().map(move |line| first + u64::from(*line)));
    Arc::new(positions.map(|position| i64::try_from(position).ok()).collect::<Int64Array>())
}

fn constant_column(value: &str, rows: usize) -> Result<ArrayRef> {
    let values = StringArray::from(vec![value]);
    Ok(Arc::new(DictionaryArray::try_new(Int32Array::from(vec![0; rows]), Arc::new(values))?))
}

/// A text column over one dictionary: the used values of each piece's own, as UTF-8.
fn text_column(
    pieces: &[Piece],
    codes: fn(&Rows) -> &Vec<Code>,
    dictionary: fn(&Texts) -> &Dictionary,
    encoding: CharacterEncoding,
    column: &ColumnDescPtr,
) -> Result<Column> {
    let mut union = Dictionary::default();
    let mut renumbered_codes: Vec<Code> = Vec::with_capacity(pieces.iter().map(|piece| piece.rows.len()).sum());
    for piece in pieces {
        let own = dictionary(&piece.texts);
        let mut renumbered: Vec<Option<Code>> = vec![None; own.len()];
        for code in codes(&piece.rows) {
            let Some(slot) = renumbered.get_mut(*code as usize) else { continue };
            renumbered_codes.push(*slot.get_or_insert_with(|| union.code(&encoding.to_utf8(own.get(*code)))));
        }
    }
    Ok(Column::Pages(pages::texts(column, &union, &renumbered_codes)?))
}

/// The refused lines' text; without copies of its own where all is UTF-8.
fn raw_lines(pieces: &[RefusedPiece], encoding: CharacterEncoding) -> Result<StringArray> {
    let mut bytes: Vec<u8> = Vec::with_capacity(pieces.iter().map(|piece| piece.refused.raw.len()).sum());
    let mut ends: Vec<i32> = vec![0];
    for piece in pieces {
        let refused = &piece.refused;
        let text = std::str::from_utf8(&refused.raw).ok().filter(|_| encoding != CharacterEncoding::Windows1252);
        let mut start = 0;
        for &end in &refused.ends {
            // Two lines may hold the halves of what together would be one character.
            match text.and_then(|text| text.get(start..end)) {
                Some(line) => bytes.extend_from_slice(line.as_bytes()),
                None => {
                    bytes.extend_from_slice(&encoding.to_utf8(refused.raw.get(start..end).unwrap_or_default()));
                }
            }
            ends.push(
                i32::try_from(bytes.len())
                    .map_err(|_| ParquetError::General("too many refused bytes in one row group".to_owned()))?,
            );
            start = end;
        }
    }
    Ok(StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(ends)), bytes.into(), None)?)
}
