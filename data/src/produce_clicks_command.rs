//! `data produce clicks`: the past of a made-up shop at once, then its clicks and orders as they happen.

use clap::Args;
use data::EventTime;
use data::generate::ShopOptions;
use data::live::{Pace, ShopFeed};

use crate::generate_clicks_command::ShopArgs;
use crate::live_command::{BrokerArgs, Error, grouped, send};

const EXAMPLES: &str = "\
Examples:
  data produce clicks --brokers localhost:9092                       three months at once, then 10 clicks a second until Ctrl-C
  data produce clicks --brokers localhost:9092 --days 0 --rate 100   only what happens from now on
  data produce clicks --brokers localhost:9092 --past-only --shoppers 20000
  data produce clicks --brokers localhost:9092 --until 2026-01-01T00:00:00Z --past-only      the same events every time

Shoppers come in sessions: of the products looked at 30 % go into the cart and 10 % are bought straight away, of those in the
cart 35 % are bought; 90 % of the orders are completed, the others cancelled. 23 products in three price bands get 80, 18 and
2 % of the looks; prices change by the hour. Shoppers have the customer ids of `data generate orders`. Both topics are keyed
by user. The same seed, --until and --rate give the same events.";

/// Send made-up clicks and orders of a shop: the past three months at once, then as they happen
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ClicksArgs {
    #[command(flatten)]
    broker: BrokerArgs,
    #[command(flatten)]
    shop: ShopArgs,
    /// Clicks a second once the past is sent
    #[arg(long, value_name = "N", default_value_t = 10.0, allow_negative_numbers = true)]
    rate: f64,
    /// End with the past
    #[arg(long, conflicts_with = "rate")]
    past_only: bool,
    /// Stop after so many messages [default: none]
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Topic of clicks; made with 4 partitions where it does not exist
    #[arg(long, value_name = "NAME", default_value = data::topics::CLICKSTREAM)]
    topic: String,
    /// Topic of what becomes of orders; likewise
    #[arg(long, value_name = "NAME", default_value = data::topics::ORDER_EVENTS)]
    orders_topic: String,
}

/// Whether all was delivered.
///
/// # Errors
/// [`Error::Option`] for a rate or a time that is none, [`Error::Live`].
pub fn run(args: &ClicksArgs) -> Result<bool, Error> {
    let goes_on = args.rate.is_finite() && args.rate > 0.0;
    if !(args.past_only || goes_on) {
        let reason = format!("{} is no rate; give clicks a second, or --past-only for the past alone", args.rate);
        return Err(Error::Option { flag: "--rate", reason });
    }
    let rate = (!args.past_only).then_some(args.rate);
    let open = || ShopFeed::new(&ShopOptions { rate, ..args.shop.options(EventTime::now()) });
    let topics = [args.topic.clone(), args.orders_topic.clone()];
    send(&args.broker, &topics, open, Pace::Clock, args.count, |feed| {
        let counts = feed.counts();
        let note = format!(
            "{} views, {} carts, {} purchases, {} news of orders",
            grouped(counts.views),
            grouped(counts.carts),
            grouped(counts.purchases),
            grouped(counts.order_events)
        );
        (counts, vec![note])
    })
}
