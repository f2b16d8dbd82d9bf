//! What a retention's classes hold and what becomes of it, counted for people and programs.
//!
//! Takes verdicts and the listing they are about, gives one [`ClassSummary`] per class and the kept files with
//! their reasons. Pure.
//! Invariant: every file that a class wins is counted exactly once as deleted, staying or kept.

use super::facts::Scan;
use crate::clock::from_nanos;
use crate::model::keyword::KeywordMatcher;
use crate::model::retention::{Classifier, KeepReason, Stays, Verdict};
use crate::model::{Keep, Matches, Retention};
use crate::path::Shown;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

const SAMPLES: usize = 3;

/// What a class holds and what becomes of it.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClassSummary {
    /// Its name.
    pub name: String,
    /// Seconds that it keeps; null is forever.
    #[serde(rename = "keep_seconds", serialize_with = "serialize_seconds")]
    #[cfg_attr(test, schemars(with = "Option<u64>"))]
    pub keep: Keep,
    /// Its `keep-newest`.
    pub keep_newest: u32,
    /// Files it wins.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    // In nanoseconds since the epoch, as the newest.
    /// mtime of the oldest: RFC 3339, UTC.
    #[serde(serialize_with = "serialize_moment")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub oldest: Option<i128>,
    /// mtime of the newest: RFC 3339, UTC.
    #[serde(serialize_with = "serialize_moment")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub newest: Option<i128>,
    /// Files to delete.
    pub delete_files: u64,
    /// Their bytes.
    pub delete_bytes: u64,
    /// Files that stay, by reason.
    pub stays: BTreeMap<Stays, u64>,
    /// Files that are kept, by reason.
    pub kept: BTreeMap<KeepReason, u64>,
    /// Files that other classes match as well, by their name.
    pub also: BTreeMap<String, u64>,
    /// For a keyword: the path components that held it, digits folded to `#`, and how many files each.
    pub components: BTreeMap<String, u64>,
    /// Some of the paths to delete (oldest first), for a look.
    #[serde(skip)]
    pub samples: Vec<usize>,
}

fn serialize_seconds<S: Serializer>(keep: &Keep, to: S) -> Result<S::Ok, S::Error> {
    match keep {
        Keep::Forever => None,
        Keep::For(age) => Some(age.as_secs()),
    }
    .serialize(to)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn serialize_moment<S: Serializer>(ns: &Option<i128>, to: S) -> Result<S::Ok, S::Error> {
    ns.and_then(from_nanos).serialize(to)
}

/// Summaries by class, in file order, and every kept file with its reason.
pub(super) fn summarise(
    retention: &Retention,
    verdicts: &[Verdict],
    scan: Option<&Scan>,
) -> (Vec<ClassSummary>, Vec<(usize, KeepReason)>) {
    let classes = retention.classes.iter().map(|class| ClassSummary {
        name: class.name.clone(),
        keep: class.keep,
        keep_newest: class.keep_newest,
        ..ClassSummary::default()
    });
    let mut classes: Vec<ClassSummary> = classes.collect();
    let mut kept = Vec::new();
    let classifier = Classifier::new(retention);
    let entries = scan.map_or(&[][..], |scan| &scan.entries);

    for (at, (entry, verdict)) in entries.iter().zip(verdicts).enumerate() {
        let Some(winner) = verdict.class() else {
            continue;
        };
        for other in classifier.matching(&entry.path).filter(|other| *other != winner) {
            let name = retention.classes.get(other).map(|c| c.name.clone()).unwrap_or_default();
            if let Some(class) = classes.get_mut(winner) {
                *class.also.entry(name).or_default() += 1;
            }
        }
        let Some(class) = classes.get_mut(winner) else {
            continue;
        };
        let (size, mtime) = (entry.identity.size, entry.identity.mtime_ns);
        class.files += 1;
        class.bytes = class.bytes.saturating_add(size);
        class.oldest = Some(class.oldest.map_or(mtime, |oldest| oldest.min(mtime)));
        class.newest = class.newest.max(Some(mtime));
        match verdict {
            Verdict::Delete(_) => {
                class.delete_files += 1;
                class.delete_bytes = class.delete_bytes.saturating_add(size);
                keep_oldest(&mut class.samples, at, entries);
            }
            Verdict::Stays(_, why) => *class.stays.entry(*why).or_default() += 1,
            Verdict::Kept(_, why) => {
                *class.kept.entry(*why).or_default() += 1;
                kept.push((at, *why));
            }
            Verdict::Unmatched | Verdict::Excluded => {}
        }
        if let Some(Matches::Keyword(word)) = retention.classes.get(winner).map(|c| &c.matches) {
            let word = KeywordMatcher::new(word);
            let holds = |part: &&[u8]| word.is_in(part);
            // A keyword with a `/` spans components: then the whole path is what matched.
            let part = entry.path.components().find(holds).unwrap_or(entry.path.as_bytes());
            // Dated names differ in their digits only: one line for all of them.
            *class.components.entry(digits_folded(part)).or_default() += 1;
        }
    }
    (classes, kept)
}

fn keep_oldest(samples: &mut Vec<usize>, at: usize, entries: &[crate::entry::Entry]) {
    let age = |at: &usize| entries.get(*at).map_or(i128::MAX, |e| e.identity.mtime_ns);
    let place = samples.partition_point(|other| age(other) <= age(&at));
    if place < SAMPLES {
        samples.insert(place, at);
        samples.truncate(SAMPLES);
    }
}

/// `pattern-20261123.jsonl` → `pattern-#.jsonl`.
fn digits_folded(part: &[u8]) -> String {
    let mut out = String::new();
    for c in Shown(part).to_string().chars() {
        if c.is_ascii_digit() {
            if !out.ends_with('#') {
                out.push('#');
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::digits_folded;

    #[test]
    fn dated_names_fold_into_one() {
        assert_eq!(digits_folded(b"pattern-20261123-0400.jsonl"), "pattern-#-#.jsonl");
        assert_eq!(digits_folded(b"patterns"), "patterns");
    }
}
