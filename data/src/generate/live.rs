//! Orders without end, by the customers and from the catalogue of the order file with the same seed.
//!
//! Who orders is drawn by how often customers of the file buy: most come back, some soon. The number of customers
//! stays, and so does memory.

use std::collections::VecDeque;

use super::baskets::{Baskets, Buyer};
use super::calendar::Date;
use super::catalogue::Catalogue;
use super::chance::{Chance, Purpose, Weighted};
use super::customers::{Population, country};
use super::line::{CustomerNumber, InvoiceKind, Line};
use super::orders::{GUEST, RETURNED, regrets, taken_back};
use super::words::COUNTRIES;
use crate::Money;

/// Invoices that are still to be taken back in part, at most.
const MOST_RETURNS: usize = 1_000;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct LiveOptions {
    pub seed: u64,
    /// From 1; their ids are those of the file's first customers.
    pub customers: u32,
    /// From 1.
    pub products: u32,
    /// The number of the first invoice.
    pub first_invoice: u64,
    /// Only purchases by customers with an id, without cancellations: lines that the cleaning rule accepts, but for
    /// what is given away.
    pub sales_only: bool,
}

/// An order line as it comes in.
#[derive(Clone, Copy, Debug)]
pub struct LiveLine<'a> {
    /// `C` before the number of a cancellation.
    pub prefix: &'static str,
    pub invoice: u64,
    /// Whether it begins an invoice.
    pub opens: bool,
    pub stock_code: &'a str,
    pub description: &'a str,
    pub quantity: i64,
    pub unit_price: Money,
    pub customer_id: Option<u32>,
    pub country: &'static str,
}

#[derive(Debug)]
pub struct LiveOrders {
    catalogue: Catalogue,
    population: Population,
    frequency: Weighted,
    countries: Weighted,
    baskets: Baskets,
    chance: Chance,
    sales_only: bool,
    returns: VecDeque<Box<[Line]>>,
    next_invoice: u64,
    invoice: Vec<Line>,
    place: usize,
}

impl LiveOrders {
    #[must_use]
    pub fn new(options: &LiveOptions) -> Self {
        // As many purchases as let all of them in.
        let purchases = f64::from(options.customers) / 0.8 + 1.0;
        let population = Population::new(options.seed, options.customers, purchases);
        Self {
            catalogue: Catalogue::new(options.seed, options.products, Date::default()),
            frequency: Weighted::new(population.weights()),
            population,
            countries: Weighted::new(COUNTRIES.map(|(_, weight)| weight)),
            baskets: Baskets::new(),
            chance: Chance::new(options.seed, Purpose::Live),
            sales_only: options.sales_only,
            returns: VecDeque::new(),
            next_invoice: options.first_invoice,
            invoice: Vec::new(),
            place: 0,
        }
    }

    /// The next line. Invoices have several; each is complete before the next begins.
    pub fn next_line(&mut self) -> LiveLine<'_> {
        while self.place >= self.invoice.len() {
            self.open_invoice();
        }
        let line = self.invoice.get(self.place).copied().unwrap_or_default();
        let opens = self.place == 0;
        self.place += 1;
        let label = self.catalogue.labels().get(line.item.index());
        LiveLine {
            prefix: if line.kind == InvoiceKind::Cancellation { "C" } else { "" },
            invoice: line.invoice,
            opens,
            stock_code: label.map_or("", |label| &label.code),
            description: label.map_or("", |label| &label.description),
            quantity: line.quantity,
            unit_price: line.unit_price,
            customer_id: line.customer.map(CustomerNumber::id),
            country: line.country.name(),
        }
    }

    fn open_invoice(&mut self) {
        self.invoice.clear();
        self.place = 0;
        let blank = Line { invoice: self.next_invoice, ..Line::default() };
        self.next_invoice += 1;
        // One goes back for each that was kept for it, and those wait for a while.
        let full = self.returns.len() >= MOST_RETURNS;
        let due = full || (!self.returns.is_empty() && self.chance.happens(RETURNED));
        if let Some(lines) = self.returns.pop_front_if(|_| due) {
            self.invoice.extend(lines.iter().map(|line| taken_back(*line, blank)));
        } else if !self.sales_only && self.chance.happens(GUEST) {
            let blank = Line { country: country(&self.countries, &mut self.chance), ..blank };
            self.baskets.fill(&mut self.invoice, blank, Buyer::GUEST, &self.catalogue, &mut self.chance);
        } else {
            self.sale(blank);
        }
    }

    fn sale(&mut self, blank: Line) {
        let number = CustomerNumber(u32::try_from(self.frequency.pick(&mut self.chance)).unwrap_or_default());
        let Some(known) = self.population.get(number) else { return };
        let buyer = Buyer { known: true, trade: known.trade, volume: known.volume };
        let blank = Line { customer: Some(number), country: known.country(&mut self.chance), ..blank };
        self.baskets.fill(&mut self.invoice, blank, buyer, &self.catalogue, &mut self.chance);
        if !self.sales_only && self.chance.happens(RETURNED) {
            self.returns.push_back(regrets(&self.invoice, &self.catalogue, &mut self.chance));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    fn options() -> LiveOptions {
        LiveOptions { seed: 3, customers: 500, products: 200, first_invoice: 700, sales_only: false }
    }

    fn owned(orders: &mut LiveOrders) -> (String, Option<u32>, i64, Money, bool) {
        let line = orders.next_line();
        (format!("{}{}", line.prefix, line.invoice), line.customer_id, line.quantity, line.unit_price, line.opens)
    }

    #[test]
    fn the_same_seed_orders_the_same() {
        let draw = |seed| {
            let mut orders = LiveOrders::new(&LiveOptions { seed, ..options() });
            (0..1_000).map(|_| owned(&mut orders)).collect::<Vec<_>>()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
        assert_eq!(draw(3)[0].0, "700");
    }

    #[test]
    fn customers_return_and_invoices_have_several_lines() {
        let mut orders = LiveOrders::new(&options());
        let mut invoices: HashMap<u32, HashSet<String>> = HashMap::new();
        let (mut lines, mut opened, mut cancelled, mut guests) = (0, 0, 0, 0);
        let mut last = String::new();
        for _ in 0..100_000 {
            let (invoice, customer, quantity, price, opens) = owned(&mut orders);
            assert_eq!(opens, invoice != last, "{invoice} after {last}");
            assert!(price >= Money::ZERO && (quantity < 0) == invoice.starts_with('C'));
            lines += 1;
            opened += i32::from(opens);
            cancelled += i32::from(opens && quantity < 0);
            guests += i32::from(opens && customer.is_none());
            if let Some(customer) = customer {
                assert!((12_346..12_846).contains(&customer));
                invoices.entry(customer).or_default().insert(invoice.clone());
            }
            last = invoice;
        }
        assert!((5..12).contains(&(lines / opened)), "{lines} lines of {opened} invoices");
        assert!(opened / 8 > cancelled && cancelled > opened / 20, "{cancelled} of {opened} go back");
        assert!(opened / 5 > guests && guests > opened / 9, "{guests} guests of {opened}");
        assert!(invoices.len() > 450, "{} customers", invoices.len());
        let returning = invoices.values().filter(|invoices| invoices.len() > 1).count();
        assert!(returning > 400, "{returning}");
    }

    #[test]
    fn sales_only_are_accepted_lines() {
        let mut orders = LiveOrders::new(&LiveOptions { sales_only: true, customers: 1, ..options() });
        for _ in 0..10_000 {
            let (invoice, customer, quantity, ..) = owned(&mut orders);
            assert!(customer == Some(12_346) && quantity > 0 && !invoice.starts_with('C'));
        }
    }
}
