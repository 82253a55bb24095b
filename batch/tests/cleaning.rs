//! The cleaning report adds up, and every refused line is kept with its file, line number and reason.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod common;

use common::Shop;
use serde_json::{Value, json};

/// A line, the physical line it is in when the header is line 1, and why it is refused, if it is.
const LINES: [(&str, u64, Option<&str>); 20] = [
    ("536365,85123A,HEART,6,2010-12-01 08:26,2.55,17850,United Kingdom", 2, None),
    ("536365,71053,\"LANTERN,\n\"\"WHITE\"\"\",2,2010-12-01 08:26,3.39,17850,United Kingdom", 3, None),
    ("too,few", 5, Some("malformed")),
    ("536366,1,2,3,4,5,6,7,8,9", 6, Some("malformed")),
    ("536366,A,\"unclosed,6,2010-12-01 08:26,2.55,17850,United Kingdom", 7, Some("malformed")),
    ("536366,A,\"closed\" twice,6,2010-12-01 08:26,2.55,17850,United Kingdom", 8, Some("malformed")),
    (" ,A,BOX,6,2010-12-01 08:26,2.55,17850,United Kingdom", 9, Some("missing_invoice")),
    ("C536367,22728,CLOCK,-6,2010-12-01 09:00,2.50,17850,United Kingdom", 10, Some("cancellation")),
    ("A563185,B,Adjust bad debt,1,2010-12-01 09:00,11062.06,,United Kingdom", 11, Some("adjustment")),
    ("536368,POST,POSTAGE,1,2010-12-01 09:00,18.00,12583,France", 12, None),
    ("536369,A,BOX,6,2010-12-01 09:00,2.55,,France", 13, Some("missing_customer")),
    ("536369,A,BOX,2.5,2010-12-01 09:00,2.55,12583,France", 14, Some("bad_quantity")),
    ("536369,A,\"BOX\nOF TWO\",0,2010-12-01 09:00,2.55,12583,France", 15, Some("non_positive_quantity")),
    ("536369,A,BOX,-3,2010-12-01 09:00,2.55,12583,France", 17, Some("non_positive_quantity")),
    ("536369,A,BOX,6,2010-12-01 09:00,free,12583,France", 18, Some("bad_price")),
    ("536369,A,BOX,6,2010-12-01 09:00,0.00,12583,France", 19, Some("non_positive_price")),
    ("536369,A,BOX,6,2010-02-30 09:00,2.55,12583,France", 20, Some("bad_date")),
    ("536369,A,BOX,999999999999,2010-12-01 09:00,99999999,12583,France", 21, Some("amount_overflow")),
    ("536369,A,BOX,6,2210-12-01 09:00,2.55,12583,France", 22, Some("future_date")),
    ("536370,A,BOX,1,2010-12-03 10:00,1.25,12583,France", 23, None),
];

fn shop() -> Shop {
    let shop = Shop::new();
    shop.write_lines("orders.csv", &LINES.map(|(line, ..)| line));
    shop
}

fn reasons() -> Value {
    let mut reasons = serde_json::Map::new();
    for reason in LINES.iter().filter_map(|(.., reason)| *reason) {
        let count = reasons.get(reason).and_then(Value::as_u64).unwrap_or(0);
        reasons.insert(reason.to_owned(), json!(count + 1));
    }
    reasons.into()
}

fn sum(reasons: &Value) -> u64 {
    reasons.as_object().expect("reasons").values().map(|lines| lines.as_u64().expect("a count")).sum()
}

#[test]
fn every_refused_line_is_kept_with_its_place_and_reason() {
    let shop = shop();
    shop.done(&["ingest", "--input", "orders.csv"]);
    let refused = LINES.iter().filter_map(|(line, at, reason)| Some(json!([line, "orders.csv", at, (*reason)?])));
    let kept = shop.columns("rejected_orders", &["raw_line", "source", "source_position", "reason"]);
    assert_eq!(kept.into_iter().map(Value::from).collect::<Vec<_>>(), refused.collect::<Vec<_>>());
    let accepted: Vec<Value> =
        LINES.iter().filter(|(.., reason)| reason.is_none()).map(|(_, at, _)| json!(at)).collect();
    assert_eq!(shop.columns("orders", &["source_position"]).concat(), accepted);
}

#[test]
fn lines_read_are_accepted_rejected_or_already_known() {
    let shop = shop();
    let document = shop.json(&["run", "--input", "orders.csv"]);
    let expected = json!({"read": 20, "accepted": 4, "rejected": reasons(), "already_known": 0});
    assert_eq!((&document["input"], &document["lake"]), (&expected, &expected));
    assert_eq!(sum(&document["input"]["rejected"]), 16);
    assert_eq!(shop.json(&["show"])["input"], expected);

    shop.write_lines("more.csv", &["1,A,BOX,1,2010-12-05,1,17850,UK", "C1,A,BOX,-1,2010-12-05,1,17850,UK"]);
    let document = shop.json(&["run", "--input", "orders.csv", "more.csv"]);
    let input = json!({"read": 22, "accepted": 1, "rejected": {"cancellation": 1}, "already_known": 20});
    assert_eq!(document["input"], input);
    let lake = &shop.json(&["show"])["lake"];
    assert_eq!((&lake["read"], &lake["accepted"], sum(&lake["rejected"])), (&json!(22), &json!(5), 17));
    assert_eq!(lake["rejected"]["cancellation"], 2);
    let recomputed = shop.json(&["run"]);
    assert_eq!(&recomputed["input"], lake, "without an input, the report is that of the whole lake");
}

#[test]
fn netted_cancellations_lower_the_monetary_value_and_nothing_else() {
    let shop = Shop::new();
    let lines = [
        "1,A,BOX,10,2011-01-01,2.50,bought,UK",
        "2,A,BOX,1,2011-01-05,2.50,bought,UK",
        "C3,A,BOX,-4,2011-01-20,2.50,bought,UK",
        "C4,A,BOX,-1,2011-01-20,2.50,only cancelled,UK",
        "C5,A,BOX,1,2011-01-20,2.50,bought,UK",
        "C6,A,BOX,-1,2011-01-20,0,bought,UK",
        "7,A,BOX,1,2011-01-10,1.00,other,UK",
        "C8,A,BOX,-3,2011-01-10,1.00,other,UK",
    ];
    shop.write_lines("orders.csv", &lines);
    let document = shop.json(&["run", "--input", "orders.csv", "--cancellations", "net"]);
    assert_eq!(document["input"]["rejected"], json!({"cancellation": 1, "non_positive_price": 1}));
    assert_eq!(document["reference_time"], "2011-01-11T00:00:00Z", "a cancellation is no order");
    let names = ["customer_id", "recency_days", "frequency", "monetary", "last_order_at"];
    let customers =
        json!([["bought", 6, 2, 17.5, "2011-01-05T00:00:00Z"], ["other", 1, 1, -2.0, "2011-01-10T00:00:00Z"]]);
    assert_eq!(json!(shop.columns("customer_rfm", &names)), customers);
    let totals = ["customers", "invoices", "revenue"].map(|name| document[name].clone());
    assert_eq!(totals, [json!(2), json!(3), json!(15.5)]);
    let netted = json!([["only cancelled", -2.5]]);
    assert_eq!(json!(shop.columns("netted_customers", &["customer_id", "monetary"])), netted);
    assert_eq!(shop.table("counted_invoices").len(), 3);

    let dropped = Shop::new();
    dropped.write_lines("orders.csv", &lines);
    dropped.done(&["run", "--input", "orders.csv"]);
    let customers = json!([["bought", 27.5], ["other", 1.0]]);
    assert_eq!(json!(dropped.columns("customer_rfm", &["customer_id", "monetary"])), customers);
    assert_eq!(dropped.table("netted_customers"), Vec::<Value>::new());
}

#[test]
fn stock_codes_that_are_no_products_are_excluded() {
    let by_flag = shop();
    let document = by_flag.json(&["run", "--input", "orders.csv", "--exclude-stock-codes", "POST, M,71053"]);
    assert_eq!(document["input"]["rejected"]["excluded_stock_code"], 2);
    assert_eq!(document["input"]["accepted"], 2);
    let excluded = by_flag.table("rejected_orders").into_iter().filter(|row| row["reason"] == "excluded_stock_code");
    assert_eq!(excluded.map(|row| row["source_position"].clone()).collect::<Vec<_>>(), [json!(3), json!(12)]);

    let by_file = shop();
    by_file.write("batch.toml", "[cleaning]\nexclude_stock_codes = [\"POST\", \"M\", \"71053\"]\n");
    let same = by_file.json(&["run", "--input", "orders.csv", "--config", "batch.toml"]);
    assert_eq!(same["input"], document["input"]);
}

#[test]
fn prefixes_can_be_configured() {
    let shop = Shop::new();
    shop.write("batch.toml", "[cleaning]\ncancellation_prefix = \"R-\"\nadjustment_prefix = \"\"\n");
    shop.write_lines(
        "orders.csv",
        &["R-1,A,B,-1,2011-01-01,1,7,UK", "C2,A,B,1,2011-01-01,1,7,UK", "A3,A,B,1,2011-01-01,1,7,UK"],
    );
    let document = shop.json(&["run", "--input", "orders.csv", "--config", "batch.toml"]);
    assert_eq!(document["input"]["rejected"], json!({"cancellation": 1}));
    assert_eq!(document["invoices"], 2);
}

#[test]
fn a_lake_keeps_the_rules_that_it_was_made_with() {
    let shop = shop();
    let made = ["--cancellations", "net", "--exclude-stock-codes", "POST,M"];
    shop.done(&[&["ingest", "--input", "orders.csv"], &made[..]].concat());
    shop.write_lines("more.csv", &["C1,POST,BOX,-1,2010-12-05,1,17850,UK", "C1,A,BOX,-1,2010-12-05,1,17850,UK"]);
    let others: [(&[&str], &str); 3] = [
        (&["--cancellations", "drop"], "was made with cancellations = \"net\", not \"drop\""),
        (&["--exclude-stock-codes", "POST"], "was made with exclude_stock_codes = [\"M\", \"POST\"], not [\"POST\"]"),
        (&["--config", "batch.toml"], "was made with cancellation_prefix = \"C\", not \"R\""),
    ];
    shop.write("batch.toml", "[cleaning]\ncancellation_prefix = \"R\"\n");
    for (flags, expected) in others {
        for input in [&["--input", "more.csv"][..], &[]] {
            let message = shop.refused(&[&["run"], input, flags].concat());
            assert!(message.contains(expected), "{flags:?}: {message}");
            assert!(message.contains("leave the setting out, or ingest into a new lake"), "{flags:?}: {message}");
        }
    }
    for flags in [&made[..], &[]] {
        let document = shop.json(&[&["run", "--input", "more.csv"], flags].concat());
        assert_eq!(document["lake"]["rejected"]["excluded_stock_code"], 2, "kept without a flag, too");
        assert_eq!(document["revenue"], 7.33, "{flags:?}");
    }
}

/// The whole report, times aside.
#[test]
fn golden_report() {
    let shop = shop();
    let report = shop.done(&["run", "--input", "orders.csv"]);
    let first = report.lines().next().expect("a line");
    let (before, after) = first.split_once(", calculated ").expect("a time");
    assert_eq!((before, &after["2026-01-01 00:00".len()..]), ("Publication 1", " UTC; recency counts to 2010-12-04"));
    let rest = report.split_once('\n').expect("lines").1;
    let shown = shop.done(&["show"]);
    assert_eq!(shown.split_once('\n').expect("lines").1, rest, "show prints what run printed");
    let golden = include_str!("report.golden");
    assert_eq!(rest, golden, "\n{rest}");
}
