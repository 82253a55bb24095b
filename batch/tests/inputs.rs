//! The same orders in every form that files have come to the same customers, revenue and tables.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod common;

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use common::orders::{ONLINE_RETAIL, ORDERS, Spelling, check};
use common::workbook::{Cell, cells, header, workbook};
use common::{HEADER, Shop};
use serde_json::{Value, json};

const ISO: &str = "%Y-%m-%d %H:%M:%S";
const DAY_FIRST: &str = "%-d/%-m/%Y %-H:%M";
const SNAKE_CASE: [&str; 8] =
    ["invoice_no", "stock_code", "description", "quantity", "invoice_date", "unit_price", "customer_id", "country"];
const ONLINE_RETAIL_II: [&str; 8] =
    ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"];
const FOREIGN: [&str; 8] = ["Order", "SKU", "Text", "Pieces", "When", "Each", "Client", "Land"];

fn text(change: impl FnOnce(&mut Spelling)) -> String {
    let mut spelling = ONLINE_RETAIL;
    change(&mut spelling);
    spelling.text()
}

fn evidence(document: &Value) -> String {
    document["sources"][0]["evidence"].to_string()
}

#[test]
fn spellings_of_text_come_to_the_same() {
    let cases: [(&str, String, &str); 11] = [
        ("commas", ONLINE_RETAIL.text(), "separated by ','"),
        ("semicolons and decimal commas", text(|s| (s.delimiter, s.decimal_comma) = (';', true)), "separated by ';'"),
        ("decimal commas in quotes", text(|s| s.decimal_comma = true), "separated by ','"),
        ("tabs", text(|s| s.delimiter = '\t'), "separated by tabs"),
        ("bars", text(|s| s.delimiter = '|'), "separated by '|'"),
        ("carriage returns", text(|s| s.line_end = "\r\n"), "every line is valid"),
        ("no line end at the end", text(|s| s.ends_with_line_end = false), "every line is valid"),
        (
            "carriage returns, none at the end",
            text(|s| (s.line_end, s.ends_with_line_end) = ("\r\n", false)),
            "every line is valid",
        ),
        ("snake case", text(|s| s.header = SNAKE_CASE), "every line is valid"),
        ("Online Retail II", text(|s| s.header = ONLINE_RETAIL_II), "every line is valid"),
        ("ids as floats", text(|s| s.id_suffix = ".0"), "every line is valid"),
    ];
    for (name, text, expected) in cases {
        let shop = Shop::new();
        shop.write("orders.csv", text);
        let document = shop.json(&["run", "--input", "orders.csv"]);
        eprintln!("{name}");
        check(&shop, &document, &[]);
        assert!(evidence(&document).contains(&expected.replace('"', "\\\"")), "{name}: {}", evidence(&document));
    }
}

#[test]
fn encodings_come_to_the_same() {
    let text = ONLINE_RETAIL.text();
    let latin = encoding_rs::WINDOWS_1252.encode(&text).0.into_owned();
    let cases: [(&str, Vec<u8>, &[&str], &str); 5] = [
        ("UTF-8", ONLINE_RETAIL.text().into_bytes(), &[], "encoding is UTF-8: every line is valid"),
        ("UTF-8 as asked", ONLINE_RETAIL.text().into_bytes(), &["--encoding", "utf-8"], "as asked"),
        (
            "with a byte-order mark",
            [b"\xEF\xBB\xBF", ONLINE_RETAIL.text().as_bytes()].concat(),
            &[],
            "encoding is UTF-8: every line is valid",
        ),
        ("Windows-1252", latin.clone(), &[], "encoding is Windows-1252 (ISO-8859-1): 6 lines are not UTF-8"),
        ("Windows-1252 as asked", latin, &["--encoding", "latin1"], "as asked"),
    ];
    for (name, bytes, flags, expected) in cases {
        let shop = Shop::new();
        shop.write("orders.csv", bytes);
        let document = shop.json(&[&["run", "--input", "orders.csv"], flags].concat());
        eprintln!("{name}");
        check(&shop, &document, &[]);
        assert!(evidence(&document).contains(expected), "{name}: {}", evidence(&document));
    }
}

#[test]
fn lines_that_are_not_utf8_are_refused_when_utf8_was_asked_for() {
    let shop = Shop::new();
    let lines: [&[u8]; 5] = [
        HEADER.as_bytes(),
        b"1,A,POSTAGE \xA3,1,2011-01-01,1,7,UK",
        b"2,A,POSTAGE \xA3",
        b"3,A,POSTAGE,1,2011-01-01,1,7,UK",
        b"4,A,CAF\xC3\x89,1,2011-01-01,1,7,UK",
    ];
    shop.write("orders.csv", lines.join(&b'\n'));
    shop.done(&["run", "--input", "orders.csv", "--encoding", "utf-8"]);
    assert_eq!(shop.columns("orders", &["invoice"]), [[json!("3")], [json!("4")]]);
    let refused = [[json!(2), json!("bad_encoding")], [json!(3), json!("malformed")]];
    assert_eq!(shop.columns("rejected_orders", &["source_position", "reason"]), refused);
}

#[test]
fn dates_are_read_as_the_file_means_them() {
    let cases: [(&str, &str, &[&str], &str); 9] = [
        ("month/day", ONLINE_RETAIL.dates, &[], "dates are month/day/year: 5 lines can only be month/day, 0 only"),
        ("day/month", DAY_FIRST, &[], "dates are day/month/year: 0 lines can only be month/day, 5 only day/month"),
        ("day.month in two digits", "%d.%m.%y %H:%M", &[], "dates are day/month/year"),
        ("ISO", ISO, &[], "dates are plain: 7 lines in ISO 8601"),
        ("ISO with a zone", "%Y-%m-%dT%H:%M:%SZ", &[], "dates are plain: 7 lines"),
        ("named months", "%d %b %Y %I:%M %p", &[], "dates are plain: 7 lines"),
        ("month/day as asked", ONLINE_RETAIL.dates, &["--date-format", "mdy"], "dates are month/day/year"),
        ("day/month as asked", DAY_FIRST, &["--date-format", "dmy"], "dates are day/month/year"),
        (
            "a pattern",
            "on %Y.%d.%m at %Hh%M",
            &["--date-format", "on %Y.%d.%m at %Hh%M"],
            "dates are on %Y.%d.%m at %Hh%M, as asked",
        ),
    ];
    for (name, dates, flags, expected) in cases {
        let shop = Shop::new();
        shop.write("orders.csv", text(|s| s.dates = dates));
        let answer = shop.run(&[&["run", "--input", "orders.csv", "--json"], flags].concat());
        let document = serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{name}: {}", answer.stderr));
        eprintln!("{name}");
        check(&shop, &document, &[]);
        assert!(evidence(&document).contains(expected), "{name}: {}", evidence(&document));
        assert!(answer.stderr.contains(expected), "{name}: {}", answer.stderr);
    }
}

/// Every day is at most the twelfth, and all lines have one date: nothing tells day from month.
#[test]
fn dates_that_could_be_either_are_refused_until_somebody_says() {
    let shop = Shop::new();
    shop.write_lines("orders.csv", &["1,A,B,1,3/4/2011,1,7,UK", "2,A,B,1,3/4/2011,1,8,UK"]);
    let message = shop.refused(&["run", "--input", "orders.csv"]);
    assert!(message.contains("orders.csv: every date can be read as month/day and as day/month"), "{message}");
    assert!(message.contains("pass --date-format mdy or --date-format dmy"), "{message}");
    assert_eq!(shop.accepted(), 0);
    for (lake, format, day) in [("american", "mdy", "2011-03-04"), ("british", "dmy", "2011-04-03")] {
        let document = shop.json(&["run", "--input", "orders.csv", "--lake", lake, "--date-format", format]);
        let next = format!("{}{}T00:00:00Z", &day[..9], day[9..].parse::<u32>().expect("a digit") + 1);
        assert_eq!(document["reference_time"], next, "{format}");
    }
}

/// Both orders of day and month read every date, and one of them goes forward in time.
#[test]
fn the_sequence_of_dates_tells_day_from_month() {
    let shop = Shop::new();
    shop.write_lines("orders.csv", &["1,A,B,1,1/3/2011,1,7,UK", "2,A,B,1,11/3/2011,1,8,UK", "3,A,B,1,2/4/2011,1,8,UK"]);
    let document = shop.json(&["run", "--input", "orders.csv"]);
    assert_eq!(document["reference_time"], "2011-04-03T00:00:00Z", "{}", evidence(&document));
}

/// The first megabyte reads as month/day; what follows can only be day/month, and the file is read again.
#[test]
fn a_date_order_that_shows_late_holds_for_the_whole_file() {
    let shop = Shop::new();
    let early = "1,A,BOX,1,2/1/2011 8:00,1,7,UK\n2,A,BOX,1,3/1/2011 8:00,1,8,UK\n".repeat(20_000);
    let late = "3,A,BOX,1,25/3/2011 8:00,1,9,UK\n".repeat(30_000);
    shop.write("orders.csv", format!("{HEADER}\n4,A,BOX,1,1/2/2011 8:00,1,7,UK\n{early}{late}"));
    let document = shop.json(&["run", "--input", "orders.csv"]);
    assert_eq!(document["input"]["accepted"], 70_001);
    assert_eq!(document["reference_time"], "2011-03-26T00:00:00Z");
    assert!(evidence(&document).contains("30000 only day/month"), "{}", evidence(&document));
    let newest = json!([["7", "2011-02-01T08:00:00Z"], ["8", "2011-01-03T08:00:00Z"], ["9", "2011-03-25T08:00:00Z"]]);
    assert_eq!(json!(shop.columns("customer_rfm", &["customer_id", "last_order_at"])), newest);
}

/// Whole prices fill the first megabyte; one behind it says that the comma is no thousands' mark.
#[test]
fn a_decimal_mark_that_shows_late_holds_for_the_whole_file() {
    let line = |number: u32, price: &str| format!("{number};A;BOX;1;2011-01-31;{price};{};UK\n", number % 100);
    let whole: String = (0..40_000).map(|number| line(number, if number % 2 == 0 { "1,125" } else { "7" })).collect();
    let header = HEADER.replace(',', ";");
    let shop = Shop::new();
    shop.write("late.csv", format!("{header}\n{whole}{}", line(40_000, "12,50")));
    let document = shop.json(&["run", "--input", "late.csv"]);
    assert_eq!(document["input"]["accepted"], 40_001);
    assert_eq!(document["revenue"], json!(20_000.0 * 1.125 + 20_000.0 * 7.0 + 12.5));
    let shop = Shop::new();
    shop.write("both.csv", format!("{header}\n{}{}", line(1, "2.50"), line(2, "12,50")));
    let document = shop.json(&["run", "--input", "both.csv"]);
    assert_eq!(document["input"]["rejected"], json!({ "bad_price": 1 }));
    assert!(
        evidence(&document)
            .contains("warning: prices contradict each other: 1 price can only be read with a decimal comma")
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn compressed_files_come_to_the_same() {
    let text = ONLINE_RETAIL.text().into_bytes();
    // Members meet in the middle of a line.
    let (one, other) = text.split_at(text.len() / 2);
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("memory");
    let cases: [(&str, Vec<u8>); 5] = [
        ("orders.csv.gz", gzip(&text)),
        ("two members.csv.gz", [gzip(one), gzip(other)].concat()),
        ("orders.csv.zst", zstd(&text)),
        ("two frames.csv.zst", [zstd(one), zstd(other)].concat()),
        ("named otherwise", gzip(&text)),
    ];
    for (name, bytes) in cases {
        let shop = Shop::new();
        shop.write(name, bytes);
        check(&shop, &shop.json(&["run", "--input", name]), &[]);
    }
}

#[test]
fn workbooks_come_to_the_same() {
    let sheet = |orders: &[common::orders::Order]| -> Vec<_> {
        std::iter::once(header(&ONLINE_RETAIL.header)).chain(orders.iter().map(cells)).collect()
    };
    let cases = [
        ("one sheet", vec![sheet(&ORDERS)]),
        ("two sheets", vec![sheet(&ORDERS[..3]), sheet(&ORDERS[3..])]),
        ("an empty sheet", vec![sheet(&ORDERS), Vec::new()]),
    ];
    for (name, sheets) in cases {
        let shop = Shop::new();
        shop.write("Online Retail.xlsx", workbook(&sheets));
        eprintln!("{name}");
        check(&shop, &shop.json(&["run", "--input", "Online Retail.xlsx"]), &[]);
    }
}

#[test]
fn rows_of_a_workbook_keep_their_numbers() {
    let shop = Shop::new();
    let mut rows = vec![header(&ONLINE_RETAIL.header)];
    rows.extend(ORDERS.iter().map(cells));
    rows.insert(3, Vec::new());
    rows.insert(4, vec![Cell::Text(String::new())]);
    rows.insert(0, Vec::new());
    shop.write("orders.xlsx", workbook(&[rows]));
    shop.done(&["ingest", "--input", "orders.xlsx"]);
    let positions: Vec<Value> = shop.columns("rejected_orders", &["source_position"]).concat();
    // A line break inside the third row's cell is a line more, as in a text file.
    assert_eq!(positions, [json!(10), json!(11)], "row 9 is the cancellation, row 10 has no customer");
}

#[test]
fn parquet_files_come_to_the_same() {
    let shop = Shop::new();
    let texts = |of: fn(&common::orders::Order) -> &str| -> ArrayRef {
        let values = ORDERS.iter().map(|order| Some(of(order)).filter(|text| !text.is_empty()));
        Arc::new(values.collect::<StringArray>())
    };
    let times = ORDERS.iter().map(|order| order.time().and_utc().timestamp_millis());
    let prices = ORDERS.iter().map(|order| order.price.parse::<f64>().expect("a price"));
    let pieces = ORDERS.iter().map(|order| i32::try_from(order.quantity).map(f64::from).expect("few"));
    let columns: [(&str, ArrayRef); 8] = [
        ("InvoiceNo", texts(|order| order.invoice)),
        ("StockCode", texts(|order| order.stock_code)),
        ("Description", texts(|order| order.description)),
        ("Quantity", Arc::new(Float64Array::from_iter_values(pieces))),
        ("InvoiceDate", Arc::new(TimestampMillisecondArray::from_iter_values(times))),
        ("UnitPrice", Arc::new(Float64Array::from_iter_values(prices))),
        ("CustomerID", texts(|order| order.customer)),
        ("Country", texts(|order| order.country)),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let file = File::create(shop.path("orders.parquet")).expect("a file");
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a footer");
    check(&shop, &shop.json(&["run", "--input", "orders.parquet"]), &[]);
}

/// A customer column with empty cells is a column of doubles to most tools.
#[test]
fn customers_in_a_parquet_column_of_doubles_keep_their_ids() {
    let shop = Shop::new();
    let columns: [(&str, ArrayRef); 5] = [
        ("invoice", Arc::new(StringArray::from(vec!["1", "2"]))),
        ("quantity", Arc::new(Float64Array::from(vec![1.0, 2.0]))),
        ("invoice_date", Arc::new(StringArray::from(vec!["2011-01-01", "2011-01-02"]))),
        ("price", Arc::new(Float64Array::from(vec![0.1, 12_345_678.25]))),
        ("customer_id", Arc::new(Float64Array::from(vec![Some(12_347.0), None]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let file = File::create(shop.path("orders.parquet")).expect("a file");
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a footer");
    shop.done(&["run", "--input", "orders.parquet"]);
    assert_eq!(json!(shop.columns("customer_rfm", &["customer_id", "monetary"])), json!([["12347", 0.1]]));
    assert_eq!(json!(shop.columns("rejected_orders", &["reason"])), json!([["missing_customer"]]));
}

#[test]
fn files_may_be_many() {
    let parts = [("a.csv", &ORDERS[..2]), ("b.csv", &ORDERS[2..4]), ("c.csv", &ORDERS[4..])];
    let cases: [(&str, &[&str]); 6] = [
        ("named one by one", &["--input", "in/a.csv", "in/b.csv", "in/c.csv"]),
        ("each with its flag", &["--input", "in/a.csv", "--input", "in/b.csv", "-i", "in/c.csv"]),
        ("a glob", &["--input", "in/*.csv"]),
        ("a folder", &["--input", "in"]),
        ("a file and a glob that has it too", &["--input", "in/b.csv", "in/[abc].csv"]),
        ("a folder, twice", &["--input", "in", "in/"]),
    ];
    for (name, arguments) in cases {
        let shop = Shop::new();
        for (file, orders) in parts {
            let spelling = Spelling { dates: ISO, ..ONLINE_RETAIL };
            shop.write(&format!("in/{file}"), spelling.text_of(orders));
        }
        shop.write("in/notes.md", "not an order file");
        shop.write("in/.backup.csv", "not looked at");
        shop.write("in/~$a.xlsx", "not looked at");
        shop.write("in/.trash/d.csv", "not looked at");
        let document = shop.json(&[&["run"], arguments].concat());
        eprintln!("{name}");
        check(&shop, &document, &[]);
        assert_eq!(document["sources"].as_array().map(Vec::len), Some(3), "{name}");
    }
}

#[test]
fn folders_are_read_with_what_is_below_them() {
    let shop = Shop::new();
    let spelling = Spelling { dates: ISO, ..ONLINE_RETAIL };
    shop.write("in/2010/12/a.csv", spelling.text_of(&ORDERS[..3]));
    shop.write("in/2011/b.csv", spelling.text_of(&ORDERS[3..]));
    check(&shop, &shop.json(&["run", "--input", "in"]), &[]);
}

#[test]
fn standard_input_and_pipes_come_to_the_same() {
    let compressed = gzip(ONLINE_RETAIL.text().as_bytes());
    let sheet = std::iter::once(header(&ONLINE_RETAIL.header)).chain(ORDERS.iter().map(cells)).collect();
    let cases: [(&str, &str, Vec<u8>); 4] = [
        ("text", "-", ONLINE_RETAIL.text().into_bytes()),
        ("gzip", "-", compressed),
        ("a workbook", "-", workbook(&[sheet])),
        ("a pipe by name", "/dev/stdin", ONLINE_RETAIL.text().into_bytes()),
    ];
    for (name, input, bytes) in cases {
        let shop = Shop::new();
        let mut command = shop.command(&["run", "--input", input, "--json"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect(name);
        child.stdin.take().expect("piped").write_all(&bytes).expect("it reads");
        let answer = common::Answer::of(&child.wait_with_output().expect("it ends"));
        let document = serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{name}: {}", answer.stderr));
        check(&shop, &document, &[]);
    }
}

#[test]
fn columns_are_mapped_on_request() {
    let names =
        ["invoice", "stock_code", "description", "quantity", "ordered_at", "unit_price", "customer_id", "country"];
    let pairs: Vec<String> = names.iter().zip(FOREIGN).map(|(ours, theirs)| format!("{ours}={theirs}")).collect();
    let flags: Vec<&str> = pairs.iter().flat_map(|pair| ["--map", pair]).collect();
    let by_flags = Shop::new();
    by_flags.write("orders.csv", text(|s| s.header = FOREIGN));
    check(&by_flags, &by_flags.json(&[&["run", "--input", "orders.csv"], flags.as_slice()].concat()), &[]);

    let by_file = Shop::new();
    let entries: Vec<String> = names.iter().zip(FOREIGN).map(|(ours, theirs)| format!("{ours} = {theirs:?}")).collect();
    by_file.write("batch.toml", format!("[input.map]\n{}\n", entries.join("\n")));
    by_file.write("orders.csv", text(|s| s.header = FOREIGN));
    check(&by_file, &by_file.json(&["run", "--input", "orders.csv", "--config", "batch.toml"]), &[]);
}

#[test]
fn stock_code_description_and_country_may_be_absent() {
    for without in [&[1, 2, 7][..], &[2], &[7]] {
        let shop = Shop::new();
        shop.write("orders.csv", text(|s| s.without = without));
        check(&shop, &shop.json(&["run", "--input", "orders.csv"]), without);
    }
}

/// Files are read in chunks of 4 MiB that end behind a line end: here that one stands inside quotes.
#[test]
fn a_quoted_line_end_at_a_chunks_end_parts_no_record() {
    const CHUNK: usize = 4 << 20;
    let plain = "1,A,BOX,1,2011-01-01,1,7,UK\n";
    let opening = "2,A,\"TWO\n";
    for shift in [0, 1, 5] {
        let mut text = format!("{HEADER}\n");
        let whole = (CHUNK - text.len() - opening.len() - shift) / plain.len() - 2;
        text.push_str(&plain.repeat(whole));
        let rest = CHUNK - shift - text.len() - opening.len() - plain.len();
        text.push_str(&plain.replace("BOX", &format!("BOX{}", "X".repeat(rest))));
        text.push_str(opening);
        assert_eq!(text.len(), CHUNK - shift);
        text.push_str("LINES\",1,2011-01-02,1,8,UK\nC3,A,BOX,-1,2011-01-03,1,8,UK\n");
        text.push_str(&plain.repeat(10));
        let shop = Shop::new();
        shop.write("orders.csv", &text);
        let document = shop.json(&["run", "--input", "orders.csv"]);
        assert_eq!(document["input"]["accepted"], whole + 1 + 1 + 10, "{shift}");
        let line = text[..text.find("C3,").expect("it is there")].matches('\n').count() + 1;
        let rejected = shop.columns("rejected_orders", &["raw_line", "source_position", "reason"]);
        assert_eq!(rejected, [[json!("C3,A,BOX,-1,2011-01-03,1,8,UK"), json!(line), json!("cancellation")]], "{shift}");
        let customers = json!([["7", whole + 11], ["8", 1]]);
        assert_eq!(
            json!(shop.columns("customer_rfm", &["customer_id", "monetary"])).to_string().replace(".0", ""),
            customers.to_string()
        );
    }
}
