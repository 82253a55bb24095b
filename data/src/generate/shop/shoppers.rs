//! Who comes: places that one shopper holds after another.

use crate::generate::chance::{Chance, Purpose, Weighted, whole};

/// How long somebody stays a shopper, on the average.
const LIFE_MS: f64 = 120.0 * 86_400_000.0;
/// How unequally often shoppers come: the shape of a gamma distribution.
const SHAPE: f64 = 0.8;
/// Draws for one who is not in the shop already.
const TRIES: usize = 16;
/// The number of the first customer of made-up order files, so that both know the same people.
const FIRST: u32 = 12_346;

#[derive(Debug)]
pub struct Shoppers {
    places: Vec<Shopper>,
    frequency: Weighted,
    chance: Chance,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Shopper {
    user: u32,
    /// Gone for good.
    leaves: f64,
    /// In the shop until then.
    busy: f64,
}

impl Shoppers {
    /// `count` of them who were there when time begins, in milliseconds since 1970.
    pub fn new(seed: u64, count: u32, begin: f64) -> Self {
        let mut chance = Chance::new(seed, Purpose::Shoppers);
        let frequency = Weighted::new((0..count).map(|_| 1 + whole(100.0 * chance.gamma(SHAPE))));
        let user = |number| FIRST.saturating_add(number);
        let life = |chance: &mut Chance| begin + LIFE_MS * chance.exponential();
        let places =
            (0..count).map(|number| Shopper { user: user(number), leaves: life(&mut chance), busy: begin }).collect();
        Self { places, frequency, chance, next: user(count) }
    }

    /// Who comes now, and whose place that is: where somebody left for good, another's.
    pub fn pick(&mut self, now: f64, chance: &mut Chance) -> (usize, u32) {
        let mut place = self.frequency.pick(chance);
        for _ in 0..TRIES {
            if self.places.get(place).is_none_or(|shopper| shopper.busy <= now) {
                break;
            }
            place = self.frequency.pick(chance);
        }
        let Some(shopper) = self.places.get_mut(place) else { return (place, FIRST) };
        if shopper.leaves <= now {
            let leaves = now + LIFE_MS * self.chance.exponential();
            *shopper = Shopper { user: self.next, leaves, busy: now };
            self.next = self.next.saturating_add(1);
        }
        (place, shopper.user)
    }

    /// Whose place it is stays in the shop until then.
    pub fn stay(&mut self, place: usize, until: f64) {
        if let Some(shopper) = self.places.get_mut(place) {
            shopper.busy = shopper.busy.max(until);
        }
    }
}
