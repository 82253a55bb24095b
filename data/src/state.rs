//! Records of the topic `customer-state`: what no publication covers of a customer yet.

use serde::Deserialize;

use crate::merge::{Contribution, InvoiceHash, Span};
use crate::{EventTime, Money};

/// A value of `customer-state`, as far as merging needs it.
#[derive(Debug, Deserialize)]
pub struct StateRecord {
    pub segment_id: Option<u32>,
    pub publication: i64,
    #[serde(deserialize_with = "contributions")]
    pub contributions: Vec<Contribution>,
}

impl StateRecord {
    /// # Errors
    /// What is wrong with it.
    pub fn read(value: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(value).map_err(|error| error.to_string())
    }
}

type Wire<'r> = (u32, i64, i64, &'r str, i64, Option<i64>, Option<i64>);

/// Reads the list of contributions of a record, each partition, cell, through, invoice hash (hexadecimal), amount (ten-thousandths), first and last
/// purchase (microseconds; null for a netted cancellation).
///
/// # Errors
/// When it is no such list.
pub fn contributions<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Contribution>, D::Error> {
    use serde::de::Error;
    let wire: Vec<Wire<'de>> = Vec::deserialize(deserializer)?;
    let read = |(partition, cell, through, invoice, amount, first, last): Wire<'de>| {
        let invoice = u64::from_str_radix(invoice, 16).map_err(D::Error::custom)?;
        let span = first
            .zip(last)
            .map(|(first, last)| Span { first: EventTime::from_micros(first), last: EventTime::from_micros(last) });
        let (invoice, amount) = (InvoiceHash(invoice), Money::from_raw(amount));
        Ok(Contribution { partition, cell, through, invoice, amount, purchased: span })
    };
    wire.into_iter().map(read).collect()
}
