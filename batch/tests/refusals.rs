//! What cannot be read is refused with a message that says what to do, and nothing of it is ingested.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod common;

use std::io::Write;

use common::orders::{ONLINE_RETAIL, ORDERS};
use common::workbook::{cells, header, workbook, zip};
use common::{HEADER, Shop};
use serde_json::json;

const GOOD: &str = "1,A,BOX,1,2011-01-01,1,7,UK\n";

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Bytes without sense, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let step =
        |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(42_u64), step).map(|state| state.to_be_bytes()[0]).take(length).collect()
}

#[test]
fn files_that_are_no_order_files() {
    let text = format!("{HEADER}\n{}", GOOD.repeat(100));
    let marked = format!("\u{feff}{text}");
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 20].to_vec();
    let two_headers = vec![
        std::iter::once(header(&ONLINE_RETAIL.header)).chain(ORDERS.iter().map(cells)).collect(),
        vec![header(&["Month", "Orders"]), header(&["January", "7"])],
    ];
    let to_utf8 = "is UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8";
    let cases: [(&str, Vec<u8>, &str); 16] = [
        ("utf-16le.csv", utf16(&marked, u16::to_le_bytes), to_utf8),
        ("utf-16be.csv", utf16(&marked, u16::to_be_bytes), to_utf8),
        ("utf-16 unmarked.csv", utf16(&text, u16::to_le_bytes), to_utf8),
        ("empty.csv", Vec::new(), "is empty; it needs at least a header line"),
        ("blank.csv", b" \r\n\n\t\n".to_vec(), "is empty; it needs at least a header line"),
        ("mark.csv", b"\xEF\xBB\xBF".to_vec(), "is empty; it needs at least a header line"),
        ("empty.csv.gz", gzip(b""), "is empty; it needs at least a header line"),
        ("noise.csv", noise(5000), "is a binary file, not delimited text; give CSV, XLSX or Parquet"),
        ("zeros.csv", [b"MZ".to_vec(), vec![0; 3000]].concat(), "is a binary file, not delimited text"),
        ("mac.csv", text.replace('\n', "\r").into_bytes(), "carriage returns alone; convert it first: tr '\\r' '\\n'"),
        ("cut.csv.gz", cut(gzip(text.as_bytes())), "is cut short or damaged"),
        (
            "cut.csv.zst",
            cut(zstd::encode_all(noise(200_000).as_slice(), 1).expect("memory")),
            "is cut short or damaged",
        ),
        (
            "archive.zip",
            zip(&[("orders.csv".to_owned(), text.clone())]),
            "is a ZIP archive but no readable XLSX workbook",
        ),
        (
            "sheets.xlsx",
            workbook(&two_headers),
            "sheet \"Year 2\" has another header than the first sheet; save the sheets",
        ),
        ("orders.parquet", b"PAR1 and so on".to_vec(), "is no readable Parquet file"),
        (
            "columns.csv",
            b"InvoiceNo,Quantity,When,UnitPrice,Client\n1,1,2011-01-01,1,7\n".to_vec(),
            "no column for ordered_at, customer_id; the header has InvoiceNo, Quantity, When, UnitPrice, Client; name it with --map ordered_at=COLUMN",
        ),
    ];
    for (name, bytes, expected) in cases {
        let shop = Shop::new();
        shop.write(name, bytes);
        for command in ["run", "ingest"] {
            let message = shop.refused(&[command, "--input", name]);
            assert!(message.starts_with(&format!("error: {name}")), "{command} {name}: {message}");
            assert!(message.contains(expected), "{command} {name}: {message}");
        }
        assert_eq!(shop.accepted(), 0, "{name}");
    }
}

/// The beginning is read and cleaned before the end turns out to be missing.
#[test]
fn a_cut_file_brings_no_line() {
    let lines: String = (0..60_000).map(|number| format!("{number},A,BOX,1,2011-01-01,1,{number},UK\n")).collect();
    let whole = gzip(format!("{HEADER}\n{lines}").as_bytes());
    let shop = Shop::new();
    shop.write("orders.csv.gz", &whole[..whole.len() - 1000]);
    let message = shop.refused(&["run", "--input", "orders.csv.gz"]);
    assert!(message.contains("orders.csv.gz is cut short or damaged"), "{message}");
    assert_eq!(shop.accepted(), 0);
    shop.write("orders.csv.gz", &whole);
    assert_eq!(shop.json(&["run", "--input", "orders.csv.gz"])["input"]["accepted"], 60_000);
}

#[test]
fn inputs_that_name_no_file() {
    let cases = [
        ("missing.csv", "missing.csv: No such file or directory"),
        ("*.csv", "*.csv: matches no file"),
        ("[.csv", "[.csv: is no valid pattern"),
        (
            "nothing",
            "nothing: is a folder without order files in it or below (.csv, .tsv, .txt, .xlsx, .parquet, also .gz and .zst)",
        ),
    ];
    for (input, expected) in cases {
        let shop = Shop::new();
        shop.write("nothing/readme.md", "no orders here");
        shop.write("good/orders.csv", format!("{HEADER}\n{GOOD}"));
        let message = shop.refused(&["run", "--input", "good/orders.csv", input]);
        assert!(message.contains(expected), "{input}: {message}");
        assert_eq!(shop.accepted(), 0, "{input}: nothing is read before every input is known to be there");
    }
}

#[test]
fn a_header_alone_holds_no_orders() {
    let shop = Shop::new();
    shop.write("orders.csv", format!("{HEADER}\r\n"));
    let message = shop.refused(&["run", "--input", "orders.csv"]);
    assert!(message.contains("holds no accepted orders; ingest some: batch run --lake"), "{message}");
    assert_eq!(shop.json(&["ingest", "--input", "orders.csv"])["input"]["read"], 0);
    assert!(shop.refused(&["show"]).contains("has no publication yet; make one: batch run --lake"));
}

/// A new lake is taken back; one that was there, and a folder that was there, stays.
#[test]
fn a_refused_input_leaves_no_lake() {
    let shop = Shop::new();
    shop.write("good.csv", format!("{HEADER}\n{GOOD}"));
    shop.write("bad.csv", "no\norders\n");
    shop.write("either.csv", format!("{HEADER}\n1,A,BOX,1,01/02/2011,1,7,UK\n"));
    std::fs::create_dir(shop.path("empty")).expect("a folder");
    let left = |lake: &str| std::fs::read_dir(shop.path(lake)).map(Iterator::count).ok();
    for command in ["run", "ingest"] {
        for input in ["bad.csv", "either.csv"] {
            shop.refused(&[command, "--input", input]);
            assert_eq!(left("lake"), None, "{command} {input}");
            shop.refused(&[command, "--input", input, "--lake", "empty"]);
            assert_eq!(left("empty"), Some(0), "{command} {input}");
        }
    }
    assert!(shop.refused(&["run"]).contains("holds no accepted orders"));
    assert_eq!(left("lake"), None);
    let message = shop.refused(&["run", "--input", "good.csv", "--html", "no/such/folder.html"]);
    assert!(message.contains("cannot write no/such/folder.html"), "{message}");
    assert_eq!(left("lake"), None, "the picture's place is tried before the run");
    shop.refused(&["run", "--input", "good.csv", "bad.csv"]);
    assert_eq!(shop.accepted(), 1, "what was committed before stays");
    shop.refused(&["run", "--input", "bad.csv"]);
    assert_eq!(shop.accepted(), 1);
    let message = shop.refused(&["run", "--input", "good.csv", "--lake", "a%20b"]);
    assert!(message.contains("a%20b: the Delta log cannot be kept"), "{message}");
    assert_eq!(left("a%20b"), None);
    shop.done(&["run", "--input", "good.csv", "--lake", "with space"]);
    assert!(shop.done(&["history", "--lake", "with space"]).contains("1.00"));
}

#[test]
fn dates_that_contradict_each_other_are_warned_of() {
    let shop = Shop::new();
    let lines = ["1,A,BOX,1,13/01/2011,1,7,UK", "2,A,BOX,1,14/01/2011,1,7,UK", "3,A,BOX,1,01/15/2011,1,7,UK"];
    shop.write_lines("orders.csv", &lines);
    let answer = shop.run(&["ingest", "--input", "orders.csv"]);
    assert!(answer.stderr.contains("warning: dates contradict each other: 2 lines can only be"), "{}", answer.stderr);
    assert!(answer.stderr.contains(", 1 line only"), "{}", answer.stderr);
    assert_eq!(shop.table("rejected_orders").len(), 1);
}

/// Settings are checked before the lake is touched: status 2.
#[test]
fn settings_that_cannot_be() {
    let cases: [(&[&str], &str); 27] = [
        (&["--k", "0"], "--k: k = 0 is not possible: choose 1 to 32 segments"),
        (&["--k", "33"], "--k: k = 33 is not possible"),
        (&["--k=-1"], "--k: \"-1\" is neither a number nor auto"),
        (&["--k", "many"], "--k: \"many\" is neither a number nor auto"),
        (&["--seed", "x"], "--seed"),
        (&["--threads", "0"], "--threads"),
        (&["--reference-date", "10/12/2011"], "\"10/12/2011\" is no date; write it as 2011-12-10"),
        (&["--reference-date", "2011-02-30"], "\"2011-02-30\" is no date"),
        (&["--encoding", "utf-7"], "unknown encoding \"utf-7\": use auto, utf-8, windows-1252 or iso-8859-1"),
        (&["--date-format", "ydm"], "unknown date format \"ydm\": use mdy, dmy or a strftime pattern"),
        (&["--date-format", "%Q"], "unknown date format \"%Q\""),
        (&["--cancellations", "keep"], "[possible values: drop, net]"),
        (&["--map", "customer_id"], "\"customer_id\" is no COLUMN=NAME, such as customer_id=Client"),
        (&["--map", "client=CustomerID"], "\"client\" is no column; the columns are invoice, stock_code,"),
        (&["--config", "gone.toml"], "gone.toml: No such file"),
        (&["--config", "syntax.toml"], "syntax.toml: TOML parse error at line 3, column 5"),
        (&["--config", "unknown.toml"], "unknown.toml: TOML parse error at line 2, column 1"),
        (&["--config", "kind.toml"], "kind.toml: TOML parse error at line 2, column 8"),
        (&["--config", "range.toml"], "range.toml: [model] k_range: k from 8 to 2 is no range to choose from"),
        (&["--config", "unused.toml"], "unused.toml: [model] k_range: k from 8 to 2 is no range to choose from"),
        (&["--config", "k.toml"], "k.toml: [model] k: k = 99 is not possible"),
        (&["--config", "word.toml"], "word.toml: [model] k: \"many\" is neither a number nor auto"),
        (&["--config", "date.toml"], "date.toml: reference_date: \"10/12/2011\" is no date"),
        (&["--config", "dates.toml"], "dates.toml: [input] date_format: unknown date format \"ydm\""),
        (&["--config", "encoding.toml"], "encoding.toml: [input] encoding: unknown encoding \"utf-7\""),
        (&["--config", "map.toml"], "map.toml: [input] map: \"client\" is no column"),
        (&["--config", "rfm.toml"], "rfm.toml: [rfm]: "),
    ];
    let shop = Shop::new();
    shop.write("orders.csv", format!("{HEADER}\n{GOOD}"));
    shop.write("syntax.toml", "lake = \"./lake\"\n\nk = = 4\n");
    shop.write("unknown.toml", "[model]\nclusters = 4\n");
    shop.write("kind.toml", "[model]\nseed = \"one\"\n");
    shop.write("range.toml", "[model]\nk = \"auto\"\nk_range = [8, 2]\n");
    shop.write("unused.toml", "[model]\nk = 4\nk_range = [8, 2]\n");
    shop.write("k.toml", "[model]\nk = 99\n");
    shop.write("word.toml", "[model]\nk = \"many\"\n");
    shop.write("date.toml", "reference_date = \"10/12/2011\"\n");
    shop.write("dates.toml", "[input]\ndate_format = \"ydm\"\n");
    shop.write("encoding.toml", "[input]\nencoding = \"utf-7\"\n");
    shop.write("map.toml", "[input]\nmap = { client = \"CustomerID\" }\n");
    shop.write("rfm.toml", "[rfm]\nrecency = [9, 8, 7, 6]\n");
    for (flags, expected) in cases {
        let answer = shop.run(&[&["run", "--input", "orders.csv"], flags].concat());
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{flags:?}: {}", answer.stderr);
        assert!(answer.stderr.contains(expected), "{flags:?}: {}", answer.stderr);
        assert!(!shop.path("lake").exists(), "{flags:?}");
    }
}

#[test]
fn a_mapped_column_must_be_there() {
    let shop = Shop::new();
    shop.write("orders.csv", format!("{HEADER}\n{GOOD}"));
    let message = shop.refused(&["run", "--input", "orders.csv", "--map", "customer_id=Client"]);
    let expected =
        "orders.csv: --map customer_id=Client: there is no column \"Client\"; the header has InvoiceNo, StockCode,";
    assert!(message.contains(expected), "{message}");
    assert_eq!(shop.accepted(), 0);
}

#[test]
fn a_reference_date_before_the_newest_order_is_noted() {
    let shop = Shop::new();
    shop.write("orders.csv", format!("{HEADER}\n{GOOD}"));
    let document = shop.json(&["run", "--input", "orders.csv", "--reference-date", "2010-12-31"]);
    assert_eq!(document["segments"][0]["recency_days"], -1.0);
    let notes = document["notes"].as_array().expect("notes");
    assert!(notes.iter().any(|note| note.as_str().is_some_and(|note| note.contains("after the reference date"))));
    let document = shop.json(&["run", "--reference-date", "2011-01-11"]);
    assert_eq!(document["segments"][0]["recency_days"], 10.0);
}

#[test]
fn a_line_of_ten_megabytes_is_kept_whole_among_the_rejected() {
    let long = format!("9,A,{}", "long ".repeat(2_000_000));
    let shop = Shop::new();
    shop.write("orders.csv", format!("{HEADER}\n{GOOD}{long}\n2,A,BOX,1,2011-01-01,1,8,UK\n"));
    let document = shop.json(&["run", "--input", "orders.csv"]);
    assert_eq!((&document["input"]["accepted"], &document["input"]["rejected"]), (&json!(2), &json!({"malformed": 1})));
    let rows = shop.table("rejected_orders");
    assert_eq!((rows.len(), &rows[0]["source_position"]), (1, &json!(3)));
    assert!(rows[0]["raw_line"].as_str() == Some(&long), "the line is another");
}

#[test]
fn a_line_beyond_64_mebibytes_is_refused() {
    let shop = Shop::new();
    shop.write("orders.csv", [format!("{HEADER}\n{GOOD}").into_bytes(), vec![b'x'; 73 << 20], b"\n".to_vec()].concat());
    let message = shop.refused(&["run", "--input", "orders.csv"]);
    assert!(message.contains("orders.csv: has a line longer than 64 MiB; it is no order file"), "{message}");
    assert_eq!(shop.accepted(), 0);
}
