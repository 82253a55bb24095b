use std::sync::Arc;

use parquet::basic::Type;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;
use proptest::prelude::*;

use super::*;
use crate::ingest::integers::MOST_DISTINCT;

const TEXT: &str = "message row { optional binary value (UTF8); }";
const INTEGER: &str = "message row { optional int64 value; }";

/// A file of one column with one row group.
fn file(schema: &str, encode: impl FnOnce(&ColumnDescPtr) -> Result<ColumnPages>) -> SerializedFileReader<Bytes> {
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let pages = encode(&SchemaDescriptor::new(schema.clone()).column(0)).expect("pages");
    let mut bytes = Vec::new();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    pages.append_to(&mut group).expect("a column");
    group.close().expect("a row group");
    writer.close().expect("a file");
    SerializedFileReader::new(Bytes::from(bytes)).expect("a readable file")
}

fn values(file: &SerializedFileReader<Bytes>) -> Vec<Field> {
    let rows = file.get_row_iter(None).expect("rows");
    rows.map(|row| row.expect("a row").into_columns().remove(0).1).collect()
}

fn chunk_of(file: &SerializedFileReader<Bytes>) -> &ColumnChunkMetaData {
    file.metadata().row_group(0).column(0)
}

fn text_file(of: &[&str]) -> SerializedFileReader<Bytes> {
    let mut dictionary = Dictionary::default();
    let codes: Vec<Code> = of.iter().map(|value| dictionary.code(value.as_bytes())).collect();
    file(TEXT, |column| texts(column, &dictionary, Values::Each(&codes)))
}

fn read_texts(file: &SerializedFileReader<Bytes>) -> Vec<String> {
    let text = |field| match field {
        Field::Str(text) => text,
        other => panic!("{other:?} is no text"),
    };
    values(file).into_iter().map(text).collect()
}

fn integer_file(of: &[i64]) -> SerializedFileReader<Bytes> {
    file(INTEGER, |column| integers(column, Values::Each(of)))
}

fn read_integers(file: &SerializedFileReader<Bytes>) -> Vec<i64> {
    let integer = |field| match field {
        Field::Long(value) => value,
        other => panic!("{other:?} is no integer"),
    };
    values(file).into_iter().map(integer).collect()
}

fn extremes(file: &SerializedFileReader<Bytes>) -> (Option<&[u8]>, Option<&[u8]>) {
    let statistics = chunk_of(file).statistics().expect("statistics");
    assert_eq!(statistics.null_count_opt(), Some(0));
    (statistics.min_bytes_opt(), statistics.max_bytes_opt())
}

#[test]
fn texts_read_back() {
    let cases: [&[&str]; 5] = [
        &["MUG"],
        &[""],
        &["", "MUG", "", "£ 5 – Österreich", "MUG"],
        &["one"; 1000],
        &["a", "a", "a", "a", "a", "a", "a", "a", "a", "b", "c"],
    ];
    for case in cases {
        let file = text_file(case);
        assert_eq!(read_texts(&file), case);
        assert_eq!(chunk_of(&file).column_type(), Type::BYTE_ARRAY);
        let (least, most) =
            (case.iter().min().map(|text| text.as_bytes()), case.iter().max().map(|text| text.as_bytes()));
        assert_eq!(extremes(&file), (least, most));
    }
}

#[test]
fn compressed_texts_read_back_from_every_page() {
    let pages: [&[&str]; 3] = [&["one", "", "two"], &["£ 5"], &["MUG, RED"; 500]];
    let plain: Vec<Vec<u8>> = pages
        .iter()
        .map(|page| {
            page.iter()
                .flat_map(|text| [&u32::try_from(text.len()).expect("short").to_le_bytes(), text.as_bytes()].concat())
                .collect()
        })
        .collect();
    let of: Vec<(&[u8], usize)> = plain.iter().map(Vec::as_slice).zip(pages.map(<[&str]>::len)).collect();
    let file = file(TEXT, |column| compressed_texts(column, &of));
    assert_eq!(read_texts(&file), pages.concat());
    assert!(chunk_of(&file).compressed_size() < chunk_of(&file).uncompressed_size() / 4);
}

#[test]
fn long_texts_are_no_statistics() {
    let long = "z".repeat(STATISTICS_BYTES + 1);
    let file = text_file(&["a", &long]);
    assert_eq!(read_texts(&file), ["a", &long]);
    assert_eq!(extremes(&file), (Some(&b"a"[..]), None));
}

#[test]
fn integers_read_back() {
    let cases: [&[i64]; 4] = [&[0], &[i64::MIN, i64::MAX, -1, 0], &[7; 1000], &[5, 5, 6]];
    for case in cases {
        let file = integer_file(case);
        assert_eq!(read_integers(&file), case);
        let bytes = |value: Option<&i64>| value.map(|value| value.to_le_bytes());
        let (least, most) = (bytes(case.iter().min()), bytes(case.iter().max()));
        assert_eq!(extremes(&file), (least.as_ref().map(|v| &v[..]), most.as_ref().map(|v| &v[..])));
    }
}

#[test]
fn many_distinct_integers_are_written_plain() {
    let most = i64::try_from(MOST_DISTINCT).expect("small");
    for (distinct, has_dictionary) in [(most, true), (most + 1, false), (3 * most, false)] {
        let of: Vec<i64> = (0..distinct).map(|value| value * 7_919 - 1_000_000).chain([-1_000_000; 9]).collect();
        let file = integer_file(&of);
        assert_eq!(read_integers(&file), of);
        assert_eq!(chunk_of(&file).dictionary_page_offset().is_some(), has_dictionary, "{distinct}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_texts_and_integers_read_back(
        runs in prop::collection::vec((".{0,6}", any::<i64>(), 1_usize..20), 1..80),
    ) {
        let texts: Vec<&str> = runs.iter().flat_map(|(text, _, n)| std::iter::repeat_n(text.as_str(), *n)).collect();
        prop_assert_eq!(read_texts(&text_file(&texts)), texts);
        let integers: Vec<i64> = runs.iter().flat_map(|(_, value, n)| std::iter::repeat_n(*value, *n)).collect();
        prop_assert_eq!(read_integers(&integer_file(&integers)), integers.clone());
        let runs: Vec<(i64, u32)> = runs.iter().map(|(_, value, n)| (*value, u32::try_from(*n).expect("few"))).collect();
        let by_runs = file(INTEGER, |column| super::integers(column, Values::Runs(&runs)));
        prop_assert_eq!(read_integers(&by_runs), integers.clone());
        let by_steps = file(INTEGER, |column| growing_integers(column, &integers));
        prop_assert_eq!(read_integers(&by_steps), integers);
    }

    #[test]
    fn growing_integers_read_back(first in 0_i64..1 << 40, steps in prop::collection::vec(0_i64..300, 0..600)) {
        let of: Vec<i64> = std::iter::once(first).chain(steps.iter().scan(first, |at, step| {
            *at += step;
            Some(*at)
        })).collect();
        let file = file(INTEGER, |column| growing_integers(column, &of));
        prop_assert_eq!(read_integers(&file), of);
    }
}
