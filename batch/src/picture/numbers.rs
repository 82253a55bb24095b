//! Figures as text: thousands separators, at most three significant digits in charts, exact values in tables.

/// Keeps a number and its unit on one line.
pub const NBSP: char = '\u{a0}';
const MINUS: char = '\u{2212}';

/// `541,909`
pub fn count(n: u64) -> String {
    group(&n.to_string())
}

/// Exact below a million, then short: `12.3 M`.
pub fn count_short(n: u64) -> String {
    if n < 1_000_000 { count(n) } else { short(n as f64) }
}

/// `1 customer`, `4,338 customers`
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// `8,911,407.90`
pub fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let sign = if value < 0.0 && text.bytes().any(|b| b.is_ascii_digit() && b != b'0') {
        MINUS.to_string()
    } else {
        String::new()
    };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", group(whole))
}

/// At most three significant digits: `7.62`, `51`, `1,360`, `127 k`, `8.91 M`.
pub fn short(value: f64) -> String {
    let rounded = three_digits(value);
    let (scaled, suffix) = scaled(rounded, 1e4);
    with_suffix(&decimal(scaled, decimals(scaled, value)), suffix)
}

/// A round value on an axis: `500`, `10k`, `0.2`.
pub fn tick(value: f64) -> String {
    let (scaled, suffix) = scaled(value, 1e3);
    let text = decimal(scaled, 2);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{suffix}")
}

/// `£8,911,407.90`
pub fn money(currency: &str, value: f64) -> String {
    with_currency(currency, &decimal(value, 2))
}

/// `£8.91 M`
pub fn money_short(currency: &str, value: f64) -> String {
    with_currency(currency, &short(value))
}

/// What part of the whole, in per cent; nothing of nothing is not a share.
pub fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole * 100.0)
}

/// `70.5 %`; what is there never reads as nothing, nor what lacks a little as all. A dash for what is not defined.
pub fn percent(share: Option<f64>) -> String {
    match share {
        None => "–".to_owned(),
        Some(s) if s > 0.0 && s < 0.05 => format!("<{NBSP}0.1{NBSP}%"),
        Some(s) if (99.95..100.0).contains(&s) => format!(">{NBSP}99.9{NBSP}%"),
        Some(s) if s >= 100.0 || s <= 0.0 => format!("{}{NBSP}%", decimal(s, 0)),
        Some(s) => format!("{}{NBSP}%", decimal(s, 1)),
    }
}

/// `16 %` for titles, `0.3 %` below one.
pub fn percent_short(share: f64) -> String {
    if share < 1.0 || (99.0..100.0).contains(&share) {
        percent(Some(share))
    } else {
        format!("{}{NBSP}%", decimal(share, 0))
    }
}

/// How many times the reference: `189×`, `1.5×`, `0.15×`.
pub fn times(value: f64, reference: f64) -> Option<String> {
    let ratio = (reference > 0.0).then(|| value / reference)?;
    Some(match ratio {
        r if r >= 9.95 => format!("{}×", short(three_digits(r.round()))),
        r if r >= 0.95 => format!("{}×", decimal(r, 1)),
        r if r > 0.0 && r < 0.005 => "<0.01×".to_owned(),
        r => format!("{}×", decimal(r, 2)),
    })
}

/// `10 Dec 2011` from ISO 8601; anything else as it stands.
pub fn date(iso: &str) -> String {
    calendar_day(iso).unwrap_or_else(|| iso.to_owned())
}

/// `12 Mar 2026, 08:15 UTC` from ISO 8601 in UTC; anything else as it stands.
pub fn date_time(iso: &str) -> String {
    let utc = iso.ends_with('Z') || iso.ends_with("+00:00");
    let time = iso.get(11..16).filter(|t| t.bytes().filter(u8::is_ascii_digit).count() == 4);
    match (calendar_day(iso), time) {
        (Some(day), Some(time)) if utc => format!("{day}, {time} UTC"),
        _ => iso.to_owned(),
    }
}

fn calendar_day(iso: &str) -> Option<String> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = iso.get(..10)?.splitn(3, '-').map(str::parse::<usize>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let month = MONTHS.get(month.checked_sub(1)?)?;
    Some(format!("{day} {month} {year}"))
}

/// Symbols stand close (`£5`), codes and abbreviations apart (`CHF 5`); the sign comes first.
fn with_currency(currency: &str, text: &str) -> String {
    let (sign, digits) = text.strip_prefix(MINUS).map_or((String::new(), text), |rest| (MINUS.to_string(), rest));
    let gap = if currency.chars().last().is_some_and(|c| c.is_alphanumeric() || c == '.') {
        NBSP.to_string()
    } else {
        String::new()
    };
    format!("{sign}{currency}{gap}{digits}")
}

fn scaled(value: f64, smallest: f64) -> (f64, &'static str) {
    match value.abs() {
        size if size < smallest => (value, ""),
        size if size < 1e6 => (value / 1e3, "k"),
        size if size < 1e9 => (value / 1e6, "M"),
        _ => (value / 1e9, "bn"),
    }
}

fn with_suffix(digits: &str, suffix: &str) -> String {
    if suffix.is_empty() { digits.to_owned() } else { format!("{digits}{NBSP}{suffix}") }
}

fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// Decimals that make three significant digits; whole numbers below 1,000 need none.
fn decimals(scaled: f64, value: f64) -> usize {
    match scaled.abs() {
        _ if value.fract() == 0.0 && value.abs() < 1e3 => 0,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    }
}
