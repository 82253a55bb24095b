//! RFM scores 1 to 5 and the named segments that follow from them.
//!
//! Quintiles are those of `pandas.qcut(x, 5)`: linearly interpolated edges, bins closed on the right. Such an edge
//! lies at or above the order statistic below it and below the next one, so comparing with that order statistic
//! decides the same, in whole numbers. Where edges coincide (many equal values, few customers) some scores are
//! left unused; pandas refuses.

use serde::Deserialize;

/// Monetary values are whole multiples of 1/10,000 of the currency unit.
const FIXED_POINT: f64 = 10_000.0;

/// Quintiles have four inner edges.
const EDGES: usize = 4;

#[cfg(test)]
mod tests;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RfmError {
    #[error("{dimension} cut points {points:?} must be four finite numbers, each greater than the one before")]
    CutPoints { dimension: &'static str, points: Vec<f64> },
    #[error(
        "pattern `{pattern}` of rfm segment `{name}` is not understood: write a recency and a frequency score, \
         each one digit 1 to 5 or several in brackets, such as `[12]5`"
    )]
    Pattern { name: String, pattern: String },
    #[error("no rfm segment covers recency score {recency} with frequency score {frequency}: add a pattern that does")]
    Uncovered { recency: u8, frequency: u8 },
    #[error("an rfm segment with pattern `{pattern}` has no name")]
    Unnamed { pattern: String },
}

/// As configured (TOML table); every part may be left out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawScoring {
    /// Most days for a score of 5, 4, 3, 2; quintiles if absent.
    pub recency: Option<[f64; EDGES]>,
    /// Least invoices for a score of 2, 3, 4, 5; quintiles if absent.
    pub frequency: Option<[f64; EDGES]>,
    /// Least spend for a score of 2, 3, 4, 5 in the currency unit; quintiles if absent.
    pub monetary: Option<[f64; EDGES]>,
    /// First match wins; the ten usual ones if absent.
    pub segments: Option<Vec<SegmentRule>>,
}

/// A named set of recency and frequency scores.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRule {
    pub name: String,
    /// Recency score, then frequency score: each a digit 1 to 5, or several in brackets (`[12]5`).
    pub pattern: String,
}

/// The usual ten segments.
const USUAL: [(&str, &str); 10] = [
    ("Hibernating", "[12][12]"),
    ("At Risk", "[12][34]"),
    ("Can't Lose", "[12]5"),
    ("About to Sleep", "3[12]"),
    ("Need Attention", "33"),
    ("Loyal", "[34][45]"),
    ("Promising", "41"),
    ("New", "51"),
    ("Potential Loyalist", "[45][23]"),
    ("Champions", "5[45]"),
];

/// Checked [`RawScoring`].
#[derive(Clone, Debug)]
pub struct Scoring {
    /// Lower bounds of scores 2 to 5 (recency: upper bounds of 5 to 2).
    recency: Option<[i64; EDGES]>,
    frequency: Option<[i64; EDGES]>,
    monetary: Option<[i64; EDGES]>,
    /// By recency score, then frequency score.
    segments: [[String; 5]; 5],
}

/// Scores of n customers, 1 (worst) to 5 (best).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scores {
    pub recency: Vec<u8>,
    pub frequency: Vec<u8>,
    pub monetary: Vec<u8>,
}

impl RawScoring {
    /// # Errors
    /// Names the cut points, the pattern, or the pair of scores that is wrong or missing.
    pub fn check(self) -> Result<Scoring, RfmError> {
        let cut =
            |dimension, points: Option<[f64; EDGES]>, unit| points.map(|p| cut_points(dimension, p, unit)).transpose();
        let usual = || USUAL.map(|(name, pattern)| SegmentRule { name: name.into(), pattern: pattern.into() }).to_vec();
        Ok(Scoring {
            recency: cut("recency", self.recency, 1.0)?.map(|points| points.map(|p| p.saturating_add(1))),
            frequency: cut("frequency", self.frequency, 1.0)?,
            monetary: cut("monetary", self.monetary, FIXED_POINT)?,
            segments: segment_table(&self.segments.unwrap_or_else(usual))?,
        })
    }
}

impl Default for Scoring {
    /// Quintiles and the ten usual segments.
    fn default() -> Self {
        match RawScoring::default().check() {
            Ok(scoring) => scoring,
            Err(error) => unreachable!("the usual segments are complete: {error}"),
        }
    }
}

impl Scoring {
    /// Scores n customers, all columns in ascending order of customer id: days since the last order, distinct
    /// invoices, and spend in 1/10,000 of the currency unit. Equal frequencies rank first come, first served.
    ///
    /// # Panics
    /// When the columns differ in length.
    #[must_use]
    pub fn score(&self, recency_days: &[i64], frequency: &[i64], monetary: &[i64]) -> Scores {
        assert!(
            recency_days.len() == frequency.len() && frequency.len() == monetary.len(),
            "rfm columns of unequal length"
        );
        let recency = match &self.recency {
            Some(points) => by_cut_points(recency_days, points),
            None => by_value(recency_days),
        };
        Scores {
            recency: recency.into_iter().map(|bin| 6 - bin).collect(),
            frequency: self.frequency.map_or_else(|| by_rank(frequency), |points| by_cut_points(frequency, &points)),
            monetary: self.monetary.map_or_else(|| by_value(monetary), |points| by_cut_points(monetary, &points)),
        }
    }

    /// Name of the segment of these scores; scores outside 1 to 5 count as the nearest inside.
    #[must_use]
    pub fn segment(&self, recency: u8, frequency: u8) -> &str {
        let at = |score: u8| usize::from(score.clamp(1, 5) - 1);
        self.segments.get(at(recency)).and_then(|row| row.get(at(frequency))).map_or("", String::as_str)
    }
}

/// Bin 1 to 5: one more than the number of lower bounds reached.
fn by_cut_points(values: &[i64], points: &[i64; EDGES]) -> Vec<u8> {
    values.iter().map(|value| bin(points.iter().map(|point| value >= point))).collect()
}

/// Bin 1 to 5: one more than the number of quintile edges exceeded.
fn by_value(values: &[i64]) -> Vec<u8> {
    let edges = quintile_edges(values);
    values.iter().map(|value| bin(edges.iter().map(|edge| value > edge))).collect()
}

/// Quintile bins of `rank(method="first")`: of equal values the earlier rank lower.
fn by_rank(values: &[i64]) -> Vec<u8> {
    // Of the values equal to an edge, as many as fit below it stay there.
    let mut edges = quintile_edges(values).map(|edge| (edge, 0));
    for ((edge, fit), place) in edges.iter_mut().zip(edge_places(values.len())) {
        *fit = place + 1 - values.iter().filter(|value| *value < edge).count().min(place + 1);
    }
    let mut rank = |value: &i64| {
        bin(edges.iter_mut().map(|(edge, fit)| {
            if value == edge && *fit > 0 {
                *fit -= 1;
                return false;
            }
            value >= edge
        }))
    };
    values.iter().map(&mut rank).collect()
}

fn bin(exceeded: impl Iterator<Item = bool>) -> u8 {
    1 + exceeded.map(u8::from).sum::<u8>()
}

/// Positions, in ascending order of values, of the order statistics just below the four inner quintile edges.
fn edge_places(count: usize) -> [usize; EDGES] {
    // Split so that no product can overflow.
    let (fifths, rest) = (count.saturating_sub(1) / 5, count.saturating_sub(1) % 5);
    [1, 2, 3, 4].map(|j| fifths * j + rest * j / 5)
}

fn quintile_edges(values: &[i64]) -> [i64; EDGES] {
    let mut values = values.to_vec();
    let places = edge_places(values.len());
    places.map(|place| if place < values.len() { *values.select_nth_unstable(place).1 } else { 0 })
}

/// Four increasing cut points in whole units (`unit` of them to one of the configuration).
#[expect(clippy::cast_possible_truncation, reason = "a cut point beyond i64 saturates, which compares the same")]
fn cut_points(dimension: &'static str, points: [f64; EDGES], unit: f64) -> Result<[i64; EDGES], RfmError> {
    let increasing = points.iter().zip(points.iter().skip(1)).all(|(a, b)| a < b);
    if !increasing || points.iter().any(|point| !point.is_finite()) {
        return Err(RfmError::CutPoints { dimension, points: points.to_vec() });
    }
    Ok(points.map(|point| {
        let units = point * unit;
        // 12.34 × 10,000 is not whole in binary; half a day or half an invoice is a bound all the same.
        let whole = if unit > 1.0 || dimension == "recency" { (units + 1e-6).floor() } else { units.ceil() };
        whole as i64
    }))
}

fn segment_table(rules: &[SegmentRule]) -> Result<[[String; 5]; 5], RfmError> {
    let mut table: [[String; 5]; 5] = Default::default();
    for rule in rules {
        if rule.name.trim().is_empty() {
            return Err(RfmError::Unnamed { pattern: rule.pattern.clone() });
        }
        let (recency, frequency) = parse_pattern(&rule.pattern)
            .ok_or_else(|| RfmError::Pattern { name: rule.name.clone(), pattern: rule.pattern.clone() })?;
        for (row, in_row) in table.iter_mut().zip(recency) {
            for (cell, in_column) in row.iter_mut().zip(frequency) {
                if in_row && in_column && cell.is_empty() {
                    cell.clone_from(&rule.name);
                }
            }
        }
    }
    for (recency, row) in (1..).zip(&table) {
        for (frequency, cell) in (1..).zip(row) {
            if cell.is_empty() {
                return Err(RfmError::Uncovered { recency, frequency });
            }
        }
    }
    Ok(table)
}

/// Which recency and which frequency scores a pattern means.
fn parse_pattern(pattern: &str) -> Option<([bool; 5], [bool; 5])> {
    let (recency, rest) = parse_digits(pattern.trim())?;
    let (frequency, rest) = parse_digits(rest)?;
    rest.is_empty().then_some((recency, frequency))
}

/// A digit 1 to 5 or several in brackets, and what follows.
fn parse_digits(pattern: &str) -> Option<([bool; 5], &str)> {
    let (digits, rest) = match pattern.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => pattern.split_at_checked(1)?,
    };
    let mut scores = [false; 5];
    for digit in digits.chars() {
        let score = usize::try_from(digit.to_digit(10)?).ok()?.checked_sub(1)?;
        *scores.get_mut(score)? = true;
    }
    scores.contains(&true).then_some((scores, rest))
}
