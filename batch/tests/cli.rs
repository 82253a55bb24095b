//! The command line: help, documents, statuses, where settings come from, what is written where.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod common;

use std::io::Read;
use std::process::Stdio;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use common::orders::ONLINE_RETAIL;
use common::{HEADER, Shop};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

const COMMANDS: [&str; 6] = ["run", "ingest", "show", "history", "export", "vacuum"];
const TABLES: [(&str, &[&str]); 9] = [
    ("orders", &["ordered_at", "invoice", "source", "source_position"]),
    ("rejected_orders", &["source", "source_position"]),
    ("sources", &["ingested_at"]),
    ("customer_rfm", &["customer_id"]),
    ("customer_segments", &["customer_id"]),
    ("segment_profiles", &["segment_id"]),
    ("counted_invoices", &["invoice_hash"]),
    ("netted_customers", &["customer_id"]),
    ("publications", &["publication"]),
];

/// `count` invoices of up to 300 customers over a year, the last first, and as many cancellations.
fn many(count: u32) -> String {
    let lines = (0..count).rev().map(|number| {
        let (month, day, spent) = (number % 12 + 1, number % 28 + 1, number % 97 + 1);
        let (invoice, customer) = (500_000 + number, number % 300);
        format!("{invoice},A,BOX,{spent},2011-{month:02}-{day:02},1.5,{customer},UK\nC{invoice},A,BOX,-1,2011-{month:02}-{day:02},1.5,{customer},UK\n")
    });
    lines.fold(format!("{HEADER}\n"), |text, line| text + &line)
}

fn shop() -> Shop {
    let shop = Shop::new();
    shop.write("orders.csv", ONLINE_RETAIL.text());
    shop
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn assert_keys(what: &str, value: &Value, expected: &[&str]) {
    for name in expected {
        assert!(keys(value).contains(name), "{what} has no {name}: {:?}", keys(value));
    }
}

#[test]
fn every_command_helps_with_examples() {
    let shop = Shop::new();
    for command in COMMANDS {
        let help = shop.done(&[command, "--help"]);
        assert!(help.contains("Examples:\n  "), "{command}: {help}");
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(&format!("batch {command}"))),
            "{command}: {help}"
        );
        for flag in ["--lake", "--json", "--quiet", "--config"] {
            assert!(help.contains(flag), "{command} {flag}");
        }
    }
    let help = shop.done(&["--help"]);
    assert!(COMMANDS.iter().all(|command| help.contains(&format!("\n  {command} "))), "{help}");
    assert!(help.contains("Exit status: 0 done, 1 failed, 2 wrong usage, 75"), "{help}");
    assert!(shop.done(&["--version"]).starts_with("batch 0."));
}

#[test]
fn wrong_usage_exits_with_two() {
    let shop = shop();
    shop.done(&["run", "--input", "orders.csv"]);
    let cases: [(&[&str], &str); 8] = [
        (&[], "Usage: batch <COMMAND>"),
        (&["segment"], "unrecognized subcommand 'segment'"),
        (&["ingest"], "--input <FILE>"),
        (&["run", "--inputs", "orders.csv"], "unexpected argument '--inputs'"),
        (&["vacuum", "--keep", "0"], "invalid value '0' for '--keep"),
        (&["vacuum"], "--keep <N>"),
        (&["export", "customers"], "there is no table \"customers\"; the tables are orders, rejected_orders,"),
        (&["export", "orders", "--json", "--format", "csv"], "name a file with -o, or leave --json out"),
    ];
    for (arguments, expected) in cases {
        let answer = shop.run(arguments);
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(answer.stderr.contains(expected), "{arguments:?}: {}", answer.stderr);
    }
}

#[test]
fn what_is_not_there_is_named() {
    let shop = shop();
    for arguments in [&["show"][..], &["history"], &["export", "orders"], &["vacuum", "--keep", "1"]] {
        let message = shop.refused(arguments);
        assert!(
            message.contains("lake ./lake: there is no such folder; make a lake with batch run --input FILE"),
            "{message}"
        );
        assert!(!shop.path("lake").exists(), "{arguments:?} makes no lake");
    }
    shop.done(&["ingest", "--input", "orders.csv"]);
    assert!(shop.refused(&["show"]).contains("has no publication yet; make one: batch run --lake"));
    assert!(shop.done(&["history"]).contains("has no publication yet; make one: batch run --lake"));
    assert_eq!(shop.json(&["history"])["publications"], json!([]));
    shop.done(&["run"]);
    for arguments in [&["show", "--publication", "99"][..], &["export", "orders", "--publication", "99"]] {
        let message = shop.refused(arguments);
        assert!(message.contains("has no publication 99; `batch history` lists them"), "{message}");
    }
}

#[test]
fn json_is_one_document_with_these_fields() {
    let shop = shop();
    let ingested = shop.json(&["ingest", "--input", "orders.csv"]);
    assert_keys("ingest", &ingested, &["lake", "input", "sources"]);
    let run = shop.json(&["run"]);
    let fields = [
        "publication",
        "reference_time",
        "published_at",
        "input",
        "customers",
        "invoices",
        "revenue",
        "model",
        "segments",
        "rfm_segments",
        "timings_ms",
    ];
    assert_keys("run", &run, &fields);
    assert_keys("input", &run["input"], &["read", "accepted", "rejected", "already_known"]);
    let model = ["k", "seed", "inertia", "silhouette", "davies_bouldin", "calinski_harabasz", "scale", "centroids"];
    assert_keys("model", &run["model"], &model);
    let segment = ["segment_id", "segment_name", "customers", "revenue", "recency_days", "frequency", "monetary"];
    assert_eq!(run["segments"].as_array().map(Vec::len), Some(3), "three customers");
    run["segments"].as_array().expect("segments").iter().for_each(|row| assert_keys("segment", row, &segment));
    assert_keys("rfm segment", &run["rfm_segments"][0], &["rfm_segment", "customers", "revenue"]);
    for part in ["segments", "rfm_segments"] {
        let total =
            |name: &str| run[part].as_array().expect("rows").iter().filter_map(|row| row[name].as_f64()).sum::<f64>();
        assert!((total("customers") - 3.0).abs() < 1e-9 && (total("revenue") - 184.16).abs() < 1e-9, "{part}");
    }
    assert_eq!(shop.json(&["show"]), run, "show prints the document of the run");

    let history = shop.json(&["history"]);
    let entry =
        ["publication", "published_at", "reference_time", "orders", "customers", "invoices", "revenue", "model"];
    assert_keys("history", &history["publications"][0], &entry);
    let exported = shop.json(&["export", "customer_rfm", "-o", "rfm.csv"]);
    assert_eq!(exported, json!({"table": "customer_rfm", "publication": 1, "rows": 3, "file": "rfm.csv"}));
    assert_eq!(shop.json(&["export", "customer_rfm"]).as_array().map(Vec::len), Some(3), "the table is the document");
    assert_keys(
        "vacuum",
        &shop.json(&["vacuum", "--keep", "1"]),
        &["publications", "files", "bytes", "kept_publications"],
    );
}

#[test]
fn quiet_is_silent_on_stderr_but_for_errors() {
    let shop = shop();
    for arguments in [
        &["run", "--input", "orders.csv"][..],
        &["show"],
        &["history"],
        &["export", "orders"],
        &["vacuum", "--keep", "1"],
    ] {
        let answer = shop.run(&[arguments, &["--quiet"]].concat());
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{arguments:?}");
        assert_ne!(answer.stdout, "", "{arguments:?} still prints its result");
    }
    let loud = shop.run(&["ingest", "--input", "orders.csv"]);
    let told = "orders.csv: 7 lines, 0 accepted, 0 rejected, 7 already known\n  was ingested before";
    assert!(loud.stderr.contains(told), "{}", loud.stderr);
    assert!(shop.run(&["run", "--input", "gone.csv", "--quiet"]).stderr.contains("gone.csv: No such file"));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let shop = Shop::new();
    shop.write("orders.csv", many(15_000));
    shop.done(&["run", "--input", "orders.csv"]);
    for format in ["csv", "json", "parquet"] {
        let mut command = shop.command(&["export", "orders", "--format", format]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut begin = [0; 4];
        child.stdout.take().expect("piped").read_exact(&mut begin).expect("bytes");
        let answer = common::Answer::of(&child.wait_with_output().expect("it ends"));
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{format}");
    }
}

#[test]
fn an_export_that_cannot_be_written_says_so() {
    let shop = shop();
    shop.done(&["run", "--input", "orders.csv"]);
    let message = shop.refused(&["export", "orders", "-o", "no/such/folder/orders.csv"]);
    assert!(message.contains("cannot write no/such/folder/orders.csv: No such file or directory"), "{message}");
    if std::path::Path::new("/dev/full").exists() {
        for format in ["csv", "json", "parquet"] {
            let message = shop.refused(&["export", "orders", "-o", "/dev/full", "--format", format]);
            assert!(message.contains("cannot write /dev/full: No space left on device"), "{format}: {message}");
        }
    }
}

#[test]
fn an_export_is_whole_or_not_there_and_its_ending_is_meant() {
    let shop = shop();
    shop.done(&["run", "--input", "orders.csv"]);
    shop.write("kept.csv", "what was here before");
    std::fs::create_dir(shop.path("exports")).expect("a folder");
    std::fs::write(shop.path("lake/customer_rfm/keep.txt"), "").expect("a file");
    let cases = [
        ("rfm.csv.gz", &[][..], "exports are not compressed"),
        ("rfm.csv.gz", &["--format", "csv"], "exports are not compressed"),
        ("rfm.xlsx", &[], ".xlsx names no format; end it in .csv, .parquet or .json, or pass --format"),
    ];
    for (name, flags, expected) in cases {
        let message = shop.refused(&[&["export", "customer_rfm", "-o", name], flags].concat());
        assert!(message.contains(expected), "{message}");
        assert!(!shop.path(name).exists(), "{name}");
    }
    shop.done(&["export", "customer_rfm", "-o", "rfm.table", "--format", "json"]);
    shop.done(&["export", "customer_rfm", "-o", "exports/RFM.CSV"]);
    for entry in std::fs::read_dir(shop.path("lake/customer_rfm")).expect("a table") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "parquet") {
            std::fs::write(path, "damaged").expect("a file");
        }
    }
    shop.refused(&["export", "customer_rfm", "-o", "kept.csv"]);
    assert_eq!(std::fs::read_to_string(shop.path("kept.csv")).expect("a file"), "what was here before");
    shop.refused(&["export", "customer_rfm", "-o", "exports/new.csv"]);
    assert_eq!(std::fs::read_dir(shop.path("exports")).expect("a folder").count(), 1, "no part stays");
}

#[test]
fn columns_are_mapped_several_at_once() {
    let shop = Shop::new();
    shop.write("orders.csv", "Order,Item,What,Pieces,When,Each,Client,Land\n1,A,BOX,1,2011-01-01,1,7,UK\n");
    let pairs = ["invoice=Order", "stock_code=Item", "quantity=Pieces", "ordered_at=When", "unit_price=Each"];
    let flags = [&["run", "--input", "orders.csv", "--map"][..], &pairs, &["--map", "customer_id=Client"]].concat();
    assert_eq!(shop.json(&flags)["input"]["accepted"], 1);
}

#[test]
fn a_lake_of_another_version_says_what_to_do() {
    let shop = shop();
    shop.done(&["run", "--input", "orders.csv"]);
    let log = shop.path("lake/publications/_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&log).expect("a log");
    std::fs::write(&log, text.replace("kafka_offsets", "offsets")).expect("a log");
    let message = shop.refused(&["show"]);
    let expected = "was made by another version of this program: table publications lacks kafka_offsets, and has offsets; ingest its order files into a new lake";
    assert!(message.contains(expected), "{message}");
}

/// File, then environment, then flags.
#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let shop = shop();
    shop.write("batch.toml", "lake = \"from-file\"\nreference_date = \"2012-01-01\"\n[model]\nk = 1\nseed = 1\n");
    let file = "--config=batch.toml";
    let environment =
        [("CLIENTELE_LAKE", "from-env"), ("CLIENTELE_K", "2"), ("CLIENTELE_REFERENCE_DATE", "2013-01-01")];
    let flags = ["--lake", "from-flag", "--k", "3", "--reference-date", "2014-01-01"];
    let cases = [
        (["from-file", "2012-01-01T00:00:00Z"], 1, &[][..], &[][..]),
        (["from-env", "2013-01-01T00:00:00Z"], 2, &environment, &[]),
        (["from-flag", "2014-01-01T00:00:00Z"], 3, &environment, &flags),
    ];
    for ([lake, reference], k, environment, flags) in cases {
        let mut command = shop.command(&[&["run", "--input", "orders.csv", "--json", file], flags].concat());
        let answer = common::Answer::of(&command.envs(environment.iter().copied()).output().expect("it runs"));
        let document: Value =
            serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{lake}: {}", answer.stderr));
        let found = [&document["model"]["k"], &document["model"]["seed"], &document["reference_time"]];
        assert_eq!(found, [&json!(k), &json!(1), &json!(reference)], "{lake}");
        assert!(shop.path(lake).join("publications/_delta_log").exists(), "{lake}");
    }
    assert!(!shop.path("lake").exists());
}

#[test]
fn exports_are_sorted_by_key_in_every_format() {
    let shop = Shop::new();
    shop.write("orders.csv", many(300));
    shop.done(&["run", "--input", "orders.csv"]);
    for (table, key) in TABLES {
        let rows = shop.table(table);
        let order = |row: &Value| -> Vec<(i64, String)> {
            key.iter().map(|name| (row[*name].as_i64().unwrap_or(0), row[*name].to_string())).collect()
        };
        assert!(rows.iter().is_sorted_by_key(order), "{table}");
        let name = |end: &str| format!("{table}.{end}");
        for end in ["csv", "json", "parquet"] {
            let shown = shop.done(&["export", table, "-o", &name(end)]);
            let count = if rows.len() == 1 { "1 row".to_owned() } else { format!("{} rows", rows.len()) };
            assert_eq!(shown, format!("{count} of {table} in {}\n", name(end)));
        }
        let json: Vec<Value> =
            serde_json::from_slice(&std::fs::read(shop.path(&name("json"))).expect("a file")).expect("JSON");
        assert_eq!(json, rows, "{table}");
        let csv = std::fs::read_to_string(shop.path(&name("csv"))).expect("a file");
        assert_eq!(csv, shop.done(&["export", table]), "{table}: csv is the default");
        for name in key {
            assert!(
                csv.lines().next().is_some_and(|header| header.split(',').any(|column| column == *name)),
                "{table}"
            );
        }
        let file = std::fs::File::open(shop.path(&name("parquet"))).expect("a file");
        let batches =
            ParquetRecordBatchReaderBuilder::try_new(file).and_then(|reader| reader.build()).expect("Parquet");
        assert_eq!(batches.map(|batch| batch.expect("rows").num_rows()).sum::<usize>(), rows.len(), "{table}");
    }
    let csv = shop.done(&["export", "customer_segments"]);
    let ids: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert!(ids.len() == 300 && ids.is_sorted(), "customers once each, by id");
    let file = std::fs::File::open(shop.path("orders.parquet")).expect("a file");
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|reader| reader.build()).expect("Parquet");
    let quantity = |batch: arrow::array::RecordBatch| -> i64 {
        batch.column_by_name("quantity").expect("quantity").as_primitive::<Int64Type>().values().iter().sum()
    };
    let total: i64 = batches.map(|batch| quantity(batch.expect("rows"))).sum();
    assert_eq!(total, (0..300).map(|number| number % 97 + 1).sum::<i64>());
}

#[test]
fn an_empty_table_is_still_a_file() {
    let shop = Shop::new();
    shop.write("orders.csv", format!("{HEADER}\n1,A,BOX,1,2011-01-01,1,7,UK\n"));
    shop.done(&["run", "--input", "orders.csv"]);
    assert_eq!(shop.done(&["export", "rejected_orders"]), "raw_line,source,source_position,reason\n");
    assert_eq!(shop.table("rejected_orders"), Vec::<Value>::new());
    shop.done(&["export", "rejected_orders", "-o", "rejected.parquet"]);
    let file = std::fs::File::open(shop.path("rejected.parquet")).expect("a file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    assert_eq!((reader.schema().fields().len(), reader.metadata().file_metadata().num_rows()), (4, 0));
}

#[test]
fn older_publications_stay_as_they_were() {
    let shop = shop();
    let first = shop.json(&["run", "--input", "orders.csv"]);
    let customers = shop.table("customer_rfm");
    shop.write_lines("more.csv", &["600000,A,BOX,100,2011-06-30 12:00,1.00,99999,France"]);
    let second = shop.json(&["run", "--input", "more.csv", "--k", "2"]);
    assert_eq!(
        (&second["publication"], &second["customers"], &second["revenue"]),
        (&json!(2), &json!(4), &json!(284.16))
    );
    assert_eq!(shop.json(&["show"]), second);
    assert_eq!(shop.json(&["show", "--publication", "1"]), first);
    let export = |table: &str, id: &str| -> Vec<Value> {
        serde_json::from_str(&shop.done(&["export", table, "--format", "json", "--publication", id])).expect("rows")
    };
    assert_eq!(export("customer_rfm", "1"), customers);
    assert_eq!(["1", "2"].map(|id| export("orders", id).len()), [5, 6]);

    let history = shop.json(&["history"]);
    let entries: Vec<Value> = history["publications"].as_array().expect("publications").clone();
    let of = |name: &str| entries.iter().map(|entry| entry[name].clone()).collect::<Vec<_>>();
    assert_eq!((of("publication"), of("orders")), (vec![json!(1), json!(2)], vec![json!(5), json!(6)]));
    assert_eq!(of("revenue"), [json!(184.16), json!(284.16)]);
    let shown = shop.done(&["history"]);
    assert!(shown.contains("184.16") && shown.contains("2011-07-01"), "{shown}");

    let dry = shop.json(&["vacuum", "--keep", "1", "--dry-run"]);
    assert_eq!((&dry["publications"], &dry["kept_publications"]), (&json!([1]), &json!(1)));
    assert_eq!(shop.json(&["show", "--publication", "1"]), first, "a dry run forgets nothing");
    assert_eq!(shop.json(&["vacuum", "--keep", "1"]), dry, "what a dry run says is what happens");
    assert!(shop.refused(&["show", "--publication", "1"]).contains("has no publication 1"));
    assert_eq!(shop.json(&["show"]), second);
}

#[test]
fn the_picture_is_one_file_that_fetches_nothing() {
    let shop = Shop::new();
    shop.write("orders.csv", many(300));
    shop.done(&["run", "--input", "orders.csv", "--html", "run.html"]);
    shop.done(&["show", "--html", "show.html"]);
    let [run, show] =
        ["run.html", "show.html"].map(|name| std::fs::read_to_string(shop.path(name)).expect("a picture"));
    assert_eq!(run, show);
    assert!(run.starts_with("<!DOCTYPE html>") && run.contains("<svg") && run.contains("</html>"));
    assert!(run.contains("High Value VIP"));
    // A namespace is a name, not an address.
    let text = run.replace("http://www.w3.org/2000/svg", "").replace("<link rel=\"icon\" href=\"data:,\">", "");
    for fetch in ["http://", "https://", "src=", "@import", "url(", "<link", "<script"] {
        assert!(!text.contains(fetch), "{fetch}");
    }
    let message = shop.refused(&["show", "--html", "no/such/folder.html"]);
    assert!(message.contains("cannot write no/such/folder.html"), "{message}");
}
