//! Accepted and refused lines as Parquet row groups.

use std::sync::Arc;

use data::lake::{Table, writer_properties};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr, TypePtr};

use super::chunk::{Header, Refused, Rows, Texts};
use super::dictionary::{Code, Dictionary};
use super::pages::{self, ColumnPages, Values};

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
    pub parquet: TypePtr,
    pub properties: WriterPropertiesPtr,
    descriptor: SchemaDescPtr,
}

impl FileLayout {
    /// # Errors
    /// When the schema has no Parquet form.
    pub fn of(table: Table) -> Result<Self> {
        let descriptor = Arc::new(ArrowSchemaConverter::new().convert(&table.file_schema())?);
        let properties = Arc::new(writer_properties(Compression::UNCOMPRESSED));
        Ok(Self { parquet: descriptor.root_schema_ptr(), properties, descriptor })
    }

    fn column(&self, index: usize) -> ColumnDescPtr {
        self.descriptor.column(index)
    }
}

/// One row group of `orders`.
///
/// # Errors
/// When the rows cannot be encoded.
pub fn encode_orders(pieces: &[Piece], source: &str, layout: &FileLayout) -> Result<Vec<ColumnPages>> {
    type CodesOf = fn(&Rows) -> &Vec<Code>;
    type CodeOf = fn(&Header) -> Code;
    type TextsOf = fn(&Texts) -> &Dictionary;
    type NumbersOf = fn(&Rows) -> &Vec<i64>;
    let rows = pieces.iter().map(|piece| piece.rows.len()).sum();
    let text = |index, codes: CodesOf, texts: TextsOf| {
        let mut union = Union::default();
        let mut all = Vec::with_capacity(rows);
        for piece in pieces {
            union.begin(texts(&piece.texts));
            all.extend(codes(&piece.rows).iter().map(|code| union.code(*code)));
        }
        pages::texts(&layout.column(index), &union.texts, Values::Each(&all))
    };
    let shared = |index, code: CodeOf, texts: TextsOf| {
        let mut union = Union::default();
        let mut all = Vec::new();
        for piece in pieces {
            union.begin(texts(&piece.texts));
            all.extend(piece.rows.headers.iter().map(|(header, lines)| (union.code(code(header)), *lines)));
        }
        pages::texts(&layout.column(index), &union.texts, Values::Runs(&all))
    };
    let numbers = |index, values: NumbersOf| {
        let all: Vec<i64> = pieces.iter().flat_map(|piece| values(&piece.rows)).copied().collect();
        pages::integers(&layout.column(index), Values::Each(&all))
    };
    let mut amounts: Vec<i64> = Vec::with_capacity(rows);
    for Piece { rows, .. } in pieces {
        // The cleaning rule has seen that it fits.
        amounts.extend(rows.quantity.iter().zip(&rows.unit_price).map(|(quantity, price)| quantity * price));
    }
    let headers = pieces.iter().flat_map(|piece| &piece.rows.headers);
    let times: Vec<(i64, u32)> = headers.map(|(header, lines)| (header.ordered_at, *lines)).collect();
    Ok(vec![
        shared(0, |header| header.invoice, |texts| &texts.invoice)?,
        text(1, |rows| &rows.stock_code, |texts| &texts.stock_code)?,
        text(2, |rows| &rows.description, |texts| &texts.description)?,
        numbers(3, |rows| &rows.quantity)?,
        numbers(4, |rows| &rows.unit_price)?,
        pages::integers(&layout.column(5), Values::Each(&amounts))?,
        shared(6, |header| header.customer_id, |texts| &texts.customer_id)?,
        shared(7, |header| header.country, |texts| &texts.country)?,
        pages::integers(&layout.column(8), Values::Runs(&times))?,
        constant(source, rows, &layout.column(9))?,
        positions(pieces.iter().map(|piece| (piece.first_line, &piece.rows.line)), rows, &layout.column(10))?,
    ])
}

/// One row group of `rejected_orders`.
///
/// # Errors
/// When the rows cannot be encoded.
pub fn encode_refused(pieces: &[RefusedPiece], source: &str, layout: &FileLayout) -> Result<Vec<ColumnPages>> {
    let rows = pieces.iter().map(|piece| piece.refused.line.len()).sum();
    let raw_lines: Vec<(&[u8], usize)> =
        pieces.iter().map(|RefusedPiece { refused, .. }| (refused.raw.as_slice(), refused.line.len())).collect();
    let mut names = Dictionary::default();
    let reasons = pieces.iter().flat_map(|piece| &piece.refused.reason);
    let reasons: Vec<Code> = reasons.map(|reason| names.code(reason.name().as_bytes())).collect();
    Ok(vec![
        pages::compressed_texts(&layout.column(0), &raw_lines)?,
        constant(source, rows, &layout.column(1))?,
        positions(pieces.iter().map(|piece| (piece.first_line, &piece.refused.line)), rows, &layout.column(2))?,
        pages::texts(&layout.column(3), &names, Values::Each(&reasons))?,
    ])
}

fn positions<'a>(
    lines: impl Iterator<Item = (u64, &'a Vec<u32>)>,
    rows: usize,
    column: &ColumnDescPtr,
) -> Result<ColumnPages> {
    let mut all: Vec<i64> = Vec::with_capacity(rows);
    for (first, lines) in lines {
        let first = first.cast_signed();
        all.extend(lines.iter().map(|line| first + i64::from(*line)));
    }
    pages::growing_integers(column, &all)
}

fn constant(value: &str, rows: usize, column: &ColumnDescPtr) -> Result<ColumnPages> {
    let mut values = Dictionary::default();
    let rows = u32::try_from(rows).map_err(|error| ParquetError::External(error.into()))?;
    let run = (values.code(value.as_bytes()), rows);
    pages::texts(column, &values, Values::Runs(&[run]))
}

/// One dictionary for several pieces: of the used values of each piece's own.
#[derive(Default)]
struct Union<'p> {
    texts: Dictionary,
    own: Option<&'p Dictionary>,
    /// The new code of each of the piece's own.
    codes: Vec<Option<Code>>,
}

impl<'p> Union<'p> {
    /// Goes on with the codes of `own`.
    fn begin(&mut self, own: &'p Dictionary) {
        self.own = Some(own);
        self.codes.clear();
        self.codes.resize(own.len(), None);
    }

    #[inline]
    fn code(&mut self, own: Code) -> Code {
        if let Some(Some(code)) = self.codes.get(own as usize) {
            return *code;
        }
        self.new_code(own)
    }

    #[inline(never)]
    fn new_code(&mut self, own: Code) -> Code {
        let code = self.texts.code(self.own.map_or(b"", |texts| texts.get(own)));
        if let Some(slot) = self.codes.get_mut(own as usize) {
            *slot = Some(code);
        }
        code
    }
}
