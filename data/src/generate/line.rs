//! One order line, before it becomes text.

use super::calendar::Moment;
use super::catalogue::Item;
use super::dirt::{Dirt, Field};
use super::words::COUNTRIES;
use crate::{Money, Reason};

/// What an invoice does; its number carries the letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvoiceKind {
    #[default]
    Sale,
    /// `C…`: takes goods back, in negative quantities.
    Cancellation,
    /// `A…`: corrects the books.
    Adjustment,
}

/// A customer; the file shows [`CustomerNumber::id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CustomerNumber(pub u32);

impl CustomerNumber {
    /// As in the original, whose ids begin at 12346.
    #[must_use]
    pub const fn id(self) -> u32 {
        12_346 + self.0
    }
}

/// A row of the table of countries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Country(pub u8);

impl Country {
    pub const UNITED_KINGDOM: Self = Self(0);

    #[must_use]
    pub fn name(self) -> &'static str {
        COUNTRIES.get(usize::from(self.0)).map_or("Unspecified", |&(name, _)| name)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    pub kind: InvoiceKind,
    pub invoice: u64,
    pub item: Item,
    /// Row of the remarks that stands in place of the item's description.
    pub remark: Option<u8>,
    /// Pieces.
    pub quantity: i64,
    pub ordered_at: Moment,
    pub unit_price: Money,
    pub customer: Option<CustomerNumber>,
    pub country: Country,
    /// Whether the line is the one before it once more, but for dirt on either.
    pub repeats: bool,
    pub dirt: Option<Dirt>,
}

impl Line {
    /// Why the cleaning rule refuses the line: the first reason that applies. `None` when it is accepted.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        let field = self.dirt.map(|dirt| dirt.kind.field());
        let is = |other: Field| field == Some(other);
        match self.kind {
            _ if is(Field::Shape) => Some(Reason::Malformed),
            InvoiceKind::Cancellation => Some(Reason::Cancellation),
            InvoiceKind::Adjustment => Some(Reason::Adjustment),
            InvoiceKind::Sale if self.customer.is_none() || is(Field::NoCustomer) => Some(Reason::MissingCustomer),
            InvoiceKind::Sale if is(Field::Quantity) => Some(Reason::BadQuantity),
            InvoiceKind::Sale if self.quantity <= 0 || is(Field::QuantitySign) => Some(Reason::NonPositiveQuantity),
            InvoiceKind::Sale if is(Field::Price) => Some(Reason::BadPrice),
            InvoiceKind::Sale if self.unit_price <= Money::ZERO || is(Field::PriceSign) => {
                Some(Reason::NonPositivePrice)
            }
            InvoiceKind::Sale if is(Field::Date) => Some(Reason::BadDate),
            InvoiceKind::Sale => None,
        }
    }
}
