//! What a run is asked for: a TOML file, then the environment, then flags; checked once.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDate;
use data::lake::{self, Lake};
use data::{Cancellations, DateFormat, EventTime, Rules};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::{Common, InputFlags, ModelFlags};
use crate::csv::columns::{Column, ColumnMap};
use crate::csv::dialect::{Encoding, Wishes};
use crate::error::{Error, Result};
use crate::ingest;
use crate::model::{Clusters, FitOptions, FitParameters};
use crate::rfm::{RawScoring, Scoring};

/// More threads than this bring nothing.
const MOST_THREADS: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(most) => most,
    None => NonZeroUsize::MIN,
};

/// The configuration file as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    lake: Option<String>,
    currency: Option<String>,
    reference_date: Option<String>,
    input: RawInput,
    cleaning: RawCleaning,
    model: RawModel,
    rfm: RawScoring,
    /// Where it is written.
    #[serde(skip)]
    path: PathBuf,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawInput {
    date_format: Option<String>,
    encoding: Option<String>,
    map: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawCleaning {
    cancellations: Option<Cancellations>,
    exclude_stock_codes: Option<BTreeSet<String>>,
    cancellation_prefix: Option<String>,
    adjustment_prefix: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawModel {
    k: Option<RawClusters>,
    /// Least and most segments that `auto` tries.
    k_range: Option<[usize; 2]>,
    seed: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum RawClusters {
    Number(usize),
    Word(String),
}

/// Everything a run needs, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub lake: String,
    pub currency: String,
    pub wait: Duration,
    pub threads: NonZeroUsize,
    pub reference: Option<EventTime>,
    pub rules: RuleWishes,
    pub ingest: ingest::Options,
    pub fit: FitParameters,
    pub scoring: Scoring,
}

/// The cleaning rules that were asked for; a lake that is there already decides the rest.
#[derive(Clone, Debug, Default)]
pub struct RuleWishes {
    cancellations: Option<Cancellations>,
    exclude_stock_codes: Option<BTreeSet<String>>,
    cancellation_prefix: Option<String>,
    adjustment_prefix: Option<String>,
}

impl RawConfig {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Names the line and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self> {
        let fail = |reason: String| Error::Config { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let read: Self = toml::from_str(&text).map_err(|error| fail(error.to_string()))?;
        Ok(Self { path: path.to_owned(), ..read })
    }

    /// Lays environment and flags over the file and checks the whole.
    ///
    /// # Errors
    /// Names the flag that cannot be, or the file and the key in it.
    pub fn check(self, common: &Common, input: &InputFlags, model: &ModelFlags) -> Result<Config> {
        let threads = common.threads.map_or_else(default_threads, Ok)?.min(MOST_THREADS);
        let file = File(self.path);
        let wishes = Wishes {
            encoding: (input.encoding.as_ref().map(|text| parsed("--encoding", text, Encoding::from_flag)))
                .or_else(|| file.parsed("[input] encoding", self.input.encoding.as_ref(), Encoding::from_flag))
                .transpose()?
                .unwrap_or_default(),
            dates: (input.date_format.as_ref().map(|text| parsed("--date-format", text, DateFormat::from_flag)))
                .or_else(|| file.parsed("[input] date_format", self.input.date_format.as_ref(), DateFormat::from_flag))
                .transpose()?,
            map: column_map(&file, &self.input.map, &input.map)?,
        };
        let reference = (model.reference_date.as_ref().map(|text| parsed("--reference-date", text, reference_date)))
            .or_else(|| file.parsed("reference_date", self.reference_date.as_ref(), reference_date))
            .transpose()?;
        let seed = model.seed.or(self.model.seed).unwrap_or(42);
        let fit = |k| FitOptions { k, seed, threads }.check();
        let range = match self.model.k_range {
            Some([least, most]) => Clusters::Auto { least, most },
            None => Clusters::AUTO,
        };
        // A range is checked even where k makes no use of it.
        fit(range).map_err(|error| file.refused("[model] k_range", error))?;
        let k = match (&model.k, &self.model.k) {
            (Some(text), _) | (None, Some(RawClusters::Word(text))) => clusters(text, range),
            (None, Some(RawClusters::Number(k))) => Ok(Clusters::Fixed(*k)),
            (None, None) => Ok(FitOptions::default().k),
        };
        let fit = k.and_then(|k| fit(k).map_err(|error| error.to_string())).map_err(|reason| {
            if model.k.is_some() { option("--k", reason) } else { file.refused("[model] k", reason) }
        })?;
        let scoring = self.rfm.check().map_err(|error| file.refused("[rfm]", error))?;
        Ok(Config {
            lake: common.lake.clone().or(self.lake).unwrap_or_else(|| "./lake".to_owned()),
            currency: self.currency.unwrap_or_else(|| "£".to_owned()),
            wait: Duration::from_secs(common.wait),
            threads,
            reference,
            rules: RuleWishes {
                cancellations: input.cancellations.map(Into::into).or(self.cleaning.cancellations),
                exclude_stock_codes: excluded(input).or(self.cleaning.exclude_stock_codes),
                cancellation_prefix: self.cleaning.cancellation_prefix,
                adjustment_prefix: self.cleaning.adjustment_prefix,
            },
            ingest: ingest::Options { wishes, allow_overlap: input.allow_overlap, threads: threads.get() },
            fit,
            scoring,
        })
    }
}

impl RuleWishes {
    /// The rules of a new lake.
    #[must_use]
    pub fn for_new_lake(&self) -> Rules {
        self.over(Rules::default())
    }

    /// The rules of a lake that was made with `kept`.
    ///
    /// # Errors
    /// When something else was asked for: the lines that are there were judged by the kept rules.
    pub fn for_lake(&self, lake: &Lake, kept: Rules) -> Result<Rules> {
        let asked = self.over(kept.clone());
        // Values as the configuration file has them: of words and lists of words, JSON is TOML.
        let (Value::Object(kept_values), Value::Object(asked_values)) =
            (serde_json::to_value(&kept)?, serde_json::to_value(&asked)?)
        else {
            return Ok(kept);
        };
        for (key, value) in kept_values {
            let asked = asked_values.get(&key).unwrap_or(&Value::Null);
            if *asked != value {
                let (kept, asked) = (setting(&value), setting(asked));
                return Err(lake::Error::OtherRules { location: lake.location(), key, kept, asked }.into());
            }
        }
        Ok(kept)
    }

    fn over(&self, base: Rules) -> Rules {
        Rules {
            cancellations: self.cancellations.unwrap_or(base.cancellations),
            exclude_stock_codes: self.exclude_stock_codes.clone().unwrap_or(base.exclude_stock_codes),
            cancellation_prefix: self.cancellation_prefix.clone().unwrap_or(base.cancellation_prefix),
            adjustment_prefix: self.adjustment_prefix.clone().unwrap_or(base.adjustment_prefix),
        }
    }
}

/// The configuration file, as messages name it.
struct File(PathBuf);

impl File {
    fn refused(&self, key: &str, reason: impl std::fmt::Display) -> Error {
        Error::Config { path: self.0.clone(), reason: format!("{key}: {reason}") }
    }

    fn parsed<T>(
        &self,
        key: &str,
        text: Option<&String>,
        parse: impl Fn(&str) -> std::result::Result<T, String>,
    ) -> Option<Result<T>> {
        text.map(|text| parse(text).map_err(|reason| self.refused(key, reason)))
    }
}

/// `"C"`, `["M", "POST"]`.
fn setting(value: &Value) -> String {
    match value {
        Value::Array(words) => format!("[{}]", words.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn option(flag: &'static str, reason: impl std::fmt::Display) -> Error {
    Error::Option { flag, reason: reason.to_string() }
}

fn parsed<T>(flag: &'static str, text: &str, parse: impl Fn(&str) -> std::result::Result<T, String>) -> Result<T> {
    parse(text).map_err(|reason| option(flag, reason))
}

fn default_threads() -> Result<NonZeroUsize> {
    Ok(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}

fn reference_date(text: &str) -> std::result::Result<EventTime, String> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .map(EventTime::from_date)
        .map_err(|_| format!("{text:?} is no date; write it as 2011-12-10"))
}

fn excluded(input: &InputFlags) -> Option<BTreeSet<String>> {
    let codes = || input.exclude_stock_codes.iter().map(|code| code.trim().to_owned()).filter(|code| !code.is_empty());
    (!input.exclude_stock_codes.is_empty()).then(|| codes().collect())
}

fn column_map(
    file: &File,
    in_file: &std::collections::BTreeMap<String, String>,
    flags: &[String],
) -> Result<ColumnMap> {
    let known = |column: &str| {
        Column::from_name(column).ok_or_else(|| {
            format!("{column:?} is no column; the columns are {}", Column::ALL.map(Column::name).join(", "))
        })
    };
    let mut map = ColumnMap::new();
    for (column, name) in in_file {
        map.insert(known(column).map_err(|reason| file.refused("[input] map", reason))?, name.clone());
    }
    for pair in flags {
        let (column, name) = pair
            .split_once('=')
            .ok_or_else(|| option("--map", format!("{pair:?} is no COLUMN=NAME, such as customer_id=Client")))?;
        map.insert(known(column).map_err(|reason| option("--map", reason))?, name.to_owned());
    }
    Ok(map)
}

fn clusters(text: &str, range: Clusters) -> std::result::Result<Clusters, String> {
    match (text, text.parse()) {
        ("auto", _) => Ok(range),
        (_, Ok(k)) => Ok(Clusters::Fixed(k)),
        _ => Err(format!("{text:?} is neither a number nor auto")),
    }
}
