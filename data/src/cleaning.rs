//! The rule that accepts or refuses an order line, for files, topics and tests alike (L-3): `clean`, or its two halves where many lines
//! of an order follow each other.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::UNIT;
use crate::numbers::{DecimalMark, parse_money, parse_quantity, trimmed};
use crate::time::DAY_MICROS;
use crate::{EventTime, Money};

/// One order line as its source spells it; a field that the source lacks is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawLine<'a> {
    pub invoice: &'a [u8],
    pub stock_code: &'a [u8],
    pub quantity: &'a [u8],
    pub unit_price: &'a [u8],
    pub customer_id: &'a [u8],
}

/// What an accepted line holds beyond its text fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderLine<'a> {
    pub invoice: &'a [u8],
    pub stock_code: &'a [u8],
    pub customer_id: &'a [u8],
    /// Pieces; negative only for a netted cancellation.
    pub quantity: i64,
    pub unit_price: Money,
    /// `quantity × unit_price`.
    pub amount: Money,
    pub ordered_at: EventTime,
}

/// What the cleaning rule says of all lines of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderCheck {
    /// Whether the invoice is a cancellation to be netted.
    cancelled: Result<bool, Reason>,
    has_customer: bool,
    ordered_at: Result<EventTime, Reason>,
}

/// The numbers of an accepted line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Pieces; negative only for a netted cancellation.
    pub quantity: i64,
    pub unit_price: Money,
    /// `quantity × unit_price`.
    pub amount: Money,
    pub ordered_at: EventTime,
}

/// No line is worth more: a slip of the keyboard must not bring sums near the 18 digits that they can have.
const LARGEST_AMOUNT: Money = Money::from_raw(1_000_000_000_000 * UNIT);

/// Why a line is refused. The order is that of the checks: a line has one reason, the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    Malformed,
    BadEncoding,
    MissingInvoice,
    Cancellation,
    Adjustment,
    ExcludedStockCode,
    MissingCustomer,
    BadQuantity,
    NonPositiveQuantity,
    BadPrice,
    NonPositivePrice,
    BadDate,
    FutureDate,
    AmountOverflow,
}

impl Reason {
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::BadEncoding,
        Self::MissingInvoice,
        Self::Cancellation,
        Self::Adjustment,
        Self::ExcludedStockCode,
        Self::MissingCustomer,
        Self::BadQuantity,
        Self::NonPositiveQuantity,
        Self::BadPrice,
        Self::NonPositivePrice,
        Self::BadDate,
        Self::FutureDate,
        Self::AmountOverflow,
    ];

    /// The name in `rejected_orders.reason`, in reports and in dead letters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BadEncoding => "bad_encoding",
            Self::MissingInvoice => "missing_invoice",
            Self::Cancellation => "cancellation",
            Self::Adjustment => "adjustment",
            Self::ExcludedStockCode => "excluded_stock_code",
            Self::MissingCustomer => "missing_customer",
            Self::BadQuantity => "bad_quantity",
            Self::NonPositiveQuantity => "non_positive_quantity",
            Self::BadPrice => "bad_price",
            Self::NonPositivePrice => "non_positive_price",
            Self::BadDate => "bad_date",
            Self::FutureDate => "future_date",
            Self::AmountOverflow => "amount_overflow",
        }
    }

    /// Position in [`Reason::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What becomes of cancellation lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cancellations {
    /// Refused, with their reason.
    #[default]
    Drop,
    /// Accepted with a negative amount, which their customer's monetary value loses.
    Net,
}

impl fmt::Display for Cancellations {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Drop => "drop",
            Self::Net => "net",
        })
    }
}

/// The choices of the cleaning rule. A lake is made with one set and keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    pub cancellations: Cancellations,
    /// Stock codes that are no products: `POST`, `M`, …
    pub exclude_stock_codes: BTreeSet<String>,
    /// Invoices that begin so are cancellations; empty switches the check off.
    pub cancellation_prefix: String,
    /// Invoices that begin so are adjustments; empty switches the check off.
    pub adjustment_prefix: String,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            cancellations: Cancellations::Drop,
            exclude_stock_codes: BTreeSet::new(),
            cancellation_prefix: "C".to_owned(),
            adjustment_prefix: "A".to_owned(),
        }
    }
}

/// The latest date of a line that was received then: a day later, since clocks and time zones differ. A slip such as 2099 would
/// otherwise be the newest order, and every customer long lost. A time before Kafka was written is none: some producers leave
/// it out, or give seconds for milliseconds.
#[must_use]
pub const fn latest_date(received: EventTime) -> EventTime {
    const YEAR_2000: i64 = 10_957;
    if received.day() < YEAR_2000 {
        return EventTime::MAX;
    }
    EventTime::from_micros(received.micros().saturating_add(DAY_MICROS))
}

impl Rules {
    /// Accepts `line`, or says why not. `ordered_at` is its date as its source's format reads it, and `latest` the latest one
    /// that it can have: see [`latest_date`].
    ///
    /// # Errors
    /// The first [`Reason`] that applies.
    #[inline]
    pub fn clean<'a>(
        &self,
        line: &RawLine<'a>,
        ordered_at: Option<EventTime>,
        mark: DecimalMark,
        latest: EventTime,
    ) -> Result<OrderLine<'a>, Reason> {
        let order = self.check_order(line.invoice, line.customer_id, ordered_at, latest);
        let Figures { quantity, unit_price, amount, ordered_at } =
            self.check_line(&order, line.stock_code, line.quantity, line.unit_price, mark)?;
        Ok(OrderLine {
            invoice: trimmed(line.invoice),
            stock_code: trimmed(line.stock_code),
            customer_id: customer_id(line.customer_id).unwrap_or_default(),
            quantity,
            unit_price,
            amount,
            ordered_at,
        })
    }

    /// Judges what all lines of an order share: the first half of [`Rules::clean`].
    #[must_use]
    pub fn check_order(
        &self,
        invoice: &[u8],
        customer: &[u8],
        ordered_at: Option<EventTime>,
        latest: EventTime,
    ) -> OrderCheck {
        OrderCheck {
            cancelled: self.check_invoice(trimmed(invoice)),
            has_customer: customer_id(customer).is_some(),
            ordered_at: match ordered_at {
                None => Err(Reason::BadDate),
                Some(at) if at > latest => Err(Reason::FutureDate),
                Some(at) => Ok(at),
            },
        }
    }

    /// Accepts a line of an order, or says why not: the second half of [`Rules::clean`].
    ///
    /// # Errors
    /// The first [`Reason`] that applies.
    #[inline]
    pub fn check_line(
        &self,
        order: &OrderCheck,
        stock_code: &[u8],
        quantity: &[u8],
        unit_price: &[u8],
        mark: DecimalMark,
    ) -> Result<Figures, Reason> {
        let cancelled = order.cancelled?;
        if self.excludes(stock_code) {
            return Err(Reason::ExcludedStockCode);
        }
        if !order.has_customer {
            return Err(Reason::MissingCustomer);
        }
        let quantity = parse_quantity(quantity, mark).ok_or(Reason::BadQuantity)?;
        if cancelled && quantity >= 0 {
            return Err(Reason::Cancellation);
        }
        if !cancelled && quantity <= 0 {
            return Err(Reason::NonPositiveQuantity);
        }
        let unit_price = parse_money(unit_price, mark).ok_or(Reason::BadPrice)?;
        if unit_price <= Money::ZERO {
            return Err(Reason::NonPositivePrice);
        }
        let ordered_at = order.ordered_at?;
        let plausible = |amount: &Money| amount.raw().unsigned_abs() <= LARGEST_AMOUNT.raw().unsigned_abs();
        let amount = unit_price.times(quantity).filter(plausible).ok_or(Reason::AmountOverflow)?;
        Ok(Figures { quantity, unit_price, amount, ordered_at })
    }

    /// Whether `invoice` is a cancellation to be netted.
    #[inline]
    fn check_invoice(&self, invoice: &[u8]) -> Result<bool, Reason> {
        if invoice.is_empty() {
            return Err(Reason::MissingInvoice);
        }
        if begins(invoice, &self.cancellation_prefix) {
            return match self.cancellations {
                Cancellations::Drop => Err(Reason::Cancellation),
                Cancellations::Net => Ok(true),
            };
        }
        if begins(invoice, &self.adjustment_prefix) {
            return Err(Reason::Adjustment);
        }
        Ok(false)
    }

    fn excludes(&self, stock_code: &[u8]) -> bool {
        !self.exclude_stock_codes.is_empty()
            && std::str::from_utf8(trimmed(stock_code)).is_ok_and(|code| self.exclude_stock_codes.contains(code))
    }
}

#[inline]
fn begins(invoice: &[u8], prefix: &str) -> bool {
    // Most invoices differ in their first byte already.
    prefix.as_bytes().first().is_some_and(|first| invoice.first() == Some(first))
        && invoice.starts_with(prefix.as_bytes())
}

/// The id without surrounding space and, when numeric, without the `.0` that spreadsheets add.
#[must_use]
#[inline]
pub fn customer_id(text: &[u8]) -> Option<&[u8]> {
    let id = trimmed(text);
    let id = match id.split_last() {
        Some((b'0', _)) => id.strip_suffix(b".0").filter(|number| number.iter().all(u8::is_ascii_digit)).unwrap_or(id),
        _ => id,
    };
    (!id.is_empty() && !is_placeholder(id)).then_some(id)
}

/// What other programs write for "no value".
fn is_placeholder(id: &[u8]) -> bool {
    matches!(id.first(), Some(b'n' | b'N'))
        && [&b"nan"[..], b"null", b"none", b"n/a"].iter().any(|word| id.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(invoice: &'a str, quantity: &'a str, price: &'a str, customer: &'a str) -> RawLine<'a> {
        RawLine {
            invoice: invoice.as_bytes(),
            stock_code: b"85123A",
            quantity: quantity.as_bytes(),
            unit_price: price.as_bytes(),
            customer_id: customer.as_bytes(),
        }
    }

    fn verdict(rules: &Rules, line: &RawLine<'_>) -> Result<i64, Reason> {
        rules.clean(line, Some(EventTime::at_day(1)), DecimalMark::Point, EventTime::MAX).map(|line| line.amount.raw())
    }

    #[test]
    fn accepts_and_refuses_with_the_first_reason() {
        let cases = [
            (line("536365", "6", "2.55", "17850"), Ok(153_000)),
            (line("", "6", "2.55", "17850"), Err(Reason::MissingInvoice)),
            (line("C536365", "-6", "2.55", ""), Err(Reason::Cancellation)),
            (line("A563185", "1", "11062.06", ""), Err(Reason::Adjustment)),
            (line("536365", "x", "y", ""), Err(Reason::MissingCustomer)),
            (line("536365", "six", "y", "17850"), Err(Reason::BadQuantity)),
            (line("536365", "-6", "y", "17850"), Err(Reason::NonPositiveQuantity)),
            (line("536365", "6", "free", "17850"), Err(Reason::BadPrice)),
            (line("536365", "6", "0", "17850"), Err(Reason::NonPositivePrice)),
            (line("536365", "999999999999", "99999999", "17850"), Err(Reason::AmountOverflow)),
            (line("536365", "1000000", "1000000", "17850"), Ok(LARGEST_AMOUNT.raw())),
            (line("536365", "1000000", "1000000.01", "17850"), Err(Reason::AmountOverflow)),
        ];
        for (line, expected) in cases {
            assert_eq!(verdict(&Rules::default(), &line), expected, "{line:?}");
        }
        let good = line("1", "6", "2.55", "17850");
        let dated = |at, received| {
            let latest = latest_date(EventTime::from_micros(received));
            Rules::default().clean(&good, at, DecimalMark::Point, latest).map(|line| line.quantity)
        };
        assert_eq!(dated(None, 1), Err(Reason::BadDate));
        let at = EventTime::at_day(15_000);
        assert_eq!(dated(Some(at), at.micros() - DAY_MICROS), Ok(6), "a day ahead");
        assert_eq!(dated(Some(at), at.micros() - DAY_MICROS - 1), Err(Reason::FutureDate));
        assert_eq!(dated(Some(at), 0), Ok(6), "nobody knows when it came");
    }

    #[test]
    fn nets_cancellations_on_request() {
        let rules = Rules { cancellations: Cancellations::Net, ..Rules::default() };
        assert_eq!(verdict(&rules, &line("C1", "-6", "2.55", "17850")), Ok(-153_000));
        assert_eq!(verdict(&rules, &line("C1", "6", "2.55", "17850")), Err(Reason::Cancellation));
        assert_eq!(verdict(&rules, &line("1", "-6", "2.55", "17850")), Err(Reason::NonPositiveQuantity));
    }

    #[test]
    fn excludes_stock_codes_and_honours_prefixes() {
        let rules = Rules {
            exclude_stock_codes: BTreeSet::from(["85123A".to_owned()]),
            cancellation_prefix: String::new(),
            ..Rules::default()
        };
        assert_eq!(verdict(&rules, &line("1", "6", "2.55", "17850")), Err(Reason::ExcludedStockCode));
        let open = Rules { exclude_stock_codes: BTreeSet::new(), ..rules };
        assert_eq!(verdict(&open, &line("C1", "6", "2.55", "17850")), Ok(153_000));
    }

    #[test]
    fn trims_customer_ids() {
        let cases = [
            ("12347.0", Some("12347")),
            (" U00042 ", Some("U00042")),
            ("v1.0", Some("v1.0")),
            ("", None),
            ("  ", None),
            ("0", Some("0")),
            (".0", Some("")),
            ("NaN", None),
            ("Nancy", Some("Nancy")),
        ];
        for (text, id) in cases {
            let expected = id.map(str::as_bytes).filter(|id| !id.is_empty());
            assert_eq!(customer_id(text.as_bytes()), expected, "{text:?}");
        }
    }
}
