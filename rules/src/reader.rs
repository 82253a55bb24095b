//! Reads the tables of a TOML file, noting every mistake with its line.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::condition::{self, Condition, Number, Scope};
use crate::error::{RuleError, nearest};
use crate::time;

/// A file that is read, and what is wrong with it.
#[derive(Debug)]
pub struct Reader<'f> {
    file: &'f str,
    text: &'f str,
    errors: RefCell<Vec<RuleError>>,
}

impl<'f> Reader<'f> {
    pub fn new(file: &'f str, text: &'f str) -> Self {
        Self { file, text, errors: RefCell::default() }
    }

    pub fn error(&self, line: usize, field: impl Into<String>, message: impl Into<String>) {
        let (field, message) = (field.into(), message.into());
        self.errors.borrow_mut().push(RuleError { file: self.file.to_owned(), line, field, message });
    }

    pub fn into_errors(self) -> Vec<RuleError> {
        self.errors.into_inner()
    }

    /// The line, from 1, of a place in the text.
    pub fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    pub fn section<'r>(&'r self, path: String, line: usize, table: &'r DeTable<'f>) -> Section<'r, 'f> {
        Section { reader: self, path, line, table, known: RefCell::default() }
    }

    /// The value as a table.
    pub fn table<'r>(&'r self, path: String, value: &'r Spanned<DeValue<'f>>) -> Option<Section<'r, 'f>> {
        let line = self.line(value.span().start);
        let Some(table) = value.get_ref().as_table() else {
            self.error(line, path, format!("is {}, but should be a table", article(value.get_ref())));
            return None;
        };
        Some(self.section(path, line, table))
    }
}

/// One table.
#[derive(Debug)]
pub struct Section<'r, 'f> {
    reader: &'r Reader<'f>,
    pub path: String,
    pub line: usize,
    table: &'r DeTable<'f>,
    known: RefCell<Vec<&'static str>>,
}

/// A text and its line.
#[derive(Clone, Copy, Debug)]
pub struct Written<'r> {
    pub text: &'r str,
    pub line: usize,
}

impl<'r, 'f> Section<'r, 'f> {
    pub fn get(&self, key: &'static str) -> Option<&'r Spanned<DeValue<'f>>> {
        self.known.borrow_mut().push(key);
        self.entries().find(|(name, ..)| *name == key).map(|(_, _, value)| value)
    }

    /// Keys, their lines and values.
    pub fn entries(&self) -> impl Iterator<Item = (&'r str, usize, &'r Spanned<DeValue<'f>>)> + use<'r, 'f> {
        let reader = self.reader;
        self.table.iter().map(move |(name, value)| (name.get_ref().as_ref(), reader.line(name.span().start), value))
    }

    /// The same in the order in which they are written.
    pub fn in_order(&self) -> Vec<(&'r str, usize, &'r Spanned<DeValue<'f>>)> {
        let mut all: Vec<_> = self.table.iter().collect();
        all.sort_by_key(|(name, _)| name.span().start);
        let line = |at| self.reader.line(at);
        all.into_iter().map(|(name, value)| (name.get_ref().as_ref(), line(name.span().start), value)).collect()
    }

    pub fn line_of(&self, value: &Spanned<DeValue<'f>>) -> usize {
        self.reader.line(value.span().start)
    }

    /// Notes a mistake in a field; the table as a whole is meant if it has no such field.
    pub fn error(&self, key: &str, message: impl Into<String>) {
        let line = self.entries().find(|(name, ..)| *name == key).map_or(self.line, |(_, line, _)| line);
        self.reader.error(line, format!("{}.{key}", self.path), message);
    }

    /// Notes a mistake in the table as a whole.
    pub fn wrong(&self, message: impl Into<String>) {
        self.reader.error(self.line, self.path.clone(), message);
    }

    fn typed<T>(&self, key: &'static str, what: &str, of: impl Fn(&'r DeValue<'f>) -> Option<T>) -> Option<T> {
        let value = self.get(key)?;
        let found = of(value.get_ref());
        if found.is_none() {
            self.error(key, format!("is {}, but should be {what}", article(value.get_ref())));
        }
        found
    }

    pub fn text(&self, key: &'static str) -> Option<Written<'r>> {
        let line = self.get(key).map_or(self.line, |value| self.line_of(value));
        self.typed(key, "a text in quotes", |value| value.as_str()).map(|text| Written { text, line })
    }

    pub fn flag(&self, key: &'static str) -> bool {
        self.typed(key, "true or false", DeValue::as_bool).unwrap_or(false)
    }

    pub fn whole(&self, key: &'static str) -> Option<i64> {
        self.typed(key, "a whole number", |value| number(value).and_then(whole))
    }

    pub fn number(&self, key: &'static str) -> Option<f64> {
        self.typed(key, "a number", number)
    }

    pub fn table(&self, key: &'static str) -> Option<Section<'r, 'f>> {
        self.get(key).and_then(|value| self.reader.table(format!("{}.{key}", self.path), value))
    }

    /// Milliseconds of a duration, which must not be nothing.
    pub fn duration(&self, key: &'static str) -> Option<i64> {
        let written = self.text(key)?;
        let millis = time::duration(written.text).filter(|millis| *millis > 0);
        if millis.is_none() {
            self.error(
                key,
                format!("{:?} is not a duration: write \"30 minutes\", \"7 days\" or \"1h 30m\"", written.text),
            );
        }
        millis
    }

    pub fn one_of<T: Clone>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let written = self.text(key)?;
        let found = choices.iter().find(|(name, _)| *name == written.text).map(|(_, choice)| choice.clone());
        if found.is_none() {
            self.error(key, unknown(written.text, choices.iter().map(|(name, _)| *name)));
        }
        found
    }

    pub fn condition(&self, key: &'static str, scope: &Scope<'_>) -> Option<Condition> {
        let written = self.text(key)?;
        self.compiled(key, written, condition::compile(written.text, scope))
    }

    pub fn expression(&self, key: &'static str, scope: &Scope<'_>) -> Option<Number> {
        let written = self.text(key)?;
        self.compiled(key, written, condition::compile_number(written.text, scope))
    }

    fn compiled<T>(&self, key: &str, written: Written<'_>, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.reader.error(written.line, format!("{}.{key}", self.path), message)).ok()
    }

    pub fn compile(&self, key: &str, written: Written<'_>, scope: &Scope<'_>) -> Option<Condition> {
        self.compiled(key, written, condition::compile(written.text, scope))
    }

    /// A table inside this one, under a path of its own.
    pub fn nested(&self, path: String, value: &'r Spanned<DeValue<'f>>) -> Option<Self> {
        self.reader.table(path, value)
    }

    /// The same where these fields need not have been asked for.
    pub fn finish_with(&self, known: &[&'static str]) {
        self.known.borrow_mut().extend(known);
        self.finish();
    }

    /// Notes the fields that nobody asked for.
    pub fn finish(&self) {
        let known = self.known.borrow();
        for (name, line, _) in self.entries() {
            if !known.contains(&name) {
                self.reader.error(line, format!("{}.{name}", self.path), unknown(name, known.iter().copied()));
            }
        }
    }
}

/// What was written is not among the choices.
pub fn unknown<'c>(written: &str, choices: impl IntoIterator<Item = &'c str>) -> String {
    let mut choices: Vec<&str> = choices.into_iter().collect();
    let mut told = std::collections::HashSet::new();
    choices.retain(|choice| told.insert(*choice));
    match nearest(written, choices.iter().copied()) {
        Some(near) => format!("{written:?} is not known: is {near} meant? there are {}", choices.join(", ")),
        None => format!("{written:?} is not known: there are {}", choices.join(", ")),
    }
}

pub fn number(value: &DeValue<'_>) -> Option<f64> {
    if let Some(whole) = value.as_integer() {
        let number = i64::from_str_radix(whole.as_str(), whole.radix()).ok()?;
        return Some(number as f64).filter(|number| number.abs() < 9e15);
    }
    value.as_float().and_then(|float| float.as_str().parse().ok()).filter(|number: &f64| number.is_finite())
}

#[expect(clippy::cast_possible_truncation, reason = "smaller than 9e15, and whole")]
pub fn whole(number: f64) -> Option<i64> {
    Some(number).filter(|number| number.fract() == 0.0 && number.abs() < 9e15).map(|number| number as i64)
}

pub fn article(value: &DeValue<'_>) -> String {
    match value.type_str() {
        kind @ ("integer" | "array") => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}
