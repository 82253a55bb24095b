use super::*;

fn read(text: &str, order: DayMonth) -> Option<String> {
    DateFormat::Order(order).parse(text.as_bytes()).map(|time| time.to_string())
}

#[test]
fn reads_the_spellings_files_use() {
    let cases = [
        ("12/1/2010 8:26", "2010-12-01T08:26:00Z"),
        ("2010-12-01", "2010-12-01T00:00:00Z"),
        ("2010-12-01 08:26:00", "2010-12-01T08:26:00Z"),
        ("2010-12-01T08:26:00.25+01:00", "2010-12-01T07:26:00.250000Z"),
        ("2010-12-01T08:26Z", "2010-12-01T08:26:00Z"),
        ("2010/12/01 08:26 UTC", "2010-12-01T08:26:00Z"),
        ("20101201", "2010-12-01T00:00:00Z"),
        ("12/1/10 8:26 PM", "2010-12-01T20:26:00Z"),
        ("12/1/2010 12:05 am", "2010-12-01T00:05:00Z"),
        ("1 Dec 2010 08:26", "2010-12-01T08:26:00Z"),
        ("01-DEC-10", "2010-12-01T00:00:00Z"),
        ("December 1, 2010", "2010-12-01T00:00:00Z"),
        ("12.1.2010", "2010-12-01T00:00:00Z"),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text, DayMonth::MonthFirst).as_deref(), Some(expected), "{text:?}");
    }
    assert_eq!(read("1.12.2010", DayMonth::DayFirst).as_deref(), Some("2010-12-01T00:00:00Z"));
}

#[test]
fn refuses_what_is_not_a_date() {
    let cases = [
        "",
        "yesterday",
        "13/13/2010",
        "2010-02-30",
        "12/1",
        "12/1/2010 25:00",
        "12/1/2010 8:26 x",
        "1/2/3/4",
        "123456789",
        "99999-01-01",
        "2/30/2011",
        "12/1/201",
    ];
    for text in cases {
        assert_eq!(read(text, DayMonth::MonthFirst), None, "{text:?}");
    }
}

#[test]
fn reads_by_a_pattern() {
    let format = DateFormat::from_flag("%d.%m.%Y %H:%M").expect("a pattern");
    assert_eq!(format.parse(b"01.12.2010 08:26").map(|time| time.to_string()).as_deref(), Some("2010-12-01T08:26:00Z"));
    assert_eq!(format.parse(b"2010-12-01"), None);
    assert!(DateFormat::from_flag("nonsense").is_err());
}

fn evidence(dates: &[&str]) -> DateEvidence {
    let mut evidence = DateEvidence::default();
    let mut previous = None;
    for text in dates {
        let parts = parse_parts(text.as_bytes());
        evidence.observe(parts, previous);
        previous = parts.or(previous);
    }
    evidence
}

#[test]
fn decides_the_order_from_the_dates() {
    let cases: [(&[&str], Option<DayMonth>); 7] = [
        (&["1/2/2011", "1/13/2011"], Some(DayMonth::MonthFirst)),
        (&["1/2/2011", "13/1/2011"], Some(DayMonth::DayFirst)),
        (&["1/9/2011", "1/10/2011", "2/1/2011"], Some(DayMonth::MonthFirst)),
        (&["9/1/2011", "10/1/2011", "1/2/2011"], Some(DayMonth::DayFirst)),
        (&["1/2/2011"], None),
        (&["1/1/2011", "2011-05-01"], Some(DayMonth::MonthFirst)),
        (&["words"], Some(DayMonth::MonthFirst)),
    ];
    for (dates, order) in cases {
        assert_eq!(evidence(dates).decide(), order, "{dates:?}");
    }
}
