//! Lines as text: comma-separated, CRLF, quoted only where needed, as the original is.

use std::io::{self, Write};

use super::calendar::{Civil, Date};
use super::catalogue::{Catalogue, Label};
use super::dirt::{Dirt, DirtKind};
use super::line::{InvoiceKind, Line};
use super::options::Encoding;
use super::words::REMARKS;
use crate::Money;
use crate::money::UNIT;

const HEADER: &[u8] = b"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\r\n";
const BUFFER: usize = 1 << 16;

/// Code and description, encoded and quoted.
struct Fields {
    code: Box<[u8]>,
    description: Box<[u8]>,
}

/// Writes order lines to `out` in blocks of 64 KiB.
pub struct CsvWriter<W> {
    out: W,
    buffer: Vec<u8>,
    items: Vec<Fields>,
    /// The day written last, and its text with a space behind.
    day: (Date, Vec<u8>),
    /// Where the line written last begins in the buffer.
    last: usize,
    written: Written,
}

/// What has been written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    pub bytes: u64,
    /// Lines that are, byte for byte, the line before them.
    pub duplicates: u64,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header.
    #[must_use]
    pub fn new(out: W, catalogue: &Catalogue, encoding: Encoding) -> Self {
        let items = catalogue.labels().iter().map(|label| fields(label, encoding)).collect();
        let mut buffer = Vec::with_capacity(BUFFER + 1024);
        buffer.extend_from_slice(HEADER);
        Self {
            out,
            buffer,
            items,
            day: (Date::default(), day_text(Date::default())),
            last: 0,
            written: Written::default(),
        }
    }

    /// # Errors
    /// What `out` returns.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        // A line that may repeat its predecessor needs it in the buffer.
        if self.buffer.len() >= BUFFER && !line.repeats {
            self.drain()?;
        }
        let (before, start) = (self.last, self.buffer.len());
        self.put(line);
        self.last = start;
        if line.repeats {
            self.written.duplicates += u64::from(self.buffer.get(before..start) == self.buffer.get(start..));
        }
        Ok(())
    }

    /// Writes what is left; gives back `out` and what was written.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn finish(mut self) -> io::Result<(W, Written)> {
        self.drain()?;
        self.out.flush()?;
        Ok((self.out, self.written))
    }

    fn drain(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.written.bytes += u64::try_from(self.buffer.len()).unwrap_or_default();
        self.buffer.clear();
        Ok(())
    }

    fn put(&mut self, line: &Line) {
        let dirt = line.dirt.map(|dirt| dirt.kind);
        match line.kind {
            InvoiceKind::Sale => {}
            InvoiceKind::Cancellation => self.buffer.push(b'C'),
            InvoiceKind::Adjustment => self.buffer.push(b'A'),
        }
        put_number(&mut self.buffer, line.invoice);
        self.put_item(line, dirt == Some(DirtKind::OpenQuote));
        if dirt == Some(DirtKind::FieldsCutOff) {
            self.buffer.extend_from_slice(b"\r\n");
            return;
        }
        self.buffer.push(b',');
        self.put_quantity(line);
        self.buffer.push(b',');
        self.put_date(line);
        self.buffer.push(b',');
        self.put_price(line);
        self.buffer.push(b',');
        self.put_customer(line);
        self.buffer.push(b',');
        self.buffer.extend_from_slice(line.country.name().as_bytes());
        if dirt == Some(DirtKind::FieldTooMany) {
            self.buffer.extend_from_slice(b",see note");
        }
        self.buffer.extend_from_slice(b"\r\n");
    }

    fn put_item(&mut self, line: &Line, open_quote: bool) {
        let Some(item) = self.items.get(line.item.index()) else { return };
        self.buffer.push(b',');
        self.buffer.extend_from_slice(&item.code);
        self.buffer.push(b',');
        let remark = line.remark.and_then(|row| REMARKS.get(usize::from(row)));
        let text = remark.map_or(&*item.description, |remark| remark.as_bytes());
        if !open_quote {
            self.buffer.extend_from_slice(text);
            return;
        }
        // Text must follow the quote, or it would close the one that another such line left open.
        let bare = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(if bare.is_empty() { b"?" } else { bare });
    }

    fn put_quantity(&mut self, line: &Line) {
        match line.dirt {
            Some(Dirt {
                kind: DirtKind::QuantityInWords | DirtKind::FractionalQuantity | DirtKind::MissingQuantity,
                text,
            }) => {
                self.buffer.extend_from_slice(text.as_bytes());
            }
            Some(Dirt { kind: DirtKind::ZeroQuantity, .. }) => self.buffer.push(b'0'),
            Some(Dirt { kind: DirtKind::NegativeQuantity, .. }) => put_signed(&mut self.buffer, -line.quantity.abs()),
            _ => put_signed(&mut self.buffer, line.quantity),
        }
    }

    fn put_date(&mut self, line: &Line) {
        if let Some(Dirt { kind: DirtKind::UnreadableDate | DirtKind::MissingDate, text }) = line.dirt {
            self.buffer.extend_from_slice(text.as_bytes());
            return;
        }
        if self.day.0 != line.ordered_at.date {
            self.day = (line.ordered_at.date, day_text(line.ordered_at.date));
        }
        let (hour, minute) = (line.ordered_at.minute / 60, line.ordered_at.minute % 60);
        self.buffer.extend_from_slice(&self.day.1);
        put_number(&mut self.buffer, u64::from(hour));
        self.buffer.push(b':');
        if minute < 10 {
            self.buffer.push(b'0');
        }
        put_number(&mut self.buffer, u64::from(minute));
    }

    fn put_price(&mut self, line: &Line) {
        match line.dirt {
            Some(Dirt { kind: DirtKind::PriceInWords | DirtKind::MissingPrice, text }) => {
                self.buffer.extend_from_slice(text.as_bytes())
            }
            Some(Dirt { kind: DirtKind::NegativePrice, .. }) => {
                put_money(&mut self.buffer, Money::from_raw(-line.unit_price.raw().abs()))
            }
            _ => put_money(&mut self.buffer, line.unit_price),
        }
    }

    fn put_customer(&mut self, line: &Line) {
        let dirt = line.dirt.map(|dirt| dirt.kind);
        let Some(customer) = line.customer.filter(|_| dirt != Some(DirtKind::BlankCustomer)) else { return };
        put_number(&mut self.buffer, u64::from(customer.id()));
        if dirt == Some(DirtKind::CustomerWithDecimal) {
            self.buffer.extend_from_slice(b".0");
        }
    }
}

/// Month, day, year: `12/1/2010 `.
fn day_text(date: Date) -> Vec<u8> {
    let Civil { year, month, day } = date.civil();
    format!("{month}/{day}/{year} ").into_bytes()
}

fn fields(label: &Label, encoding: Encoding) -> Fields {
    Fields { code: encode(&label.code, encoding), description: encode(&quoted(&label.description), encoding) }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn encode(text: &str, encoding: Encoding) -> Box<[u8]> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().into(),
        Encoding::Latin1 => text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect(),
    }
}

fn put_number(buffer: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        put_number(buffer, number / 10);
    }
    buffer.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
}

fn put_signed(buffer: &mut Vec<u8>, number: i64) {
    if number < 0 {
        buffer.push(b'-');
    }
    put_number(buffer, number.unsigned_abs());
}

/// As few decimals as the amount has: `2.55`, `2.1`, `18`.
fn put_money(buffer: &mut Vec<u8>, money: Money) {
    if money < Money::ZERO {
        buffer.push(b'-');
    }
    let raw = money.raw().unsigned_abs();
    put_number(buffer, raw / UNIT.unsigned_abs());
    let mut rest = raw % UNIT.unsigned_abs();
    let mut place = UNIT.unsigned_abs() / 10;
    if rest > 0 {
        buffer.push(b'.');
    }
    while rest > 0 {
        buffer.push(b'0' + u8::try_from(rest / place).unwrap_or_default());
        rest %= place;
        place /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_numbers_as_the_original_does() {
        let text = |raw| {
            let mut buffer = Vec::new();
            put_money(&mut buffer, Money::from_raw(raw));
            String::from_utf8(buffer).expect("ascii")
        };
        assert_eq!(
            [25_500, 21_000, 180_000, 0, -110_620_600, 10, 1_050].map(text),
            ["2.55", "2.1", "18", "0", "-11062.06", "0.001", "0.105"]
        );
    }

    #[test]
    fn quotes_and_encodes() {
        assert_eq!(quoted("RECORD FRAME 7\" SINGLE"), "\"RECORD FRAME 7\"\" SINGLE\"");
        assert_eq!(quoted("SIGN,SMALL"), "\"SIGN,SMALL\"");
        assert_eq!(quoted("MUG "), "MUG ");
        assert_eq!(&*encode("£5", Encoding::Latin1), b"\xA35");
        assert_eq!(&*encode("£5", Encoding::Utf8), "£5".as_bytes());
    }
}
