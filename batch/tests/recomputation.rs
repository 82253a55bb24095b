//! Generated order files, computed a second time by other means.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests: a wrong index is a failed test")]

mod checks;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use data::generate::{Encoding, RawOptions, Summary, write_orders};
use data::{Cancellations, EventTime, Rules};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use checks::input::{Expected, clean, latin1};
use checks::{Place, python};

fn generate(options: RawOptions) -> (Vec<u8>, Summary) {
    let options = options.check().expect("options that work");
    write_orders(&options, Vec::new(), |_| ()).expect("memory takes every byte")
}

/// Some thousand lines, a fiftieth of them dirty.
fn dirty(seed: u64) -> (Vec<u8>, Summary) {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let lines = chance.random_range(4_000..16_000);
    let customers = chance.random_range(150..900);
    generate(RawOptions { lines: Some(lines), customers: Some(customers), seed, dirty: 0.02, ..RawOptions::default() })
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The header and the order lines with their line ends.
fn split(file: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let mut lines = file.split_inclusive(|byte| *byte == b'\n');
    (lines.next().expect("a header"), lines.collect())
}

fn join<'a>(header: &'a [u8], lines: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    std::iter::once(header).chain(lines).collect::<Vec<_>>().concat()
}

#[test]
fn the_report_says_what_the_generator_knows() {
    for seed in 1..=6 {
        let (file, summary) = dirty(seed);
        let place = Place::new();
        let document = place.batch(&["run", "--input", &place.write("orders.csv", &file)]);
        let rejected: BTreeMap<_, _> = summary.rejected.iter().filter(|(_, lines)| **lines > 0).collect();
        let input = json!({
            "read": summary.lines, "accepted": summary.accepted.lines, "rejected": rejected, "already_known": 0,
        });
        assert_eq!(document["input"], input, "seed {seed}");
        assert_eq!(document["customers"], json!(summary.accepted.customers), "seed {seed}");
        assert_eq!(document["invoices"], json!(summary.accepted.invoices), "seed {seed}");
        assert_eq!(document["revenue"], json!(summary.accepted.revenue), "seed {seed}");
        let reasons = place.table("rejected_orders").texts("reason");
        assert_eq!(reasons.len() as u64, rejected.values().copied().sum::<u64>(), "seed {seed}");
        for (reason, lines) in rejected {
            assert_eq!(reasons.iter().filter(|found| found == reason).count() as u64, *lines, "seed {seed}: {reason}");
        }
    }
}

#[test]
fn pandas_computes_the_same_tables() {
    for (seed, reference) in [(11, None), (12, Some("2012-02-29")), (13, Some("2011-06-30"))] {
        let (file, _) = dirty(seed);
        let place = Place::new();
        let input = place.write("orders.csv", &file);
        let mut arguments = vec!["run", "--input", &input];
        arguments.extend(reference.iter().flat_map(|date| ["--reference-date", date]));
        let document = place.batch(&arguments);
        let tables = ["customer_rfm", "customer_segments", "segment_profiles", "rejected_orders", "publications"];
        let tables = tables.map(|table| place.export(table));
        let reference = reference.unwrap_or_else(|| &document["reference_time"].as_str().expect("a time")[..10]);
        let arguments: Vec<&str> =
            [input.as_str(), reference].into_iter().chain(tables.iter().map(String::as_str)).collect();
        let Some(found) = python("recompute.py", &arguments) else { return };
        assert_eq!(found["differences"], json!([]), "seed {seed}");
        assert_eq!(found["customers"], document["customers"], "seed {seed}");
        assert_eq!(found["rejected"], total(&document["input"]["rejected"]), "seed {seed}");
    }
}

fn total(rejected: &Value) -> u64 {
    rejected.as_object().expect("reasons").values().filter_map(Value::as_u64).sum()
}

#[test]
fn the_reference_date_moves_recency_alone() {
    let (file, _) = dirty(21);
    let place = Place::new();
    place.batch(&["run", "--input", &place.write("orders.csv", &file)]);
    let before = place.table("customer_rfm");
    let document = place.batch(&["run", "--reference-date", "2013-01-01"]);
    assert_eq!(document["reference_time"], "2013-01-01T00:00:00Z");
    let after = place.table("customer_rfm");
    let reference = EventTime::from_date(chrono::NaiveDate::from_ymd_opt(2013, 1, 1).expect("a date"));
    for (days, last) in after.integers("recency_days").into_iter().zip(after.times("last_order_at")) {
        assert_eq!(days, EventTime::from_micros(last).days_before(reference));
    }
    for name in ["frequency", "r_score", "f_score", "m_score"] {
        assert_eq!(before.integers(name), after.integers(name), "{name}");
    }
    assert_eq!(before.money("monetary"), after.money("monetary"));
}

#[test]
fn the_order_of_lines_does_not_matter() {
    let (file, _) = dirty(31);
    let (header, mut lines) = split(&file);
    let sorted = Place::new();
    sorted.batch(&["run", "--input", &sorted.write("orders.csv", &file)]);
    let expected = sorted.computed();
    for seed in [1, 2] {
        lines.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let place = Place::new();
        let input = place.write("shuffled.csv", join(header, lines.iter().copied()));
        place.batch(&["run", "--input", &input, "--date-format", "mdy"]);
        assert_eq!(place.computed(), expected, "seed {seed}");
    }
}

/// Lines at the edges of the cleaning rule, as people and programs spell them.
const EDGES: &[&str] = &[
    "600001,P1,PLAIN,6,1/31/2011 8:26,2.55,17850,France",
    " 600002 , P1 , SPACES , 6 , 1/31/2011 8:26 , 2.55 , 17850 , France ",
    "c600003,P1,LOWER CASE IS NO CANCELLATION,6,1/31/2011,2.55,17850,France",
    "C600004,P1,POSITIVE,6,1/31/2011,2.55,17850,France",
    "C600005,P1,NOTHING ELSE IS RIGHT,x,y,z,,",
    "A600006,P1,NOTHING ELSE IS RIGHT,x,y,z,,",
    ",P1,NO INVOICE,x,y,z,,",
    "   ,P1,BLANK INVOICE,6,1/31/2011,2.55,17850,France",
    "600007,P1,SPREADSHEET,6.0,1/31/2011 8:26 PM,2.55,17850.0,France",
    "600008,P1,\"POUNDS, GROUPED\",\"1,200\",2011-01-31T08:26:00+01:00,\"£1,250.00\",U00042,France",
    "600009,P1,FIVE DECIMALS,1,1/31/2011,0.00005,17850,France",
    "600010,P1,TOO LITTLE,1,1/31/2011,0.00004,17850,France",
    "600011,P1,EXPONENT,1,1/31/2011,1E+02,17850,France",
    "600012,P1,HALF,1.5,1/31/2011,2.55,17850,France",
    "600013,P1,TOO MUCH,999999999999,1/31/2011,99999999,17850,France",
    "600014,P1,TOO MUCH TO READ,1,1/31/2011,99999999999999999999,17850,France",
    "600015,P1,NO SUCH DAY,1,2/30/2011,2.55,17850,France",
    "600016,P1,LEAP DAY,1,2/29/2012,2.55,17850,France",
    "600017,P1,NO COUNTRY,1,1/31/2011,2.55,17850,",
    "600018,,,1,1/31/2011,2.55,17850,France",
    "600019,P1,\"SAYS \"\"HI\"\"\",1,1/31/2011,2.55,17850,\"Korea, Republic of\"",
    "600020,POST,POSTAGE,1,1/31/2011,18,17850,France",
    "600021,P1,SEVEN,1,1/31/2011,2.55,17850",
    "600022,P1,OPEN \"QUOTE,1,1/31/2011,2.55,17850",
    "600023,P1,MINUS ZERO,-0,1/31/2011,2.55,17850,France",
    "600024,P1,FREE,1,1/31/2011,-0.00,17850,France",
    "600025,P1,1970,1,1/1/1970,0.01,17850,France",
    "C600026,P1,BEFORE THERE IS ANYTHING,-1,12/31/1969 23:59:59.999999,0.01,99999,France",
];

#[test]
fn l_3_the_same_cleaning_function_decides() {
    let (mut file, _) = generate(RawOptions {
        lines: Some(8_000),
        seed: 41,
        dirty: 0.3,
        encoding: Encoding::Utf8,
        ..RawOptions::default()
    });
    EDGES.iter().for_each(|line| file.extend_from_slice(format!("{line}\r\n").as_bytes()));
    let excluded = Rules { exclude_stock_codes: ["POST", "M"].map(str::to_owned).into(), ..Rules::default() };
    let netted = Rules { cancellations: Cancellations::Net, ..excluded.clone() };
    let cases: [(Rules, &[&str]); 3] = [
        (Rules::default(), &[]),
        (excluded, &["--exclude-stock-codes", "POST,M"]),
        (netted, &["--exclude-stock-codes", "POST,M", "--cancellations", "net"]),
    ];
    for (rules, flags) in cases {
        let place = Place::new();
        let input = place.write("orders.csv", &file);
        let document = place.batch(&[&["run", "--input", input.as_str()], flags].concat());
        let expected = clean(&file, &rules, utf8);
        assert!(expected.accepted.len() > 2_000 && expected.by_reason().len() > 8, "{:?}", expected.by_reason());
        assert_eq!(document["input"]["rejected"], json!(expected.by_reason()), "{flags:?}");
        check_orders(&place, &expected);
        let rejected = place.table("rejected_orders");
        let found = rejected.integers("source_position").into_iter().zip(rejected.texts("reason"));
        let named = expected.rejected.iter().map(|(position, reason)| (*position, (*reason).to_owned()));
        assert_eq!(found.collect::<Vec<_>>(), named.collect::<Vec<_>>(), "{flags:?}");
    }
}

fn check_orders(place: &Place, expected: &Expected) {
    let found = checks::orders(&place.table("orders"));
    for (found, expected) in found.iter().zip(&expected.accepted) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.accepted.len());
}

#[test]
fn l_4_an_invoice_counts_once() {
    let (file, summary) = dirty(51);
    let (header, lines) = split(&file);
    let whole = Place::new();
    whole.batch(&["run", "--input", &whole.write("orders.csv", &file)]);
    let place = Place::new();
    let mut document = Value::Null;
    for part in 0..3 {
        // Neighbours are lines of one invoice: nearly every invoice is in all three files.
        let lines = lines.iter().copied().skip(part).step_by(3);
        let input = place.write(&format!("part{part}.csv"), join(header, lines));
        document = place.batch(&["run", "--input", &input, "--allow-overlap", "--date-format", "mdy"]);
    }
    assert_eq!(document["invoices"], json!(summary.accepted.invoices));
    assert_eq!(document["revenue"], json!(summary.accepted.revenue));
    assert_eq!(place.table("customer_rfm"), whole.table("customer_rfm"));

    let at_once = Place::new();
    let inputs: Vec<String> = (0..3).map(|part| checks::shown(&place.path(&format!("part{part}.csv")))).collect();
    let arguments = ["run", "--allow-overlap", "--date-format", "mdy", "--input"];
    at_once.batch(&arguments.into_iter().chain(inputs.iter().map(String::as_str)).collect::<Vec<_>>());
    assert_eq!(at_once.table("customer_rfm"), whole.table("customer_rfm"));
}

/// More than one row group of one month, each with dictionaries of its own.
#[test]
fn a_month_of_several_row_groups_is_kept_line_by_line() {
    let day = |text: &str| text.parse().ok();
    let (file, summary) = generate(RawOptions {
        lines: Some(200_000),
        products: Some(20_000),
        from: day("2011-03-01"),
        to: day("2011-03-31"),
        seed: 61,
        ..RawOptions::default()
    });
    assert!(summary.accepted.lines > 131_072, "{} lines are one row group", summary.accepted.lines);
    let place = Place::new();
    place.batch(&["ingest", "--input", &place.write("orders.csv", &file)]);
    let expected = clean(&file, &Rules::default(), latin1);
    assert!(expected.accepted.iter().any(|order| order.description.contains('£')));
    check_orders(&place, &expected);
}

/// Far more months than files may be open, each in a row group of its own.
#[test]
fn months_in_any_order_are_kept_line_by_line() {
    let mut chance = ChaCha8Rng::seed_from_u64(71);
    let mut file = b"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\r\n".to_vec();
    let mut months = BTreeSet::new();
    for line in 0..30_000 {
        let (year, month) = (chance.random_range(1985..2025), chance.random_range(1..=12));
        months.insert((year, month));
        let date = format!("{month}/{}/{year} {}:30", chance.random_range(1..=28), chance.random_range(0..24));
        let (product, price) = (chance.random_range(0..3_000), chance.random_range(1..100_000));
        let text = format!(
            "{},P{product},PRODUCT {product},{},{date},{}.{:02},{},{}\r\n",
            line / 3,
            chance.random_range(1..100_000),
            price / 100,
            price % 100,
            chance.random_range(0..2_000),
            ["France", "Österreich", "", "United Kingdom"][chance.random_range(0..4)],
        );
        file.extend_from_slice(text.as_bytes());
    }
    let place = Place::new();
    let input = place.write("orders.csv", &file);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 128; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_batch"), "ingest", "--input", &input]);
    let done = command.arg("--lake").arg(place.path("lake")).output().expect("it starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    check_orders(&place, &clean(&file, &Rules::default(), utf8));
    let rows = place.table("orders");
    assert_eq!(rows.texts("month").into_iter().collect::<BTreeSet<_>>().len(), months.len());
}
