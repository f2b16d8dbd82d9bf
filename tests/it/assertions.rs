//! An assertion says what the program does: for random retentions and files its verdict is the one that
//! `model::retention` gives for a whole listing, and the one that `opsrun plan` gives for real files.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: it stops at what it did not expect, starts programs and sets times"
)]

use crate::support::workspace::opsrun;
use opsrun::config::findings::Code;
use opsrun::config::load_text;
use opsrun::entry::{Entry, EntryKind, Identity};
use opsrun::model::Model;
use opsrun::model::pattern::Selector;
use opsrun::model::retention::{Circumstances, Verdict, decide};
use opsrun::path::RelPath;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

const DAY_NS: i128 = 86_400 * 1_000_000_000;
const NOW_NS: i128 = 20_000 * DAY_NS;

const PATHS: &[&str] = &[
    "a.csv",
    "b/b/d",
    "old.txt",
    "raw/OLD-1.csv",
    "raw/a.csv",
    "raw/b/c.bin",
    "raw/b/c.csv",
    "raw/old/x.csv",
    "z",
];
const GLOBS: &[&str] = &["**", "*.csv", "raw/**", "raw/*.csv", "*/b/**", "[ab]*", "old", "z"];
const KEYWORDS: &[&str] = &["raw", "old", "csv"];
const KEEPS: &[&str] = &["1d", "7d", "30d", "forever"];
const AGES: &[u64] = &[1, 6, 7, 8, 29, 30, 31, 400];

#[derive(Debug, Clone)]
struct Class {
    glob: Option<&'static str>,
    keyword: &'static str,
    keep: &'static str,
    newest: u32,
}

#[derive(Debug, Clone)]
struct Case {
    include: Vec<&'static str>,
    exclude: Vec<&'static str>,
    spared: Vec<&'static str>,
    classes: Vec<Class>,
    /// In days, of each of [`PATHS`].
    ages: Vec<u64>,
    contents: &'static str,
}

fn some_globs() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(prop::sample::select(GLOBS), 1..3)
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    let class = (
        prop::option::weighted(0.7, prop::sample::select(GLOBS)),
        prop::sample::select(KEYWORDS),
        prop::sample::select(KEEPS),
        0_u32..3,
    );
    let class = class.prop_map(|(glob, keyword, keep, newest)| Class {
        glob,
        keyword,
        keep,
        newest,
    });
    (
        some_globs(),
        some_globs(),
        some_globs(),
        prop::collection::vec(class, 1..4),
        prop::collection::vec(prop::sample::select(AGES), PATHS.len()),
        prop::sample::select(&["all", "expired"][..]),
    )
        .prop_map(|(include, exclude, spared, classes, ages, contents)| Case {
            include,
            exclude,
            spared,
            classes,
            ages,
            contents,
        })
}

impl Case {
    fn jobs(&self, source: &str, to: &str) -> String {
        let line = |name: &str, globs: &[&str]| match globs {
            [] => String::new(),
            globs => format!(
                "{name} {}\n",
                globs
                    .iter()
                    .map(|glob| format!("{glob:?}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            ),
        };
        let mut text = format!(
            "backup \"b\" {{\nsource {source:?}\nto {to:?}\ncontents {:?}\n",
            self.contents
        );
        text += &line("include", &self.include);
        text += &line("exclude", &self.exclude);
        text += "}\nretention \"r\" backup=\"b\" {\n";
        for (at, class) in self.classes.iter().enumerate() {
            let what = match class.glob {
                Some(glob) => format!("{glob:?}"),
                None => format!("keyword={:?}", class.keyword),
            };
            writeln!(
                text,
                "class \"c{at}\" {what} keep={:?} keep-newest={}",
                class.keep, class.newest
            )
            .unwrap();
        }
        text + &line("exclude", &self.spared) + "}\n"
    }

    /// The listing, in walk order.
    fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = PATHS
            .iter()
            .zip(&self.ages)
            .map(|(path, age)| Entry {
                path: RelPath::new(path.as_bytes()).unwrap(),
                kind: EntryKind::File,
                mode: 0o644,
                uid: 0,
                gid: 0,
                nlink: 1,
                blocks: 8,
                identity: Identity {
                    dev: 1,
                    ino: 1,
                    size: 1,
                    mtime_ns: NOW_NS - i128::from(*age) * DAY_NS,
                    ctime_ns: NOW_NS,
                },
            })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries
    }

    fn age(&self, path: &RelPath) -> u64 {
        let at = PATHS.iter().position(|known| known.as_bytes() == path.as_bytes());
        self.ages[at.unwrap()]
    }

    /// The `file` line of each entry, with its place among the newest of its class.
    fn lines(&self, entries: &[Entry], verdicts: &[Verdict]) -> Vec<String> {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse((entries[*at].identity.mtime_ns, *at)));
        let mut met: BTreeMap<usize, u32> = BTreeMap::new();
        let mut lines = vec![String::new(); entries.len()];
        for at in order {
            let path = &entries[at].path;
            lines[at] = format!("file \"{path}\" age=\"{}d\"", self.age(path));
            if let Some(class) = verdicts[at].class() {
                let rank = met.entry(class).or_default();
                *rank += 1;
                write!(lines[at], " newest={rank}").unwrap();
            }
        }
        lines
    }
}

/// The model of jobs in which doubts, and classes that hold nothing, do not matter here.
fn model(jobs: &str) -> Option<Model> {
    load_text(Path::new("/etc/ops.kdl"), jobs.as_bytes().to_vec()).model
}

/// The `file` lines that an assertion fails on.
fn failing(jobs: &str, of: &str, lines: &[String], word: &str) -> BTreeSet<String> {
    let text = format!(
        "{jobs}assert \"a\" {of} {{\n{}\nexpect {word:?}\n}}\n",
        lines.join("\n")
    );
    let loaded = load_text(Path::new("/etc/ops.kdl"), text.into_bytes());
    loaded
        .findings
        .iter()
        .filter(|finding| finding.code == Code::AssertionFailed)
        .map(|finding| loaded.text(finding.span()).to_owned())
        .collect()
}

fn failing_by(lines: &[String], holds: impl Fn(usize) -> bool) -> BTreeSet<String> {
    let all = lines.iter().enumerate();
    all.filter(|(at, _)| !holds(*at))
        .map(|(_, line)| line.clone())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn an_assertion_says_what_the_listing_says(case in cases()) {
        let jobs = case.jobs("/srv/b", "/backup/b");
        let model = model(&jobs);
        // With a class that can hold nothing no plan is made.
        prop_assume!(model.is_some());
        let model = model.unwrap();
        let entries = case.entries();
        let about = Circumstances {
            now_ns: NOW_NS,
            covered: &model.backups[0].select,
            held: &|_| false,
            protected: &|_| false,
        };
        let verdicts = decide(&model.retentions[0], &entries, &about);
        let lines = case.lines(&entries, &verdicts);
        let of = "retention=\"r\"";
        let goes = |at: usize| matches!(verdicts[at], Verdict::Delete(_));
        let untouched = |at: usize| verdicts[at].class().is_none();
        prop_assert_eq!(failing(&jobs, of, &lines, "expired"), failing_by(&lines, goes));
        prop_assert_eq!(failing(&jobs, of, &lines, "kept"), failing_by(&lines, |at| !goes(at)));
        prop_assert_eq!(failing(&jobs, of, &lines, "untouched"), failing_by(&lines, untouched));

        // Without a place among the newest, a file is assumed to be none of them.
        let mut greedy = model.retentions[0].clone();
        for class in &mut greedy.classes {
            class.keep_newest = 0;
        }
        let verdicts = decide(&greedy, &entries, &about);
        let bare: Vec<String> = lines.iter().map(|line| line.split(" newest").next().unwrap().to_owned()).collect();
        let goes = |at: usize| matches!(verdicts[at], Verdict::Delete(_));
        prop_assert_eq!(failing(&jobs, of, &bare, "expired"), failing_by(&bare, goes));

        // Without an age, it must hold for the youngest file and for the oldest.
        let ageless: Vec<String> = entries.iter().map(|entry| format!("file \"{}\"", entry.path)).collect();
        let mut old = entries.clone();
        for entry in &mut old {
            entry.identity.mtime_ns = NOW_NS - 10_000 * DAY_NS;
        }
        let last = decide(&greedy, &old, &about);
        let never_goes = |at: usize| !matches!(last[at], Verdict::Delete(_));
        prop_assert_eq!(failing(&jobs, of, &ageless, "kept"), failing_by(&ageless, never_goes));

        let mut selector = Selector::new(&model.backups[0].select);
        let stored: Vec<bool> = entries
            .iter()
            .enumerate()
            .map(|(at, entry)| selector.standing(&entry.path).selected() && (case.contents == "all" || goes(at)))
            .collect();
        let of = "backup=\"b\"";
        prop_assert_eq!(failing(&jobs, of, &bare, "stored"), failing_by(&bare, |at| stored[at]));
        prop_assert_eq!(failing(&jobs, of, &bare, "left-out"), failing_by(&bare, |at| !stored[at]));
    }
}

fn ended(dir: &Path, args: &[&str]) -> (i32, String) {
    let done = opsrun(dir, args).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// What the plan for real files with these times deletes.
fn planned(case: &Case) -> Option<(tempfile::TempDir, BTreeSet<String>)> {
    let dir = tempfile::tempdir().unwrap();
    model(&case.jobs("/srv/b", "/backup/b"))?;
    let now = SystemTime::now();
    for (path, age) in PATHS.iter().zip(&case.ages) {
        let path = dir.path().join("data").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = std::fs::File::create(&path).unwrap();
        file.set_modified(now - Duration::from_secs(age * 86_400)).unwrap();
    }
    std::fs::write(dir.path().join("ops.kdl"), case.jobs("data", "copies")).unwrap();
    let done = opsrun(dir.path(), &["plan", "--json", "--files", "ops.kdl"])
        .output()
        .unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let mut goes = BTreeSet::new();
    collect(&plan, &mut goes);
    Some((dir, goes))
}

/// Every path in a list called `delete`.
fn collect(value: &serde_json::Value, goes: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, inside) in map {
                match inside {
                    serde_json::Value::Array(files) if key == "delete" => {
                        goes.extend(files.iter().map(|file| file["path"].as_str().unwrap().to_owned()));
                    }
                    _ => collect(inside, goes),
                }
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|inside| collect(inside, goes)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn an_assertion_says_what_the_plan_says(case in cases()) {
        // The age is the only measure here: which are the newest is asked above.
        let mut case = case;
        for class in &mut case.classes {
            class.newest = 0;
        }
        let planned = planned(&case);
        prop_assume!(planned.is_some());
        let (dir, goes) = planned.unwrap();
        let assertion = |word: &str, wanted: bool| {
            let mut text = String::new();
            for (path, age) in PATHS.iter().zip(&case.ages).filter(|(path, _)| goes.contains(**path) == wanted) {
                writeln!(text, "file {path:?} age=\"{age}d\"").unwrap();
            }
            match text.as_str() {
                "" => String::new(),
                text => format!("assert {word:?} retention=\"r\" {{\n{text}expect {word:?}\n}}\n"),
            }
        };
        let jobs = case.jobs("data", "copies");
        let right = [jobs.clone(), assertion("expired", true), assertion("kept", false)].concat();
        std::fs::write(dir.path().join("right.kdl"), right).unwrap();
        let (code, said) = ended(dir.path(), &["check", "right.kdl"]);
        prop_assert_eq!(code, 0, "{}", said);
        // The reverse fails on each file, and no plan is made of it.
        let wrong = [jobs, assertion("kept", true), assertion("expired", false)].concat();
        std::fs::write(dir.path().join("wrong.kdl"), wrong).unwrap();
        let (code, said) = ended(dir.path(), &["check", "wrong.kdl"]);
        prop_assert_eq!(code, 1, "{}", said);
        prop_assert_eq!(said.matches("OPS5015 assertion-failed").count(), PATHS.len(), "{}", said);
        prop_assert_eq!(ended(dir.path(), &["plan", "wrong.kdl"]).0, 78);
    }
}
