//! Order files, line by line: which column is which is found by name.

use std::borrow::Cow;
use std::path::Path;

use super::error::Result;
use super::records::{Records, Unreadable};
use crate::columns::{Column, ColumnMap, Columns};

/// An open order file.
pub struct OrderFile {
    records: Records,
    columns: Columns,
}

impl OrderFile {
    /// Opens `path` and finds its columns.
    ///
    /// # Errors
    /// [`super::Error::Read`], or [`super::Error::Content`] when the header is none of order lines.
    pub fn open(path: &Path, map: &ColumnMap) -> Result<Self> {
        let mut records = Records::open(path, |names| Columns::recognised(names, map))?;
        let columns = Columns::find(&records.names, map).map_err(|reason| records.wrong(reason))?;
        records.least_fields = columns.fields;
        Ok(Self { records, columns })
    }

    /// Reads on to the next record; `false` at the end. Blank lines are none, unreadable ones are counted.
    ///
    /// # Errors
    /// [`super::Error::Read`].
    pub fn advance(&mut self) -> Result<bool> {
        self.records.advance()
    }

    /// A field of the current record, trimmed; empty when the file lacks the column.
    #[must_use]
    pub fn get(&self, column: Column) -> &[u8] {
        self.columns.position(column).map_or(&b""[..], |index| self.records.get(index))
    }

    /// The same as text: UTF-8, or else Windows-1252.
    #[must_use]
    pub fn text(&self, column: Column) -> Cow<'_, str> {
        self.columns.position(column).map_or(Cow::Borrowed(""), |index| self.records.text(index))
    }

    #[must_use]
    pub const fn unreadable(&self) -> Unreadable {
        self.records.unreadable()
    }

    /// How much of the file is read, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.records.share()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io};

    use super::*;

    const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";

    /// Descriptions of the records, and what was unreadable.
    fn read(name: &str, content: &[u8]) -> Result<(Vec<String>, Unreadable)> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, content).expect("written");
        let mut file = OrderFile::open(&path, &ColumnMap::new())?;
        let mut found = Vec::new();
        while file.advance()? {
            found.push(file.text(Column::Description).into_owned());
        }
        assert!((file.share() - 1.0).abs() < 1e-9);
        Ok((found, file.unreadable()))
    }

    fn rows(rows: &[&str]) -> Vec<u8> {
        format!("{HEADER}\r\n{}\r\n", rows.join("\r\n")).into_bytes()
    }

    #[test]
    fn reads_quotes_over_lines_and_both_encodings() {
        let mut content = rows(&[
            "1,a,\"RECORD 7\"\" SINGLE, BLUE\",1,12/1/2010 8:26,2.5,7,UK",
            "",
            "2,b,\"two",
            "lines\",1,12/1/2010 8:26,2.5,7,UK",
        ]);
        content.extend_from_slice(b"3,c,BOX \xA35,1,d,2,7,UK\n4,d,BOX \xC2\xA35,1,d,2,7,UK");
        let (found, unreadable) = read("orders.csv", &content).expect("read");
        assert_eq!(found, ["RECORD 7\" SINGLE, BLUE", "two\nlines", "BOX £5", "BOX £5"]);
        assert_eq!(unreadable, Unreadable::default());
    }

    #[test]
    fn an_unreadable_line_costs_itself_alone() {
        let content = rows(&[
            "1,a,open \"quote inside,1,d,2,7,UK",
            "2,b,\"never closed,1,d,2,7,UK",
            "3,c,fine,1,d,2,7,UK",
            "4,d,too,few",
            "5,e,\"closed\" too early,1,d,2,7,UK",
            "6,f,too many,1,d,2,7,UK,note",
            "7,g,fine too,1,d,2,7,UK",
        ]);
        let (found, unreadable) = read("orders.csv", &content).expect("read");
        assert_eq!(found, ["open \"quote inside", "fine", "fine too"]);
        assert_eq!(unreadable, Unreadable { lines: 4, first: Some(3) });
    }

    #[test]
    fn finds_delimiter_and_compression() {
        let tabs = String::from_utf8(rows(&["1,a,one,1,d,2,7,UK"])).expect("text").replace(',', "\t");
        let marked = format!("\u{feff}{tabs}");
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut zipped, marked.as_bytes()).expect("packed");
        let packed = zstd::encode_all(marked.as_bytes(), 1).expect("packed");
        let files =
            [("a.csv", marked.into_bytes()), ("a.csv.gz", zipped.finish().expect("packed")), ("a.csv.zst", packed)];
        for (name, content) in files {
            assert_eq!(read(name, &content).expect("read").0, ["one"], "{name}");
        }
    }

    #[test]
    fn says_what_is_no_order_file() {
        for (content, expected) in
            [(&b""[..], "is empty"), (b"\n\n", "is empty"), (b"a,b\n1,2\n", "no column for invoice")]
        {
            let error = read("orders.csv", content).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
