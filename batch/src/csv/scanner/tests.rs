use proptest::prelude::*;

use super::*;

/// Every record as fields, malformed lines as one field marked `!`.
fn scan(text: &[u8], last: bool) -> (Vec<Vec<String>>, Step) {
    let mut scanner = Scanner::new(text, b',', last);
    let mut fields = Fields::default();
    let mut records = Vec::new();
    loop {
        match scanner.step(&mut fields) {
            Step::Record { .. } => records.push(
                (0..fields.len()).map(|index| String::from_utf8_lossy(fields.get(text, index)).into_owned()).collect(),
            ),
            Step::Malformed { start, end } => {
                records.push(vec![format!("!{}", String::from_utf8_lossy(&text[start..end]))]);
            }
            Step::Blank => {}
            end => return (records, end),
        }
    }
}

fn records(text: &str) -> Vec<Vec<String>> {
    scan(text.as_bytes(), true).0
}

#[test]
fn splits_records_as_rfc_4180_says() {
    let cases: [(&str, &[&[&str]]); 12] = [
        ("a,b\nc,d\n", &[&["a", "b"], &["c", "d"]]),
        ("a,b\r\nc,d", &[&["a", "b"], &["c", "d"]]),
        ("\n\r\na\n\n", &[&["a"]]),
        ("a,\n,b\n", &[&["a", ""], &["", "b"]]),
        ("\"a,b\",c\n", &[&["a,b", "c"]]),
        ("\"say \"\"hi\"\"\",\"\"\n", &[&["say \"hi\"", ""]]),
        ("\"two\nlines\",x\r\ny,z\n", &[&["two\nlines", "x"], &["y", "z"]]),
        ("7\" frame,1\n", &[&["7\" frame", "1"]]),
        ("\"open,1\nb,2\n", &[&["!\"open,1"], &["b", "2"]]),
        ("\"a\"x,1\nb,2\n", &[&["!\"a\"x,1"], &["b", "2"]]),
        ("a,\"b\"", &[&["a", "b"]]),
        ("a,\"b\"\r\n\"c\"\r\n", &[&["a", "b"], &["c"]]),
    ];
    for (text, expected) in cases {
        assert_eq!(records(text), expected, "{text:?}");
    }
}

#[test]
fn says_where_an_unfinished_record_begins() {
    let cases = [("a\nb,c", 2), ("a\n\"b\nc", 2), ("a\n\"b\"", 2), ("a\n\"b\"\r", 2)];
    for (text, start) in cases {
        assert_eq!(scan(text.as_bytes(), false).1, Step::Incomplete { start }, "{text:?}");
    }
}

proptest! {
    #[test]
    fn agrees_with_written_fields(rows in prop::collection::vec(prop::collection::vec("[ -~\n\r]{0,90}", 2..6), 1..30)) {
        let quote = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
        let text: String = rows.iter().map(|row| row.iter().map(quote).collect::<Vec<_>>().join(",") + "\r\n").collect();
        prop_assert_eq!(records(&text), rows);
    }

    #[test]
    fn any_bytes_are_covered_line_by_line(text in prop::collection::vec(prop_oneof![Just(b','), Just(b'"'), Just(b'\n'), Just(b'\r'), any::<u8>()], 0..400)) {
        let mut scanner = Scanner::new(&text, b',', true);
        let mut fields = Fields::default();
        let mut covered = 0;
        loop {
            let from = scanner.position();
            prop_assert!(from >= covered);
            match scanner.step(&mut fields) {
                Step::End => break,
                Step::Incomplete { .. } => prop_assert!(false, "the last text is never incomplete"),
                Step::Record { start, end } | Step::Malformed { start, end } => {
                    prop_assert_eq!(start, from);
                    prop_assert!(text[start..end].len() + 2 >= scanner.position().min(text.len()) - start);
                }
                Step::Blank => {}
            }
            covered = scanner.position();
        }
        prop_assert!(covered >= text.len());
    }
}
