//! `/live/…`: server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::IntoParams;

use super::{Answered, App, Ask, Problem};
use crate::http::closed;
use crate::live::{Alert, Change, Feed, Frame, Order, Position};

const HEARTBEAT: Duration = Duration::from_secs(10);
const BEAT: Bytes = Bytes::from_static(b": still here\n\n");
const HELLO: Bytes = Bytes::from_static(b": hello\nretry: 2000\n\n");
const END: Bytes = Bytes::from_static(b"event: end\ndata: {}\n\n");
const KIND: &str = "text/event-stream";

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
    responses((status = 200, content_type = "text/event-stream", body = Order), (status = "default", body = super::ProblemBody)))]
pub async fn live_orders(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<StreamQuery>,
) -> Answered<Response> {
    let StreamQuery { customer, segment, last_event_id } = query;
    let filter = (customer.is_some() || segment.is_some()).then_some(move |order: &Order| {
        customer.as_ref().is_none_or(|id| *id == order.customer_id)
            && segment.is_none_or(|id| order.segment_id == Some(id))
    });
    stream(&app, &app.follow.feeds.orders, filter, last_event_id, &headers)
}

/// Segment changes as they come
#[utoipa::path(get, path = "/api/v1/live/changes", tag = "live", params(StreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = Change), (status = "default", body = super::ProblemBody)))]
pub async fn live_changes(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<StreamQuery>,
) -> Answered<Response> {
    let StreamQuery { customer, segment, last_event_id } = query;
    let filter = (customer.is_some() || segment.is_some()).then_some(move |change: &Change| {
        customer.as_ref().is_none_or(|id| *id == change.customer_id)
            && segment.is_none_or(|id| change.from == Some(id) || change.to == Some(id))
    });
    stream(&app, &app.follow.feeds.changes, filter, last_event_id, &headers)
}

/// Alerts as they come
#[utoipa::path(get, path = "/api/v1/live/alerts", tag = "live", params(StreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = Alert), (status = "default", body = super::ProblemBody)))]
pub async fn live_alerts(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Ask(query): Ask<StreamQuery>,
) -> Answered<Response> {
    if query.segment.is_some() {
        return Err(Problem::parameter("segment", "is no filter of alerts"));
    }
    let filter = query.customer.map(|customer| move |alert: &Alert| alert.customer_id == customer);
    stream(&app, &app.follow.feeds.alerts, filter, query.last_event_id, &headers)
}

/// One client of a feed.
struct Client<T, F> {
    waiting: VecDeque<Bytes>,
    frames: broadcast::Receiver<Arc<Frame<T>>>,
    /// The newest event that was handed over, or passed over by the filter.
    through: u64,
    filter: Option<F>,
    common: Common,
}

/// What every stream has.
struct Common {
    beat: Interval,
    closing: watch::Receiver<bool>,
    ended: bool,
}

impl Common {
    fn new(app: &App) -> Self {
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.reset();
        Self { beat, closing: app.closing.clone(), ended: false }
    }
}

fn stream<T: Send + Sync + 'static, F: Fn(&T) -> bool + Send + 'static>(
    app: &App,
    feed: &Feed<T>,
    filter: Option<F>,
    asked: Option<String>,
    headers: &HeaderMap,
) -> Answered<Response> {
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
        waiting.push_back(gap(None));
    }
    waiting.extend(resume.missed.iter().map(|event| event.encoded.clone()));
    let client = Client { waiting, frames: resume.frames, through: resume.through, filter, common: Common::new(app) };
    let events = futures::stream::unfold(client, |mut client| async move {
        let piece = client.next().await?;
        Some((Ok::<_, Infallible>(piece), client))
    });
    Ok(answer(Body::from_stream(events)))
}

fn answer(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, KIND),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

/// `missed` events are gone; `None` when nobody knows how many.
fn gap(missed: Option<u64>) -> Bytes {
    let missed = missed.map_or_else(|| "null".to_owned(), |missed| missed.to_string());
    Bytes::from(format!("event: gap\ndata: {{\"missed\":{missed}}}\n\n"))
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
            let Common { beat, closing, ended } = &mut self.common;
            let frame = tokio::select! {
                biased;
                () = closed(closing) => {
                    *ended = true;
                    return Some(END);
                }
                frame = self.frames.recv() => frame,
                _ = beat.tick() => return Some(BEAT),
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
            self.waiting.push_back(gap(missed));
        }
        let is_new = first.number > self.through;
        match &self.filter {
            None if is_new => self.waiting.push_back(frame.encoded.clone()),
            filter => {
                let new = frame.events.iter().filter(|event| event.number > self.through);
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
    responses((status = 200, content_type = "text/event-stream", body = super::views::ViewEvent), (status = "default", body = super::ProblemBody)))]
pub async fn live_view(State(app): State<Arc<App>>, Ask(_query): Ask<ViewStreamQuery>) -> Answered<Response> {
    let (views, common) = (app.views.subscribe(), Common::new(&app));
    let mut first = views.clone();
    first.mark_changed();
    let client = (VecDeque::from([HELLO]), first, common);
    let events = futures::stream::unfold(client, |(mut waiting, mut views, mut common)| async move {
        let piece = next_view(&mut waiting, &mut views, &mut common).await?;
        Some((Ok::<_, Infallible>(piece), (waiting, views, common)))
    });
    Ok(answer(Body::from_stream(events)))
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
            () = closed(&mut common.closing) => {
                common.ended = true;
                return Some(END);
            }
            changed = views.changed() => {
                changed.ok()?;
                let view = views.borrow_and_update().clone();
                if !view.is_empty() {
                    return Some(view);
                }
            }
            _ = common.beat.tick() => return Some(BEAT),
        }
    }
}
