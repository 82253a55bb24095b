//! What the state holds of a customer, and how `customer-state` spells it.

use std::fmt;
use std::num::ParseIntError;

use data::merge::{Contribution, InvoiceHash, Span, Totals, merge};
use data::model::Segment;
use data::numbers::{DecimalMark, parse_money};
use data::{DateFormat, DayMonth, EventTime, Money};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::view::View;
use crate::json::{Object, write_integer, write_text};

/// Nearly every customer has one contribution between two publications, if any.
pub type Suffix = SmallVec<[Contribution; 1]>;

/// A customer with lines that the publication does not cover; the others are in the base alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    /// The merged view under `publication`.
    pub totals: Totals,
    /// As it was announced last; `None` without a purchase.
    pub segment: Option<u32>,
    /// The publication that totals, segment and suffix are under.
    pub publication: i64,
    /// The one touched last stands last.
    pub suffix: Suffix,
}

/// How a line changed its customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Counted,
    /// The line was counted before: this one is read again.
    Repeated,
}

impl Customer {
    /// Counts a line, unless it was counted before.
    pub fn count(&mut self, line: Contribution, view: &View) -> Change {
        // Lines of a partition come in order, and the contribution touched last stands last.
        let last = self.suffix.iter().rev().find(|own| own.partition == line.partition);
        if last.is_some_and(|own| own.through >= line.through) {
            return Change::Repeated;
        }
        let new_invoice = line.purchased.is_some()
            && !self.suffix.iter().rev().any(|own| own.invoice == line.invoice && own.purchased.is_some())
            && !view.base.invoices.contains(line.invoice);
        self.totals.add(line.amount, line.purchased, new_invoice);
        self.fold(line);
        Change::Counted
    }

    fn fold(&mut self, mut line: Contribution) {
        let same = |own: &Contribution| {
            own.invoice == line.invoice && own.partition == line.partition && own.cell == line.cell
        };
        if let Some(place) = self.suffix.iter().rposition(same) {
            let own = self.suffix.remove(place);
            line.amount += own.amount;
            line.purchased = match (own.purchased, line.purchased) {
                (Some(own), Some(line)) => Some(own.join(line)),
                (own, line) => own.or(line),
            };
        }
        self.suffix.push(line);
    }

    /// Comes under `view`: forgets what it covers and adds up again.
    pub fn rebase(&mut self, id: &str, view: &View) {
        let base = view.of(id);
        self.suffix.retain(|contribution| !base.covers(contribution));
        self.totals = merge(&base, &self.suffix);
        self.publication = view.base.publication;
    }

    /// The value of `customer-state`: what a reader wants to know, then what restoring needs.
    ///
    /// `contributions` holds lists of partition, cell, through, invoice hash (hexadecimal), amount (ten-thousandths), first and
    /// last purchase (microseconds; null for a netted cancellation).
    pub fn write(&self, id: &str, view: &View, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("customer_id", id);
        object.or_null("first_order_at", self.totals.span, |out, span| write_time(out, span.first));
        object.or_null("last_order_at", self.totals.span, |out, span| write_time(out, span.last));
        object.integer("frequency", self.totals.frequency).money("monetary", self.totals.monetary);
        object.or_null("segment_id", self.segment, write_integer);
        object.or_null("segment_name", view.segment_named(self.segment), |out, segment: &Segment| {
            write_text(out, &segment.name);
        });
        object.integer("publication", self.publication);
        object.value("contributions", |out| {
            out.push(b'[');
            for (index, contribution) in self.suffix.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_contribution(contribution, out);
            }
            out.push(b']');
        });
        object.end();
    }

    /// Reads what [`Customer::write`] wrote. Totals that were written under the publication that is there now are taken as
    /// they are, others are added up from its base.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(id: &str, value: &[u8], view: &View) -> Result<Self, String> {
        let StateRecord { totals, segment_id, publication, contributions } = StateRecord::read(value)?;
        let outdated = publication != view.base.publication;
        let totals = if outdated { merge(&view.of(id), &contributions) } else { totals };
        Ok(Self { totals, segment: segment_id, publication, suffix: contributions })
    }
}

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
        let time = |text: &str| ISO.parse(text.as_bytes()).ok_or_else(|| format!("{text:?} is no time"));
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

const ISO: DateFormat = DateFormat::Order(DayMonth::MonthFirst);

type WireContribution<'r> = (u32, i64, i64, &'r str, i64, Option<i64>, Option<i64>);

/// Reads the list of contributions that [`Customer::write`] wrote.
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

fn write_contribution(contribution: &Contribution, out: &mut Vec<u8>) {
    out.push(b'[');
    write_integer(out, contribution.partition);
    for number in [contribution.cell, contribution.through] {
        out.push(b',');
        write_integer(out, number);
    }
    out.extend_from_slice(b",\"");
    for shift in (0..16).rev() {
        let digit = (contribution.invoice.0 >> (shift * 4) & 15) as u8;
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
    out.extend_from_slice(b"\",");
    write_integer(out, contribution.amount.raw());
    match contribution.purchased {
        Some(span) => {
            for time in [span.first, span.last] {
                out.push(b',');
                write_integer(out, time.micros());
            }
        }
        None => out.extend_from_slice(b",null,null"),
    }
    out.push(b']');
}

fn write_time(out: &mut Vec<u8>, time: EventTime) {
    out.push(b'"');
    time.write_iso(out);
    out.push(b'"');
}
