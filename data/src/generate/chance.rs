//! Seeded chance: one ChaCha8 stream per purpose, and the distributions that orders need.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::portable::{exp, ln, power};

/// What a stream of random numbers decides. Streams do not touch each other: more dirt changes no customer.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    Catalogue = 1,
    Customers = 2,
    Orders = 3,
    Prices = 4,
    Dirt = 5,
    Live = 6,
    Shop = 7,
    Shoppers = 8,
}

/// A source of random numbers: the same on every machine, and independent of the version of `rand`.
#[derive(Debug)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        key.iter_mut().zip(seed.to_le_bytes()).for_each(|(to, from)| *to = from);
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(purpose as u64);
        Self(rng)
    }

    /// Uniform in [0, 1), a multiple of 2⁻³².
    #[inline]
    pub fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    /// Whole and uniform in 0..`bound`; 0 when `bound` is 0. The bias is below `bound` / 2³².
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        let product = u64::from(self.0.next_u32()) * u64::from(bound);
        u32::try_from(product >> 32).unwrap_or_default()
    }

    #[inline]
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of `choices`, all alike; the default when there is none.
    pub fn one_of<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let bound = u32::try_from(choices.len()).unwrap_or(u32::MAX);
        let index = usize::try_from(self.below(bound)).unwrap_or_default();
        choices.get(index).copied().unwrap_or_default()
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -ln(1.0 - self.unit())
    }

    /// Standard normal, by Marsaglia's polar method.
    pub fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * ln(square) / square).sqrt();
            }
        }
    }

    /// Log-normal: its median, and the standard deviation of its logarithm.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * exp(sigma * self.normal())
    }

    /// Gamma with scale 1, by Marsaglia and Tsang (2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let below_one = power(1.0 - self.unit(), 1.0 / shape);
            return self.gamma(shape + 1.0) * below_one;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
            if v > 0.0 && ln(1.0 - self.unit()) < 0.5 * x * x + d * (1.0 - v + ln(v)) {
                return d * v;
            }
        }
    }
}

/// Choices of unequal weight.
#[derive(Clone, Debug)]
pub struct Weighted(Vec<u32>);

impl Weighted {
    /// A choice for each of `weights`, whose sum must fit 32 bits.
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let running = weights.into_iter().scan(0_u32, |sum, weight| {
            *sum = sum.saturating_add(weight);
            Some(*sum)
        });
        Self(running.collect())
    }

    /// The index of a choice, as often as its weight says.
    #[inline]
    pub fn pick(&self, chance: &mut Chance) -> usize {
        let point = chance.below(self.0.last().copied().unwrap_or_default());
        self.0.partition_point(|&sum| sum <= point)
    }
}

/// `x` without its fraction; below 0 it is 0, above 2³² − 1 it is that.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as documented")]
#[inline]
#[must_use]
pub const fn whole(x: f64) -> u32 {
    x as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(draw: impl FnMut() -> f64) -> f64 {
        std::iter::repeat_with(draw).take(100_000).sum::<f64>() / 100_000.0
    }

    #[test]
    fn distributions_have_their_means() {
        let mut chance = Chance::new(7, Purpose::Orders);
        assert!((mean(|| chance.unit()) - 0.5).abs() < 0.01);
        assert!((mean(|| chance.exponential()) - 1.0).abs() < 0.02);
        assert!(mean(|| chance.normal()).abs() < 0.02);
        assert!((mean(|| chance.gamma(2.5)) - 2.5).abs() < 0.03);
        assert!((mean(|| chance.gamma(0.6)) - 0.6).abs() < 0.03);
        assert!((mean(|| chance.log_normal(2.0, 0.5)) - 2.0 * 0.125_f64.exp()).abs() < 0.03);
    }

    #[test]
    fn picks_by_weight() {
        let mut chance = Chance::new(7, Purpose::Orders);
        let weighted = Weighted::new([1, 0, 3]);
        let mut picked = [0; 3];
        (0..40_000).for_each(|_| picked[weighted.pick(&mut chance)] += 1);
        assert!(picked[1] == 0 && (9_500..10_500).contains(&picked[0]), "{picked:?}");
    }

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |seed, purpose| Chance::new(seed, purpose).below(u32::MAX);
        assert_eq!(draw(1, Purpose::Dirt), draw(1, Purpose::Dirt));
        assert_ne!(draw(1, Purpose::Dirt), draw(1, Purpose::Orders));
        assert_ne!(draw(1, Purpose::Dirt), draw(2, Purpose::Dirt));
    }
}
