//! Patterns as rule files have them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use patterns::{
    Automaton, ConditionId, Conditions, Contiguity, Draft, Growth, Inner, Limits, Malformed, Skip, Stage, Times,
};
use toml::de::DeValue;

use crate::condition::{Condition, Earlier, Scene, Scope};
use crate::event::{Event, Field, Topic};
use crate::reader::{Section, article};

/// How much it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    #[default]
    Info,
    Warning,
    Critical,
}

/// A pattern over the clicks of a key.
#[derive(Clone, Debug)]
pub struct PatternRule {
    pub id: String,
    pub about: String,
    /// Changes with everything on which matches depend.
    pub version: u64,
    pub key: Field,
    pub severity: Severity,
    /// The type of an alert for a match; `None`: matches are not reported.
    pub on_match: Option<String>,
    /// The type of an alert for a run that left its window.
    pub on_timeout: Option<String>,
    /// Looks at a complete match.
    pub emit_if: Option<Condition>,
    pub stages: Vec<StageRule>,
    pub skip: Skip,
    /// The window of the whole pattern in milliseconds, set on its last stage.
    pub within: Option<i64>,
    /// Open runs of one key, if limited by the pattern itself.
    pub max_runs: Option<usize>,
}

/// A stage, its conditions not yet in a matcher.
#[derive(Clone, Debug)]
pub struct StageRule {
    pub stage: Stage,
    pub condition: Option<Arc<Condition>>,
    pub until: Option<Arc<Condition>>,
}

const CONTIGUITY: [(&str, Contiguity); 5] = [
    ("next", Contiguity::Next),
    ("followed_by", Contiguity::FollowedBy),
    ("followed_by_any", Contiguity::FollowedByAny),
    ("not_next", Contiguity::NotNext),
    ("not_followed_by", Contiguity::NotFollowedBy),
];
const TAKES_NOTHING: &str = "forbids events, so there are none to look at";
const COMES_LATER: &str = "comes later: only this stage and those before it can be looked at";

impl PatternRule {
    /// The name of a stage.
    #[must_use]
    pub fn stage(&self, place: usize) -> &str {
        self.stages.get(place).map_or("", |stage| &stage.stage.name)
    }

    pub fn read(id: &str, section: &Section<'_, '_>) -> Option<Self> {
        let text = |key| section.text(key).map(|written| written.text.to_owned());
        let about = text("about").unwrap_or_default();
        let key = key(section);
        let severities = [Severity::Info, Severity::Warning, Severity::Critical];
        let severity = section
            .one_of("severity", &["info", "warning", "critical"].into_iter().zip(severities).collect::<Vec<_>>());
        let (on_match, on_timeout) = (text("on_match"), text("on_timeout"));
        let within = section.duration("within");
        let max_runs = section.whole("max_runs");
        if max_runs.is_some_and(|max| !(1..=1_000_000).contains(&max)) {
            section.error("max_runs", "a key has between 1 and 1,000,000 runs");
        }
        let names = stage_names(section);
        let all: Vec<_> = names.iter().map(|(name, not)| (name.clone(), *not)).collect();
        let emit_if = section
            .condition("emit_if", &Scope { stages: &all, stages_of: Some(Topic::Clickstream), ..Scope::default() });
        let stages = stages(section, &names);
        let skip = skip(section);
        section.finish();
        if on_match.is_none() && on_timeout.is_none() {
            section.wrong(
                "nothing would be reported: give on_match, on_timeout or both a type, as in on_match = \"CART_LEFT\"",
            );
        }
        let mut rule = Self {
            id: id.to_owned(),
            about,
            version: 0,
            key: key?,
            severity: severity.unwrap_or_default(),
            on_match,
            on_timeout,
            emit_if,
            stages: stages?,
            skip: skip?,
            within,
            max_runs: max_runs.and_then(|max| usize::try_from(max).ok()),
        };
        rule.version = rule.fingerprint();
        rule.check(section).then_some(rule)
    }

    /// What the patterns crate and its limits say of it.
    fn check(&self, section: &Section<'_, '_>) -> bool {
        let automaton = self.draft(&mut Registry::default()).and_then(|draft| Automaton::compile(&draft.check()?));
        let growth = match automaton.map(|automaton| automaton.growth()) {
            Ok(growth) => growth,
            Err(malformed) => {
                let (stage, field) = meant(&malformed);
                match stage.and_then(|name| stage_named(section, name)) {
                    Some(stage) => stage.error(field, malformed.to_string()),
                    None if field.is_empty() => section.wrong(malformed.to_string()),
                    None => section.error(field, malformed.to_string()),
                }
                return false;
            }
        };
        if self.max_runs.is_some() {
            return true;
        }
        let stage = |place: usize| self.stages.get(place).map_or("", |stage| stage.stage.name.as_str()).to_owned();
        match growth {
            Growth::Unbounded { stage: place, .. } => section.error(
                "within",
                format!(
                    "a run can wait for ever in stage {}, so that memory grows without limit: give the pattern within, \
                     or cap it by max_runs",
                    stage(place)
                ),
            ),
            Growth::Windowed { exponential: true } => section.wrong(
                "every event that fits can double the runs of a key within the window: give the pattern max_runs, a cap",
            ),
            Growth::Bounded | Growth::Windowed { exponential: false } => return true,
        }
        false
    }

    /// The pattern, its conditions put into `registry`.
    ///
    /// # Errors
    /// If there are too many conditions.
    pub fn draft(&self, registry: &mut Registry) -> Result<Draft, Malformed> {
        let mut stages = Vec::with_capacity(self.stages.len());
        for rule in &self.stages {
            let mut stage = rule.stage.clone();
            stage.condition = rule.condition.as_ref().map(|condition| registry.add(condition)).transpose()?;
            stage.until = rule.until.as_ref().map(|condition| registry.add(condition)).transpose()?;
            stages.push(stage);
        }
        if let (Some(last), Some(_)) = (stages.last_mut(), self.within) {
            last.within = self.within;
        }
        Ok(Draft { stages, skip: self.skip.clone() })
    }

    /// How much of a key may be remembered: a key's state must fit a message of its changelog.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let runs = self.max_runs.unwrap_or(1000);
        // What users share has more clicks than a user, and they wait for the slowest of the shards.
        let waiting = if self.key.is_of_user() { 10_000 } else { 30_000 };
        Limits { runs, taken: runs.saturating_mul(20), waiting }
    }

    /// A hash of all that decides about matches.
    fn fingerprint(&self) -> u64 {
        let mut text = format!("{} {:?} {:?} {:?} {:?}", self.id, self.key, self.within, self.max_runs, self.skip);
        let timeouts = self.on_timeout.is_some();
        let shown = |condition: &Condition| condition.to_string();
        let _ = write!(text, " {timeouts} {:?}", self.emit_if.as_ref().map(shown));
        for StageRule { stage, condition, until } in &self.stages {
            let conditions = [condition, until].map(|condition| condition.as_deref().map(shown));
            let _ = write!(text, " {stage:?} {conditions:?}");
        }
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }
}

/// Conditions of several patterns: equal ones are evaluated once for an event.
#[derive(Debug, Default)]
pub struct Registry {
    pub conditions: Conditions<Event>,
    known: HashMap<String, ConditionId>,
}

impl Registry {
    fn add(&mut self, condition: &Arc<Condition>) -> Result<ConditionId, Malformed> {
        let kept = Arc::clone(condition);
        if condition.looks_back() {
            return self.conditions.taken(move |event: &Event, taken| {
                kept.holds(&Scene { event: Some(event), earlier: Earlier::Taken(taken), values: &[] })
            });
        }
        let text = condition.to_string();
        if let Some(&id) = self.known.get(&text) {
            return Ok(id);
        }
        let id = self.conditions.event(move |event: &Event| kept.holds(&Scene::event(event)))?;
        self.known.insert(text, id);
        Ok(id)
    }
}

/// The stage and the field that a mistake is about.
fn meant(malformed: &Malformed) -> (Option<&str>, &'static str) {
    use Malformed as M;
    match malformed {
        M::NotAfterOptional { stage } | M::QuantifiedNot { stage } | M::EndlessNot { stage } => {
            (Some(stage), "follows")
        }
        M::OptionalNot { stage } | M::OptionalTwice { stage } | M::OptionalAfterGreedy { stage } => {
            (Some(stage), "optional")
        }
        M::NoTimes { stage } | M::NoFrom { stage } | M::Reversed { stage, .. } => (Some(stage), "times"),
        M::SingleConsecutive { stage, .. } | M::SingleCombinations { stage, .. } => (Some(stage), "inner"),
        M::SingleGreedy { stage } | M::GreedyCombinations { stage } => (Some(stage), "greedy"),
        M::UntilWithoutLoop { stage } => (Some(stage), "until"),
        M::DuplicateName { name } => (Some(name), "name"),
        M::UnknownSkip { .. } => (None, "skip"),
        M::PreviousWindowLonger => (None, "within"),
        M::NoStart => (None, "stages"),
        M::TooLarge { .. } | M::TooManyConditions { .. } => (None, ""),
    }
}

/// The last stage of this name: of two alike, the one that should have another.
fn stage_named<'r, 'f>(section: &Section<'r, 'f>, name: &str) -> Option<Section<'r, 'f>> {
    let list = section.get("stages")?.get_ref().as_array()?;
    let place = stage_names(section).iter().rposition(|(own, _)| own == name)?;
    section.nested(format!("{}.stages[{place}]", section.path), list.get(place)?)
}

fn key(section: &Section<'_, '_>) -> Option<Field> {
    let Some(written) = section.text("key") else {
        if section.get("key").is_none() {
            section.wrong("key is missing: the field whose events belong together, as in key = \"user_id\"");
        }
        return None;
    };
    let field = Topic::Clickstream.field(written.text);
    if field.is_none() {
        section.error("key", crate::reader::unknown(written.text, Topic::Clickstream.fields()));
    }
    field
}

type Names = Vec<(String, Result<usize, &'static str>)>;

/// The names of the stages that can be looked at once all are done.
fn stage_names(section: &Section<'_, '_>) -> Names {
    let Some(list) = section.get("stages").and_then(|value| value.get_ref().as_array()) else { return Vec::new() };
    let mut names = Vec::new();
    for (place, value) in list.iter().enumerate() {
        let field = |key: &str| {
            let table = value.get_ref().as_table()?;
            table.iter().find(|(name, _)| name.get_ref() == key).and_then(|(_, value)| value.get_ref().as_str())
        };
        let forbids = matches!(field("follows"), Some("not_next" | "not_followed_by"));
        let name = field("name").unwrap_or_default().to_owned();
        names.push((name, if forbids { Err(TAKES_NOTHING) } else { Ok(place) }));
    }
    names
}

fn stages(section: &Section<'_, '_>, names: &Names) -> Option<Vec<StageRule>> {
    let Some(value) = section.get("stages") else {
        section.wrong(format!("stages are missing: begin with a line [[{}.stages]]", section.path));
        return None;
    };
    let Some(list) = value.get_ref().as_array() else {
        section.error(
            "stages",
            format!("is {}, but should be a list: [[{}.stages]]", article(value.get_ref()), section.path),
        );
        return None;
    };
    let mut stages = Vec::new();
    for (place, value) in list.iter().enumerate() {
        let table = section.nested(format!("{}.stages[{place}]", section.path), value)?;
        let visible: Names = names
            .iter()
            .enumerate()
            .map(|(at, (name, found))| (name.clone(), if at > place { Err(COMES_LATER) } else { *found }))
            .collect();
        let stage = stage(&table, place, &visible);
        table.finish();
        stages.push(stage);
    }
    stages.into_iter().collect()
}

fn stage(section: &Section<'_, '_>, place: usize, visible: &Names) -> Option<StageRule> {
    let name = section.text("name");
    let scope = Scope {
        event: Some(Topic::Clickstream),
        stages_of: Some(Topic::Clickstream),
        stages: visible,
        ..Scope::default()
    };
    let follows = section.one_of("follows", &CONTIGUITY);
    if place > 0 && section.get("follows").is_none() {
        let known = CONTIGUITY.map(|(name, _)| name).join(", ");
        section.wrong(format!("follows is missing, how it follows the stage before: {known}"));
    }
    let condition = section.condition("where", &scope).map(Arc::new);
    let until = section.condition("until", &scope).map(Arc::new);
    let inner =
        [("relaxed", Inner::Relaxed), ("consecutive", Inner::Consecutive), ("combinations", Inner::Combinations)];
    let inner = section.one_of("inner", &inner).unwrap_or_default();
    let times = times(section);
    let flags = (section.flag("greedy"), section.flag("optional"));
    let windows = (section.duration("within"), section.duration("within_previous"));
    let Some(name) = name else {
        if section.get("name").is_none() {
            section.wrong("name is missing");
        }
        return None;
    };
    let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let begins = name.text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    if name.text == "event" || !begins || !name.text.chars().all(letters) {
        section.error(
            "name",
            format!("{:?} cannot be used in conditions: use letters, digits and _, and not event", name.text),
        );
        return None;
    }
    let contiguity = follows.or_else(|| (place == 0).then_some(Contiguity::Next))?;
    let stage = Stage {
        times: times?,
        inner,
        greedy: flags.0,
        optional: flags.1,
        within: windows.0,
        within_previous: windows.1,
        ..Stage::new(name.text, contiguity)
    };
    Some(StageRule { stage, condition, until })
}

fn times(section: &Section<'_, '_>) -> Option<Times> {
    let at_least = section.get("at_least").is_some().then(|| section.whole("at_least"));
    let Some(value) = section.get("times") else {
        return at_least.map_or(Some(Times::Once), |least| least.map(Times::AtLeast));
    };
    if at_least.is_some() {
        section.error("at_least", "a stage has times or at_least, not both");
        return None;
    }
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        return section.whole("times").map(Times::Exactly);
    }
    let table = section.table("times")?;
    let (from, to) = (table.whole("from"), table.whole("to"));
    table.finish();
    let Some((from, to)) = from.zip(to) else {
        table.wrong("write how often from and to, as in times = { from = 2, to = 4 }");
        return None;
    };
    Some(Times::Between(from, to))
}

fn skip(section: &Section<'_, '_>) -> Option<Skip> {
    let Some(value) = section.get("skip") else { return Some(Skip::No) };
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        let choices = [("no", Skip::No), ("to_next", Skip::ToNext), ("past_last", Skip::PastLast)];
        return section.one_of("skip", &choices);
    }
    let table = section.table("skip")?;
    let (first, last) = (table.text("to_first"), table.text("to_last"));
    table.finish();
    match (first, last) {
        (Some(stage), None) => Some(Skip::ToFirst(stage.text.to_owned())),
        (None, Some(stage)) => Some(Skip::ToLast(stage.text.to_owned())),
        _ => {
            table.wrong("name one stage, as in skip = { to_first = \"cart\" }");
            None
        }
    }
}
