//! `data replay`: a file of orders or clicks as live messages.

use std::path::PathBuf;

use clap::Args;
use data::columns::{Column, ColumnMap};
use data::live::{EventKind, EventReplay, Pace, Replay, ReplayOptions, kind_of};
use data::{DateFormat, EventTime};

use crate::live_command::{BrokerArgs, Error, grouped, send};

const EXAMPLES: &str = "\
Examples:
  data replay orders.csv --brokers localhost:9092                   as fast as the broker takes them
  data replay orders.csv --brokers localhost:9092 --rate 500        500 lines a second
  data replay orders.csv --brokers localhost:9092 --speedup 3600    an hour of the file in a second
  data replay orders.csv.gz --brokers localhost:9092 --retime       as if the file ended today
  data replay clicks.csv --brokers localhost:9092 --retime          clicks, or what becomes of orders: the header decides

Each line of an order file becomes a JSON object with InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID
and Country, spelled as in the file; the key is the customer id (12347.0 is 12347), null without a customer. The
message's own timestamp is now. A file with the columns event_time, event_type and user_id goes to topic clickstream, one
with order_time, order_status and user_id to order-events, keyed by user_id, with the columns that speed knows.

--retime adds whole days to every date, so that the newest line of the file is today, or yesterday where it would be
later than now: nothing lies in the future, hours of the day stay, and so do everyone's days since the last order.
Dates are then written in ISO 8601.";

/// Send the lines of a file of orders or clicks to a topic, in the file's order
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// Orders, clicks, or what becomes of orders: CSV, also .gz and .zst
    file: PathBuf,
    #[command(flatten)]
    broker: BrokerArgs,
    /// Topic; made with 4 partitions where it does not exist [default: orders, clickstream or order-events]
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// Lines a second; 0 is as fast as the broker takes them [default: 0]
    #[arg(long, value_name = "N", conflicts_with = "speedup", allow_negative_numbers = true)]
    rate: Option<f64>,
    /// Keep the gaps between lines, divided by this
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    speedup: Option<f64>,
    /// Move all dates so that the newest is today
    #[arg(long)]
    retime: bool,
    /// Only so many lines
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// mdy, dmy or a pattern such as "%d.%m.%Y %H:%M" [default: decided from the whole file, where dates matter]
    #[arg(long, env = "CLIENTELE_DATE_FORMAT", value_name = "FORMAT", value_parser = DateFormat::from_flag)]
    date_format: Option<DateFormat>,
    /// Which column of an order file is which of ours: customer_id=Client; may be given several times
    #[arg(long, value_name = "COLUMN=NAME", value_parser = named_column)]
    map: Vec<(Column, String)>,
}

/// Whether all was delivered.
///
/// # Errors
/// [`Error::Option`] for a pace that is none, [`Error::Live`].
pub fn run(args: &ReplayArgs) -> Result<bool, Error> {
    let pace = args.pace()?;
    let options = ReplayOptions {
        path: args.file.clone(),
        map: args.map.iter().cloned().collect::<ColumnMap>(),
        dates: args.date_format.clone(),
        limit: args.limit,
        dated: args.speedup.is_some(),
        retime_to: args.retime.then(EventTime::now),
    };
    let kind = kind_of(&args.file)?;
    let topic = args.topic.clone().unwrap_or_else(|| kind.map_or(data::topics::ORDERS, EventKind::topic).to_owned());
    if kind.is_some() {
        return events(args, &options, pace, &[topic]);
    }
    let replay = Replay::open(&options)?;
    send(
        &args.broker,
        &[topic],
        || replay,
        pace,
        None,
        |replay| {
            let counts = replay.counts();
            let mut notes = Vec::new();
            if counts.without_customer > 0 {
                notes.push(format!(
                    "{} of them without a customer, hence without a key",
                    grouped(counts.without_customer)
                ));
            }
            if let Some(first) = counts.first_unreadable {
                notes.push(unreadable(counts.unreadable, first));
            }
            if counts.undated > 0 {
                notes.push(format!("{} dates could not be read and were sent as they are", grouped(counts.undated)));
            }
            notes.extend(counts.shifted_days.map(|days| format!("{days} days were added to every date")));
            (counts, notes)
        },
    )
}

fn events(args: &ReplayArgs, options: &ReplayOptions, pace: Pace, topic: &[String]) -> Result<bool, Error> {
    if !args.map.is_empty() {
        let reason = "this file has no orders; its columns go by their own names".to_owned();
        return Err(Error::Option { flag: "--map", reason });
    }
    let replay = EventReplay::open(options)?;
    send(
        &args.broker,
        topic,
        || replay,
        pace,
        None,
        |replay| {
            let counts = replay.counts();
            let mut notes = Vec::new();
            if let Some(first) = counts.first_unreadable {
                notes.push(unreadable(counts.unreadable, first));
            }
            if let Some(first) = counts.first_unusable {
                notes.push(format!(
                "{} lines have no user_id or a time that cannot be read, line {first} first; they were sent as they are",
                grouped(counts.unusable)
            ));
            }
            notes.extend(counts.shifted_days.map(|days| format!("{days} days were added to every time")));
            (counts, notes)
        },
    )
}

fn unreadable(lines: u64, first: u64) -> String {
    format!("{} lines are no records and were left out, line {first} first", grouped(lines))
}

impl ReplayArgs {
    fn pace(&self) -> Result<Pace, Error> {
        match (self.rate, self.speedup) {
            (_, Some(factor)) if factor.is_finite() && factor > 0.0 => Ok(Pace::Speedup(factor)),
            (_, Some(factor)) => {
                let reason = format!("{factor} speeds nothing up; give a number above 0, such as 3600");
                Err(Error::Option { flag: "--speedup", reason })
            }
            (rate, None) => rate_of(rate.unwrap_or_default()),
        }
    }
}

/// The pace of a flag `--rate`.
///
/// # Errors
/// When it is below 0, or no number.
pub fn rate_of(rate: f64) -> Result<Pace, Error> {
    if rate == 0.0 {
        Ok(Pace::Free)
    } else if rate.is_finite() && rate > 0.0 {
        Ok(Pace::Rate(rate))
    } else {
        let reason = format!("{rate} is no rate; give messages a second, or 0 for as fast as the broker takes them");
        Err(Error::Option { flag: "--rate", reason })
    }
}

fn named_column(text: &str) -> Result<(Column, String), String> {
    let named = text.split_once('=').and_then(|(column, name)| Some((Column::from_name(column)?, name.to_owned())));
    named.ok_or_else(|| format!("give COLUMN=NAME with one of {}", Column::ALL.map(Column::name).join(", ")))
}
