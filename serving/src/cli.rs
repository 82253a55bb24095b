//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The merged view over HTTP: REST, server-sent events and the dashboard.
#[derive(Debug, Parser)]
#[command(name = "serving", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  serving run --lake ./lake                                    the newest publication, alone
  serving run --lake ./lake --brokers localhost:9092           merged with live orders
  serving run --listen 0.0.0.0:8080 --keys keys.txt --host shop.example

Exit status: 0 done, 1 failed, 2 wrong usage. RUST_LOG=serving=debug shows each request.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until Ctrl-C
    #[command(after_help = EXAMPLES)]
    Run(Box<RunArgs>),
    /// Print the description of the API, OpenAPI 3.1
    Openapi,
}

#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// Folder, or s3://bucket/prefix (credentials and endpoint from AWS_… variables) [default: ./lake]
    #[arg(long, env = "CLIENTELE_LAKE", value_name = "DIR")]
    pub lake: Option<String>,
    /// Kafka brokers to begin with: host:port,…; without them the lake alone is served
    #[arg(long, env = "CLIENTELE_BROKERS", value_name = "HOST:PORT")]
    pub brokers: Option<String>,
    /// Any property of librdkafka; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = data::kafka::parse_property)]
    pub kafka: Vec<(String, String)>,
    /// Consumer group of `speed run`, whose progress is shown [default: clientele]
    #[arg(long, env = "CLIENTELE_GROUP", value_name = "NAME")]
    pub group: Option<String>,
    /// Address to serve on; any but loopback needs keys [default: 127.0.0.1:8080]
    #[arg(long, env = "CLIENTELE_SERVING_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// API keys, a line each: NAME read|write KEY, the key spelled out or as its SHA-256; taken up anew when the file changes.
    /// CLIENTELE_KEYS holds such lines too, apart by semicolons
    #[arg(long, env = "CLIENTELE_KEYS_FILE", value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// Another name under which browsers reach this server; may be given several times
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
    /// Requests a second that one client may send, ten times as many at once [default: 100; on loopback no limit]
    #[arg(long, env = "CLIENTELE_RATE_LIMIT", value_name = "N")]
    pub rate_limit: Option<u32>,
    /// Currency of the amounts, such as GBP [default: as the batch runs report it]
    #[arg(long, env = "CLIENTELE_CURRENCY", value_name = "CODE")]
    pub currency: Option<String>,
    /// Read dates of posted orders such as 3/4/2011 as mdy or dmy, or by a pattern, as speed does [default: mdy]
    #[arg(long, env = "CLIENTELE_DATE_FORMAT", value_name = "FORMAT")]
    pub date_format: Option<String>,
    /// Let anybody who may post make up orders
    #[arg(long)]
    pub demo: bool,
    /// Settings in TOML; the environment and flags go before it
    #[arg(long, env = "CLIENTELE_SERVING_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only errors on stderr
    #[arg(long, short)]
    pub quiet: bool,
}
