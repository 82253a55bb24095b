//! Alerts, their ids, and how they are written.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

use crate::EventTime;
use crate::event::{Event, Topic};
use crate::pattern::{PatternRule, Severity};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Match,
    Timeout,
}

/// Something found that is to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The same for the same events of the same pattern, whenever they are read.
    pub id: String,
    pub pattern: String,
    pub kind: Kind,
    pub alert_type: String,
    pub severity: Severity,
    pub about: String,
    pub key_field: &'static str,
    pub key: String,
    /// Names of the stages.
    pub stages: Vec<String>,
    /// The events by stage, in the order in which they were taken.
    pub events: Vec<(usize, Event)>,
    /// When it is true; at the end of a file, `i64::MAX` for what only the end decides.
    pub at: EventTime,
}

impl Alert {
    pub(crate) fn new(
        rule: &PatternRule,
        kind: Kind,
        alert_type: &str,
        key: &str,
        events: Vec<(usize, Event)>,
        at: EventTime,
    ) -> Self {
        Self {
            id: id(rule, kind, key, &events),
            pattern: rule.id.clone(),
            kind,
            alert_type: alert_type.to_owned(),
            severity: rule.severity,
            about: rule.about.clone(),
            key_field: Topic::Clickstream.name_of(rule.key),
            key: key.to_owned(),
            stages: rule.stages.iter().map(|stage| stage.stage.name.clone()).collect(),
            events,
            at,
        }
    }

    /// The events' rows by stage, as a dry run shows them.
    #[must_use]
    pub fn rows(&self) -> ByStage<u64> {
        self.by_stage(Event::row)
    }

    /// The events' times by stage, in milliseconds.
    #[must_use]
    pub fn event_ts(&self) -> ByStage<i64> {
        self.by_stage(|event| event.at().0)
    }

    fn by_stage<T>(&self, value: impl Fn(&Event) -> T) -> ByStage<T> {
        by_stage(&self.stages, &self.events, value)
    }

    /// A `CloudEvents` 1.0 message in JSON: `id, source, type, subject, time` and `data {pattern, kind, alert_type, severity,
    /// about, key_field, key, events [{stage, …fields}]}`.
    #[must_use]
    pub fn cloud_event(&self) -> Value {
        let events: Vec<Value> = self
            .events
            .iter()
            .map(|(stage, event)| {
                let mut fields = event.to_json(Topic::Clickstream);
                fields.insert("stage".to_owned(), self.stages.get(*stage).cloned().unwrap_or_default().into());
                Value::Object(fields)
            })
            .collect();
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": format!("/clientele/patterns/{}", self.pattern),
            "type": format!("clientele.alert.{}", self.alert_type.to_lowercase()),
            "subject": self.key,
            "time": self.at.show(),
            "datacontenttype": "application/json",
            "data": {
                "pattern": self.pattern,
                "kind": self.kind,
                "alert_type": self.alert_type,
                "severity": self.severity,
                "about": self.about,
                "key_field": self.key_field,
                "key": self.key,
                "events": events,
            },
        })
    }

    /// A line of a dry run.
    #[must_use]
    pub fn line(&self) -> Line<'_> {
        Line {
            pattern: &self.pattern,
            key: &self.key,
            kind: self.kind,
            alert_type: &self.alert_type,
            rows: self.rows(),
            event_ts: self.event_ts(),
            ts: self.at.0,
        }
    }
}

/// An alert of a dry run.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Line<'a> {
    pub pattern: &'a str,
    pub key: &'a str,
    pub kind: Kind,
    pub alert_type: &'a str,
    pub rows: ByStage<u64>,
    pub event_ts: ByStage<i64>,
    pub ts: i64,
}

/// Something by stage, in the order in which the stages were first taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByStage<T>(pub Vec<(String, Vec<T>)>);

impl<T: Serialize> Serialize for ByStage<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (stage, values) in &self.0 {
            map.serialize_entry(stage, values)?;
        }
        map.end()
    }
}

pub fn by_stage<T>(stages: &[String], events: &[(usize, Event)], value: impl Fn(&Event) -> T) -> ByStage<T> {
    let mut all: Vec<(String, Vec<T>)> = Vec::new();
    for (stage, event) in events {
        let name = stages.get(*stage).map_or("", String::as_str);
        match all.iter_mut().find(|(of, _)| of == name) {
            Some((_, values)) => values.push(value(event)),
            None => all.push((name.to_owned(), vec![value(event)])),
        }
    }
    ByStage(all)
}

/// A hash of pattern, key and the events' own ids, each with its length before it. When it was noticed does not count: that
/// can differ in a replay.
fn id(rule: &PatternRule, kind: Kind, key: &str, events: &[(usize, Event)]) -> String {
    let mut hash = Xxh3::new();
    let mut text = |text: &str| {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    text(&rule.id);
    text(&rule.version.to_string());
    text(if kind == Kind::Match { "match" } else { "timeout" });
    text(key);
    for (stage, event) in events {
        text(&stage.to_string());
        text(event.id());
    }
    format!("{:032x}", hash.digest128())
}
