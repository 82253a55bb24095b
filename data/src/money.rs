//! Money as a fixed-point number, so that sums are exact whatever their order.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

use serde::{Serialize, Serializer};

/// Decimal digits kept behind the point.
pub const MONEY_SCALE: i8 = 4;
/// Decimal digits kept in all: what a 64-bit decimal column holds.
pub const MONEY_PRECISION: u8 = 18;
/// Ten-thousandths in one currency unit.
pub const UNIT: i64 = 10_000;
/// [`UNIT`] as a floating-point number.
pub const UNIT_F64: f64 = 10_000.0;
const LIMIT: i64 = 999_999_999_999_999_999;

/// An amount in ten-thousandths of the currency unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    pub const ZERO: Self = Self(0);

    /// From ten-thousandths of the currency unit.
    #[must_use]
    pub const fn from_raw(ten_thousandths: i64) -> Self {
        Self(ten_thousandths)
    }

    /// In ten-thousandths of the currency unit.
    #[must_use]
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// In currency units; exact up to 2^53 ten-thousandths, rounded above.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "documented: rounded above 2^53")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / UNIT as f64
    }

    /// `quantity × self`, or `None` when the result leaves 18 decimal digits.
    #[must_use]
    pub fn times(self, quantity: i64) -> Option<Self> {
        self.0.checked_mul(quantity).filter(|raw| (-LIMIT..=LIMIT).contains(raw)).map(Self)
    }

    /// `self + other`, or `None` when the result leaves 18 decimal digits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).filter(|raw| (-LIMIT..=LIMIT).contains(raw)).map(Self)
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// At least two and at most four decimals: `15.30`, `0.0625`.
impl fmt::Display for Money {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = self.0.unsigned_abs() / UNIT.unsigned_abs();
        let fraction = self.0.unsigned_abs() % UNIT.unsigned_abs();
        if fraction.is_multiple_of(100) {
            write!(out, "{sign}{whole}.{:02}", fraction / 100)
        } else {
            let digits = format!("{fraction:04}");
            write!(out, "{sign}{whole}.{}", digits.trim_end_matches('0'))
        }
    }
}

/// As a JSON number in currency units; the shortest one that reads back as the same amount.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.to_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_two_to_four_decimals() {
        let shown: Vec<String> =
            [0, 153_000, -25_500, 625, 89_114_079_040, -1].map(|raw| Money::from_raw(raw).to_string()).to_vec();
        assert_eq!(shown, ["0.00", "15.30", "-2.55", "0.0625", "8911407.904", "-0.0001"]);
    }

    #[test]
    fn refuses_what_eighteen_digits_cannot_hold() {
        assert_eq!(Money::from_raw(i64::MAX).times(2), None);
        assert_eq!(Money::from_raw(LIMIT).times(1), Some(Money::from_raw(LIMIT)));
        assert_eq!(Money::from_raw(LIMIT).checked_add(Money::from_raw(1)), None);
    }
}
