//! What the files say, decoded but not yet judged as a whole: every field with its span.
//!
//! Made by `decode`, read by `validate`. Paths are as written, references are names.
//! Invariant: a field that is `None` was not written, or was wrong and has been reported; `damaged` tells which is
//! possible.

use super::source::{Span, Spanned};
use crate::model::backoff::BackOff;
use crate::model::channel::{MailTls, RateLimit, Severity, WebService};
use crate::model::check::{Address, Levels, Space, Worst};
use crate::model::pattern::Pattern;
use crate::model::schedule::{Cron, Fold, Gap, Missed};
use crate::model::{Contents, InUse, JobKind, Keep, Overlap, Retry};
use crate::path::RelPath;
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) ops: Option<OpsNode>,
    pub(super) schedules: Vec<ScheduleNode>,
    pub(super) channels: Vec<ChannelNode>,
    pub(super) checks: Vec<CheckNode>,
    pub(super) targets: Vec<TargetNode>,
    pub(super) backups: Vec<BackupNode>,
    pub(super) retentions: Vec<RetentionNode>,
    pub(super) assertions: Vec<AssertionNode>,
    /// Names of whatever kind in text that could not be read.
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

    /// Every node that takes `allow`: jobs first.
    pub(super) fn allowing(&self) -> impl Iterator<Item = Allowing<'_>> {
        let jobs = self.jobs().map(|(_, job)| Allowing {
            allows: &job.allows,
            extent: job.extent,
            damaged: job.damaged,
        });
        let channels = self.channels.iter().map(|node| Allowing {
            allows: &node.allows,
            extent: node.extent,
            damaged: node.damaged,
        });
        let schedules = self.schedules.iter().map(|node| Allowing {
            allows: &node.allows,
            extent: node.extent,
            damaged: node.damaged,
        });
        jobs.chain(schedules).chain(channels)
    }
}

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
    pub(super) extent: Span,
}

/// A node that may take warnings upon itself.
#[derive(Debug)]
pub(super) struct Allowing<'a> {
    pub(super) allows: &'a [Allow],
    pub(super) extent: Span,
    /// A part of it could not be read.
    pub(super) damaged: bool,
}

/// What every job has.
#[derive(Debug)]
pub(super) struct JobNode {
    /// Missing or wrong, and reported, when `None`.
    pub(super) name: Option<Spanned<String>>,
    pub(super) head: Span,
    pub(super) extent: Span,
    /// As written.
    pub(super) needs: Vec<Spanned<String>>,
    pub(super) timeout: Option<Spanned<Duration>>,
    pub(super) paused: bool,
    pub(super) when: WhenNode,
    pub(super) notify: Option<NotifyNode>,
    pub(super) allows: Vec<Allow>,
    /// A part of it could not be read.
    pub(super) damaged: bool,
}

#[derive(Debug, Default)]
pub(super) struct WhenNode {
    pub(super) schedule: Option<Spanned<String>>,
    /// `cron` or `every` in the job itself.
    pub(super) own: Option<RhythmNode>,
    /// One of them was wrong, and reported.
    pub(super) damaged: bool,
}

/// `schedule` at the top of a file.
#[derive(Debug)]
pub(super) struct ScheduleNode {
    /// Missing or wrong, and reported, when `None`.
    pub(super) name: Option<Spanned<String>>,
    pub(super) extent: Span,
    pub(super) rhythm: Option<RhythmNode>,
    pub(super) jitter: Option<Spanned<Duration>>,
    /// `None` without a `dst` node.
    pub(super) dst: Option<(Gap, Fold)>,
    /// `None` is the default of the rhythm.
    pub(super) missed: Option<Missed>,
    pub(super) allows: Vec<Allow>,
    /// A part of it could not be read.
    pub(super) damaged: bool,
}

/// `cron` or `every`.
#[derive(Debug)]
pub(super) enum RhythmNode {
    Cron(Box<CronNode>),
    Every(Spanned<Duration>),
}

impl RhythmNode {
    pub(super) fn span(&self) -> Span {
        match self {
            Self::Cron(node) => node.span,
            Self::Every(every) => every.span,
        }
    }
}

#[derive(Debug)]
pub(super) struct CronNode {
    pub(super) cron: Cron,
    /// Of the value, with what stands around it.
    pub(super) span: Span,
    /// How many bytes stand before its text; `None` when text and value are not alike.
    pub(super) before: Option<usize>,
    pub(super) zone: Option<chrono_tz::Tz>,
}

impl CronNode {
    /// Where a part of the line stands, or all of the value when that cannot be said.
    pub(super) fn part(&self, start: usize, end: usize) -> Span {
        part(self.span, self.before, start, end)
    }
}

/// Where a part of a text stands, when so many bytes of the value stand before the text.
pub(super) fn part(span: Span, before: Option<usize>, start: usize, end: usize) -> Span {
    match before {
        Some(before) => Span::new(span.start + before + start, span.start + before + end),
        None => span,
    }
}

#[derive(Debug)]
pub(super) struct NotifyNode {
    pub(super) span: Span,
    /// As written.
    pub(super) channels: Vec<Spanned<String>>,
    /// One of them was wrong, and reported.
    pub(super) damaged: bool,
}

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
    /// `None` is 1.
    pub(super) floor: Option<Spanned<u32>>,
    pub(super) stall: Option<Spanned<Duration>>,
    pub(super) cross_mounts: bool,
}

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

#[derive(Debug)]
pub(super) struct BudgetNode {
    pub(super) span: Span,
    pub(super) files: Option<u64>,
    pub(super) bytes: Option<u64>,
    pub(super) share: Option<u8>,
}

#[derive(Debug)]
pub(super) struct ClassNode {
    pub(super) name: Option<Spanned<String>>,
    pub(super) head: Span,
    pub(super) globs: Vec<Spanned<Pattern>>,
    pub(super) keyword: Option<Spanned<String>>,
    pub(super) keep: Option<Spanned<Keep>>,
    pub(super) keep_newest: u32,
}

#[derive(Debug)]
pub(super) struct AssertionNode {
    pub(super) claim: Option<Spanned<String>>,
    /// `None` when it names neither or both, and that was reported.
    pub(super) of: Option<AssertedNode>,
    pub(super) files: Vec<FileNode>,
    pub(super) expect: Option<Spanned<Expected>>,
    pub(super) class: Option<Spanned<String>>,
}

/// What an assertion is about, by name.
#[derive(Debug)]
pub(super) enum AssertedNode {
    Retention(Spanned<String>),
    Backup(Spanned<String>),
}

#[derive(Debug)]
pub(super) struct FileNode {
    pub(super) path: RelPath,
    pub(super) span: Span,
    pub(super) age: Option<Spanned<Duration>>,
    pub(super) newest: Option<Spanned<u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Expired,
    Kept,
    Untouched,
    Stored,
    LeftOut,
}

impl Expected {
    /// As it is written.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Kept => "kept",
            Self::Untouched => "untouched",
            Self::Stored => "stored",
            Self::LeftOut => "left-out",
        }
    }

    pub(super) const ALL: [Self; 5] = [Self::Expired, Self::Kept, Self::Untouched, Self::Stored, Self::LeftOut];

    /// True for what is said of backups.
    pub(super) fn of_backups(self) -> bool {
        matches!(self, Self::Stored | Self::LeftOut)
    }
}

#[derive(Debug)]
pub(super) struct TargetNode {
    pub(super) job: JobNode,
    pub(super) command: Option<CommandNode>,
    pub(super) kill_after: Duration,
    pub(super) retry: Option<Spanned<Retry>>,
    pub(super) ok_codes: Vec<u8>,
    pub(super) back_off: Option<BackOff>,
    pub(super) overlap: Overlap,
}

/// `command` or `shell`, with what stands beside it in a target, or in its block in a check.
#[derive(Debug)]
pub(super) struct CommandNode {
    pub(super) program: ProgramNode,
    pub(super) cwd: Option<Spanned<PathBuf>>,
    pub(super) env: Vec<(String, TextNode)>,
}

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

#[derive(Debug)]
pub(super) enum TextNode {
    Plain(String),
    Env(Spanned<String>),
    File(Spanned<PathBuf>),
    Command(ArgvNode),
}

#[derive(Debug)]
pub(super) struct CheckNode {
    pub(super) job: JobNode,
    pub(super) probe: Option<ProbeNode>,
    pub(super) worst: Worst,
    pub(super) kill_after: Duration,
    pub(super) fail_after: u32,
    pub(super) recover_after: u32,
    /// As written.
    pub(super) silenced_by: Option<Spanned<String>>,
}

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

#[derive(Debug)]
pub(super) struct ChannelNode {
    /// Missing or wrong, and reported, when `None`.
    pub(super) name: Option<Spanned<String>>,
    pub(super) extent: Span,
    pub(super) way: Option<WayNode>,
    pub(super) min_severity: Severity,
    pub(super) repeat: Option<Duration>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) timeout: Option<Duration>,
    pub(super) allows: Vec<Allow>,
    /// A part of it could not be read.
    pub(super) damaged: bool,
}

/// Over which way somebody is told.
#[derive(Debug)]
pub(super) enum WayNode {
    Command(CommandNode),
    Email(Box<EmailNode>),
    Web(WebNode),
}

#[derive(Debug)]
pub(super) struct EmailNode {
    pub(super) to: Vec<String>,
    pub(super) from: String,
    pub(super) smtp: Address,
    pub(super) tls: MailTls,
    pub(super) user: Option<TextNode>,
    pub(super) password: Option<TextNode>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
}

#[derive(Debug)]
pub(super) struct WebNode {
    pub(super) service: WebService,
    /// By name, in the order of the table.
    pub(super) settings: Vec<(&'static str, TextNode)>,
    pub(super) headers: Vec<(String, TextNode)>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
}

impl ChannelNode {
    pub(super) fn values(&self) -> Vec<&TextNode> {
        match &self.way {
            Some(WayNode::Command(command)) => command.env.iter().map(|(_, value)| value).collect(),
            Some(WayNode::Email(email)) => email.user.iter().chain(&email.password).collect(),
            Some(WayNode::Web(web)) => {
                let settings = web.settings.iter().map(|(_, value)| value);
                settings.chain(web.headers.iter().map(|(_, value)| value)).collect()
            }
            None => Vec::new(),
        }
    }
}
