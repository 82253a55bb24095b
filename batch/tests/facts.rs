//! What is known about UCI Online Retail, asked of the program itself.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests: a wrong index is a failed test")]

mod checks;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use data::{EventTime, Rules};
use serde_json::{Value, json};

use checks::input::{Order, clean, latin1};
use checks::{Place, Rows, assert_near, python, real_file, shown};

/// Inertia of the best model known, and room for its last digits.
const INERTIA: f64 = 4092.42;
/// The names in order of monetary value, and their customers.
const SEGMENTS: [(&str, u64); 4] =
    [("High Value VIP", 13), ("Loyal / Frequent", 204), ("New / Promising", 3060), ("Churn Risk", 1061)];

/// The real file in a lake of its own, published once.
struct Retail {
    place: Place,
    document: Value,
    file: String,
}

impl Retail {
    /// `None` without the file.
    fn new() -> Option<Self> {
        let file = shown(&real_file("online_retail.csv")?);
        let place = Place::new();
        let document = place.batch(&["run", "--input", &file]);
        Some(Self { place, document, file })
    }

    /// One for all tests that only read it; it goes away with the last of them.
    fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Retail>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(retail) = shared.upgrade() {
            return Some(retail);
        }
        let retail = Arc::new(Self::new()?);
        *shared = Arc::downgrade(&retail);
        Some(retail)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.file).expect("the file")
    }
}

#[test]
fn the_figures_are_those_of_the_file() {
    let Some(retail) = Retail::shared() else { return };
    let document = &retail.document;
    let input = &document["input"];
    assert_eq!((&input["read"], &input["accepted"]), (&json!(541_909), &json!(397_884)));
    assert_eq!(input["rejected"], json!(recount(&retail.file)));
    assert_eq!((&document["customers"], &document["invoices"]), (&json!(4_338), &json!(18_532)));
    assert_eq!(document["revenue"].to_string(), "8911407.904");
    assert_eq!(document["reference_time"], "2011-12-10T00:00:00Z");
    let rfm = retail.place.table("customer_rfm");
    assert_eq!(rfm.money("monetary").iter().sum::<i64>(), 89_114_079_040);
    assert_eq!(rfm.integers("frequency").iter().sum::<i64>(), 18_532);
    assert_eq!(rfm.texts("customer_id").iter().collect::<BTreeSet<_>>().len(), 4_338);
}

/// Lines by reason, from the texts alone: the first reason that applies, in the order in which the rule asks.
fn recount(file: &str) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    let mut reader = csv::Reader::from_path(file).expect("the file");
    for line in reader.byte_records() {
        let line = line.expect("eight fields");
        let number = |index: usize| latin1(&line[index]).parse::<f64>().expect("a number");
        let reason = match line[0].first() {
            Some(b'C') => "cancellation",
            Some(b'A') => "adjustment",
            _ if line[6].is_empty() => "missing_customer",
            _ if number(3) <= 0.0 => "non_positive_quantity",
            _ if number(5) <= 0.0 => "non_positive_price",
            _ => continue,
        };
        *counts.entry(reason).or_default() += 1;
    }
    counts
}

#[test]
fn every_line_is_in_orders_or_in_rejected_orders() {
    let Some(retail) = Retail::shared() else { return };
    let bytes = retail.bytes();
    let expected = clean(&bytes, &Rules::default(), latin1);
    let lines: Vec<String> = bytes.split(|byte| *byte == b'\n').map(|line| latin1(line.trim_ascii_end())).collect();

    let orders = retail.place.table("orders");
    let found = checks::orders(&orders);
    assert_eq!(found.len(), expected.accepted.len());
    for (found, expected) in found.iter().zip(&expected.accepted) {
        assert_eq!(found, expected);
    }
    let rejected = retail.place.table("rejected_orders");
    let found: Vec<_> = rejected.integers("source_position").into_iter().zip(rejected.texts("reason")).collect();
    let named: Vec<_> = expected.rejected.iter().map(|(position, reason)| (*position, (*reason).to_owned())).collect();
    assert_eq!(found, named);
    for (position, raw) in rejected.integers("source_position").into_iter().zip(rejected.texts("raw_line")) {
        assert_eq!(raw.trim_end(), lines[usize::try_from(position).expect("a line") - 1]);
    }
    let pounds = rejected.texts("raw_line").iter().filter(|raw| raw.contains("Voucher £")).count();
    assert_eq!(pounds, 32);
}

/// The lines that are not UTF-8 are vouchers without a customer; with one they are orders.
#[test]
fn pound_signs_survive() {
    let Some(file) = real_file("online_retail.csv") else { return };
    let bytes = fs::read(file).expect("the file");
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let mut vouchers = lines.next().expect("a header").to_vec();
    for line in lines.filter(|line| line.contains(&0xA3)) {
        let at = line.windows(2).position(|pair| pair == b",,").expect("no customer") + 1;
        vouchers.extend_from_slice(&[&line[..at], b"12347", &line[at..]].concat());
    }
    let place = Place::new();
    place.batch(&["ingest", "--input", &place.write("vouchers.csv", &vouchers), "--date-format", "mdy"]);
    let descriptions = place.table("orders").texts("description");
    assert_eq!(descriptions.len(), 32);
    assert!(descriptions.iter().all(|text| text.starts_with("Dotcomgiftshop Gift Voucher £")), "{descriptions:?}");
}

#[test]
fn a_customer_with_two_countries_is_where_the_newest_line_is() {
    let Some(retail) = Retail::shared() else { return };
    let mut countries: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut newest: BTreeMap<String, Order> = BTreeMap::new();
    for order in clean(&retail.bytes(), &Rules::default(), latin1).accepted {
        countries.entry(order.customer_id.clone()).or_default().insert(order.country.clone());
        let is_newer = |known: &Order| order.ordered_at >= known.ordered_at;
        if newest.get(&order.customer_id).is_none_or(is_newer) {
            newest.insert(order.customer_id.clone(), order);
        }
    }
    assert_eq!(countries.values().filter(|countries| countries.len() == 2).count(), 8);
    let rfm = retail.place.table("customer_rfm");
    for (customer, country) in rfm.texts("customer_id").iter().zip(rfm.texts("country")) {
        assert_eq!(country, newest[customer].country, "{customer}");
    }
}

#[test]
fn k_means_finds_the_best_model_known_from_every_seed() {
    let Some(retail) = Retail::new() else { return };
    check_model(&retail.document, None);
    let first = &retail.place.table("customer_segments");
    for seed in 0..20_u64 {
        let document = retail.place.batch(&["run", "--seed", &seed.to_string(), "--quiet"]);
        assert_eq!(document["publication"], json!(seed + 2));
        check_model(&document, Some(seed));
        for name in ["segment_id", "customers", "segment_name"] {
            assert_eq!(column(&document, name), column(&retail.document, name), "seed {seed}");
        }
    }
    let last = &retail.place.table("customer_segments");
    assert_eq!(first.integers("segment_id"), last.integers("segment_id"));
}

fn check_model(document: &Value, seed: Option<u64>) {
    let inertia = document["model"]["inertia"].as_f64().expect("an inertia");
    assert!(inertia <= INERTIA, "seed {seed:?}: inertia {inertia}");
    let found: Vec<_> = column(document, "segment_name").into_iter().zip(column(document, "customers")).collect();
    let expected: Vec<_> = SEGMENTS.iter().map(|(name, customers)| (json!(name), json!(customers))).collect();
    let sorted = |mut pairs: Vec<(Value, Value)>| {
        pairs.sort_by_key(|pair| pair.0.to_string());
        pairs
    };
    assert_eq!(sorted(found), sorted(expected), "seed {seed:?}");
}

fn column(document: &Value, name: &str) -> Vec<Value> {
    document["segments"].as_array().expect("segments").iter().map(|segment| segment[name].clone()).collect()
}

#[test]
fn quality_figures_are_scikit_learns() {
    let Some(retail) = Retail::shared() else { return };
    let (rfm, segments) = (retail.place.export("customer_rfm"), retail.place.export("customer_segments"));
    let Some(quality) = python("quality.py", &[&rfm, &segments]) else { return };
    for name in ["inertia", "silhouette", "davies_bouldin", "calinski_harabasz"] {
        let figure = |document: &Value| document[name].as_f64().expect(name);
        assert_near(figure(&retail.document["model"]), figure(&quality), 1e-9, name);
    }
}

#[test]
fn scores_and_rfm_segments_are_those_of_pandas() {
    let Some(retail) = Retail::shared() else { return };
    let Some(scores) = python("scores.py", &[&retail.place.export("customer_rfm")]) else { return };
    assert_eq!(scores, json!({"customers": 4_338, "different": []}));
}

#[test]
fn the_date_format_is_decided_with_evidence_and_a_wrong_one_is_costly() {
    let Some(file) = real_file("online_retail.csv") else { return };
    let place = Place::new();
    let wrong = place.batch(&["run", "--input", &shown(&file), "--date-format", "dmy"]);
    let input = &wrong["input"];
    let lost = input["rejected"]["bad_date"].as_u64().expect("bad dates");
    let accepted = input["accepted"].as_u64().expect("accepted lines");
    assert_eq!(lost + accepted, 397_884);
    let orders = clean(&fs::read(&file).expect("the file"), &Rules::default(), latin1).accepted;
    let (same, swapped) = readings_as_day_month(&orders);
    assert_eq!((accepted, swapped), (same + swapped, 153_077));
    assert!((0.56..0.58).contains(&(lost as f64 / 397_884.0)), "{lost} lines lost");

    let Some(retail) = Retail::shared() else { return };
    let evidence = retail.document["sources"][0]["evidence"].to_string();
    for said in
        ["dates are month/day/year: 308950 lines can only be month/day, 0 only day/month", "32 lines are not UTF-8"]
    {
        assert!(evidence.contains(said), "{evidence}");
    }
}

/// Lines whose date means the same with the day first, and those that would get another one.
fn readings_as_day_month(orders: &[Order]) -> (u64, u64) {
    use chrono::Datelike;
    let (mut same, mut swapped) = (0, 0);
    for order in orders {
        let date = EventTime::from_micros(order.ordered_at).to_utc();
        match (date.day(), date.month()) {
            (day, month) if day == month => same += 1,
            (day, _) if day <= 12 => swapped += 1,
            _ => {}
        }
    }
    (same, swapped)
}

#[test]
fn other_numbers_of_segments_work() {
    let Some(retail) = Retail::new() else { return };
    for (k, expected) in [("1", Some(1)), ("8", Some(8)), ("auto", None)] {
        let document = retail.place.batch(&["run", "--k", k]);
        let names = column(&document, "segment_name").iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let chosen = document["model"]["k"].as_u64().expect("k");
        assert_eq!(names.len() as u64, chosen, "k {k}");
        assert_eq!(expected.unwrap_or(chosen), chosen);
        let customers: u64 = column(&document, "customers").iter().filter_map(Value::as_u64).sum();
        assert_eq!(customers, 4_338);
        assert!(!document.to_string().contains("NaN"));
        if k == "auto" {
            let elbow = document["model"]["elbow"].as_array().expect("an elbow");
            let best = elbow.iter().max_by(|one, other| silhouette(one).total_cmp(&silhouette(other)));
            assert_eq!(best.map(|point| &point["k"]), Some(&json!(chosen)));
        }
    }
}

fn silhouette(point: &Value) -> f64 {
    point["silhouette"].as_f64().unwrap_or(f64::NEG_INFINITY)
}

#[test]
fn a_file_that_is_known_is_not_counted_again() {
    let Some(retail) = Retail::new() else { return };
    let gzipped = retail.place.path("renamed.csv.gz");
    compress(&retail.bytes(), &gzipped);
    for again in [&retail.file, &shown(&gzipped)] {
        let document = retail.place.batch(&["run", "--input", again]);
        let known = json!({"read": 541_909, "accepted": 0, "rejected": {}, "already_known": 541_909});
        assert_eq!(document["input"], known, "{again}");
        assert_eq!(document["lake"], retail.document["lake"], "{again}");
        assert_same_figures(&document, &retail.document);
    }
}

fn compress(bytes: &[u8], path: &Path) {
    let file = fs::File::create(path).expect("a file");
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish().map(drop)).expect("a gzip file");
}

#[test]
fn recomputing_gives_every_figure_again() {
    let Some(retail) = Retail::new() else { return };
    let before: [Rows; 4] = retail.place.computed();
    let document = retail.place.batch(&["run"]);
    assert_eq!(document["publication"], json!(2));
    assert_same_figures(&document, &retail.document);
    assert!(before == retail.place.computed());
}

/// All but what belongs to the run itself.
fn assert_same_figures(one: &Value, other: &Value) {
    let figures = |document: &Value| {
        let mut figures = document.as_object().expect("a document").clone();
        for own in ["publication", "published_at", "input", "sources", "timings_ms"] {
            figures.remove(own);
        }
        figures
    };
    assert_eq!(figures(one), figures(other));
}
