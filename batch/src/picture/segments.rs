//! How many customers each segment has, and how much of the revenue they bring.

use maud::{Markup, html};

use super::card::{Card, empty, part, table, tag};
use super::numbers::{count, count_short, counted, money, money_short, percent, percent_short, share};
use super::page::{Page, Segment};
use super::palette::Palette;

struct Row<'a> {
    segment: &'a Segment,
    customers: Option<f64>,
    revenue: Option<f64>,
}

pub fn card(page: &Page, palette: &Palette) -> Markup {
    let rows: Vec<Row> = page
        .by_monetary()
        .into_iter()
        .map(|segment| Row {
            segment,
            customers: share(exact(segment.customers), exact(page.customers)),
            revenue: share(segment.revenue, page.revenue),
        })
        .collect();
    Card {
        id: "segments",
        title: title(page, &rows),
        subtitle:
            "Share of customers (outlined) beside share of revenue (filled), all on one scale; highest spend per customer first"
                .to_owned(),
        chart: if rows.is_empty() {
            empty("No segments yet")
        } else {
            bars(page, palette, &rows)
        },
        summary: summary(&rows),
        table: (!rows.is_empty()).then(|| exact_values(page, palette, &rows)),
    }
    .markup()
}

/// The segment that does most to make revenue uneven: much of it, from few (its term of the relative entropy).
fn title(page: &Page, rows: &[Row]) -> String {
    let gain = |row: &Row| match row.revenue.zip(row.customers) {
        Some((revenue, customers)) if revenue > 0.0 => revenue * (revenue / customers).ln(),
        _ => f64::NEG_INFINITY,
    };
    let best = rows.iter().filter(|row| row.segment.customers > 0).max_by(|a, b| gain(a).total_cmp(&gain(b)));
    match best {
        None => "No segments yet".to_owned(),
        Some(_) if rows.len() == 1 => format!("{} in one segment", counted(page.customers, "customer", "customers")),
        Some(row) => {
            let verb = if row.segment.customers == 1 { "customer brings" } else { "customers bring" };
            let (n, name) = (count(row.segment.customers), &row.segment.segment_name);
            match row.revenue {
                Some(revenue) => format!("{n} {name} {verb} {} of the revenue", percent_short(revenue)),
                None => format!("{} segments, no revenue to share", rows.len()),
            }
        }
    }
}

fn bars(page: &Page, palette: &Palette, rows: &[Row]) -> Markup {
    let longest = rows.iter().flat_map(|r| [r.customers, r.revenue]).flatten().fold(0.0, f64::max);
    let length = |share: Option<f64>| share.filter(|_| longest > 0.0).map_or(0.0, |s| (s / longest * 100.0).max(0.0));
    let widest = rows.iter().flat_map(|row| [people(row), earned(page, row)]).map(|l| l.chars().count() + 7);
    html! {
        div.bars role="img" aria-labelledby="segments-summary" style={ "--characters:" (widest.max().unwrap_or_default()) } {
            @for row in rows {
                @let class = palette.class(row.segment);
                @let (n, revenue) = (count(row.segment.customers), money(&page.currency, row.segment.revenue));
                div.name { (tag(&class, &row.segment.segment_name)) }
                svg.pair.(class) width="100%" height="44" {
                    (bar("count", 2, length(row.customers), &percent(row.customers), &people(row), &n))
                    (bar("amount", 23, length(row.revenue), &percent(row.revenue), &earned(page, row), &revenue))
                    line.base x1="0" x2="0" y1="0" y2="44" {}
                }
            }
        }
    }
}

fn bar(kind: &str, top: u8, length: f64, share: &str, detail: &str, exact: &str) -> Markup {
    html! {
        g {
            title { (exact) " (" (share) ")" }
            rect.(kind) x="0" y=(top) width=(part(length)) height="18" rx="2" {}
            text x=(part(length)) y=(top + 13) dx="8" { tspan.strong { (share) } tspan.muted dx="6" { (detail) } }
        }
    }
}

fn people(row: &Row) -> String {
    let noun = if row.segment.customers == 1 { "customer" } else { "customers" };
    format!("{} {noun}", count_short(row.segment.customers))
}

fn earned(page: &Page, row: &Row) -> String {
    format!("{} revenue", money_short(&page.currency, row.segment.revenue))
}

fn summary(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "Nothing has been published yet.".to_owned();
    }
    let each = rows.iter().map(|row| {
        let name = &row.segment.segment_name;
        format!("{name} {} of customers and {} of revenue", percent(row.customers), percent(row.revenue))
    });
    format!("{}.", each.collect::<Vec<_>>().join("; "))
}

fn exact_values(page: &Page, palette: &Palette, rows: &[Row]) -> Markup {
    let mut lines: Vec<_> = rows
        .iter()
        .map(|row| {
            let name = tag(&palette.class(row.segment), &row.segment.segment_name);
            let customers = (count(row.segment.customers), Some(percent(row.customers)));
            (name, vec![customers, (money(&page.currency, row.segment.revenue), Some(percent(row.revenue)))])
        })
        .collect();
    let all = vec![(count(page.customers), None), (money(&page.currency, page.revenue), None)];
    lines.push((html! { "All" }, all));
    table(&["Segment", "Customers", "Revenue"], lines)
}

/// Counts of customers stay far below 2⁵³, so nothing is lost.
fn exact(n: u64) -> f64 {
    n as f64
}
