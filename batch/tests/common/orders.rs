//! One small set of orders in many spellings, and what every one of them must come to.

use chrono::NaiveDateTime;
use serde_json::{Value, json};

use super::Shop;

/// One order line; `at` is `2010-12-01 08:26`.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub invoice: &'static str,
    pub stock_code: &'static str,
    pub description: &'static str,
    pub quantity: i64,
    pub at: &'static str,
    pub price: &'static str,
    pub customer: &'static str,
    pub country: &'static str,
}

const fn order(
    invoice: &'static str,
    (stock_code, description): (&'static str, &'static str),
    (quantity, price): (i64, &'static str),
    at: &'static str,
    (customer, country): (&'static str, &'static str),
) -> Order {
    Order { invoice, stock_code, description, quantity, at, price, customer, country }
}

/// Five lines to accept, a cancellation, and a line without a customer.
pub const ORDERS: [Order; 7] = [
    order("536365", ("85123A", "HEART, \"WHITE\" HOLDER"), (6, "2.55"), "2010-12-01 08:26", ("12347", "Österreich")),
    order("536365", ("71053", "LANTERN\nLARGE"), (2, "3.39"), "2010-12-01 08:26", ("12347", "Österreich")),
    order("536370", ("POST", "POSTAGE £"), (1, "18.00"), "2010-12-13 09:00", ("U00042", "France")),
    order("536371", ("22728", "ALARM CLOCK"), (24, "3.75"), "2011-01-25 10:03", ("12347", "Österreich")),
    order("C536379", ("D", "Discount"), (-1, "27.50"), "2011-01-26 09:41", ("12347", "Österreich")),
    order("536380", ("22961", "JAM"), (10, "1.45"), "2011-02-14 12:00", ("", "France")),
    order("536381", ("84879", "CAFÉ BIRD"), (32, "1.69"), "2011-03-28 16:15", ("12350", "France")),
];

impl Order {
    pub fn time(&self) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(self.at, "%Y-%m-%d %H:%M").expect("a time")
    }

    fn accepted(&self) -> bool {
        self.quantity > 0 && !self.customer.is_empty()
    }
}

/// How a text file spells the orders.
#[derive(Clone, Copy, Debug)]
pub struct Spelling {
    pub header: [&'static str; 8],
    /// Positions in `header` that the file leaves out.
    pub without: &'static [usize],
    pub delimiter: char,
    pub line_end: &'static str,
    pub ends_with_line_end: bool,
    pub decimal_comma: bool,
    /// As strftime writes it.
    pub dates: &'static str,
    /// What follows a numeric customer id.
    pub id_suffix: &'static str,
}

pub const ONLINE_RETAIL: Spelling = Spelling {
    header: ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"],
    without: &[],
    delimiter: ',',
    line_end: "\n",
    ends_with_line_end: true,
    decimal_comma: false,
    dates: "%-m/%-d/%Y %-H:%M",
    id_suffix: "",
};

impl Spelling {
    pub fn text(&self) -> String {
        self.text_of(&ORDERS)
    }

    pub fn text_of(&self, orders: &[Order]) -> String {
        let mut lines = vec![self.line(&self.header.map(str::to_owned))];
        lines.extend(orders.iter().map(|order| self.line(&self.fields(order))));
        let mut text = lines.join(self.line_end);
        if self.ends_with_line_end {
            text.push_str(self.line_end);
        }
        text
    }

    fn fields(&self, order: &Order) -> [String; 8] {
        let numeric = !order.customer.is_empty() && order.customer.bytes().all(|byte| byte.is_ascii_digit());
        [
            order.invoice.to_owned(),
            order.stock_code.to_owned(),
            order.description.to_owned(),
            order.quantity.to_string(),
            order.time().format(self.dates).to_string(),
            if self.decimal_comma { order.price.replace('.', ",") } else { order.price.to_owned() },
            format!("{}{}", order.customer, if numeric { self.id_suffix } else { "" }),
            order.country.to_owned(),
        ]
    }

    fn line(&self, fields: &[String; 8]) -> String {
        let kept = fields.iter().enumerate().filter(|(position, _)| !self.without.contains(position));
        let quoted: Vec<String> = kept.map(|(_, field)| quote(field, self.delimiter)).collect();
        quoted.join(&self.delimiter.to_string())
    }
}

/// The field as RFC 4180 writes it.
pub fn quote(field: &str, delimiter: char) -> String {
    if field.contains([delimiter, '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// Checks what [`ORDERS`] came to, in the run's document and in the tables; `without` as in [`Spelling`].
pub fn check(shop: &Shop, document: &Value, without: &[usize]) {
    let input = json!({
        "read": 7, "accepted": 5, "already_known": 0,
        "rejected": {"cancellation": 1, "missing_customer": 1},
    });
    assert_eq!(document["input"], input);
    assert_eq!(document["reference_time"], "2011-03-29T00:00:00Z");
    let totals = ["customers", "invoices", "revenue"].map(|name| document[name].clone());
    assert_eq!(totals, [json!(3), json!(4), json!(184.16)]);
    let (austria, france) = if without.contains(&7) { ("", "") } else { ("Österreich", "France") };
    let names = ["customer_id", "recency_days", "frequency", "monetary", "first_order_at", "last_order_at", "country"];
    let customers = [
        json!(["12347", 63, 2, 112.08, "2010-12-01T08:26:00Z", "2011-01-25T10:03:00Z", austria]),
        json!(["12350", 1, 1, 54.08, "2011-03-28T16:15:00Z", "2011-03-28T16:15:00Z", france]),
        json!(["U00042", 106, 1, 18.0, "2010-12-13T09:00:00Z", "2010-12-13T09:00:00Z", france]),
    ];
    assert_eq!(shop.columns("customer_rfm", &names).into_iter().map(Value::from).collect::<Vec<_>>(), customers);
    assert_eq!(lines(shop), expected_lines(without));
}

fn lines(shop: &Shop) -> Vec<Value> {
    let names =
        ["invoice", "stock_code", "description", "quantity", "unit_price", "customer_id", "country", "ordered_at"];
    let mut lines: Vec<Value> = shop.columns("orders", &names).into_iter().map(Value::from).collect();
    lines.sort_by_key(Value::to_string);
    lines
}

fn expected_lines(without: &[usize]) -> Vec<Value> {
    let known = |position: usize, text: &'static str| if without.contains(&position) { "" } else { text };
    let line = |order: &Order| {
        json!([
            order.invoice,
            known(1, order.stock_code),
            known(2, order.description),
            order.quantity,
            order.price.parse::<f64>().expect("a price"),
            order.customer,
            known(7, order.country),
            order.time().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        ])
    };
    let mut lines: Vec<Value> = ORDERS.iter().filter(|order| order.accepted()).map(line).collect();
    lines.sort_by_key(Value::to_string);
    lines
}
