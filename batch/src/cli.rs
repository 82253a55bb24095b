//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Computes customer segments from order history and publishes them as Delta tables.
#[derive(Debug, Parser)]
#[command(name = "batch", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  batch run --input online_retail.csv            ingest a file, compute and publish the segments
  batch run --lake s3://shop/lake                recompute from the orders that the lake holds
  batch show --json | jq .segments               the current segments, for a script
  batch export customer_segments -o segments.csv the segment of every customer

Exit status: 0 done, 1 failed, 2 wrong usage, 75 the lake is busy (try again later).
RUST_LOG=info shows more of what happens.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ingest order files (or none), compute RFM and segments, publish them
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Clean order files and add their lines to the lake, without computing anything
    #[command(after_help = INGEST_EXAMPLES)]
    Ingest(IngestArgs),
    /// Show the segments of the current, or of an older, publication
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// List the publications: when, how many rows, how good
    #[command(after_help = "Examples:\n  batch history\n  batch history --json | jq '.publications[-1]'")]
    History(HistoryArgs),
    /// Write a table as CSV, Parquet or JSON, sorted by its key
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Forget old publications and remove the files that only they needed
    #[command(after_help = "Examples:\n  batch vacuum --keep 30\n  batch vacuum --keep 30 --dry-run --json")]
    Vacuum(VacuumArgs),
}

const RUN_EXAMPLES: &str = "Examples:
  batch run --input online_retail.csv --lake ./lake
  batch run --input orders/ --input 'archive/2011-*.csv.gz' --k auto
  batch run --input shop.csv --map customer_id=Client invoice=Order --date-format dmy
  zcat orders.csv.gz | batch run --input -
  batch run                                      recompute from the lake's own orders";

const INGEST_EXAMPLES: &str = "Examples:
  batch ingest --input new_orders.csv
  batch ingest --input orders.xlsx --cancellations net --exclude-stock-codes POST,M,DOT";

const SHOW_EXAMPLES: &str = "Examples:
  batch show
  batch show --publication 3
  batch show --html segments.html                also writes the picture, one file for any browser";

const EXPORT_EXAMPLES: &str = "Examples:
  batch export customer_segments > segments.csv
  batch export customer_rfm --format parquet -o rfm.parquet --publication 3
  batch export rejected_orders --format json -o rejected.json

Tables: orders, rejected_orders, sources, customer_rfm, customer_segments, segment_profiles,
counted_invoices, netted_customers, publications";

#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Folder, or s3://bucket/prefix (credentials and endpoint from AWS_… variables) [default: ./lake]
    #[arg(long, env = "CLIENTELE_LAKE", value_name = "DIR")]
    pub lake: Option<String>,
    /// Print exactly one JSON document on stdout
    #[arg(long)]
    pub json: bool,
    /// Neither progress nor notes on stderr, only errors
    #[arg(long, short)]
    pub quiet: bool,
    /// Settings in TOML; the environment and flags go before it
    #[arg(long, env = "CLIENTELE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Seconds to wait for another run that writes the lake
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub wait: u64,
    /// Threads to use [default: one for each core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

#[derive(Clone, Debug, Default, Args)]
pub struct InputFlags {
    /// mdy, dmy or a pattern such as "%d.%m.%Y %H:%M" [default: decided from the whole file; ISO 8601 needs none]
    #[arg(long, env = "CLIENTELE_DATE_FORMAT", value_name = "FORMAT")]
    pub date_format: Option<String>,
    /// auto, utf-8, windows-1252 or iso-8859-1 [default: auto]
    #[arg(long, env = "CLIENTELE_ENCODING", value_name = "NAME")]
    pub encoding: Option<String>,
    /// Which column of the files is which of ours: customer_id=Client, several one behind the other
    #[arg(long, num_args = 1.., value_name = "COLUMN=NAME")]
    pub map: Vec<String>,
    /// Refuse cancellation lines, or subtract them from their customer's purchases [default: drop]
    #[arg(long, env = "CLIENTELE_CANCELLATIONS", value_enum, value_name = "WHAT")]
    pub cancellations: Option<CancellationsFlag>,
    /// Stock codes that are no products, such as POST,M,DOT
    #[arg(long, value_delimiter = ',', value_name = "CODES")]
    pub exclude_stock_codes: Vec<String>,
    /// Count every line even when the file shares invoices with one that was ingested
    #[arg(long)]
    pub allow_overlap: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CancellationsFlag {
    Drop,
    Net,
}

impl From<CancellationsFlag> for data::Cancellations {
    fn from(flag: CancellationsFlag) -> Self {
        match flag {
            CancellationsFlag::Drop => Self::Drop,
            CancellationsFlag::Net => Self::Net,
        }
    }
}

#[derive(Clone, Debug, Default, Args)]
pub struct ModelFlags {
    /// Recency counts days up to this date [default: the day after the newest order]
    #[arg(long, env = "CLIENTELE_REFERENCE_DATE", value_name = "YYYY-MM-DD")]
    pub reference_date: Option<String>,
    /// Segments: a number, or auto to choose by silhouette [default: 4]
    #[arg(long, env = "CLIENTELE_K", value_name = "N|auto")]
    pub k: Option<String>,
    /// Start of the random numbers; the same seed gives the same model [default: 42]
    #[arg(long, env = "CLIENTELE_SEED", value_name = "N")]
    pub seed: Option<u64>,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Order files: CSV (also .gz, .zst), XLSX, Parquet, folders (with those below), globs, - for stdin
    #[arg(long, short, num_args = 1.., value_name = "FILE")]
    pub input: Vec<String>,
    #[command(flatten)]
    pub flags: InputFlags,
    #[command(flatten)]
    pub model: ModelFlags,
    /// Also write the picture of the segments to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct IngestArgs {
    /// Order files: CSV (also .gz, .zst), XLSX, Parquet, folders (with those below), globs, - for stdin
    #[arg(long, short, num_args = 1.., required = true, value_name = "FILE")]
    pub input: Vec<String>,
    #[command(flatten)]
    pub flags: InputFlags,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// An older publication; `batch history` lists them [default: the current one]
    #[arg(long, value_name = "ID")]
    pub publication: Option<i64>,
    /// Also write the picture of the segments to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct HistoryArgs {
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The table
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// How to write it [default: by the file's ending; csv if it has none]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// As an older publication had it [default: the current one]
    #[arg(long, value_name = "ID")]
    pub publication: Option<i64>,
    /// Where to, .csv, .parquet or .json; takes its place when it is whole [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Csv,
    Parquet,
    Json,
}

#[derive(Debug, Args)]
pub struct VacuumArgs {
    /// Publications to keep, the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub common: Common,
}
