//! The oracle of the longest keep: it asks every retention about every file.

#![expect(clippy::indexing_slicing, reason = "a test that cannot set up its world has failed")]

use super::*;
use crate::entry::Identity;
use crate::model::pattern::{Pattern, Selection};
use crate::model::retention::decide;
use crate::model::{Budget, Class, Contents, InUse, JobSettings, Keep, Matches, Strategy};
use proptest::prelude::{ProptestConfig, Strategy as Generator, any, prop, prop_assert_eq, proptest};
use std::path::PathBuf;
use std::time::Duration;

const HOUR: i128 = 3_600_000_000_000;
const NOW: i128 = 500_000 * HOUR;
const ROOTS: [&str; 4] = ["", "a", "a/b", "c"];
const FILES: [&str; 7] = [
    "x.csv",
    "decision",
    "a/x.csv",
    "a/decision.csv",
    "a/b/x.csv",
    "a/b/decision",
    "c/x.csv",
];

/// Pattern (`None`: the keyword), hours (`None`: forever), newest.
type ClassCase = (Option<&'static str>, Option<i128>, u32);

/// Its source, what it excludes, its retentions.
type BackupCase = (usize, Option<&'static str>, Vec<Vec<ClassCase>>);

#[derive(Debug, Clone)]
struct Case {
    backups: Vec<BackupCase>,
    /// Hours, by file.
    ages: Vec<i128>,
}

fn cases() -> impl Generator<Value = Case> {
    let pattern = || prop::sample::select(vec!["*", "*.csv", "b/**", "x.csv"]);
    let class = (
        prop::option::weighted(0.7, pattern()),
        prop::option::weighted(0.7, 1i128..40),
        0u32..2,
    );
    let retention = prop::collection::vec(class, 1..3);
    let backup = (
        0..ROOTS.len(),
        prop::option::weighted(0.2, pattern()),
        prop::collection::vec(retention, 0..3),
    );
    let backups = prop::collection::vec(backup, 1..4);
    let ages = prop::collection::vec(0i128..50, FILES.len());
    (backups, ages).prop_map(|(backups, ages)| Case { backups, ages })
}

fn entry(path: &str, kind: EntryKind, ino: u64, age: i128) -> Entry {
    Entry {
        path: RelPath::new(path.as_bytes()).unwrap(),
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        nlink: 1,
        blocks: 0,
        identity: Identity {
            dev: 1,
            ino,
            size: 1,
            mtime_ns: NOW - age * HOUR,
            ctime_ns: NOW,
        },
    }
}

fn dir_id(path: &str) -> u64 {
    1000 + ROOTS.iter().position(|root| *root == path).unwrap() as u64
}

/// A path below a source, as it is seen from there.
fn below<'a>(root: &str, path: &'a str) -> Option<&'a str> {
    if root.is_empty() {
        return Some(path);
    }
    path.strip_prefix(root)?.strip_prefix('/')
}

fn backup(at: usize, root: usize, exclude: Option<&str>) -> Backup {
    Backup {
        name: format!("b{at}"),
        source: PathBuf::from("/").join(ROOTS[root]),
        select: Selection {
            include: Vec::new(),
            exclude: exclude.map(|text| Pattern::new(text).unwrap()).into_iter().collect(),
        },
        to: PathBuf::from("/to"),
        strategy: Strategy::Copy,
        contents: Contents::All,
        keep: None,
        floor: 1,
        stall: None,
        cross_mounts: false,
        require_mount: false,
        timeout: None,
        job: JobSettings::default(),
    }
}

fn retention(name: String, backup: usize, classes: &[ClassCase]) -> Retention {
    Retention {
        name,
        backup: format!("b{backup}"),
        classes: classes
            .iter()
            .map(|(pattern, keep, keep_newest)| Class {
                name: "c".to_owned(),
                matches: match pattern {
                    Some(text) => Matches::Globs(vec![Pattern::new(text).unwrap()]),
                    None => Matches::Keyword("decision".to_owned()),
                },
                keep: keep.map_or(Keep::Forever, |hours| {
                    Keep::For(Duration::from_secs(u64::try_from(hours).unwrap() * 3600))
                }),
                keep_newest: *keep_newest,
            })
            .collect(),
        exclude: Vec::new(),
        max_delete: Budget::default(),
        remove_empty_dirs: false,
        in_use: InUse::Keep,
        timeout: None,
        job: JobSettings::default(),
    }
}

fn listing(root: usize, ages: &[i128]) -> Scan {
    let dirs = ROOTS.iter().filter(|dir| !dir.is_empty());
    let dirs = dirs.filter_map(|dir| Some(entry(below(ROOTS[root], dir)?, EntryKind::Dir, dir_id(dir), 0)));
    let files = FILES.iter().zip(ages).zip(1..);
    let files =
        files.filter_map(|((path, age), ino)| Some(entry(below(ROOTS[root], path)?, EntryKind::File, ino, *age)));
    let mut entries: Vec<Entry> = dirs.chain(files).collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Scan {
        entries,
        ..Scan::default()
    }
}

fn decided(retention: &Retention, backup: &Backup, scan: &Scan) -> Vec<Verdict> {
    let about = Circumstances {
        now_ns: NOW,
        covered: &backup.select,
        held: &|_| false,
        protected: &|_| false,
    };
    decide(retention, &scan.entries, &about)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The oracle asks every retention about every file, alone, by its path from the top.
    #[test]
    fn a_file_goes_only_if_no_retention_keeps_it(case in cases(), late in any::<prop::sample::Index>()) {
        let backups: Vec<Backup> =
            case.backups.iter().enumerate().map(|(at, (root, exclude, _))| backup(at, *root, *exclude)).collect();
        let scans: Vec<Arc<Scan>> =
            case.backups.iter().map(|(root, ..)| Arc::new(listing(*root, &case.ages))).collect();
        let retentions: Vec<Vec<Retention>> = case.backups.iter().enumerate().map(|(at, (_, _, all))| {
            all.iter().enumerate().map(|(n, classes)| retention(format!("r{at}-{n}"), at, classes)).collect()
        }).collect();
        let none = HashSet::new();
        let mut claims: Vec<Claims<'_>> = backups.iter().enumerate().map(|(at, backup)| Claims {
            backup,
            root: (1, dir_id(ROOTS[case.backups[at].0])),
            above: Vec::new(),
            real_path: None,
            scan: Arc::clone(&scans[at]),
            held: &none,
            verdicts: retentions[at].iter().map(|r| (r, decided(r, backup, &scans[at]))).collect(),
        }).collect();
        prop_assert_eq!(settle(&mut claims, NOW, &|_| false), BTreeMap::new());

        let file = FILES[late.index(FILES.len())];
        let verdict = |at: usize, n: usize, after: bool| {
            let path = below(ROOTS[case.backups[at].0], file)?;
            let index = scans[at].entries.iter().position(|entry| entry.path.to_string() == path)?;
            if after {
                return Some(claims[at].verdicts[n].1[index]);
            }
            let excluded = !Selector::new(&backups[at].select).standing(&scans[at].entries[index].path).selected();
            (!excluded).then(|| decided(&retentions[at][n], &backups[at], &scans[at])[index])
        };
        let all = || retentions.iter().enumerate().flat_map(|(at, all)| (0..all.len()).map(move |n| (at, n)));
        let kept = all().any(|(at, n)| matches!(verdict(at, n, false), Some(Verdict::Stays(..))));
        for (at, n) in all() {
            let wants = matches!(verdict(at, n, false), Some(Verdict::Delete(_)));
            let goes = matches!(verdict(at, n, true), Some(Verdict::Delete(_)));
            prop_assert_eq!(goes, wants && !kept, "{} {} {}", file, at, n);
        }
    }
}

/// It came between the two listings: who keeps it is asked all the same.
#[test]
fn a_file_that_only_one_listing_has_is_kept_too() {
    let (upper, lower) = (backup(0, 0, None), backup(1, 1, None));
    let forever = retention("forever".to_owned(), 0, &[(None, None, 0)]);
    let short = retention("short".to_owned(), 1, &[(Some("*"), Some(1), 0)]);
    let mut before = listing(0, &[30; 7]);
    before
        .entries
        .retain(|entry| entry.path.as_bytes() != b"a/decision.csv");
    let (before, after) = (Arc::new(before), Arc::new(listing(1, &[30; 7])));
    let none = HashSet::new();
    let held = HashSet::from([RelPath::new(b"a/b/x.csv").unwrap()]);
    let claims = |backup, root, scan: &Arc<Scan>, held, retention| Claims {
        backup,
        root: (1, dir_id(root)),
        above: Vec::new(),
        real_path: None,
        scan: Arc::clone(scan),
        held,
        verdicts: vec![(retention, decided(retention, backup, scan))],
    };
    let mut both = [
        claims(&upper, "", &before, &held, &forever),
        claims(&lower, "a", &after, &none, &short),
    ];
    settle(&mut both, NOW, &|_| false);
    let goes: Vec<String> = both[1].verdicts[0]
        .1
        .iter()
        .zip(&after.entries)
        .filter(|(verdict, _)| matches!(verdict, Verdict::Delete(_)))
        .map(|(_, entry)| entry.path.to_string())
        .collect();
    // `b/decision` is kept by its listing, `decision.csv` without, and `b/x.csv` is on hold there.
    assert_eq!(goes, ["x.csv"]);
}
