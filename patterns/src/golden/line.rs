//! Lines of the shape of the golden files.

use serde::ser::{Serialize, SerializeMap, Serializer};

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

/// One line: something found, an event that came late, or a pattern that was refused.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(untagged)]
pub enum Line {
    Rejected {
        pattern: String,
        kind: &'static str,
        exception: &'static str,
        message: String,
    },
    Late {
        pattern: String,
        key: String,
        alert_type: &'static str,
        kind: &'static str,
        rows: ByStage<u64>,
        event_ts: ByStage<i64>,
        ts: i64,
    },
    Found {
        pattern: String,
        key: String,
        alert_type: String,
        kind: &'static str,
        rows: ByStage<u64>,
        event_ts: ByStage<i64>,
        ts: i64,
        /// The watermark that brought it out; none at the end of the input.
        emit_wm: Option<i64>,
    },
}
