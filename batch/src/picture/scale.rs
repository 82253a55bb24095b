//! Where a value stands on an axis, in per cent of its length.

/// An axis: from its lowest to its highest value.
#[derive(Debug, Clone, Copy)]
pub enum Scale {
    Linear { low: f64, high: f64 },
    Log { low: f64, high: f64 },
}

const MOST_TICKS: usize = 4;

impl Scale {
    /// From zero to a round value above all.
    pub fn linear(values: &[f64]) -> Scale {
        let high = values.iter().copied().fold(0.0, f64::max);
        let low = values.iter().copied().fold(0.0, f64::min);
        let step = round_step((high - low) / 4.0);
        Scale::Linear { low: (low / step).floor() * step, high: ((high / step).ceil() * step).max(step) }
    }

    /// Between round values below and above all; linear where a value has no logarithm.
    pub fn log(values: &[f64]) -> Scale {
        if values.is_empty() || values.iter().any(|v| *v <= 0.0) {
            return Scale::linear(values);
        }
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        let (low, high) = (round_below(low), round_above(high));
        if high / low < 5.0 {
            Scale::Log { low: round_below(low * 0.9), high: round_above(high * 1.1) }
        } else {
            Scale::Log { low, high }
        }
    }

    pub fn is_log(self) -> bool {
        matches!(self, Scale::Log { .. })
    }

    /// 0 at the lowest value of the axis, 100 at the highest.
    pub fn at(self, value: f64) -> f64 {
        let part = match self {
            Scale::Linear { low, high } => (value - low) / (high - low),
            Scale::Log { low, high } => (value / low).ln() / (high / low).ln(),
        };
        if part.is_finite() { (part * 100.0).clamp(0.0, 100.0) } else { 0.0 }
    }

    /// At most four round values.
    pub fn ticks(self) -> Vec<f64> {
        match self {
            Scale::Linear { low, high } => linear_ticks(low, high),
            Scale::Log { low, high } => thin(log_ticks(low, high)),
        }
    }
}

fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let step = round_step((high - low) / 3.0);
    let first = (low / step).ceil();
    (0_u8..=4).map(|i| (first + f64::from(i)) * step).filter(|t| *t <= high + step * 1e-9).collect()
}

fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let fits = |t: &f64| *t >= low * 0.999 && *t <= high * 1.001;
    let lowest = low.log10().floor();
    let decades: Vec<f64> = (0_u8..40).map(|i| ten_to(lowest + f64::from(i))).filter(fits).collect();
    if decades.len() > 1 {
        return decades;
    }
    (0_u8..3).flat_map(|i| [1.0, 2.0, 5.0].map(|digit| digit * ten_to(lowest + f64::from(i)))).filter(fits).collect()
}

fn thin(ticks: Vec<f64>) -> Vec<f64> {
    let stride = ticks.len().div_ceil(MOST_TICKS).max(1);
    ticks.into_iter().step_by(stride).collect()
}

/// The next of 1, 2, 5 × 10ⁿ that is not smaller; 1 for nothing.
fn round_step(raw: f64) -> f64 {
    if raw > 0.0 { round_above(raw) } else { 1.0 }
}

fn round_above(value: f64) -> f64 {
    let decade = ten_to(value.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|digit| digit * decade)
        .find(|round| *round >= value * (1.0 - 1e-9))
        .unwrap_or(10.0 * decade)
}

fn round_below(value: f64) -> f64 {
    let decade = ten_to(value.log10().floor());
    [5.0, 2.0, 1.0]
        .into_iter()
        .map(|digit| digit * decade)
        .find(|round| *round <= value * (1.0 + 1e-9))
        .unwrap_or(decade)
}

fn ten_to(exponent: f64) -> f64 {
    10_f64.powf(exponent)
}
