//! What the files say, decoded but not yet judged as a whole: every field with its span.
//!
//! Made by `decode`, read by `validate`. Paths are as written, references are names.
//! Invariant: a field that is `None` was not written, or was wrong and has been reported; `damaged` tells which is
//! possible.

use super::source::{Span, Spanned};
use crate::model::check::{Address, Levels, Space, Worst};
use crate::model::pattern::Pattern;
use crate::model::{Contents, InUse, JobKind, Keep, Retry};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

/// All files together.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) ops: Option<OpsNode>,
    pub(super) checks: Vec<CheckNode>,
    pub(super) targets: Vec<TargetNode>,
    pub(super) backups: Vec<BackupNode>,
    pub(super) retentions: Vec<RetentionNode>,
    /// Names of jobs, of whatever kind, in text that could not be read.
    pub(super) hidden: HashSet<String>,
    /// A retention could not be read: which backup it names is not known.
    pub(super) hidden_retention: bool,
    /// Something could not be read whose kind and name are not known either: what seems missing may be there.
    pub(super) blind: bool,
}

impl Document {
    /// Every job: by kind, and within a kind in order of reading.
    pub(super) fn jobs(&self) -> impl Iterator<Item = (JobKind, &JobNode)> {
        let checks = self.checks.iter().map(|node| (JobKind::Check, &node.job));
        let targets = self.targets.iter().map(|node| (JobKind::Target, &node.job));
        let backups = self.backups.iter().map(|node| (JobKind::Backup, &node.job));
        let retentions = self.retentions.iter().map(|node| (JobKind::Retention, &node.job));
        checks.chain(targets).chain(backups).chain(retentions)
    }
}

/// `ops`
#[derive(Debug)]
pub(super) struct OpsNode {
    pub(super) span: Span,
    pub(super) name: Option<Spanned<String>>,
    pub(super) timezone: Option<chrono_tz::Tz>,
    pub(super) state_dir: Option<Spanned<PathBuf>>,
    pub(super) concurrency: Option<u32>,
}

/// `allow "slug" reason="..."`
#[derive(Debug)]
pub(super) struct Allow {
    pub(super) slug: Spanned<String>,
    /// All of it.
    pub(super) extent: Span,
}

/// What every job has.
#[derive(Debug)]
pub(super) struct JobNode {
    /// Missing or wrong, and reported, when `None`.
    pub(super) name: Option<Spanned<String>>,
    /// The node's first line.
    pub(super) head: Span,
    /// All of it.
    pub(super) extent: Span,
    /// As written.
    pub(super) needs: Vec<Spanned<String>>,
    pub(super) timeout: Option<Duration>,
    pub(super) paused: bool,
    pub(super) allows: Vec<Allow>,
    /// A part of it could not be read.
    pub(super) damaged: bool,
}

/// `backup`
#[derive(Debug)]
pub(super) struct BackupNode {
    pub(super) job: JobNode,
    pub(super) source: Option<Spanned<PathBuf>>,
    pub(super) include: Vec<Spanned<Pattern>>,
    pub(super) exclude: Vec<Spanned<Pattern>>,
    /// False when a pattern was wrong: what the backup holds is not known.
    pub(super) patterns_known: bool,
    pub(super) to: Option<Spanned<PathBuf>>,
    /// Of an archive; `None` is `strategy "copy"`.
    pub(super) level: Option<u8>,
    pub(super) contents: Option<Spanned<Contents>>,
    pub(super) keep: Option<KeepNode>,
    pub(super) floor: u32,
    pub(super) stall: Option<Duration>,
    pub(super) cross_mounts: bool,
}

/// `keep` of a backup.
#[derive(Debug)]
pub(super) struct KeepNode {
    pub(super) span: Span,
    /// `last`, `hourly`, ... as written.
    pub(super) counts: Vec<(&'static str, Spanned<u32>)>,
    pub(super) within: Option<Spanned<Duration>>,
    pub(super) deleted: Option<Spanned<Duration>>,
    /// A rule was given and was wrong.
    pub(super) damaged: bool,
}

/// `retention`
#[derive(Debug)]
pub(super) struct RetentionNode {
    pub(super) job: JobNode,
    pub(super) backup: Option<Spanned<String>>,
    /// Something was written there, right or wrong.
    pub(super) backup_given: bool,
    pub(super) classes: Vec<ClassNode>,
    pub(super) exclude: Vec<Spanned<Pattern>>,
    /// False when a pattern or class was wrong: what the retention may delete is not known.
    pub(super) patterns_known: bool,
    pub(super) max_delete: Option<BudgetNode>,
    pub(super) remove_empty_dirs: bool,
    pub(super) in_use: InUse,
}

/// `max-delete`
#[derive(Debug)]
pub(super) struct BudgetNode {
    pub(super) files: Option<u64>,
    pub(super) bytes: Option<u64>,
    pub(super) share: Option<u8>,
}

/// `class`
#[derive(Debug)]
pub(super) struct ClassNode {
    pub(super) name: Option<Spanned<String>>,
    pub(super) head: Span,
    pub(super) globs: Vec<Spanned<Pattern>>,
    pub(super) keyword: Option<Spanned<String>>,
    pub(super) keep: Option<Spanned<Keep>>,
    pub(super) keep_newest: u32,
}

/// `target`
#[derive(Debug)]
pub(super) struct TargetNode {
    pub(super) job: JobNode,
    pub(super) command: Option<CommandNode>,
    pub(super) kill_after: Duration,
    pub(super) retry: Option<Retry>,
    pub(super) ok_codes: Vec<u8>,
}

/// `command` or `shell`, with what stands beside it in a target, or in its block in a check.
#[derive(Debug)]
pub(super) struct CommandNode {
    pub(super) program: ProgramNode,
    pub(super) cwd: Option<Spanned<PathBuf>>,
    pub(super) env: Vec<(String, TextNode)>,
}

/// What is run.
#[derive(Debug)]
pub(super) enum ProgramNode {
    Argv(ArgvNode),
    Shell(String),
}

/// Program and arguments, and where they stand.
#[derive(Debug)]
pub(super) struct ArgvNode {
    pub(super) words: Vec<String>,
    pub(super) span: Span,
}

/// A text that may be a secret.
#[derive(Debug)]
pub(super) enum TextNode {
    Plain(String),
    Env(Spanned<String>),
    File(Spanned<PathBuf>),
    Command(ArgvNode),
}

/// `check`
#[derive(Debug)]
pub(super) struct CheckNode {
    pub(super) job: JobNode,
    pub(super) probe: Option<ProbeNode>,
    pub(super) worst: Worst,
    pub(super) kill_after: Duration,
}

/// What a check asks.
#[derive(Debug)]
pub(super) enum ProbeNode {
    FileAge {
        path: Spanned<PathBuf>,
        age: Levels<Duration>,
    },
    DiskSpace {
        path: Spanned<PathBuf>,
        free: Levels<Space>,
    },
    Command(CommandNode),
    Tcp {
        address: Address,
        latency: Levels<Duration>,
    },
    Http(Box<HttpNode>),
    TlsExpiry {
        address: Address,
        left: Levels<Duration>,
        ca_file: Option<Spanned<PathBuf>>,
    },
    Job {
        /// As written.
        job: Spanned<String>,
        age: Levels<Duration>,
        duration: Levels<Duration>,
    },
}

/// `http`
#[derive(Debug)]
pub(super) struct HttpNode {
    pub(super) url: TextNode,
    pub(super) headers: Vec<(String, TextNode)>,
    pub(super) status: Vec<u16>,
    pub(super) latency: Levels<Duration>,
    pub(super) json: Vec<(String, serde_json::Value)>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
}
