//! Records of the topic `customer-state`: what no publication covers of a customer yet.

use std::fmt;
use std::num::ParseIntError;

use chrono::DateTime;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::merge::{Contribution, InvoiceHash, Span, Totals};
use crate::numbers::{DecimalMark, parse_money};
use crate::{EventTime, Money};

/// Nearly every customer has one contribution between two publications, if any.
pub type Suffix = SmallVec<[Contribution; 1]>;

/// A value of `customer-state`, as far as merging needs it.
#[derive(Debug)]
pub struct StateRecord {
    /// The merged view under `publication`.
    pub totals: Totals,
    pub segment_id: Option<u32>,
    pub publication: i64,
    pub contributions: Suffix,
}

#[derive(Deserialize)]
struct Wire<'r> {
    first_order_at: Option<&'r str>,
    last_order_at: Option<&'r str>,
    frequency: u64,
    #[serde(borrow)]
    monetary: &'r RawValue,
    segment_id: Option<u32>,
    publication: i64,
    #[serde(deserialize_with = "contributions")]
    contributions: Suffix,
}

impl StateRecord {
    /// # Errors
    /// What is wrong with it.
    pub fn read(value: &[u8]) -> Result<Self, String> {
        let wire: Wire<'_> = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        let time = |text: &str| match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(EventTime::from_micros(time.timestamp_micros())),
            Err(error) => Err(format!("{text:?} is no time: {error}")),
        };
        let (first, last) = (wire.first_order_at.map(time).transpose()?, wire.last_order_at.map(time).transpose()?);
        let money = wire.monetary.get();
        let monetary =
            parse_money(money.as_bytes(), DecimalMark::Point).ok_or_else(|| format!("{money:?} is no amount"))?;
        let span = first.zip(last).map(|(first, last)| Span { first, last });
        let totals = Totals { frequency: wire.frequency, monetary, span };
        let Wire { segment_id, publication, contributions, .. } = wire;
        Ok(Self { totals, segment_id, publication, contributions })
    }
}

type WireContribution<'r> = (u32, i64, i64, &'r str, i64, Option<i64>, Option<i64>);

/// Reads lists of partition, cell, through, invoice hash (hexadecimal), amount (ten-thousandths), first and last purchase
/// (microseconds; null for a netted cancellation).
fn contributions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Suffix, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Suffix;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a list of contributions")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Suffix, A::Error> {
            let mut suffix = Suffix::new();
            while let Some(wire) = list.next_element::<WireContribution<'de>>()? {
                suffix.push(contribution(wire).map_err(A::Error::custom)?);
            }
            Ok(suffix)
        }
    }
    deserializer.deserialize_seq(List)
}

fn contribution(wire: WireContribution<'_>) -> Result<Contribution, ParseIntError> {
    let (partition, cell, through, invoice, amount, first, last) = wire;
    let invoice = InvoiceHash(u64::from_str_radix(invoice, 16)?);
    let purchased = first
        .zip(last)
        .map(|(first, last)| Span { first: EventTime::from_micros(first), last: EventTime::from_micros(last) });
    Ok(Contribution { partition, cell, through, invoice, amount: Money::from_raw(amount), purchased })
}
