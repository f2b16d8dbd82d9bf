//! `backup`: a directory to copy, and the copies to keep.
//!
//! Reports a `keep` that keeps nothing, and settings that a form of copies does not have.

use super::checked_node::{CheckedNode, one_of, spanned};
use super::decoder::Decoder;
use super::job::{JOB, JobLinks, JobNode, TIMEOUT, job};
use super::schedule::JOB_SCHEDULE;
use crate::config::findings::{Code, Finding};
use crate::config::language::spec::{Args, Spec, absent, node, prop, words};
use crate::config::language::types::Type;
use crate::config::source::{Span, Spanned};
use crate::config::values::Datum;
use crate::model::pattern::{Pattern, Selection};
use crate::model::{Backup, Contents, KeepCopies, Strategy};
use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_GZIP_LEVEL: u8 = 6;

const CONTENTS: [(&str, Contents); 2] = [("all", Contents::All), ("expired", Contents::Expired)];

const COUNT: Type = Type::Integer(0, 1_000_000);

pub const BACKUP: Spec = node("backup", Args::One(Type::Name))
    .doc("a copy of a directory, made and verified in one run")
    .example("backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; }")
    .block(&[
        &[
            node("source", Args::One(Type::Path))
                .doc("the directory to copy")
                .example("source \"/srv/data\"")
                .required(),
            node("include", Args::Many(Type::Glob))
                .doc("the files to copy, hidden ones included")
                .example("include \"*.csv\" \"*.json\"")
                .otherwise("everything"),
            node("exclude", Args::Many(Type::Glob))
                .doc("files not to copy; overrides `include`")
                .example("exclude \"tmp/**\"")
                .otherwise("nothing"),
            node("to", Args::One(Type::Path))
                .doc("the directory for the copies")
                .example("to \"/backup/data\"")
                .with(&[prop(
                    "require-mount",
                    Type::Bool,
                    "refuses the run while no disk is mounted there: while the directory, or the nearest one above it that \
                     exists, is on the same mount as `/` or as the source",
                )
                .default("#false")])
                .rule("created if it is missing")
                .required(),
            node("strategy", Args::One(Type::Word(&["archive", "copy"], &[])))
                .doc(
                    "the form of a copy: one archive, or a dated tree of plain files that shares the data of \
                     unchanged files with the previous one",
                )
                .example("strategy \"archive\" level=6")
                .with(&[
                    prop(
                        "format",
                        Type::Word(&["tar.gz"], &["tar.zst"]),
                        "the format of the archive",
                    )
                    .default("\"tar.gz\"")
                    .example("\"tar.gz\""),
                    prop("level", Type::Integer(1, 12), "the gzip level")
                        .default("6")
                        .example("6"),
                ])
                .rule("`\"copy\"` takes neither `format=` nor `level=`")
                .default("\"archive\""),
            node("contents", Args::One(Type::Word(&words(&CONTENTS), &[])))
                .doc(
                    "which selected files a run stores: all, or only those that the retentions on this backup \
                     may delete now",
                )
                .example("contents \"expired\"")
                .rule(
                    "`\"expired\"` needs a retention on this backup (OPS5012), and no counting rules in \
                     `keep` (OPS5011)",
                )
                .default("\"all\""),
            node("keep", Args::None)
                .doc("which copies to keep; it is checked, but this build removes no copies yet")
                .example("keep last=7 daily=14")
                .with(&[
                    prop("last", COUNT, "the number of newest copies").default("0"),
                    prop("hourly", COUNT, "the number of hours with one copy each").default("0"),
                    prop("daily", COUNT, "the number of days with one copy each").default("0"),
                    prop("weekly", COUNT, "the number of ISO weeks with one copy each").default("0"),
                    prop("monthly", COUNT, "the number of months with one copy each").default("0"),
                    prop("yearly", COUNT, "the number of years with one copy each").default("0"),
                    prop("within", Type::Duration, "all copies up to this age").otherwise("none"),
                    prop(
                        "deleted",
                        Type::Years,
                        "how long the last copy of a deleted file is kept",
                    )
                    .otherwise("forever"),
                ])
                .rule("at least one rule that keeps something (OPS5010)")
                .otherwise("every copy is kept"),
            node("floor", Args::One(Type::Integer(1, 1_000_000)))
                .doc("the number of newest complete copies that no rule removes")
                .example("floor 2")
                .default("1"),
            node("stall", Args::One(Type::Duration))
                .doc("no copy is removed when the newest complete one is older")
                .example("stall \"3d\"")
                .otherwise("twice the longest time between two runs of its schedule; none without a schedule"),
            node("cross-mounts", Args::Flag)
                .doc("also copies other file systems mounted below `source`")
                .example("cross-mounts")
                .default("#false"),
            absent(
                "incremental",
                "`contents \"expired\"` stores each expired file once; delete this line",
            ),
        ],
        TIMEOUT,
        JOB_SCHEDULE,
        JOB,
    ])
    .repeats();

#[derive(Debug)]
pub struct BackupNode {
    pub job: JobNode,
    /// Absolute, lexically normal.
    pub source: Option<Spanned<PathBuf>>,
    pub include: Vec<Spanned<Pattern>>,
    pub exclude: Vec<Spanned<Pattern>>,
    /// False when a pattern was wrong: what the backup holds is not known.
    pub patterns_known: bool,
    /// Absolute, lexically normal.
    pub to: Option<Spanned<PathBuf>>,
    pub require_mount: bool,
    pub strategy: Strategy,
    pub contents: Option<Spanned<Contents>>,
    pub keep: Option<KeepNode>,
    /// `None` is 1.
    pub floor: Option<Spanned<u32>>,
    pub stall: Option<Spanned<Duration>>,
    pub cross_mounts: bool,
}

#[derive(Debug)]
pub struct KeepNode {
    pub span: Span,
    /// `last`, `hourly`, ... as written.
    pub counts: Vec<(&'static str, Spanned<u32>)>,
    pub within: Option<Spanned<Duration>>,
    pub deleted: Option<Spanned<Duration>>,
    /// A rule was given and was wrong.
    pub damaged: bool,
}

impl BackupNode {
    /// Empty without a name.
    pub fn name(&self) -> &str {
        self.job.name_text()
    }

    /// The files of its source that it may store.
    pub fn selection(&self) -> Selection {
        let patterns = |list: &[Spanned<Pattern>]| list.iter().map(|p| p.value.clone()).collect();
        Selection {
            include: patterns(&self.include),
            exclude: patterns(&self.exclude),
        }
    }

    pub fn lower(&self, links: JobLinks) -> Option<Backup> {
        let default_stall = links.longest_gap.map(|gap| gap.saturating_mul(2));
        Some(Backup {
            name: self.job.lower_name()?,
            job: self.job.lower(links),
            source: self.source.as_ref()?.value.clone(),
            select: self.selection(),
            to: self.to.as_ref()?.value.clone(),
            require_mount: self.require_mount,
            strategy: self.strategy,
            contents: self.contents.as_ref().map_or(Contents::All, |contents| contents.value),
            keep: self.keep.as_ref().map(KeepNode::lower),
            floor: self.floor.as_ref().map_or(1, |floor| floor.value),
            stall: self.stall.as_ref().map(|stall| stall.value).or(default_stall),
            cross_mounts: self.cross_mounts,
            timeout: self.job.lower_timeout(),
        })
    }
}

impl KeepNode {
    fn lower(&self) -> KeepCopies {
        let count = |name: &str| {
            let mut counts = self.counts.iter();
            counts.find(|(key, _)| *key == name).map_or(0, |(_, count)| count.value)
        };
        KeepCopies {
            last: count("last"),
            hourly: count("hourly"),
            daily: count("daily"),
            weekly: count("weekly"),
            monthly: count("monthly"),
            yearly: count("yearly"),
            within: self.within.as_ref().map(|within| within.value),
            deleted: self.deleted.as_ref().map(|deleted| deleted.value),
        }
    }
}

pub fn backup(node: &CheckedNode, decoder: &mut Decoder<'_>) -> BackupNode {
    let (include, include_known) = node.globs("include");
    let (exclude, exclude_known) = node.globs("exclude");
    BackupNode {
        job: job(node, decoder),
        source: decoder.path_of(node, "source"),
        include,
        exclude,
        patterns_known: include_known && exclude_known && !node.damaged,
        to: decoder.path_of(node, "to"),
        require_mount: node
            .child("to")
            .and_then(|to| to.prop("require-mount"))
            .is_some_and(|value| value.value == Datum::Bool(true)),
        strategy: strategy(node, decoder.findings),
        contents: node.value("contents", one_of(&CONTENTS)),
        keep: node.child("keep").map(|node| keep(node, decoder.findings)),
        floor: node.value("floor", Datum::small),
        stall: node.value("stall", Datum::duration),
        cross_mounts: node.flag("cross-mounts"),
    }
}

fn strategy(backup: &CheckedNode, findings: &mut Vec<Finding>) -> Strategy {
    let archive = |level: Option<u8>| Strategy::Archive {
        level: level.unwrap_or(DEFAULT_GZIP_LEVEL),
    };
    let Some(node) = backup.child("strategy") else {
        return archive(None);
    };
    let Some(copy) = node.text().filter(|word| word.value == "copy") else {
        let level = node.get_prop("level", Datum::number);
        return archive(level.and_then(|level| u8::try_from(level).ok()));
    };
    for (name, value) in &node.props {
        findings.push(
            Finding::new(
                Code::UnknownProperty,
                value.span,
                format!("`strategy \"copy\"` takes no `{name}=`"),
                "only an archive has one",
            )
            .also(copy.span, "a tree of plain files")
            .help(format!("delete `{name}=`, or write `strategy \"archive\" {name}=…`")),
        );
    }
    Strategy::Copy
}

fn keep(node: &CheckedNode, findings: &mut Vec<Finding>) -> KeepNode {
    let counts = node.props.iter();
    let keep = KeepNode {
        span: node.head,
        counts: counts
            .filter_map(|(name, value)| Some((*name, spanned(value, Datum::small)?)))
            .collect(),
        within: node.prop_value("within", Datum::duration),
        deleted: node.prop_value("deleted", Datum::duration),
        damaged: node.damaged || node.props.iter().any(|(_, value)| value.value == Datum::Bad),
    };
    let nothing =
        keep.counts.iter().all(|(_, count)| count.value == 0) && keep.within.is_none() && keep.deleted.is_none();
    if nothing && !keep.damaged {
        let message = if keep.counts.is_empty() {
            "`keep` has no rule"
        } else {
            "all counts of `keep` are zero"
        };
        findings.push(
            Finding::new(
                Code::EmptyKeep,
                keep.span,
                message,
                "would delete all copies except the newest ones that `floor` keeps",
            )
            .help("write what to keep, such as `keep last=7 daily=14`, or delete the line to keep every copy"),
        );
    }
    keep
}
