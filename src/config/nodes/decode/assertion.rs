//! `assert`: a reading becomes an [`AssertionNode`].
//!
//! Takes a checked reading, gives the node; reports assertions about nothing or about two things, words that do not fit
//! what they are said of, and paths that no file below a source has. Whether what is asserted is true is not its matter.
//! Invariant: a reading's every value is used here, or what is wrong with it is reported.

use super::{duration, number, spanned, text};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::{AssertedNode, AssertionNode, Expected, FileNode};
use crate::config::nodes::reader::{Datum, Reading};
use crate::config::source::Spanned;
use crate::path::RelPath;

pub(in crate::config) fn assertion(reading: &Reading, findings: &mut Vec<Finding>) -> AssertionNode {
    let of = asserted(reading, findings);
    let expect = reading.child("expect");
    let expected = expect.and_then(|node| {
        let word = text(node.args.first()?)?;
        let value = Expected::ALL.into_iter().find(|known| known.word() == word.value)?;
        Some(Spanned { value, span: word.span })
    });
    let mut expected = expected.filter(|said| of.as_ref().is_none_or(|of| fits(of, said, findings)));
    let class = expect.and_then(|node| text(node.prop("class")?));
    if let (Some(named), Some(said)) = (&class, &expected)
        && (said.value == Expected::Untouched || said.value.of_backups())
    {
        let word = said.value.word();
        let why = if said.value == Expected::Untouched {
            "no class decides what is untouched"
        } else {
            "a backup has no classes"
        };
        findings.push(
            Finding::new(
                Code::BadValue,
                named.span,
                format!("`expect \"{word}\"` takes no class"),
                why,
            )
            .help(format!("write `expect \"{word}\"`")),
        );
        expected = None;
    }
    let mut files = Vec::new();
    for node in reading.children_named("file") {
        let Some(file) = file(node, findings) else {
            continue;
        };
        if let Some(newest) = &file.newest
            && matches!(of, Some(AssertedNode::Backup(_)))
        {
            findings.push(
                Finding::new(
                    Code::UnknownProperty,
                    newest.span,
                    "`newest=` is about the classes of a retention",
                    "a backup has no classes",
                )
                .help("delete it"),
            );
            continue;
        }
        if file.age.is_none() && expected.as_ref().is_some_and(|said| said.value == Expected::Expired) {
            findings.push(
                Finding::new(
                    Code::Missing,
                    file.span,
                    "no file has expired at every age",
                    "needs `age=`",
                )
                .help(format!(
                    "say how old it is: `file \"{}\" age=\"30d\"`",
                    excerpt(&file.path.to_string())
                )),
            );
            continue;
        }
        files.push(file);
    }
    AssertionNode {
        claim: reading.args.first().and_then(text),
        of,
        files,
        expect: expected,
        class,
    }
}

/// What it is about: a retention or a backup, not both.
fn asserted(reading: &Reading, findings: &mut Vec<Finding>) -> Option<AssertedNode> {
    let (retention, backup) = (reading.prop("retention"), reading.prop("backup"));
    match (retention, backup) {
        (Some(retention), None) => text(retention).map(AssertedNode::Retention),
        (None, Some(backup)) => text(backup).map(AssertedNode::Backup),
        (Some(retention), Some(backup)) => {
            findings.push(
                Finding::new(
                    Code::SurplusArgument,
                    backup.span,
                    "an assertion is about a retention or a backup, not both",
                    "the backup",
                )
                .also(retention.span, "the retention")
                .help("make two assertions of it; the one about the retention asks its backup as well"),
            );
            None
        }
        (None, None) => {
            if !reading.damaged {
                findings.push(
                    Finding::new(
                        Code::Missing,
                        reading.head,
                        "the assertion is about nothing",
                        "needs `retention=` or `backup=`",
                    )
                    .help("name what must treat the files so: `assert \"…\" retention=\"…\" {` or `assert \"…\" backup=\"…\" {`"),
                );
            }
            None
        }
    }
}

/// Reports a word that is said of the other kind of job.
fn fits(of: &AssertedNode, said: &Spanned<Expected>, findings: &mut Vec<Finding>) -> bool {
    let of_backup = matches!(of, AssertedNode::Backup(_));
    if said.value.of_backups() == of_backup {
        return true;
    }
    let (message, help) = if of_backup {
        (
            "a backup decides what is stored",
            "write `expect \"stored\"` or `expect \"left-out\"`, or assert it of a retention",
        )
    } else {
        (
            "a retention decides what expires",
            "write `expect \"expired\"`, `expect \"kept\"` or `expect \"untouched\"`, or assert it of a backup",
        )
    };
    let word = said.value.word();
    findings.push(
        Finding::new(
            Code::BadValue,
            said.span,
            format!("{message}, not what is `{word}`"),
            "does not fit",
        )
        .help(help),
    );
    false
}

/// `file`; `None` when something of it was wrong and reported.
fn file(node: &Reading, findings: &mut Vec<Finding>) -> Option<FileNode> {
    let bad = |name: &str| node.prop(name).is_some_and(|value| value.value == Datum::Bad);
    let written = text(node.args.first()?)?;
    let shown = excerpt(&written.value);
    let Some(path) = RelPath::new(written.value.as_bytes()).filter(|_| !written.value.contains('*')) else {
        let parts: Vec<&str> = shown.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let meant = parts.join("/");
        let (why, help) = if written.value.contains('*') {
            let example = meant.replace("**", "x").replace('*', "a");
            (
                "a pattern, not a file",
                format!("name a file that it matches, such as `file \"{example}\"`"),
            )
        } else if meant.is_empty() || parts.contains(&"..") || written.value.contains('\0') {
            (
                "no file below the source is called so",
                "name a file by its path below the source, such as `file \"raw/a.csv\"`".to_owned(),
            )
        } else if written.value.starts_with('/') {
            (
                "a path from the root of the system",
                "leave out the leading `/` and all that `source` says".to_owned(),
            )
        } else if written.value.ends_with('/') {
            (
                "a directory",
                format!("name a file in it, such as `file \"{meant}/a\"`"),
            )
        } else {
            ("not as a listing would show it", format!("write `file \"{meant}\"`"))
        };
        findings.push(
            Finding::new(
                Code::BadValue,
                written.span,
                format!("`{shown}` is no path of a file below a source"),
                why,
            )
            .help(help),
        );
        return None;
    };
    if node.damaged || bad("age") || bad("newest") {
        return None;
    }
    Some(FileNode {
        path,
        span: node.head,
        age: spanned(node.prop("age"), duration),
        newest: spanned(node.prop("newest"), number),
    })
}
