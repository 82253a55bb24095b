//! The frame that all charts share: finding, units, chart, one sentence, the same as a table.

use maud::{Markup, html};

/// A chart and what stands around it.
pub struct Card<'a> {
    /// Unique in the page.
    pub id: &'a str,
    /// The finding, or the question.
    pub title: String,
    /// What is drawn, in which unit and scale.
    pub subtitle: String,
    pub chart: Markup,
    /// The chart in one sentence, for readers who do not see it.
    pub summary: String,
    /// The chart's exact values; nothing when the chart is a table itself.
    pub table: Option<Markup>,
}

impl Card<'_> {
    pub fn markup(&self) -> Markup {
        html! {
            section.card id=(self.id) aria-labelledby={ (self.id) "-title" } {
                h2 id={ (self.id) "-title" } { (self.title) }
                p.subtitle { (self.subtitle) }
                figure {
                    (self.chart)
                    figcaption id={ (self.id) "-summary" } { (self.summary) }
                }
                @if let Some(table) = &self.table {
                    details {
                        summary { "Show as table" span.unseen { ": " (self.title) } }
                        (table)
                    }
                }
            }
        }
    }
}

/// What a row is called, and its cells: an exact value and, beside it, its share.
pub type Row = (Markup, Vec<(String, Option<String>)>);

/// A table whose first column names its rows.
pub fn table(columns: &[&str], rows: Vec<Row>) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { @for column in columns { th scope="col" { (column) } } } }
            tbody {
                @for (name, cells) in rows {
                    tr {
                        th scope="row" { (name) }
                        @for (value, aside) in cells {
                            td { span { (value) } @if let Some(aside) = aside { " " span.aside { (aside) } } }
                        }
                    }
                }
            }
        } }
    }
}

/// A segment's name behind its colour.
pub fn tag(class: &str, name: &str) -> Markup {
    html! { span.tag title=(name) { span.swatch.(class) aria-hidden="true" {} span { (name) } } }
}

/// What stands in a card that has nothing to show yet.
pub fn empty(what: &str) -> Markup {
    html! { p.empty { (what) ": run " code { "batch run --input FILE" } } }
}

/// A length or place on a chart, as an SVG attribute.
pub fn part(percent: f64) -> String {
    format!("{percent:.2}%")
}
