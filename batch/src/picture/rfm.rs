//! The named RFM segments: how many customers, how much revenue.

use maud::{Markup, html};

use super::card::{Card, empty, part};
use super::numbers::{count, counted, money, percent, percent_short, share};
use super::page::{Page, RfmSegment};

pub fn card(page: &Page) -> Markup {
    let mut segments: Vec<&RfmSegment> = page.rfm_segments.iter().collect();
    segments.sort_by(|a, b| b.revenue.total_cmp(&a.revenue).then_with(|| a.rfm_segment.cmp(&b.rfm_segment)));
    Card {
        id: "rfm",
        title: title(page, &segments),
        subtitle: "RFM segments by revenue; thin bars are shares of all customers and of all revenue".to_owned(),
        chart: if segments.is_empty() { empty("No RFM segments yet") } else { rows(page, &segments) },
        summary: summary(page, &segments),
        table: None,
    }
    .markup()
}

fn title(page: &Page, segments: &[&RfmSegment]) -> String {
    let first = segments.first().and_then(|s| Some((s, of_revenue(page, s)?, of_customers(page, s)?)));
    match first {
        None => "RFM segments".to_owned(),
        Some((s, revenue, customers)) => {
            let (revenue, customers) = (percent_short(revenue), percent_short(customers));
            format!("{}: {revenue} of revenue, {customers} of customers", s.rfm_segment)
        }
    }
}

fn rows(page: &Page, segments: &[&RfmSegment]) -> Markup {
    html! {
        table.shares {
            thead {
                tr { @for column in ["RFM segment", "Customers", "Revenue"] { th scope="col" { (column) } } }
            }
            tbody {
                @for s in segments {
                    tr {
                        th scope="row" { (s.rfm_segment) }
                        td { (cell(&count(s.customers), of_customers(page, s))) }
                        td { (cell(&money(&page.currency, s.revenue), of_revenue(page, s))) }
                    }
                }
            }
        }
    }
}

fn cell(value: &str, share: Option<f64>) -> Markup {
    html! {
        span { (value) } " " span.aside { (percent(share)) }
        svg.thin width="100%" height="4" aria-hidden="true" {
            rect.track width="100%" height="4" rx="2" {}
            rect width=(part(share.unwrap_or(0.0).clamp(0.0, 100.0))) height="4" rx="2" {}
        }
    }
}

fn summary(page: &Page, segments: &[&RfmSegment]) -> String {
    let customers = segments.iter().map(|s| s.customers).sum();
    let revenue = segments.iter().map(|s| s.revenue).sum();
    let (groups, customers) =
        (counted(segments.len() as u64, "segment", "segments"), counted(customers, "customer", "customers"));
    format!("{groups}, {customers}, {} together.", money(&page.currency, revenue))
}

fn of_customers(page: &Page, segment: &RfmSegment) -> Option<f64> {
    share(segment.customers as f64, page.customers as f64)
}

fn of_revenue(page: &Page, segment: &RfmSegment) -> Option<f64> {
    share(segment.revenue, page.revenue)
}
