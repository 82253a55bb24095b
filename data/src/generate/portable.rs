//! Logarithm and exponential made of `+ − × ÷` alone.
//!
//! The standard library takes them from the platform, whose last digit differs between systems. These give the
//! same bits everywhere, which the promise "same seed, same bytes" needs. Correct to about 1e-15, relatively.

use std::f64::consts::{LN_2, SQRT_2};

const MANTISSA_BITS: u32 = 52;
const EXPONENT_BIAS: i32 = 1023;

/// Natural logarithm of a positive, normal number.
#[must_use]
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = i32::try_from(bits >> MANTISSA_BITS & 0x7ff).unwrap_or(EXPONENT_BIAS) - EXPONENT_BIAS;
    let mantissa = f64::from_bits(bits & ((1 << MANTISSA_BITS) - 1) | 1023 << MANTISSA_BITS);
    let (mantissa, exponent) = if mantissa > SQRT_2 { (mantissa / 2.0, exponent + 1) } else { (mantissa, exponent) };
    // ln m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …), with |s| ≤ 0.172.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let series = (0..12).rev().fold(0.0, |sum, k| sum * s * s + 1.0 / f64::from(2 * k + 1));
    f64::from(exponent) * LN_2 + 2.0 * s * series
}

/// e to the power of `x`; `x` beyond ±700 counts as ±700.
#[must_use]
pub fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let doublings = (x / LN_2 + 0.5).floor();
    let rest = x - doublings * LN_2;
    let series = (1..=16).rev().fold(1.0, |sum, k| 1.0 + sum * rest / f64::from(k));
    series * two_to_the(doublings)
}

/// `base` to the power of `exponent`, for a positive `base`.
#[must_use]
pub fn power(base: f64, exponent: f64) -> f64 {
    exp(exponent * ln(base))
}

/// 2 to a whole power between −1010 and 1010.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole and within 13..=2033 by the clamp in exp"
)]
fn two_to_the(power: f64) -> f64 {
    f64::from_bits(((power + f64::from(EXPONENT_BIAS)) as u64) << MANTISSA_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_platform() {
        for k in 1..20_000 {
            let x = f64::from(k) * 0.37;
            assert!((ln(x) - x.ln()).abs() <= 1e-14 * x.ln().abs().max(1.0), "ln {x}");
            let y = (f64::from(k) - 10_000.0) * 0.0301;
            assert!((exp(y) / y.exp() - 1.0).abs() < 1e-12, "exp {y}");
        }
        assert!((power(2.0, 0.5) - SQRT_2).abs() < 1e-14);
    }

    #[test]
    fn gives_these_very_bits() {
        let bits = [ln(10.0), ln(0.001), exp(1.0), exp(-7.5), power(3.0, 0.37)].map(f64::to_bits);
        let expected = [
            0x4002_6bb1_bbb5_5515,
            0xc01b_a18a_998f_ffa0,
            0x4005_bf0a_8b14_576a,
            0x3f42_1f9b_a40f_31d5,
            0x3ff8_0647_67aa_de00_u64,
        ];
        assert_eq!(bits, expected, "{bits:#x?}");
    }
}
