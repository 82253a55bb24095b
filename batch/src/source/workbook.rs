//! XLSX workbooks, rendered as delimited text: every sheet with the first sheet's header, below each other.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use calamine::{DataRef, Reader, Xlsx, XlsxError};

use crate::error::{Error, Result};

/// Renders the workbook at `path` into a temporary file.
///
/// # Errors
/// When the file is no workbook, holds no rows, or a later sheet has another header.
pub fn render(path: &Path, name: &str) -> Result<File> {
    let file = File::open(path).map_err(|source| Error::Read { name: name.to_owned(), source })?;
    let unreadable = |error: XlsxError| Error::Source {
        name: name.to_owned(),
        reason: format!(
            "is a ZIP archive but no readable XLSX workbook ({error}); unpack it, or save it as XLSX or CSV"
        ),
    };
    let mut workbook: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(unreadable)?;
    let spooled = tempfile::tempfile().map_err(|source| Error::Read { name: name.to_owned(), source })?;
    let mut out = BufWriter::new(spooled);
    let mut header = Vec::new();
    for sheet in workbook.sheet_names() {
        let mut rows = SheetRows::default();
        let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(unreadable)?;
        while let Some(cell) = cells.next_cell().map_err(unreadable)? {
            let (row, column) = cell.get_position();
            if let Some(done) = rows.put(row, column, text_of(cell.get_value())) {
                write_row(&mut out, &mut header, &done, &sheet, name)?;
            }
        }
        if let Some(done) = rows.end() {
            write_row(&mut out, &mut header, &done, &sheet, name)?;
        }
    }
    out.into_inner().map_err(|error| Error::Read { name: name.to_owned(), source: error.into_error() })
}

struct Row {
    first: bool,
    /// Blank rows of the sheet above this one.
    blanks: u32,
    cells: Vec<String>,
}

/// Cells gathered into rows.
#[derive(Default)]
struct SheetRows {
    row: u32,
    cells: Vec<String>,
    /// The row below the last one that was not blank.
    next: u32,
    begun: bool,
}

impl SheetRows {
    /// Takes a cell in; returns the row above when the cell begins a new one.
    fn put(&mut self, row: u32, column: u32, text: String) -> Option<Row> {
        let done = if self.row == row { None } else { self.end() };
        self.row = row;
        let column = column as usize;
        if self.cells.len() <= column {
            self.cells.resize(column + 1, String::new());
        }
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = text;
        }
        done
    }

    fn end(&mut self) -> Option<Row> {
        let cells = std::mem::take(&mut self.cells);
        if cells.iter().all(String::is_empty) {
            return None;
        }
        let blanks = self.row.saturating_sub(self.next);
        self.next = self.row + 1;
        Some(Row { first: !std::mem::replace(&mut self.begun, true), blanks, cells })
    }
}

fn write_row(out: &mut impl Write, header: &mut Vec<String>, row: &Row, sheet: &str, name: &str) -> Result<()> {
    if row.first && !header.is_empty() {
        if row.cells == *header {
            return Ok(());
        }
        let reason =
            format!("sheet {sheet:?} has another header than the first sheet; save the sheets as files of their own");
        return Err(Error::Source { name: name.to_owned(), reason });
    }
    if row.first {
        header.clone_from(&row.cells);
    }
    let mut line = "\n".repeat(row.blanks as usize);
    for (index, cell) in row.cells.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        push_quoted(&mut line, cell);
    }
    // Empty cells at a row's end are not stored.
    line.push_str(&",".repeat(header.len().saturating_sub(row.cells.len())));
    line.push('\n');
    out.write_all(line.as_bytes()).map_err(|source| Error::Read { name: name.to_owned(), source })
}

fn push_quoted(line: &mut String, cell: &str) {
    if cell.contains([',', '"', '\n', '\r']) {
        line.push('"');
        line.push_str(&cell.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(cell);
    }
}

fn text_of(cell: &DataRef<'_>) -> String {
    match cell {
        DataRef::DateTime(time) if time.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
        DataRef::DateTime(time) => time.as_f64().to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Bool(value) => value.to_string(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}
