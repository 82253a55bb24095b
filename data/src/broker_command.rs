//! `data broker`: the embedded broker in the foreground.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use data::kafka::EmbeddedBroker;
use data::topics;

use crate::interrupt;
use crate::live_command::Error;

const EXAMPLES: &str = "\
Examples:
  data broker                                          a port of its own choice
  data broker --port 9092 --topic orders:8
  data broker --address-file broker.address &          for scripts: the address appears in the file once it listens

This is librdkafka's mock cluster, for trying out: it keeps the newest 5 MiB or 100,000 batches of each partition in
memory and forgets all when it ends; delivery is at least once, without real transactions; there is no compaction and
no admin client. Other topics are made when they are asked about, with 4 partitions. For more, start a real Kafka:
./just kafka.";

/// Partitions of a topic unless they are given; as the broker itself makes them.
const PARTITIONS: i32 = 4;
const MOST_PARTITIONS: i32 = 1_000;

/// Start an embedded broker on 127.0.0.1; Ctrl-C stops it
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct BrokerArgs {
    /// Port to be reached at [default: one of its own choice]
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Topic with its partitions; may be given several times, and goes before the default 4
    #[arg(long = "topic", value_name = "NAME:PARTITIONS", value_parser = topic)]
    topics: Vec<(String, i32)>,
    /// Write the address to this file, too
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
}

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`Error::Broker`] when the port is taken, [`Error::Write`].
pub fn run(args: &BrokerArgs) -> Result<(), Error> {
    let stop = interrupt::flag().map_err(|source| Error::Signals { source })?;
    let topics = with_defaults(&args.topics);
    let broker = EmbeddedBroker::start(&topics, args.port)?;
    let address = broker.bootstrap();
    if let Some(path) = &args.address_file {
        let failed = |source| Error::Write { what: path.display().to_string(), source };
        // Whole or not at all: somebody may be waiting for it.
        let partial = path.with_extension("partial");
        fs::write(&partial, format!("{address}\n")).and_then(|()| fs::rename(&partial, path)).map_err(failed)?;
    }
    let failed = |source| Error::Write { what: "stdout".to_owned(), source };
    let text = format!(
        "embedded broker on {address} with {} topics; Ctrl-C stops it\n\
         It keeps the newest 5 MiB or 100,000 batches of a partition, in memory, at least once, without compaction.\n",
        topics.len()
    );
    io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()).map_err(failed)?;
    while !stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The default topics, and the dead letters of orders, beside those `given`.
fn with_defaults(given: &[(String, i32)]) -> Vec<(String, i32)> {
    let ours = topics::ALL.iter().map(|topic| (*topic).to_owned()).chain([topics::dead_letter(topics::ORDERS)]);
    let others = ours.filter(|topic| given.iter().all(|(other, _)| other != topic));
    given.iter().cloned().chain(others.map(|topic| (topic, PARTITIONS))).collect()
}

fn topic(text: &str) -> Result<(String, i32), String> {
    let (name, partitions) = text.rsplit_once(':').unwrap_or((text, "4"));
    let partitions = partitions.parse().ok().filter(|count| (1..=MOST_PARTITIONS).contains(count));
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match partitions {
        Some(partitions) if !name.is_empty() && name.bytes().all(legal) => Ok((name.to_owned(), partitions)),
        _ => Err(format!("give a topic and its partitions, from 1 to {MOST_PARTITIONS}, such as orders:8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_topics() {
        assert_eq!(topic("orders:8"), Ok(("orders".to_owned(), 8)));
        assert_eq!(topic("orders"), Ok(("orders".to_owned(), 4)));
        for wrong in ["orders:0", "orders:many", ":4", "or ders:1", ""] {
            assert!(topic(wrong).is_err(), "{wrong}");
        }
        let topics = with_defaults(&[("orders".to_owned(), 8), ("mine".to_owned(), 1)]);
        assert_eq!(topics.len(), topics::ALL.len() + 2);
        assert_eq!(topics.iter().filter(|(name, _)| name == "orders").collect::<Vec<_>>(), [&("orders".to_owned(), 8)]);
    }
}
