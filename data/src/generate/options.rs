//! What to generate: raw choices are checked once, then carried as [`Options`].

use super::calendar::{Clock, Date};
use super::error::{Error, Result};
use super::lines_per_invoice;

const MAX_SIZE: u64 = 10_000_000_000;
const MAX_CUSTOMERS: u32 = 10_000_000;
const MAX_PRODUCTS: u32 = 50_000;
/// Lines for each customer, unless the number of customers is given.
const LINES_PER_CUSTOMER: f64 = 50.0;
/// The most customers that come without being asked for; each takes about 100 bytes of memory.
const MAX_UNASKED_CUSTOMERS: f64 = 1_000_000.0;

/// When the file is long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Exactly so many order lines; the last invoice is cut to fit.
    Lines(u64),
    /// Exactly so many invoices, cancellations and adjustments included.
    Invoices(u64),
}

/// How text outside ASCII is written; here that is the pound sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As the original: `£` is the byte 0xA3.
    #[default]
    Latin1,
    Utf8,
}

impl Encoding {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latin1 => "iso-8859-1",
            Self::Utf8 => "utf-8",
        }
    }
}

impl std::str::FromStr for Encoding {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "iso-8859-1" | "latin1" | "latin-1" => Ok(Self::Latin1),
            "utf-8" | "utf8" => Ok(Self::Utf8),
            _ => Err("use iso-8859-1 or utf-8".to_owned()),
        }
    }
}

/// Choices as given; `None` stands for the default.
#[derive(Clone, Debug, Default)]
pub struct RawOptions {
    pub lines: Option<u64>,
    pub invoices: Option<u64>,
    pub customers: Option<u64>,
    pub products: Option<u64>,
    pub from: Option<Date>,
    pub to: Option<Date>,
    pub seed: u64,
    pub dirty: f64,
    pub encoding: Encoding,
}

/// Checked choices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    pub(super) size: Size,
    pub(super) customers: u32,
    pub(super) products: u32,
    pub(super) from: Date,
    pub(super) to: Date,
    pub(super) seed: u64,
    pub(super) dirty: f64,
    pub(super) encoding: Encoding,
}

impl RawOptions {
    /// # Errors
    /// [`Error::Option`] names the first choice that does not work, and what would.
    pub fn check(self) -> Result<Options> {
        let size = self.size()?;
        let from = self.from.or_else(|| Date::from_civil(2010, 12, 1)).unwrap_or_default();
        let to = self.to.unwrap_or_else(|| from.plus(364));
        if to < from {
            return refuse("--to", format!("{to} is before --from {from}; give a later day"));
        }
        if Clock::new(from, to).is_none() {
            let reason = format!(
                "the shop is closed from {from} to {to} (on Saturdays and from 24 December to 3 January); give a wider range"
            );
            return refuse("--from, --to", reason);
        }
        if !(0.0..=1.0).contains(&self.dirty) {
            return refuse(
                "--dirty",
                format!("{} is no fraction of the lines; give a number from 0 to 1, such as 0.01", self.dirty),
            );
        }
        Ok(Options {
            size,
            customers: bounded("--customers", self.customers.unwrap_or_else(|| usual_customers(size)), MAX_CUSTOMERS)?,
            products: bounded("--products", self.products.unwrap_or(2_000), MAX_PRODUCTS)?,
            from,
            to,
            seed: self.seed,
            dirty: self.dirty,
            encoding: self.encoding,
        })
    }

    fn size(&self) -> Result<Size> {
        let (flag, number, size) = match (self.lines, self.invoices) {
            (Some(_), Some(_)) => return refuse("--lines, --invoices", "give one of the two".to_owned()),
            (_, Some(invoices)) => ("--invoices", invoices, Size::Invoices(invoices)),
            (lines, None) => ("--lines", lines.unwrap_or(50_000), Size::Lines(lines.unwrap_or(50_000))),
        };
        if (1..=MAX_SIZE).contains(&number) {
            Ok(size)
        } else {
            refuse(flag, format!("{number} is out of range; give a number from 1 to {MAX_SIZE}"))
        }
    }
}

impl Options {
    /// How many lines or invoices to write, whichever the file is measured by.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }
}

fn usual_customers(size: Size) -> u64 {
    let lines = match size {
        Size::Lines(lines) => as_float(lines),
        Size::Invoices(invoices) => as_float(invoices) * lines_per_invoice(),
    };
    u64::from(super::chance::whole((lines / LINES_PER_CUSTOMER).clamp(1.0, MAX_UNASKED_CUSTOMERS)))
}

fn bounded(flag: &'static str, number: u64, most: u32) -> Result<u32> {
    match u32::try_from(number) {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => refuse(flag, format!("{number} is out of range; give a number from 1 to {most}")),
    }
}

fn refuse<T>(flag: &'static str, reason: String) -> Result<T> {
    Err(Error::Option { flag, reason })
}

/// Exact up to 2⁵³, above all sizes allowed.
#[expect(clippy::cast_precision_loss, reason = "sizes are at most 10^10")]
pub(super) const fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(raw: RawOptions) -> String {
        raw.check().expect_err("refused").to_string()
    }

    #[test]
    fn refuses_with_the_flag_and_what_to_do() {
        let raw = RawOptions::default;
        let day = |text: &str| text.parse::<Date>().ok();
        let cases = [
            (RawOptions { lines: Some(0), ..raw() }, "--lines: 0 is out of range; give a number from 1 to 10000000000"),
            (RawOptions { invoices: Some(u64::MAX), ..raw() }, "--invoices: 18446744073709551615 is out of range"),
            (RawOptions { lines: Some(1), invoices: Some(1), ..raw() }, "--lines, --invoices: give one of the two"),
            (
                RawOptions { customers: Some(0), ..raw() },
                "--customers: 0 is out of range; give a number from 1 to 10000000",
            ),
            (
                RawOptions { products: Some(50_001), ..raw() },
                "--products: 50001 is out of range; give a number from 1 to 50000",
            ),
            (RawOptions { dirty: 1.5, ..raw() }, "--dirty: 1.5 is no fraction of the lines; give a number from 0 to 1"),
            (RawOptions { dirty: f64::NAN, ..raw() }, "--dirty: NaN is no fraction"),
            (RawOptions { to: day("2009-01-01"), ..raw() }, "--to: 2009-01-01 is before --from 2010-12-01"),
            (
                RawOptions { from: day("2011-01-08"), to: day("2011-01-08"), ..raw() },
                "--from, --to: the shop is closed",
            ),
        ];
        for (raw, expected) in cases {
            let said = complaint(raw);
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn customers_follow_the_size() {
        let customers = |raw: RawOptions| raw.check().map(|options| options.customers).ok();
        assert_eq!(customers(RawOptions::default()), Some(1_000));
        assert_eq!(customers(RawOptions { lines: Some(10), ..RawOptions::default() }), Some(1));
        assert_eq!(customers(RawOptions { lines: Some(MAX_SIZE), ..RawOptions::default() }), Some(1_000_000));
    }
}
