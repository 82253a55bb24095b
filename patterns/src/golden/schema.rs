//! The JSON schema of a case.

use serde::Deserialize;
use serde_json::Value;

/// A case: a file of clicks and patterns to be found in it.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    #[serde(default)]
    pub name: String,
    /// Relative to the case's own file.
    pub csv: String,
    /// The field that keys the events where a pattern does not say.
    #[serde(default = "user")]
    pub key: String,
    #[serde(default)]
    pub out_of_orderness_ms: i64,
    pub patterns: Vec<PatternSpec>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PatternSpec {
    pub id: String,
    pub key: Option<String>,
    pub skip: Option<Skip>,
    pub within_ms: Option<i64>,
    pub within_type: Option<String>,
    #[serde(default)]
    pub alert: Alert,
    pub emit_if: Option<Condition>,
    pub stages: Vec<Stage>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Alert {
    #[serde(default, rename = "match")]
    pub on_match: String,
    pub timeout: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    #[serde(rename = "no_skip")]
    No,
    #[serde(rename = "skip_to_next")]
    ToNext,
    #[serde(rename = "skip_past_last")]
    PastLast,
    ToFirst(String),
    ToLast(String),
}

#[derive(Clone, Debug, Deserialize)]
pub struct Stage {
    pub name: String,
    pub contiguity: Contiguity,
    #[serde(rename = "where")]
    pub condition: Option<Condition>,
    pub quant: Option<Quantifier>,
    pub within_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contiguity {
    Begin,
    Next,
    FollowedBy,
    FollowedByAny,
    NotNext,
    NotFollowedBy,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Quantifier {
    pub times: Option<i64>,
    pub from: Option<i64>,
    pub to: Option<i64>,
    pub at_least: Option<i64>,
    #[serde(default)]
    pub inner: Inner,
    #[serde(default)]
    pub greedy: bool,
    #[serde(default)]
    pub optional: bool,
    pub until: Option<Condition>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inner {
    #[default]
    Relaxed,
    Consecutive,
    Combinations,
}

/// A tree of comparisons.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Condition {
    True,
    And { args: Vec<Condition> },
    Or { args: Vec<Condition> },
    Not { arg: Box<Condition> },
    Eq { l: Operand, r: Operand },
    Ne { l: Operand, r: Operand },
    Lt { l: Operand, r: Operand },
    Le { l: Operand, r: Operand },
    Gt { l: Operand, r: Operand },
    Ge { l: Operand, r: Operand },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Operand {
    Constant { v: Value },
    Earlier { stage: String, at: Option<String>, f: String },
    Field { f: String },
}

fn user() -> String {
    "user_id".into()
}
