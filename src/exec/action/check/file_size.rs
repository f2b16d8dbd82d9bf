//! How large a file is, and whether it shrank against the last one.
//!
//! Takes a path or a pattern and limits, gives an outcome. The last one is the file as it was before it was last written, or
//! the newest before this one: it is remembered beside the history, so that pruning does not forget it. A file that was
//! written to within the last minute may not be complete: it is judged, and not remembered.
//! Invariant: the alarm about a file that shrank lasts as long as that file is the newest.

use super::answer::unless_stopped;
use super::file_system;
use crate::clock;
use crate::exec::action::outcome;
use crate::exec::recorder::Recorder;
use crate::model::check::SizeLimits;
use crate::path::shown;
use crate::run::{Outcome, RecordError, State};
use crate::signal::Stop;
use crate::tree::walk::is_our_name;
use crate::units::{show_count, show_size};
use chrono::{DateTime, Utc};
use globset::Glob;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file that was not written to for this long is complete.
const QUIET_NANOS: i128 = 60 * 1_000_000_000;

#[derive(Clone, Copy)]
pub struct FileSizeCheck<'a> {
    /// Of the check.
    pub name: &'a str,
    pub path: &'a Path,
    pub limits: SizeLimits,
}

/// What is remembered from one look to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SizeReading {
    /// Of this path or pattern: readings of another say nothing.
    path: String,
    /// The newest complete file.
    newest: Option<SeenFile>,
    /// The one before it.
    before: Option<SeenFile>,
}

/// One state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct SeenFile {
    /// Nanoseconds since the epoch.
    written: i64,
    size: u64,
}

/// What is at a path.
enum Found {
    File(PathBuf, SeenFile),
    NoFile(PathBuf),
    NoMatch,
}

pub async fn probe(
    asked: FileSizeCheck<'_>,
    timeout: Duration,
    memory: &dyn Recorder,
    stop: &Stop,
) -> Result<Outcome, RecordError> {
    let remembered = match asked.limits.shrunk {
        Some(_) => memory.reading_of(asked.name)?,
        None => None,
    };
    let mut reading = None;
    let found = unless_stopped(stop, async {
        match file_system::look(asked.path, timeout, find).await {
            Err(outcome) => outcome,
            Ok(Found::NoMatch) => {
                let pattern = shown(asked.path);
                outcome(State::Critical, format!("no file matches `{pattern}`"))
            }
            Ok(Found::NoFile(path)) => outcome(State::Unknown, format!("`{}` is not a file", shown(&path))),
            Ok(Found::File(path, file)) => {
                let before = SizeReading::read(remembered.as_deref(), asked.path);
                let last = before.last(file);
                reading = before.after(file, clock::now());
                judge(&path, file.size, last.map(|last| last.size), asked.limits)
            }
        }
    });
    let found = found.await;
    if let (Some(reading), Some(_)) = (reading, asked.limits.shrunk)
        && let Ok(json) = serde_json::to_string(&reading)
    {
        memory.remember_reading(asked.name, &json)?;
    }
    Ok(found)
}

/// The file of this name, or else the newest that the last component matches.
fn find(path: &Path) -> Result<Found, Errno> {
    let seen = |path: PathBuf, stat: &Stat| {
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Found::NoFile(path);
        }
        let written = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
        let file = SeenFile {
            written: i64::try_from(written).unwrap_or_default(),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
        };
        Found::File(path, file)
    };
    match (rustix::fs::stat(path), pattern(path)) {
        (Ok(stat), _) => return Ok(seen(path.to_owned(), &stat)),
        (Err(Errno::NOENT), Some(_)) => {}
        (Err(errno), _) => return Err(errno),
    }
    let (Some(directory), Some(pattern)) = (path.parent(), pattern(path)) else {
        return Ok(Found::NoMatch);
    };
    let Ok(matcher) = Glob::new(pattern).map(|glob| glob.compile_matcher()) else {
        return Ok(Found::NoMatch);
    };
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let mut newest: Option<(PathBuf, SeenFile)> = None;
    for entry in std::fs::read_dir(directory).map_err(errno)? {
        let entry = entry.map_err(errno)?;
        let name = entry.file_name();
        // A dump that is being written has no name of its own yet.
        if is_our_name(name.as_bytes()) || !matcher.is_match(Path::new(&name)) {
            continue;
        }
        // A file that is gone by now, and a broken link, are not among them.
        let Ok(stat) = rustix::fs::stat(entry.path()) else {
            continue;
        };
        if let Found::File(path, file) = seen(entry.path(), &stat)
            && newest.as_ref().is_none_or(|(_, newest)| newest.written < file.written)
        {
            newest = Some((path, file));
        }
    }
    Ok(newest.map_or(Found::NoMatch, |(path, file)| Found::File(path, file)))
}

/// The last component, if it is a pattern.
fn pattern(path: &Path) -> Option<&str> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    name.contains(['*', '?', '[']).then_some(name)
}

impl SizeReading {
    fn read(json: Option<&str>, path: &Path) -> Self {
        let path = path.to_string_lossy().into_owned();
        let known = json.and_then(|json| serde_json::from_str::<Self>(json).ok());
        known.filter(|known| known.path == path).unwrap_or_else(|| Self {
            path,
            ..Self::default()
        })
    }

    /// What a file is compared with.
    fn last(&self, file: SeenFile) -> Option<SeenFile> {
        if self.newest == Some(file) {
            self.before
        } else {
            self.newest
        }
    }

    /// What is remembered after a look; `None` when nothing changes.
    fn after(mut self, file: SeenFile, now: DateTime<Utc>) -> Option<Self> {
        let complete = clock::nanos(now) - i128::from(file.written) >= QUIET_NANOS;
        if self.newest == Some(file) || !complete {
            return None;
        }
        self.before = self.newest.replace(file);
        Some(self)
    }
}

fn judge(path: &Path, size: u64, last: Option<u64>, limits: SizeLimits) -> Outcome {
    let text = |bytes: u64| {
        let others = [limits.least, limits.most, last, Some(size)].into_iter().flatten();
        let near = others
            .filter(|other| *other != bytes)
            .any(|other| show_size(other) == show_size(bytes));
        if near {
            format!("{} B", show_count(bytes))
        } else {
            show_size(bytes)
        }
    };
    let mut summary = format!("`{}` has {}", shown(path), text(size));
    if let Some(last) = last.filter(|_| limits.shrunk.is_some()) {
        summary = format!("{summary}, the last one {}", text(last));
    }
    let smaller = |share: u8| {
        let left = 100_u64.saturating_sub(u64::from(share));
        last.is_some_and(|last| last > 0 && u128::from(size) * 100 <= u128::from(last) * u128::from(left))
    };
    let reached = if let Some(least) = limits.least.filter(|least| size < *least) {
        format!("critical below {}", text(least))
    } else if let Some(most) = limits.most.filter(|most| size > *most) {
        format!("critical above {}", text(most))
    } else if let Some(share) = limits.shrunk.filter(|share| smaller(*share)) {
        format!("critical when {share}% smaller")
    } else {
        return outcome(State::Ok, summary);
    };
    outcome(State::Critical, format!("{summary}, {reached}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(
        size: u64,
        last: Option<u64>,
        least: Option<u64>,
        most: Option<u64>,
        shrunk: Option<u8>,
    ) -> (State, String) {
        let outcome = judge(Path::new("/d/a"), size, last, SizeLimits { least, most, shrunk });
        (outcome.state, outcome.summary)
    }

    #[test]
    fn sizes_are_held_against_the_limits() {
        let of = |size| judged(size, None, Some(1 << 10), Some(1 << 20), None);
        assert_eq!(of(1 << 10), (State::Ok, "`/d/a` has 1.0 KiB".to_owned()));
        assert_eq!(
            of(1023),
            (State::Critical, "`/d/a` has 1023 B, critical below 1.0 KiB".to_owned())
        );
        assert_eq!(of(1 << 20).0, State::Ok);
        let (state, text) = of((1 << 20) + 1);
        assert_eq!(state, State::Critical);
        assert_eq!(text, "`/d/a` has 1,048,577 B, critical above 1,048,576 B");
        assert_eq!(of(0).0, State::Critical);
    }

    #[test]
    fn a_file_that_shrank_is_critical_from_the_share_on() {
        let of = |size, last| judged(size, last, None, None, Some(50));
        assert_eq!(
            of(500, Some(1000)),
            (
                State::Critical,
                "`/d/a` has 500 B, the last one 1000 B, critical when 50% smaller".to_owned()
            )
        );
        assert_eq!(
            of(501, Some(1000)),
            (State::Ok, "`/d/a` has 501 B, the last one 1000 B".to_owned())
        );
        assert_eq!(of(0, Some(0)).0, State::Ok);
        assert_eq!(of(0, None), (State::Ok, "`/d/a` has 0 B".to_owned()));
        assert_eq!(judged(0, Some(1), None, None, Some(100)).0, State::Critical);
        assert_eq!(judged(u64::MAX, Some(u64::MAX), None, None, Some(1)).0, State::Ok);
    }

    #[test]
    fn the_last_one_is_the_complete_file_before_this_one() {
        let seen = |minute: i64, size| SeenFile {
            written: minute * 60_000_000_000,
            size,
        };
        let at = |minute: i64| DateTime::from_timestamp(minute * 60, 0).unwrap();
        let start = SizeReading::read(None, Path::new("/d/a"));
        assert_eq!(start.last(seen(0, 100)), None);
        let first = start.after(seen(0, 100), at(5)).unwrap();
        // Unchanged: nothing to remember, and nothing before it.
        assert_eq!(first.clone().after(seen(0, 100), at(9)), None);
        assert_eq!(first.last(seen(0, 100)), None);
        // Being written: judged against the complete one, and not remembered.
        assert_eq!(first.last(seen(10, 30)), Some(seen(0, 100)));
        assert_eq!(first.clone().after(seen(10, 30), at(10)), None);
        // Complete: the one before stays what it is compared with.
        let second = first.after(seen(10, 40), at(11)).unwrap();
        assert_eq!(second.last(seen(10, 40)), Some(seen(0, 100)));
        let third = second.after(seen(20, 41), at(21)).unwrap();
        assert_eq!(third.last(seen(20, 41)), Some(seen(10, 40)));
        // Of another path nothing is known.
        let json = serde_json::to_string(&third).unwrap();
        assert_eq!(SizeReading::read(Some(&json), Path::new("/d/a")), third);
        assert_eq!(SizeReading::read(Some(&json), Path::new("/d/b")).newest, None);
        assert_eq!(SizeReading::read(Some("{"), Path::new("/d/a")).newest, None);
    }

    #[test]
    fn the_newest_file_of_a_pattern_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, minutes: u64| {
            let path = dir.path().join(name);
            std::fs::write(&path, name).unwrap();
            let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(minutes * 60);
            std::fs::File::open(&path).unwrap().set_modified(time).unwrap();
        };
        let found = |name: &str| match find(&dir.path().join(name)) {
            Ok(Found::File(path, _)) => Some(path.file_name().unwrap().to_str().unwrap().to_owned()),
            Ok(Found::NoFile(_) | Found::NoMatch) | Err(_) => None,
        };
        file("a-1.sql", 1);
        file("a-2.sql", 3);
        file("a-3.sql", 2);
        file("b.sql", 9);
        std::fs::create_dir(dir.path().join("a-4.sql")).unwrap();
        assert_eq!(found("a-*.sql").as_deref(), Some("a-2.sql"));
        assert_eq!(found("c-*").as_deref(), None);
        // A dump that is being written is not the newest one.
        let unfinished = ".opsrun-01ARZ3NDEKTSV4RRFFQ69G5FAV-stdout.part";
        file(unfinished, 10);
        assert_eq!(found("*").as_deref(), Some("b.sql"));
        // What exists is no pattern.
        file("a-[3].sql", 1);
        assert_eq!(found("a-[3].sql").as_deref(), Some("a-[3].sql"));
        assert!(matches!(find(&dir.path().join("a-4.sql")), Ok(Found::NoFile(_))));
        assert!(matches!(find(&dir.path().join("none")), Err(Errno::NOENT)));
    }
}
