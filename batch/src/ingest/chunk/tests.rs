use data::numbers::DecimalMark;

use super::*;
use crate::csv::dialect::{Encoding, Wishes, detect};

const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

fn layout(wishes: &Wishes) -> Layout {
    detect(HEADER.as_bytes(), true, wishes).expect("a layout")
}

fn read(text: &[u8], last: bool) -> Parsed {
    parse(text, last, &layout(&Wishes::default()), &Rules::default())
}

fn line(invoice: u32, date: &str) -> String {
    format!("{invoice},P1,MUG,2,{date},1.5,17850,France\n")
}

fn refused(parsed: &Parsed) -> Vec<(u32, Reason)> {
    parsed.refused.line.iter().copied().zip(parsed.refused.reason.iter().copied()).collect()
}

#[test]
fn sorts_lines_into_months_and_counts_all() {
    let text = [line(1, "1/31/2011 23:59"), line(2, "2/1/2011"), "\n".to_owned(), line(3, "1/1/2011"), line(4, "soon")];
    let parsed = read(text.concat().as_bytes(), true);
    let months: Vec<_> = parsed.months.iter().map(|(month, rows)| (month.to_string(), rows.line.clone())).collect();
    assert_eq!(months, [("2011-01".to_owned(), vec![0, 3]), ("2011-02".to_owned(), vec![1])]);
    assert_eq!(refused(&parsed), [(4, Reason::BadDate)]);
    assert_eq!((parsed.counts.accepted, parsed.counts.read(), parsed.counts.blank), (3, 4, 1));
    assert_eq!((parsed.lines, parsed.tail), (5, None));
    assert_eq!(parsed.invoice_hashes.len(), 3);
}

#[test]
fn a_record_that_is_cut_off_is_left_to_the_next_chunk() {
    let whole = line(1, "1/31/2011");
    let cut = format!("{whole}2,P1,\"MUG\nWITH");
    let parsed = read(cut.as_bytes(), false);
    assert_eq!((parsed.counts.read(), parsed.lines, parsed.tail), (1, 1, Some(whole.len())));
    let ended = read(cut.as_bytes(), true);
    assert_eq!((ended.tail, refused(&ended)), (None, vec![(1, Reason::Malformed), (2, Reason::Malformed)]));
}

#[test]
fn lines_within_quotes_count() {
    let text = format!("1,P1,\"A\nB\nC\",2,1/31/2011,1.5,17850,France\n{}", line(2, "1/31/2011"));
    let parsed = read(text.as_bytes(), true);
    let rows = &parsed.months.first().expect("a month").1;
    assert_eq!((rows.line.as_slice(), parsed.lines), ([0, 3].as_slice(), 4));
}

#[test]
fn only_empty_fields_may_be_too_many() {
    let good = line(1, "1/31/2011").trim_end().to_owned();
    let parsed = read(format!("{good},,\n{good},x\n1,P1\n").as_bytes(), true);
    assert_eq!(parsed.counts.accepted, 1);
    assert_eq!(refused(&parsed), [(1, Reason::Malformed), (2, Reason::Malformed)]);
    let first = format!("{good},x");
    assert!(
        parsed
            .refused
            .raw
            .starts_with(&[&[u8::try_from(first.len()).expect("short"), 0, 0, 0], first.as_bytes()].concat())
    );
}

#[test]
fn a_line_that_is_not_utf8_is_refused_only_where_utf8_was_asked_for() {
    let pound = b"1,P1,MUG \xA35,2,1/31/2011,1.5,17850,France\n".to_vec();
    let text = [pound.as_slice(), line(2, "1/31/2011").as_bytes(), &pound].concat();
    let strict = Wishes { encoding: Encoding::Utf8, ..Wishes::default() };
    let parsed = parse(&text, true, &layout(&strict), &Rules::default());
    assert_eq!(refused(&parsed), [(0, Reason::BadEncoding), (2, Reason::BadEncoding)]);
    let parsed = read(&text, true);
    assert_eq!((parsed.counts.accepted, parsed.not_utf8), (3, 2));
}

#[test]
fn evidence_of_dates_counts_every_line_and_steps_once() {
    let dates = ["1/31/2011", "1/31/2011", "2/1/2011", "2/1/2011", "1/31/2011"];
    let parsed = read(dates.map(|date| line(1, date)).concat().as_bytes(), true);
    let expected = DateEvidence { month_first_only: 3, either: 2, back_steps: (1, 0), ..DateEvidence::default() };
    assert_eq!(parsed.dates, expected);
    assert_eq!(layout(&Wishes::default()).mark, DecimalMark::Point);
}
