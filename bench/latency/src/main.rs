//! `latency BROKERS IN OUT RATE SECONDS CUSTOMERS [clicks]`: sends order lines, or clicks, to IN at a rate and reads OUT, committed
//! records alone; prints the milliseconds from sending to reading, the first five seconds apart, as one JSON document. With RATE 0 it
//! only sends, one line for each customer, as fast as it can.
#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use data::EventTime;
use data::kafka::KafkaSettings;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const FIRST_ID: u64 = 10_000;
const STRIDE: u64 = 7_919;
const WARM_UP: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (clicks, arguments) = match arguments.as_slice() {
        [arguments @ .., last] if last == "clicks" => (true, arguments),
        arguments => (false, arguments),
    };
    let [brokers, input, output, rate, seconds, customers] = arguments else {
        return Err("usage: latency BROKERS IN OUT RATE SECONDS CUSTOMERS [clicks]".into());
    };
    let write = if clicks { click } else { order };
    let (rate, seconds, customers): (u64, u64, u64) = (rate.parse()?, seconds.parse()?, customers.parse()?);
    if rate == 0 {
        return send(brokers, input, customers, write, None, &[]);
    }
    let total = rate * seconds;
    let sent: Arc<Vec<AtomicU64>> = Arc::new((0..total).map(|_| AtomicU64::new(0)).collect());
    let consumer = follow(brokers, output)?;
    let start = Instant::now();
    let sender = {
        let (brokers, input, sent) = (brokers.clone(), input.clone(), Arc::clone(&sent));
        thread::spawn(move || send(&brokers, &input, customers, write, Some((rate, start)), &sent))
    };
    let mut latencies = Vec::new();
    let mut read = 0;
    while read < total && start.elapsed() < Duration::from_secs(seconds + 20) {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let Some(line) = number(message?.payload().unwrap_or_default()) else { continue };
        read += 1;
        let at = sent.get(usize::try_from(line)?).map_or(0, |sent| sent.load(Ordering::Acquire));
        let now = micros(start.elapsed());
        if at > micros(WARM_UP) {
            latencies.push(now.saturating_sub(at));
        }
    }
    sender.join().map_err(|_| "the sender panicked")??;
    latencies.sort_unstable();
    let millis = |share: usize| {
        let place = (latencies.len() * share / 1_000).min(latencies.len().saturating_sub(1));
        latencies.get(place).copied().unwrap_or_default() / 1_000
    };
    println!(
        r#"{{"sent": {total}, "read": {read}, "p50": {}, "p95": {}, "p99": {}, "p999": {}, "max": {}}}"#,
        millis(500),
        millis(950),
        millis(990),
        millis(999),
        millis(1_000)
    );
    Ok(())
}

fn follow(brokers: &str, topic: &str) -> Result<BaseConsumer> {
    let mut config = KafkaSettings::new(brokers).client_config();
    config.set("group.id", "latency").set("enable.auto.commit", "false").set("fetch.wait.max.ms", "5");
    config.set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create()?;
    let partitions = consumer.fetch_metadata(Some(topic), Duration::from_secs(10))?;
    let mut list = TopicPartitionList::new();
    for partition in partitions.topics().iter().flat_map(|topic| topic.partitions()) {
        let (_, end) = consumer.fetch_watermarks(topic, partition.id(), Duration::from_secs(10))?;
        list.add_partition_offset(topic, partition.id(), Offset::Offset(end))?;
    }
    consumer.assign(&list)?;
    Ok(consumer)
}

/// Sends one line after the other, paced when `pace` says so.
fn send(
    brokers: &str,
    topic: &str,
    customers: u64,
    write: fn(u64, &str) -> String,
    pace: Option<(u64, Instant)>,
    sent: &[AtomicU64],
) -> Result<()> {
    let mut config = KafkaSettings::new(brokers).producer_config();
    config.set("linger.ms", "1").set("delivery.report.only.error", "true");
    let producer: BaseProducer = config.create()?;
    let total = if pace.is_some() { sent.len() as u64 } else { customers };
    for line in 0..total {
        if let Some((rate, start)) = pace {
            while micros(start.elapsed()) < line * 1_000_000 / rate {
                producer.poll(Duration::from_micros(200));
                thread::sleep(Duration::from_micros(300));
            }
            if let Some(slot) = sent.get(usize::try_from(line)?) {
                slot.store(micros(start.elapsed()), Ordering::Release);
            }
        }
        let customer = (FIRST_ID + line * STRIDE % customers).to_string();
        let value = write(line, &customer);
        while producer.send(BaseRecord::to(topic).key(&customer).payload(&value)).is_err() {
            producer.poll(Duration::from_millis(5));
        }
    }
    producer.flush(Duration::from_secs(30))?;
    Ok(())
}

fn order(line: u64, customer: &str) -> String {
    format!(
        r#"{{"InvoiceNo":"L{line}","StockCode":"85123A","Description":"WHITE HANGING HEART","Quantity":2,"InvoiceDate":"12/9/2011 12:50","UnitPrice":2.55,"CustomerID":"{customer}","Country":"United Kingdom"}}"#
    )
}

/// A click that happens now.
fn click(line: u64, user: &str) -> String {
    let now = EventTime::now();
    format!(
        r#"{{"event_id":"L{line}","event_type":"view","user_id":"{user}","user_session":"s{user}","product_id":"p1","price":2.55,"event_time":"{now}"}}"#
    )
}

/// The number of the line that a joined order or an alert came from: `"L17"` is the invoice, or the event.
fn number(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let (_, rest) = text.split_once("\"L")?;
    rest.split_once('"')?.0.parse().ok()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
