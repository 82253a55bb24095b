//! The truth of a condition tree.

use std::cmp::Ordering;

use super::clicks::{Click, Value};
use super::schema::{Condition, Operand};

/// What a condition may look at.
pub trait Scene {
    /// The event at hand; there is none once a match is complete.
    fn event(&self) -> Option<&Click>;
    /// The first or the last event that a stage took.
    fn earlier(&self, stage: &str, last: bool) -> Option<&Click>;
}

/// Whether the condition holds. A comparison with an event or a field that is missing is false.
pub fn holds(condition: &Condition, scene: &impl Scene) -> bool {
    let compare = |l: &Operand, r: &Operand, fits: fn(Ordering) -> bool| order(l, r, scene).is_some_and(fits);
    match condition {
        Condition::True => true,
        Condition::And { args } => args.iter().all(|arg| holds(arg, scene)),
        Condition::Or { args } => args.iter().any(|arg| holds(arg, scene)),
        Condition::Not { arg } => !holds(arg, scene),
        Condition::Eq { l, r } => compare(l, r, Ordering::is_eq),
        Condition::Ne { l, r } => compare(l, r, Ordering::is_ne),
        Condition::Lt { l, r } => compare(l, r, Ordering::is_lt),
        Condition::Le { l, r } => compare(l, r, Ordering::is_le),
        Condition::Gt { l, r } => compare(l, r, Ordering::is_gt),
        Condition::Ge { l, r } => compare(l, r, Ordering::is_ge),
    }
}

/// Whether the condition looks at earlier stages.
pub fn looks_back(condition: &Condition) -> bool {
    let earlier = |operand: &Operand| matches!(operand, Operand::Earlier { .. });
    match condition {
        Condition::True => false,
        Condition::And { args } | Condition::Or { args } => args.iter().any(looks_back),
        Condition::Not { arg } => looks_back(arg),
        Condition::Eq { l, r }
        | Condition::Ne { l, r }
        | Condition::Lt { l, r }
        | Condition::Le { l, r }
        | Condition::Gt { l, r }
        | Condition::Ge { l, r } => earlier(l) || earlier(r),
    }
}

fn order(l: &Operand, r: &Operand, scene: &impl Scene) -> Option<Ordering> {
    match (value(l, scene)?, value(r, scene)?) {
        (Value::Number(l), Value::Number(r)) => Some(l.total_cmp(&r)),
        // Java compares UTF-16 units.
        (Value::Text(l), Value::Text(r)) if l == r => Some(Ordering::Equal),
        (Value::Text(l), Value::Text(r)) => Some(l.encode_utf16().cmp(r.encode_utf16())),
        _ => None,
    }
}

fn value<'s>(operand: &'s Operand, scene: &'s impl Scene) -> Option<Value<'s>> {
    match operand {
        Operand::Constant { v: serde_json::Value::Number(number) } => number.as_f64().map(Value::Number),
        Operand::Constant { v: serde_json::Value::String(text) } => Some(Value::Text(text)),
        Operand::Constant { v: serde_json::Value::Bool(true) } => Some(Value::Text("true")),
        Operand::Constant { v: serde_json::Value::Bool(false) } => Some(Value::Text("false")),
        Operand::Constant { v: serde_json::Value::Null } => Some(Value::Text("null")),
        Operand::Constant { .. } => Some(Value::Text("")),
        Operand::Earlier { stage, at, f } => scene.earlier(stage, at.as_deref() == Some("last"))?.field(f),
        Operand::Field { f } => scene.event()?.field(f),
    }
}
