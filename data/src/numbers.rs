//! Quantities and prices as files and messages spell them.

use crate::Money;
use crate::money::UNIT;

/// What separates the whole part of a number from its fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecimalMark {
    #[default]
    Point,
    Comma,
}

impl DecimalMark {
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Point => Self::Comma,
            Self::Comma => Self::Point,
        }
    }

    /// Whether `price` can be read with this mark alone; `1,234` may as well be a thousand and more.
    #[must_use]
    pub fn is_told_by(self, price: &[u8]) -> bool {
        let price = trimmed(price);
        let last = price.iter().rposition(|byte| *byte == self.byte());
        last.is_some_and(|last| price.len() - last != 4 || price.contains(&self.other().byte()))
            && parse_money(price, self).is_some()
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Point => b'.',
            Self::Comma => b',',
        }
    }
}

/// `text` without the white space around it; most has none.
#[inline]
#[must_use]
pub fn trimmed(text: &[u8]) -> &[u8] {
    match (text.first(), text.last()) {
        (Some(first), Some(last)) if *first > b' ' && *last > b' ' => text,
        _ => text.trim_ascii(),
    }
}

/// A whole number: `6`, `-2`, `6.0`, `1,200`. `None` for a fraction, a word or nothing.
#[must_use]
#[inline]
pub fn parse_quantity(text: &[u8], mark: DecimalMark) -> Option<i64> {
    let text = trimmed(text);
    parse_digits(text).or_else(|| parse_odd_quantity(text, mark))
}

#[cold]
fn parse_odd_quantity(text: &[u8], mark: DecimalMark) -> Option<i64> {
    let raw = parse_decimal(text, mark)?;
    (raw % UNIT == 0).then_some(raw / UNIT)
}

/// An amount of money: `2.55`, `-0.1`, `£2.55`, `1,250.00`, `1e-3`; decimals behind the fourth are rounded.
#[must_use]
#[inline]
pub fn parse_money(text: &[u8], mark: DecimalMark) -> Option<Money> {
    let text = trimmed(text);
    let raw = parse_short(text, mark.byte()).or_else(|| parse_decimal(strip_currency(text), mark))?;
    Some(Money::from_raw(raw))
}

/// An optional sign and up to 18 digits.
#[inline]
fn parse_digits(text: &[u8]) -> Option<i64> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// In ten-thousandths.
fn parse_decimal(text: &[u8], mark: DecimalMark) -> Option<i64> {
    let (negative, digits) = split_sign(text);
    let point = mark.byte();
    let raw = parse_plain(digits, point).or_else(|| parse_grouped(digits, mark)).or_else(|| parse_exponent(digits))?;
    Some(if negative { -raw } else { raw })
}

/// What [`parse_plain`] reads, where it cannot overflow and nothing is rounded: as nearly all prices are.
#[inline]
fn parse_short(digits: &[u8], mark: u8) -> Option<i64> {
    const POWERS: [i64; 5] = [UNIT, UNIT / 10, UNIT / 100, UNIT / 1_000, 1];
    if digits.len() > 12 {
        return None;
    }
    let (mut value, mut point) = (0, None);
    for (place, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + i64::from(digit);
        } else if byte == mark && point.is_none() {
            point = Some(place);
        } else {
            return None;
        }
    }
    let decimals = point.map_or(0, |point| digits.len() - point - 1);
    let seen = digits.len() - usize::from(point.is_some());
    POWERS.get(decimals).filter(|_| seen > 0).map(|power| value * power)
}

/// Digits with at most one `mark`; at least one digit.
fn parse_plain(digits: &[u8], mark: u8) -> Option<i64> {
    let mut whole = 0_i64;
    let mut rest = digits;
    let mut seen = 0_usize;
    while let Some((&byte, tail)) = rest.split_first() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        whole = whole.checked_mul(10)?.checked_add(i64::from(digit))?;
        seen += 1;
        rest = tail;
    }
    let mut raw = whole.checked_mul(UNIT)?;
    if let Some((&byte, fraction)) = rest.split_first() {
        if byte != mark {
            return None;
        }
        seen += fraction.len();
        raw = raw.checked_add(parse_fraction(fraction)?)?;
    }
    (seen > 0).then_some(raw)
}

/// The digits behind the point, rounded half up to four.
fn parse_fraction(digits: &[u8]) -> Option<i64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let kept = digits.iter().copied().chain(std::iter::repeat(b'0')).take(4);
    let raw = kept.fold(0, |raw, byte| raw * 10 + i64::from(byte - b'0'));
    let rounds_up = digits.get(4).is_some_and(|&byte| byte >= b'5');
    Some(raw + i64::from(rounds_up))
}

/// Thousands set apart in threes: `1,250.00`, or `1.250,00` where the comma is the decimal mark.
fn parse_grouped(digits: &[u8], mark: DecimalMark) -> Option<i64> {
    let (group, point) = match mark {
        DecimalMark::Point => (b',', b'.'),
        DecimalMark::Comma => (b'.', b','),
    };
    let whole_len = digits.iter().position(|&byte| byte == point).unwrap_or(digits.len());
    let (whole, fraction) = digits.split_at(whole_len);
    let mut groups = whole.split(|&byte| byte == group);
    let first = groups.next()?;
    let well_formed = (1..=3).contains(&first.len()) && groups.all(|digits| digits.len() == 3);
    if !well_formed || whole.len() == first.len() {
        return None;
    }
    let joined: Vec<u8> = whole.iter().filter(|&&byte| byte != group).chain(fraction).copied().collect();
    parse_plain(&joined, point)
}

/// `1E+05`, as spreadsheets write large and small numbers.
#[expect(clippy::cast_possible_truncation, reason = "bounded by 2^53 before the cast")]
#[expect(clippy::cast_precision_loss, reason = "10,000 is exact")]
fn parse_exponent(digits: &[u8]) -> Option<i64> {
    let starts_as_number = digits.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
    if !starts_as_number || !digits.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        return None;
    }
    let value: f64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let raw = (value * UNIT as f64).round();
    (raw.abs() < 9_007_199_254_740_992.0).then_some(raw as i64)
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    }
}

/// Drops one leading currency sign: `£`, `$` or `€`, in UTF-8 or Windows-1252.
fn strip_currency(text: &[u8]) -> &[u8] {
    const SIGNS: [&[u8]; 5] = ["£".as_bytes(), "€".as_bytes(), b"$", b"\xA3", b"\x80"];
    if text.first().is_none_or(u8::is_ascii_digit) {
        return text;
    }
    SIGNS.iter().find_map(|sign| text.strip_prefix(*sign)).map_or(text, <[u8]>::trim_ascii_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str, mark: DecimalMark) -> Option<i64> {
        parse_money(text.as_bytes(), mark).map(Money::raw)
    }

    proptest::proptest! {
        #[test]
        fn short_numbers_are_read_as_the_others(text in "[0-9]{0,8}[.,]{0,2}[0-9a]{0,6}") {
            let short = parse_short(text.as_bytes(), b'.');
            if short.is_some() {
                proptest::prop_assert_eq!(short, parse_plain(text.as_bytes(), b'.'));
            }
        }
    }

    #[test]
    fn reads_money_as_files_spell_it() {
        let cases = [
            ("2.55", Some(25_500)),
            (" £1,250.00 ", Some(12_500_000)),
            ("-0.1", Some(-1_000)),
            (".5", Some(5_000)),
            ("7.", Some(70_000)),
            ("0.00005", Some(1)),
            ("2.5500000000000003", Some(25_500)),
            ("1E+02", Some(1_000_000)),
            ("1,25", None),
            ("12,34.5", None),
            ("2.5.5", None),
            ("", None),
            (".", None),
            ("e5", None),
            ("inf", None),
            ("99999999999999999999", None),
        ];
        for (text, raw) in cases {
            assert_eq!(money(text, DecimalMark::Point), raw, "{text:?}");
        }
        assert_eq!(money("1.250,75", DecimalMark::Comma), Some(12_507_500));
        assert_eq!(money("2,55", DecimalMark::Comma), Some(25_500));
    }

    #[test]
    fn a_price_tells_its_decimal_mark_unless_it_may_be_grouped() {
        let told = |price: &str| [DecimalMark::Point, DecimalMark::Comma].map(|mark| mark.is_told_by(price.as_bytes()));
        assert_eq!(told("2.55"), [true, false]);
        assert_eq!(told(" 12,5 "), [false, true]);
        assert_eq!(
            (told("1,234"), told("1.234"), told("7"), told("free")),
            ([false; 2], [false; 2], [false; 2], [false; 2])
        );
        assert_eq!((told("1,250.00"), told("1.250,00")), ([true, false], [false, true]));
    }

    #[test]
    fn reads_whole_quantities_only() {
        let cases = [
            ("6", Some(6)),
            ("-2", Some(-2)),
            ("6.0", Some(6)),
            ("1,200", Some(1200)),
            ("1.5", None),
            ("six", None),
            ("-", None),
            ("--3", None),
        ];
        for (text, value) in cases {
            assert_eq!(parse_quantity(text.as_bytes(), DecimalMark::Point), value, "{text:?}");
        }
    }
}
