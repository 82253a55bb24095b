//! One request, what became of it, and how long to wait before the next.

use std::time::Duration;

use data::{DateFormat, DayMonth, EventTime};
use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, Response, StatusCode, redirect};

use super::config::Webhook;

/// The first pause between two attempts; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// As long as an endpoint may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    /// It may be different later; the endpoint may have said when.
    Later {
        reason: String,
        after: Option<Duration>,
    },
    /// It will be no different later.
    Refused(String),
}

/// A client that waits no longer than the webhook allows, and goes nowhere but where it was sent.
///
/// # Errors
/// When the machine's certificates cannot be read.
pub fn client(webhook: &Webhook) -> Result<Client, String> {
    let client = Client::builder().timeout(webhook.timeout).redirect(redirect::Policy::none()).build();
    client.map_err(|error| error.without_url().to_string())
}

/// Sends `body` once.
pub async fn attempt(client: &Client, webhook: &Webhook, id: &str, body: &[u8], now: EventTime) -> Outcome {
    let timestamp = now.micros().div_euclid(1_000_000);
    let mut request = client
        .post(webhook.address.0.clone())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("clientele/", env!("CARGO_PKG_VERSION")));
    if let Some(secret) = &webhook.secret {
        request = request
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", secret.sign(id, timestamp, body));
    }
    match request.body(body.to_vec()).send().await {
        Ok(response) => judge(&response, now),
        // The URL may be a secret.
        Err(error) => Outcome::Later { reason: chain(&error.without_url()), after: None },
    }
}

fn judge(response: &Response, now: EventTime) -> Outcome {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let reason = format!("it answered {status}");
    if status.is_success() {
        return Outcome::Delivered;
    }
    if status.is_redirection() {
        let moved = header(LOCATION).and_then(|to| response.url().join(to).ok());
        let host = moved.and_then(|to| to.host_str().map(str::to_owned)).unwrap_or_default();
        return Outcome::Refused(format!(
            "{reason}: it has moved to {host}; redirects are not followed, give its new url"
        ));
    }
    let again = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if status.is_client_error() && !again {
        return Outcome::Refused(reason);
    }
    Outcome::Later { reason, after: header(RETRY_AFTER).and_then(|text| asked(text, now)) }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// `Retry-After`: seconds, also with a fraction, or a date.
fn asked(text: &str, now: EventTime) -> Option<Duration> {
    let asked = match text.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => {
            let date = DateFormat::Pattern("%a, %d %b %Y %H:%M:%S GMT".to_owned());
            let at =
                date.parse(text.as_bytes()).or_else(|| DateFormat::Order(DayMonth::DayFirst).parse(text.as_bytes()))?;
            Duration::from_micros(u64::try_from(at.micros() - now.micros()).unwrap_or_default())
        }
    };
    Some(asked.min(LONGEST_ASKED))
}

/// How long to wait after so many attempts: longer each time, and not all at the same moment; never shorter than `asked`.
/// `chance` is from 0 to 1.
#[must_use]
pub fn pause(attempts: u32, asked: Option<Duration>, chance: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    let own = doubled.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0));
    // Whoever asked for so long gets a little more, so that not all come back at once.
    asked.map_or(own, |asked| own.max(asked + FIRST_PAUSE.mul_f64(chance.clamp(0.0, 1.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_spread() {
        let whole = |attempts, chance| format!("{:.0}", pause(attempts, None, chance).as_secs_f64());
        assert_eq!([1, 2, 3, 4].map(|attempts| whole(attempts, 1.0)), ["1", "2", "4", "8"]);
        assert_eq!(whole(3, 0.0), "2");
        assert_eq!(whole(u32::MAX, 1.0), "300");
        assert_eq!(pause(1, Some(Duration::from_secs(40)), 0.0), Duration::from_secs(40));
        assert_eq!(pause(20, Some(Duration::from_secs(1)), 1.0), LONGEST_PAUSE);
    }

    #[test]
    fn what_an_endpoint_asks_for_is_understood() {
        let now = DateFormat::Order(DayMonth::MonthFirst).parse(b"2015-10-21T07:28:00Z").expect("a time");
        assert_eq!(asked("120", now), Some(Duration::from_secs(120)));
        assert_eq!(asked("1.5", now), Some(Duration::from_millis(1_500)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:27:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(asked("9999999", now), Some(LONGEST_ASKED));
        assert_eq!([asked("-1", now), asked("soon", now)], [None, None]);
    }
}
