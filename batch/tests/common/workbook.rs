//! The smallest XLSX workbooks: stored ZIP entries, inline strings, one date style.

use std::fmt::Write as _;

use super::orders::Order;

pub enum Cell {
    Empty,
    Text(String),
    Number(f64),
    /// Days since 30 December 1899.
    Date(f64),
}

/// The cells of an order as spreadsheets keep them: numbers and dates as floats.
pub fn cells(order: &Order) -> Vec<Cell> {
    let text = |text: &str| if text.is_empty() { Cell::Empty } else { Cell::Text(text.to_owned()) };
    let number = |value: &str| value.parse().map_or_else(|_| text(value), Cell::Number);
    let epoch = chrono::NaiveDate::from_ymd_opt(1899, 12, 30).expect("a date").and_time(chrono::NaiveTime::MIN);
    let minutes = i32::try_from((order.time() - epoch).num_minutes()).expect("a date of our time");
    vec![
        number(order.invoice),
        number(order.stock_code),
        text(order.description),
        Cell::Number(order.quantity.to_string().parse().expect("a number")),
        Cell::Date(f64::from(minutes) / 1440.0),
        number(order.price),
        number(order.customer),
        text(order.country),
    ]
}

pub fn header(names: &[&str]) -> Vec<Cell> {
    names.iter().map(|name| Cell::Text((*name).to_owned())).collect()
}

/// A workbook with these sheets.
pub fn workbook(sheets: &[Vec<Vec<Cell>>]) -> Vec<u8> {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
    let (mut list, mut links) = (String::new(), String::new());
    let mut entries = Vec::new();
    for (index, rows) in sheets.iter().enumerate() {
        let id = index + 1;
        let _ = write!(list, r#"<sheet name="Year {id}" sheetId="{id}" r:id="rId{id}"/>"#);
        let _ = write!(
            links,
            r#"<Relationship Id="rId{id}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{id}.xml"/>"#
        );
        let sheet = format!(r#"<worksheet xmlns="{MAIN}"><sheetData>{}</sheetData></worksheet>"#, sheet_rows(rows));
        entries.push((format!("xl/worksheets/sheet{id}.xml"), sheet));
    }
    let _ = write!(links, r#"<Relationship Id="rId0" Type="{OFFICE}/styles" Target="styles.xml"/>"#);
    let styles = format!(
        r#"<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>"#
    );
    let book = format!(r#"<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{list}</sheets></workbook>"#);
    let root = format!(r#"<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>"#);
    let relations = |list: &str| format!(r#"<Relationships xmlns="{PACKAGE}">{list}</Relationships>"#);
    entries.push(("_rels/.rels".to_owned(), relations(&root)));
    entries.push(("xl/workbook.xml".to_owned(), book));
    entries.push(("xl/_rels/workbook.xml.rels".to_owned(), relations(&links)));
    entries.push(("xl/styles.xml".to_owned(), styles));
    zip(&entries)
}

fn sheet_rows(rows: &[Vec<Cell>]) -> String {
    let mut out = String::new();
    for (row, cells) in rows.iter().enumerate() {
        let _ = write!(out, r#"<row r="{}">"#, row + 1);
        for (letter, cell) in ('A'..='Z').zip(cells) {
            let at = format!("{letter}{}", row + 1);
            let _ = match cell {
                Cell::Empty => Ok(()),
                Cell::Number(value) => write!(out, r#"<c r="{at}"><v>{value}</v></c>"#),
                Cell::Date(days) => write!(out, r#"<c r="{at}" s="1"><v>{days}</v></c>"#),
                Cell::Text(text) => {
                    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('\n', "&#10;");
                    write!(out, r#"<c r="{at}" t="inlineStr"><is><t>{text}</t></is></c>"#)
                }
            };
        }
        out.push_str("</row>");
    }
    out
}

/// A ZIP archive of uncompressed entries.
pub fn zip(entries: &[(String, String)]) -> Vec<u8> {
    let (mut body, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let mut crc = flate2::Crc::new();
        crc.update(content.as_bytes());
        let (size, length) = (small(content.len()), u16::try_from(name.len()).expect("a short name"));
        let mut fields = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fields.extend([crc.sum(), size, size].iter().flat_map(|field| field.to_le_bytes()));
        fields.extend(length.to_le_bytes());
        fields.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(small(body.len()).to_le_bytes());
        directory.extend(name.as_bytes());
        body.extend(b"PK\x03\x04");
        body.extend(&fields);
        body.extend(name.as_bytes());
        body.extend(content.as_bytes());
    }
    let (start, length) = (small(body.len()), small(directory.len()));
    let count = u16::try_from(entries.len()).expect("few entries").to_le_bytes();
    body.extend(directory);
    body.extend(b"PK\x05\x06\0\0\0\0");
    body.extend([count, count].concat());
    body.extend([length.to_le_bytes(), start.to_le_bytes()].concat());
    body.extend([0, 0]);
    body
}

fn small(length: usize) -> u32 {
    u32::try_from(length).expect("a small archive")
}
