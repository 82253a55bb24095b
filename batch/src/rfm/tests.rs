#![allow(clippy::indexing_slicing, reason = "tests: a wrong index is a failed test")]

use super::*;

fn digits(scores: &[u8]) -> String {
    scores.iter().map(ToString::to_string).collect()
}

/// `pandas.qcut(x, 5, labels=…)` of pandas 3.1 for 43 customers `r = i·37 mod 101 + 1`, `f = 1 + i² mod 7` (ranked
/// first come), `m = 10 + 31·i² mod 997`.
#[test]
fn quintiles_equal_pandas() {
    let column = |value: fn(i64) -> i64| (0..43).map(value).collect::<Vec<_>>();
    let (r, f, m) = (column(|i| i * 37 % 101 + 1), column(|i| 1 + i * i % 7), column(|i| 10 + i * i * 31 % 997));
    let scores = Scoring::default().score(&r, &f, &m);
    assert_eq!(digits(&scores.recency), "5425314314253253142142531531421425315314253");
    assert_eq!(digits(&scores.frequency), "1143341124335212533521253452125445213544531");
    assert_eq!(digits(&scores.monetary), "1122341353143215551234135314325544512352424");
}

/// Edges that fall on a value (count − 1 divisible by 5) and others; `pandas.qcut(i·13 mod n, 5)`.
#[test]
fn edges_on_values_equal_pandas() {
    let expected = [(5, "14253"), (6, "112345"), (7, "1554321"), (11, "11234512345"), (16, "1543215432154321")];
    for (n, bins) in expected {
        let values: Vec<_> = (0..n).map(|i| i * 13 % n).collect();
        let scores = Scoring::default().score(&values, &values, &values);
        assert_eq!((digits(&scores.frequency).as_str(), digits(&scores.monetary).as_str()), (bins, bins));
        assert!(scores.recency.iter().zip(&scores.monetary).all(|(r, m)| r + m == 6));
    }
}

#[test]
fn few_or_equal_customers_leave_scores_unused() {
    let score = |values: &[i64]| Scoring::default().score(values, values, values);
    assert_eq!(score(&[]), Scores { recency: vec![], frequency: vec![], monetary: vec![] });
    assert_eq!(score(&[7]), Scores { recency: vec![5], frequency: vec![1], monetary: vec![1] });
    let equal = score(&[7; 10]);
    assert_eq!(digits(&equal.recency), "5555555555");
    assert_eq!(digits(&equal.frequency), "1122334455");
    assert_eq!(digits(&equal.monetary), "1111111111");
    assert_eq!(digits(&score(&[i64::MAX, i64::MIN, 0]).monetary), "513");
}

#[test]
fn fixed_cut_points_replace_quintiles() -> Result<(), Box<dyn std::error::Error>> {
    let raw: RawScoring =
        toml::from_str("recency = [30, 60, 90, 180]\nfrequency = [2, 3, 5, 10]\nmonetary = [0.07, 100, 500.5, 1000]")?;
    let scoring = raw.check()?;
    let scores = scoring.score(
        &[1, 30, 31, 60, 61, 180, 181],
        &[1, 2, 3, 4, 5, 9, 10],
        &[699, 700, 999_999, 1_000_000, 5_004_999, 5_005_000, 10_000_000],
    );
    assert_eq!(digits(&scores.recency), "5544321");
    assert_eq!(digits(&scores.frequency), "1233445");
    assert_eq!(digits(&scores.monetary), "1223345");
    Ok(())
}

#[test]
fn the_usual_segments_cover_every_pair() {
    let scoring = Scoring::default();
    let row = |r: u8| (1..=5).map(|f| scoring.segment(r, f)).collect::<Vec<_>>();
    assert_eq!(row(1), ["Hibernating", "Hibernating", "At Risk", "At Risk", "Can't Lose"]);
    assert_eq!(row(2), row(1));
    assert_eq!(row(3), ["About to Sleep", "About to Sleep", "Need Attention", "Loyal", "Loyal"]);
    assert_eq!(row(4), ["Promising", "Potential Loyalist", "Potential Loyalist", "Loyal", "Loyal"]);
    assert_eq!(row(5), ["New", "Potential Loyalist", "Potential Loyalist", "Champions", "Champions"]);
}

#[test]
fn segments_can_be_configured() -> Result<(), Box<dyn std::error::Error>> {
    let raw: RawScoring = toml::from_str(
        "[[segments]]\nname = \"Best\"\npattern = \"5[54]\"\n[[segments]]\nname = \"Others\"\npattern = \"[12345][1-5]\"",
    )?;
    assert!(
        raw.check().is_err_and(|e| { e.to_string().starts_with("pattern `[12345][1-5]` of rfm segment `Others`") })
    );
    let rule = |name: &str, pattern: &str| SegmentRule { name: name.to_owned(), pattern: pattern.to_owned() };
    let check = |rules: Vec<SegmentRule>| RawScoring { segments: Some(rules), ..RawScoring::default() }.check();
    let scoring = check(vec![rule("Best", "5[54]"), rule("Others", "[12345][12345]")])?;
    assert_eq!((scoring.segment(5, 4), scoring.segment(5, 3)), ("Best", "Others"));
    let uncovered = check(vec![rule("Most", "[1235][12345]"), rule("Some", "4[1245]")]).map(|_| ());
    assert_eq!(uncovered, Err(RfmError::Uncovered { recency: 4, frequency: 3 }));
    assert_eq!(check(vec![rule(" ", "11")]).map(|_| ()), Err(RfmError::Unnamed { pattern: "11".to_owned() }));
    for pattern in ["", "5", "[12", "[]5", "06", "[67]1", "555", "é5", "5é", "[1 2]3"] {
        assert!(check(vec![rule("Bad", pattern)]).is_err_and(|e| matches!(e, RfmError::Pattern { .. })), "{pattern}");
    }
    Ok(())
}

#[test]
fn cut_points_must_increase() {
    let raw = RawScoring { frequency: Some([1.0, 2.0, 2.0, 3.0]), ..RawScoring::default() };
    let message = raw.check().map(|_| ()).map_err(|e| e.to_string());
    let expected =
        "frequency cut points [1.0, 2.0, 2.0, 3.0] must be four finite numbers, each greater than the one before";
    assert_eq!(message, Err(expected.to_owned()));
}
