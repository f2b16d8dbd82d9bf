//! The judged [`Document`] → the [`Model`]: defaults filled in, paths absolute, spans gone.
//!
//! Takes nodes in which nothing is wrong, with their references resolved, gives what they mean. Judges nothing.
//! Invariant: a relative path starts at the directory of the file that holds it, and a command without `cwd` runs in
//! that of the first file.

mod channel;

use crate::config::findings::{Code, Finding};
use crate::config::nodes::document::{
    ArgvNode, BackupNode, CheckNode, ClassNode, CommandNode, Document, JobNode, ProbeNode, ProgramNode, RetentionNode,
    TargetNode, TextNode, WayNode,
};
use crate::config::rules::names::Needs;
use crate::config::rules::schedules::Schedules;
use crate::config::rules::validate::Place;
use crate::config::source::{SourceFile, SourceMap, Span, Spanned, paths};
use crate::model::check::{HttpProbe, Probe};
use crate::model::pattern::{Pattern, Selection};
use crate::model::{
    Backup, Budget, Check, Class, Command, Contents, JobName, Keep, KeepCopies, Matches, Model, Ops, Program,
    Retention, SecretSource, Strategy, Target, Value,
};
use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a check waits for an answer, when the file names no time.
pub(in crate::config) const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// What was found out about a document.
pub(in crate::config) struct Judged<'a> {
    pub(in crate::config) places: &'a [Place<'a>],
    pub(in crate::config) needs: &'a Needs,
    pub(in crate::config) schedules: &'a Schedules<'a>,
    pub(in crate::config) now: DateTime<Utc>,
}

/// What a job has to do with others, and when it runs.
#[derive(Default)]
pub(in crate::config) struct Links {
    needs: Vec<JobName>,
    schedule: Option<String>,
    longest_gap: Option<Duration>,
}

/// Only called without errors: whatever is missing here would have been reported, so nothing is.
pub(in crate::config) fn build(
    document: &Document,
    judged: &Judged<'_>,
    sources: &SourceMap,
    ops: Ops,
) -> Option<Model> {
    let builder = Builder {
        sources,
        root: sources.files().first()?.dir(),
    };
    let schedules = judged.schedules.of_jobs(document);
    let mut links = judged.needs.iter().zip(schedules).map(|(needs, (_, _, timed))| Links {
        needs: needs.iter().map(|name| name.value.clone()).collect(),
        schedule: timed.map(|timed| timed.schedule.name.clone()),
        longest_gap: timed.and_then(|timed| Some(timed.gaps(judged.now)?.1)),
    });
    let mut links = || links.next().unwrap_or_default();
    let channels = document.channels.iter().map(|node| builder.channel(node));
    let channels = channels.collect::<Option<Vec<_>>>()?;
    let checks = document.checks.iter().map(|node| builder.check(node, links()));
    let checks = checks.collect::<Option<Vec<_>>>()?;
    let targets = document.targets.iter().map(|node| builder.target(node, links()));
    let targets = targets.collect::<Option<Vec<_>>>()?;
    let backups = judged.places.iter().map(|place| backup(place, links()));
    let backups = backups.collect::<Option<Vec<_>>>()?;
    let retentions = document.retentions.iter().map(|node| retention(node, links()));
    let retentions = retentions.collect::<Option<Vec<_>>>()?;
    Some(Model {
        ops,
        schedules: judged
            .schedules
            .all()
            .iter()
            .map(|timed| timed.schedule.clone())
            .collect(),
        channels,
        checks,
        targets,
        backups,
        retentions,
    })
}

/// The directory of the file that a span lies in.
pub(in crate::config) fn dir(sources: &SourceMap, span: Span) -> &Path {
    sources.file_of(span).map_or(Path::new("/"), SourceFile::dir)
}

/// Programs that cannot be named, because the directory that they start at is no text.
pub(in crate::config) fn unnameable(document: &Document, sources: &SourceMap, findings: &mut Vec<Finding>) {
    let mut commands: Vec<&CommandNode> = document
        .targets
        .iter()
        .filter_map(|node| node.command.as_ref())
        .collect();
    let mut values: Vec<&TextNode> = Vec::new();
    for check in &document.checks {
        match &check.probe {
            Some(ProbeNode::Command(command)) => commands.push(command),
            Some(ProbeNode::Http(http)) => {
                values.push(&http.url);
                values.extend(http.headers.iter().map(|(_, value)| value));
            }
            _ => {}
        }
    }
    for channel in &document.channels {
        match &channel.way {
            Some(WayNode::Command(command)) => commands.push(command),
            _ => values.extend(channel.values()),
        }
    }
    values.extend(
        commands
            .iter()
            .flat_map(|command| command.env.iter().map(|(_, value)| value)),
    );
    let programs = commands.iter().filter_map(|command| match &command.program {
        ProgramNode::Argv(argv) => Some(argv),
        ProgramNode::Shell(_) => None,
    });
    let fetched = values.iter().filter_map(|value| match value {
        TextNode::Command(argv) => Some(argv),
        _ => None,
    });
    for argv in programs.chain(fetched) {
        let relative = argv
            .words
            .first()
            .is_some_and(|word| word.contains('/') && !word.starts_with('/'));
        if relative && dir(sources, argv.span).to_str().is_none() {
            findings.push(
                Finding::new(
                    Code::BadValue,
                    argv.span,
                    "the program starts at a directory whose name is not UTF-8",
                    "the directory of this file",
                )
                .help("write its path from `/` on, or give the directory a name in UTF-8"),
            );
        }
    }
}

struct Builder<'a> {
    sources: &'a SourceMap,
    /// Of the first file: where commands run unless they say otherwise.
    root: &'a Path,
}

impl Builder<'_> {
    fn path(&self, path: &Spanned<PathBuf>) -> PathBuf {
        paths::normal(&dir(self.sources, path.span).join(&path.value))
    }

    /// A program with a `/` starts at the directory of its file, like every path.
    fn argv(&self, node: &ArgvNode) -> Option<Vec<String>> {
        let (program, rest) = node.words.split_first()?;
        let program = if program.contains('/') {
            let path = paths::normal(&dir(self.sources, node.span).join(program));
            path.into_os_string().into_string().ok()?
        } else {
            program.clone()
        };
        Some(std::iter::once(program).chain(rest.iter().cloned()).collect())
    }

    fn value(&self, node: &TextNode) -> Option<Value> {
        Some(match node {
            TextNode::Plain(text) => Value::Plain(text.clone()),
            TextNode::Env(name) => Value::Secret(SecretSource::Env(name.value.clone())),
            TextNode::File(path) => Value::Secret(SecretSource::File(self.path(path))),
            TextNode::Command(argv) => Value::Secret(SecretSource::Command(self.argv(argv)?, self.root.to_path_buf())),
        })
    }

    fn values(&self, nodes: &[(String, TextNode)]) -> Option<Vec<(String, Value)>> {
        let values = nodes.iter().map(|(name, node)| Some((name.clone(), self.value(node)?)));
        values.collect()
    }

    fn command(&self, node: &CommandNode) -> Option<Command> {
        Some(Command {
            program: match &node.program {
                ProgramNode::Argv(argv) => Program::Argv(self.argv(argv)?),
                ProgramNode::Shell(line) => Program::Shell(line.clone()),
            },
            cwd: node
                .cwd
                .as_ref()
                .map_or_else(|| self.root.to_path_buf(), |path| self.path(path)),
            env: self.values(&node.env)?,
        })
    }

    fn target(&self, node: &TargetNode, links: Links) -> Option<Target> {
        Some(Target {
            name: node.job.name.as_ref()?.value.clone(),
            command: self.command(node.command.as_ref()?)?,
            needs: links.needs,
            timeout: timeout(&node.job),
            kill_after: node.kill_after,
            retry: node.retry.as_ref().map(|retry| retry.value),
            back_off: node.back_off,
            ok_codes: node.ok_codes.clone(),
            overlap: node.overlap,
            schedule: links.schedule,
            notify: notify(&node.job),
            paused: node.job.paused,
        })
    }

    fn check(&self, node: &CheckNode, links: Links) -> Option<Check> {
        Some(Check {
            name: node.job.name.as_ref()?.value.clone(),
            probe: self.probe(node.probe.as_ref()?)?,
            needs: links.needs,
            timeout: timeout(&node.job).unwrap_or(CHECK_TIMEOUT),
            kill_after: node.kill_after,
            worst: node.worst,
            fail_after: node.fail_after,
            recover_after: node.recover_after,
            silenced_by: silenced_by(node)?,
            schedule: links.schedule,
            notify: notify(&node.job),
            paused: node.job.paused,
        })
    }

    fn probe(&self, node: &ProbeNode) -> Option<Probe> {
        Some(match node {
            ProbeNode::FileAge { path, age } => Probe::FileAge {
                path: self.path(path),
                age: *age,
            },
            ProbeNode::DiskSpace { path, free } => Probe::DiskSpace {
                path: self.path(path),
                free: *free,
            },
            ProbeNode::Command(command) => Probe::Command(self.command(command)?),
            ProbeNode::Tcp { address, latency } => Probe::Tcp {
                address: address.clone(),
                latency: *latency,
            },
            ProbeNode::Http(http) => Probe::Http(Box::new(HttpProbe {
                url: self.value(&http.url)?,
                headers: self.values(&http.headers)?,
                status: http.status.clone(),
                latency: http.latency,
                json: http.json.clone(),
                ca_file: http.ca_file.as_ref().map(|path| self.path(path)),
            })),
            ProbeNode::TlsExpiry { address, left, ca_file } => Probe::TlsExpiry {
                address: address.clone(),
                left: *left,
                ca_file: ca_file.as_ref().map(|path| self.path(path)),
            },
            ProbeNode::Job { job, age, duration } => Probe::Job {
                job: job.value.parse().ok()?,
                age: *age,
                duration: *duration,
            },
        })
    }
}

/// How long a step of a job may take.
fn timeout(job: &JobNode) -> Option<Duration> {
    job.timeout.as_ref().map(|timeout| timeout.value)
}

fn notify(job: &JobNode) -> Option<Vec<String>> {
    let notify = job.notify.as_ref()?;
    Some(notify.channels.iter().map(|name| name.value.clone()).collect())
}

/// The name of the check that silences; `None` in the outer place cannot be without an error.
#[expect(clippy::option_option, reason = "not given and wrong are two things")]
fn silenced_by(node: &CheckNode) -> Option<Option<String>> {
    match &node.silenced_by {
        Some(name) => Some(Some(name.value.parse::<JobName>().ok()?.name)),
        None => Some(None),
    }
}

fn backup(place: &Place<'_>, links: Links) -> Option<Backup> {
    let node = place.node;
    Some(Backup {
        name: place.name.to_owned(),
        source: place.source.clone()?,
        select: selection(node),
        to: place.to.clone()?,
        strategy: node.level.map_or(Strategy::Copy, |level| Strategy::Archive { level }),
        contents: node.contents.as_ref().map_or(Contents::All, |contents| contents.value),
        keep: node.keep.as_ref().map(|keep| {
            let count = |name: &str| {
                keep.counts
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map_or(0, |(_, count)| count.value)
            };
            KeepCopies {
                last: count("last"),
                hourly: count("hourly"),
                daily: count("daily"),
                weekly: count("weekly"),
                monthly: count("monthly"),
                yearly: count("yearly"),
                within: keep.within.as_ref().map(|d| d.value),
                deleted: keep.deleted.as_ref().map(|d| d.value),
            }
        }),
        floor: node.floor.as_ref().map_or(1, |floor| floor.value),
        stall: node
            .stall
            .as_ref()
            .map(|stall| stall.value)
            .or(links.longest_gap.map(|gap| gap.saturating_mul(2))),
        cross_mounts: node.cross_mounts,
        needs: links.needs,
        timeout: timeout(&node.job),
        schedule: links.schedule,
        notify: notify(&node.job),
        paused: node.job.paused,
    })
}

/// What of its source a backup may store.
pub(in crate::config) fn selection(node: &BackupNode) -> Selection {
    let patterns = |list: &[Spanned<Pattern>]| list.iter().map(|p| p.value.clone()).collect();
    Selection {
        include: patterns(&node.include),
        exclude: patterns(&node.exclude),
    }
}

pub(in crate::config) fn retention(node: &RetentionNode, links: Links) -> Option<Retention> {
    let max_delete = node.max_delete.as_ref().map_or_else(Budget::default, |budget| Budget {
        files: budget.files,
        bytes: budget.bytes,
        share: budget.share,
    });
    Some(Retention {
        name: node.job.name.as_ref()?.value.clone(),
        backup: node.backup.as_ref()?.value.clone(),
        classes: node.classes.iter().map(class).collect::<Option<Vec<_>>>()?,
        exclude: node.exclude.iter().map(|p| p.value.clone()).collect(),
        max_delete,
        remove_empty_dirs: node.remove_empty_dirs,
        in_use: node.in_use,
        needs: links.needs,
        timeout: timeout(&node.job),
        schedule: links.schedule,
        notify: notify(&node.job),
        paused: node.job.paused,
    })
}

fn class(node: &ClassNode) -> Option<Class> {
    let keep: Keep = node.keep.as_ref()?.value;
    Some(Class {
        name: node.name.as_ref()?.value.clone(),
        matches: match &node.keyword {
            Some(word) => Matches::Keyword(word.value.clone()),
            None => Matches::Globs(node.globs.iter().map(|p| p.value.clone()).collect()),
        },
        keep,
        keep_newest: node.keep_newest,
    })
}
