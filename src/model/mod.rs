//! What a valid ops file means: the jobs and their settings, with every default filled in and every path
//! absolute. No spans, no KDL, no clock, no file system.
//!
//! Made by `config` (the only maker), read by `plan` and, through it, by everything else.
//! - [`job`]: kinds and names of jobs
//! - [`command`]: child processes and secrets · [`check`]: what is asked, and what the answers mean
//! - [`channel`]: where alerts go
//! - [`pattern`]: globs and what they select · [`keyword`]: words in paths
//! - [`retention`]: what may be deleted, as a pure decision with reasons
//! - [`schedule`]: when jobs are due · [`backoff`]: when a failing job is left alone
//!
//! Invariant: references are valid and have no cycle. A [`Retention::backup`] names a backup of the
//! same model; every job in a `needs` is there, and so is every schedule that a
//! job runs by, and every channel in a `notify`, or it is [`channel::LOG`].

pub mod address;
pub mod backoff;
pub mod channel;
pub mod check;
pub mod command;
pub mod job;
pub mod keyword;
pub mod pattern;
pub mod retention;
pub mod schedule;
pub mod state;
pub mod stdout_file;

use crate::time_zone::{RefusedFile, Zone, ZoneData, ZoneOrigin};
use backoff::BackOff;
use schedule::{Rhythm, Schedule};

pub use channel::Channel;
pub use check::Check;
pub use command::{Command, Program, Retry, SecretSource, Value};
pub use job::{JobKind, JobName, JobSettings, StepKind, StepName};
pub use stdout_file::StdoutFile;

use pattern::{Pattern, Selection};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Everything one root file and its imports declare; jobs and channels in file order.
#[derive(Debug, Clone)]
pub struct Model {
    pub ops: Ops,
    /// Declared schedules first, then the schedules of jobs, which are named after their jobs.
    pub schedules: Vec<Schedule>,
    /// In file order; [`channel::LOG`] exists besides.
    pub channels: Vec<Channel>,
    pub checks: Vec<Check>,
    pub targets: Vec<Target>,
    pub backups: Vec<Backup>,
    pub retentions: Vec<Retention>,
}

impl Model {
    pub fn backup(&self, name: &str) -> Option<&Backup> {
        self.backups.iter().find(|b| b.name == name)
    }

    /// Every job: by kind, and within a kind in file order.
    pub fn jobs(&self) -> impl Iterator<Item = Job<'_>> {
        let checks = self.checks.iter().map(Job::Check);
        let targets = self.targets.iter().map(Job::Target);
        let backups = self.backups.iter().map(Job::Backup);
        let retentions = self.retentions.iter().map(Job::Retention);
        checks.chain(targets).chain(backups).chain(retentions)
    }

    /// The values that jobs and channels hand to commands and servers, secrets among them.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let env = self.targets.iter().flat_map(|target| &target.command.env);
        let probes = self.checks.iter().flat_map(|check| check.probe.values());
        let jobs = env.map(|(_, value)| value).chain(probes);
        jobs.chain(self.channels.iter().flat_map(Channel::values))
    }

    pub fn schedule(&self, name: &str) -> Option<&Schedule> {
        self.schedules.iter().find(|schedule| schedule.name == name)
    }

    /// A time zone other than UTC decides something.
    pub fn names_zones(&self) -> bool {
        !self.zones().all(|zone| *zone == Zone::utc())
    }

    /// The same time zones, with the same clock changes, from the same data.
    pub fn has_zones_of(&self, other: &Self) -> bool {
        self.ops.zone_data == other.ops.zone_data && self.zones().eq(other.zones())
    }

    /// Zone files of the host that cannot be used, of zones in the file.
    pub fn refused_zone_files(&self) -> impl Iterator<Item = &RefusedFile> {
        self.zones().filter_map(|zone| match zone.origin() {
            ZoneOrigin::BuiltIn(refused) => refused.as_ref(),
            ZoneOrigin::Host => None,
        })
    }

    fn zones(&self) -> impl Iterator<Item = &Zone> {
        let of_schedules = self.schedules.iter().filter_map(|schedule| match &schedule.rhythm {
            Rhythm::Cron(clock) => Some(&clock.zone),
            Rhythm::Every(_) => None,
        });
        of_schedules.chain([&self.ops.timezone])
    }

    /// The channel of that name; [`channel::LOG`] is none of them.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// Every retention that deletes from the source of the backup of that name.
    pub fn retentions_of<'a>(&'a self, backup: &'a str) -> impl Iterator<Item = &'a Retention> {
        self.retentions.iter().filter(move |r| r.backup == backup)
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Job<'a> {
    Check(&'a Check),
    Target(&'a Target),
    Backup(&'a Backup),
    Retention(&'a Retention),
}

impl Job<'_> {
    pub fn name(&self) -> JobName {
        match self {
            Self::Check(job) => JobName::new(JobKind::Check, &job.name),
            Self::Target(job) => JobName::new(JobKind::Target, &job.name),
            Self::Backup(job) => JobName::new(JobKind::Backup, &job.name),
            Self::Retention(job) => JobName::new(JobKind::Retention, &job.name),
        }
    }

    /// Jobs that must have succeeded in the run before: what `needs` says, and for a retention its backup, first.
    pub fn needs(&self) -> Vec<JobName> {
        let mut needs = self.settings().needs.clone();
        if let Self::Retention(retention) = self {
            let backup = JobName::new(JobKind::Backup, &retention.backup);
            needs.retain(|needed| *needed != backup);
            needs.insert(0, backup);
        }
        needs
    }

    pub fn settings(&self) -> &JobSettings {
        match self {
            Self::Check(check) => &check.job,
            Self::Target(target) => &target.job,
            Self::Backup(backup) => &backup.job,
            Self::Retention(retention) => &retention.job,
        }
    }

    pub fn schedule(&self) -> Option<&str> {
        self.settings().schedule.as_deref()
    }

    /// Left out of every run.
    pub fn paused(&self) -> bool {
        self.settings().paused
    }
}

#[derive(Debug, Clone)]
pub struct Target {
    pub name: String,
    pub job: JobSettings,
    pub command: Command,
    /// The file that its standard output becomes.
    pub stdout: Option<StdoutFile>,
    pub timeout: Option<Duration>,
    pub kill_after: Duration,
    /// Whether and how a failed attempt is repeated.
    pub retry: Option<Retry>,
    /// How long it is left alone after runs that failed.
    pub back_off: Option<BackOff>,
    /// Exit codes that mean success. Not empty.
    pub ok_codes: Vec<u8>,
    /// What happens when it is due and still runs.
    pub overlap: Overlap,
}

/// What happens to a job that is due while it still runs from the time before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    #[default]
    Skip,
    /// It runs when the other has ended; further ones are left out.
    Queue,
    Replace,
    Allow,
}

#[derive(Debug, Clone)]
pub struct Ops {
    /// Names the whole: part of every copy's manifest and of the destination's marker.
    pub name: String,
    pub timezone: Zone,
    /// The data of all time zones in the file.
    pub zone_data: ZoneData,
    /// The files with these data; a later one may have others.
    pub zone_files: Vec<PathBuf>,
    /// The store, locks: absolute.
    pub state_dir: PathBuf,
    /// False when the place of the state follows from the file.
    pub state_given: bool,
    /// True when the command line names the place of the state, whatever the file says.
    pub state_named: bool,
    /// Steps at once, over all runs of a process; `None` is the number of cores, or a few more.
    pub concurrency: Option<u32>,
    /// How long the state keeps what happened in a run.
    pub history: Keep,
    /// The root file first, then what it imported, in order of reading; absolute.
    pub files: Vec<PathBuf>,
    /// SHA-256 of all files read, in hexadecimal: which text this model was made from.
    pub digest: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contents {
    All,
    /// Only what the retentions on this backup may delete now.
    Expired,
}

impl Contents {
    /// The word in ops files, manifests and plans.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Expired => "expired",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    Archive {
        /// gzip level, 1 to 12.
        level: u8,
    },
    Copy,
}

/// A `backup` job: what is copied, and where to.
#[derive(Debug, Clone)]
pub struct Backup {
    pub name: String,
    pub job: JobSettings,
    /// The directory copied from: absolute, lexically normal.
    pub source: PathBuf,
    pub select: Selection,
    /// The directory copied to: absolute, lexically normal.
    pub to: PathBuf,
    /// Refuse to run while `to` is on the root file system or on the mount of the source.
    pub require_mount: bool,
    pub strategy: Strategy,
    /// How much of the selection a run stores.
    pub contents: Contents,
    /// Which copies rotation may keep; declared and checked here, carried out by rotation.
    pub keep: Option<KeepCopies>,
    /// Complete copies that no rule removes.
    pub floor: u32,
    /// No prune when the newest complete copy is older. Without a setting: twice the longest time between two runs.
    pub stall: Option<Duration>,
    pub cross_mounts: bool,
    /// Longest time for the backup step and for its verify step, each.
    pub timeout: Option<Duration>,
}

/// Rotation rules: how many of which to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeepCopies {
    pub last: u32,
    pub hourly: u32,
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
    pub within: Option<Duration>,
    /// How long a deleted file's last copy stays after the deletion; `None` is forever.
    pub deleted: Option<Duration>,
}

/// A `retention` job: what may be deleted from a backup's source.
#[derive(Debug, Clone)]
pub struct Retention {
    pub name: String,
    pub job: JobSettings,
    /// The backup whose proof every deletion needs.
    pub backup: String,
    /// At least one, in file order.
    pub classes: Vec<Class>,
    /// Never touched, whatever a class says.
    pub exclude: Vec<Pattern>,
    pub max_delete: Budget,
    /// Remove directories that this run emptied.
    pub remove_empty_dirs: bool,
    /// What to do about a file that a writer may have open.
    pub in_use: InUse,
    /// Longest time for the cleanup step.
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone)]
pub struct Class {
    /// Unique within the retention.
    pub name: String,
    pub matches: Matches,
    pub keep: Keep,
    /// The newest so many stay whatever their age.
    pub keep_newest: u32,
}

#[derive(Debug, Clone)]
pub enum Matches {
    Globs(Vec<Pattern>),
    /// The relative path contains it, compared without ASCII case.
    Keyword(String),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    #[default]
    Forever,
    /// Expires when it is this old.
    For(Duration),
}

/// Upper bounds of one run's deletions; every one that is set must hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    pub files: Option<u64>,
    pub bytes: Option<u64>,
    /// Percent of the files that the retention's classes match.
    pub share: Option<u8>,
}

/// What to do about a file that a writer may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InUse {
    /// Keep it: a read lease must be had.
    Keep,
    Ignore,
}
