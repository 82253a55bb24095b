//! Customers who join, come back at rates of their own, and leave.
//!
//! The process is Pareto/NBD (Schmittlein, Morrison and Colombo 1987): purchases of a customer are Poisson, rates
//! are gamma among customers, lifetimes are Pareto. Time runs from 0 to 1 over the whole file and counts orders
//! rather than days; the calendar turns it into days, so that seasons bend everybody's purchases alike. Rates are
//! scaled so that the purchases expected of the very customers drawn fill the file.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::chance::{Chance, Purpose, Weighted};
use super::line::{Country, CustomerNumber, Line};
use super::portable::power;
use super::words::COUNTRIES;

/// Never come back.
const ONE_TIME: f64 = 0.12;
const WHOLESALE: f64 = 0.02;
const TWO_COUNTRIES: f64 = 0.005;
/// Were customers before the file begins, and so appear early in it.
const OLD: f64 = 0.12;
const TICKS: f64 = 1_099_511_627_776.0;

/// How much of a business a customer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trade {
    Retail,
    Wholesale,
}

#[derive(Debug)]
pub struct Customer {
    pub trade: Trade,
    /// Factor on quantities.
    pub volume: f64,
    home: Country,
    abroad: Option<Country>,
    /// Purchases over the whole file, while a customer.
    rate: f64,
    leaves_at: f64,
    /// Lines on their way back, at most one invoice at a time: memory follows customers, not lines.
    returning: Option<Box<[Line]>>,
}

/// Time from 0 to 1 in steps of 2⁻⁴⁰, which can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tick(u64);

impl Tick {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates; times are never negative"
    )]
    const fn new(time: f64) -> Self {
        Self((time * TICKS) as u64)
    }

    #[expect(clippy::cast_precision_loss, reason = "2^-40 is fine enough")]
    const fn time(self) -> f64 {
        self.0 as f64 / TICKS
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Errand {
    Buy,
    Return,
}

/// What the next customer comes for.
#[derive(Debug)]
pub enum Visit {
    Purchase { customer: CustomerNumber, at: f64 },
    Return { customer: CustomerNumber, lines: Box<[Line]> },
}

#[derive(Debug)]
pub struct Population {
    customers: Vec<Customer>,
    visits: BinaryHeap<Reverse<(Tick, u32, Errand)>>,
}

impl Population {
    /// `count` customers who make about `purchases` purchases; fewer customers when there is no room for so many.
    #[must_use]
    pub fn new(seed: u64, count: u32, purchases: f64) -> Self {
        let mut chance = Chance::new(seed, Purpose::Customers);
        let countries = Weighted::new(COUNTRIES.map(|(_, weight)| weight));
        let count = count.min(super::chance::whole(purchases * 0.8).max(1));
        let mut visits = Vec::new();
        let mut customers = Vec::new();
        let mut repeats = 0.0;
        for number in 0..count {
            let joins = join(&mut chance);
            let customer = Customer::new(joins, &countries, &mut chance);
            repeats += customer.rate * (customer.leaves_at.min(1.0) - joins).max(0.0);
            visits.push(Reverse((Tick::new(joins), number, Errand::Buy)));
            customers.push(customer);
        }
        let scale = if repeats > 0.0 { (purchases - f64::from(count)).max(0.0) / repeats } else { 0.0 };
        customers.iter_mut().for_each(|customer| customer.rate *= scale);
        Self { customers, visits: BinaryHeap::from(visits) }
    }

    #[must_use]
    pub fn get(&self, number: CustomerNumber) -> Option<&Customer> {
        self.customers.get(usize::try_from(number.0).ok()?)
    }

    /// How often each customer comes, relative to others: the busiest about a hundred times as often as who came once.
    pub fn weights(&self) -> impl Iterator<Item = u32> {
        let mean = self.customers.iter().map(|customer| customer.rate).sum::<f64>() / self.customers.len() as f64;
        self.customers.iter().map(move |customer| 1 + super::chance::whole(20.0 * customer.rate / mean).min(400))
    }

    /// Visits to come: at most one purchase and one return for each customer.
    #[cfg(test)]
    pub fn pending(&self) -> usize {
        self.visits.len()
    }

    /// When the next customer comes; infinite when none does.
    #[must_use]
    pub fn next_at(&self) -> f64 {
        self.visits.peek().map_or(f64::INFINITY, |Reverse((tick, ..))| tick.time())
    }

    /// The next visit. When everybody has left, somebody comes back.
    pub fn next_visit(&mut self, chance: &mut Chance) -> Visit {
        let Some(Reverse((tick, number, errand))) = self.visits.pop() else {
            let number = chance.below(u32::try_from(self.customers.len()).unwrap_or(u32::MAX));
            return Visit::Purchase { customer: CustomerNumber(number), at: 1.0 };
        };
        let (customer, at) = (CustomerNumber(number), tick.time());
        let Some(known) = usize::try_from(number).ok().and_then(|index| self.customers.get_mut(index)) else {
            return Visit::Purchase { customer, at };
        };
        if errand == Errand::Return {
            return Visit::Return { customer, lines: known.returning.take().unwrap_or_default() };
        }
        let back_at = at + chance.exponential() / known.rate;
        if back_at < known.leaves_at {
            self.visits.push(Reverse((Tick::new(back_at), number, Errand::Buy)));
        }
        Visit::Purchase { customer, at }
    }

    /// Lets `customer` bring `lines` back at `at`, unless another return is under way.
    pub fn bring_back(&mut self, customer: CustomerNumber, at: f64, lines: Box<[Line]>) {
        let known = usize::try_from(customer.0).ok().and_then(|index| self.customers.get_mut(index));
        if let Some(known) = known.filter(|known| known.returning.is_none()) {
            known.returning = Some(lines);
            self.visits.push(Reverse((Tick::new(at), customer.0, Errand::Return)));
        }
    }
}

impl Customer {
    fn new(joins: f64, countries: &Weighted, chance: &mut Chance) -> Self {
        let wholesale = chance.happens(WHOLESALE);
        let trade = if wholesale { Trade::Wholesale } else { Trade::Retail };
        let rate = match trade {
            Trade::Wholesale => 3.0 * chance.gamma(1.5),
            Trade::Retail if chance.happens(ONE_TIME) => 0.0,
            Trade::Retail => chance.gamma(1.1),
        };
        let volume = if wholesale { chance.log_normal(4.0, 0.6) } else { chance.log_normal(1.0, 0.4) };
        let leaves_at = if wholesale { f64::INFINITY } else { joins + lifetime(chance) };
        let home = country(countries, chance);
        let abroad = chance.happens(TWO_COUNTRIES).then(|| elsewhere(chance));
        Self { trade, volume, home, abroad, rate, leaves_at, returning: None }
    }

    /// Where an order goes.
    pub fn country(&self, chance: &mut Chance) -> Country {
        self.abroad.filter(|_| chance.happens(0.4)).unwrap_or(self.home)
    }
}

pub fn country(countries: &Weighted, chance: &mut Chance) -> Country {
    Country(u8::try_from(countries.pick(chance)).unwrap_or_default())
}

/// A country other than the United Kingdom, where most live.
fn elsewhere(chance: &mut Chance) -> Country {
    let others = u32::try_from(COUNTRIES.len() - 1).unwrap_or_default();
    Country(u8::try_from(1 + chance.below(others)).unwrap_or_default())
}

fn join(chance: &mut Chance) -> f64 {
    if chance.happens(OLD) { 0.08 * chance.unit() } else { power(1.0 - chance.unit(), 1.2) }
}

/// Pareto of the second kind (shape 1.2, scale 1.2): half of the customers leave within 0.94 of the file's length.
fn lifetime(chance: &mut Chance) -> f64 {
    1.2 * (power(1.0 - chance.unit(), -1.0 / 1.2) - 1.0)
}
