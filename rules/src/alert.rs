//! Alerts, their ids, and how they are written.

use std::borrow::Cow;

use patterns::Found;
use serde::ser::{Serialize, SerializeMap, Serializer};
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

/// Something found that is to be told. Its key and events are the matcher's until it is kept.
#[derive(Clone, Debug)]
pub struct Alert<'r, 'e> {
    pub rule: &'r PatternRule,
    pub kind: Kind,
    pub key: Cow<'e, str>,
    pub matched: Matched<'e>,
    /// When it is true; at the end of a file, `i64::MAX` for what only the end decides.
    pub at: EventTime,
}

/// The events of an alert.
#[derive(Clone, Debug)]
pub enum Matched<'e> {
    /// As the matcher has them.
    Found(Found<'e, Event>),
    /// Kept, with their stages.
    Kept(Vec<(usize, Event)>),
}

impl Matched<'_> {
    /// The events with their stages, in the order in which they were taken.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = (usize, &Event)> {
        let (found, kept) = match self {
            Self::Found(found) => (Some(found.events()), None),
            Self::Kept(events) => (None, Some(events.iter())),
        };
        let found = found.into_iter().flatten().map(|(stage, _, event)| (stage, event));
        found.chain(kept.into_iter().flatten().map(|(stage, event)| (*stage, event)))
    }
}

impl<'r> Alert<'r, '_> {
    /// The events with their stages, in the order in which they were taken.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = (usize, &Event)> {
        self.matched.events()
    }

    /// The same with a key and events of its own.
    #[must_use]
    pub fn kept(self) -> Alert<'r, 'static> {
        let events = self.events().map(|(stage, event)| (stage, event.clone())).collect();
        let Self { rule, kind, key, at, .. } = self;
        Alert { rule, kind, key: Cow::Owned(key.into_owned()), matched: Matched::Kept(events), at }
    }

    /// The same for the same events of the same pattern, whenever they are read: a hash of pattern, key and the events' own ids,
    /// each with its length before it. When it was noticed does not count: that can differ in a replay.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hash = Xxh3::new();
        let mut text = |text: &str| {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        text(&self.rule.id);
        text(&self.rule.version.to_string());
        text(if self.kind == Kind::Match { "match" } else { "timeout" });
        text(&self.key);
        for (stage, event) in self.events() {
            text(&stage.to_string());
            text(event.id());
        }
        format!("{:032x}", hash.digest128())
    }

    #[must_use]
    pub fn pattern(&self) -> &'r str {
        &self.rule.id
    }

    #[must_use]
    pub fn alert_type(&self) -> &'r str {
        let said = if self.kind == Kind::Match { &self.rule.on_match } else { &self.rule.on_timeout };
        said.as_deref().unwrap_or_default()
    }

    /// The events' rows by stage, as a dry run shows them.
    #[must_use]
    pub fn rows(&self) -> ByStage<'r, u64> {
        self.by_stage(Event::row)
    }

    /// The events' times by stage, in milliseconds.
    #[must_use]
    pub fn event_ts(&self) -> ByStage<'r, i64> {
        self.by_stage(|event| event.at().0)
    }

    fn by_stage<T>(&self, value: impl Fn(&Event) -> T) -> ByStage<'r, T> {
        by_stage(self.rule, self.events(), value)
    }

    /// A `CloudEvents` 1.0 message in JSON: `id, source, type, subject, time` and `data {pattern, kind, alert_type, severity,
    /// about, key_field, key, events [{stage, …fields}]}`.
    #[must_use]
    pub fn cloud_event(&self) -> CloudEvent<'_> {
        let Self { rule, kind, key, matched, at } = self;
        CloudEvent {
            specversion: "1.0",
            id: self.id(),
            source: format!("/clientele/patterns/{}", rule.id),
            kind: format!("clientele.alert.{}", self.alert_type().to_lowercase()),
            subject: key,
            time: at.show(),
            datacontenttype: "application/json",
            data: CloudData {
                pattern: &rule.id,
                kind: *kind,
                alert_type: self.alert_type(),
                severity: rule.severity,
                about: &rule.about,
                key_field: Topic::Clickstream.name_of(rule.key),
                key,
                events: CloudEvents { rule, matched },
            },
        }
    }

    /// A line of a dry run.
    #[must_use]
    pub fn line(&self) -> Line<'_> {
        Line {
            pattern: self.pattern(),
            key: &self.key,
            kind: self.kind,
            alert_type: self.alert_type(),
            rows: self.rows(),
            event_ts: self.event_ts(),
            ts: self.at.0,
        }
    }
}

/// An alert as it is written.
#[derive(Debug, serde::Serialize)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    data: CloudData<'a>,
}

#[derive(Debug, serde::Serialize)]
struct CloudData<'a> {
    pattern: &'a str,
    kind: Kind,
    alert_type: &'a str,
    severity: Severity,
    about: &'a str,
    key_field: &'static str,
    key: &'a str,
    events: CloudEvents<'a>,
}

#[derive(Debug)]
struct CloudEvents<'a> {
    rule: &'a PatternRule,
    matched: &'a Matched<'a>,
}

impl Serialize for CloudEvents<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.matched.events().map(|(stage, event)| InStage { stage: self.rule.stage(stage), event }))
    }
}

struct InStage<'a> {
    stage: &'a str,
    event: &'a Event,
}

impl Serialize for InStage<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("stage", self.stage)?;
        self.event.write_fields(Topic::Clickstream, &mut map)?;
        map.end()
    }
}

/// An alert of a dry run.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Line<'a> {
    pub pattern: &'a str,
    pub key: &'a str,
    pub kind: Kind,
    pub alert_type: &'a str,
    pub rows: ByStage<'a, u64>,
    pub event_ts: ByStage<'a, i64>,
    pub ts: i64,
}

/// Something by stage, in the order in which the stages were first taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByStage<'a, T>(pub Vec<(&'a str, Vec<T>)>);

impl<T: Serialize> Serialize for ByStage<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(stage, values)| (stage, values)))
    }
}

pub fn by_stage<'r, 'e, T>(
    rule: &'r PatternRule,
    events: impl Iterator<Item = (usize, &'e Event)>,
    value: impl Fn(&Event) -> T,
) -> ByStage<'r, T> {
    let mut all: Vec<(&str, Vec<T>)> = Vec::new();
    for (stage, event) in events {
        let name = rule.stage(stage);
        match all.iter_mut().find(|(of, _)| *of == name) {
            Some((_, values)) => values.push(value(event)),
            None => all.push((name, vec![value(event)])),
        }
    }
    ByStage(all)
}
