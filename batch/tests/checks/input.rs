//! Order files read line by line, without anything of `batch`: the `csv` crate and the cleaning rule.

use std::collections::BTreeMap;

use data::numbers::DecimalMark;
use data::{DateFormat, DayMonth, EventTime, RawLine, Reason, Rules};

/// An accepted line with every column of `orders`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// Physical line, the header being the first.
    pub position: i64,
    pub invoice: String,
    pub stock_code: String,
    pub description: String,
    pub quantity: i64,
    /// Ten-thousandths.
    pub unit_price: i64,
    pub amount: i64,
    pub customer_id: String,
    pub country: String,
    /// UTC microseconds.
    pub ordered_at: i64,
}

/// A file as it must be taken in.
#[derive(Debug, Default)]
pub struct Expected {
    pub accepted: Vec<Order>,
    /// Line and reason.
    pub rejected: Vec<(i64, &'static str)>,
}

impl Expected {
    pub fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        self.rejected.iter().for_each(|(_, reason)| *counts.entry(*reason).or_default() += 1);
        counts
    }
}

/// ISO-8859-1, whose bytes are the first 256 characters.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Cleans a comma-separated file in the columns of Online Retail, month first, one order line to a physical line.
pub fn clean(file: &[u8], rules: &Rules, text_of: fn(&[u8]) -> String) -> Expected {
    let mut expected = Expected::default();
    let lines = file.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    for (position, line) in (1..).zip(lines).skip(1).filter(|(_, line)| !line.is_empty()) {
        match clean_line(position, line, rules, text_of) {
            Ok(order) => expected.accepted.push(order),
            Err(reason) => expected.rejected.push((position, reason.name())),
        }
    }
    expected
}

fn clean_line(position: i64, line: &[u8], rules: &Rules, text_of: fn(&[u8]) -> String) -> Result<Order, Reason> {
    let fields = fields(line).ok_or(Reason::Malformed)?;
    let field = |index: usize| fields.get(index).unwrap_or_default();
    let raw = RawLine {
        invoice: field(0),
        stock_code: field(1),
        quantity: field(3),
        unit_price: field(5),
        customer_id: field(6),
    };
    let ordered_at = DateFormat::Order(DayMonth::MonthFirst).parse(field(4));
    let order = rules.clean(&raw, ordered_at, DecimalMark::Point, EventTime::MAX)?;
    Ok(Order {
        position,
        invoice: text_of(order.invoice),
        stock_code: text_of(order.stock_code),
        description: text_of(field(2).trim_ascii()),
        quantity: order.quantity,
        unit_price: order.unit_price.raw(),
        amount: order.amount.raw(),
        customer_id: text_of(order.customer_id),
        country: text_of(field(7).trim_ascii()),
        ordered_at: order.ordered_at.micros(),
    })
}

/// The eight fields of a line; `None` when they are not eight or a quote does not close.
fn fields(line: &[u8]) -> Option<csv::ByteRecord> {
    let quotes = line.iter().filter(|byte| **byte == b'"').count();
    let record = match quotes {
        0 => line.split(|byte| *byte == b',').collect(),
        _ => csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(line)
            .into_byte_records()
            .next()?
            .ok()?,
    };
    (record.len() == 8 && quotes.is_multiple_of(2)).then_some(record)
}
