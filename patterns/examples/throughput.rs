//! `cargo run --release -p patterns --example throughput -- CLICKS.csv [COPIES]`: five patterns over a file of clicks that is
//! repeated, each copy later and with users and sessions of its own. Prints processor time for an event and alerts.
#![allow(clippy::print_stdout, reason = "an example reports")]

use std::collections::HashMap;
use std::sync::Arc;

use patterns::{ConditionId, Conditions, Contiguity, Draft, Keys, Limits, Matcher, Output, Skip, Stage, Times};

type Failure = Box<dyn std::error::Error>;

/// How long the file is, rounded up, in milliseconds: copies follow one another.
const SHIFT: i64 = 10_201_000;
const OUT_OF_ORDER: i64 = 10_000;
const MINUTE: i64 = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    View,
    Cart,
    Purchase,
    Other,
}

/// What patterns need of a click.
#[derive(Clone, Copy, Debug)]
struct Click {
    at: i64,
    price: f64,
    product: u64,
    category: u32,
    kind: Kind,
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a file of clicks")?;
    let copies: u64 = arguments.next().map_or(Ok(115), |copies| copies.parse())?;
    let text = std::fs::read_to_string(path)?;
    let mut sessions = Keys::new(by_session()?);
    let mut users = Keys::new(by_user()?);
    let mut alerts = [0_u64; 6];
    let mut rows = 0_u64;
    let mut events = 0_u64;
    let mut categories = HashMap::new();
    let (mut user, mut session) = (String::new(), String::new());
    let started = processor_time()?;
    let mut newest = i64::MIN;
    for copy in 0..copies {
        let prefix = format!("{copy:x}-");
        session.clone_from(&prefix);
        user.clone_from(&prefix);
        for line in text.lines().skip(1) {
            let (mut click, of_user, of_session) = parse(line, &mut categories).ok_or("not a click")?;
            click.at += SHIFT * i64::try_from(copy)?;
            for (key, of_file) in [(&mut session, of_session), (&mut user, of_user)] {
                key.truncate(prefix.len());
                key.push_str(of_file);
            }
            sessions.push(&session, click.at, click);
            users.push(&user, click.at, click);
            newest = newest.max(click.at);
            let watermark = newest - OUT_OF_ORDER - 1;
            sessions.advance(watermark, &mut |_, output| count(&output, 0, &mut alerts, &mut rows));
            users.advance(watermark, &mut |_, output| count(&output, 3, &mut alerts, &mut rows));
            events += 1;
        }
    }
    let (keys, state) = (sessions.len() + users.len(), resident()?);
    sessions.advance(i64::MAX, &mut |_, output| count(&output, 0, &mut alerts, &mut rows));
    users.advance(i64::MAX, &mut |_, output| count(&output, 3, &mut alerts, &mut rows));
    let spent = processor_time()? - started;
    let micros = spent * 1e6 / f64::from(u32::try_from(events)?);
    println!("{events} events, {micros:.3} µs of processor time each, {rows} rows in alerts");
    println!("at the end {keys} keys with a state, {state} MiB resident");
    println!(
        "alerts: p1 {} p2 {}+{} p3 {} p4 {} p5 {}",
        alerts[0], alerts[1], alerts[5], alerts[2], alerts[3], alerts[4]
    );
    Ok(())
}

fn count(output: &Output<'_, Click>, first: usize, alerts: &mut [u64; 6], rows: &mut u64) {
    let (found, place) = match output {
        Output::Match(found) => (found, first + found.pattern),
        Output::Timeout(found) => (found, 5),
        Output::Shed { .. } => return,
    };
    let mut events = found.events();
    if place == 0 {
        let (first, second) = (events.next(), events.next());
        if first.map(|(_, _, click)| click.category) == second.map(|(_, _, click)| click.category) {
            return;
        }
    }
    *rows += found.events().count() as u64;
    if let Some(alerts) = alerts.get_mut(place) {
        *alerts += 1;
    }
}

fn stage(name: &str, contiguity: Contiguity, condition: ConditionId) -> Stage {
    Stage { condition: Some(condition), ..Stage::new(name, contiguity) }
}

fn add(matcher: &mut Matcher<Click>, mut stages: Vec<Stage>, within: i64, timeouts: bool) -> Result<(), Failure> {
    if let Some(last) = stages.last_mut() {
        last.within = Some(within);
    }
    matcher.add(&Draft { stages, skip: Skip::No }.check()?, timeouts)?;
    Ok(())
}

/// Cross-sell, abandoned cart, purchase intent.
fn by_session() -> Result<Matcher<Click>, Failure> {
    let mut conditions = Conditions::default();
    let view = conditions.event(|click: &Click| click.kind == Kind::View)?;
    let cart = conditions.event(|click: &Click| click.kind == Kind::Cart && click.price > 200.0)?;
    let purchase = conditions.event(|click: &Click| click.kind == Kind::Purchase)?;
    let mut matcher = Matcher::new(conditions, Limits::default());
    let next = Contiguity::Next;
    add(&mut matcher, vec![stage("first", next, view), stage("second", next, view)], 5 * MINUTE, false)?;
    let bought = stage("purchase", Contiguity::FollowedBy, purchase);
    add(&mut matcher, vec![stage("cart", next, cart), bought], 10 * MINUTE, true)?;
    let repeat = Stage { times: Times::Exactly(3), ..stage("repeat", Contiguity::FollowedBy, view) };
    add(&mut matcher, vec![stage("initial", next, view), repeat], 15 * MINUTE, false)?;
    Ok(matcher)
}

/// Price sensitivity, churn.
fn by_user() -> Result<Matcher<Click>, Failure> {
    let mut conditions = Conditions::default();
    let view = conditions.event(|click: &Click| click.kind == Kind::View)?;
    let cart = conditions.event(|click: &Click| click.kind == Kind::Cart)?;
    let purchase = conditions.event(|click: &Click| click.kind == Kind::Purchase)?;
    let cheaper = conditions.taken(|click: &Click, taken| {
        let same = |first: &Click| click.product == first.product && click.price < first.price;
        click.kind == Kind::View && taken.first(0).is_some_and(same)
    })?;
    let mut matcher = Matcher::new(conditions, Limits::default());
    let next = Contiguity::Next;
    let drop = vec![stage("view", next, view), stage("drop", next, cheaper), stage("cart", next, cart)];
    add(&mut matcher, drop, 10 * MINUTE, false)?;
    let views = Stage { times: Times::AtLeast(10), ..stage("views", next, view) };
    add(&mut matcher, vec![views, stage("purchase", Contiguity::NotNext, purchase)], 7 * 24 * 60 * MINUTE, false)?;
    Ok(matcher)
}

fn parse<'l>(line: &'l str, categories: &mut HashMap<Arc<str>, u32>) -> Option<(Click, &'l str, &'l str)> {
    let mut fields = line.split(',');
    let at = time(fields.next()?)?;
    let kind = match fields.next()? {
        "view" => Kind::View,
        "cart" => Kind::Cart,
        "purchase" => Kind::Purchase,
        _ => Kind::Other,
    };
    let product = fields.next()?.parse().ok()?;
    let category = fields.nth(1)?;
    let category = if let Some(&known) = categories.get(category) {
        known
    } else {
        let number = u32::try_from(categories.len()).ok()?;
        categories.insert(category.into(), number);
        number
    };
    let price = fields.nth(1)?.parse().ok()?;
    Some((Click { at, price, product, category, kind }, fields.next()?, fields.next()?))
}

/// Milliseconds since the month began; the file is of one day.
fn time(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let days = number(8, 10)?;
    Some((((days * 24 + number(11, 13)?) * 60 + number(14, 16)?) * 60 + number(17, 19)?) * 1000)
}

/// Seconds of processor time of this process, as the kernel counts it.
fn processor_time() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanos: u64 = stat.split(' ').next().ok_or("no processor time")?.parse()?;
    Ok(std::time::Duration::from_nanos(nanos).as_secs_f64())
}

fn resident() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).ok_or("no resident size")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no resident size")?.parse()?;
    Ok(kib / 1024)
}
