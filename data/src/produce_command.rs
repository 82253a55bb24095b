//! `data produce orders`: made-up live orders without end.

use clap::Args;
use data::EventTime;
use data::generate::LiveOptions;
use data::live::MadeUp;

use crate::live_command::{BrokerArgs, Error, grouped, send};
use crate::replay_command::rate_of;

const EXAMPLES: &str = "\
Examples:
  data produce orders --brokers localhost:9092                           10 lines a second until Ctrl-C
  data produce orders --brokers localhost:9092 --rate 10000 --count 1000000
  data produce orders --brokers localhost:9092 --rate 0 --customers 1000000 --sales-only

The customers are the first of `data generate orders` with the same seed: a lake made from that file knows them. An
order's time is when it is sent; an invoice has several lines. Some lines are of guests without a customer id, and
some goods come back, as in the file; --sales-only leaves those out.";

/// Send made-up orders to a topic, as they come in
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct OrdersArgs {
    #[command(flatten)]
    broker: BrokerArgs,
    /// Topic; made with 4 partitions where it does not exist
    #[arg(long, value_name = "NAME", default_value = data::topics::ORDERS)]
    topic: String,
    /// Lines a second; 0 is as fast as the broker takes them
    #[arg(long, value_name = "N", default_value_t = 10.0, allow_negative_numbers = true)]
    rate: f64,
    /// Customers with an id
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    customers: u32,
    /// Different products
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    products: u32,
    /// Stop after so many lines [default: none]
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Another seed gives other orders
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Number of the first invoice [default: from the clock, so that no two runs share one]
    #[arg(long, value_name = "N")]
    first_invoice: Option<u64>,
    /// Only purchases by customers with an id
    #[arg(long)]
    sales_only: bool,
}

/// Whether all was delivered.
///
/// # Errors
/// [`Error::Option`] for a rate that is none, [`Error::Live`].
pub fn run(args: &OrdersArgs) -> Result<bool, Error> {
    let pace = rate_of(args.rate)?;
    let options = LiveOptions {
        seed: args.seed,
        customers: args.customers,
        products: args.products,
        first_invoice: args.first_invoice.unwrap_or_else(invoice_by_clock),
        sales_only: args.sales_only,
    };
    send(
        &args.broker,
        std::slice::from_ref(&args.topic),
        || MadeUp::new(&options, EventTime::now),
        pace,
        args.count,
        |source| {
            let counts = source.counts();
            let note = format!(
                "{} invoices up to {}; {} lines without a customer, hence without a key",
                grouped(counts.invoices),
                counts.last_invoice,
                grouped(counts.without_customer)
            );
            (counts, vec![note])
        },
    )
}

/// Tenths of a millisecond since 1970: a run would have to make 10,000 invoices a second to meet the next one's.
fn invoice_by_clock() -> u64 {
    u64::try_from(EventTime::now().micros() / 100).unwrap_or_default()
}
