//! All rules of a folder.

use std::path::Path;

use toml::de::DeTable;

use crate::behaviour::{Feature, Score, Segment};
use crate::condition::Name;
use crate::error::RuleError;
use crate::event::Kind;
use crate::pattern::PatternRule;
use crate::reader::{Reader, Section};

/// Rules that were checked.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    pub features: Vec<Feature>,
    pub scores: Vec<Score>,
    pub segments: Vec<Segment>,
    pub patterns: Vec<PatternRule>,
}

/// What differs between two sets of rules: names of features and scores, `segments`, and ids of patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Their state is kept.
    pub unchanged: Vec<String>,
    /// They begin anew.
    pub changed: Vec<String>,
    pub added: Vec<String>,
    pub removed: Vec<String>,
}

impl RuleSet {
    /// Whether anything is to be known of customers: by features, scores or segments.
    #[must_use]
    pub const fn judges_customers(&self) -> bool {
        !(self.features.is_empty() && self.scores.is_empty() && self.segments.is_empty())
    }

    /// Reads all files `*.toml` of a folder, or one file.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn load(path: &Path) -> Result<Self, Vec<RuleError>> {
        let unreadable = |path: &Path, source: std::io::Error| RuleError {
            file: path.display().to_string(),
            line: 0,
            field: String::new(),
            message: format!("cannot be read: {source}"),
        };
        let mut paths = Vec::new();
        if path.is_dir() {
            for entry in std::fs::read_dir(path).map_err(|source| vec![unreadable(path, source)])? {
                let entry = entry.map_err(|source| vec![unreadable(path, source)])?.path();
                if entry.extension().is_some_and(|extension| extension == "toml") {
                    paths.push(entry);
                }
            }
            paths.sort();
        } else {
            paths.push(path.to_owned());
        }
        let (mut files, mut errors) = (Vec::new(), Vec::new());
        for path in paths {
            match std::fs::read_to_string(&path) {
                Ok(text) => files.push((path.display().to_string(), text)),
                Err(source) => errors.push(unreadable(&path, source)),
            }
        }
        if files.is_empty() && errors.is_empty() {
            let message = "has no files *.toml: name the folder with the rules".to_owned();
            return Err(vec![RuleError { file: path.display().to_string(), line: 0, field: String::new(), message }]);
        }
        let set = Self::read(&files);
        if errors.is_empty() {
            return set;
        }
        // The mistakes of the others are told all the same.
        errors.extend(set.err().unwrap_or_default());
        Err(errors)
    }

    /// Reads files, given with their names.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn read(files: &[(String, String)]) -> Result<Self, Vec<RuleError>> {
        let readers: Vec<_> = files.iter().map(|(name, text)| Reader::new(name, text)).collect();
        let tables: Vec<_> = readers.iter().zip(files).map(|(reader, (_, text))| parse(reader, text)).collect();
        let roots: Vec<_> = readers
            .iter()
            .zip(&tables)
            .filter_map(|(reader, table)| table.as_ref().map(|table| (reader, reader.section(String::new(), 1, table))))
            .collect();
        let set = Self::read_all(&roots);
        let errors: Vec<_> = {
            drop(roots);
            readers.into_iter().flat_map(Reader::into_errors).collect()
        };
        if errors.is_empty() { Ok(set) } else { Err(errors) }
    }

    fn read_all(roots: &[(&Reader<'_>, Section<'_, '_>)]) -> Self {
        let mut set = Self::default();
        let mut names: Vec<Name> = Vec::new();
        for (name, section) in children(roots, "features", "feature") {
            free(&names, name, &section);
            // A broken feature is known to the scores all the same.
            let feature = Feature::read(name, &section);
            let kind = feature.as_ref().map_or(Kind::Number, |feature| feature.measure.kind());
            names.push(Name { name: name.to_owned(), kind });
            set.features.extend(feature);
        }
        let features = names.clone();
        for (name, section) in children(roots, "scores", "score") {
            free(&names, name, &section);
            names.push(Name { name: name.to_owned(), kind: Kind::Number });
            set.scores.extend(Score::read(name, &section, &features));
        }
        let mut segments = None;
        for (reader, root) in roots {
            let Some(section) = root.get("segments").and_then(|value| reader.table("segments".to_owned(), value))
            else {
                continue;
            };
            if segments.replace(()).is_some() {
                section.wrong("there are segments in two files: their order would not be known; put them into one");
                continue;
            }
            set.segments = Segment::read(&section, &names);
        }
        for (id, section) in children(roots, "patterns", "pattern") {
            if set.patterns.iter().any(|pattern| pattern.id == id) {
                section.wrong("there is a pattern of this name already: give it another name");
            }
            set.patterns.extend(PatternRule::read(id, &section));
        }
        for (reader, root) in roots {
            for (name, line, _) in root.entries() {
                let known = ["features", "scores", "segments", "patterns"];
                if !known.contains(&name) {
                    reader.error(line, name, crate::reader::unknown(name, known));
                }
            }
        }
        set
    }

    /// What differs from the rules `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Difference {
        let (old, new) = (before.definitions(), self.definitions());
        let mut difference = Difference::default();
        for (name, definition) in &new {
            let list = match old.iter().find(|(of, _)| of == name) {
                Some((_, same)) if same == definition => &mut difference.unchanged,
                Some(_) => &mut difference.changed,
                None => &mut difference.added,
            };
            list.push(name.clone());
        }
        let gone = old.into_iter().map(|(name, _)| name).filter(|name| new.iter().all(|(of, _)| of != name));
        difference.removed = gone.collect();
        difference
    }

    fn definitions(&self) -> Vec<(String, String)> {
        let features = self.features.iter().map(|feature| (feature.name.clone(), feature.id.to_string()));
        let scores = self
            .scores
            .iter()
            .map(|score| (score.name.clone(), format!("{} {:?} {}", score.of, score.steps, score.otherwise)));
        let segments = self.segments.iter().map(|segment| format!("{} {}", segment.name, segment.condition));
        let segments = Some(segments.collect::<Vec<_>>().join("\n")).filter(|text| !text.is_empty());
        let patterns = self.patterns.iter().map(|pattern| (pattern.id.clone(), pattern.version.to_string()));
        features.chain(scores).chain(segments.map(|text| ("segments".to_owned(), text))).chain(patterns).collect()
    }
}

fn parse<'f>(reader: &Reader<'f>, text: &'f str) -> Option<DeTable<'f>> {
    match DeTable::parse(text) {
        Ok(table) => Some(table.into_inner()),
        Err(error) => {
            let line = error.span().map_or(0, |span| reader.line(span.start));
            reader.error(line, "", error.message().lines().collect::<Vec<_>>().join(" "));
            None
        }
    }
}

/// The tables in `[kind.*]` of all files, in the order in which they are written.
fn children<'r, 'f>(
    roots: &'r [(&'r Reader<'f>, Section<'r, 'f>)],
    kind: &'static str,
    one: &str,
) -> Vec<(&'r str, Section<'r, 'f>)> {
    let mut all = Vec::new();
    for (reader, root) in roots {
        let Some(section) = root.get(kind).and_then(|value| reader.table(kind.to_owned(), value)) else { continue };
        for (name, line, value) in section.in_order() {
            let path = format!("{kind}.{name}");
            let letters = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
            if name.is_empty() || !name.chars().all(letters) || name.len() > 100 {
                reader.error(line, path.clone(), format!("a {one} has a name of letters, digits, _ and -"));
            }
            all.extend(reader.table(path, value).map(|section| (name, section)));
        }
    }
    all
}

/// Notes it if the name has another meaning already.
fn free(names: &[Name], name: &str, section: &Section<'_, '_>) {
    if names.iter().any(|known| known.name == name) {
        section.wrong("there is a feature or score of this name already: give it another name");
    }
    if name == "event" || name.contains('-') {
        section.wrong("conditions could not use this name: use letters, digits and _, and not event");
    }
}
