//! Properties of the decisions, against oracles that share no code with them.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has failed")]

use opsrun::entry::{Entry, EntryKind, Identity};
use opsrun::keep_reason::KeepReason;
use opsrun::model::pattern::{Pattern, Selection};
use opsrun::model::retention::{Circumstances, Stays, Verdict, decide};
use opsrun::model::{Budget, Class, InUse, JobSettings, Keep, Matches, Retention};
use opsrun::path::RelPath;
use proptest::prelude::*;
use std::time::Duration;

const NOW: i128 = 1_800_000_000_000_000_000;
const HOUR: i128 = 3_600_000_000_000;

/// A pattern and, written by hand, what it means.
type Meaning = (&'static str, fn(&str) -> bool);

const PATTERNS: [Meaning; 6] = [
    ("*.jsonl", |path| {
        path.ends_with("jsonl") && path[..path.len() - 5].ends_with('.')
    }),
    ("raw/**", |path| path.starts_with("raw/")),
    ("raw/*", |path| {
        path.strip_prefix("raw/").is_some_and(|rest| !rest.contains('/'))
    }),
    ("a*", |path| {
        path.rsplit('/').next().is_some_and(|name| name.starts_with('a'))
    }),
    ("**/b.jsonl", |path| path == "b.jsonl" || path.ends_with("/b.jsonl")),
    ("**", |_| true),
];

#[derive(Debug, Clone)]
struct Case {
    classes: Vec<(Option<usize>, Option<i128>, u32)>,
    exclude: Option<usize>,
    include: Option<usize>,
    files: Vec<(String, i128, bool)>,
}

fn cases() -> impl Strategy<Value = Case> {
    let path = prop::sample::select(vec![
        "a.jsonl",
        "b.jsonl",
        "raw/a.jsonl",
        "raw/b.bin",
        "raw/x/a.jsonl",
        "raw/x/decision.bin",
        "Decision/a.bin",
        "other/c",
    ]);
    let age = prop_oneof![0i128..60, Just(-5i128), Just(450_000i128)];
    let files = prop::collection::btree_map(path, (age, any::<bool>()), 0..8);
    let class = (
        prop::option::of(0..PATTERNS.len()),
        prop::option::of(1i128..50),
        0u32..3,
    );
    let pattern = || prop::option::of(0..PATTERNS.len());
    (prop::collection::vec(class, 1..4), pattern(), pattern(), files).prop_map(|(classes, exclude, include, files)| {
        Case {
            classes,
            exclude,
            include,
            files: files
                .into_iter()
                .map(|(path, (age, held))| (path.to_owned(), age, held))
                .collect(),
        }
    })
}

/// Twenty lines that say what a retention means.
fn oracle(case: &Case) -> Vec<String> {
    let class_matches = |class: &(Option<usize>, Option<i128>, u32), path: &str| match class.0 {
        Some(pattern) => PATTERNS[pattern].1(path),
        None => path.to_lowercase().contains("decision"),
    };
    let winner = |path: &str| {
        let hits: Vec<usize> = (0..case.classes.len())
            .filter(|c| class_matches(&case.classes[*c], path))
            .collect();
        let longest = hits.iter().map(|c| case.classes[*c].1.unwrap_or(i128::MAX)).max()?;
        hits.into_iter()
            .find(|c| case.classes[*c].1.unwrap_or(i128::MAX) == longest)
    };
    let excluded = |path: &str| {
        case.exclude
            .is_some_and(|p| PATTERNS[p].1(path) || above(path).any(|d| PATTERNS[p].1(d)))
    };
    let covered = |path: &str| {
        case.include
            .is_none_or(|p| PATTERNS[p].1(path) || above(path).any(|d| PATTERNS[p].1(d)))
    };
    let plausible = |age: i128| (0..300_000).contains(&age);
    let mut gone = Vec::new();
    for (path, age, held) in &case.files {
        let Some(class) = winner(path) else { continue };
        let newer = case.files.iter().filter(|(p, a, _)| {
            winner(p) == Some(class)
                && !excluded(p)
                && plausible(*a)
                && (a < age || (a == age && order(p) > order(path)))
        });
        let old_enough = case.classes[class].1.is_some_and(|keep| *age >= keep);
        let among_newest = (newer.count() as u32) < case.classes[class].2;
        if old_enough && plausible(*age) && !among_newest && !excluded(path) && covered(path) && !held {
            gone.push(path.clone());
        }
    }
    gone
}

fn above(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices()
        .filter(|(_, c)| *c == '/')
        .map(|(at, _)| &path[..at])
}

fn order(path: &str) -> String {
    path.replace('/', "\0")
}

fn verdicts(case: &Case) -> (Vec<Entry>, Vec<Verdict>) {
    let pattern = |p: usize| Pattern::new(PATTERNS[p].0).unwrap();
    let retention = Retention {
        name: "r".to_owned(),
        backup: "b".to_owned(),
        job: JobSettings::default(),
        classes: case
            .classes
            .iter()
            .map(|(matches, keep, keep_newest)| Class {
                name: "c".to_owned(),
                matches: match matches {
                    Some(p) => Matches::Globs(vec![pattern(*p)]),
                    None => Matches::Keyword("DeCision".to_owned()),
                },
                keep: keep.map_or(Keep::Forever, |hours| {
                    Keep::For(Duration::from_secs(hours as u64 * 3600))
                }),
                keep_newest: *keep_newest,
            })
            .collect(),
        exclude: case.exclude.map(pattern).into_iter().collect(),
        max_delete: Budget::default(),
        remove_empty_dirs: false,
        in_use: InUse::Keep,
        timeout: None,
    };
    let mut files = case.files.clone();
    files.sort_by_key(|(path, ..)| order(path));
    let entries: Vec<Entry> = files
        .iter()
        .map(|(path, age, _)| Entry {
            path: RelPath::new(path.as_bytes()).unwrap(),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            nlink: 1,
            blocks: 0,
            identity: Identity {
                dev: 1,
                ino: 1,
                size: 1,
                mtime_ns: NOW - age * HOUR,
                ctime_ns: NOW,
            },
        })
        .collect();
    let held = |path: &RelPath| {
        case.files
            .iter()
            .any(|(p, _, held)| *held && p.as_bytes() == path.as_bytes())
    };
    let covered = Selection {
        include: case.include.map(pattern).into_iter().collect(),
        exclude: Vec::new(),
    };
    let about = Circumstances {
        now_ns: NOW,
        covered: &covered,
        held: &held,
        protected: &|_| false,
    };
    let verdicts = decide(&retention, &entries, &about);
    (entries, verdicts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What is deleted is exactly what the brute-force reading of the rules deletes.
    #[test]
    fn retention_agrees_with_the_oracle(case in cases()) {
        let (entries, verdicts) = verdicts(&case);
        let mut ours: Vec<String> = entries.iter().zip(&verdicts)
            .filter(|(_, verdict)| matches!(verdict, Verdict::Delete(_)))
            .map(|(entry, _)| entry.path.to_string())
            .collect();
        ours.sort();
        let mut theirs = oracle(&case);
        theirs.sort();
        prop_assert_eq!(ours, theirs);
    }

    /// What is kept has the reason that holds.
    #[test]
    fn reasons_are_true(case in cases()) {
        let (entries, verdicts) = verdicts(&case);
        for (entry, verdict) in entries.iter().zip(&verdicts) {
            let age = (NOW - entry.identity.mtime_ns) / HOUR;
            match verdict {
                Verdict::Kept(_, KeepReason::Future) => prop_assert!(age < 0),
                Verdict::Kept(_, KeepReason::ImplausibleTime) => prop_assert!(age > 300_000),
                Verdict::Stays(class, Stays::Young) => prop_assert!(case.classes[*class].1.is_some_and(|keep| age < keep)),
                Verdict::Stays(class, Stays::Forever) => prop_assert!(case.classes[*class].1.is_none()),
                Verdict::Stays(class, Stays::Newest) => prop_assert!(case.classes[*class].2 > 0),
                Verdict::Delete(class) => prop_assert!(case.classes[*class].1.is_some_and(|keep| age >= keep)),
                _ => {}
            }
        }
    }

    /// Path order is walk order, and display is one line.
    #[test]
    fn paths(a in prop::collection::vec(any::<u8>(), 1..12), b in prop::collection::vec(any::<u8>(), 1..12)) {
        if let (Some(a), Some(b)) = (RelPath::new(&a), RelPath::new(&b)) {
            let parts = |p: &RelPath| p.components().map(<[u8]>::to_vec).collect::<Vec<_>>();
            prop_assert_eq!(a.cmp(&b), parts(&a).cmp(&parts(&b)));
            prop_assert_eq!(a.to_string().lines().count(), 1);
        }
    }
}
