//! Whatever the bytes: no panic, and every line of the file is accounted for.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod common;

use std::collections::BTreeMap;

use batch::csv::dialect::{Wishes, detect};
use common::orders::{ONLINE_RETAIL, quote};
use common::{HEADER, Shop};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Bytes that mean something to the reader, and a few that should not.
fn bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    let telling = select(&b"\"\"\"\n\n\n\r,,,,;\t|.-0123456789CA x/:\xA3\xC3\xA9\xEF\xBB\xBF\xFF\0"[..]);
    let byte = prop_oneof![40 => telling, 1 => any::<u8>()];
    proptest::collection::vec(byte, 0..length)
}

/// A record of which nearly every field is as it should be.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let invoice = prop_oneof![8 => "[0-9]{1,6}", 1 => "[CA][0-9]{1,6}", 1 => Just(String::new())];
    let text = prop_oneof![4 => "[A-Z ]{0,8}", 2 => "\"[A-Z,\n\r]{0,8}\"", 1 => "[A-Z\"£]{0,5}"];
    let rest = select(vec![
        "1,2011-01-05,2.5,7,UK",
        "0,2011-01-05,2.5,7,UK",
        "1,never,2.5,7,UK",
        "1,2011-01-05,2.5,,UK",
        "1,2",
    ]);
    let end = select(vec!["\n", "\n", "\r\n", "\n\n"]);
    (invoice, text, rest, end)
        .prop_map(|(invoice, text, rest, end)| format!("{invoice},A,{text},{rest}{end}").into_bytes())
}

fn valid_body() -> Vec<u8> {
    let text = ONLINE_RETAIL.text().repeat(3);
    text.split_once('\n').expect("a header").1.as_bytes().to_vec()
}

#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Truncate(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = select(&b"\"\"\n\r,;C-0\xA3\xFF\x80"[..]);
    prop_oneof![
        8 => (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        8 => (any::<Index>(), byte).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        8 => any::<Index>().prop_map(Mutation::Remove),
        1 => any::<Index>().prop_map(Mutation::Truncate),
    ]
}

fn mutated(mut text: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        if text.is_empty() {
            break;
        }
        match mutation {
            Mutation::Replace(at, byte) => *at.get_mut(&mut text) = *byte,
            Mutation::Insert(at, byte) => text.insert(at.index(text.len()), *byte),
            Mutation::Remove(at) => drop(text.remove(at.index(text.len()))),
            Mutation::Truncate(at) => text.truncate(at.index(text.len())),
        }
    }
    text
}

/// The text of `bytes`, as the documentation has it: UTF-8, else Windows-1252.
fn decoded(bytes: &[u8]) -> String {
    let foreign = || encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned();
    std::str::from_utf8(bytes).map_or_else(|_| foreign(), str::to_owned)
}

/// Line ends within the well-formed record that `text` begins with.
fn inner_line_ends(text: &[u8]) -> usize {
    let (mut line_ends, mut within_quotes, mut field_begins) = (0, false, true);
    for byte in text {
        match byte {
            // A doubled quote leaves the quotes and enters them again.
            b'"' if within_quotes => (within_quotes, field_begins) = (false, true),
            b'"' if field_begins => within_quotes = true,
            b'\n' if within_quotes => line_ends += 1,
            b'\n' => break,
            _ => field_begins = !within_quotes && *byte == b',',
        }
    }
    line_ends
}

/// Ingests a usual header with `body` below it, and checks that each physical line of the body went somewhere.
fn account_for(body: &[u8]) {
    let shop = Shop::new();
    shop.write("orders.csv", [HEADER.as_bytes(), b"\n", body].concat());
    let answer = shop.run(&["ingest", "--input", "orders.csv", "--date-format", "mdy", "--json"]);
    if answer.code == 1 {
        let of_zeros = answer.stderr.contains("is a binary file") || answer.stderr.contains("is UTF-16 text");
        assert!(of_zeros && body.contains(&0), "{}", answer.stderr);
        return assert_eq!(shop.accepted(), 0);
    }
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let document: Value = serde_json::from_str(&answer.stdout).expect("a document");
    let position = |row: &Value| row["source_position"].as_u64().expect("a line number");
    let accepted = shop.table("orders");
    let refused = shop.table("rejected_orders");
    assert_eq!(document["input"]["accepted"], accepted.len());
    assert_eq!(document["input"]["read"], accepted.len() + refused.len());
    let mut by_reason: BTreeMap<&str, u64> = BTreeMap::new();
    refused.iter().for_each(|row| *by_reason.entry(row["reason"].as_str().expect("a reason")).or_default() += 1);
    assert_eq!(document["input"]["rejected"], json!(by_reason));

    let mut starts: BTreeMap<u64, Option<&str>> = accepted.iter().map(|row| (position(row), None)).collect();
    starts.extend(refused.iter().map(|row| (position(row), Some(row["raw_line"].as_str().expect("a line")))));
    assert_eq!(starts.len(), accepted.len() + refused.len(), "each record begins in a line of its own");
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    let blank = |line: &[u8]| line.is_empty() || line == b"\r";
    let mut number = 0;
    while let Some(line) = lines.get(number) {
        let here = number as u64 + 2;
        match starts.get(&here) {
            None => assert!(blank(line), "line {here} is lost: {:?}", decoded(line)),
            Some(Some(raw)) => {
                let inner = raw.matches('\n').count();
                let expected = lines.get(number..=number + inner).expect("lines").join(&b'\n');
                let expected = expected.strip_suffix(b"\r").unwrap_or(&expected);
                assert_eq!(*raw, decoded(expected), "line {here}");
                number += inner;
            }
            Some(None) => number += inner_line_ends(&lines[number..].join(&b'\n')),
        }
        number += 1;
    }
}

/// Orders of a few customers over a year; lines of an invoice need not stand together.
fn orders() -> impl Strategy<Value = Vec<String>> {
    let line = (0_u32..40, 1_u32..12, 1_u32..29, 1_u32..50, 1_u32..999, 0_u32..3).prop_map(
        |(customer, month, day, quantity, pence, country)| {
            let invoice = customer * 100 + month;
            format!(
                "{invoice},A,BOX,{quantity},2011-{month:02}-{day:02} 10:00,{}.{:02},{customer},country {country}\n",
                pence / 100,
                pence % 100
            )
        },
    );
    proptest::collection::vec(line, 30..120)
}

/// The computed tables of a run over files with these lines.
fn tables(files: &[&[String]]) -> [Vec<Value>; 4] {
    let shop = Shop::new();
    for (number, lines) in files.iter().enumerate() {
        shop.write(&format!("in/{number}.csv"), format!("{HEADER}\n{}", lines.concat()));
    }
    shop.done(&["run", "--input", "in", "--quiet", "--allow-overlap"]);
    ["customer_rfm", "customer_segments", "segment_profiles", "counted_invoices"].map(|table| shop.table(table))
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn detection_never_panics(head in bytes(600), with_header in any::<bool>(), whole in any::<bool>()) {
        let head = if with_header { [HEADER.as_bytes(), b"\n", &head].concat() } else { head };
        if let Ok(layout) = detect(&head, whole, &Wishes::default()) {
            prop_assert!(layout.header_bytes <= head.len());
            prop_assert!(layout.columns.fields > 0);
        }
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn random_bytes_are_accounted_for(body in bytes(400)) {
        account_for(&body);
    }

    #[test]
    fn random_records_and_quotes_are_accounted_for(records in proptest::collection::vec(record(), 0..25)) {
        account_for(&records.concat());
    }

    #[test]
    fn mutations_of_a_good_file_are_accounted_for(mutations in proptest::collection::vec(mutation(), 1..12)) {
        account_for(&mutated(valid_body(), &mutations));
    }

    /// A file of nothing but noise is refused, or has a header somewhere; either way it ends in order.
    #[test]
    fn noise_ends_in_order(noise in bytes(300)) {
        let shop = Shop::new();
        shop.write("orders.csv", noise);
        let answer = shop.run(&["run", "--input", "orders.csv"]);
        prop_assert!(answer.code == 1 && answer.stderr.starts_with("error: orders.csv"), "{answer:?}");
    }
}

proptest! {
    #![proptest_config(cases(12))]

    /// Quoted as RFC 4180 has it, any text comes back as it was.
    #[test]
    fn well_formed_records_come_back(
        texts in proptest::collection::vec("[a-zA-Z0-9,;\"'\n\r\t|£éÄ漢. -]{0,30}", 1..40),
        delimiter in select(vec![',', ';', '\t', '|']),
        line_end in select(vec!["\n", "\r\n"]),
    ) {
        let fields = |number: usize, text: &str| {
            [&number.to_string(), "A", text, "1", "2011-01-05", "2.5", "7", "UK"]
                .map(|field| if field == text && field.is_ascii() { format!("\"{}\"", field.replace('"', "\"\"")) } else { quote(field, delimiter) })
                .join(&delimiter.to_string())
        };
        let mut lines = vec![HEADER.replace(',', &delimiter.to_string())];
        lines.extend(texts.iter().enumerate().map(|(number, text)| fields(number + 1, text)));
        let shop = Shop::new();
        shop.write("orders.csv", lines.join(line_end));
        let document = shop.json(&["ingest", "--input", "orders.csv"]);
        prop_assert_eq!(&document["input"]["accepted"], &json!(texts.len()));
        let mut found = shop.columns("orders", &["invoice", "description"]);
        found.sort_by_key(|row| row[0].as_str().and_then(|invoice| invoice.parse::<usize>().ok()));
        let expected: Vec<String> = texts.iter().map(|text| text.trim_matches([' ', '\t', '\n', '\r']).to_owned()).collect();
        let found: Vec<&str> = found.iter().filter_map(|row| row[1].as_str()).collect();
        prop_assert_eq!(found, expected);
    }
}

proptest! {
    #![proptest_config(cases(5))]

    #[test]
    fn neither_order_nor_files_matter(lines in orders(), shuffled in any::<prop::sample::Index>(), cut in any::<Index>()) {
        let whole = tables(&[&lines]);
        let mut reordered = lines.clone();
        let turn = shuffled.index(lines.len());
        reordered.rotate_left(turn);
        reordered.reverse();
        reordered.sort_by_key(|line| line.len() % 7);
        prop_assert_eq!(&tables(&[&reordered]), &whole);
        let (one, other) = lines.split_at(cut.index(lines.len()));
        prop_assert_eq!(&tables(&[one, other]), &whole);
    }
}

#[test]
fn halves_of_a_character_in_two_lines_stay_apart() {
    account_for(b"a\xC2\n\xA3b\nc\xE2\x82\n\xAC\n");
}

/// The bytes with some of them changed, another way in each round.
fn damaged(bytes: &[u8], round: u64) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    let step =
        |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    let chances = std::iter::successors(step(&round), step).map(|state| (state >> 33) as usize);
    let chances: Vec<usize> = chances.take(8).collect();
    for pair in chances.chunks(2).take(1 + chances[0] % 4) {
        let at = pair[0] % damaged.len();
        damaged[at] ^= u8::try_from(pair[1] % 255 + 1).expect("a byte");
    }
    damaged
}

fn must_not_panic(answer: &common::Answer, what: &str) {
    assert!(matches!(answer.code, 0 | 1), "{what}: {} {}", answer.code, answer.stderr);
    assert!(!answer.stderr.contains("panicked"), "{what}: {}", answer.stderr);
}

#[test]
fn damaged_parquet_is_told_and_nothing_panics() {
    let shop = Shop::new();
    shop.write("orders.csv", ONLINE_RETAIL.text());
    shop.done(&["run", "--input", "orders.csv"]);
    shop.done(&["export", "orders", "-o", "orders.parquet"]);
    let given = std::fs::read(shop.path("orders.parquet")).expect("an export");
    let stored = glob::glob(shop.path("lake/orders/month=*/*.parquet").to_str().expect("plain"));
    let stored = stored.expect("a pattern").next().expect("a file").expect("its path");
    let whole = std::fs::read(&stored).expect("a file of orders");
    for round in 0..60 {
        shop.write("damaged.parquet", damaged(&given, round));
        let arguments = ["ingest", "--input", "damaged.parquet", "--lake", &format!("lake{round}")];
        must_not_panic(&shop.run(&arguments), &format!("given, round {round}"));
        std::fs::write(&stored, damaged(&whole, round)).expect("a damaged file");
        must_not_panic(&shop.run(&["run"]), &format!("stored, round {round}"));
    }
    std::fs::write(&stored, whole).expect("the file as it was");
    shop.done(&["run"]);
}
