//! `data replay`: an order file as live orders.

use std::path::PathBuf;

use clap::Args;
use data::columns::{Column, ColumnMap};
use data::live::{Pace, Replay, ReplayOptions};
use data::{DateFormat, EventTime};

use crate::live_command::{Error, TopicArgs, grouped, send};

const EXAMPLES: &str = "\
Examples:
  data replay orders.csv --brokers localhost:9092                   as fast as the broker takes them
  data replay orders.csv --brokers localhost:9092 --rate 500        500 lines a second
  data replay orders.csv --brokers localhost:9092 --speedup 3600    an hour of the file in a second
  data replay orders.csv.gz --brokers localhost:9092 --retime       as if the file ended today

Each line becomes a JSON object with InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID
and Country, spelled as in the file; the key is the customer id (12347.0 is 12347), null without a customer. The
message's own timestamp is now.

--retime adds whole days to every date, so that the newest order of the file is today, or yesterday where it would be
later than now: no order lies in the future, hours of the day stay, and so do everyone's days since the last order.
Dates are then written in ISO 8601.";

/// Send the lines of an order file to a topic as live orders, in the file's order
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// Order file: CSV, also .gz and .zst
    file: PathBuf,
    #[command(flatten)]
    topic: TopicArgs,
    /// Lines a second; 0 is as fast as the broker takes them [default: 0]
    #[arg(long, value_name = "N", conflicts_with = "speedup", allow_negative_numbers = true)]
    rate: Option<f64>,
    /// Keep the gaps between orders, divided by this
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    speedup: Option<f64>,
    /// Move all dates so that the newest order is today
    #[arg(long)]
    retime: bool,
    /// Only so many lines
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// mdy, dmy or a pattern such as "%d.%m.%Y %H:%M" [default: decided from the whole file, where dates matter]
    #[arg(long, env = "CLIENTELE_DATE_FORMAT", value_name = "FORMAT", value_parser = DateFormat::from_flag)]
    date_format: Option<DateFormat>,
    /// Which column of the file is which of ours: customer_id=Client; may be given several times
    #[arg(long, value_name = "COLUMN=NAME", value_parser = named_column)]
    map: Vec<(Column, String)>,
}

/// Whether all was delivered.
///
/// # Errors
/// [`Error::Option`] for a pace that is none, [`Error::Live`].
pub fn run(args: &ReplayArgs) -> Result<bool, Error> {
    let pace = args.pace()?;
    let replay = Replay::open(&ReplayOptions {
        path: args.file.clone(),
        map: args.map.iter().cloned().collect::<ColumnMap>(),
        dates: args.date_format.clone(),
        limit: args.limit,
        dated: args.speedup.is_some(),
        retime_to: args.retime.then(EventTime::now),
    })?;
    send(&args.topic, replay, pace, None, |replay| {
        let counts = replay.counts();
        let mut notes = Vec::new();
        if counts.without_customer > 0 {
            notes.push(format!("{} of them without a customer, hence without a key", grouped(counts.without_customer)));
        }
        if let Some(first) = counts.first_unreadable {
            notes.push(format!(
                "{} lines are no records and were left out, line {first} first",
                grouped(counts.unreadable)
            ));
        }
        if counts.undated > 0 {
            notes.push(format!("{} dates could not be read and were sent as they are", grouped(counts.undated)));
        }
        notes.extend(counts.shifted_days.map(|days| format!("{days} days were added to every date")));
        (counts, notes)
    })
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
