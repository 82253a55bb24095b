use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind, Write};
use std::result::Result;

use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::{prop_assert, prop_assert_eq};

use super::*;

fn generate(raw: RawOptions) -> (Vec<u8>, Summary) {
    let options = raw.check().expect("good options");
    write_orders(&options, Vec::new(), |_| {}).expect("memory does not fail")
}

fn lines(count: u64) -> RawOptions {
    RawOptions { lines: Some(count), seed: 11, ..RawOptions::default() }
}

/// What another reader of the same rule finds in the bytes.
#[derive(Debug, Default, PartialEq)]
struct Recount {
    lines: u64,
    rejected: BTreeMap<&'static str, u64>,
    accepted: u64,
    duplicates: u64,
    revenue: i64,
    customers: HashSet<String>,
    invoices: HashSet<String>,
    every_invoice: HashSet<String>,
}

impl Recount {
    fn of(bytes: &[u8]) -> Self {
        let mut recount = Self::default();
        let mut seen = HashSet::new();
        for row in bytes.split(|&byte| byte == b'\n').skip(1).filter(|row| !row.is_empty()) {
            let row = row.strip_suffix(b"\r").expect("crlf");
            recount.lines += 1;
            recount.duplicates += u64::from(!seen.insert(row.to_vec()));
            let number = row.split(|&byte| byte == b',').next().map(latin1).expect("an invoice");
            recount.every_invoice.insert(number);
            let fields = parse(row);
            match verdict(&fields) {
                Err(reason) => *recount.rejected.entry(reason).or_default() += 1,
                Ok(amount) => {
                    recount.accepted += 1;
                    recount.revenue += amount;
                    recount.customers.insert(fields[6].trim_end_matches(".0").to_owned());
                    recount.invoices.insert(fields[0].clone());
                }
            }
        }
        recount
    }

    fn assert_equals(&self, summary: &Summary) {
        assert_eq!(self.lines, summary.lines);
        let rejected: BTreeMap<_, _> = summary.rejected.clone().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(self.rejected, rejected);
        assert_eq!(self.accepted, summary.accepted.lines);
        assert_eq!(self.duplicates, summary.duplicate_lines);
        assert_eq!(self.revenue, summary.accepted.revenue.raw());
        assert_eq!(self.customers.len() as u64, summary.accepted.customers);
        assert_eq!(self.invoices.len() as u64, summary.accepted.invoices);
        assert_eq!(self.every_invoice.len() as u64, summary.invoices);
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The fields of one physical line, whatever quotes other lines left open.
fn parse(row: &[u8]) -> Vec<String> {
    if !row.contains(&b'"') {
        return row.strip_suffix(b"\r").unwrap_or(row).split(|&byte| byte == b',').map(latin1).collect();
    }
    let mut reader =
        ::csv::ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(512).from_reader(row);
    let record = reader.byte_records().next().expect("a record").expect("bytes");
    record.iter().map(latin1).collect()
}

/// The amount of an accepted line in ten-thousandths, or the reason.
fn verdict(fields: &[String]) -> Result<i64, &'static str> {
    let [invoice, _, _, quantity, date, price, customer, _] = fields else { return Err("malformed") };
    let refuse_if = |refused: bool, reason| if refused { Err(reason) } else { Ok(()) };
    refuse_if(invoice.starts_with('C'), "cancellation")?;
    refuse_if(invoice.starts_with('A'), "adjustment")?;
    refuse_if(customer.is_empty(), "missing_customer")?;
    let quantity: i64 = quantity.parse().map_err(|_| "bad_quantity")?;
    refuse_if(quantity <= 0, "non_positive_quantity")?;
    let price = ten_thousandths(price).ok_or("bad_price")?;
    refuse_if(price <= 0, "non_positive_price")?;
    refuse_if(minutes(date).is_none(), "bad_date")?;
    Ok(price * quantity)
}

fn ten_thousandths(price: &str) -> Option<i64> {
    let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
    if price.is_empty() {
        return None;
    }
    format!("{whole}{fraction:0<4}").parse().ok()
}

/// Something that grows with time, from `12/1/2010 8:26`.
fn minutes(text: &str) -> Option<i64> {
    let numbers: Vec<i64> = text.split(['/', ' ', ':']).map(str::parse).collect::<Result<_, _>>().ok()?;
    let [month, day, year, hour, minute] = numbers[..] else { return None };
    let exists = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    exists.then_some((((year * 12 + month) * 31 + day) * 24 + hour) * 60 + minute)
}

#[test]
fn writes_the_shape_of_the_original() {
    let (bytes, summary) = generate(lines(60_000));
    assert!(
        bytes.starts_with(
            b"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\r\n536365,"
        )
    );
    assert_eq!(bytes.len() as u64, summary.bytes);
    assert!(bytes.contains(&0xA3) && std::str::from_utf8(&bytes).is_err());
    let rows: Vec<Vec<String>> =
        bytes.split(|&byte| byte == b'\n').skip(1).filter(|row| !row.is_empty()).map(parse).collect();
    assert!(rows.iter().all(|row| row.len() == 8));
    assert!(rows.iter().map(|row| minutes(&row[4])).is_sorted());
    assert!(rows.iter().all(|row| row[0].starts_with('C') == (row[3].starts_with('-') && row[5] != "0")));
    for (name, low, high) in [("missing_customer", 0.17, 0.33), ("cancellation", 0.008, 0.04)] {
        let share = options::as_float(summary.rejected[name]) / 60_000.0;
        assert!((low..high).contains(&share), "{name} {share}");
    }
    assert!(summary.rejected.values().sum::<u64>() + summary.accepted.lines == 60_000);
    assert!((1_100..=1_200).contains(&summary.accepted.customers), "{}", summary.accepted.customers);
    assert!((300..900).contains(&summary.duplicate_lines), "{}", summary.duplicate_lines);
}

#[test]
fn the_summary_equals_a_recount() {
    for dirty in [0.0, 0.05, 1.0] {
        let (bytes, summary) = generate(RawOptions { dirty, ..lines(20_000) });
        Recount::of(&bytes).assert_equals(&summary);
        assert!((options::as_float(summary.dirty_lines) - 20_000.0 * dirty).abs() <= 1.0);
        assert_eq!(summary.dirty.values().sum::<u64>(), summary.dirty_lines);
    }
}

#[test]
fn a_seed_gives_one_file() {
    let (first, _) = generate(lines(20_000));
    assert_eq!(generate(lines(20_000)).0, first);
    assert_ne!(generate(RawOptions { seed: 12, ..lines(20_000) }).0, first);
}

/// These digits hold on every machine; a change here is a change of every generated file.
#[test]
fn the_file_of_a_seed_never_changes() {
    let (bytes, _) = generate(RawOptions { dirty: 0.02, ..lines(20_000) });
    let fnv = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    assert_eq!(fnv, FINGERPRINT, "{fnv:#x}");
}

const FINGERPRINT: u64 = 0x5813_7730_169c_f4cd;

#[test]
fn dirt_touches_only_dirty_lines() {
    let (clean, _) = generate(lines(10_000));
    let (dirty, summary) = generate(RawOptions { dirty: 0.03, ..lines(10_000) });
    let rows = |bytes: &[u8]| bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let changed = rows(&clean).iter().zip(rows(&dirty)).filter(|(one, other)| *one != other).count() as u64;
    // Some faults leave no mark, such as a customer blanked where there was none.
    assert!(
        changed <= summary.dirty_lines && changed > summary.dirty_lines * 8 / 10,
        "{changed} {}",
        summary.dirty_lines
    );
}

#[test]
fn utf_8_on_request() {
    let (bytes, _) = generate(RawOptions { encoding: Encoding::Utf8, ..lines(60_000) });
    assert!(std::str::from_utf8(&bytes).expect("utf-8").contains('£'));
}

/// Memory: ten times the lines keep the same catalogue, customers and at most one visit and one return for each.
#[test]
fn state_does_not_grow_with_lines() {
    let most_pending = |count| {
        let options = RawOptions { customers: Some(300), ..lines(count) }.check().expect("good options");
        let mut orders = orders::Orders::new(&options).expect("open days");
        let mut most = 0;
        while orders.next().is_some() {
            most = most.max(orders.pending());
        }
        most
    };
    let (small, large) = (most_pending(20_000), most_pending(200_000));
    assert!(small <= 600 && large <= 600, "{small} {large}");
}

struct Failing {
    room: usize,
    kind: ErrorKind,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        if taken == 0 { Err(self.kind.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn write_errors_come_back() {
    for kind in [ErrorKind::StorageFull, ErrorKind::BrokenPipe] {
        let options = lines(20_000).check().expect("good options");
        let failed = write_orders(&options, Failing { room: 100_000, kind }, |_| {}).err();
        assert_eq!(failed.map(|error| error.kind()), Some(kind));
    }
}

#[test]
fn files_appear_only_when_complete() {
    let folder = std::env::temp_dir().join(format!("orders-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["a.csv", "a.csv.gz", "a.csv.zst"] {
        let path = folder.join(name);
        let failed =
            Output::file(&path).and_then(|output| output.write(|_| Err::<(), _>(ErrorKind::StorageFull.into())));
        assert!(failed.is_err_and(|error| error.to_string().contains(name)));
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 0);
        Output::file(&path).and_then(|output| output.write(|out| out.write_all(b"x"))).expect("room for one byte");
        assert!(path.is_file());
        std::fs::remove_file(&path).expect("it was there");
    }
    std::fs::remove_dir(&folder).expect("empty");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_options_give_exactly_what_they_say(
        seed in any::<u64>(), size in 1_u64..1_500, by_lines in any::<bool>(), customers in 1_u64..500,
        products in 1_u64..200, days in 3_i32..900, dirty in 0.0_f64..0.5,
    ) {
        let (lines, invoices) = if by_lines { (Some(size), None) } else { (None, Some(size.min(150))) };
        let from: Date = "2010-01-05".parse().expect("a date");
        let raw = RawOptions {
            lines, invoices, customers: Some(customers), products: Some(products),
            from: Some(from), to: Some(from.plus(days)), seed, dirty, encoding: Encoding::Latin1,
        };
        let (bytes, summary) = generate(raw);
        prop_assert_eq!(if by_lines { summary.lines } else { summary.invoices }, if by_lines { size } else { size.min(150) });
        prop_assert!(summary.accepted.customers <= customers);
        Recount::of(&bytes).assert_equals(&summary);
    }
}
