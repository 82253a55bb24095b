//! What a text looks like, decided from its first megabyte: encoding, delimiter, header, decimal mark.

use std::borrow::Cow;

use data::dates::{DateEvidence, parse_parts};
use data::numbers::DecimalMark;
use data::{DateFormat, DayMonth, EventTime};
use encoding_rs::WINDOWS_1252;

use super::columns::{Column, ColumnMap, Columns};
use super::scanner::{Fields, Scanner, Step};

const DELIMITERS: [u8; 4] = *b",;\t|";

/// How bytes become text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 where a value is UTF-8, else Windows-1252 (of which ISO-8859-1 text is a part).
    #[default]
    Detect,
    Utf8,
    Windows1252,
}

impl Encoding {
    /// # Errors
    /// When the name is of no supported encoding.
    pub fn from_flag(name: &str) -> Result<Self, String> {
        match name.to_ascii_lowercase().replace(['_', ' '], "-").as_str() {
            "auto" | "detect" => Ok(Self::Detect),
            "utf-8" | "utf8" | "ascii" => Ok(Self::Utf8),
            "windows-1252" | "cp1252" | "iso-8859-1" | "latin-1" | "latin1" => Ok(Self::Windows1252),
            _ => Err(format!(
                "unknown encoding {name:?}: use auto, utf-8, windows-1252 or iso-8859-1 (convert others with iconv first)"
            )),
        }
    }

    /// The text that `bytes` are.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(&self.to_utf8(bytes)).into_owned()
    }

    /// `bytes` in UTF-8.
    #[must_use]
    pub fn to_utf8(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        let valid = || std::str::from_utf8(bytes).is_ok();
        match self {
            _ if bytes.is_ascii() => Cow::Borrowed(bytes),
            Self::Detect | Self::Utf8 if valid() => Cow::Borrowed(bytes),
            Self::Utf8 => Cow::Owned(String::from_utf8_lossy(bytes).into_owned().into_bytes()),
            Self::Detect | Self::Windows1252 => {
                Cow::Owned(WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned().into_bytes())
            }
        }
    }
}

/// What the user fixed about a text; the rest is detected.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub encoding: Encoding,
    pub dates: Option<DateFormat>,
    pub map: ColumnMap,
}

/// How to read a text's records.
#[derive(Clone, Debug)]
pub struct Layout {
    pub delimiter: u8,
    pub columns: Columns,
    pub dates: DateFormat,
    pub mark: DecimalMark,
    pub encoding: Encoding,
    /// Bytes before the first record: a byte-order mark and the header.
    pub header_bytes: usize,
    /// Physical lines before the first record.
    pub header_lines: u64,
    /// The latest date that a line can have.
    pub latest: EventTime,
}

/// Decides the layout from the first bytes of a text; `whole` when nothing follows them.
///
/// # Errors
/// Says what is wrong with the text and what to do.
pub fn detect(head: &[u8], whole: bool, wishes: &Wishes) -> Result<Layout, String> {
    let bom = refuse_foreign(head)?;
    let text = head.get(bom..).unwrap_or_default();
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(if whole {
            "is empty; it needs at least a header line".to_owned()
        } else {
            "begins with a megabyte of blanks".to_owned()
        });
    }
    let best = DELIMITERS
        .into_iter()
        .filter_map(|delimiter| read_header(text, delimiter, whole, wishes))
        .max_by_key(|found| (Columns::recognised(&found.names, &wishes.map), found.names.len()));
    let Some(found) = best else { return Err("has no readable header line".to_owned()) };
    let header = text.get(..found.end).unwrap_or_default();
    if header.trim_ascii().windows(2).any(|pair| matches!(pair, [b'\r', next] if *next != b'\n')) {
        return Err(
            "ends its lines with carriage returns alone; convert it first: tr '\\r' '\\n' < IN > OUT".to_owned()
        );
    }
    let columns = Columns::find(&found.names, &wishes.map)?;
    let body = text.get(found.end..).unwrap_or_default();
    let sample = sample(body, whole, found.delimiter, &columns);
    let order = sample.dates.decide().unwrap_or(DayMonth::MonthFirst);
    Ok(Layout {
        delimiter: found.delimiter,
        columns,
        dates: wishes.dates.clone().unwrap_or(DateFormat::Order(order)),
        mark: if sample.commas > sample.points { DecimalMark::Comma } else { DecimalMark::Point },
        encoding: wishes.encoding,
        header_bytes: bom + found.end,
        header_lines: memchr::memchr_iter(b'\n', header).count() as u64,
        latest: EventTime::MAX,
    })
}

/// The length of a UTF-8 byte-order mark, unless the bytes are no 8-bit text.
fn refuse_foreign(head: &[u8]) -> Result<usize, String> {
    let utf16 = head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF");
    let start = head.get(..4096).unwrap_or(head);
    let zeros = memchr::memchr_iter(0, start).count();
    // In UTF-16 the zeros are every other byte; elsewhere they are anywhere.
    let odd = memchr::memchr_iter(0, start).filter(|at| at % 2 == 1).count();
    if utf16 || zeros * 4 > start.len() && odd.min(zeros - odd) * 8 < zeros {
        return Err("is UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8 IN > OUT".to_owned());
    }
    if zeros > 0 {
        return Err("is a binary file, not delimited text; give CSV, XLSX or Parquet".to_owned());
    }
    Ok(if head.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 })
}

struct Header {
    delimiter: u8,
    names: Vec<String>,
    /// Offset of the first byte behind the header line.
    end: usize,
}

fn read_header(text: &[u8], delimiter: u8, whole: bool, wishes: &Wishes) -> Option<Header> {
    let mut scanner = Scanner::new(text, delimiter, whole);
    let mut fields = Fields::default();
    loop {
        match scanner.step(&mut fields) {
            Step::Record { .. } => {
                let names = (0..fields.len())
                    .map(|index| wishes.encoding.decode(fields.get(text, index).trim_ascii()))
                    .collect();
                return Some(Header { delimiter, names, end: scanner.position().min(text.len()) });
            }
            Step::Blank => {}
            Step::Malformed { .. } | Step::Incomplete { .. } | Step::End => return None,
        }
    }
}

/// What a price that tells its decimal mark weighs against one that may be a grouped number: more than all of a sample.
const TELLING: u64 = 1 << 32;

#[derive(Default)]
struct Sample {
    dates: DateEvidence,
    /// Weights of prices with a decimal point, and with a decimal comma.
    points: u64,
    commas: u64,
}

fn sample(body: &[u8], whole: bool, delimiter: u8, columns: &Columns) -> Sample {
    let mut sample = Sample::default();
    let mut scanner = Scanner::new(body, delimiter, whole);
    let mut fields = Fields::default();
    let mut previous = None;
    loop {
        match scanner.step(&mut fields) {
            Step::Record { .. } => {
                let field = |column| columns.position(column).map_or(&b""[..], |index| fields.get(body, index));
                let parts = parse_parts(field(Column::OrderedAt));
                sample.dates.observe(parts, previous);
                previous = parts.or(previous);
                let price = field(Column::UnitPrice);
                let (comma, point) = (memchr::memrchr(b',', price), memchr::memrchr(b'.', price));
                let Some(last) = comma.max(point) else { continue };
                // `1,234` may be a thousand and more: only files that tell by no other price are read by such ones.
                let tells = price.len() - last != 4 || comma.min(point).is_some();
                let weight = if tells { TELLING } else { 1 };
                sample.commas = sample.commas.saturating_add(if comma > point { weight } else { 0 });
                sample.points = sample.points.saturating_add(if point > comma { weight } else { 0 });
            }
            Step::Malformed { .. } | Step::Blank => {}
            Step::Incomplete { .. } | Step::End => return sample,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";

    fn layout(text: &[u8]) -> Result<Layout, String> {
        detect(text, true, &Wishes::default())
    }

    #[test]
    fn one_price_that_tells_outweighs_grouped_thousands() {
        let mark = |prices: &[&str]| {
            let lines = prices.iter().map(|price| format!("1,A,BOX,1,2011-01-01,\"{price}\",7,UK\n"));
            layout(lines.fold(format!("{HEADER}\n"), |text, line| text + &line).as_bytes()).map(|found| found.mark)
        };
        assert_eq!(mark(&["1,234", "2,500", "9.95"]), Ok(DecimalMark::Point));
        assert_eq!(mark(&["1.234", "2.500", "9,95"]), Ok(DecimalMark::Comma));
        assert_eq!(mark(&["1,234", "2,500", "1,250.00"]), Ok(DecimalMark::Point));
        assert_eq!(mark(&["1,25", "2,5", "7"]), Ok(DecimalMark::Comma));
    }

    #[test]
    fn detects_delimiter_decimal_mark_and_date_order() {
        let semicolons = format!("{}\n1;a;b;2;13.12.2010 8:26;2,55;7;UK\n", HEADER.replace(',', ";"));
        let found = layout(semicolons.as_bytes()).expect("a layout");
        assert_eq!(
            (found.delimiter, found.mark, found.dates),
            (b';', DecimalMark::Comma, DateFormat::Order(DayMonth::DayFirst))
        );
        let tabs = format!("\u{feff}\n{}\r\n1\ta\tb\t2\t12/13/2010\t2.55\t7\tUK\r\n", HEADER.replace(',', "\t"));
        let found = layout(tabs.as_bytes()).expect("a layout");
        assert_eq!((found.delimiter, found.mark, found.header_lines), (b'\t', DecimalMark::Point, 2));
        assert_eq!(found.header_bytes, 3 + 1 + HEADER.len() + 2);
    }

    #[test]
    fn refuses_what_is_not_delimited_text() {
        let utf16: Vec<u8> = HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let cases: [(&[u8], &str); 5] = [
            (b"", "is empty"),
            (b"\n \r\n", "is empty"),
            (&utf16, "is UTF-16"),
            (b"\x7fELF and then some text with a zero\0 in it, and more", "binary file"),
            (b"a,b,c\n1,2,3\n", "no column for invoice, quantity, ordered_at, unit_price, customer_id"),
        ];
        for (text, expected) in cases {
            let error = layout(text).expect_err("refused");
            assert!(error.contains(expected), "{error}");
        }
    }
}
