//! How good the model is.

use maud::{Markup, html};

use super::card::{Card, table, tag};
use super::numbers::{count, counted, decimal};
use super::page::{Model, Page};
use super::palette::Palette;

/// Name, value, how to read it.
struct Figure(&'static str, String, &'static str);

const UNDEFINED: &str = "not defined";

pub fn card(page: &Page, palette: &Palette) -> Markup {
    let model = &page.model;
    Card {
        id: "model",
        title: title(model),
        subtitle: "K-Means on recency, frequency and monetary, each divided by its standard deviation".to_owned(),
        chart: html! {
            dl.figures {
                @for Figure(name, value, reading) in figures(model) {
                    div { dt { (name) } dd { span.strong.undefined[value == UNDEFINED] { (value) } span.muted { (reading) } } }
                }
            }
        },
        summary: basis(page),
        table: centroids(page, palette),
    }
    .markup()
}

fn title(model: &Model) -> String {
    match defined(model.silhouette) {
        Some(s) => {
            format!("How far apart are the {}? Silhouette {}", counted(model.k, "segment", "segments"), decimal(s, 2))
        }
        None => format!("The model: {}", counted(model.k, "segment", "segments")),
    }
}

fn figures(model: &Model) -> [Figure; 6] {
    let text = |value: Option<f64>, decimals| defined(value).map_or(UNDEFINED.to_owned(), |v| decimal(v, decimals));
    [
        Figure("Segments (k)", count(model.k), "as asked for, or by --k auto"),
        Figure("Seed", model.seed.to_string(), "same seed, same model"),
        Figure("Inertia", text(model.inertia, 2), "from 0; lower is better"),
        Figure("Silhouette", text(model.silhouette, 4), "−1 to 1; higher is better"),
        Figure("Davies–Bouldin", text(model.davies_bouldin, 4), "from 0; lower is better"),
        Figure("Calinski–Harabasz", text(model.calinski_harabasz, 1), "from 0; higher is better"),
    ]
}

fn basis(page: &Page) -> String {
    let all = counted(page.customers, "customer", "customers");
    let model = &page.model;
    let quality = [model.silhouette, model.davies_bouldin, model.calinski_harabasz];
    if quality.into_iter().any(|figure| defined(figure).is_none()) {
        return "What is not defined needs at least two segments, and more customers than segments.".to_owned();
    }
    match model.sampled {
        Some(n) => format!("Quality figures are sampled: from {} of {all}.", count(n)),
        None => format!("Quality figures are from all {all}."),
    }
}

/// Centroids are listed by ascending segment id, so they can be named only when there is one for each.
fn centroids(page: &Page, palette: &Palette) -> Option<Markup> {
    let mut by_id: Vec<_> = page.segments.iter().collect();
    by_id.sort_by_key(|s| s.segment_id);
    if by_id.is_empty() || by_id.len() != page.model.centroids.len() {
        return None;
    }
    let mut named: Vec<_> = by_id.into_iter().zip(&page.model.centroids).collect();
    named.sort_by(|(a, _), (b, _)| b.monetary.total_cmp(&a.monetary));
    let cells = |values: &[f64]| values.iter().map(|v| (decimal(*v, 4), None)).collect();
    let mut rows: Vec<_> =
        named.into_iter().map(|(s, c)| (tag(&palette.class(s), &s.segment_name), cells(c))).collect();
    if page.model.scale.len() == 3 {
        rows.push((html! { "Divided by" }, cells(&page.model.scale)));
    }
    Some(table(&["Centroid, scaled", "R", "F", "M"], rows))
}

fn defined(figure: Option<f64>) -> Option<f64> {
    figure.filter(|f| f.is_finite())
}
