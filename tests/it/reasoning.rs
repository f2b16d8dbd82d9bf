//! What `check` concludes from patterns alone is true: its witnesses are real, and where it is silent no path says otherwise.
//!
//! The oracle knows no automata: it asks the matchers that runs use about every path of up to three components over a small
//! alphabet, which tells all combinations of the patterns drawn here apart.

#![expect(clippy::unwrap_used, reason = "a test: it stops at what it did not expect")]

use crate::support::workspace::opsrun;
use opsrun::config::findings::{Code, Finding, FindingSeverity};
use opsrun::config::load_text;
use opsrun::model::pattern::{Pattern, PatternSet, Selection, Selector};
use opsrun::model::retention::Classifier;
use opsrun::model::{Budget, Class, InUse, JobSettings, Keep, Matches, Retention};
use opsrun::path::RelPath;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

const COMPONENTS: &[&str] = &[
    "a", "b", "c", "ab", "a.csv", "b.csv", "c.csv", "raw", "tmp", "csv", "xx.c", "xx.csv", "araw", "craw", "craw.csv",
];
const GLOBS: &[&str] = &[
    "**",
    "*.csv",
    "raw/**",
    "raw/*.csv",
    "tmp",
    "tmp/**",
    "*/tmp/**",
    "a",
    "?",
    "[ab]*",
    "raw/tmp/*",
    "**/a.csv",
    "{raw,tmp}/a",
];
const KEYWORDS: &[&str] = &["raw", "csv", "xx.c"];
const KEEPS: &[&str] = &["1d", "7d", "forever"];

static PATHS: LazyLock<Vec<RelPath>> = LazyLock::new(|| {
    let mut all: Vec<String> = Vec::new();
    let mut last = vec![String::new()];
    for _ in 0..3 {
        let longer = |path: &String| {
            COMPONENTS
                .iter()
                .map(move |part| format!("{path}{part}/"))
                .collect::<Vec<_>>()
        };
        last = last.iter().flat_map(longer).collect();
        all.extend(last.iter().map(|path| path.trim_end_matches('/').to_owned()));
    }
    // Whole directories are taken along: what lies deeper than any pattern reaches.
    let mut dirs = vec![String::new()];
    for _ in 0..4 {
        let longer = |dir: &String| ["a", "raw", "tmp"].map(|part| format!("{dir}{part}/"));
        dirs = dirs.iter().flat_map(longer).collect();
        let deep = |dir: &String| ["a", "ab", "a.csv"].map(|part| format!("{dir}{part}"));
        all.extend(dirs.iter().filter(|dir| dir.matches('/').count() > 2).flat_map(deep));
    }
    let mut all: Vec<RelPath> = all.iter().map(|path| rel(path)).collect();
    // Matchers are fast in walk order.
    all.sort();
    all
});

#[derive(Debug, Clone)]
struct Job {
    include: Vec<&'static str>,
    exclude: Vec<&'static str>,
    spared: Vec<&'static str>,
    /// Globs or a keyword, and the keep.
    classes: Vec<(Vec<&'static str>, &'static str, &'static str)>,
}

fn some_globs(most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(GLOBS), 0..=most)
}

fn jobs() -> impl Strategy<Value = Job> {
    let class = (
        some_globs(2),
        prop::sample::select(KEYWORDS),
        prop::sample::select(KEEPS),
    );
    (
        some_globs(2),
        some_globs(2),
        some_globs(1),
        prop::collection::vec(class, 1..4),
    )
        .prop_map(|(include, exclude, spared, classes)| Job {
            include,
            exclude,
            spared,
            classes,
        })
}

fn patterns(globs: &[&str]) -> Vec<Pattern> {
    globs.iter().map(|glob| Pattern::new(glob).unwrap()).collect()
}

fn quoted(globs: &[&str]) -> String {
    let words: Vec<String> = globs.iter().map(|glob| format!(" {glob:?}")).collect();
    words.concat()
}

impl Job {
    fn text(&self, name: &str, source: &str) -> String {
        let line = |name: &str, globs: &[&str]| match globs {
            [] => String::new(),
            globs => format!("{name}{}\n", quoted(globs)),
        };
        let mut text = format!("backup \"{name}\" {{\nsource {source:?}\nto \"/backup/{name}\"\n");
        text += &line("include", &self.include);
        text += &line("exclude", &self.exclude);
        writeln!(
            text,
            "}}\nretention \"{name}\" backup=\"{name}\" {{\nmax-delete share=\"20%\""
        )
        .unwrap();
        for (at, (globs, keyword, keep)) in self.classes.iter().enumerate() {
            let what = match globs.as_slice() {
                [] => format!(" keyword={keyword:?}"),
                globs => quoted(globs),
            };
            writeln!(text, "class \"{name}{at}\"{what} keep={keep:?}").unwrap();
        }
        text + &line("exclude", &self.spared) + "}\n"
    }

    fn oracle(&self) -> Oracle {
        let classes = self.classes.iter().map(|(globs, keyword, keep)| Class {
            name: String::new(),
            matches: if globs.is_empty() {
                Matches::Keyword((*keyword).to_owned())
            } else {
                Matches::Globs(patterns(globs))
            },
            keep: match *keep {
                "1d" => Keep::For(Duration::from_secs(86_400)),
                "7d" => Keep::For(Duration::from_secs(7 * 86_400)),
                _ => Keep::Forever,
            },
            keep_newest: 0,
        });
        let retention = Retention {
            name: String::new(),
            backup: String::new(),
            classes: classes.collect(),
            exclude: Vec::new(),
            max_delete: Budget::default(),
            remove_empty_dirs: false,
            in_use: InUse::Keep,
            timeout: None,
            job: JobSettings::default(),
        };
        Oracle {
            stored: Selector::new(&Selection {
                include: patterns(&self.include),
                exclude: patterns(&self.exclude),
            }),
            spared: Selector::new(&Selection {
                include: Vec::new(),
                exclude: patterns(&self.spared),
            }),
            classifier: Classifier::new(&retention),
            keeps: retention.classes.iter().map(|class| class.keep).collect(),
        }
    }
}

struct Oracle {
    stored: Selector,
    spared: Selector,
    classifier: Classifier,
    keeps: Vec<Keep>,
}

impl Oracle {
    fn stored(&mut self, path: &RelPath) -> bool {
        self.stored.standing(path).selected()
    }

    fn spared(&mut self, path: &RelPath) -> bool {
        self.spared.standing(path).excluded
    }

    fn holds(&self, class: usize, path: &RelPath) -> bool {
        self.classifier.matching(path).any(|at| at == class)
    }

    /// A class holds it, and nothing keeps it from being deleted some day.
    fn deletable(&mut self, path: &RelPath) -> bool {
        let winner = self.classifier.winner(path);
        winner.is_some_and(|class| self.keeps[class] != Keep::Forever) && self.stored(path) && !self.spared(path)
    }

    fn kept_forever(&mut self, path: &RelPath) -> bool {
        let winner = self.classifier.winner(path);
        winner.is_some_and(|class| self.keeps[class] == Keep::Forever) && self.stored(path) && !self.spared(path)
    }

    /// Of the classes that hold a path, none keeps longer than this one.
    fn decides(&self, class: usize, classes: &[usize]) -> bool {
        let rank = |class: usize| match self.keeps[class] {
            Keep::Forever => u128::MAX,
            Keep::For(age) => age.as_nanos(),
        };
        classes.contains(&class) && classes.iter().all(|other| rank(*other) <= rank(class))
    }
}

/// What the oracle says of one path.
struct Fact<'a> {
    path: &'a RelPath,
    stored: bool,
    spared: bool,
    classes: Vec<usize>,
}

impl Oracle {
    fn facts(&mut self) -> Vec<Fact<'static>> {
        PATHS
            .iter()
            .map(|path| Fact {
                path,
                stored: self.stored(path),
                spared: self.spared(path),
                classes: self.classifier.matching(path).collect(),
            })
            .collect()
    }
}

/// What a message names between these words and the next `` ` ``.
fn named<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split('`').next()
}

fn rel(path: &str) -> RelPath {
    RelPath::new(path.as_bytes()).unwrap()
}

fn of(findings: &[Finding], code: Code) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(move |finding| finding.code == code)
}

fn label(finding: &Finding) -> &str {
    &finding.labels[0].text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn one_retention(job in jobs()) {
        let loaded = load_text(Path::new("/etc/ops.kdl"), job.text("r", "/srv/r").into_bytes());
        let findings = &loaded.findings;
        let mut oracle = job.oracle();

        let facts = oracle.facts();
        let empty = facts.iter().all(|fact| !fact.stored);
        prop_assert_eq!(of(findings, Code::EmptyBackup).count(), usize::from(empty), "empty-backup");
        if empty {
            return Ok(());
        }

        for glob in &job.include {
            let mut alone = Selector::new(&Selection {
                include: patterns(&[glob]),
                exclude: patterns(&job.exclude),
            });
            let nothing = job.include.len() > 1 && PATHS.iter().all(|path| !alone.standing(path).selected());
            let start = format!("`{glob}` has no effect");
            let said = of(findings, Code::NoEffect).any(|finding| finding.message.starts_with(&start));
            prop_assert_eq!(said, nothing, "no-effect {}", glob);
        }

        for (at, (globs, _, keep)) in job.classes.iter().enumerate() {
            let name = format!("r{at}");
            // OPS5002: a proven one is true, and what is true is said.
            let said = of(findings, Code::EmptyClass)
                .find(|finding| named(&finding.message, "class `") == Some(name.as_str()));
            let mut of_class = facts.iter().filter(|fact| fact.classes.contains(&at));
            let filled = of_class.clone().find(|fact| fact.stored && !fact.spared);
            match said {
                Some(finding) if finding.severity == FindingSeverity::Error => {
                    prop_assert!(filled.is_none(), "{:?} {}", finding, filled.unwrap().path);
                    let example = rel(named(label(finding), "matches for example `").unwrap());
                    prop_assert!(oracle.holds(at, &example), "{:?}", finding);
                    continue;
                }
                Some(finding) => {
                    let odd = rel(named(label(finding), "it could match only paths such as `").unwrap());
                    let real = oracle.holds(at, &odd) && oracle.stored(&odd);
                    prop_assert!(real, "{:?}", finding);
                    continue;
                }
                None => prop_assert!(filled.is_some(), "nothing is in {}", name),
            }

            // OPS5014.
            let said = of(findings, Code::PartlyCovered)
                .find(|finding| named(&finding.message, "a part of class `") == Some(name.as_str()));
            if let Some(finding) = said {
                let kept = rel(named(label(finding), "`").unwrap());
                let real = oracle.holds(at, &kept) && !oracle.stored(&kept) && !oracle.spared(&kept);
                prop_assert!(real, "{:?}", finding);
            } else if !globs.is_empty() && *keep != "forever" {
                let kept = of_class.find(|fact| !fact.stored && !fact.spared);
                prop_assert!(kept.is_none(), "{} would be kept, and nothing was said", kept.unwrap().path);
            }

            // OPS5007: a class that decides nothing.
            let start = format!("class `{name}` has no effect");
            let said = of(findings, Code::ClassesOverlap).find(|finding| finding.message.starts_with(&start));
            let decides = facts
                .iter()
                .find(|fact| fact.stored && !fact.spared && oracle.decides(at, &fact.classes));
            let decides = decides.map(|fact| fact.path);
            // Paths are a sample: that none of them is decided by the class proves nothing.
            prop_assert!(said.is_none() || decides.is_none(), "{} {:?} {:?}", name, decides, said);
        }

        // OPS5007: what is in both is in both.
        for finding in of(findings, Code::ClassesOverlap).filter(|f| f.message.starts_with("classes `")) {
            let first = named(&finding.message, "classes `r").unwrap().parse::<usize>().unwrap();
            let second = named(&finding.message, "` and `r").unwrap().parse::<usize>().unwrap();
            let both = rel(named(label(finding), "`").unwrap());
            let real = oracle.holds(first, &both) && oracle.holds(second, &both) && oracle.stored(&both);
            prop_assert!(real && !oracle.spared(&both), "{:?}", finding);
        }
    }

    #[test]
    fn two_retentions(outer in jobs(), inner in jobs(), below in prop::sample::select(&["", "raw", "tmp/a"][..])) {
        let source = format!("/srv/r/{below}");
        let text = outer.text("r", "/srv/r") + &inner.text("s", source.trim_end_matches('/'));
        let loaded = load_text(Path::new("/etc/ops.kdl"), text.into_bytes());
        let (mut a, mut b) = (outer.oracle(), inner.oracle());
        let above = |path: &str| match below {
            "" => rel(path),
            below => rel(&format!("{below}/{path}")),
        };
        let mut both = |path: &str| a.deletable(&above(path)) && b.deletable(&rel(path));
        let (mut c, mut d) = (outer.oracle(), inner.oracle());
        let mut one = |path: &str| {
            c.deletable(&above(path)) && d.kept_forever(&rel(path)) || c.kept_forever(&above(path)) && d.deletable(&rel(path))
        };
        let said = of(&loaded.findings, Code::RetentionsOverlap).next();
        if let Some(finding) = said {
            let path = named(label(finding), "`").unwrap();
            let path = path.strip_prefix(source.trim_end_matches('/')).unwrap().trim_start_matches('/');
            match finding.severity {
                FindingSeverity::Error => prop_assert!(both(path), "{:?}", finding),
                FindingSeverity::Warning => prop_assert!(one(path), "{:?}", finding),
            }
        }
        for path in PATHS.iter() {
            prop_assert!(said.is_some() || !one(&path.to_string()), "one keeps {path}, and nothing was said");
            let error = said.is_some_and(|finding| finding.severity == FindingSeverity::Error);
            prop_assert!(error || !both(&path.to_string()), "{path} is in both, and nothing was said");
        }
    }
}

/// A pattern without a `/` means the name at any depth, wherever it stands.
#[test]
fn the_paths_tell_the_patterns_apart() {
    for (at, glob) in GLOBS.iter().enumerate() {
        let hits = |glob: &str| -> Vec<bool> {
            let set = PatternSet::new(&patterns(&[glob]));
            PATHS.iter().map(|path| set.matches(path.as_bytes())).collect()
        };
        assert!(hits(glob).contains(&true), "{glob}");
        assert!(GLOBS.iter().take(at).all(|other| hits(other) != hits(glob)), "{glob}");
    }
}

/// What is said to be refused is refused by the plan, and with what the help says it is not.
#[test]
fn what_is_said_to_be_refused_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["data/raw", "data/copies", "data/.opsrun/ops", "copies"] {
        std::fs::create_dir_all(dir.path().join(path)).unwrap();
    }
    std::fs::write(dir.path().join("data/raw/a"), "a").unwrap();
    let said = |text: &str, command: &str| {
        std::fs::write(dir.path().join("data/ops.kdl"), text).unwrap();
        let done = opsrun(dir.path(), &[command, "data/ops.kdl"]).output().unwrap();
        let text = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        (done.status.code().unwrap(), text)
    };
    let state = |exclude: &str| format!("backup \"a\" {{ source \".\"; to \"../copies\"; {exclude} }}");
    let (code, text) = said(&state(""), "check");
    assert!(
        code == 0 && text.contains("OPS5016") && text.contains("`exclude \".opsrun/ops\"`"),
        "{text}"
    );
    let (_, text) = said(&state(""), "plan");
    assert!(
        code == 0 && text.contains("refused: backup:a: the state directory lies in the source"),
        "{text}"
    );
    for command in ["check", "plan"] {
        let (code, text) = said(&state("exclude \".opsrun/ops\""), command);
        assert!(
            code == 0 && !text.contains("OPS5016") && !text.contains("refused"),
            "{text}"
        );
    }

    let held = |exclude: &str| {
        format!(
            "ops {{ state-dir \"../state\"; }}\n\
             backup \"a\" {{ source \".\"; to \"../copies\"; {exclude} }}\n\
             retention \"a\" backup=\"a\" {{ class \"raw\" \"raw/**\" keep=\"7d\"; max-delete share=\"50%\"; }}\n\
             backup \"b\" {{ source \"raw\"; to \"copies\"; }}\n"
        )
    };
    let (code, text) = said(&held(""), "check");
    assert!(
        code == 1 && text.contains("OPS5003") && text.contains("`exclude \"copies\"`"),
        "{text}"
    );
    for command in ["check", "plan"] {
        let (code, text) = said(&held("exclude \"copies\""), command);
        assert!(code == 0 && !text.contains("refused"), "{text}");
    }
}
