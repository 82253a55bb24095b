//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::kafka::Delivery;

/// Joins live orders with the published segments and keeps them current, exactly once.
#[derive(Debug, Parser)]
#[command(name = "speed", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  speed run --brokers localhost:9092 --lake ./lake       process orders until Ctrl-C
  speed watch --brokers localhost:9092                   live orders with their segments
  speed status --brokers localhost:9092 --lake ./lake    lag, publication, rates
  speed check-rules rules/shipped                        find mistakes in rule files
  speed webhooks webhooks.toml                           tell Slack and others of alerts
  speed verify --brokers localhost:9092 --lake ./lake    prove that the merged view is exact

Exit status: 0 done, 1 failed or a difference was found, 2 wrong usage, 3 a person has to mend it.
RUST_LOG=debug shows more of what happens.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Process the topic of orders until the end of the process
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Tell how far the group has come: lag of each partition, publication, rates
    #[command(
        after_help = "Examples:\n  speed status --brokers localhost:9092 --lake ./lake\n  speed status --json | jq .rates"
    )]
    Status(StatusArgs),
    /// Prove that the merged view equals a recomputation over every order accepted so far
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Show live orders and segment changes as they come
    #[command(after_help = "Examples:\n  speed watch\n  speed watch --json --limit 10 | jq .customer")]
    Watch(WatchArgs),
    /// Check rule files: scores, segments and patterns
    #[command(after_help = CHECK_EXAMPLES)]
    CheckRules(CheckRulesArgs),
    /// Find the rules' patterns in a file of clicks, without a broker
    #[command(after_help = DRY_RUN_EXAMPLES)]
    DryRun(DryRunArgs),
    /// Tell webhooks of alerts: generic ones with a signature, Slack, Discord
    #[command(after_help = WEBHOOKS_EXAMPLES)]
    Webhooks(WebhooksArgs),
    /// Check a file of webhooks, and try them out
    #[command(
        after_help = "Examples:\n  speed check-webhooks webhooks.toml\n  speed check-webhooks webhooks.toml --send"
    )]
    CheckWebhooks(CheckWebhooksArgs),
}

const WEBHOOKS_EXAMPLES: &str = "Examples:
  speed webhooks webhooks.toml --brokers localhost:9092
  speed webhooks webhooks.toml --from earliest      also of the alerts that the topic holds already

deploy/webhooks.toml shows what the file may hold. Each webhook has a group of its own: several processes share the work, and
none waits for another webhook. What cannot be told is kept in the topic webhooks-dlq, with the reason in its headers.";

#[derive(Clone, Debug, Args)]
pub struct WebhooksArgs {
    /// Who is told of what, in TOML
    #[arg(value_name = "FILE")]
    pub webhooks: PathBuf,
    #[command(flatten)]
    pub common: Common,
    /// Where a webhook begins that never ran
    #[arg(long, value_enum, default_value_t)]
    pub from: crate::webhooks::From,
    /// Address of /metrics and /healthz; "off" for none [default: 127.0.0.1:9464, or a free port near it]
    #[arg(long, env = "CLIENTELE_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Only errors on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Clone, Debug, Args)]
pub struct CheckWebhooksArgs {
    /// Who is told of what, in TOML
    #[arg(value_name = "FILE")]
    pub webhooks: PathBuf,
    /// Send each an alert that says that nothing happened
    #[arg(long)]
    pub send: bool,
}

const CHECK_EXAMPLES: &str = "Examples:
  speed check-rules rules/shipped
  speed check-rules rules/shipped --json | jq .errors

Prints a line for each mistake, file:line: field: what is wrong and what would be right. Exit status 1 when there are any.";

#[derive(Clone, Debug, Args)]
pub struct CheckRulesArgs {
    /// Folder of rule files (*.toml), or one file
    #[arg(value_name = "DIR")]
    pub rules: PathBuf,
    /// Print exactly one JSON document on stdout
    #[arg(long)]
    pub json: bool,
}

const DRY_RUN_EXAMPLES: &str = "Examples:
  speed dry-run --rules rules/shipped --input clicks.csv
  speed dry-run --rules rules/shipped/patterns.toml --input clicks.jsonl --explain | jq 'select(.kind == \"near\")'

Prints a line of JSON for each alert: pattern, key, kind, alert_type, rows and event_ts by stage, ts. Rows are those of the
input, from 0. What is no event is told on stderr and left out.";

#[derive(Clone, Debug, Args)]
pub struct DryRunArgs {
    /// Folder of rule files (*.toml), or one file
    #[arg(long, env = "CLIENTELE_RULES", value_name = "DIR")]
    pub rules: PathBuf,
    /// Clicks: CSV with a header, or JSON lines, also .gz and .zst; - for stdin
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// Tell also of runs that began and came to nothing, and what refused which row: of each pattern the 20 that came furthest
    #[arg(long)]
    pub explain: bool,
    /// How late an event may be, in milliseconds; a live run has time.lateness_seconds
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub lateness_ms: u32,
}

const RUN_EXAMPLES: &str = "Examples:
  speed run --brokers localhost:9092 --lake ./lake
  speed run --config speed.toml --from latest
  speed run --brokers broker:9093 --kafka security.protocol=SASL_SSL --kafka sasl.mechanism=SCRAM-SHA-512 \\
            --kafka sasl.username=clientele --kafka sasl.password=\"$PASSWORD\" --kafka ssl.ca.location=ca.pem
  speed run --brokers \"$(cat broker.address)\" --delivery at-least-once     with the embedded broker

A second process of the same group takes its share of the partitions; the orders of one that dies go to the others.";

/// What every command wants to know.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Kafka brokers to begin with: host:port,… [default: localhost:9092]
    #[arg(long, env = "CLIENTELE_BROKERS", value_name = "HOST:PORT")]
    pub brokers: Option<String>,
    /// Any property of librdkafka; may be given several times (in the environment: CLIENTELE_KAFKA_SASL_PASSWORD and so on)
    #[arg(long, value_name = "NAME=VALUE", value_parser = data::kafka::parse_property)]
    pub kafka: Vec<(String, String)>,
    /// Folder, or s3://bucket/prefix (credentials and endpoint from AWS_… variables) [default: ./lake]
    #[arg(long, env = "CLIENTELE_LAKE", value_name = "DIR")]
    pub lake: Option<String>,
    /// Consumer group; what it has committed decides where a run goes on [default: clientele]
    #[arg(long, env = "CLIENTELE_GROUP", value_name = "NAME")]
    pub group: Option<String>,
    /// Settings in TOML; the environment and flags go before it
    #[arg(long, env = "CLIENTELE_SPEED_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub common: Common,
    /// exactly-once in Kafka's transactions, or at-least-once where a broker has none [default: exactly-once]
    #[arg(long, env = "CLIENTELE_DELIVERY", value_name = "GUARANTEE")]
    pub delivery: Option<Delivery>,
    /// Where a new group begins: earliest, latest or a time such as 2026-11-01T00:00:00Z [default: earliest]
    #[arg(long, env = "CLIENTELE_FROM", value_name = "WHERE")]
    pub from: Option<String>,
    /// Threads that process orders [default: one for each core, at most one for each partition]
    #[arg(long, value_name = "N")]
    pub workers: Option<u32>,
    /// A name that this process keeps over restarts and no other has: its partitions then wait for it, and what it
    /// left open is ended at once
    #[arg(long, env = "CLIENTELE_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// Address of /metrics, /healthz and /readyz; "off" for none [default: 127.0.0.1:9464, or a free port near it]
    #[arg(long, env = "CLIENTELE_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Read dates such as 3/4/2011 as mdy or dmy, or by a pattern [default: mdy; ISO 8601 needs none]
    #[arg(long, env = "CLIENTELE_DATE_FORMAT", value_name = "FORMAT")]
    pub date_format: Option<String>,
    /// Folder of rule files: scores, segments and patterns over clicks and orders of the shop; a changed file takes effect at once
    #[arg(long, env = "CLIENTELE_RULES", value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// Leave the archive of orders in the lake to another process
    #[arg(long)]
    pub no_archive: bool,
    /// Only errors on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub common: Common,
    /// Print exactly one JSON document on stdout
    #[arg(long)]
    pub json: bool,
}

const VERIFY_EXAMPLES: &str = "Examples:
  speed verify --brokers localhost:9092 --lake ./lake
  speed verify --json | jq .differences

Reads the committed state and everything that was accepted, and compares customer by customer. Orders may go on
meanwhile: customers who order while it reads are counted and left out. Exit status 1 when anything differs.";

#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub common: Common,
    /// As for `speed run`: read dates such as 3/4/2011 as mdy or dmy, or by a pattern [default: mdy]
    #[arg(long, env = "CLIENTELE_DATE_FORMAT", value_name = "FORMAT")]
    pub date_format: Option<String>,
    /// Print exactly one JSON document on stdout
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Clone, Debug, Args)]
pub struct WatchArgs {
    #[command(flatten)]
    pub common: Common,
    /// Print the records as they are, one JSON document a line
    #[arg(long)]
    pub json: bool,
    /// Stop after so many lines
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u64>,
}

/// Where /metrics and its like are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    Off,
    /// The address, or when `near`, one of the next free ports.
    At {
        address: SocketAddr,
        near: bool,
    },
}
