//! What a customer puts on one invoice.

use super::catalogue::{Catalogue, Extra, Item, pence};
use super::chance::{Chance, Weighted, whole};
use super::customers::Trade;
use super::line::{Country, Line};
use crate::Money;

/// Mean lines of an invoice, all kinds counted: measured on a generated file of a million lines.
pub const LINES_PER_INVOICE: f64 = 8.45;
/// The largest basket.
const MOST: u32 = 400;
/// Exact duplicates per line: 5,268 of 541,909 in UCI Online Retail.
const REPEATED: f64 = 0.0098;
/// Free items per line of a known customer.
const FREE: f64 = 0.0003;
/// Share of invoices that a minute's change cuts in two: 30 of 25,900 in UCI Online Retail.
const TWO_MINUTES: f64 = 0.0012;

/// Quantities, with how usual they are for a cheap, a middling and a dear product. The quantities are the usual ones
/// of UCI Online Retail (1, 12, 2, 6, 4, 3, 24, 10 lead there); how they part by price is a judgement.
const PACKS: [(u32, [u32; 3]); 14] = [
    (1, [60, 170, 420]),
    (2, [50, 150, 250]),
    (3, [25, 80, 70]),
    (4, [30, 90, 110]),
    (5, [15, 20, 15]),
    (6, [60, 130, 60]),
    (8, [20, 40, 20]),
    (10, [80, 50, 5]),
    (12, [250, 150, 15]),
    (16, [15, 8, 2]),
    (20, [30, 8, 0]),
    (24, [150, 40, 2]),
    (36, [20, 6, 0]),
    (48, [40, 6, 0]),
];

/// Who buys.
#[derive(Clone, Copy, Debug)]
pub struct Buyer {
    pub known: bool,
    pub trade: Trade,
    pub volume: f64,
}

impl Buyer {
    /// Somebody without a customer id: orders of the web shop, in small pieces and at retail prices.
    pub const GUEST: Self = Self { known: false, trade: Trade::Retail, volume: 0.4 };

    /// Products on an invoice: log-normal; for known retail customers with a median of 5, a mean of 7.9 and one
    /// basket in a hundred above 45.
    fn basket_size(&self, chance: &mut Chance) -> u32 {
        let size = match (self.known, self.trade) {
            (true, Trade::Retail) => chance.log_normal(5.0, 0.95),
            (true, Trade::Wholesale) => chance.log_normal(10.0, 0.9),
            (false, _) => chance.log_normal(6.3, 1.15),
        };
        whole(size + 0.5).clamp(1, MOST)
    }
}

#[derive(Debug)]
pub struct Baskets {
    packs: [Weighted; 3],
}

impl Baskets {
    #[must_use]
    pub fn new() -> Self {
        let packs =
            |column: usize| Weighted::new(PACKS.map(|(_, weights)| weights.get(column).copied().unwrap_or_default()));
        Self { packs: [packs(0), packs(1), packs(2)] }
    }

    /// Puts one sale into `lines`; `blank` carries the invoice, its time, its customer and its country.
    pub fn fill(&self, lines: &mut Vec<Line>, blank: Line, buyer: Buyer, catalogue: &Catalogue, chance: &mut Chance) {
        let size = buyer.basket_size(chance);
        let change_at = if size > 1 && chance.happens(TWO_MINUTES) { size / 2 } else { size };
        let mut blank = blank;
        for place in 0..size {
            if place == change_at {
                blank.ordered_at = blank.ordered_at.next_minute();
            }
            let Some(item) = another_product(lines, catalogue, chance) else { break };
            let (quantity, unit_price) = self.deal(item, buyer, catalogue, chance);
            lines.push(Line { item, quantity, unit_price, ..blank });
            if chance.happens(REPEATED) {
                lines.push(Line { item, quantity, unit_price, repeats: true, ..blank });
            }
        }
        if let Some((extra, quantity, unit_price)) = surcharge(blank.country, buyer, chance) {
            lines.push(Line { item: catalogue.extra(extra), quantity, unit_price, ..blank });
        }
    }

    /// Pieces, and the price of one.
    fn deal(&self, item: Item, buyer: Buyer, catalogue: &Catalogue, chance: &mut Chance) -> (i64, Money) {
        let list = catalogue.price(item, false);
        let column = usize::from(list > pence(100)) + usize::from(list > pence(400));
        let pack = self
            .packs
            .get(column)
            .map(|packs| packs.pick(chance))
            .and_then(|row| PACKS.get(row))
            .map_or(1, |&(pack, _)| pack);
        let quantity = i64::from(whole(f64::from(pack) * buyer.volume + 0.5).max(1));
        let unit_price = if !buyer.known {
            pence(list.raw() / 100 * 118 / 100)
        } else if chance.happens(FREE) {
            Money::ZERO
        } else {
            catalogue.price(item, quantity >= 48)
        };
        (quantity, unit_price)
    }
}

/// A product that the basket does not hold yet; `None` when the shop seems to have no other.
fn another_product(lines: &[Line], catalogue: &Catalogue, chance: &mut Chance) -> Option<Item> {
    (0..20).map(|_| catalogue.pick(chance)).find(|item| lines.iter().all(|line| line.item != *item))
}

/// Postage and other charges at the foot of an invoice: what it is, pieces, unit price.
fn surcharge(country: Country, buyer: Buyer, chance: &mut Chance) -> Option<(Extra, i64, Money)> {
    if !buyer.known {
        return match chance.below(1_000) {
            0..=120 => Some((Extra::DotcomPostage, 1, pence(i64::from(500 + chance.below(60_000))))),
            121..=125 => Some((Extra::Voucher20, 1, pence(1_702))),
            126..=129 => Some((Extra::Voucher50, 1, pence(4_255))),
            130..=135 => Some((Extra::AmazonFee, 1, pence(i64::from(1_000 + chance.below(90_000))))),
            136..=138 => Some((Extra::BankCharges, 1, pence(1_500))),
            _ => None,
        };
    }
    if chance.happens(0.012) {
        return Some((Extra::Manual, 1 + i64::from(chance.below(3)), pence(i64::from(100 + chance.below(8_000)))));
    }
    let abroad = country != Country::UNITED_KINGDOM;
    if country.name() == "EIRE" && chance.happens(0.3) {
        return Some((Extra::Carriage, 1, pence(5_000)));
    }
    (abroad && chance.happens(0.5))
        .then(|| (Extra::Postage, 1 + i64::from(chance.below(3)), pence(chance.one_of(&[1_500, 1_800, 2_800, 4_000]))))
}
