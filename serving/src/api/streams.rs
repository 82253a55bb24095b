//! `/live/…`: server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream::{BoxStream, select_all};
use serde::Deserialize;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::IntoParams;

use super::ask::asked;
use super::story::check_severity;
use super::{Answered, App, Ask, Problem};
use crate::http::{Access, closed};
use crate::live::{Alert, Change, Event, Feed, Frame, Order, Position, RuleChange};

const HEARTBEAT: Duration = Duration::from_secs(10);
/// A process that has just started reads what its clients have seen within that time.
const AHEAD: Duration = Duration::from_secs(5);
const BEAT: Bytes = Bytes::from_static(b": still here\n\n");
const HELLO: Bytes = Bytes::from_static(b": hello\nretry: 2000\n\n");
const END: Bytes = Bytes::from_static(b"event: end\ndata: {}\n\n");
const KIND: &str = "text/event-stream";
const MOST_FEEDS: usize = 8;

/// Of a stream, each some whole events.
type Pieces = BoxStream<'static, Bytes>;

/// Several streams on one connection, of which browsers have few: events bear the names that they have there
///
/// The header `Last-Event-ID` does not say of which feed it is, so it does not count: each feed has its own `last_event_id`.
#[utoipa::path(get, path = "/api/v1/live/feeds", tag = "live",
    params(("feed" = Vec<String>, Query, description = "`orders`, `changes`, `rule-changes`, `alerts` or `view`, with the query that it has there, such as `orders?customer=12747`; once for each")),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn live_feeds(
    State(app): State<Arc<App>>,
    mut headers: HeaderMap,
    Ask(feeds): Ask<Vec<(String, String)>>,
) -> Answered<Response> {
    headers.remove("last-event-id");
    if feeds.is_empty() || feeds.len() > MOST_FEEDS {
        return Err(Problem::parameter("feed", format!("is given 1 to {MOST_FEEDS} times")));
    }
    let pieces = feeds.iter().map(|(field, feed)| {
        if field != "feed" {
            return Err(Problem::parameter(field, "there is no such parameter here"));
        }
        let (name, query) = feed.split_once('?').unwrap_or((feed, ""));
        match name {
            "orders" => orders(&app, asked(query)?, &headers),
            "changes" => changes(&app, asked(query)?, &headers),
            "rule-changes" => rule_changes(&app, asked(query)?, &headers),
            "alerts" => alerts(&app, asked(query)?, &headers),
            "view" => asked::<ViewStreamQuery>(query).map(|_| view(&app, &headers)),
            _ => Err(Problem::parameter("feed", "is orders, changes, rule-changes, alerts or view")),
        }
    });
    Ok(answer(select_all(pieces.collect::<Answered<Vec<_>>>()?).boxed()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// Only this customer's.
    customer: Option<String>,
    /// Only of customers who are in this segment, by its id.
    segment: Option<u32>,
    /// As the header `Last-Event-ID`: what came behind it is sent first.
    last_event_id: Option<String>,
}

/// Orders as they come
#[utoipa::path(get, path = "/api/v1/live/orders", tag = "live", params(StreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = Order), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn live_orders(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<StreamQuery>,
) -> Answered<Response> {
    Ok(answer(orders(&app, query, &headers)?))
}

fn orders(app: &App, query: StreamQuery, headers: &HeaderMap) -> Answered<Pieces> {
    let StreamQuery { customer, segment, last_event_id } = query;
    let filter = (customer.is_some() || segment.is_some()).then_some(move |order: &Order| {
        customer.as_ref().is_none_or(|id| *id == order.customer_id)
            && segment.is_none_or(|id| order.segment_id == Some(id))
    });
    stream(app, &app.follow.feeds.orders, filter, last_event_id, headers)
}

/// Segment changes as they come
#[utoipa::path(get, path = "/api/v1/live/changes", tag = "live", params(StreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = Change), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn live_changes(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<StreamQuery>,
) -> Answered<Response> {
    Ok(answer(changes(&app, query, &headers)?))
}

fn changes(app: &App, query: StreamQuery, headers: &HeaderMap) -> Answered<Pieces> {
    let StreamQuery { customer, segment, last_event_id } = query;
    let filter = (customer.is_some() || segment.is_some()).then_some(move |change: &Change| {
        customer.as_ref().is_none_or(|id| *id == change.customer_id)
            && segment.is_none_or(|id| change.from == Some(id) || change.to == Some(id))
    });
    stream(app, &app.follow.feeds.changes, filter, last_event_id, headers)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RuleStreamQuery {
    /// Only this customer's.
    customer: Option<String>,
    /// Only into or out of this segment, by its name.
    segment: Option<String>,
    /// As the header `Last-Event-ID`: what came behind it is sent first.
    last_event_id: Option<String>,
}

/// Changes of segments that rules define, as they come
#[utoipa::path(get, path = "/api/v1/live/rule-changes", tag = "live", params(RuleStreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = RuleChange), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn live_rule_changes(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<RuleStreamQuery>,
) -> Answered<Response> {
    Ok(answer(rule_changes(&app, query, &headers)?))
}

fn rule_changes(app: &App, query: RuleStreamQuery, headers: &HeaderMap) -> Answered<Pieces> {
    let RuleStreamQuery { customer, segment, last_event_id } = query;
    let filter = (customer.is_some() || segment.is_some()).then_some(move |change: &RuleChange| {
        customer.as_ref().is_none_or(|id| *id == change.customer_id)
            && segment.as_ref().is_none_or(|_| change.from == segment || change.to == segment)
    });
    stream(app, &app.follow.feeds.rule_changes, filter, last_event_id, headers)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertStreamQuery {
    /// Only this customer's.
    customer: Option<String>,
    /// Only of this pattern.
    pattern: Option<String>,
    /// `info`, `warning` or `critical`.
    severity: Option<String>,
    /// As the header `Last-Event-ID`: what came behind it is sent first.
    last_event_id: Option<String>,
}

/// Alerts as they come
#[utoipa::path(get, path = "/api/v1/live/alerts", tag = "live", params(AlertStreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = Alert), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn live_alerts(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<AlertStreamQuery>,
) -> Answered<Response> {
    Ok(answer(alerts(&app, query, &headers)?))
}

fn alerts(app: &App, query: AlertStreamQuery, headers: &HeaderMap) -> Answered<Pieces> {
    let AlertStreamQuery { customer, pattern, severity, last_event_id } = query;
    check_severity(severity.as_deref())?;
    let is_any = customer.is_none() && pattern.is_none() && severity.is_none();
    let filter = (!is_any).then_some(move |alert: &Alert| {
        let is = |asked: &Option<String>, own: &str| asked.as_deref().is_none_or(|asked| asked == own);
        alert.is_of(customer.as_deref()) && is(&pattern, &alert.pattern) && is(&severity, &alert.severity)
    });
    stream(app, &app.follow.feeds.alerts, filter, last_event_id, headers)
}

/// One client of a feed.
struct Client<T, F> {
    /// Of the feed.
    name: &'static str,
    waiting: VecDeque<Bytes>,
    frames: broadcast::Receiver<Arc<Frame<T>>>,
    /// The newest event that was handed over, or passed over by the filter.
    through: u64,
    /// What it has seen although this process had not, when it came back, and until when that is believed.
    ahead: Option<(Position, Instant)>,
    filter: Option<F>,
    common: Common,
}

/// What every stream has.
struct Common {
    beat: Interval,
    closing: watch::Receiver<bool>,
    access: Arc<Access>,
    /// Changes of the keys.
    keys: watch::Receiver<u64>,
    /// Of the request, with its key.
    headers: HeaderMap,
    ended: bool,
}

/// Why a stream says something although nothing has come.
enum Pause {
    Beat,
    End,
}

impl Common {
    fn new(app: &App, headers: &HeaderMap) -> Self {
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.reset();
        let (access, keys) = (Arc::clone(&app.access), app.access.changes());
        Self { beat, closing: app.closing.clone(), access, keys, headers: headers.clone(), ended: false }
    }

    /// Until it is time for a heartbeat, the process ends, or the key is good no more.
    async fn pause(&mut self) -> Pause {
        loop {
            tokio::select! {
                biased;
                () = closed(&mut self.closing) => return Pause::End,
                changed = self.keys.changed() => {
                    if changed.is_err() || self.access.caller(&self.headers).is_none() {
                        return Pause::End;
                    }
                }
                _ = self.beat.tick() => return Pause::Beat,
            }
        }
    }

    /// What is said then.
    fn said(&mut self, pause: &Pause) -> Bytes {
        match pause {
            Pause::Beat => BEAT,
            Pause::End => {
                self.ended = true;
                END
            }
        }
    }
}

fn stream<T: Send + Sync + 'static, F: Fn(&T) -> bool + Send + 'static>(
    app: &App,
    feed: &Feed<T>,
    filter: Option<F>,
    asked: Option<String>,
    headers: &HeaderMap,
) -> Answered<Pieces> {
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let position = match header.or(asked).filter(|text| !text.is_empty()) {
        Some(text) => Some(
            Position::read(&text)
                .ok_or_else(|| Problem::parameter("last_event_id", "is no id of an event, such as 0:12,1:7"))?,
        ),
        None => None,
    };
    let resume = feed.follow(position.as_ref(), |content| filter.as_ref().is_none_or(|filter| filter(content)));
    let mut waiting = VecDeque::from([HELLO]);
    if resume.gap {
        waiting.push_back(gap(feed.name(), None));
    }
    let mut seen = resume.seen;
    waiting.extend(resume.missed.iter().map(|event| match &mut seen {
        Some(seen) => event.encoded_for(seen),
        None => event.encoded.clone(),
    }));
    let (frames, through) = (resume.frames, resume.through);
    let ahead = resume.ahead.map(|position| (position, Instant::now() + AHEAD));
    let name = feed.name();
    let client = Client { name, waiting, frames, through, ahead, filter, common: Common::new(app, headers) };
    Ok(futures::stream::unfold(client, |mut client| async move { Some((client.next().await?, client)) }).boxed())
}

fn answer(pieces: Pieces) -> Response {
    let body = Body::from_stream(pieces.map(Ok::<_, Infallible>));
    let headers = [
        (header::CONTENT_TYPE, KIND),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

/// `missed` events are gone; `None` when nobody knows how many.
fn gap(feed: &str, missed: Option<u64>) -> Bytes {
    let missed = missed.map_or_else(|| "null".to_owned(), |missed| missed.to_string());
    Bytes::from(format!("event: gap\ndata: {{\"feed\":\"{feed}\",\"missed\":{missed}}}\n\n"))
}

impl<T, F: Fn(&T) -> bool> Client<T, F> {
    /// What is sent next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.waiting.pop_front() {
                return Some(piece);
            }
            if self.common.ended {
                return None;
            }
            let frame = tokio::select! {
                biased;
                pause = self.common.pause() => return Some(self.common.said(&pause)),
                frame = self.frames.recv() => frame,
            };
            match frame {
                Ok(frame) => self.take(&frame),
                // What was missed is counted by the next frame.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => self.common.ended = true,
            }
        }
    }

    fn take(&mut self, frame: &Frame<T>) {
        let (Some(first), Some(last)) = (frame.events.first(), frame.events.last()) else { return };
        if first.number > self.through + 1 {
            let missed = self.filter.is_none().then_some(first.number - self.through - 1);
            self.waiting.push_back(gap(self.name, missed));
        }
        if self.ahead.as_ref().is_some_and(|(position, until)| {
            Instant::now() > *until && frame.events.iter().any(|event| position.has(event.partition, event.offset))
        }) {
            // These offsets come again: it is another topic of this name.
            self.ahead = None;
            self.waiting.push_back(gap(self.name, None));
        }
        let is_new = first.number > self.through && self.ahead.is_none();
        match &self.filter {
            None if is_new => self.waiting.push_back(frame.encoded.clone()),
            filter => {
                let seen = |event: &Event<T>| {
                    self.ahead.as_ref().is_some_and(|(position, _)| position.has(event.partition, event.offset))
                };
                let new = frame.events.iter().filter(|event| event.number > self.through && !seen(event));
                let wanted = new.filter(|event| filter.as_ref().is_none_or(|filter| filter(&event.content)));
                self.waiting.extend(wanted.map(|event| event.encoded.clone()));
            }
        }
        self.through = self.through.max(last.number);
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ViewStreamQuery {
    /// Taken and not needed: the newest state is sent first.
    #[expect(dead_code, reason = "browsers send it to every stream")]
    last_event_id: Option<String>,
}

/// The state of the view, at most once a second
#[utoipa::path(get, path = "/api/v1/live/view", tag = "live", params(ViewStreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = super::views::ViewEvent), (status = "default", content_type = "application/problem+json", body = super::ProblemBody)))]
pub async fn live_view(State(app): State<Arc<App>>, headers: HeaderMap, Ask(_query): Ask<ViewStreamQuery>) -> Response {
    answer(view(&app, &headers))
}

fn view(app: &App, headers: &HeaderMap) -> Pieces {
    let (views, common) = (app.views.subscribe(), Common::new(app, headers));
    let mut first = views.clone();
    first.mark_changed();
    let client = (VecDeque::from([HELLO]), first, common);
    let events = futures::stream::unfold(client, |(mut waiting, mut views, mut common)| async move {
        let piece = next_view(&mut waiting, &mut views, &mut common).await?;
        Some((piece, (waiting, views, common)))
    });
    events.boxed()
}

async fn next_view(
    waiting: &mut VecDeque<Bytes>,
    views: &mut watch::Receiver<Bytes>,
    common: &mut Common,
) -> Option<Bytes> {
    loop {
        if let Some(piece) = waiting.pop_front() {
            return Some(piece);
        }
        if common.ended {
            return None;
        }
        tokio::select! {
            biased;
            pause = common.pause() => return Some(common.said(&pause)),
            changed = views.changed() => {
                changed.ok()?;
                let view = views.borrow_and_update().clone();
                if !view.is_empty() {
                    return Some(view);
                }
            }
        }
    }
}
