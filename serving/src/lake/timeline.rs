//! Who paid what on which day: one scan of `orders`, kept with its publication.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use data::lake::{Lake, Table};
use data::merge::CustomerHash;
use data::{EventTime, Money};
use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::{Files, columns};
use crate::error::Result;
use crate::view::Batch;

/// What a customer's lines of one invoice on one day add up to.
#[derive(Clone, Copy, Debug)]
pub struct Payment {
    /// Among the publication's customers.
    pub place: u32,
    /// From 1970.
    pub day: i32,
    pub amount: Money,
}

const FIRST_OF_ITS_INVOICE: u32 = 1 << 31;

impl Payment {
    #[must_use]
    pub const fn place(&self) -> usize {
        (self.place & !FIRST_OF_ITS_INVOICE) as usize
    }

    /// Whether the invoice counts here.
    #[must_use]
    pub const fn is_order(&self) -> bool {
        self.place & FIRST_OF_ITS_INVOICE != 0
    }
}

/// Payments by customer, then by day.
#[derive(Debug)]
pub struct Timeline {
    payments: Vec<Payment>,
}

impl Timeline {
    /// Reads the orders that the publication rests on.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(lake: &Lake, batch: Arc<Batch>) -> Result<Self> {
        let files = Files::open(lake, Table::Orders, batch.publication.versions.orders).await?;
        let read = tokio::task::spawn_blocking(move || {
            let mut scan = Scan { batch: &batch, payments: Vec::new(), seen: HashSet::default(), last: None };
            files.each_batch(&["invoice", "amount", "customer_id", "ordered_at"], |rows| {
                let [invoices, amounts, customers, times] =
                    columns(rows, ["invoice", "amount", "customer_id", "ordered_at"])?;
                let (invoices, customers) = (invoices.as_string::<i32>(), customers.as_string::<i32>());
                let (amounts, times) = (amounts.as_primitive::<Int64Type>(), times.as_primitive::<Int64Type>());
                for (((invoice, customer), amount), time) in invoices.iter().zip(customers).zip(amounts).zip(times) {
                    let (Some(invoice), Some(customer)) = (invoice, customer) else { continue };
                    let (Some(amount), Some(time)) = (amount, time) else { continue };
                    scan.take(invoice, customer, Money::from_raw(amount), EventTime::from_micros(time));
                }
                Ok(())
            })?;
            let mut payments = scan.payments;
            payments.sort_unstable_by_key(|payment| (payment.place(), payment.day));
            payments.shrink_to_fit();
            Ok(Self { payments })
        });
        read.await?
    }

    #[must_use]
    pub fn payments(&self) -> &[Payment] {
        &self.payments
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.payments.len()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.payments.is_empty()
    }
}

struct Scan<'b> {
    batch: &'b Batch,
    payments: Vec<Payment>,
    seen: HashSet<u64, FixedState>,
    /// Lines of an invoice follow one another.
    last: Option<(String, String)>,
}

impl Scan<'_> {
    fn take(&mut self, invoice: &str, customer: &str, amount: Money, at: EventTime) {
        let day = i32::try_from(at.day()).unwrap_or_default();
        let same = self.last.as_ref().is_some_and(|(before, whose)| before == invoice && whose == customer);
        if same
            && amount > Money::ZERO
            && let Some(payment) = self.payments.last_mut().filter(|payment| payment.day == day)
        {
            payment.amount += amount;
            return;
        }
        let Some(place) = self.batch.base.find(customer).and_then(|place| u32::try_from(place).ok()) else { return };
        let hash = CustomerHash::of(customer.as_bytes()).invoice(invoice.as_bytes());
        let first = amount > Money::ZERO && self.seen.insert(hash.0);
        let place = if first { place | FIRST_OF_ITS_INVOICE } else { place };
        self.payments.push(Payment { place, day, amount });
        self.last = Some((invoice.to_owned(), customer.to_owned()));
    }
}
