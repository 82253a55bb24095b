//! The file as an endless-looking iterator: one line at a time, in order of time.
//!
//! What it keeps is the catalogue, the customers, their next visits and one invoice. Nothing grows with the number
//! of lines, so that a file of any size needs the memory of its customers.

use super::baskets::{Baskets, Buyer, LINES_PER_INVOICE};
use super::calendar::{Clock, Moment};
use super::catalogue::{Catalogue, Extra, pence};
use super::chance::{Chance, Purpose, Weighted};
use super::customers::{Population, Visit, country};
use super::dirt::Soil;
use super::line::{CustomerNumber, InvoiceKind, Line};
use super::options::{Options, Size, as_float};
use super::words::{COUNTRIES, REMARKS};
use crate::Money;

const FIRST_INVOICE: u64 = 536_365;
/// Shares of all invoices. Bad debts: 3 of 25,900 in UCI Online Retail, more here so that small files have some.
const BAD_DEBT: f64 = 0.0006;
/// Stock corrections: one line without customer and price.
const CORRECTION: f64 = 0.03;
/// Of the remaining invoices, those without a customer id: a quarter of all lines.
pub(super) const GUEST: f64 = 0.155;
/// Purchases of which something comes back.
pub(super) const RETURNED: f64 = 0.13;
/// Mean days until then.
const RETURN_DAYS: f64 = 9.0;

pub struct Orders {
    size: Size,
    lines: u64,
    invoices: u64,
    days: f64,
    clock: Clock,
    now: Moment,
    catalogue: Catalogue,
    population: Population,
    countries: Weighted,
    baskets: Baskets,
    chance: Chance,
    soil: Soil,
    invoice: Vec<Line>,
    place: usize,
    /// A guest's line that goes back on the next invoice.
    regretted: Option<Line>,
}

impl Orders {
    /// `None` when the shop is closed in the whole range, which [`Options`] rule out.
    #[must_use]
    pub fn new(options: &Options) -> Option<Self> {
        let invoices = match options.size {
            Size::Lines(lines) => as_float(lines) / LINES_PER_INVOICE,
            Size::Invoices(invoices) => as_float(invoices),
        };
        let purchases = invoices * (1.0 - BAD_DEBT - CORRECTION) * (1.0 - GUEST) / (1.0 + RETURNED);
        Some(Self {
            size: options.size,
            lines: 0,
            invoices: 0,
            days: f64::from(options.to.since(options.from)) + 1.0,
            clock: Clock::new(options.from, options.to)?,
            now: Moment { date: options.from, minute: 0 },
            catalogue: Catalogue::new(options.seed, options.products, options.from),
            population: Population::new(options.seed, options.customers, purchases),
            countries: Weighted::new(COUNTRIES.map(|(_, weight)| weight)),
            baskets: Baskets::new(),
            chance: Chance::new(options.seed, Purpose::Orders),
            soil: Soil::new(options.seed, options.dirty),
            invoice: Vec::new(),
            place: 0,
            regretted: None,
        })
    }

    #[must_use]
    pub const fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Visits to come.
    #[cfg(test)]
    pub fn pending(&self) -> usize {
        self.population.pending()
    }

    /// How much of the file is written: from 0 to 1.
    fn progress(&self) -> f64 {
        match self.size {
            Size::Lines(all) => as_float(self.lines) / as_float(all),
            Size::Invoices(all) => as_float(self.invoices) / as_float(all),
        }
    }

    fn is_complete(&self) -> bool {
        match self.size {
            Size::Lines(all) => self.lines >= all,
            Size::Invoices(all) => self.invoices >= all && self.place >= self.invoice.len(),
        }
    }

    /// Writes the next invoice; it has at least one line.
    fn open_invoice(&mut self) {
        self.invoice.clear();
        self.place = 0;
        let step = match self.size {
            Size::Lines(all) | Size::Invoices(all) => self.chance.unit() / as_float(all),
        };
        self.now = self.clock.at(self.progress() + step).max(self.now);
        self.catalogue.reprice(self.now.date);
        let blank = Line { invoice: FIRST_INVOICE + self.invoices, ordered_at: self.now, ..Line::default() };
        self.invoices += 1;
        if let Some(line) = self.regretted.take() {
            self.invoice.push(taken_back(line, blank));
        } else if self.chance.happens(BAD_DEBT) {
            self.bad_debt(blank);
        } else if self.chance.happens(CORRECTION) {
            self.correction(blank);
        } else if self.guest_comes() {
            self.guest_sale(blank);
        } else {
            self.visit(blank);
        }
        self.now = self.invoice.last().map_or(self.now, |line| line.ordered_at);
    }

    /// Guests come more often while the customers due are few, so that customers keep to their times.
    fn guest_comes(&mut self) -> bool {
        let lead = self.population.next_at() - self.progress();
        self.chance.happens(GUEST * (1.0 + 40.0 * lead).clamp(0.4, 3.0))
    }

    fn guest_sale(&mut self, blank: Line) {
        let blank = Line { country: country(&self.countries, &mut self.chance), ..blank };
        self.baskets.fill(&mut self.invoice, blank, Buyer::GUEST, &self.catalogue, &mut self.chance);
        if self.chance.happens(0.04) {
            self.regretted = self.invoice.first().copied();
        }
    }

    fn visit(&mut self, blank: Line) {
        match self.population.next_visit(&mut self.chance) {
            Visit::Purchase { customer, at } => self.sale(customer, at, blank),
            Visit::Return { customer, lines } => {
                let blank = Line { customer: Some(customer), ..blank };
                self.invoice.extend(lines.iter().map(|line| taken_back(*line, blank)));
            }
        }
    }

    fn sale(&mut self, customer: CustomerNumber, at: f64, blank: Line) {
        let buyer = self.population.get(customer).map(|known| {
            (Buyer { known: true, trade: known.trade, volume: known.volume }, known.country(&mut self.chance))
        });
        let (buyer, country) = buyer.unwrap_or((Buyer::GUEST, blank.country));
        let blank = Line { customer: Some(customer), country, ..blank };
        self.baskets.fill(&mut self.invoice, blank, buyer, &self.catalogue, &mut self.chance);
        if self.chance.happens(RETURNED) {
            let delay = RETURN_DAYS / self.days * self.chance.exponential();
            let lines = regrets(&self.invoice, &self.catalogue, &mut self.chance);
            self.population.bring_back(customer, at + delay, lines);
        }
    }

    fn bad_debt(&mut self, blank: Line) {
        let amount = Money::from_raw(i64::from(1_000_000 + self.chance.below(119_000_000)) / 100 * 100);
        let unit_price = if self.chance.happens(0.67) { -amount } else { amount };
        let item = self.catalogue.extra(Extra::BadDebt);
        self.invoice.push(Line { kind: InvoiceKind::Adjustment, item, quantity: 1, unit_price, ..blank });
    }

    fn correction(&mut self, blank: Line) {
        let item = if self.chance.happens(0.03) {
            self.catalogue.extra(Extra::Samples)
        } else {
            self.catalogue.pick(&mut self.chance)
        };
        let pieces = 1 + i64::from(self.chance.below(200));
        let quantity = if self.chance.happens(0.6) { -pieces } else { pieces };
        let remark = self.chance.below(u32::try_from(REMARKS.len()).unwrap_or_default());
        self.invoice.push(Line { item, quantity, remark: u8::try_from(remark).ok(), ..blank });
    }
}

/// One to four of an invoice's lines, whole or in part; or a discount on it.
pub(super) fn regrets(invoice: &[Line], catalogue: &Catalogue, chance: &mut Chance) -> Box<[Line]> {
    let first = invoice.first().copied().unwrap_or_default();
    if chance.happens(0.02) {
        let discount = pence(i64::from(100 + chance.below(9_000)));
        return Box::new([Line { item: catalogue.extra(Extra::Discount), quantity: 1, unit_price: discount, ..first }]);
    }
    let wanted = usize::try_from(1 + chance.below(4) * chance.below(2)).unwrap_or(1);
    let lines = invoice.iter().filter(|line| !line.repeats).take(wanted);
    lines
        .map(|line| Line { quantity: if line.quantity > 6 { line.quantity / 2 } else { line.quantity }, ..*line })
        .collect()
}

/// `line`, returned on the invoice that `blank` begins.
pub(super) fn taken_back(line: Line, blank: Line) -> Line {
    Line {
        kind: InvoiceKind::Cancellation,
        invoice: blank.invoice,
        ordered_at: blank.ordered_at,
        quantity: -line.quantity,
        ..line
    }
}

impl Iterator for Orders {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.is_complete() {
            return None;
        }
        if self.place >= self.invoice.len() {
            self.open_invoice();
        }
        let line = *self.invoice.get(self.place)?;
        self.place += 1;
        self.lines += 1;
        Some(Line { dirt: self.soil.next(), ..line })
    }
}
