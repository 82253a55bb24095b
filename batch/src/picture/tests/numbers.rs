//! Figures as text, and axes.

use crate::picture::numbers::{
    count, count_short, date, date_time, decimal, money, money_short, percent, share, short, tick, times,
};
use crate::picture::scale::Scale;

#[test]
fn counts_and_decimals_have_thousands_separators() {
    assert_eq!([0, 999, 1_000, 541_909].map(count), ["0", "999", "1,000", "541,909"]);
    assert_eq!([999_999, 12_345_678].map(count_short), ["999,999", "12.3\u{a0}M"]);
    let exact = [-0.001, -1_234.5, 8_911_407.904].map(|v| decimal(v, 2));
    assert_eq!(exact, ["0.00", "\u{2212}1,234.50", "8,911,407.90"]);
}

#[test]
fn charts_show_three_digits_at_most() {
    assert_eq!([0.0, 2.0, 7.6154, 44.43, 249.17].map(short), ["0", "2", "7.62", "44.4", "249"]);
    assert_eq!([999.6, 1_358.2, 12_709.1].map(short), ["1,000", "1,360", "12.7\u{a0}k"]);
    let large = [999_600.0, 8_911_407.9, 9.99e9].map(short);
    assert_eq!(large, ["1.00\u{a0}M", "8.91\u{a0}M", "9.99\u{a0}bn"]);
    assert_eq!([0.5, 100.0, 2e4, 1e6].map(tick), ["0.5", "100", "20k", "1M"]);
}

#[test]
fn symbols_stand_close_and_codes_apart() {
    let written = ["£", "", "CHF", "kr"].map(|currency| money(currency, -5.5));
    assert_eq!(written, ["−£5.50", "−5.50", "−CHF\u{a0}5.50", "−kr\u{a0}5.50"]);
    assert_eq!(money_short("€", 507_364.6), "€507\u{a0}k");
}

#[test]
fn something_never_reads_as_nothing_nor_almost_all_as_all() {
    let written = |part, whole| percent(share(part, whole)).replace('\u{a0}', " ");
    assert_eq!([(0.0, 9.0), (1.0, 8.0), (7.0, 7.0)].map(|(p, w)| written(p, w)), ["0 %", "12.5 %", "100 %"]);
    assert_eq!([(1.0, 1e6), (99_999.0, 1e5), (1.0, 0.0)].map(|(p, w)| written(p, w)), ["< 0.1 %", "> 99.9 %", "–"]);
}

#[test]
fn ratios_need_something_to_compare_with() {
    let ratios = [188.8, 9.96, 1.0, 0.149, 0.001].map(|v| times(v, 1.0).unwrap_or_default());
    assert_eq!(ratios, ["189×", "10×", "1.0×", "0.15×", "<0.01×"]);
    assert_eq!(times(1.0, 0.0), None);
}

#[test]
fn times_name_their_zone_and_stay_when_they_cannot_be_read() {
    assert_eq!(date_time("2026-03-12T08:15:42.123Z"), "12 Mar 2026, 08:15 UTC");
    assert_eq!(date_time("2026-03-12T08:15:42+01:00"), "2026-03-12T08:15:42+01:00");
    assert_eq!(date("2011-12-10"), "10 Dec 2011");
    assert_eq!(
        ["2011-13-10", "", "gestern abend", "übermorgen"].map(date),
        ["2011-13-10", "", "gestern abend", "übermorgen"]
    );
}

#[test]
fn axes_hold_their_values_and_few_ticks() {
    for values in
        [vec![], vec![0.0], vec![5.0], vec![1.0, 374.0], vec![478.0, 127_338.0], vec![1e-3, 1e12], vec![-3.0, 7.0]]
    {
        for scale in [Scale::linear(&values), Scale::log(&values)] {
            assert!((1..=5).contains(&scale.ticks().len()), "{values:?}: {:?}", scale.ticks());
            assert!(values.iter().chain(&scale.ticks()).all(|v| (0.0..=100.0).contains(&scale.at(*v))));
            assert!(values.iter().zip(values.iter().skip(1)).all(|(a, b)| scale.at(*a) < scale.at(*b)));
        }
    }
    assert!(!Scale::log(&[0.0, 5.0]).is_log());
}
