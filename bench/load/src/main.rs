//! `load lookup ADDRESS CUSTOMERS CONNECTIONS SECONDS [RATE]` asks for customers 10000 and up, as fast as answers come or at a rate
//! (then latencies count from when a request was due). `load feed ADDRESS CLIENTS SECONDS` follows live orders. `load answer` is a
//! server that does nothing but answer: what is beyond its latency is the measured server's own.
#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use std::error::Error;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const FIRST_ID: u64 = 10_000;
/// As long as the answer about a customer.
const ANSWER: usize = 1_400;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match words.as_slice() {
        ["lookup", address, customers, connections, seconds, rate @ ..] => {
            let rate = rate.first().map(|rate| rate.parse()).transpose()?;
            let plan = Plan { customers: customers.parse()?, seconds: seconds.parse()?, rate };
            runtime.block_on(lookups(address, connections.parse()?, plan))
        }
        ["feed", address, clients, seconds] => runtime.block_on(feeds(address, clients.parse()?, seconds.parse()?)),
        ["answer"] => runtime.block_on(answers()),
        _ => Err("load lookup ADDRESS CUSTOMERS CONNECTIONS SECONDS [RATE] | load feed ADDRESS CLIENTS SECONDS | load answer".into()),
    }
}

#[derive(Clone, Copy)]
struct Plan {
    customers: u64,
    seconds: u64,
    /// Requests a second, of all connections together.
    rate: Option<f64>,
}

async fn lookups(address: &str, connections: u32, plan: Plan) -> Result<()> {
    let mut tasks = JoinSet::new();
    let start = Instant::now() + Duration::from_millis(200);
    for number in 0..connections {
        tasks.spawn(connection(address.to_owned(), (number, connections), plan, start));
    }
    let mut asked: Vec<Asked> = tasks.join_all().await.into_iter().collect::<Result<Vec<_>>>()?.concat();
    let rate = asked.len() as u64 / plan.seconds;
    let (all, seconds) = (Latencies::of(&mut asked), each_second(&asked));
    let half = percentile(&seconds, 500);
    println!("{rate} lookups/s, {all}; p99 of half of the seconds {half:.3} ms at most");
    Ok(())
}

/// A request: when it was due, from the start, and how long it then took.
#[derive(Clone, Copy)]
struct Asked {
    due: Duration,
    took: Duration,
}

/// In milliseconds.
struct Latencies {
    p50: f64,
    p99: f64,
    p999: f64,
}

impl Latencies {
    fn of(asked: &mut [Asked]) -> Self {
        asked.sort_by_key(|asked| asked.took);
        let took: Vec<f64> = asked.iter().map(|asked| asked.took.as_secs_f64() * 1e3).collect();
        Self { p50: percentile(&took, 500), p99: percentile(&took, 990), p999: percentile(&took, 999) }
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms", self.p50, self.p99, self.p999)
    }
}

/// The p99 of each second, in order of size: a machine that stands still now and then spoils some of them, a slow server all.
fn each_second(asked: &[Asked]) -> Vec<f64> {
    let mut seconds: std::collections::BTreeMap<u64, Vec<Asked>> = std::collections::BTreeMap::new();
    for one in asked {
        seconds.entry(one.due.as_secs()).or_default().push(*one);
    }
    let mut all: Vec<f64> = seconds.into_values().map(|mut asked| Latencies::of(&mut asked).p99).collect();
    all.sort_by(f64::total_cmp);
    all
}

/// Of values in order.
fn percentile(values: &[f64], thousandths: usize) -> f64 {
    values.get(values.len() * thousandths / 1_000).copied().unwrap_or_default()
}

async fn connection(address: String, (number, all): (u32, u32), plan: Plan, start: Instant) -> Result<Vec<Asked>> {
    let mut stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let pause = plan.rate.map(|rate| Duration::from_secs_f64(f64::from(all) / rate));
    let (mut asked, mut buffer, mut drawn) = (Vec::new(), vec![0; 64 << 10], u64::from(number) + 1);
    let mut due = start + pause.unwrap_or_default() * number / all;
    let end = start + Duration::from_secs(plan.seconds);
    wait_until(due).await;
    while due < end {
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let id = FIRST_ID + (drawn >> 33) % plan.customers;
        let request = format!("GET /api/v1/customers/{id} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        answer(&mut stream, &mut buffer).await?;
        asked.push(Asked { due: due.duration_since(start), took: due.elapsed() });
        due = match pause {
            Some(pause) => due + pause,
            None => Instant::now(),
        };
        wait_until(due).await;
    }
    Ok(asked)
}

/// To the microsecond: timers alone are late by a millisecond or two, which would count as the server's.
async fn wait_until(due: Instant) {
    const COARSE: Duration = Duration::from_millis(3);
    if let Some(early) = due.checked_sub(COARSE).filter(|early| *early > Instant::now()) {
        sleep_until(early.into()).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

/// Reads one answer with a length, which must be a 200.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
        if read == 0 {
            return Err("the connection ended".into());
        }
        filled += read;
        let text = buffer.get(..filled).unwrap_or_default();
        let Some(head) = text.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let told = std::str::from_utf8(text.get(..head).unwrap_or_default())?;
        if !told.starts_with("HTTP/1.1 200") {
            return Err(told.to_owned().into());
        }
        let length = told.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?;
        if filled >= head + 4 + length.parse::<usize>()? {
            return Ok(());
        }
    }
}

/// Says where it listens, and answers everything alike.
async fn answers() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("answering on {}", listener.local_addr()?);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {ANSWER}\r\n\r\n{}", " ".repeat(ANSWER));
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let mut request = [0; 4 << 10];
            while let Ok(1..) = stream.read(&mut request).await {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        });
    }
}

/// What a client saw.
#[derive(Default)]
struct Seen {
    orders: u64,
    gaps: u64,
}

async fn feeds(address: &str, clients: u32, seconds: u64) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /api/v1/live/orders HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        tasks.spawn(client(stream, end));
    }
    let seen: Vec<Seen> = tasks.join_all().await;
    let (least, most) = (seen.iter().map(|one| one.orders).min(), seen.iter().map(|one| one.orders).max());
    let gaps: u64 = seen.iter().map(|one| one.gaps).sum();
    println!("{clients} clients, {} to {} orders each, {gaps} gaps", least.unwrap_or(0), most.unwrap_or(0));
    Ok(())
}

async fn client(mut stream: TcpStream, end: Instant) -> Seen {
    let (mut seen, mut buffer, mut rest) = (Seen::default(), vec![0; 16 << 10], Vec::new());
    while let Ok(Ok(read @ 1..)) = timeout_at(end.into(), stream.read(&mut buffer)).await {
        rest.extend_from_slice(buffer.get(..read).unwrap_or_default());
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=at).collect();
            seen.orders += u64::from(line.starts_with(b"event: order"));
            seen.gaps += u64::from(line.starts_with(b"event: gap"));
        }
    }
    seen
}
