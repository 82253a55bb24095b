//! An order line as the topic `orders` and the API spell it, before the cleaning rule judges it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::cleaning::{RawLine, Reason};
use crate::dates::DateFormat;

/// Of a line: what follows from it holds it more than once, and a topic takes a mebibyte by default.
const MOST_BYTES: usize = 256 << 10;

/// The fields of one line; a field that is not there is empty.
#[derive(Deserialize)]
pub struct Wire<'r> {
    #[serde(borrow, default, rename = "InvoiceNo", alias = "Invoice", alias = "invoice", alias = "invoice_no")]
    pub invoice: Scalar<'r>,
    #[serde(borrow, default, rename = "StockCode", alias = "stock_code")]
    pub stock_code: Scalar<'r>,
    #[serde(borrow, default, rename = "Description", alias = "description")]
    pub description: Scalar<'r>,
    #[serde(borrow, default, rename = "Quantity", alias = "quantity")]
    pub quantity: Scalar<'r>,
    #[serde(borrow, default, rename = "InvoiceDate", alias = "invoice_date", alias = "ordered_at")]
    pub date: Scalar<'r>,
    #[serde(borrow, default, rename = "UnitPrice", alias = "Price", alias = "unit_price", alias = "price")]
    pub unit_price: Scalar<'r>,
    #[serde(borrow, default, rename = "CustomerID", alias = "Customer ID", alias = "customer_id")]
    pub customer_id: Scalar<'r>,
    #[serde(borrow, default, rename = "Country", alias = "country")]
    pub country: Scalar<'r>,
}

/// A string's content, or a number's digits as they are spelled; empty for null.
#[derive(Default)]
pub struct Scalar<'r>(pub Cow<'r, str>);

impl<'de: 'r, 'r> Deserialize<'de> for Scalar<'r> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        let text = match raw.as_bytes() {
            [b'"', inner @ .., b'"'] => {
                if inner.contains(&b'\\') {
                    Cow::Owned(serde_json::from_str(raw).map_err(D::Error::custom)?)
                } else {
                    Cow::Borrowed(raw.get(1..raw.len() - 1).unwrap_or_default())
                }
            }
            [b'0'..=b'9' | b'-', ..] => Cow::Borrowed(raw),
            b"null" => Cow::Borrowed(""),
            _ => return Err(D::Error::custom("a text or a number is wanted, not a list, an object, true or false")),
        };
        Ok(Self(text))
    }
}

impl<'r> Wire<'r> {
    /// Reads the JSON object in `value`.
    ///
    /// # Errors
    /// The reason for which it is none, and what is wrong.
    pub fn read(value: &'r [u8]) -> Result<Self, (Reason, String)> {
        if value.len() > MOST_BYTES {
            let told = format!("{} bytes, where a line has at most {MOST_BYTES}", value.len());
            return Err((Reason::Malformed, told));
        }
        let text = std::str::from_utf8(value).map_err(|error| (Reason::BadEncoding, error.to_string()))?;
        // A list would be taken for the fields in their order.
        if text.trim_ascii_start().as_bytes().first().is_some_and(|first| *first != b'{') {
            return Err((Reason::Malformed, "an object is wanted, with the fields of an order line".to_owned()));
        }
        serde_json::from_str(text).map_err(|error| (Reason::Malformed, error.to_string()))
    }

    /// As the cleaning rule takes it.
    #[must_use]
    pub fn raw(&self) -> RawLine<'_> {
        RawLine {
            invoice: self.invoice.0.as_bytes(),
            stock_code: self.stock_code.0.as_bytes(),
            quantity: self.quantity.0.as_bytes(),
            unit_price: self.unit_price.0.as_bytes(),
            customer_id: self.customer_id.0.as_bytes(),
        }
    }

    /// The text that `reason` is about; empty where the reason says all.
    #[must_use]
    pub fn detail(&self, reason: Reason, dates: &DateFormat) -> String {
        match reason {
            Reason::BadDate | Reason::FutureDate => format!("InvoiceDate {:?}, read as {dates}", self.date.0),
            Reason::BadQuantity => format!("Quantity {:?}", self.quantity.0),
            Reason::BadPrice => format!("UnitPrice {:?}", self.unit_price.0),
            _ => String::new(),
        }
    }
}
