//! What the state holds of a customer, and how `customer-state` spells it.

use data::EventTime;
use data::merge::{Contribution, Totals, merge};
use data::model::Segment;
use data::state::{StateRecord, Suffix};

use super::view::View;
use crate::json::{Object, write_integer, write_text};

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
