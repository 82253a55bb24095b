//! `GET /quality` and `/rejections`: what the lake accepted, and what it refused and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use data::lake::Table;
use data::{EventTime, Reason};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

use super::overview::AsOfQuery;
use super::paging::{Paged, checked};
use super::sight::{Sight, ViewInfo};
use super::{Answered, App, Ask, Problem, blocking};
use crate::error::Error;
use crate::export::{self, Broken, Format};
use crate::lake::{Place, Refused, RefusedLine};

const USUAL: usize = 50;
const MOST: usize = 1_000;
/// Lines that a download reads at once.
const DOWNLOADED: usize = 1 << 14;

#[derive(Debug, Serialize, ToSchema)]
pub struct Quality {
    view: ViewInfo,
    /// Lines, of all sources.
    read: u64,
    accepted: u64,
    rejected: u64,
    /// Most lines first.
    by_reason: Vec<ReasonCount>,
    /// Newest first.
    sources: Vec<Source>,
    /// Records in the topic of dead letters; `null` without brokers.
    dead_letters: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonCount {
    reason: String,
    lines: u64,
    explanation: &'static str,
}

/// A file or a topic partition.
#[derive(Debug, Serialize, ToSchema)]
pub struct Source {
    source: String,
    #[schema(value_type = String, format = DateTime)]
    ingested_at: EventTime,
    read: u64,
    accepted: u64,
    rejected: u64,
    /// What was detected of its format, and why.
    evidence: Vec<String>,
}

/// The counts of a report.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lines {
    read: u64,
    accepted: u64,
    rejected: BTreeMap<String, u64>,
}

/// The cleaning report
#[utoipa::path(get, path = "/api/v1/quality", tag = "quality", params(AsOfQuery),
    responses((status = 200, body = Quality), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn quality(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<AsOfQuery>,
) -> Answered<Response> {
    let status = app.follow.status.as_ref().filter(|_| query.as_of.is_none());
    let dead_letters = status.and_then(|status| status.state().dead_letters);
    let more = dead_letters.map_or_else(String::new, |letters| format!(".{letters}"));
    let sight = app.sight_with(query.as_of.as_deref(), &headers, &more).await?;
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    let publication = &sight.view.judged.batch.publication;
    let report: Value = serde_json::from_str(&publication.report).unwrap_or_default();
    let lines: Lines =
        report.get("lake").cloned().and_then(|lake| serde_json::from_value(lake).ok()).unwrap_or_default();
    let mut by_reason: Vec<ReasonCount> = lines
        .rejected
        .iter()
        .map(|(reason, lines)| ReasonCount { reason: reason.clone(), lines: *lines, explanation: explanation(reason) })
        .collect();
    by_reason.sort_by_key(|count| std::cmp::Reverse(count.lines));
    let sources = sources(&app, &sight, &report).await?;
    let rejected = lines.rejected.values().sum();
    let (read, accepted) = (lines.read, lines.accepted);
    Ok(sight.json(&Quality { view: sight.info(), read, accepted, rejected, by_reason, sources, dead_letters }))
}

async fn sources(app: &App, sight: &Sight, report: &Value) -> Answered<Vec<Source>> {
    let _turn = app.reads.acquire().await;
    let version = sight.view.judged.batch.publication.versions.sources;
    let table = app.shelf.lake().snapshot(Table::Sources, Some(version)).await.map_err(Error::from)?;
    let Some(table) = table else { return Ok(Vec::new()) };
    let rows = table.sources().await.map_err(Error::from)?;
    let topics = report.get("topics").and_then(Value::as_array);
    // The archive only adds to a partition: what became of its lines is known to the run.
    let of_topic = |name: &str| {
        let topic = topics?.iter().find(|topic| topic.get("source").and_then(Value::as_str) == Some(name))?;
        Lines::deserialize(topic).ok()
    };
    let source = |row: data::lake::SourceRow| {
        let evidence: Value = serde_json::from_str(&row.evidence).unwrap_or_default();
        let evidence = match evidence {
            Value::Array(lines) => lines.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Value::Object(fields) => fields.iter().map(|(name, value)| format!("{name}: {value}")).collect(),
            _ => Vec::new(),
        };
        let rejected = || serde_json::from_str(&row.rejected).unwrap_or_default();
        let of_row = || Lines { read: row.read, accepted: row.accepted, rejected: rejected() };
        let Lines { read, accepted, rejected } = of_topic(&row.source).unwrap_or_else(of_row);
        Source {
            read,
            accepted,
            rejected: rejected.values().sum(),
            source: row.source,
            ingested_at: row.ingested_at,
            evidence,
        }
    };
    Ok(rows.into_iter().rev().map(source).collect())
}

const fn explanation_of(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed => "The line cannot be taken apart into fields.",
        Reason::BadEncoding => "The text is in no known encoding.",
        Reason::MissingInvoice => "The line has no invoice number.",
        Reason::Cancellation => "The invoice is a cancellation.",
        Reason::Adjustment => "The invoice is an adjustment of accounts.",
        Reason::ExcludedStockCode => "The stock code is excluded by the lake's rules: no product.",
        Reason::MissingCustomer => "The line names no customer.",
        Reason::BadQuantity => "The quantity is no whole number.",
        Reason::NonPositiveQuantity => "The quantity is zero or less.",
        Reason::BadPrice => "The unit price is no amount of money.",
        Reason::NonPositivePrice => "The unit price is zero or less.",
        Reason::BadDate => "The date cannot be read.",
        Reason::FutureDate => "The date is more than a day after the line was received.",
        Reason::AmountOverflow => "Quantity times price is beyond what an amount can be.",
    }
}

/// What a reason means.
#[must_use]
pub fn explanation(reason: &str) -> &'static str {
    Reason::ALL.into_iter().find(|known| known.name() == reason).map_or("", explanation_of)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RejectionsQuery {
    /// Such as `missing_customer`.
    reason: Option<String>,
    source: Option<String>,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    cursor: Option<String>,
    /// `csv` downloads every line.
    #[param(inline)]
    format: Option<TextFormat>,
    as_of: Option<String>,
}

/// How lines are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TextFormat {
    Json,
    Csv,
}

/// Refused lines with their reasons
#[utoipa::path(get, path = "/api/v1/rejections", tag = "quality", params(RejectionsQuery),
    responses((status = 200, content((Paged<RefusedLine> = "application/json"), (String = "text/csv"))),
        (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn rejections(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<RejectionsQuery>,
) -> Answered<Response> {
    let format = match query.format {
        Some(TextFormat::Json) => Format::Json,
        Some(TextFormat::Csv) => Format::Csv,
        None => Format::accepted(&headers).filter(|format| *format != Format::Parquet).unwrap_or_default(),
    };
    if query.reason.as_deref().is_some_and(|reason| explanation(reason).is_empty()) {
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        return Err(Problem::parameter("reason", format!("is one of {}", known.join(", "))));
    }
    let limit = checked(query.limit, USUAL, MOST)?;
    let sight = app.sight_with(query.as_of.as_deref(), &headers, format.name()).await?;
    let newest = sight.view.judged.batch.publication.versions.rejected_orders;
    let cursor = query.cursor.as_deref().map(|text| Cursor::read(text).filter(|cursor| cursor.version <= newest));
    if cursor == Some(None) {
        return Err(Problem::parameter("cursor", "is none that a page gave; begin without it"));
    }
    if let Some(unchanged) = sight.unchanged() {
        return Ok(unchanged);
    }
    // Further pages are of the table as the first one saw it.
    let cursor = cursor.flatten();
    let version = cursor.map_or(newest, |cursor| cursor.version);
    let turn = Arc::clone(&app.reads).acquire_owned().await;
    let refused = Refused::open(app.shelf.lake(), version, query.reason, query.source).await?;
    if format == Format::Csv {
        return Ok(download(refused, app.download_place()?));
    }
    blocking(move || {
        let _turn = turn;
        let (total, place) = match cursor {
            Some(cursor) => (cursor.total, cursor.place),
            None => (refused.count()?, Place::default()),
        };
        let (items, next) = refused.page(place, limit)?;
        let next_cursor = next.map(|place| Cursor { version, place, total }.to_string());
        Ok(sight.json(&Paged { items, next_cursor, total }))
    })
    .await
}

/// Where a page of refused lines begins, of which version of the table, and how many lines there are in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    version: u64,
    place: Place,
    total: usize,
}

impl Cursor {
    fn read(text: &str) -> Option<Self> {
        let numbers = text.split('.').map(|number| u64::from_str_radix(number, 16).ok());
        let numbers: [u64; 4] = numbers.collect::<Option<Vec<_>>>()?.try_into().ok()?;
        let [version, rest @ ..] = numbers;
        let [group, lines, total] = rest.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        Some(Self { version, place: Place { group, lines }, total })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:x}.{:x}.{:x}.{:x}", self.version, self.place.group, self.place.lines, self.total)
    }
}

fn download(refused: Refused, place: OwnedSemaphorePermit) -> Response {
    let mut response = export::stream(Format::Csv, place, move |sink| {
        sink.header("source,source_position,reason,raw_line\r\n");
        let mut next = Some(Place::default());
        while let Some(place) = next {
            let (lines, further) = refused.page(place, DOWNLOADED).map_err(Broken::Failed)?;
            for line in &lines {
                let position = line.source_position.to_string();
                sink.texts([line.source.as_str(), &position, &line.reason, &line.raw_line])?;
            }
            next = further;
        }
        Ok(())
    });
    let attachment = header::HeaderValue::from_static("attachment; filename=\"rejections.csv\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, attachment);
    response
}
