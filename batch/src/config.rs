//! What a run is asked for: a TOML file, then the environment, then flags; checked once.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use chrono::NaiveDate;
use data::lake::{self, Lake};
use data::{Cancellations, DateFormat, EventTime, Rules};
use serde::Deserialize;

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
        toml::from_str(&text).map_err(|error| fail(error.to_string()))
    }

    /// Lays environment and flags over the file and checks the whole.
    ///
    /// # Errors
    /// Names the flag that cannot be.
    pub fn check(self, common: &Common, input: &InputFlags, model: &ModelFlags) -> Result<Config> {
        let threads = common.threads.map_or_else(default_threads, Ok)?.min(MOST_THREADS);
        let wishes = Wishes {
            encoding: parsed(
                "--encoding",
                input.encoding.as_ref().or(self.input.encoding.as_ref()),
                Encoding::from_flag,
            )?
            .unwrap_or_default(),
            dates: parsed(
                "--date-format",
                input.date_format.as_ref().or(self.input.date_format.as_ref()),
                DateFormat::from_flag,
            )?,
            map: column_map(&self.input.map, &input.map)?,
        };
        let fit = FitOptions {
            k: clusters(&self.model, model.k.as_deref())?,
            seed: model.seed.or(self.model.seed).unwrap_or(42),
            threads,
        };
        let scoring = self.rfm.check().map_err(|error| option("[rfm] of --config", error))?;
        Ok(Config {
            lake: common.lake.clone().or(self.lake).unwrap_or_else(|| "./lake".to_owned()),
            currency: self.currency.unwrap_or_else(|| "£".to_owned()),
            wait: Duration::from_secs(common.wait),
            threads,
            reference: parsed(
                "--reference-date",
                model.reference_date.as_ref().or(self.reference_date.as_ref()),
                reference_date,
            )?,
            rules: RuleWishes {
                cancellations: input.cancellations.map(Into::into).or(self.cleaning.cancellations),
                exclude_stock_codes: excluded(input).or(self.cleaning.exclude_stock_codes),
                cancellation_prefix: self.cleaning.cancellation_prefix,
                adjustment_prefix: self.cleaning.adjustment_prefix,
            },
            ingest: ingest::Options { wishes, allow_overlap: input.allow_overlap, threads: threads.get() },
            fit: fit.check().map_err(|error| option("--k", error))?,
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
        let differ = |key, kept: &dyn std::fmt::Debug, asked: &dyn std::fmt::Debug| {
            Err(lake::Error::OtherRules {
                location: lake.location(),
                key,
                kept: format!("{kept:?}"),
                asked: format!("{asked:?}"),
            }
            .into())
        };
        if asked.cancellations != kept.cancellations {
            return differ("cancellations", &kept.cancellations, &asked.cancellations);
        }
        if asked.exclude_stock_codes != kept.exclude_stock_codes {
            return differ("exclude_stock_codes", &kept.exclude_stock_codes, &asked.exclude_stock_codes);
        }
        if asked.cancellation_prefix != kept.cancellation_prefix {
            return differ("cancellation_prefix", &kept.cancellation_prefix, &asked.cancellation_prefix);
        }
        if asked.adjustment_prefix != kept.adjustment_prefix {
            return differ("adjustment_prefix", &kept.adjustment_prefix, &asked.adjustment_prefix);
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

fn option(flag: &'static str, reason: impl std::fmt::Display) -> Error {
    Error::Option { flag, reason: reason.to_string() }
}

fn parsed<T>(
    flag: &'static str,
    text: Option<&String>,
    parse: impl Fn(&str) -> std::result::Result<T, String>,
) -> Result<Option<T>> {
    text.map(|text| parse(text).map_err(|reason| option(flag, reason))).transpose()
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

fn column_map(file: &std::collections::BTreeMap<String, String>, flags: &[String]) -> Result<ColumnMap> {
    let from_flags = flags.iter().map(|pair| {
        pair.split_once('=')
            .ok_or_else(|| option("--map", format!("{pair:?} is no COLUMN=NAME, such as customer_id=Client")))
    });
    let mut map = ColumnMap::new();
    let from_file = file.iter().map(|(column, name)| Ok((column.as_str(), name.as_str())));
    for pair in from_file.chain(from_flags) {
        let (column, name) = pair?;
        let known = Column::from_name(column).ok_or_else(|| {
            option(
                "--map",
                format!("{column:?} is no column; the columns are {}", Column::ALL.map(Column::name).join(", ")),
            )
        })?;
        map.insert(known, name.to_owned());
    }
    Ok(map)
}

fn clusters(file: &RawModel, flag: Option<&str>) -> Result<Clusters> {
    let auto = || match file.k_range {
        Some([least, most]) => Clusters::Auto { least, most },
        None => Clusters::AUTO,
    };
    let word = |text: &str| match (text, text.parse()) {
        ("auto", _) => Ok(auto()),
        (_, Ok(k)) => Ok(Clusters::Fixed(k)),
        _ => Err(option("--k", format!("{text:?} is neither a number nor auto"))),
    };
    match (flag, &file.k) {
        (Some(text), _) => word(text),
        (None, Some(RawClusters::Word(text))) => word(text),
        (None, Some(RawClusters::Number(k))) => Ok(Clusters::Fixed(*k)),
        (None, None) => Ok(Clusters::Fixed(4)),
    }
}
