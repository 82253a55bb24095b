//! What the shop sells: 23 products in three price bands, with prices that change by the hour.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Money;
use crate::generate::chance::{Chance, Weighted};

/// How dear a product is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// Up to 120.
    Low,
    /// 260 to 800.
    Middle,
    /// From 1,200 on.
    High,
}

/// How many looks in a hundred go to each band.
pub const LOOKS: [(Band, u32); 3] = [(Band::Low, 80), (Band::Middle, 18), (Band::High, 2)];

#[derive(Debug, PartialEq, Eq)]
pub struct Product {
    pub id: &'static str,
    pub name: &'static str,
    pub category: &'static str,
    pub brand: &'static str,
    pub band: Band,
    /// In cents, before discounts.
    list_price: i64,
}

const fn product(
    band: Band,
    id: &'static str,
    name: &'static str,
    category: &'static str,
    brand: &'static str,
    list_price: i64,
) -> Product {
    Product { id, name, category, brand, band, list_price }
}

pub const PRODUCTS: [Product; 23] = [
    product(Band::Low, "P1001", "Phone case", "electronics.accessories", "hama", 1_490),
    product(Band::Low, "P1002", "Charging cable", "electronics.accessories", "anker", 1_290),
    product(Band::Low, "P1003", "Wireless mouse", "computers.peripherals", "logitech", 3_490),
    product(Band::Low, "P1004", "Keyboard", "computers.peripherals", "logitech", 5_990),
    product(Band::Low, "P1005", "In-ear headphones", "electronics.audio", "sony", 4_900),
    product(Band::Low, "P1006", "Bluetooth speaker", "electronics.audio", "jbl", 9_900),
    product(Band::Low, "P1007", "Running shirt", "apparel.sport", "nike", 3_500),
    product(Band::Low, "P1008", "Running shoes", "apparel.shoes", "asics", 11_900),
    product(Band::Low, "P1009", "Backpack", "apparel.bags", "deuter", 7_900),
    product(Band::Low, "P1010", "Water bottle", "sport.outdoor", "sigg", 2_200),
    product(Band::Low, "P1011", "Coffee maker", "appliances.kitchen", "bosch", 6_900),
    product(Band::Low, "P1012", "Kettle", "appliances.kitchen", "philips", 3_900),
    product(Band::Low, "P1013", "Desk lamp", "furniture.light", "ikea", 2_990),
    product(Band::Middle, "P2001", "Headphones with noise cancelling", "electronics.audio", "bose", 29_900),
    product(Band::Middle, "P2002", "Smart watch", "electronics.wearables", "garmin", 32_900),
    product(Band::Middle, "P2003", "Tablet", "electronics.tablet", "samsung", 44_900),
    product(Band::Middle, "P2004", "Telephone", "electronics.smartphone", "xiaomi", 39_900),
    product(Band::Middle, "P2005", "Monitor", "computers.monitor", "dell", 34_900),
    product(Band::Middle, "P2006", "Office chair", "furniture.chair", "steelcase", 58_000),
    product(Band::Middle, "P2007", "Washing machine", "appliances.laundry", "bosch", 64_900),
    product(Band::High, "P3001", "Notebook", "computers.notebook", "apple", 219_900),
    product(Band::High, "P3002", "Television", "electronics.tv", "lg", 159_900),
    product(Band::High, "P3003", "Electric bicycle", "sport.bicycle", "cube", 289_900),
];

/// Percent of the list price, and how many hours in a hundred it holds.
const DISCOUNTS: [(i64, u64); 4] = [(100, 70), (95, 12), (90, 10), (80, 8)];
const HOUR_MS: i64 = 3_600_000;

impl Product {
    /// What it costs at this moment, in milliseconds since 1970.
    pub fn price(&self, at_ms: i64, seed: u64) -> Money {
        let hour = at_ms.div_euclid(HOUR_MS);
        let mut draw = xxh3_64_with_seed(&[self.id.as_bytes(), &hour.to_le_bytes()].concat(), seed) % 100;
        let held = DISCOUNTS.iter().find(|(_, hours)| {
            let found = draw < *hours;
            draw = draw.saturating_sub(*hours);
            found
        });
        let cents = self.list_price * held.map_or(100, |(percent, _)| *percent) / 100;
        Money::from_raw(cents * 100)
    }
}

/// Draws what somebody looks at.
#[derive(Debug)]
pub struct Shelf(Weighted);

impl Shelf {
    pub fn new() -> Self {
        Self(Weighted::new(LOOKS.map(|(_, looks)| looks)))
    }

    pub fn pick(&self, chance: &mut Chance) -> &'static Product {
        let band = LOOKS.get(self.0.pick(chance)).map_or(Band::Low, |(band, _)| *band);
        let of_band = || PRODUCTS.iter().filter(|product| product.band == band);
        let count = u32::try_from(of_band().count()).unwrap_or_default();
        let place = usize::try_from(chance.below(count)).unwrap_or_default();
        of_band().nth(place).unwrap_or(const { &PRODUCTS[0] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_stay_in_their_bands_and_change() {
        for product in &PRODUCTS {
            let prices: Vec<f64> = (0..500).map(|hour| product.price(hour * HOUR_MS, 1).to_f64()).collect();
            let (least, most) =
                prices.iter().fold((f64::MAX, 0.0_f64), |(least, most), price| (least.min(*price), most.max(*price)));
            let band = match product.band {
                Band::Low => 1.0..=120.0,
                Band::Middle => 200.01..=800.0,
                Band::High => 1_200.0..=3_000.0,
            };
            assert!(band.contains(&least) && band.contains(&most) && least < most, "{}: {least} to {most}", product.id);
        }
    }
}
