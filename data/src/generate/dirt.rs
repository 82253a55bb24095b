//! Faults put into lines on purpose, so that a reader can be tested against their number.

use super::chance::{Chance, Purpose};
use super::options::as_float;

/// What a kind of dirt does to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Wrong number of fields, or quotes that do not close.
    Shape,
    NoCustomer,
    Quantity,
    QuantitySign,
    Price,
    PriceSign,
    Date,
    /// Looks odd, is right.
    Harmless,
}

/// The kinds, in the order of [`DirtKind::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DirtKind {
    #[default]
    UnreadableDate,
    MissingDate,
    QuantityInWords,
    FractionalQuantity,
    MissingQuantity,
    ZeroQuantity,
    NegativeQuantity,
    PriceInWords,
    MissingPrice,
    NegativePrice,
    BlankCustomer,
    FieldsCutOff,
    FieldTooMany,
    OpenQuote,
    CustomerWithDecimal,
}

impl DirtKind {
    pub const ALL: [Self; 15] = [
        Self::UnreadableDate,
        Self::MissingDate,
        Self::QuantityInWords,
        Self::FractionalQuantity,
        Self::MissingQuantity,
        Self::ZeroQuantity,
        Self::NegativeQuantity,
        Self::PriceInWords,
        Self::MissingPrice,
        Self::NegativePrice,
        Self::BlankCustomer,
        Self::FieldsCutOff,
        Self::FieldTooMany,
        Self::OpenQuote,
        Self::CustomerWithDecimal,
    ];

    /// The name in the summary.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnreadableDate => "unreadable_date",
            Self::MissingDate => "missing_date",
            Self::QuantityInWords => "quantity_in_words",
            Self::FractionalQuantity => "fractional_quantity",
            Self::MissingQuantity => "missing_quantity",
            Self::ZeroQuantity => "zero_quantity",
            Self::NegativeQuantity => "negative_quantity",
            Self::PriceInWords => "price_in_words",
            Self::MissingPrice => "missing_price",
            Self::NegativePrice => "negative_price",
            Self::BlankCustomer => "blank_customer",
            Self::FieldsCutOff => "fields_cut_off",
            Self::FieldTooMany => "field_too_many",
            Self::OpenQuote => "open_quote",
            Self::CustomerWithDecimal => "customer_with_decimal",
        }
    }

    #[must_use]
    pub const fn field(self) -> Field {
        match self {
            Self::UnreadableDate | Self::MissingDate => Field::Date,
            Self::QuantityInWords | Self::FractionalQuantity | Self::MissingQuantity => Field::Quantity,
            Self::ZeroQuantity | Self::NegativeQuantity => Field::QuantitySign,
            Self::PriceInWords | Self::MissingPrice => Field::Price,
            Self::NegativePrice => Field::PriceSign,
            Self::BlankCustomer => Field::NoCustomer,
            Self::FieldsCutOff | Self::FieldTooMany | Self::OpenQuote => Field::Shape,
            Self::CustomerWithDecimal => Field::Harmless,
        }
    }

    /// Position in [`DirtKind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Texts to put in the field's place. No date here exists with the day first, the month first or the year first.
    const fn texts(self) -> &'static [&'static str] {
        match self {
            Self::UnreadableDate => {
                &["13/32/2011 8:26", "2011-02-30 10:00", "0/0/0000 0:00", "yesterday", "#VALUE!", "31/31/2011"]
            }
            Self::QuantityInWords => &["six", "a dozen", "N/A", "?", "two boxes"],
            Self::FractionalQuantity => &["1.5", "0.25", "2.75"],
            Self::PriceInWords => &["free", "N/A", "#REF!", "ask", "tbc"],
            _ => &[""],
        }
    }
}

/// One fault.
#[derive(Clone, Copy, Debug)]
pub struct Dirt {
    pub kind: DirtKind,
    /// Stands in place of the field.
    pub text: &'static str,
}

/// Decides which lines are dirty: at random, yet never more than one line away from the fraction asked for.
#[derive(Debug)]
pub struct Soil {
    fraction: f64,
    seen: u64,
    made: u64,
    chance: Chance,
}

impl Soil {
    #[must_use]
    pub fn new(seed: u64, fraction: f64) -> Self {
        Self { fraction, seen: 0, made: 0, chance: Chance::new(seed, Purpose::Dirt) }
    }

    /// The fault of the next line.
    pub fn next(&mut self) -> Option<Dirt> {
        if self.fraction <= 0.0 {
            return None;
        }
        self.seen += 1;
        let owed = as_float(self.seen) * self.fraction - as_float(self.made);
        self.chance.happens(owed).then(|| {
            self.made += 1;
            let kind = self.chance.one_of(&DirtKind::ALL);
            Dirt { kind, text: self.chance.one_of(kind.texts()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_to_the_fraction() {
        for (fraction, lines) in [(0.0, 1_000_u32), (1.0, 1_000), (0.013, 77), (0.3, 10_001)] {
            let mut soil = Soil::new(3, fraction);
            let dirty = (0..lines).filter(|_| soil.next().is_some()).count();
            let dirty = f64::from(u32::try_from(dirty).expect("few"));
            assert!((dirty - fraction * f64::from(lines)).abs() <= 1.0, "{dirty} of {lines} at {fraction}");
        }
    }

    #[test]
    fn kinds_are_listed_by_index() {
        assert!(DirtKind::ALL.iter().enumerate().all(|(index, kind)| kind.index() == index));
    }
}
