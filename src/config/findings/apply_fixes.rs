//! `check --fix`: applies the fixes of findings to a file and its imports.
//!
//! Takes a root file's text, applies the fixes of its findings, reads the result again, and repeats until nothing is left to
//! fix. Gives the new texts; others write them. Knows spans and texts, not the language.
//! Invariant: no result has more errors than its original, and of two fixes that touch, one waits for the next round.

use crate::config::findings::{Code, Finding, Fix};
use crate::config::source::{Location, SourceFile, Span};
use crate::config::{CheckOptions, Loaded, check_with};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Rounds of one call; fixes that are left then need another call.
const MAX_ROUNDS: usize = 100;
/// Large files get fewer rounds, so that time stays in proportion to the text: bytes that are read in all rounds together.
const MAX_BYTES_READ: usize = 4 * 1024 * 1024;
const MIN_ROUNDS: usize = 12;

#[derive(Debug)]
pub struct FixResult {
    pub before: Loaded,
    /// With all fixes: the findings that are left.
    pub after: Loaded,
    /// The files that change, in the order of reading.
    pub files: Vec<FixedFile>,
    /// In the order of their application.
    pub done: Vec<AppliedFix>,
}

#[derive(Debug)]
pub struct FixedFile {
    pub name: String,
    pub path: PathBuf,
    pub old: String,
    pub new: String,
    /// The old and the new text for people: without secrets and control characters.
    pub shown: (String, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedFix {
    pub code: Code,
    /// In the text at that time.
    pub place: Location,
    pub title: String,
}

/// Applies all fixes of a root file; with `imports`, also of the files it imports.
pub fn fix(name: &Path, text: Vec<u8>, imports: bool, options: CheckOptions) -> FixResult {
    let mut texts = Texts {
        name,
        root: text,
        imported: HashMap::new(),
        options,
    };
    let before = texts.read();
    let mut now = texts.read();
    let mut done = Vec::new();
    let mut refused: HashSet<FixKey> = HashSet::new();
    // The number of fixes that are tried at once: halved until the one is found that adds errors.
    let mut width = usize::MAX;
    let size: usize = before.sources.files().iter().map(|file| file.text.len()).sum();
    let rounds = (MAX_BYTES_READ / size.max(1)).clamp(MIN_ROUNDS, MAX_ROUNDS);
    for _ in 0..rounds {
        let mut batch = chosen(&now, imports, &refused);
        batch.truncate(width);
        if batch.is_empty() {
            break;
        }
        let tried = texts.with(&now, &batch);
        let next = tried.read();
        if next.errors() <= now.errors() {
            done.extend(batch.iter().filter_map(|finding| applied(&now, finding)));
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

/// The current texts; others are read from the disk.
#[derive(Debug, Clone)]
struct Texts<'a> {
    name: &'a Path,
    root: Vec<u8>,
    imported: HashMap<PathBuf, Vec<u8>>,
    options: CheckOptions,
}

impl Texts<'_> {
    fn read(&self) -> Loaded {
        check_with(self.name, self.root.clone(), &self.imported, self.options)
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
    let all = fix.edits.iter().all(|(span, _)| inside(*span).is_some());
    all.then_some(file)
}

/// The fixes of one round: in order, none of which touches another.
fn chosen<'a>(loaded: &'a Loaded, imports: bool, refused: &HashSet<FixKey>) -> Vec<&'a Finding> {
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let mut chosen = Vec::new();
    for finding in &loaded.findings {
        let Some(fix) = &finding.fix else {
            continue;
        };
        // An error may hide the finding that an `allow` is for.
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

/// Identifies a fix from round to round: its code, and the old and new texts.
type FixKey = (Code, Vec<(String, String)>);

fn key(loaded: &Loaded, finding: &Finding) -> FixKey {
    let edits = finding.fix.iter().flat_map(|fix| &fix.edits);
    let edits = edits.map(|(span, text)| (loaded.sources.text(*span).to_owned(), text.clone()));
    (finding.code, edits.collect())
}

fn applied(loaded: &Loaded, finding: &Finding) -> Option<AppliedFix> {
    Some(AppliedFix {
        code: finding.code,
        place: loaded.location(finding.span())?,
        title: finding.fix.as_ref()?.title.clone(),
    })
}

fn changed(before: &Loaded, after: &Loaded) -> Vec<FixedFile> {
    let files = before.sources.files().iter();
    let both = files.filter_map(|old| {
        let new = after.sources.files().iter().find(|new| new.path == old.path)?;
        (new.text != old.text).then(|| FixedFile {
            name: old.name.clone(),
            path: old.path.clone(),
            old: old.text.clone(),
            new: new.text.clone(),
            shown: (old.drawn.clone(), new.drawn.clone()),
        })
    });
    both.collect()
}
