//! The page: key figures, then the charts.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::numbers::{
    count, count_short, counted, date, date_time, decimal, money, money_short, percent_short, share, short,
};
use super::page::Page;
use super::palette::Palette;
use super::{grid, lines, model, profiles, rfm, segments};

const STYLE: &str = include_str!("picture.css");
/// Nothing may be fetched and nothing run, whatever the data holds.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
    base-uri 'none'; form-action 'none'";

/// Title, value, what stands below it.
struct Tile(&'static str, String, String);

pub fn document(page: &Page) -> Markup {
    let palette = Palette::of(&page.segments);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                title { "Customer segments, publication " (page.publication) " – Clientele" }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                (heading(page))
                main {
                    (tiles(page))
                    div.column {
                        (segments::card(page, &palette))
                        (profiles::card(page, &palette))
                        (lines::card(page))
                    }
                    div.column { (grid::card(page)) (rfm::card(page)) }
                    (model::card(page, &palette))
                }
                footer {
                    p {
                        "Clientele, publication " (page.publication)
                        ". Days are counted in UTC. R, F, M: recency, frequency, monetary."
                    }
                }
            }
        }
    }
}

fn heading(page: &Page) -> Markup {
    let input = &page.input;
    html! {
        header {
            h1 {
                (counted(page.customers, "customer", "customers")) ", "
                (counted(page.segments.len() as u64, "segment", "segments"))
            }
            p {
                span { "Publication " b { (page.publication) } }
                span { "calculated " time datetime=(page.published_at) { (date_time(&page.published_at)) } }
                span { "reference date " time datetime=(page.reference_time) { (date(&page.reference_time)) } }
                span {
                    (counted(input.read, "line", "lines")) " read: " (count(input.accepted)) " accepted, "
                    (count(input.rejected_lines())) " rejected"
                }
            }
        }
    }
}

fn tiles(page: &Page) -> Markup {
    html! {
        section.tiles aria-label="Key figures" {
            dl { @for Tile(name, value, below) in key_figures(page) {
                div { dt { (name) } dd { span.figure { (value) } span.muted { (below) } } }
            } }
        }
    }
}

fn key_figures(page: &Page) -> [Tile; 6] {
    let segments = counted(page.segments.len() as u64, "segment", "segments");
    let orders = share(page.invoices as f64, page.customers as f64)
        .map_or_else(dash, |percent| format!("{} per customer", decimal(percent / 100.0, 2)));
    let accepted = share(page.input.accepted as f64, page.input.read as f64);
    let rejected = format!("{} rejected", count(page.input.rejected_lines()));
    let revenue = money(&page.currency, page.revenue);
    let [recency, spend] = median_figures(page);
    [
        Tile("Customers", count_short(page.customers), exact(page.customers, format!("in {segments}"))),
        Tile("Revenue", money_short(&page.currency, page.revenue), revenue),
        Tile("Orders", count_short(page.invoices), exact(page.invoices, orders)),
        recency,
        spend,
        Tile("Lines accepted", accepted.map_or_else(dash, percent_short), rejected),
    ]
}

fn median_figures(page: &Page) -> [Tile; 2] {
    let on = format!("on {}", date(&page.reference_time));
    let Some(median) = &page.median else {
        return [Tile("Median recency", dash(), on), Tile("Median spend", dash(), String::new())];
    };
    let noun = if median.frequency > 1.0 { "orders" } else { "order" };
    let spend = money(&page.currency, median.monetary);
    [
        Tile("Median recency", format!("{} d", short(median.recency_days)), on),
        Tile(
            "Median spend",
            money_short(&page.currency, median.monetary),
            format!("{spend}; median {} {noun}", short(median.frequency)),
        ),
    ]
}

fn dash() -> String {
    "–".to_owned()
}

/// The exact number first, where the tile shows it shortened.
fn exact(n: u64, below: String) -> String {
    if count(n) == count_short(n) { below } else { format!("{}, {below}", count(n)) }
}
