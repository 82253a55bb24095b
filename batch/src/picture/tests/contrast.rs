//! WCAG 2 contrast of the colours in the style sheet, in both themes.

const STYLE: &str = include_str!("../picture.css");

#[test]
fn marks_stand_out_from_card_and_page_and_text_is_readable() {
    let (light, rest) = STYLE.split_once("@media").unwrap_or_default();
    let (dark, _) = rest.split_once("* {").unwrap_or_default();
    for (theme, own, fallback) in [("light", light, light), ("dark", dark, light)] {
        let colour =
            |name: &str| colour(own, name).or_else(|| colour(fallback, name)).unwrap_or_else(|| panic!("{name}"));
        let at_least = |least: f64, front: &str, back: &str| {
            let contrast = contrast(colour(front), colour(back));
            assert!(contrast >= least, "{theme}: {front} on {back} is {contrast:.2}");
        };
        for back in ["card", "page"] {
            (0..8).for_each(|i| at_least(3.0, &format!("segment-{i}"), back));
            at_least(3.0, "neutral", back);
            ["ink", "muted", "accent"].iter().for_each(|text| at_least(4.5, text, back));
        }
        (0..6).for_each(|i| at_least(4.5, "ink", &format!("heat-{i}")));
        (1..5).for_each(|i| assert!(contrast(colour(&format!("heat-{i}")), colour(&format!("heat-{}", i + 1))) > 1.1));
    }
}

fn colour(css: &str, name: &str) -> Option<[f64; 3]> {
    let hex = css.split(&format!("--{name}: #")).nth(1)?.get(..6)?;
    let channel = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok().map(|c| f64::from(c) / 255.0);
    Some([channel(0)?, channel(2)?, channel(4)?])
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance(colour: [f64; 3]) -> f64 {
    let linear = colour.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
    linear.into_iter().zip([0.2126, 0.7152, 0.0722]).map(|(c, weight)| c * weight).sum()
}
