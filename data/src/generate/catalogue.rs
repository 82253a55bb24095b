//! The shop's products: codes, descriptions, popularity, and prices that seldom change.

use super::calendar::Date;
use super::chance::{Chance, Purpose, Weighted, whole};
use super::portable::{exp, power};
use super::words::{KINDS, LOOKS, PRICES, SETS, THINGS};
use crate::Money;

/// A row of the catalogue: products first, then what else an invoice can charge for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Item(u32);

impl Item {
    #[must_use]
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Codes of an invoice line that is no product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    Postage,
    DotcomPostage,
    Carriage,
    Manual,
    Discount,
    Samples,
    BankCharges,
    AmazonFee,
    BadDebt,
    Voucher20,
    Voucher50,
}

/// In the order of [`Extra`].
const EXTRAS: [(&str, &str); 11] = [
    ("POST", "POSTAGE"),
    ("DOT", "DOTCOM POSTAGE"),
    ("C2", "CARRIAGE"),
    ("M", "Manual"),
    ("D", "Discount"),
    ("S", "SAMPLES"),
    ("BANK CHARGES", "Bank Charges"),
    ("AMAZONFEE", "AMAZON FEE"),
    ("B", "Adjust bad debt"),
    ("gift_0001_20", "Dotcomgiftshop Gift Voucher £20.00"),
    ("gift_0001_50", "Dotcomgiftshop Gift Voucher £50.00"),
];

/// What the file shows of an item.
#[derive(Clone, Debug)]
pub struct Label {
    pub code: String,
    pub description: String,
}

#[derive(Debug)]
pub struct Catalogue {
    labels: Vec<Label>,
    products: u32,
    popularity: Weighted,
    /// Each product's row of [`PRICES`] at first, and now: at most one row away.
    price_rows: Vec<(u8, u8)>,
    chance: Chance,
    priced_on: Date,
}

impl Catalogue {
    /// `products` different stock codes.
    #[must_use]
    pub fn new(seed: u64, products: u32, opening: Date) -> Self {
        let mut chance = Chance::new(seed, Purpose::Catalogue);
        let rows = Weighted::new(PRICES.map(|(_, weight)| weight));
        let extras = EXTRAS.map(|(code, text)| Label { code: code.to_owned(), description: text.to_owned() });
        let price_rows = (0..products)
            .map(|_| u8::try_from(rows.pick(&mut chance)).unwrap_or_default())
            .map(|row| (row, row))
            .collect();
        let labels = (0..products).map(|number| label(number, &mut chance)).chain(extras).collect();
        let popularity = Weighted::new((0..products).map(|rank| popularity(rank, products)));
        Self {
            labels,
            products,
            popularity,
            price_rows,
            chance: Chance::new(seed, Purpose::Prices),
            priced_on: opening,
        }
    }

    /// What the file shows of each item, by [`Item::index`].
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    #[must_use]
    pub const fn extra(&self, extra: Extra) -> Item {
        Item(self.products + extra as u32)
    }

    /// A product, the popular ones more often.
    pub fn pick(&self, chance: &mut Chance) -> Item {
        Item(u32::try_from(self.popularity.pick(chance)).unwrap_or_default())
    }

    /// Today's unit price, or the next lower one for a bulk buyer.
    #[must_use]
    pub fn price(&self, product: Item, bulk: bool) -> Money {
        let row = self.price_rows.get(product.index()).map(|&(_, now)| now).unwrap_or_default();
        pence(price_in_row(row.saturating_sub(u8::from(bulk))))
    }

    /// Changes prices up to and including `date`: a product's price holds for about ten months.
    pub fn reprice(&mut self, date: Date) {
        const DAILY: f64 = 1.0 / 300.0;
        while self.priced_on < date {
            self.priced_on = self.priced_on.plus(1);
            let expected = f64::from(self.products) * DAILY;
            let changes = whole(expected) + u32::from(self.chance.happens(expected - expected.floor()));
            for _ in 0..changes {
                let product = Item(self.chance.below(self.products));
                let step = self.chance.below(3);
                if let Some((first, now)) = self.price_rows.get_mut(product.index()) {
                    let row = (u32::from(*first) + step).saturating_sub(1);
                    *now = u8::try_from(row).unwrap_or_default().min(LAST_ROW);
                }
            }
        }
    }
}

const LAST_ROW: u8 = 31;

fn price_in_row(row: u8) -> i64 {
    PRICES.get(usize::from(row)).map_or(100, |&(pence, _)| pence)
}

#[must_use]
pub const fn pence(pence: i64) -> Money {
    Money::from_raw(pence * 100)
}

/// A Zipf law with an exponential cut-off, `rank^−0.25 · e^(−rank / κ)` with κ a quarter of the range: close to how
/// often the 3,665 accepted stock codes of UCI Online Retail occur at ranks 1, 10, 100, 500, 1,000 and 2,000.
fn popularity(rank: u32, products: u32) -> u32 {
    let rank = f64::from(rank) + 1.0;
    whole(60_000.0 * power(rank, -0.25) * exp(-4.0 * rank / f64::from(products))) + 1
}

/// Stock codes as in the original: five digits, and a letter behind some.
fn label(number: u32, chance: &mut Chance) -> Label {
    const FIRST: u32 = 20_001;
    const RANGE: u32 = 69_997;
    // 7,919 and the range have no common factor, so that no two products share their digits.
    let digits = FIRST + number * 7_919 % RANGE;
    let letter = if chance.happens(0.25) { chance.one_of(&["A", "B", "C", "D", "L", "S"]) } else { "" };
    Label { code: format!("{digits}{letter}"), description: description(number, chance) }
}

fn description(number: u32, chance: &mut Chance) -> String {
    if number % 1_500 == 700 {
        return "MONEY BOX,SAVE YOUR £ HERE".to_owned();
    }
    let set = if chance.happens(0.15) { chance.one_of(&SETS) } else { "" };
    let words = [set, chance.one_of(&LOOKS), chance.one_of(&KINDS), chance.one_of(&THINGS)];
    let mut text = words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(" ");
    // The original's typing is not tidy, and readers must live with it.
    if chance.happens(0.06) {
        text.push(' ');
    }
    if chance.happens(0.02) {
        text = text.replacen(' ', "  ", 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn stock_codes_are_unique() {
        let catalogue = Catalogue::new(1, 50_000, Date::default());
        let codes: HashSet<&str> = catalogue.labels().iter().map(|label| label.code.as_str()).collect();
        assert_eq!(codes.len(), 50_000 + EXTRAS.len());
        assert_eq!(catalogue.labels()[catalogue.extra(Extra::Voucher50).index()].code, "gift_0001_50");
    }

    #[test]
    fn prices_are_stable_but_not_for_ever() {
        let mut catalogue = Catalogue::new(1, 1_000, Date::default());
        let prices =
            |catalogue: &Catalogue| (0..1_000).map(|product| catalogue.price(Item(product), false)).collect::<Vec<_>>();
        let before = prices(&catalogue);
        catalogue.reprice(Date::default().plus(30));
        let changed = before.iter().zip(prices(&catalogue)).filter(|(one, other)| *one != other).count();
        assert!((20..150).contains(&changed), "{changed}");
        assert!(before.iter().all(|price| price.raw() > 0));
    }

    #[test]
    fn popular_products_lead() {
        let catalogue = Catalogue::new(1, 2_000, Date::default());
        let mut chance = Chance::new(1, Purpose::Orders);
        let mut sold = vec![0_u32; 2_000];
        (0..200_000).for_each(|_| sold[catalogue.pick(&mut chance).index()] += 1);
        assert!(sold[0] > 5 * sold[500] && sold[500] > 2 * sold[1_200], "{} {} {}", sold[0], sold[500], sold[1_200]);
    }
}
