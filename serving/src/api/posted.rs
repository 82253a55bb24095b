//! A posted order line, and everything that is wrong with it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use data::cleaning::latest_date;
use data::numbers::DecimalMark;
use data::order::Wire;
use data::{EventTime, RawLine, Reason};
use serde_json::value::RawValue;

use super::orders::Line;
use super::{FieldProblem, Place, quality};

/// Every name of a field, as the topic and the API have them.
const FIELDS: [&str; 22] = [
    "invoice",
    "invoice_no",
    "Invoice",
    "InvoiceNo",
    "stock_code",
    "StockCode",
    "description",
    "Description",
    "quantity",
    "Quantity",
    "ordered_at",
    "invoice_date",
    "InvoiceDate",
    "unit_price",
    "UnitPrice",
    "price",
    "Price",
    "customer_id",
    "CustomerID",
    "Customer ID",
    "country",
    "Country",
];
/// Of an amount of money.
const DECIMALS: usize = 4;
/// One mistyped year would stretch every chart over two thousand.
const EARLIEST: NaiveDate = match NaiveDate::from_ymd_opt(1900, 1, 1) {
    Some(date) => date,
    None => NaiveDate::MIN,
};
/// Bytes of an identifier or a name, and of a description: some ten times those of real shops.
const MOST_NAME: usize = 200;
const MOST_DESCRIPTION: usize = 2_000;

/// The line as the topic has it.
///
/// # Errors
/// Everything that is wrong, by field.
pub fn line(place: &Place, raw: &[u8], now: EventTime) -> Result<Line, Vec<FieldProblem>> {
    let wire = Wire::read(raw).map_err(|(reason, detail)| vec![refused(reason, &detail)])?;
    let at = place.dates.parse(wire.date.0.as_bytes());
    let latest = latest_date(now);
    let mut wrong = unknown(raw);
    wrong.extend(
        reasons(place, &wire, at, latest).into_iter().map(|reason| refused(reason, &wire.detail(reason, &place.dates))),
    );
    let decimals = wire.unit_price.0.split_once('.').map_or("", |(_, decimals)| decimals.trim_end_matches('0'));
    if decimals.len() > DECIMALS && decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        wrong.push(problem("unit_price", format!("bad_price: amounts have at most {DECIMALS} decimals")));
    }
    if at.is_some_and(|at| at < EventTime::from_date(EARLIEST)) {
        wrong.push(problem("ordered_at", format!("bad_date: no order is from before {EARLIEST}")));
    }
    wrong.extend(unfit(&wire));
    let clean = place.rules.clean(&wire.raw(), at, DecimalMark::Point, latest);
    let Some(clean) = clean.ok().filter(|_| wrong.is_empty()) else { return Err(wrong) };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Line {
        invoice_no: text(clean.invoice),
        stock_code: text(clean.stock_code),
        description: wire.description.0.trim().to_owned(),
        quantity: clean.quantity,
        invoice_date: clean.ordered_at.to_string(),
        unit_price: clean.unit_price,
        customer_id: text(clean.customer_id),
        country: wire.country.0.trim().to_owned(),
    })
}

/// Why the lake would refuse the line: the rule tells the first reason only, so each field is tried in a line that is good
/// otherwise.
fn reasons(place: &Place, wire: &Wire<'_>, at: Option<EventTime>, latest: EventTime) -> Vec<Reason> {
    let clean = |line: &RawLine<'_>, at| place.rules.clean(line, at, DecimalMark::Point, latest).err();
    let own = wire.raw();
    let Some(first) = clean(&own, at) else { return Vec::new() };
    let good = RawLine { invoice: b"1", stock_code: b"A", quantity: b"1", unit_price: b"1", customer_id: b"1" };
    let now = Some(EventTime::from_micros(0));
    // Whether a quantity is good depends on the invoice: that of a cancellation may be negative.
    let invoice = clean(&RawLine { invoice: own.invoice, quantity: own.quantity, ..good }, now);
    let invoice = invoice.filter(|reason| field_of(*reason) == "invoice");
    let beside = if invoice.is_some() { good.invoice } else { own.invoice };
    let found = [
        invoice,
        clean(&RawLine { stock_code: own.stock_code, ..good }, now),
        clean(&RawLine { invoice: beside, quantity: own.quantity, ..good }, now),
        clean(&RawLine { unit_price: own.unit_price, ..good }, now),
        clean(&RawLine { customer_id: own.customer_id, ..good }, now),
        clean(&good, at),
    ];
    let found: Vec<Reason> = found.into_iter().flatten().collect();
    // Each is good alone, but not together.
    if found.is_empty() { vec![first] } else { found }
}

/// Fields that there are not: one that is misspelt would be left out silently.
fn unknown(raw: &[u8]) -> Vec<FieldProblem> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(raw).unwrap_or_default();
    let strange = fields.into_keys().filter(|name| !FIELDS.contains(&name.as_str()));
    strange.map(|name| problem(&name, "there is no such field".to_owned())).collect()
}

/// Texts that no form would have let through: pages and reports would carry them for good.
fn unfit(wire: &Wire<'_>) -> Vec<FieldProblem> {
    let fields = [
        ("invoice", &wire.invoice, MOST_NAME),
        ("stock_code", &wire.stock_code, MOST_NAME),
        ("description", &wire.description, MOST_DESCRIPTION),
        ("customer_id", &wire.customer_id, MOST_NAME),
        ("country", &wire.country, MOST_NAME),
    ];
    let unfit = fields.into_iter().filter_map(|(field, text, most)| {
        if text.0.len() > most {
            let told = format!("too_long: {} bytes, where at most {most} are taken", text.0.len());
            return Some(problem(field, told));
        }
        let control = text.0.trim().chars().find(|letter| letter.is_control())?;
        Some(problem(field, format!("control_character: {control:?} does not belong in a text of one line")))
    });
    unfit.collect()
}

fn refused(reason: Reason, detail: &str) -> FieldProblem {
    let told = quality::explanation(reason.name());
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    problem(field_of(reason), format!("{reason}: {told}{detail}"))
}

fn problem(field: &str, detail: String) -> FieldProblem {
    FieldProblem { field: field.to_owned(), detail }
}

const fn field_of(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed | Reason::BadEncoding => "line",
        Reason::MissingInvoice | Reason::Cancellation | Reason::Adjustment => "invoice",
        Reason::ExcludedStockCode => "stock_code",
        Reason::MissingCustomer => "customer_id",
        Reason::BadQuantity | Reason::NonPositiveQuantity | Reason::AmountOverflow => "quantity",
        Reason::BadPrice | Reason::NonPositivePrice => "unit_price",
        Reason::BadDate | Reason::FutureDate => "ordered_at",
    }
}

#[cfg(test)]
mod tests {
    use data::{DateFormat, DayMonth, Rules};
    use serde_json::{Value, json};

    use super::*;

    const NOW: EventTime = EventTime::from_micros(1_767_225_600_000_000);

    fn wrong(changes: &Value) -> Vec<String> {
        let mut line = json!({"invoice": "1", "stock_code": "A", "quantity": 2, "unit_price": 1.5, "customer_id": "7",
            "ordered_at": "2026-01-01T12:00:00Z"});
        for (name, value) in changes.as_object().expect("an object") {
            line[name] = value.clone();
        }
        let dates = DateFormat::Order(DayMonth::MonthFirst);
        let place = Place { currency: None, demo: false, rules: Rules::default(), dates };
        let read = super::line(&place, line.to_string().as_bytes(), NOW);
        read.err().unwrap_or_default().into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        assert!(wrong(&json!({})).is_empty());
        let all = json!({"invoice": "C1", "quantity": 0, "unit_price": -1, "customer_id": "", "ordered_at": "soon"});
        assert_eq!(wrong(&all), ["invoice", "quantity", "unit_price", "customer_id", "ordered_at"]);
        assert_eq!(wrong(&json!({"descripton": "Lamp"})), ["descripton"]);
        assert_eq!(wrong(&json!({"unit_price": 1.00001})), ["unit_price"]);
        assert!(wrong(&json!({"unit_price": "1.50000"})).is_empty());
        assert_eq!(wrong(&json!({"country": "x".repeat(201), "stock_code": "A\u{0}B"})), ["stock_code", "country"]);
        assert!(wrong(&json!({"description": "x".repeat(2_000)})).is_empty());
        assert_eq!(wrong(&json!({"quantity": 999_999_999_999_i64, "unit_price": 9_999_999})), ["quantity"]);
    }

    #[test]
    fn an_order_of_the_future_is_refused() {
        assert!(wrong(&json!({"ordered_at": "2026-01-01T23:59:59Z"})).is_empty());
        assert_eq!(wrong(&json!({"ordered_at": "2026-01-02T00:00:01Z"})), ["ordered_at"]);
        assert_eq!(wrong(&json!({"ordered_at": "2999-11-15T18:00:00Z"})), ["ordered_at"]);
        assert_eq!(wrong(&json!({"ordered_at": "0001-01-01T10:00:00Z"})), ["ordered_at"]);
    }
}
