//! What the files say, decoded but not yet judged as a whole: every field with its span.
//!
//! Made by `decode`, read by `validate`. Paths are as written, references are names.
//! Invariant: a field that is `None` was not written, or was wrong and has been reported; `damaged` tells which is
//! possible.

use crate::config::source::{Span, Spanned};
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
pub(in crate::config) struct Document {
    pub(in crate::config) ops: Option<OpsNode>,
    pub(in crate::config) schedules: Vec<ScheduleNode>,
    pub(in crate::config) channels: Vec<ChannelNode>,
    pub(in crate::config) checks: Vec<CheckNode>,
    pub(in crate::config) targets: Vec<TargetNode>,
    pub(in crate::config) backups: Vec<BackupNode>,
    pub(in crate::config) retentions: Vec<RetentionNode>,
    pub(in crate::config) assertions: Vec<AssertionNode>,
    /// Names of whatever kind in text that could not be read.
    pub(in crate::config) hidden: HashSet<String>,
    /// A retention could not be read: which backup it names is not known.
    pub(in crate::config) hidden_retention: bool,
    /// Something could not be read whose kind and name are not known either: what seems missing may be there.
    pub(in crate::config) blind: bool,
}

impl Document {
    /// Every job: by kind, and within a kind in order of reading.
    pub(in crate::config) fn jobs(&self) -> impl Iterator<Item = (JobKind, &JobNode)> {
        let checks = self.checks.iter().map(|node| (JobKind::Check, &node.job));
        let targets = self.targets.iter().map(|node| (JobKind::Target, &node.job));
        let backups = self.backups.iter().map(|node| (JobKind::Backup, &node.job));
        let retentions = self.retentions.iter().map(|node| (JobKind::Retention, &node.job));
        checks.chain(targets).chain(backups).chain(retentions)
    }

    /// Every node that takes `allow`: jobs first.
    pub(in crate::config) fn allowing(&self) -> impl Iterator<Item = Allowing<'_>> {
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
pub(in crate::config) struct OpsNode {
    pub(in crate::config) span: Span,
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) timezone: Option<chrono_tz::Tz>,
    pub(in crate::config) state_dir: Option<Spanned<PathBuf>>,
    pub(in crate::config) concurrency: Option<u32>,
}

/// `allow "slug" reason="..."`
#[derive(Debug)]
pub(in crate::config) struct Allow {
    pub(in crate::config) slug: Spanned<String>,
    pub(in crate::config) extent: Span,
}

/// A node that may take warnings upon itself.
#[derive(Debug)]
pub(in crate::config) struct Allowing<'a> {
    pub(in crate::config) allows: &'a [Allow],
    pub(in crate::config) extent: Span,
    /// A part of it could not be read.
    pub(in crate::config) damaged: bool,
}

/// What every job has.
#[derive(Debug)]
pub(in crate::config) struct JobNode {
    /// Missing or wrong, and reported, when `None`.
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) head: Span,
    pub(in crate::config) extent: Span,
    /// As written.
    pub(in crate::config) needs: Vec<Spanned<String>>,
    pub(in crate::config) timeout: Option<Spanned<Duration>>,
    pub(in crate::config) paused: bool,
    pub(in crate::config) when: WhenNode,
    pub(in crate::config) notify: Option<NotifyNode>,
    pub(in crate::config) allows: Vec<Allow>,
    /// A part of it could not be read.
    pub(in crate::config) damaged: bool,
}

#[derive(Debug, Default)]
pub(in crate::config) struct WhenNode {
    pub(in crate::config) schedule: Option<Spanned<String>>,
    /// `cron` or `every` in the job itself.
    pub(in crate::config) own: Option<RhythmNode>,
    /// One of them was wrong, and reported.
    pub(in crate::config) damaged: bool,
}

/// `schedule` at the top of a file.
#[derive(Debug)]
pub(in crate::config) struct ScheduleNode {
    /// Missing or wrong, and reported, when `None`.
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) extent: Span,
    pub(in crate::config) rhythm: Option<RhythmNode>,
    pub(in crate::config) jitter: Option<Spanned<Duration>>,
    /// `None` without a `dst` node.
    pub(in crate::config) dst: Option<(Gap, Fold)>,
    /// `None` is the default of the rhythm.
    pub(in crate::config) missed: Option<Missed>,
    pub(in crate::config) allows: Vec<Allow>,
    /// A part of it could not be read.
    pub(in crate::config) damaged: bool,
}

/// `cron` or `every`.
#[derive(Debug)]
pub(in crate::config) enum RhythmNode {
    Cron(Box<CronNode>),
    Every(Spanned<Duration>),
}

impl RhythmNode {
    pub(in crate::config) fn span(&self) -> Span {
        match self {
            Self::Cron(node) => node.span,
            Self::Every(every) => every.span,
        }
    }
}

#[derive(Debug)]
pub(in crate::config) struct CronNode {
    pub(in crate::config) cron: Cron,
    /// Of the value, with what stands around it.
    pub(in crate::config) span: Span,
    /// How many bytes stand before its text; `None` when text and value are not alike.
    pub(in crate::config) before: Option<usize>,
    pub(in crate::config) zone: Option<chrono_tz::Tz>,
}

impl CronNode {
    /// Where a part of the line stands, or all of the value when that cannot be said.
    pub(in crate::config) fn part(&self, start: usize, end: usize) -> Span {
        part(self.span, self.before, start, end)
    }
}

/// Where a part of a text stands, when so many bytes of the value stand before the text.
pub(in crate::config) fn part(span: Span, before: Option<usize>, start: usize, end: usize) -> Span {
    match before {
        Some(before) => Span::new(span.start + before + start, span.start + before + end),
        None => span,
    }
}

#[derive(Debug)]
pub(in crate::config) struct NotifyNode {
    pub(in crate::config) span: Span,
    /// As written.
    pub(in crate::config) channels: Vec<Spanned<String>>,
    /// One of them was wrong, and reported.
    pub(in crate::config) damaged: bool,
}

#[derive(Debug)]
pub(in crate::config) struct BackupNode {
    pub(in crate::config) job: JobNode,
    pub(in crate::config) source: Option<Spanned<PathBuf>>,
    pub(in crate::config) include: Vec<Spanned<Pattern>>,
    pub(in crate::config) exclude: Vec<Spanned<Pattern>>,
    /// False when a pattern was wrong: what the backup holds is not known.
    pub(in crate::config) patterns_known: bool,
    pub(in crate::config) to: Option<Spanned<PathBuf>>,
    /// Of an archive; `None` is `strategy "copy"`.
    pub(in crate::config) level: Option<u8>,
    pub(in crate::config) contents: Option<Spanned<Contents>>,
    pub(in crate::config) keep: Option<KeepNode>,
    /// `None` is 1.
    pub(in crate::config) floor: Option<Spanned<u32>>,
    pub(in crate::config) stall: Option<Spanned<Duration>>,
    pub(in crate::config) cross_mounts: bool,
}

#[derive(Debug)]
pub(in crate::config) struct KeepNode {
    pub(in crate::config) span: Span,
    /// `last`, `hourly`, ... as written.
    pub(in crate::config) counts: Vec<(&'static str, Spanned<u32>)>,
    pub(in crate::config) within: Option<Spanned<Duration>>,
    pub(in crate::config) deleted: Option<Spanned<Duration>>,
    /// A rule was given and was wrong.
    pub(in crate::config) damaged: bool,
}

#[derive(Debug)]
pub(in crate::config) struct RetentionNode {
    pub(in crate::config) job: JobNode,
    pub(in crate::config) backup: Option<Spanned<String>>,
    /// Something was written there, right or wrong.
    pub(in crate::config) backup_given: bool,
    pub(in crate::config) classes: Vec<ClassNode>,
    pub(in crate::config) exclude: Vec<Spanned<Pattern>>,
    /// False when a pattern or class was wrong: what the retention may delete is not known.
    pub(in crate::config) patterns_known: bool,
    pub(in crate::config) max_delete: Option<BudgetNode>,
    pub(in crate::config) remove_empty_dirs: bool,
    pub(in crate::config) in_use: InUse,
}

#[derive(Debug)]
pub(in crate::config) struct BudgetNode {
    pub(in crate::config) span: Span,
    pub(in crate::config) files: Option<u64>,
    pub(in crate::config) bytes: Option<u64>,
    pub(in crate::config) share: Option<u8>,
}

#[derive(Debug)]
pub(in crate::config) struct ClassNode {
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) head: Span,
    pub(in crate::config) globs: Vec<Spanned<Pattern>>,
    pub(in crate::config) keyword: Option<Spanned<String>>,
    pub(in crate::config) keep: Option<Spanned<Keep>>,
    pub(in crate::config) keep_newest: u32,
}

#[derive(Debug)]
pub(in crate::config) struct AssertionNode {
    pub(in crate::config) claim: Option<Spanned<String>>,
    /// `None` when it names neither or both, and that was reported.
    pub(in crate::config) of: Option<AssertedNode>,
    pub(in crate::config) files: Vec<FileNode>,
    pub(in crate::config) expect: Option<Spanned<Expected>>,
    pub(in crate::config) class: Option<Spanned<String>>,
}

/// What an assertion is about, by name.
#[derive(Debug)]
pub(in crate::config) enum AssertedNode {
    Retention(Spanned<String>),
    Backup(Spanned<String>),
}

#[derive(Debug)]
pub(in crate::config) struct FileNode {
    pub(in crate::config) path: RelPath,
    pub(in crate::config) span: Span,
    pub(in crate::config) age: Option<Spanned<Duration>>,
    pub(in crate::config) newest: Option<Spanned<u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Expected {
    Expired,
    Kept,
    Untouched,
    Stored,
    LeftOut,
}

impl Expected {
    /// As it is written.
    pub(in crate::config) fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Kept => "kept",
            Self::Untouched => "untouched",
            Self::Stored => "stored",
            Self::LeftOut => "left-out",
        }
    }

    pub(in crate::config) const ALL: [Self; 5] =
        [Self::Expired, Self::Kept, Self::Untouched, Self::Stored, Self::LeftOut];

    /// True for what is said of backups.
    pub(in crate::config) fn of_backups(self) -> bool {
        matches!(self, Self::Stored | Self::LeftOut)
    }
}

#[derive(Debug)]
pub(in crate::config) struct TargetNode {
    pub(in crate::config) job: JobNode,
    pub(in crate::config) command: Option<CommandNode>,
    pub(in crate::config) kill_after: Duration,
    pub(in crate::config) retry: Option<Spanned<Retry>>,
    pub(in crate::config) ok_codes: Vec<u8>,
    pub(in crate::config) back_off: Option<BackOff>,
    pub(in crate::config) overlap: Overlap,
}

/// `command` or `shell`, with what stands beside it in a target, or in its block in a check.
#[derive(Debug)]
pub(in crate::config) struct CommandNode {
    pub(in crate::config) program: ProgramNode,
    pub(in crate::config) cwd: Option<Spanned<PathBuf>>,
    pub(in crate::config) env: Vec<(String, TextNode)>,
}

#[derive(Debug)]
pub(in crate::config) enum ProgramNode {
    Argv(ArgvNode),
    Shell(String),
}

/// Program and arguments, and where they stand.
#[derive(Debug)]
pub(in crate::config) struct ArgvNode {
    pub(in crate::config) words: Vec<String>,
    pub(in crate::config) span: Span,
}

#[derive(Debug)]
pub(in crate::config) enum TextNode {
    Plain(String),
    Env(Spanned<String>),
    File(Spanned<PathBuf>),
    Command(ArgvNode),
}

#[derive(Debug)]
pub(in crate::config) struct CheckNode {
    pub(in crate::config) job: JobNode,
    pub(in crate::config) probe: Option<ProbeNode>,
    pub(in crate::config) worst: Worst,
    pub(in crate::config) kill_after: Duration,
    pub(in crate::config) fail_after: u32,
    pub(in crate::config) recover_after: u32,
    /// As written.
    pub(in crate::config) silenced_by: Option<Spanned<String>>,
}

#[derive(Debug)]
pub(in crate::config) enum ProbeNode {
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
pub(in crate::config) struct HttpNode {
    pub(in crate::config) url: TextNode,
    pub(in crate::config) headers: Vec<(String, TextNode)>,
    pub(in crate::config) status: Vec<u16>,
    pub(in crate::config) latency: Levels<Duration>,
    pub(in crate::config) json: Vec<(String, serde_json::Value)>,
    pub(in crate::config) ca_file: Option<Spanned<PathBuf>>,
}

#[derive(Debug)]
pub(in crate::config) struct ChannelNode {
    /// Missing or wrong, and reported, when `None`.
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) extent: Span,
    pub(in crate::config) way: Option<WayNode>,
    pub(in crate::config) min_severity: Severity,
    pub(in crate::config) repeat: Option<Duration>,
    pub(in crate::config) rate_limit: Option<RateLimit>,
    pub(in crate::config) timeout: Option<Duration>,
    pub(in crate::config) allows: Vec<Allow>,
    /// A part of it could not be read.
    pub(in crate::config) damaged: bool,
}

/// Over which way somebody is told.
#[derive(Debug)]
pub(in crate::config) enum WayNode {
    Command(CommandNode),
    Email(Box<EmailNode>),
    Web(WebNode),
}

#[derive(Debug)]
pub(in crate::config) struct EmailNode {
    pub(in crate::config) to: Vec<String>,
    pub(in crate::config) from: String,
    pub(in crate::config) smtp: Address,
    pub(in crate::config) tls: MailTls,
    pub(in crate::config) user: Option<TextNode>,
    pub(in crate::config) password: Option<TextNode>,
    pub(in crate::config) ca_file: Option<Spanned<PathBuf>>,
}

#[derive(Debug)]
pub(in crate::config) struct WebNode {
    pub(in crate::config) service: WebService,
    /// By name, in the order of the table.
    pub(in crate::config) settings: Vec<(&'static str, TextNode)>,
    pub(in crate::config) headers: Vec<(String, TextNode)>,
    pub(in crate::config) ca_file: Option<Spanned<PathBuf>>,
}

impl ChannelNode {
    pub(in crate::config) fn values(&self) -> Vec<&TextNode> {
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
