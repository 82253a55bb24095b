//! What an endpoint is sent.

use rules::Severity;
use serde::Deserialize;
use serde_json::{Value, json};

use super::config::Kind;

/// Longer texts are cut: Discord takes 2,000 characters.
const LONGEST: usize = 1_900;
/// Events that a text lists.
const EVENTS_SHOWN: usize = 10;

/// An alert as the topic has it, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Alert {
    pub id: String,
    pub time: String,
    pub data: AlertData,
}

#[derive(Clone, Debug, Deserialize)]
pub struct AlertData {
    pub pattern: String,
    pub alert_type: String,
    pub severity: Severity,
    #[serde(default)]
    pub about: String,
    pub key_field: String,
    pub key: String,
    #[serde(default)]
    pub events: Vec<Value>,
}

impl Alert {
    /// # Errors
    /// What is missing.
    pub fn read(value: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(value).map_err(|error| error.to_string())
    }

    /// The body of a request; `value` is the alert as the topic has it.
    #[must_use]
    pub fn body(&self, kind: Kind, value: &[u8]) -> Vec<u8> {
        match kind {
            Kind::Standard => value.to_vec(),
            Kind::Slack => json!({ "text": self.text(&SLACK) }).to_string().into_bytes(),
            Kind::Discord => {
                // Whatever a product is called, nobody is called by it.
                let body = json!({ "content": self.text(&DISCORD), "allowed_mentions": { "parse": [] } });
                body.to_string().into_bytes()
            }
        }
    }

    fn text(&self, style: &Style) -> String {
        let AlertData { pattern, alert_type, severity, about, key_field, key, events } = &self.data;
        let escape = |text: &str| (style.escape)(text);
        let sign = match severity {
            Severity::Info => "ℹ️",
            Severity::Warning => "⚠️",
            Severity::Critical => "🚨",
        };
        let bold = style.bold;
        let mut text = format!(
            "{sign} {bold}{}{bold} · {} {} · {}\n",
            escape(alert_type),
            escape(key_field),
            escape(key),
            escape(&self.time)
        );
        if !about.is_empty() {
            text += &format!("{}\n", escape(about));
        }
        for event in events.iter().take(EVENTS_SHOWN) {
            let field = |name: &str| match &event[name] {
                Value::String(text) => escape(text),
                Value::Null => String::new(),
                other => escape(&other.to_string()),
            };
            let what = [field("product_name"), field("product_id")].into_iter().find(|name| !name.is_empty());
            let parts = [field("event_time"), field("event_type"), what.unwrap_or_default(), field("price")];
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            text += &format!("• {}\n", parts.join(" · "));
        }
        if events.len() > EVENTS_SHOWN {
            text += &format!("• and {} more\n", events.len() - EVENTS_SHOWN);
        }
        text += &format!("{} {}", escape(pattern), escape(&self.id));
        cut(text)
    }
}

/// How a chat marks texts up.
struct Style {
    bold: &'static str,
    escape: fn(&str) -> String,
}

const SLACK: Style = Style { bold: "*", escape: escape_slack };
const DISCORD: Style = Style { bold: "**", escape: escape_discord };

/// Slack: three characters begin something of its own; a backtick, star, underscore or tilde formats, and there is no escape
/// for those but to part them from their text.
fn escape_slack(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '*' | '_' | '~' | '`' => escaped.extend(['\u{200b}', letter]),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Discord: Markdown, escaped by backslashes; nothing calls anybody.
fn escape_discord(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '#' | '[' | ']' | '(' | ')' | ':' | '@' | '-' => {
                escaped.extend(['\\', letter]);
            }
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn cut(text: String) -> String {
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// An alert made up to try an endpoint out.
#[must_use]
pub fn sample(id: &str, time: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "/clientele/webhooks/test",
        "type": "clientele.alert.test",
        "subject": "nobody",
        "time": time,
        "datacontenttype": "application/json",
        "data": {
            "pattern": "test", "kind": "match", "alert_type": "TEST", "severity": "info",
            "about": "Nothing happened: this endpoint is being tried out",
            "key_field": "user_id", "key": "nobody", "events": [],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(product: &str) -> (Alert, Vec<u8>) {
        let mut value = sample("a1", "2026-01-31T12:00:00Z");
        value["data"]["events"] =
            json!([{"stage": "cart", "event_type": "cart", "product_name": product, "price": 250.5}]);
        let bytes = value.to_string().into_bytes();
        (Alert::read(&bytes).expect("an alert"), bytes)
    }

    fn sent(kind: Kind, product: &str) -> Value {
        let (alert, bytes) = alert(product);
        serde_json::from_slice(&alert.body(kind, &bytes)).expect("JSON")
    }

    #[test]
    fn a_standard_webhook_is_sent_the_alert_as_it_is() {
        let (alert, bytes) = alert("x");
        assert_eq!(alert.body(Kind::Standard, &bytes), bytes);
    }

    #[test]
    fn texts_call_and_format_nothing() {
        let slack = sent(Kind::Slack, "<!channel> & *b*");
        let text = slack["text"].as_str().expect("a text");
        assert!(text.contains("&lt;!channel&gt; &amp; \u{200b}*b\u{200b}*") && text.contains("250.5"), "{text}");
        let discord = sent(Kind::Discord, "@everyone [x](https://y) **b**\n# z");
        let text = discord["content"].as_str().expect("a text");
        assert!(text.contains(r"\@everyone \[x\]\(https\://y\) \*\*b\*\* \# z"), "{text}");
        assert_eq!(discord["allowed_mentions"], json!({"parse": []}));
    }

    #[test]
    fn long_texts_are_cut() {
        let text = sent(Kind::Discord, &"*".repeat(5_000));
        assert!(text["content"].as_str().expect("a text").chars().count() <= 2_000);
    }
}
