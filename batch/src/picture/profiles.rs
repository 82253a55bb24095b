//! What the mean customer of each segment is like, against the median of all customers.

use maud::{Markup, html};

use super::card::{Card, empty, part, table, tag};
use super::numbers::{decimal, money, money_short, short, tick, times};
use super::page::{Median, Page, Segment};
use super::palette::Palette;
use super::scale::Scale;

/// One of R, F and M: where it is found, and its axis.
struct Feature {
    title: &'static str,
    unit: &'static str,
    axis: fn(&[f64]) -> Scale,
    mean: fn(&Segment) -> f64,
    median: fn(&Median) -> f64,
    is_money: bool,
}

const FEATURES: [Feature; 3] = [
    Feature {
        title: "Recency",
        unit: "days since last order",
        axis: Scale::linear,
        mean: |s| s.recency_days,
        median: |m| m.recency_days,
        is_money: false,
    },
    Feature {
        title: "Frequency",
        unit: "orders per customer",
        axis: Scale::log,
        mean: |s| s.frequency,
        median: |m| m.frequency,
        is_money: false,
    },
    Feature {
        title: "Monetary",
        unit: "spend per customer",
        axis: Scale::log,
        mean: |s| s.monetary,
        median: |m| m.monetary,
        is_money: true,
    },
];

/// A feature with this publication's values.
struct Panel<'a> {
    feature: &'static Feature,
    scale: Scale,
    median: Option<f64>,
    currency: &'a str,
}

pub fn card(page: &Page, palette: &Palette) -> Markup {
    let segments = page.by_monetary();
    let panels = FEATURES.each_ref().map(|feature| Panel::of(feature, page, &segments));
    Card {
        id: "profiles",
        title: title(page, &segments),
        subtitle: "Mean of each segment (dot) against the median customer (dashed line); × is times the median"
            .to_owned(),
        chart: if segments.is_empty() { empty("No segments to compare") } else { chart(&panels, &segments, palette) },
        summary: summary(page, &segments),
        table: (!segments.is_empty()).then(|| exact_values(page, &segments, palette)),
    }
    .markup()
}

fn title(page: &Page, segments: &[&Segment]) -> String {
    let ratio = segments.first().zip(page.median.as_ref()).and_then(|(s, m)| Some((s, times(s.monetary, m.monetary)?)));
    match ratio {
        Some((_, ratio)) if segments.len() == 1 => {
            format!("The mean customer spends {ratio} what the median one does")
        }
        Some((s, ratio)) => format!("{} spend {ratio} what the median customer does", s.segment_name),
        None => "Recency, frequency and spend by segment".to_owned(),
    }
}

impl Panel<'_> {
    fn of<'a>(feature: &'static Feature, page: &'a Page, segments: &[&Segment]) -> Panel<'a> {
        let median = page.median.as_ref().map(feature.median);
        let values: Vec<f64> = segments.iter().map(|s| (feature.mean)(s)).chain(median).collect();
        Panel { feature, scale: (feature.axis)(&values), median, currency: &page.currency }
    }

    fn text(&self, value: f64) -> String {
        if self.feature.is_money { money_short(self.currency, value) } else { short(value) }
    }

    fn unit(&self) -> String {
        let kind = if self.scale.is_log() { "log scale" } else { "linear" };
        format!("{} · {kind}", self.feature.unit)
    }
}

fn chart(panels: &[Panel], segments: &[&Segment], palette: &Palette) -> Markup {
    html! {
        div.profiles role="img" aria-labelledby="profiles-summary" style={ "--rows:" (segments.len() + 2) } {
            div.names {
                span {}
                @for s in segments { (tag(&palette.class(s), &s.segment_name)) }
                span {}
            }
            @for panel in panels { (small_multiple(panel, segments, palette)) }
        }
    }
}

fn small_multiple(panel: &Panel, segments: &[&Segment], palette: &Palette) -> Markup {
    let mean = panel.feature.mean;
    let lengths = segments.iter().map(|s| panel.text(mean(s)).chars().count());
    let longest = lengths.max().unwrap_or_default().max(5);
    html! {
        div.panel style={ "--characters:" (longest) } {
            div.heading {
                h3 { (panel.feature.title) }
                p { (panel.unit()) }
                @if let Some(median) = panel.median {
                    @let place = panel.scale.at(median);
                    svg.reference width="100%" height="18" {
                        text x=(part(place)) y="12" text-anchor=(anchor(place)) { "median " (panel.text(median)) }
                    }
                }
            }
            @for s in segments {
                div.strip {
                    (tag(&palette.class(s), &s.segment_name))
                    (lollipop(panel, s, &palette.class(s)))
                    span.value {
                        span.strong { (panel.text(mean(s))) }
                        @if let Some(ratio) = panel.median.and_then(|m| times(mean(s), m)) {
                            span.muted { (ratio) }
                        }
                    }
                }
            }
            svg.axis width="100%" height="22" {
                @for value in panel.scale.ticks() {
                    @let place = panel.scale.at(value);
                    line x1=(part(place)) x2=(part(place)) y1="0" y2="4" {}
                    text x=(part(place)) y="17" text-anchor="middle" { (tick(value)) }
                }
            }
        }
    }
}

/// A dot at the segment's value, its stem from the median.
fn lollipop(panel: &Panel, segment: &Segment, class: &str) -> Markup {
    let value = (panel.feature.mean)(segment);
    let at = panel.scale.at(value);
    html! {
        svg.lollipop.(class) width="100%" height="36" {
            title { (segment.segment_name) ": " (decimal(value, 2)) }
            line.ground x1="0" x2="100%" y1="18" y2="18" {}
            @if let Some(from) = panel.median.map(|median| part(panel.scale.at(median))) {
                line.stem x1=(from) x2=(part(at)) y1="18" y2="18" {}
                line.median x1=(from) x2=(from) y1="0" y2="36" {}
            }
            circle cx=(part(at)) cy="18" r="6" {}
        }
    }
}

/// A label off the middle of the axis grows towards it.
fn anchor(place: f64) -> &'static str {
    match place {
        p if p < 35.0 => "start",
        p if p > 65.0 => "end",
        _ => "middle",
    }
}

fn summary(page: &Page, segments: &[&Segment]) -> String {
    let top = |value: fn(&Segment) -> f64| segments.iter().max_by(|a, b| value(a).total_cmp(&value(b)));
    let (Some(r), Some(f), Some(m)) = (top(|s| s.recency_days), top(|s| s.frequency), top(|s| s.monetary)) else {
        return "Nothing has been published yet.".to_owned();
    };
    format!(
        "Longest since the last order: {} ({} d). Most orders: {} ({}). Highest spend: {} ({}).",
        r.segment_name,
        short(r.recency_days),
        f.segment_name,
        short(f.frequency),
        m.segment_name,
        money_short(&page.currency, m.monetary)
    )
}

fn exact_values(page: &Page, segments: &[&Segment], palette: &Palette) -> Markup {
    let cells =
        |r: f64, f: f64, m: f64| vec![(decimal(r, 2), None), (decimal(f, 2), None), (money(&page.currency, m), None)];
    let rows = segments
        .iter()
        .map(|s| (tag(&palette.class(s), &s.segment_name), cells(s.recency_days, s.frequency, s.monetary)));
    let median =
        page.median.as_ref().map(|m| (html! { "Median customer" }, cells(m.recency_days, m.frequency, m.monetary)));
    table(&["Segment", "R, days", "F, orders", "Monetary"], rows.chain(median).collect())
}
