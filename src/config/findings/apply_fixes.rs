//! `check --fix`: what the fixes of findings make of a file and of its imports.
//!
//! Takes a root file's text, applies the fixes of its findings, reads the result again, and goes on until nothing is left to
//! fix. Gives the new texts; writing them is for others. Knows spans and texts, not the language.
//! Invariant: no result has more errors than what it was made of, and of two fixes that touch one is left for the next
//! round.

use crate::config::findings::{Code, Finding, Fix};
use crate::config::source::{Location, SourceFile, Span};
use crate::config::{CheckOptions, Loaded, judge};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// How often a file is read again, at most. What is left then is left for another call.
const MOST_READINGS: usize = 100;
/// Large files are read less often, so that time stays in proportion to the text: so many bytes in all, but a few times at
/// least.
const MOST_READ: usize = 4 * 1024 * 1024;
const FEWEST_READINGS: usize = 12;

#[derive(Debug)]
pub struct FixResult {
    pub before: Loaded,
    /// As it is with all fixes: what is left of the findings.
    pub after: Loaded,
    /// The files that change, in the order of reading.
    pub files: Vec<FixedFile>,
    /// What was done, in order.
    pub done: Vec<AppliedFix>,
}

/// A file with another text.
#[derive(Debug)]
pub struct FixedFile {
    pub name: String,
    pub path: PathBuf,
    pub old: String,
    /// What shall stand there.
    pub new: String,
    /// Both for people: without secrets and control characters.
    pub shown: (String, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedFix {
    pub code: Code,
    /// Where, in the text as it was then.
    pub place: Location,
    pub title: String,
}

/// Applies all fixes of a root file; with `imports`, also those of the files that it imports.
#[must_use]
pub fn fix(name: &Path, text: Vec<u8>, imports: bool, look: CheckOptions) -> FixResult {
    let mut texts = Texts {
        name,
        root: text,
        imported: HashMap::new(),
        look,
    };
    let before = texts.read();
    let mut now = texts.read();
    let mut done = Vec::new();
    let mut refused: HashSet<Key> = HashSet::new();
    // How many fixes are tried at once: halved until the one is found that does harm.
    let mut width = usize::MAX;
    let size: usize = before.sources.files().iter().map(|file| file.text.len()).sum();
    let readings = (MOST_READ / size.max(1)).clamp(FEWEST_READINGS, MOST_READINGS);
    for _ in 0..readings {
        let mut batch = chosen(&now, imports, &refused);
        batch.truncate(width);
        if batch.is_empty() {
            break;
        }
        let tried = texts.with(&now, &batch);
        let next = tried.read();
        if next.errors() <= now.errors() {
            done.extend(batch.iter().filter_map(|finding| said(&now, finding)));
            (texts, now) = (tried, next);
            width = usize::MAX;
        } else if let [alone] = batch.as_slice() {
            refused.insert(key(&now, alone));
            width = usize::MAX;
        } else {
            width = batch.len() / 2;
        }
    }
    let files = changed(&before, &now);
    FixResult {
        before,
        after: now,
        files,
        done,
    }
}

/// The texts as they are by now; those that are not here are read from the disk.
#[derive(Debug, Clone)]
struct Texts<'a> {
    name: &'a Path,
    root: Vec<u8>,
    imported: HashMap<PathBuf, Vec<u8>>,
    look: CheckOptions,
}

impl Texts<'_> {
    fn read(&self) -> Loaded {
        judge(self.name, self.root.clone(), &self.imported, self.look)
    }

    /// The same with some findings fixed.
    fn with(&self, loaded: &Loaded, findings: &[&Finding]) -> Self {
        let mut next = self.clone();
        for (number, file) in loaded.sources.files().iter().enumerate() {
            let inside = |fix: &Fix| file_of(loaded, fix).is_some_and(|found| found.base == file.base);
            let fixes = findings.iter().filter_map(|finding| finding.fix.as_ref());
            let mut edits: Vec<&(Span, String)> = fixes.filter(|fix| inside(fix)).flat_map(|fix| &fix.edits).collect();
            if edits.is_empty() {
                continue;
            }
            edits.sort_by_key(|(span, _)| span.start);
            let text = edited(file, &edits).into_bytes();
            if number == 0 {
                next.root = text;
            } else if let Ok(real) = std::fs::canonicalize(&file.path) {
                next.imported.insert(real, text);
            }
        }
        next
    }
}

/// A text with edits that are in order and do not touch.
fn edited(file: &SourceFile, edits: &[&(Span, String)]) -> String {
    let mut out = String::with_capacity(file.text.len() + 64);
    let mut at = 0;
    for (span, text) in edits {
        let (start, end) = (span.start - file.base, span.end - file.base);
        out.push_str(file.text.get(at..start).unwrap_or_default());
        out.push_str(text);
        at = end;
    }
    out.push_str(file.text.get(at..).unwrap_or_default());
    out
}

/// The file that all edits of a fix lie in, whole characters each.
fn file_of<'a>(loaded: &'a Loaded, fix: &Fix) -> Option<&'a SourceFile> {
    let (first, _) = fix.edits.first()?;
    let file = loaded.sources.file_of(*first)?;
    let inside = |span: Span| {
        let start = span.start.checked_sub(file.base)?;
        file.text.get(start..span.end.checked_sub(file.base)?)
    };
    fix.edits
        .iter()
        .all(|(span, _)| inside(*span).is_some())
        .then_some(file)
}

/// The fixes of one round: in order, none of which touches another.
fn chosen<'a>(loaded: &'a Loaded, imports: bool, refused: &HashSet<Key>) -> Vec<&'a Finding> {
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let mut chosen = Vec::new();
    for finding in &loaded.findings {
        let Some(fix) = &finding.fix else {
            continue;
        };
        // What an `allow` silences may be hidden by an error.
        if finding.code == Code::UnusedAllow && loaded.errors() > 0 {
            continue;
        }
        if file_of(loaded, fix).is_none_or(|file| !imports && file.base != 0) {
            continue;
        }
        let free = |span: &Span| {
            let before = taken.range(..=span.end).next_back();
            before.is_none_or(|(_, end)| *end < span.start)
        };
        if !fix.edits.iter().all(|(span, _)| free(span)) || refused.contains(&key(loaded, finding)) {
            continue;
        }
        taken.extend(fix.edits.iter().map(|(span, _)| (span.start, span.end)));
        chosen.push(finding);
    }
    chosen
}

/// What a fix is known by from round to round: its kind, and what it writes in place of what.
type Key = (Code, Vec<(String, String)>);

fn key(loaded: &Loaded, finding: &Finding) -> Key {
    let edits = finding.fix.iter().flat_map(|fix| &fix.edits);
    let edits = edits.map(|(span, text)| (loaded.sources.text(*span).to_owned(), text.clone()));
    (finding.code, edits.collect())
}

fn said(loaded: &Loaded, finding: &Finding) -> Option<AppliedFix> {
    Some(AppliedFix {
        code: finding.code,
        place: loaded.place(finding.span())?,
        title: finding.fix.as_ref()?.title.clone(),
    })
}

/// The files whose text is another one.
fn changed(before: &Loaded, after: &Loaded) -> Vec<FixedFile> {
    let files = before.sources.files().iter();
    let both = files.filter_map(|old| {
        let new = after.sources.files().iter().find(|new| new.path == old.path)?;
        (new.text != old.text).then(|| FixedFile {
            name: old.name.clone(),
            path: old.path.clone(),
            old: old.text.clone(),
            new: new.text.clone(),
            shown: (old.drawn().to_owned(), new.drawn().to_owned()),
        })
    });
    both.collect()
}
