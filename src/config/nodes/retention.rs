//! `retention`: the files that may be deleted from a backup's source.
//!
//! Reports classes with globs and a keyword or neither, keywords that are too short, and a `max-delete` without a limit.

use super::checked_node::{CheckedNode, globs, one_of};
use super::decoder::Decoder;
use super::job::{JOB, JobLinks, JobNode, TIMEOUT, job};
use super::schedule::JOB_SCHEDULE;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, Spec, node, prop, required_prop, words};
use crate::config::language::types::Type;
use crate::config::source::{Span, Spanned};
use crate::config::values::Datum;
use crate::model::keyword::{fold, joins};
use crate::model::pattern::Pattern;
use crate::model::{Budget, Class, InUse, Keep, Matches, Retention};

/// In characters: a shorter keyword matches nearly every path.
const MIN_KEYWORD: usize = 3;

const IN_USE: [(&str, InUse); 2] = [("keep", InUse::Keep), ("ignore", InUse::Ignore)];

pub const RETENTION: Spec = node("retention", Args::One(Type::Name))
    .doc("which files may be deleted from a backup's source")
    .example("retention \"data\" backup=\"data\" { class \"raw\" \"raw/**\" keep=\"30d\"; }")
    .with(&[prop(
        "backup",
        Type::Text,
        "the backup whose source is cleaned; its verified copy is the condition of every deletion",
    )
    .otherwise("an error (OPS5001)")
    .rule("the name of a `backup`")
    .example("\"data\"")])
    .block(&[
        &[
            node("class", Args::Then(Type::Name, Type::Glob))
                .doc("a class of files, and how long they are kept")
                .example("class \"raw\" \"raw/**\" keep=\"30d\"")
                .with(&[
                    prop(
                        "keyword",
                        Type::Text,
                        "the files whose path below `source` contains this word, whatever its capitals, directories included",
                    )
                    .rule("at least three characters")
                    .example("\"decision\""),
                    required_prop("keep", Type::Age, "how long a file is kept"),
                    prop(
                        "keep-newest",
                        Type::Integer(0, 4_000_000_000),
                        "the number of newest files of the class that are kept at any age",
                    )
                    .default("0")
                    .example("24"),
                ])
                .rule("the files that match one of the globs, or those with the `keyword=`")
                .repeats()
                .required(),
            node("exclude", Args::Many(Type::Glob))
                .doc("files that are never deleted; overrides every class")
                .example("exclude \"raw/pinned/**\"")
                .otherwise("nothing"),
            node("max-delete", Args::None)
                .doc(
                    "how much one run may delete; a cleanup above a limit is refused, unless `--over-budget \
                     retention:NAME` allows it once",
                )
                .example("max-delete files=50000 bytes=\"200GiB\" share=\"20%\"")
                .with(&[
                    prop("files", Type::Integer(1, u64::MAX), "the number of files")
                        .otherwise("no limit")
                        .example("50000"),
                    prop("bytes", Type::Size, "the number of bytes").otherwise("no limit"),
                    prop("share", Type::Percent, "the percentage of the files in all classes").otherwise("no limit"),
                ])
                .rule("at least one limit")
                .otherwise("no limit"),
            node("remove-empty-dirs", Args::Flag)
                .doc("also removes directories that this run emptied, but never the source of a backup")
                .example("remove-empty-dirs")
                .default("#false"),
            node("in-use", Args::One(Type::Word(&words(&IN_USE), &[])))
                .doc("whether a file that a program may have open for writing is kept, or deleted like any other")
                .example("in-use \"keep\"")
                .default("\"keep\""),
        ],
        TIMEOUT,
        JOB_SCHEDULE,
        JOB,
    ])
    .repeats();

#[derive(Debug)]
pub struct RetentionNode {
    pub job: JobNode,
    pub backup: Option<Spanned<String>>,
    /// `backup=` was given, right or wrong.
    pub backup_given: bool,
    pub classes: Vec<ClassNode>,
    pub exclude: Vec<Spanned<Pattern>>,
    /// False when a pattern or class was wrong: what the retention may delete is not known.
    pub patterns_known: bool,
    pub max_delete: Option<Spanned<Budget>>,
    pub remove_empty_dirs: bool,
    pub in_use: InUse,
}

#[derive(Debug)]
pub struct ClassNode {
    pub name: Option<Spanned<String>>,
    pub head: Span,
    pub globs: Vec<Spanned<Pattern>>,
    pub keyword: Option<Spanned<String>>,
    pub keep: Option<Spanned<Keep>>,
    pub keep_newest: u32,
}

impl ClassNode {
    pub fn shown_name(&self) -> &str {
        self.name.as_ref().map_or("…", |name| name.value.as_str())
    }

    /// The line without a name.
    pub fn name_span(&self) -> Span {
        self.name.as_ref().map_or(self.head, |name| name.span)
    }
}

impl RetentionNode {
    /// Empty without a name.
    pub fn name(&self) -> &str {
        self.job.name_text()
    }

    pub fn lower(&self, links: JobLinks) -> Option<Retention> {
        Some(Retention {
            name: self.job.lower_name()?,
            job: self.job.lower(links),
            backup: self.backup.as_ref()?.value.clone(),
            classes: self.classes.iter().map(ClassNode::lower).collect::<Option<_>>()?,
            exclude: self.exclude.iter().map(|pattern| pattern.value.clone()).collect(),
            max_delete: self
                .max_delete
                .as_ref()
                .map_or_else(Budget::default, |budget| budget.value),
            remove_empty_dirs: self.remove_empty_dirs,
            in_use: self.in_use,
            timeout: self.job.lower_timeout(),
        })
    }
}

impl ClassNode {
    fn lower(&self) -> Option<Class> {
        Some(Class {
            name: self.name.as_ref()?.value.clone(),
            matches: match &self.keyword {
                Some(word) => Matches::Keyword(word.value.clone()),
                None => Matches::Globs(self.globs.iter().map(|pattern| pattern.value.clone()).collect()),
            },
            keep: self.keep.as_ref()?.value,
            keep_newest: self.keep_newest,
        })
    }
}

pub fn retention(node: &CheckedNode, decoder: &mut Decoder<'_>) -> RetentionNode {
    let (exclude, exclude_known) = node.globs("exclude");
    let mut classes_known = true;
    let mut classes = Vec::new();
    for child in node.children_named("class") {
        let (class, known) = class(child, decoder.findings);
        classes_known &= known;
        classes.push(class);
    }
    RetentionNode {
        max_delete: node.child("max-delete").map(|node| max_delete(node, decoder.findings)),
        job: job(node, decoder),
        backup: node.prop_value("backup", Datum::string),
        backup_given: node.prop("backup").is_some(),
        classes,
        exclude,
        patterns_known: exclude_known && classes_known && !node.damaged,
        remove_empty_dirs: node.flag("remove-empty-dirs"),
        in_use: node.get("in-use", one_of(&IN_USE)).unwrap_or(InUse::Keep),
    }
}

fn max_delete(node: &CheckedNode, findings: &mut Vec<Finding>) -> Spanned<Budget> {
    if node.props.is_empty() && !node.damaged {
        findings.push(
            Finding::new(
                Code::Missing,
                node.head,
                "`max-delete` has no limit",
                "needs at least one of `files=`, `bytes=`, `share=`",
            )
            .help("for example `max-delete files=50000 bytes=\"200GiB\" share=\"20%\"`"),
        );
    }
    let number = |name: &str| node.get_prop(name, Datum::number);
    Spanned {
        value: Budget {
            files: number("files"),
            bytes: number("bytes"),
            share: node.get_prop("share", Datum::percent),
        },
        span: node.head,
    }
}

/// A class; false when something in it was wrong.
fn class(node: &CheckedNode, findings: &mut Vec<Finding>) -> (ClassNode, bool) {
    let (globs, globs_known) = globs(node.args.iter().skip(1));
    let class = ClassNode {
        name: node.text(),
        head: node.head,
        globs,
        keyword: node.prop_value("keyword", Datum::string),
        keep: node.prop_value("keep", |keep| match keep {
            Datum::Forever => Some(Keep::Forever),
            Datum::Duration(duration) => Some(Keep::For(*duration)),
            _ => None,
        }),
        keep_newest: node.get_prop("keep-newest", Datum::small).unwrap_or(0),
    };
    let before = findings.len();
    findings.extend(selection(node, &class));
    findings.extend(class.keyword.as_ref().and_then(|word| short_keyword(node, word)));
    let known = globs_known && !node.damaged && findings.len() == before;
    let complete = class.keep.is_some() && class.name.is_some();
    (class, known && complete)
}

/// Globs and a keyword, or neither.
fn selection(node: &CheckedNode, class: &ClassNode) -> Option<Finding> {
    match (node.args.get(1), node.prop("keyword")) {
        (Some(glob), Some(keyword)) => {
            let message = "a class has globs or a keyword, not both";
            let finding = Finding::new(Code::SurplusArgument, keyword.span, message, "the keyword");
            let help = "write two classes: a file in both is kept by the one with the longer keep";
            Some(finding.also(glob.span, "a glob").help(help))
        }
        (None, None) if class.name.is_some() && !node.damaged => {
            let (message, label) = ("`class` selects no files", "needs globs, or `keyword=`");
            let name = node.shown_name();
            Some(Finding::new(Code::Missing, node.head, message, label).help(format!(
                "write `class \"{name}\" \"{name}/**\" keep=…` or `class \"{name}\" keyword=\"{name}\" keep=…`"
            )))
        }
        _ => None,
    }
}

fn short_keyword(node: &CheckedNode, word: &Spanned<String>) -> Option<Finding> {
    let finding = |message: String, label: String| Finding::new(Code::BadValue, word.span, message, label);
    let begins = fold(&word.value).first().copied().is_some_and(joins);
    let shown = excerpt(&word.value);
    if word.value.chars().count() >= MIN_KEYWORD {
        return begins.then(|| {
            let message = format!("the keyword `{shown}` begins with a mark that belongs to the letter before it");
            finding(message, "matches nothing".to_owned()).help("write the whole letter")
        });
    }
    let message = format!("the keyword `{shown}` is too short");
    let label = format!("shorter than {MIN_KEYWORD} characters: it would match nearly everything");
    Some(finding(message, label).help(format!(
        "write a longer keyword, or a narrow glob such as `class \"{}\" \"raw/**\" keep=…`",
        node.shown_name()
    )))
}
