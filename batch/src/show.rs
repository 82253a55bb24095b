//! Publications as people read them: tables on the terminal, the picture in a file.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent};
use data::lake::Publication;
use serde_json::Value;

use crate::draft::Draft;
use crate::error::Result;
use crate::picture;

/// The document of a publication as text.
#[must_use]
pub fn text(document: &Value) -> String {
    let mut out = String::new();
    let date = |name: &str| document[name].as_str().unwrap_or_default().chars().take(10).collect::<String>();
    let time =
        document["published_at"].as_str().unwrap_or_default().chars().take(16).collect::<String>().replace('T', " ");
    let _ = writeln!(
        out,
        "Publication {}, calculated {time} UTC; recency counts to {}",
        document["publication"],
        date("reference_time")
    );
    let _ = writeln!(
        out,
        "{}, {}, {}{} revenue\n",
        counted(document["customers"].as_u64().unwrap_or_default(), "customer"),
        counted(document["invoices"].as_u64().unwrap_or_default(), "invoice"),
        document["currency"].as_str().unwrap_or_default(),
        amount(&document["revenue"], 2)
    );
    out.push_str(&cleaning(&document["input"]));
    let _ = writeln!(out, "\n{}\n", segments(document));
    let _ = writeln!(out, "{}\n", rfm_segments(document));
    out.push_str(&quality(&document["model"]));
    for note in document["notes"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "note: {}", note.as_str().unwrap_or_default());
    }
    out
}

/// The cleaning report: lines read = accepted + rejected, by reason.
#[must_use]
pub fn cleaning(input: &Value) -> String {
    let rejected = input["rejected"].as_object();
    let total: u64 = rejected.into_iter().flat_map(|reasons| reasons.values()).filter_map(Value::as_u64).sum();
    let mut out = format!(
        "{} read = {} accepted + {} rejected",
        counted(input["read"].as_u64().unwrap_or_default(), "line"),
        count(&input["accepted"]),
        grouped(&total.to_string())
    );
    if input["already_known"].as_u64().is_some_and(|lines| lines > 0) {
        let _ = write!(out, " + {} already known", count(&input["already_known"]));
    }
    out.push('\n');
    for (reason, lines) in rejected.into_iter().flatten() {
        let _ = writeln!(out, "  {:>12}  {}", count(lines), reason.replace('_', " "));
    }
    out
}

fn segments(document: &Value) -> Table {
    let mut table = table(&["Segment", "Customers", "Share", "Revenue", "Share", "Recency (days)", "Orders", "Spend"]);
    let share = |part: &Value, whole: &Value| {
        format!(
            "{:.1} %",
            100.0 * part.as_f64().unwrap_or(0.0) / whole.as_f64().filter(|whole| *whole > 0.0).unwrap_or(1.0)
        )
    };
    for segment in document["segments"].as_array().into_iter().flatten() {
        table.add_row([
            segment["segment_name"].as_str().unwrap_or_default().to_owned(),
            count(&segment["customers"]),
            share(&segment["customers"], &document["customers"]),
            amount(&segment["revenue"], 2),
            share(&segment["revenue"], &document["revenue"]),
            amount(&segment["recency_days"], 1),
            amount(&segment["frequency"], 1),
            amount(&segment["monetary"], 2),
        ]);
    }
    table
}

fn rfm_segments(document: &Value) -> Table {
    let mut table = table(&["RFM segment", "Customers", "Revenue"]);
    for segment in document["rfm_segments"].as_array().into_iter().flatten() {
        table.add_row([
            segment["rfm_segment"].as_str().unwrap_or_default().to_owned(),
            count(&segment["customers"]),
            amount(&segment["revenue"], 2),
        ]);
    }
    table
}

fn quality(model: &Value) -> String {
    let figure =
        |name: &str| model[name].as_f64().map_or_else(|| "undefined".to_owned(), |value| format!("{value:.4}"));
    let mut out = format!(
        "k-means: k {}, seed {}, inertia {}, silhouette {}{}, Davies-Bouldin {}, Calinski-Harabasz {}\n",
        model["k"],
        model["seed"],
        figure("inertia"),
        figure("silhouette"),
        model["sampled"]
            .as_u64()
            .map_or_else(String::new, |n| format!(" (on a sample of {})", grouped(&n.to_string()))),
        figure("davies_bouldin"),
        figure("calinski_harabasz")
    );
    let elbow = model["elbow"].as_array().map(Vec::as_slice).unwrap_or_default();
    if elbow.len() > 1 {
        out.push_str("elbow:   ");
        for point in elbow {
            let silhouette = point["silhouette"].as_f64().unwrap_or(0.0);
            let _ =
                write!(out, " k={}: inertia {}, silhouette {silhouette:.3};", point["k"], amount(&point["inertia"], 1));
        }
        out.push('\n');
    }
    out
}

/// Publications as a table, oldest first.
#[must_use]
pub fn history(publications: &[Publication]) -> Table {
    let mut table = table(&[
        "Publication",
        "Calculated (UTC)",
        "Recency to",
        "Orders",
        "Customers",
        "Revenue",
        "k",
        "Inertia",
        "Silhouette",
    ]);
    let figure = |value: Option<f64>| value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.4}"));
    for publication in publications {
        table.add_row([
            publication.id.to_string(),
            publication.published_at.to_string().chars().take(16).collect::<String>().replace('T', " "),
            publication.reference_time.to_string().chars().take(10).collect(),
            grouped(&publication.orders.to_string()),
            grouped(&publication.customers.to_string()),
            grouped(&format!("{:.2}", publication.revenue.to_f64())),
            publication.quality.k.to_string(),
            figure(publication.quality.inertia),
            figure(publication.quality.silhouette),
        ]);
    }
    table
}

/// One publication for `batch history --json`.
#[must_use]
pub fn history_entry(publication: &Publication) -> Value {
    let quality = &publication.quality;
    serde_json::json!({
        "publication": publication.id,
        "published_at": publication.published_at,
        "reference_time": publication.reference_time,
        "orders": publication.orders,
        "customers": publication.customers,
        "invoices": publication.invoices,
        "revenue": publication.revenue,
        "model": {
            "k": quality.k,
            "inertia": quality.inertia,
            "silhouette": quality.silhouette,
            "davies_bouldin": quality.davies_bouldin,
            "calinski_harabasz": quality.calinski_harabasz,
        },
        "kafka_offsets": publication.kafka_offsets,
        "versions": publication.versions,
    })
}

/// Writes the picture of a publication's document.
///
/// # Errors
/// When the figures cannot be drawn or the file cannot be written.
pub fn picture(document: &Value, to: Draft) -> Result<()> {
    let mut document = document.clone();
    if let Some(id) = document.get_mut("publication") {
        *id = id.to_string().into();
    }
    let page: picture::Page = serde_json::from_value(document)?;
    let html = picture::render(&page)?;
    to.write(html.as_bytes())
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table.set_style(TableComponent::HeaderLines, '─').set_style(TableComponent::MiddleHeaderIntersections, '─');
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn count(value: &Value) -> String {
    grouped(&value.to_string())
}

fn amount(value: &Value, decimals: usize) -> String {
    grouped(&format!("{:.decimals$}", value.as_f64().unwrap_or(0.0)))
}

/// `1 line`, `1,234 lines`.
#[must_use]
pub fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(&number.to_string()), if number == 1 { "" } else { "s" })
}

/// Thousands set apart by commas.
#[must_use]
pub fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = sign.to_owned();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_thousands() {
        let cases = [("0", "0"), ("123", "123"), ("1234", "1,234"), ("-1234567.891", "-1,234,567.891")];
        for (number, shown) in cases {
            assert_eq!(grouped(number), shown);
        }
    }

    #[test]
    fn golden_cleaning_report() {
        let input = serde_json::json!({
            "read": 541_909, "accepted": 397_884, "already_known": 12,
            "rejected": {"adjustment": 3, "missing_customer": 134_694},
        });
        assert_eq!(
            cleaning(&input),
            "541,909 lines read = 397,884 accepted + 134,697 rejected + 12 already known\n             3  adjustment\n       134,694  missing customer\n"
        );
    }
}
