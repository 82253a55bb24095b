//! What a source is that comes again: known, grown, changed or rearranged. Nothing is counted twice.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod common;

use std::io::Write;

use common::{HEADER, Shop};
use serde_json::{Value, json};

/// Invoice `number` of customer `number`, of one piece for £1, on that day of January 2011.
fn line(number: u32) -> String {
    format!("{number},A,BOX,1,1/{}/2011 8:00,1.00,{number},UK\n", number % 31 + 1)
}

fn file(numbers: impl IntoIterator<Item = u32>) -> String {
    numbers.into_iter().fold(format!("{HEADER}\n"), |text, number| text + &line(number))
}

/// Read, accepted and already known lines.
fn counts(document: &Value) -> [u64; 3] {
    ["read", "accepted", "already_known"].map(|name| document["input"][name].as_u64().expect("a count"))
}

fn invoices(shop: &Shop) -> Vec<u32> {
    let mut invoices: Vec<u32> = shop
        .columns("orders", &["invoice"])
        .concat()
        .iter()
        .map(|id| id.as_str().expect("text").parse().expect("ours"))
        .collect();
    invoices.sort_unstable();
    invoices
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn the_same_content_is_known_under_any_name() {
    let text = file(10..20);
    let cases = [
        ("orders.csv", text.clone().into_bytes()),
        ("renamed.csv", text.clone().into_bytes()),
        ("orders.csv.gz", gzip(&text)),
        ("orders.csv.zst", zstd::encode_all(text.as_bytes(), 1).expect("memory")),
    ];
    let shop = Shop::new();
    shop.write("orders.csv", &text);
    assert_eq!(counts(&shop.json(&["run", "--input", "orders.csv"])), [10, 10, 0]);
    let before = shop.table("customer_rfm");
    for (name, bytes) in cases {
        shop.write(name, bytes);
        let document = shop.json(&["run", "--input", name]);
        assert_eq!(counts(&document), [10, 0, 10], "{name}");
        assert!(
            document["sources"][0]["evidence"][0].as_str().is_some_and(|text| text.contains("was ingested before"))
        );
        assert_eq!(shop.table("customer_rfm"), before, "{name}");
    }
    let copies = shop.json(&["ingest", "--input", "renamed.csv", "orders.csv.gz", "orders.csv", "--allow-overlap"]);
    assert_eq!(counts(&copies), [30, 0, 30], "not even --allow-overlap counts the same content again");
    assert_eq!(invoices(&shop), (10..20).collect::<Vec<_>>());
}

/// The file as it is read first, what is appended, and the physical line of the refused line at its end.
#[test]
fn a_grown_file_counts_only_its_new_lines() {
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let whole = file(10..20);
    let unended = whole.trim_end();
    let refused = "X,A,BOX,0,1/31/2011 8:00,1.00,7,UK\n";
    let cases = [
        ("whole lines", whole.clone(), format!("{}{refused}", line(20)), 13),
        ("the last line without its end", unended.to_owned(), format!("\n{}{refused}", line(20)), 13),
        ("carriage returns", crlf(&whole), crlf(&format!("{}{refused}", line(20))), 13),
        ("carriage returns, without the last", crlf(unended), crlf(&format!("\n{}{refused}", line(20))), 13),
        ("blank lines", format!("{whole}\n\n"), format!("{}{refused}", line(20)), 15),
        ("a header alone", format!("{HEADER}\n"), format!("{}{}{refused}", &whole[HEADER.len() + 1..], line(20)), 13),
        ("a header without its end", HEADER.to_owned(), format!("{}{}{refused}", &whole[HEADER.len()..], line(20)), 13),
        ("lines within quotes", whole.replace("BOX", "\"B\nO\nX\""), format!("{}{refused}", line(20)), 33),
    ];
    for (name, before, appended, position) in cases {
        let shop = Shop::new();
        shop.write("orders.csv", &before);
        let first = counts(&shop.json(&["ingest", "--input", "orders.csv"]));
        shop.write("orders.csv", format!("{before}{appended}"));
        let document = shop.json(&["run", "--input", "orders.csv"]);
        assert_eq!(counts(&document), [12, 11 - first[1], first[0]], "{name}");
        assert_eq!(invoices(&shop), (10..21).collect::<Vec<_>>(), "{name}");
        assert_eq!(json!(shop.columns("rejected_orders", &["source_position"])), json!([[position]]), "{name}");
        let again = shop.json(&["run", "--input", "orders.csv"]);
        assert_eq!(counts(&again), [12, 0, 12], "{name}: the grown file is known in turn");
    }
}

#[test]
fn a_file_may_grow_again_and_in_another_form() {
    let shop = Shop::new();
    for end in [22, 24, 24, 27] {
        shop.write("orders.csv.gz", gzip(&file(20..end)));
        shop.json(&["ingest", "--input", "orders.csv.gz"]);
    }
    assert_eq!(invoices(&shop), (20..27).collect::<Vec<_>>());
    let sources = shop.columns("sources", &["read", "accepted"]);
    assert_eq!(json!(sources), json!([[2, 2], [2, 2], [3, 3]]));
}

/// As day/month the new lines alone go forward in time; the lines above them say month/day.
#[test]
fn new_lines_are_dated_as_the_ones_above_them() {
    let above = file([30, 13]);
    for (name, flags) in [("decided from the file", &[][..]), ("as asked", &["--date-format", "mdy"])] {
        let shop = Shop::new();
        shop.write("orders.csv", &above);
        shop.done(&[&["ingest", "--input", "orders.csv"], flags].concat());
        shop.write(
            "orders.csv",
            format!("{above}50,A,BOX,1,9/2/2011 8:00,1.00,7,UK\n51,A,BOX,1,2/3/2011 8:00,1.00,8,UK\n"),
        );
        let document = shop.json(&["run", "--input", "orders.csv"]);
        assert_eq!(document["reference_time"], "2011-09-03T00:00:00Z", "{name}");
        let grown = json!([
            ["13", "2011-01-14T08:00:00Z"],
            ["30", "2011-01-31T08:00:00Z"],
            ["7", "2011-09-02T08:00:00Z"],
            ["8", "2011-02-03T08:00:00Z"]
        ]);
        assert_eq!(json!(shop.columns("customer_rfm", &["customer_id", "last_order_at"])), grown, "{name}");
    }
}

/// A day without orders is a header alone, of which every other file would be the continuation.
#[test]
fn a_header_alone_says_nothing_of_what_follows_it() {
    let shop = Shop::new();
    let ambiguous = format!("{HEADER}\n1,A,BOX,1,3/4/2011,1,7,UK\n2,A,BOX,1,3/4/2011,1,8,UK\n");
    shop.write("empty.csv", format!("{HEADER}\n"));
    shop.write("ambiguous.csv", ambiguous);
    shop.write("orders.csv", file(0..400));
    shop.write("repriced.csv", file(0..400).replace(",1.00,", ",2.00,"));
    shop.done(&["ingest", "--input", "empty.csv"]);
    let message = shop.refused(&["ingest", "--input", "ambiguous.csv"]);
    assert!(message.contains("every date can be read as month/day and as day/month"), "{message}");
    assert_eq!(counts(&shop.json(&["run", "--input", "orders.csv"])), [400, 400, 0]);
    let message = shop.refused(&["run", "--input", "repriced.csv"]);
    assert!(message.contains("has about 100 % of its invoices in common with orders.csv"), "{message}");
    assert_eq!(counts(&shop.json(&["ingest", "--input", "empty.csv"])), [0, 0, 0]);
}

/// What was written of a file that is refused in the end does not stay.
#[test]
fn a_refused_file_leaves_nothing_behind() {
    let shop = Shop::new();
    shop.write("orders.csv", file(0..400));
    shop.done(&["run", "--input", "orders.csv"]);
    let parts = || {
        let glob = |table: &str| {
            glob::glob(shop.path(&format!("lake/{table}/**/part-*")).to_str().expect("plain"))
                .expect("a pattern")
                .count()
        };
        (glob("orders"), glob("rejected_orders"))
    };
    let before = parts();
    // Half of it is known by invoice and line: found only once all of it is written.
    let lap = file((390..400).chain(1000..1030)) + "1031,A,BOX,1,soon,1.00,7,UK\n";
    shop.write("lap.csv", lap);
    let message = shop.refused(&["run", "--input", "lap.csv"]);
    assert!(message.contains("were there before, with the same invoice and content"), "{message}");
    assert_eq!(parts(), before);
}

#[test]
fn a_date_format_that_reads_no_date_is_refused() {
    let shop = Shop::new();
    shop.write("orders.csv", file([12, 30]));
    let message = shop.refused(&["run", "--input", "orders.csv", "--date-format", "%Y-%m-%d"]);
    assert!(message.contains("none of its lines is accepted, and 2 dates cannot be read as %Y-%m-%d"), "{message}");
    assert_eq!(counts(&shop.json(&["run", "--input", "orders.csv"])), [2, 2, 0], "and it is not known by that");
}

/// 3/1 and 4/1 went forward as day/month; the 31st then says that the first number is the month.
#[test]
fn new_lines_that_refute_how_the_others_were_dated_are_refused() {
    let above = format!("{HEADER}\n1,A,BOX,1,3/1/2011,1,7,UK\n2,A,BOX,1,2/2/2011,1,7,UK\n");
    let shop = Shop::new();
    shop.write("orders.csv", &above);
    assert_eq!(shop.json(&["run", "--input", "orders.csv"])["reference_time"], "2011-02-03T00:00:00Z");
    shop.write("orders.csv", format!("{above}3,A,BOX,1,3/31/2011,1,7,UK\n"));
    let message = shop.refused(&["run", "--input", "orders.csv"]);
    assert!(message.contains("orders.csv: its new lines show that its dates are month/day/year"), "{message}");
    assert!(message.contains("read as day/month/year"), "{message}");
    assert_eq!(shop.accepted(), 2);
}

#[test]
fn changed_files_are_refused_and_nothing_is_doubled() {
    let whole = file(0..400);
    let cases = [
        (
            "changed in the middle",
            whole.clone(),
            whole.replace("\n250,A,BOX,1", "\n250,A,BOX,2"),
            "begins as, and then differs from, orders.csv",
        ),
        (
            "changed at the start",
            whole.clone(),
            whole.replace("\n0,A,BOX,1", "\n0,A,BOX,2"),
            "has about 100 % of its invoices in common with orders.csv",
        ),
        ("shrunk", whole.clone(), file(0..300), "begins as, and then differs from, orders.csv"),
        (
            "its last line goes on",
            whole.trim_end().to_owned(),
            format!("{}X\n{}", whole.trim_end(), line(400)),
            "continues the last line of orders.csv",
        ),
        (
            "newest first, grown at the front",
            file((400..430).rev()),
            file((400..440).rev()),
            "has about 100 % of its invoices in common with orders.csv",
        ),
        (
            "in another order",
            whole.clone(),
            file((0..400).rev()),
            "has about 100 % of its invoices in common with orders.csv",
        ),
        ("in another spelling", whole.clone(), whole.replace(',', ";"), "% of its invoices in common with orders.csv"),
        (
            "few lines, one of them corrected",
            file(10..14),
            file(10..14).replace("\n13,A,BOX,1", "\n13,A,BOX,2"),
            "has about 100 % of its invoices in common with orders.csv",
        ),
    ];
    for (name, before, after, expected) in cases {
        let shop = Shop::new();
        shop.write("orders.csv", &before);
        let first = shop.json(&["run", "--input", "orders.csv"]);
        let known = shop.table("customer_rfm");
        shop.write("later.csv", &after);
        let message = shop.refused(&["run", "--input", "later.csv"]);
        assert!(message.starts_with("error: later.csv: ") && message.contains(expected), "{name}: {message}");
        assert!(message.contains("--allow-overlap"), "{name}: {message}");
        assert_eq!(shop.accepted() as u64, counts(&first)[1], "{name}");
        let document = shop.json(&["run"]);
        assert_eq!((counts(&document)[1], shop.table("customer_rfm")), (counts(&first)[1], known), "{name}");
        let lines = counts(&shop.json(&["run", "--input", "later.csv", "--allow-overlap"]))[1];
        assert_eq!(shop.accepted() as u64, counts(&first)[1] + lines, "{name}: --allow-overlap counts every line");
        assert!(lines >= 4, "{name}");
    }
}

#[test]
fn lines_that_are_there_are_found_however_they_come() {
    let months = |of: &[u32]| -> String {
        let lines = of.iter().flat_map(|month| {
            (1..=28).map(move |day| format!("{month}-{day},A,BOX,1,2011-{month:02}-{day:02},1,{day},UK\n"))
        });
        lines.fold(format!("{HEADER}\n"), |text, line| text + &line)
    };
    let excerpt = format!("{HEADER}\n3-7,A,BOX,1,2011-03-07,1,7,UK\n");
    let cases = [
        ("an excerpt of a much larger file", vec![months(&[1, 2, 3, 4, 5])], excerpt, "1 of its 1 line to ingest were"),
        (
            "a month after its parts",
            vec![months(&[1]), months(&[2]), months(&[3])],
            months(&[3, 2]),
            "28 of its 28 lines to ingest were",
        ),
        ("a tenth overlap", vec![file(0..100)], file(90..200), "10 of its 110 lines to ingest were there before"),
    ];
    for (name, before, after, expected) in cases {
        let shop = Shop::new();
        for (number, text) in before.iter().enumerate() {
            shop.write(&format!("{number}.csv"), text);
            shop.done(&["ingest", "--input", &format!("{number}.csv")]);
        }
        let accepted = shop.accepted();
        shop.write("later.csv", &after);
        let message = shop.refused(&["run", "--input", "later.csv"]);
        assert!(message.contains(expected) && message.contains("--allow-overlap"), "{name}: {message}");
        assert_eq!(shop.accepted(), accepted, "{name}");
        shop.done(&["run", "--input", "later.csv", "--allow-overlap"]);
        assert!(shop.accepted() > accepted, "{name}");
    }
}

/// Ten equal lines in one file are ten; an eleventh in another file is one that was there before.
#[test]
fn equal_lines_count_as_often_as_they_come() {
    let line = "1,A,BOX,1,2011-01-01,1,7,UK\n";
    let shop = Shop::new();
    shop.write("ten.csv", format!("{HEADER}\n{}", line.repeat(10)));
    assert_eq!(counts(&shop.json(&["run", "--input", "ten.csv"]))[1], 10);
    let others: String = (2..300).map(|number| format!("{number},A,BOX,1,2011-01-02,1,7,UK\n")).collect();
    shop.write("one.csv", format!("{HEADER}\n{others}{}", line.repeat(2)));
    let document = shop.json(&["run", "--input", "one.csv"]);
    let note =
        "warning: 2 of its 300 lines to ingest were there before, with the same invoice and content; they count twice";
    assert!(document["sources"][0]["evidence"].to_string().contains(note), "{}", document["sources"]);
    assert_eq!(shop.accepted(), 310);
}

#[test]
fn files_before_a_bad_one_stay_and_do_not_double() {
    let shop = Shop::new();
    shop.write("a.csv", file(0..40));
    shop.write("b.csv", "InvoiceNo,Quantity\n1,2\n");
    shop.write("c.csv", file(80..120));
    let inputs = ["run", "--input", "a.csv", "b.csv", "c.csv"];
    let message = shop.refused(&inputs);
    assert!(message.contains("b.csv: no column for ordered_at, unit_price, customer_id"), "{message}");
    assert_eq!(invoices(&shop), (0..40).collect::<Vec<_>>());
    assert!(shop.refused(&["show"]).contains("has no publication yet"));
    shop.write("b.csv", file(40..80));
    let document = shop.json(&inputs);
    assert_eq!(counts(&document), [120, 80, 40]);
    assert_eq!(invoices(&shop), (0..120).collect::<Vec<_>>());
    assert_eq!((&document["customers"], &document["revenue"]), (&json!(120), &json!(120.0)));
}

#[test]
fn small_files_share_their_commits_and_are_compared_with_one_another() {
    let shop = Shop::new();
    let plain = |numbers: &[u32]| {
        let line = |number: &u32| format!("{number},A,BOX,1,2011-01-{:02} 08:00,1.00,{number},UK\n", number % 31 + 1);
        format!("{HEADER}\n{}", numbers.iter().map(line).collect::<String>())
    };
    for number in 0..130 {
        shop.write(&format!("days/{number:03}.csv"), plain(&[number]));
    }
    let document = shop.json(&["ingest", "--input", "days"]);
    assert_eq!(counts(&document), [130, 130, 0]);
    assert_eq!(document["sources"].as_array().map(Vec::len), Some(130));
    for table in ["sources", "rejected_orders", "orders"] {
        let log = std::fs::read_dir(shop.path(&format!("lake/{table}/_delta_log"))).expect("a log");
        let commits =
            log.filter(|entry| entry.as_ref().is_ok_and(|own| own.path().extension() == Some("json".as_ref())));
        assert_eq!(commits.count(), 3, "{table}: its making, a hundred sources, and thirty");
    }
    assert_eq!(counts(&shop.json(&["ingest", "--input", "days"])), [130, 0, 130]);

    // The second holds lines of the first, which no commit names yet when it is read.
    shop.write("first.csv", file(200..240));
    shop.write("second.csv", plain(&[300, 301, 302, 303, 239]));
    let message = shop.refused(&["ingest", "--input", "first.csv", "second.csv"]);
    assert!(message.contains("second.csv: 1 of its 5 lines to ingest were there before"), "{message}");
    assert_eq!(invoices(&shop), (0..130).chain(200..240).collect::<Vec<_>>(), "what came before it stays");
}

#[test]
fn an_invoice_in_two_files_counts_once() {
    let shop = Shop::new();
    shop.write_lines("a.csv", &["1,A,BOX,1,2011-01-31,1.25,7,UK", "1,B,BOX,1,2011-01-31,1.25,8,UK"]);
    shop.write_lines("b.csv", &["1,C,BOX,1,2011-02-01,1.25,7,UK", "2,C,BOX,1,2011-02-02,1.25,7,UK"]);
    let document = shop.json(&["run", "--input", "a.csv", "b.csv"]);
    assert_eq!(document["invoices"], 3);
    let customers = json!([["7", 2, 3.75], ["8", 1, 1.25]]);
    assert_eq!(json!(shop.columns("customer_rfm", &["customer_id", "frequency", "monetary"])), customers);
}
