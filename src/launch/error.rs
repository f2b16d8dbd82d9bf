//! Why a run, or a look at copies, could not be done at all. A failed step is an outcome, not an error.
//!
//! Each error has its exit code and what to try next.

use crate::archive::CopyError;
use crate::exec::action::is_no_room;
use crate::liveness::children::Orphan;
use crate::model::JobName;
use crate::plan::UnknownJob;
use crate::run::RecordError;
use crate::store::StoreError;
use crate::tree::TreeError;
use crate::tree::lock::LockError;
use crate::units::joined;

#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// `--only`, `--except` or `--over-budget` select nothing.
    #[error(transparent)]
    Job(#[from] UnknownJob),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// An event could not be recorded: the run ended there.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Something that was asked for does not exist.
    #[error("{message}")]
    Missing { message: String, help: String },
    /// What was asked for cannot be done so: the command line is wrong.
    #[error("{message}")]
    Usage { message: String, help: String },
    /// Not done, since the request leaves open what is meant.
    #[error("{message}")]
    Refused { message: String, help: String },
    /// The system allows too little.
    #[error("{0}")]
    Limit(String),
    /// An opsrun that was killed left a job of the request at work.
    #[error("{}", still_at_work(.0))]
    LeftRunning(Vec<Orphan>),
    #[error("stopped by signal {0}")]
    Signal(u8),
}

impl LaunchError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Job(_) | Self::Usage { .. } => 64,
            Self::Refused { .. } => 3,
            Self::Lock(LockError::Held { .. }) | Self::LeftRunning(_) => 75,
            Self::Store(e) => e.exit_code(),
            Self::Record(_) => 73,
            Self::Lock(LockError::Tree(e)) | Self::Tree(e) if e.errno().is_some_and(is_no_room) => 73,
            Self::Copy(e) if e.errno().is_some_and(is_no_room) => 73,
            Self::Missing { .. } | Self::Limit(_) | Self::Lock(_) | Self::Tree(_) | Self::Copy(_) => 1,
            Self::Signal(signal) => 128 + signal,
        }
    }

    pub fn help(&self) -> Option<String> {
        match self {
            Self::Job(e) => Some(jobs_instead(e)),
            Self::Lock(LockError::Held { .. }) => Some("wait for it to end, or use --lock-wait".to_owned()),
            Self::LeftRunning(left) => {
                let groups: Vec<String> = left.iter().map(|orphan| format!("-{}", orphan.group())).collect();
                let groups = groups.join(" ");
                Some(format!(
                    "wait for it to end, use --lock-wait, or end it: `kill -- {groups}`"
                ))
            }
            Self::Store(e) => e.help().map(str::to_owned),
            Self::Record(e) => {
                let store = e.source.downcast_ref().and_then(StoreError::help);
                let first = store.unwrap_or("make the state directory writable");
                Some(format!("{first}; the next run repairs what this one left"))
            }
            Self::Missing { help, .. } | Self::Usage { help, .. } | Self::Refused { help, .. } => Some(help.clone()),
            Self::Copy(e) => e.help().map(str::to_owned),
            Self::Limit(_) => Some("raise the limit; nothing was done".to_owned()),
            Self::Tree(_) | Self::Lock(_) | Self::Signal(_) => None,
        }
    }
}

fn still_at_work(left: &[Orphan]) -> String {
    let each = left.iter().map(|orphan| {
        let (job, processes) = (orphan.job(), orphan.processes());
        format!("{job} is still at work: {orphan} ({processes})")
    });
    each.collect::<Vec<String>>().join("; ")
}

/// What could have been meant by a pattern that names no job. An ops file may have thousands.
fn jobs_instead(unknown: &UnknownJob) -> String {
    const MAX_NAMED: usize = 20;
    let named = |job: &&JobName| job.name == unknown.pattern;
    let meant: Vec<&JobName> = unknown.jobs.iter().filter(named).collect();
    if !meant.is_empty() {
        return format!("a job is written with its kind: {}", joined(&meant));
    }
    let shown = unknown.jobs.get(..MAX_NAMED).unwrap_or(&unknown.jobs);
    match unknown.jobs.len() - shown.len() {
        0 if shown.is_empty() => "the ops file declares no job".to_owned(),
        0 => format!("the jobs are {}", joined(shown)),
        more => format!(
            "the jobs are {} and {more} more; `opsrun graph` lists them",
            joined(shown)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(pattern: &str, jobs: &[String]) -> String {
        let unknown = UnknownJob {
            flag: "--only",
            pattern: pattern.to_owned(),
            jobs: jobs.iter().map(|job| job.parse().unwrap()).collect(),
        };
        LaunchError::Job(unknown).help().unwrap()
    }

    #[test]
    fn a_name_without_its_kind_is_completed_and_a_long_list_is_cut() {
        let few = ["backup:data", "target:data", "target:other"].map(str::to_owned);
        assert_eq!(
            help("data", &few),
            "a job is written with its kind: backup:data, target:data"
        );
        assert_eq!(help("dta", &few), "the jobs are backup:data, target:data, target:other");
        assert_eq!(help("x", &[]), "the ops file declares no job");
        let many: Vec<String> = (0..1000).map(|n| format!("target:t{n}")).collect();
        let cut = help("x", &many);
        assert!(
            cut.ends_with("target:t19 and 980 more; `opsrun graph` lists them"),
            "{cut}"
        );
    }

    #[test]
    fn what_could_not_be_recorded_says_what_the_state_needs() {
        let full = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        let source = StoreError::Write("/state/opsrun.db".into(), full);
        let record = |source| {
            LaunchError::Record(RecordError {
                place: "/state/opsrun.db".to_owned(),
                source,
            })
        };
        assert_eq!(
            record(Box::new(source)).help().unwrap(),
            "make space on the file system that contains it; the next run repairs what this one left"
        );
        assert!(
            record("no".into())
                .help()
                .unwrap()
                .starts_with("make the state directory writable; ")
        );
    }
}
