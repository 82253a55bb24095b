//! A publication in memory: the base of merging, and what pages show of it beyond that.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use data::base::Base;
use data::lake::{Lake, Publication, Table};
use serde_json::Value;

use super::{Edges, Measure, Ordered};
use crate::error::Result;
use crate::lake::Files;

/// Names of countries are few; a publication with more of them loses the rest.
const NO_COUNTRY: u16 = u16::MAX;

/// Everything that is asked of one publication, by the place of a customer in the order of ids.
#[derive(Debug)]
pub struct Batch {
    pub base: Base,
    pub publication: Publication,
    pub edges: Edges,
    /// By recency score, then frequency score.
    pub names: [[String; 5]; 5],
    scores: Vec<[u8; 3]>,
    country: Vec<u16>,
    countries: Vec<String>,
    /// By measure; those without a purchase left out.
    ordered: [Ordered; 3],
}

impl Batch {
    /// Reads the tables that `publication` names.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub async fn load(lake: &Lake, publication: Publication) -> Result<Self> {
        let version = publication.versions.customer_rfm;
        let base = Base::load(lake, &publication);
        let files = Files::open(lake, Table::CustomerRfm, version);
        let (base, files) = futures::future::join(base, files).await;
        let (base, files) = (base?, files?);
        let names = names(&publication.report);
        let read = tokio::task::spawn_blocking(move || {
            let mut batch = Self {
                scores: vec![[0; 3]; base.len()],
                country: vec![NO_COUNTRY; base.len()],
                countries: Vec::new(),
                ordered: Default::default(),
                edges: Edges::default(),
                base,
                publication,
                names,
            };
            batch.read(&files)?;
            batch.order();
            Ok(batch)
        });
        read.await?
    }

    fn read(&mut self, files: &Files) -> Result<()> {
        // `customer_rfm` has the base's customers in its order, but for those without a purchase.
        let mut place = 0;
        let columns = ["r_score", "f_score", "m_score", "country"];
        files.each_batch(&columns, |batch| {
            self.take(batch, &mut place);
            Ok(())
        })
    }

    fn take(&mut self, batch: &RecordBatch, place: &mut usize) {
        let score = |column: usize, row: usize| {
            let scores = batch.columns().get(column)?.as_primitive_opt::<Int32Type>()?;
            if scores.is_null(row) { None } else { u8::try_from(scores.value(row)).ok() }
        };
        let countries = batch.columns().get(3).and_then(|column| column.as_string_opt::<i32>());
        for row in 0..batch.num_rows() {
            while *place < self.base.len() && self.base.totals(*place).span.is_none() {
                *place += 1;
            }
            let scores = [0, 1, 2].map(|column| score(column, row).unwrap_or(1));
            let country = countries.filter(|names| names.is_valid(row)).map(|names| names.value(row));
            self.put(*place, scores, country);
            *place += 1;
        }
    }

    fn put(&mut self, place: usize, scores: [u8; 3], country: Option<&str>) {
        let totals = self.base.totals(place);
        let days = totals.span.map_or(0, |span| span.last.days_before(self.base.reference));
        let invoices = i64::try_from(totals.frequency).unwrap_or(i64::MAX);
        self.edges.observe([days, invoices, totals.monetary.raw()], scores);
        if let Some(own) = self.scores.get_mut(place) {
            *own = scores;
        }
        let country = country.filter(|name| !name.is_empty()).map_or(NO_COUNTRY, |name| self.country_named(name));
        if let Some(own) = self.country.get_mut(place) {
            *own = country;
        }
    }

    /// Names come again and again, and most often the same as before.
    fn country_named(&mut self, name: &str) -> u16 {
        let known = self.countries.iter().position(|known| known == name);
        let place = known.unwrap_or_else(|| {
            self.countries.push(name.to_owned());
            self.countries.len() - 1
        });
        u16::try_from(place).unwrap_or(NO_COUNTRY)
    }

    fn order(&mut self) {
        self.ordered = Measure::ALL.map(|measure| {
            let value = |place: usize| Some((measure.of_totals(&self.base.totals(place))?, u32::try_from(place).ok()?));
            Ordered::new((0..self.base.len()).filter_map(value).collect())
        });
    }

    /// The customers in the order of a measure.
    #[must_use]
    pub const fn ordered(&self, measure: Measure) -> &Ordered {
        let [last_day, frequency, monetary] = &self.ordered;
        match measure {
            Measure::LastDay => last_day,
            Measure::Frequency => frequency,
            Measure::Monetary => monetary,
        }
    }

    #[must_use]
    pub fn scores(&self, place: usize) -> [u8; 3] {
        self.scores.get(place).copied().unwrap_or_default()
    }

    #[must_use]
    pub fn country(&self, place: usize) -> Option<&str> {
        let country = self.country.get(place)?;
        self.countries.get(usize::from(*country)).map(String::as_str)
    }

    /// Every named segment, by its first cell.
    #[must_use]
    pub fn rfm_segments(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.names.iter().flatten() {
            if !name.is_empty() && !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// The named segment of two scores.
    #[must_use]
    pub fn rfm_segment(&self, recency: u8, frequency: u8) -> &str {
        let at = |score: u8| usize::from(score.clamp(1, 5) - 1);
        self.names.get(at(recency)).and_then(|row| row.get(at(frequency))).map_or("", String::as_str)
    }
}

/// The named segments that the run was configured with, out of its report.
fn names(report: &str) -> [[String; 5]; 5] {
    let report: Value = serde_json::from_str(report).unwrap_or_default();
    let names = report.get("rfm_names").cloned().unwrap_or_default();
    serde_json::from_value(names).unwrap_or_default()
}
