//! Customers by recency and frequency score, with the named RFM segments outlined.

use maud::{Markup, html};

use super::card::{Card, empty, part, table};
use super::numbers::{count, counted, percent_short, share};
use super::page::Page;

/// Cells along one side.
const SIDE: usize = 5;
/// Length of a cell in per cent of the map.
const CELL: f64 = 20.0;
const SHADES: u64 = 5;

/// Column (recency score − 1) and row from the top (5 − frequency score).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cell {
    column: usize,
    row: usize,
}

pub fn card(page: &Page) -> Markup {
    let most = page.rfm_grid.iter().flatten().copied().max().unwrap_or_default();
    Card {
        id: "grid",
        title: title(page),
        subtitle: "Customers by recency and frequency score (5 = best); RFM segments outlined".to_owned(),
        chart: if most == 0 { empty("No customers to place") } else { chart(page, most) },
        summary: if most == 0 { "Nothing has been published yet.".to_owned() } else { summary(page) },
        table: (most > 0).then(|| exact_values(page)),
    }
    .markup()
}

fn title(page: &Page) -> String {
    match page.rfm_segments.iter().max_by_key(|s| s.customers).filter(|s| s.customers > 0) {
        None => "No RFM segments yet".to_owned(),
        Some(s) => {
            let share = share(s.customers as f64, page.customers as f64).unwrap_or_default();
            format!("{} is the largest group: {}", s.rfm_segment, percent_short(share))
        }
    }
}

fn chart(page: &Page, most: u64) -> Markup {
    let step = step(most);
    html! {
        div.grid role="img" aria-labelledby="grid-summary" {
            div.ordinate { span { "Frequency" } @for score in (1..=SIDE).rev() { b { (score) } } }
            div.map {
                svg width="100%" height="100%" {
                    @for cell in cells() { (square(page, cell, step)) }
                    @for (cell, side) in borders(page) { (border(cell, side)) }
                    rect.frame width="100%" height="100%" {}
                }
                @for (cell, width, name) in labels(page) {
                    span.label style={
                        "left:" (part(place(cell.column))) ";top:" (part(place(cell.row))) ";width:" (part(place(width)))
                    } { span { (name) } }
                }
            }
            div.abscissa { @for score in 1..=SIDE { b { (score) } } span { "Recency" } }
        }
        (legend(most, step))
    }
}

fn square(page: &Page, cell: Cell, step: u64) -> Markup {
    let n = customers(page, cell);
    let (x, y) = (place(cell.column), place(cell.row));
    html! {
        g {
            title {
                "R " (cell.column + 1) ", F " (SIDE - cell.row) ", " (name(page, cell)) ": "
                (counted(n, "customer", "customers"))
            }
            rect.{ "q" (shade(n, step)) } x=(part(x)) y=(part(y)) width=(part(CELL)) height=(part(CELL)) {}
            text x=(part(x + CELL / 2.0)) y=(part(y + CELL * 0.8)) text-anchor="middle" { (count(n)) }
        }
    }
}

/// The left (`true`) and top (`false`) sides that part two RFM segments.
fn borders(page: &Page) -> Vec<(Cell, bool)> {
    let parts = |cell: Cell, before: Option<Cell>| before.is_some_and(|b| name(page, b) != name(page, cell));
    let left = |c: &Cell| parts(*c, c.column.checked_sub(1).map(|column| Cell { column, ..*c }));
    let top = |c: &Cell| parts(*c, c.row.checked_sub(1).map(|row| Cell { row, ..*c }));
    let lefts = cells().filter(left).map(|c| (c, true));
    lefts.chain(cells().filter(top).map(|c| (c, false))).collect()
}

fn border(cell: Cell, left: bool) -> Markup {
    let (x, y) = (place(cell.column), place(cell.row));
    let (to_x, to_y) = if left { (x, y + CELL) } else { (x + CELL, y) };
    html! { line.border x1=(part(x)) y1=(part(y)) x2=(part(to_x)) y2=(part(to_y)) {} }
}

/// Where each RFM segment begins, from the top left, and how many cells wide it is there.
fn labels(page: &Page) -> Vec<(Cell, usize, &str)> {
    let mut seen: Vec<&str> = Vec::new();
    let mut labels = Vec::new();
    for cell in cells() {
        let here = name(page, cell);
        if seen.contains(&here) {
            continue;
        }
        seen.push(here);
        let width =
            (cell.column..SIDE).take_while(|column| name(page, Cell { column: *column, ..cell }) == here).count();
        labels.push((cell, width, here));
    }
    labels
}

fn legend(most: u64, step: u64) -> Markup {
    html! {
        ul.legend {
            li.unit { "Customers" }
            @for shade in 0..=shade(most, step) {
                @let (from, to) = (shade.saturating_sub(1) * step + 1, shade * step);
                li { svg width="14" height="14" aria-hidden="true" { rect.{ "q" (shade) } width="14" height="14" rx="2" {} }
                    @if from >= to { (count(to)) } @else { (count(from)) "–" (count(to)) } }
            }
        }
    }
}

fn summary(page: &Page) -> String {
    let corner = |column, row| count(customers(page, Cell { column, row }));
    format!(
        "Recent and frequent (5, 5): {}; long gone and rare (1, 1): {}; \
         frequent but long gone (1, 5): {}; recent but rare (5, 1): {}.",
        corner(4, 0),
        corner(0, 4),
        corner(0, 0),
        corner(4, 4)
    )
}

fn exact_values(page: &Page) -> Markup {
    let rows = cells().map(|cell| {
        let scores = html! { "R " (cell.column + 1) ", F " (SIDE - cell.row) " " span.aside { (name(page, cell)) } };
        (scores, vec![(count(customers(page, cell)), None)])
    });
    table(&["Scores, RFM segment", "Customers"], rows.collect())
}

/// All cells, row by row from the top.
fn cells() -> impl Iterator<Item = Cell> {
    (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| Cell { column, row }))
}

fn customers(page: &Page, cell: Cell) -> u64 {
    let column = page.rfm_grid.get(cell.column);
    column.and_then(|by_frequency| by_frequency.get(SIDE - 1 - cell.row)).copied().unwrap_or_default()
}

fn name(page: &Page, cell: Cell) -> &str {
    let column = page.rfm_names.get(cell.column);
    column.and_then(|by_frequency| by_frequency.get(SIDE - 1 - cell.row)).map_or("", String::as_str)
}

fn place(index: usize) -> f64 {
    index as f64 * CELL
}

/// The smallest round step of which five cover the largest count.
fn step(most: u64) -> u64 {
    let rounds = (0..19).flat_map(|exponent| [1, 2, 3, 4, 5, 6, 8].map(|digit| digit * 10_u64.pow(exponent)));
    rounds.into_iter().find(|step| most.div_ceil(*step) <= SHADES).unwrap_or(most)
}

/// 0 for an empty cell, otherwise 1 to 5.
fn shade(n: u64, step: u64) -> u64 {
    n.div_ceil(step).min(SHADES)
}
