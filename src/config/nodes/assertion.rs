//! `assert`: what must happen to files of a retention or a backup.
//!
//! Reports assertions about neither or both, words that do not fit, and paths that no file below a source has. Whether an
//! assertion holds is checked by `rules`.

use super::checked_node::CheckedNode;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, Spec, node, prop};
use crate::config::language::types::Type;
use crate::config::source::{Span, Spanned};
use crate::config::values::Datum;
use crate::path::RelPath;
use std::time::Duration;

pub const ASSERT: Spec = node("assert", Args::One(Type::Text))
    .doc("what a retention or a backup must do with a file; an ops file is refused if it does not")
    .example(
        "assert \"raw files go after a week\" retention=\"data\" { file \"raw/a.csv\" age=\"8d\"; \
         expect \"expired\"; }",
    )
    .with(&[
        prop("retention", Type::Text, "the retention to check")
            .rule("the name of a `retention`; exactly one of `retention=` and `backup=`")
            .example("\"data\""),
        prop("backup", Type::Text, "the backup to check")
            .rule("the name of a `backup`")
            .example("\"data\""),
    ])
    .block(&[&[
        node("file", Args::One(Type::Text))
            .doc("a file, by its path below the source; it need not exist")
            .example("file \"raw/a.csv\" age=\"8d\"")
            .with(&[
                prop("age", Type::Duration, "the age of the file").otherwise("any age"),
                prop(
                    "newest",
                    Type::Integer(1, 4_000_000_000),
                    "its rank in its class, the newest being 1",
                )
                .otherwise("not among the newest"),
            ])
            .repeats()
            .required(),
        node(
            "expect",
            Args::One(Type::Word(&["expired", "kept", "untouched", "stored", "left-out"], &[])),
        )
        .doc("what must happen to each file")
        .example("expect \"expired\" class=\"raw\"")
        .with(&[prop("class", Type::Name, "the class that decides it").otherwise("any class")])
        .required(),
    ]])
    .repeats();

#[derive(Debug)]
pub struct AssertionNode {
    pub claim: Option<Spanned<String>>,
    /// `None` when it names neither or both, and that was reported.
    pub of: Option<AssertedNode>,
    pub files: Vec<FileNode>,
    pub expect: Option<Spanned<Expectation>>,
    pub class: Option<Spanned<String>>,
}

/// What an assertion is about, by name.
#[derive(Debug)]
pub enum AssertedNode {
    Retention(Spanned<String>),
    Backup(Spanned<String>),
}

#[derive(Debug)]
pub struct FileNode {
    pub path: RelPath,
    pub span: Span,
    pub age: Option<Spanned<Duration>>,
    pub newest: Option<Spanned<u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    Expired,
    Kept,
    Untouched,
    Stored,
    LeftOut,
}

impl Expectation {
    const ALL: [Self; 5] = [Self::Expired, Self::Kept, Self::Untouched, Self::Stored, Self::LeftOut];

    pub fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Kept => "kept",
            Self::Untouched => "untouched",
            Self::Stored => "stored",
            Self::LeftOut => "left-out",
        }
    }

    /// True for what a backup decides.
    pub fn of_backups(self) -> bool {
        matches!(self, Self::Stored | Self::LeftOut)
    }
}

pub fn assertion(node: &CheckedNode, findings: &mut Vec<Finding>) -> AssertionNode {
    let of = asserted(node, findings);
    let expect = node.child("expect");
    let expected = node.value("expect", |word| {
        let word = word.text()?;
        Expectation::ALL.into_iter().find(|known| known.word() == word)
    });
    let mut expected = expected.filter(|given| of.as_ref().is_none_or(|of| fits(of, given, findings)));
    let class = expect.and_then(|node| node.prop_value("class", Datum::string));
    if let (Some(named), Some(given)) = (&class, &expected)
        && (given.value == Expectation::Untouched || given.value.of_backups())
    {
        let word = given.value.word();
        let why = if given.value == Expectation::Untouched {
            "an untouched file is in no class"
        } else {
            "a backup has no classes"
        };
        findings.push(
            Finding::new(
                Code::BadValue,
                named.span,
                format!("`expect \"{word}\"` takes no `class=`"),
                why,
            )
            .help(format!("write `expect \"{word}\"`")),
        );
        expected = None;
    }
    let files = node.children_named("file");
    let files = files.filter_map(|node| {
        let file = file(node, findings)?;
        let finding = unfit(&file, of.as_ref(), expected.as_ref());
        findings.extend(finding.clone());
        finding.is_none().then_some(file)
    });
    AssertionNode {
        claim: node.text(),
        files: files.collect(),
        of,
        expect: expected,
        class,
    }
}

/// A setting of a file that does not fit the rest of the assertion.
fn unfit(file: &FileNode, of: Option<&AssertedNode>, expected: Option<&Spanned<Expectation>>) -> Option<Finding> {
    if let (Some(newest), Some(AssertedNode::Backup(_))) = (&file.newest, of) {
        let message = "`newest=` applies to the classes of a retention";
        let finding = Finding::new(Code::UnknownProperty, newest.span, message, "a backup has no classes");
        return Some(finding.help("delete it"));
    }
    let expires = expected.is_some_and(|given| given.value == Expectation::Expired);
    (expires && file.age.is_none()).then(|| {
        let message = "`expect \"expired\"` needs an age for each file";
        let path = excerpt(&file.path.to_string());
        Finding::new(Code::Missing, file.span, message, "needs `age=`")
            .help(format!("write its age: `file \"{path}\" age=\"30d\"`"))
    })
}

/// What it is about: a retention or a backup, not both.
fn asserted(node: &CheckedNode, findings: &mut Vec<Finding>) -> Option<AssertedNode> {
    let (retention, backup) = (node.prop("retention"), node.prop("backup"));
    let name_of = |prop: &str| node.prop_value(prop, Datum::string);
    let finding = match (retention, backup) {
        (Some(_), None) => return name_of("retention").map(AssertedNode::Retention),
        (None, Some(_)) => return name_of("backup").map(AssertedNode::Backup),
        (Some(retention), Some(backup)) => {
            let message = "an assertion is about a retention or a backup, not both";
            Finding::new(Code::SurplusArgument, backup.span, message, "the backup")
                .also(retention.span, "the retention")
                .help("write two assertions; the one about the retention also checks its backup")
        }
        (None, None) if node.damaged => return None,
        (None, None) => {
            let message = "the assertion names no retention and no backup";
            Finding::new(Code::Missing, node.head, message, "needs `retention=` or `backup=`")
                .help("name one of them: `assert \"…\" retention=\"…\" {` or `assert \"…\" backup=\"…\" {`")
        }
    };
    findings.push(finding);
    None
}

/// Reports a word that applies to the other kind of job.
fn fits(of: &AssertedNode, given: &Spanned<Expectation>, findings: &mut Vec<Finding>) -> bool {
    let of_backup = matches!(of, AssertedNode::Backup(_));
    if given.value.of_backups() == of_backup {
        return true;
    }
    let (message, help) = if of_backup {
        (
            "a backup decides which files are stored",
            "write `expect \"stored\"` or `expect \"left-out\"`, or name a retention",
        )
    } else {
        (
            "a retention decides which files expire",
            "write `expect \"expired\"`, `expect \"kept\"` or `expect \"untouched\"`, or name a backup",
        )
    };
    let word = given.value.word();
    findings.push(
        Finding::new(
            Code::BadValue,
            given.span,
            format!("{message}, not which are `{word}`"),
            "does not fit",
        )
        .help(help),
    );
    false
}

/// `file`; `None` when something of it was wrong and reported.
fn file(node: &CheckedNode, findings: &mut Vec<Finding>) -> Option<FileNode> {
    let written = node.text()?;
    let path = RelPath::new(written.value.as_bytes()).filter(|_| !written.value.contains('*'));
    let Some(path) = path else {
        findings.push(bad_path(&written));
        return None;
    };
    let bad = |name: &str| node.prop(name).is_some_and(|value| value.value == Datum::Bad);
    if node.damaged || bad("age") || bad("newest") {
        return None;
    }
    Some(FileNode {
        path,
        span: node.head,
        age: node.prop_value("age", Datum::duration),
        newest: node.prop_value("newest", Datum::number),
    })
}

fn bad_path(written: &Spanned<String>) -> Finding {
    let text = &written.value;
    let shown = excerpt(text);
    let parts: Vec<&str> = shown.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let meant = parts.join("/");
    let (why, help) = if text.contains('*') {
        let example = meant.replace("**", "x").replace('*', "a");
        let help = format!("name a file that it matches, such as `file \"{example}\"`");
        ("a pattern, not a file", help)
    } else if meant.is_empty() || parts.contains(&"..") || text.contains('\0') {
        let help = "name a file by its path below the source, such as `file \"raw/a.csv\"`";
        ("no file below the source has this path", help.to_owned())
    } else if text.starts_with('/') {
        let help = "leave out the path of the source and its `/`";
        ("an absolute path", help.to_owned())
    } else if text.ends_with('/') {
        let help = format!("name a file in it, such as `file \"{meant}/a\"`");
        ("a directory", help)
    } else {
        ("not in its normal form", format!("write `file \"{meant}\"`"))
    };
    let message = format!("`{shown}` is not the path of a file below a source");
    Finding::new(Code::BadValue, written.span, message, why).help(help)
}
