//! `data generate clicks`: a made-up shop's clicks and orders as files.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use data::generate::{Error, Output, ShopOptions, write_clicks, write_order_events};
use data::{DateFormat, DayMonth, EventTime};

const EXAMPLES: &str = "\
Examples:
  data generate clicks                                                  three months up to now in clicks.csv
  data generate clicks -o clicks.csv.zst --orders order-events.csv      the orders too, compressed as the name says
  data generate clicks -o - --until 2026-01-01T00:00:00Z --days 30      the same bytes every time, on stdout

What shoppers do is told under `data produce clicks --help`. `data replay` sends the files, `speed dry-run` finds patterns in them.";

/// Write a made-up shop's clicks, and what becomes of its orders
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ClicksArgs {
    /// File of clicks; .gz and .zst compress, - is stdout
    #[arg(short, long, value_name = "FILE", default_value = "clicks.csv")]
    output: PathBuf,
    /// File of what becomes of orders [default: none]
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,
    #[command(flatten)]
    shop: ShopArgs,
    /// No summary
    #[arg(short, long)]
    quiet: bool,
}

/// The shop and its past
#[derive(Args, Clone, Debug)]
pub struct ShopArgs {
    /// Shoppers at a time; who leaves for good is replaced
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    shoppers: u32,
    /// How many days the past has
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(0..=3_650))]
    days: u32,
    /// When the past ends, such as 2026-01-01T00:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<EventTime>,
    /// Another seed gives other events
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl ShopArgs {
    /// Of the past alone.
    pub fn options(&self, now: EventTime) -> ShopOptions {
        let Self { shoppers, days, seed, .. } = *self;
        ShopOptions { seed, shoppers, days, until: self.until.unwrap_or(now), rate: None }
    }
}

/// Writes the files.
///
/// # Errors
/// [`Error::Write`] when an output cannot be written.
pub fn run(args: &ClicksArgs) -> Result<(), Error> {
    match generate(args) {
        Err(error) if error.is_broken_pipe() => Ok(()),
        done => done,
    }
}

fn generate(args: &ClicksArgs) -> Result<(), Error> {
    let options = args.shop.options(EventTime::now());
    let to_stdout = args.output.as_os_str() == "-";
    let output = if to_stdout { Output::stdout() } else { Output::file(&args.output)? };
    let clicks = output.write(|out| write_clicks(&options, &mut io::BufWriter::new(out)))?;
    let mut text = format!("wrote {clicks} clicks to {}\n", args.output.display());
    if let Some(path) = &args.orders {
        // Drawn once more: both files follow from the same seed.
        let orders = Output::file(path)?.write(|out| write_order_events(&options, &mut io::BufWriter::new(out)))?;
        text += &format!("wrote {orders} news of orders to {}\n", path.display());
    }
    if args.quiet {
        return Ok(());
    }
    let said = io::stderr().write_all(text.as_bytes());
    said.map_err(|source| Error::Write { path: "stderr".to_owned(), source })
}

fn moment(text: &str) -> Result<EventTime, String> {
    let found = DateFormat::Order(DayMonth::MonthFirst).parse(text.as_bytes());
    found.ok_or_else(|| "no such time; write it as in 2026-01-01T00:00:00Z".to_owned())
}
