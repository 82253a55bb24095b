//! What became of the order lines that were read.

use maud::{Markup, html};

use super::card::{Card, part, table};
use super::numbers::{count, counted, percent, percent_short, share};
use super::page::{Input, Page};

pub fn card(page: &Page) -> Markup {
    let input = &page.input;
    Card {
        id: "lines",
        title: title(input),
        subtitle: "Order lines read in this run: accepted, and rejected by reason".to_owned(),
        chart: chart(input),
        summary: sum(input),
        table: Some(exact_values(input)),
    }
    .markup()
}

fn title(input: &Input) -> String {
    match of_read(input, input.accepted) {
        None => "No lines were read in this run".to_owned(),
        Some(_) if input.rejected_lines() == 0 => {
            format!("Every line accepted: {}", count(input.accepted))
        }
        Some(share) => format!("{} of {} accepted", percent_short(share), counted(input.read, "line", "lines")),
    }
}

fn chart(input: &Input) -> Markup {
    let numbers = [input.accepted, input.already_known].into_iter().chain(input.rejected.values().copied());
    let longest = numbers.map(|n| count(n).len() + 8).max().unwrap_or_default();
    html! {
        div.outcome role="img" aria-labelledby="lines-summary" style={ "--characters:" (longest) } {
            (row("Accepted", "accepted", input, input.accepted))
            @for (reason, lines) in by_size(input) { (row(&readable(reason), "rejected", input, lines)) }
            @if input.already_known > 0 { (row("Already known", "rejected", input, input.already_known)) }
        }
    }
}

fn row(name: &str, class: &str, input: &Input, lines: u64) -> Markup {
    let share = of_read(input, lines);
    let length = share.unwrap_or(0.0).clamp(0.0, 100.0);
    html! {
        div.name { (name) }
        svg.single.(class) width="100%" height="22" {
            title { (name) ": " (counted(lines, "line", "lines")) }
            rect x="0" y="3" width=(part(length)) height="16" rx="2" {}
            line.base x1="0" x2="0" y1="0" y2="22" {}
            text x=(part(length)) y="15" dx="8" { tspan.strong { (count(lines)) } tspan.muted dx="6" { (percent(share)) } }
        }
    }
}

/// The sum, and whether it is one: known lines may be counted as read or not.
fn sum(input: &Input) -> String {
    let (read, rejected) = (input.read, input.rejected_lines());
    let told = input.accepted + rejected;
    let equation = format!("{} accepted + {} rejected", count(input.accepted), count(rejected));
    let known = format!("{} already known", count(input.already_known));
    match input.already_known {
        0 if told == read => format!("It adds up: {equation} = {} read.", count(read)),
        n if told + n == read => {
            format!("It adds up: {equation} + {known} = {} read.", count(read))
        }
        _ if told == read => format!("It adds up: {equation} = {} read; {known} were skipped.", count(read)),
        _ => format!("It does not add up: {equation}, {known}, but {} read.", count(read)),
    }
}

fn exact_values(input: &Input) -> Markup {
    let line = |name: String, lines| (html! { (name) }, vec![(count(lines), Some(percent(of_read(input, lines))))]);
    let mut rows = vec![line("Accepted".to_owned(), input.accepted)];
    rows.extend(by_size(input).into_iter().map(|(reason, lines)| line(readable(reason), lines)));
    rows.extend((input.already_known > 0).then(|| line("Already known".to_owned(), input.already_known)));
    rows.push(line("Read".to_owned(), input.read));
    table(&["Lines", "Number"], rows)
}

fn by_size(input: &Input) -> Vec<(&str, u64)> {
    let mut reasons: Vec<(&str, u64)> =
        input.rejected.iter().map(|(reason, lines)| (reason.as_str(), *lines)).collect();
    reasons.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
    reasons
}

/// `missing_customer` → `Missing customer`
fn readable(reason: &str) -> String {
    let words = reason.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn of_read(input: &Input, lines: u64) -> Option<f64> {
    share(lines as f64, input.read as f64)
}
