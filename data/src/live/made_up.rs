//! Made-up orders as live orders.

use serde::Serialize;

use super::error::Result;
use super::json::Object;
use super::{Message, Source};
use crate::EventTime;
use crate::generate::{LiveOptions, LiveOrders};

/// Orders without end, each ordered when it is asked for.
#[derive(Debug)]
pub struct MadeUp {
    orders: LiveOrders,
    now: fn() -> EventTime,
    opened_at: EventTime,
    counts: MadeUpCounts,
}

/// What was made up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MadeUpCounts {
    pub lines: u64,
    pub invoices: u64,
    /// Lines without a customer.
    pub without_customer: u64,
    /// The number of the last invoice.
    pub last_invoice: u64,
}

impl MadeUp {
    /// `now` is asked when an invoice begins.
    #[must_use]
    pub fn new(options: &LiveOptions, now: fn() -> EventTime) -> Self {
        let orders = LiveOrders::new(options);
        Self { orders, now, opened_at: EventTime::default(), counts: MadeUpCounts::default() }
    }

    #[must_use]
    pub const fn counts(&self) -> MadeUpCounts {
        self.counts
    }
}

impl Source for MadeUp {
    fn next(&mut self, message: &mut Message) -> Result<bool> {
        let line = self.orders.next_line();
        if line.opens {
            self.opened_at = (self.now)();
            self.counts.invoices += 1;
        }
        self.counts.lines += 1;
        self.counts.last_invoice = line.invoice;
        self.counts.without_customer += u64::from(line.customer_id.is_none());

        let customer = line.customer_id.map(|id| id.to_string()).unwrap_or_default();
        let mut object = Object::begin(&mut message.value);
        object.quoted("InvoiceNo", format_args!("{}{}", line.prefix, line.invoice));
        object.text("StockCode", line.stock_code);
        object.text("Description", line.description);
        object.shown("Quantity", line.quantity);
        object.quoted("InvoiceDate", self.opened_at);
        object.shown("UnitPrice", line.unit_price);
        object.text("CustomerID", &customer);
        object.text("Country", line.country);
        object.end();

        message.key.clear();
        message.key.extend_from_slice(customer.as_bytes());
        message.ordered_at = Some(self.opened_at);
        Ok(true)
    }

    fn share(&self) -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_lines_as_the_topic_has_them() {
        let options = LiveOptions { seed: 1, customers: 10, products: 10, first_invoice: 1, sales_only: true };
        let mut source = MadeUp::new(&options, || EventTime::from_micros(1_000_001));
        let mut message = Message::default();
        for _ in 0..1_000 {
            assert!(source.next(&mut message).expect("without end"));
            let value: serde_json::Value = serde_json::from_slice(&message.value).expect("json");
            assert_eq!(value["InvoiceDate"], json!("1970-01-01T00:00:01.000001Z"));
            assert_eq!(value["CustomerID"].as_str().expect("an id").as_bytes(), message.key);
            assert!(value["Quantity"].is_i64() && value["UnitPrice"].is_number(), "{value}");
            assert_eq!(value.as_object().map(|object| object.len()), Some(8));
        }
        let counts = source.counts();
        assert_eq!((counts.lines, counts.without_customer, counts.invoices), (1_000, 0, counts.last_invoice));
    }
}
