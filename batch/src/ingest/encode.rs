//! Accepted and refused lines as Parquet row groups.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, DictionaryArray, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::SchemaRef;
use data::lake::{Table, writer_properties};
use data::money::{MONEY_PRECISION, MONEY_SCALE};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, compute_leaves, get_column_writers};
use parquet::basic::Compression;
use parquet::errors::Result;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::schema::types::{SchemaDescriptor, TypePtr};

use super::chunk::{Refused, Rows, Texts};
use super::dictionary::{Code, Dictionary};
use crate::csv::dialect::Encoding;

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
#[derive(Clone, Debug)]
pub struct FileLayout {
    pub arrow: SchemaRef,
    pub parquet: TypePtr,
    pub properties: WriterPropertiesPtr,
    descriptor: SchemaDescriptor,
}

impl FileLayout {
    /// # Errors
    /// When the schema has no Parquet form.
    pub fn of(table: Table) -> Result<Self> {
        let arrow = Arc::new(table.file_schema());
        let descriptor = ArrowSchemaConverter::new().convert(&arrow)?;
        let mut properties = WriterProperties::into_builder(writer_properties(Compression::LZ4_RAW));
        for plain in ["raw_line", "source_position"] {
            properties = properties.set_column_dictionary_enabled(plain.into(), false);
        }
        Ok(Self { parquet: descriptor.root_schema_ptr(), arrow, descriptor, properties: Arc::new(properties.build()) })
    }

    fn encode(&self, columns: &[ArrayRef]) -> Result<Vec<ArrowColumnChunk>> {
        let writers = get_column_writers(&self.descriptor, &self.properties, &self.arrow)?;
        let fields = self.arrow.fields().iter().zip(columns);
        fields
            .zip(writers)
            .map(|((field, column), mut writer)| {
                for leaf in compute_leaves(field, column)? {
                    writer.write(&leaf)?;
                }
                writer.close()
            })
            .collect()
    }
}

/// One row group of `orders`.
///
/// # Errors
/// When the rows cannot be encoded.
pub fn encode_orders(pieces: &[Piece], source: &str, encoding: Encoding, layout: &FileLayout) -> Result<Vec<ArrowColumnChunk>> {
    let text = |codes: fn(&Rows) -> &Vec<Code>, dictionary: fn(&Texts) -> &Dictionary| text_column(pieces, codes, dictionary, encoding);
    let number = |values: fn(&Rows) -> &Vec<i64>| pieces.iter().flat_map(move |piece| values(&piece.rows).iter().copied());
    let money = |values: fn(&Rows) -> &Vec<i64>| -> Result<ArrayRef> {
        let raw = Decimal128Array::from_iter_values(number(values).map(i128::from));
        Ok(Arc::new(raw.with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE)?))
    };
    let rows = pieces.iter().map(|piece| piece.rows.len()).sum();
    let times = TimestampMicrosecondArray::from_iter_values(number(|rows| &rows.ordered_at)).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        text(|rows| &rows.invoice, |texts| &texts.invoice)?,
        text(|rows| &rows.stock_code, |texts| &texts.stock_code)?,
        text(|rows| &rows.description, |texts| &texts.description)?,
        Arc::new(Int64Array::from_iter_values(number(|rows| &rows.quantity))),
        money(|rows| &rows.unit_price)?,
        money(|rows| &rows.amount)?,
        text(|rows| &rows.customer_id, |texts| &texts.customer_id)?,
        text(|rows| &rows.country, |texts| &texts.country)?,
        Arc::new(times),
        constant_column(source, rows)?,
        positions(pieces.iter().map(|piece| (piece.first_line, &piece.rows.line))),
    ];
    layout.encode(&columns)
}

/// One row group of `rejected_orders`.
///
/// # Errors
/// When the rows cannot be encoded.
pub fn encode_refused(pieces: &[RefusedPiece], source: &str, encoding: Encoding, layout: &FileLayout) -> Result<Vec<ArrowColumnChunk>> {
    let rows = pieces.iter().map(|piece| piece.refused.line.len()).sum();
    let reasons = pieces.iter().flat_map(|piece| piece.refused.reason.iter().map(|reason| i32::try_from(reason.index()).ok()));
    let names = StringArray::from_iter_values(data::Reason::ALL.map(data::Reason::name));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(raw_lines(pieces, encoding)?),
        constant_column(source, rows)?,
        positions(pieces.iter().map(|piece| (piece.first_line, &piece.refused.line))),
        Arc::new(DictionaryArray::try_new(Int32Array::from_iter(reasons), Arc::new(names))?),
    ];
    layout.encode(&columns)
}

fn positions<'a>(lines: impl Iterator<Item = (u64, &'a Vec<u32>)>) -> ArrayRef {
    let positions = lines.flat_map(|(first, lines)| lines.iter().map(move |line| first + u64::from(*line)));
    Arc::new(positions.map(|position| i64::try_from(position).ok()).collect::<Int64Array>())
}

fn constant_column(value: &str, rows: usize) -> Result<ArrayRef> {
    let values = StringArray::from(vec![value]);
    Ok(Arc::new(DictionaryArray::try_new(Int32Array::from(vec![0; rows]), Arc::new(values))?))
}

/// A text column over one dictionary: the used values of each piece's own.
fn text_column(
    pieces: &[Piece],
    codes: fn(&Rows) -> &Vec<Code>,
    dictionary: fn(&Texts) -> &Dictionary,
    encoding: Encoding,
) -> Result<ArrayRef> {
    let mut union = Dictionary::default();
    let mut keys: Vec<i32> = Vec::with_capacity(pieces.iter().map(|piece| piece.rows.len()).sum());
    for piece in pieces {
        let own = dictionary(&piece.texts);
        let mut renumbered: Vec<Option<i32>> = vec![None; own.len()];
        for code in codes(&piece.rows) {
            let Some(slot) = renumbered.get_mut(*code as usize) else { continue };
            let key = *slot.get_or_insert_with(|| i32::try_from(union.code(own.get(*code))).unwrap_or(i32::MAX));
            keys.push(key);
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "codes are 32-bit")]
    let values: StringArray = (0..union.len()).map(|code| Some(encoding.decode(union.get(code as Code)))).collect();
    Ok(Arc::new(DictionaryArray::try_new(Int32Array::from(keys), Arc::new(values))?))
}

/// The refused lines' text; without copies of its own where all is UTF-8.
fn raw_lines(pieces: &[RefusedPiece], encoding: Encoding) -> Result<StringArray> {
    let mut bytes: Vec<u8> = Vec::with_capacity(pieces.iter().map(|piece| piece.refused.raw.len()).sum());
    let mut ends: Vec<i32> = vec![0];
    for piece in pieces {
        let refused = &piece.refused;
        let is_text = encoding != Encoding::Windows1252 && std::str::from_utf8(&refused.raw).is_ok();
        let mut start = 0;
        for &end in &refused.ends {
            let raw = refused.raw.get(start..end).unwrap_or_default();
            if is_text {
                bytes.extend_from_slice(raw);
            } else {
                bytes.extend_from_slice(encoding.decode(raw).as_bytes());
            }
            ends.push(i32::try_from(bytes.len()).map_err(|_| parquet::errors::ParquetError::General("too many refused bytes in one row group".to_owned()))?);
            start = end;
        }
    }
    Ok(StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(ends)), bytes.into(), None)?)
}
