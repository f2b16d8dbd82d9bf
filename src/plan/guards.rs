//! The guards: what makes apply refuse a step before anything happens.
//!
//! Takes facts and the request, gives refusals that each name their override or the fix. Pure.
//! Invariant: a guard never widens anything; the worst that a wrong guard can do is to do nothing.

use super::facts::{BackupFacts, DestinationState, PlanFacts, Scan, SizeRecord, WriterStanding};
use super::select::RunRequest;
use crate::model::retention::Verdict;
use crate::model::{Backup, Contents, JobKind, JobName, Model, Retention};
use crate::path::{Shown, shown};
use crate::units::{joined, plural, show_count, show_size, total};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// The clock is not where the last copy left it.
    Clock,
    /// Something in the source could not be listed.
    Listing,
    /// The source is empty, or lost over half of its files or bytes.
    Shrink,
    /// The destination is not the one that is known.
    Destination,
    /// The destination is not on a mount of its own.
    Mount,
    /// The destination cannot be used at all.
    Unwritable,
    /// What is written to the destination may not survive a power cut.
    Durability,
    /// Source, destination and state lie in one another.
    Overlap,
    /// More would be deleted than the retention allows in one run.
    Budget,
    /// The source cannot be listed at all.
    Source,
}

/// What to do about a source that is empty or shrank.
pub const SHRINK_HELP: &str = "look what became of the missing files; if it is as it should be: --accept-shrink";

/// Fewer lost bytes than this do not count: a lock file or a small state is rewritten at any time.
const MIN_LOST_BYTES: u64 = 4096;

/// A guard that says no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Refusal {
    /// Which guard: `clock`, `listing`, `shrink`, `destination`, `mount`, `unwritable`, `durability`,
    /// `overlap`, `budget`, `source`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub guard: Guard,
    /// What is wrong.
    pub message: String,
    /// What to do about it: the flag that overrides it, or what to fix.
    pub help: String,
}

fn refusal(guard: Guard, message: String, help: impl Into<String>) -> Refusal {
    let help = help.into();
    Refusal { guard, message, help }
}

/// What keeps a backup from being made: its copy would be wrong, or go to a wrong place. What speaks against deletions
/// alone is not among it: a night without a copy is worse than a night without a cleanup.
pub(super) fn of_backup(facts: &PlanFacts, request: &RunRequest, backup: &Backup, found: &BackupFacts) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    match &found.source {
        Err(unlisted) => refusals.push(refusal(
            Guard::Source,
            format!(
                "the source `{}` cannot be listed: {}",
                shown(&backup.source),
                unlisted.why
            ),
            unlisted.help,
        )),
        Ok(scan) => {
            for (path, what) in &scan.overlaps {
                refusals.push(refusal(
                    Guard::Overlap,
                    format!("the {what} lies in the source, at `{path}`"),
                    format!("move the {what} out of the source, or exclude it from the backup"),
                ));
            }
        }
    }
    refusals.extend(of_clock(facts, request, found));
    refusals.extend(of_destination(request, backup, found));
    refusals
}

/// What keeps a cleanup from being done, beside the budget and what keeps its backup from being made.
pub(super) fn of_cleanup(
    backup: &Backup,
    found: &BackupFacts,
    suspect: Option<&str>,
    candidates: bool,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if let Ok(scan) = &found.source {
        refusals.extend(of_listing(scan));
    }
    refusals.extend(found.unclear.as_ref().filter(|_| candidates).map(|why| {
        let help = "make that source readable, or correct `source` in the ops file";
        refusal(Guard::Listing, why.clone(), help)
    }));
    if candidates
        && found
            .destination
            .abilities
            .is_some_and(|abilities| !abilities.durable())
    {
        refusals.push(refusal(
            Guard::Durability,
            not_durable(&shown(&backup.to).to_string()),
            DURABLE_HELP,
        ));
    }
    if let Some(why) = suspect.filter(|_| candidates || backup.contents == Contents::All) {
        refusals.push(refusal(
            Guard::Shrink,
            format!("the copy is suspect, so nothing is deleted: {why}"),
            SHRINK_HELP,
        ));
    }
    refusals
}

/// What to do about a destination that is not on a mount of its own.
pub const MOUNT_HELP: &str = "mount it; the directory must not be on the mount of `/` or of the source";

/// Why a copy proves no deletion where the file system does not offer fsync.
pub fn not_durable(to: &str) -> String {
    format!("the file system of `{to}` does not offer fsync: a power cut may lose a copy there, so nothing is deleted")
}

/// What to do about [`not_durable`].
pub const DURABLE_HELP: &str =
    "copies are made all the same; to delete because of them, write them to another file system";

fn of_listing(scan: &Scan) -> Option<Refusal> {
    let problem = scan.problems.first()?;
    let (place, why) = (problem.place(), &problem.why);
    let more = match scan.problems.len() - 1 {
        0 => String::new(),
        n => format!(" (and {} more)", show_count(n as u64)),
    };
    Some(refusal(
        Guard::Listing,
        format!("{place} cannot be listed: {why}{more}; its files could have been deleted, or not"),
        "make it readable, or exclude it from the backup",
    ))
}

fn of_clock(facts: &PlanFacts, request: &RunRequest, found: &BackupFacts) -> Option<Refusal> {
    if request.accept_clock {
        return None;
    }
    let newest = found.destination.copies.iter().max_by_key(|copy| copy.at)?;
    let shown = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC");
    let (now, then, name) = (shown(facts.clock), shown(newest.at), &newest.name);
    let message = if facts.clock < newest.at {
        format!("the clock says {now}, but copy `{name}` was made at {then}")
    } else if facts.clock - newest.at > TimeDelta::days(30) {
        format!("the clock says {now}, over 30 days after the newest copy `{name}` ({then})")
    } else {
        return None;
    };
    Some(refusal(
        Guard::Clock,
        format!("{message}: a wrong clock makes files look old"),
        "check the clock; if it is right: --accept-clock",
    ))
}

fn of_destination(request: &RunRequest, backup: &Backup, found: &BackupFacts) -> Option<Refusal> {
    let path = shown(&backup.to);
    if found.destination.unmounted {
        return Some(refusal(
            Guard::Mount,
            format!("no disk is mounted at the destination `{path}`, and `require-mount` asks for one"),
            MOUNT_HELP,
        ));
    }
    let mount = "mount it; if this is the new destination: --accept-destination";
    let (message, help) = match &found.destination.state {
        DestinationState::Unusable(why) => {
            return Some(refusal(
                Guard::Unwritable,
                format!("the destination `{path}` cannot be used: {why}"),
                "make it a writable directory, or correct `to` in the ops file",
            ));
        }
        DestinationState::Missing if found.destination.known => (
            format!("the destination `{path}` is gone, though copies were made there: is its disk mounted?"),
            mount,
        ),
        DestinationState::Unmarked if found.destination.known => (
            format!(
                "the destination `{path}` lacks its marker `.opsrun-destination`, though copies were made there: is its disk mounted?"
            ),
            mount,
        ),
        DestinationState::Marked { expected: false, .. } => (
            format!("the destination `{path}` has another marker than the one that is known: is it the right disk?"),
            mount,
        ),
        DestinationState::Marked {
            standing: WriterStanding::Listed,
            ..
        } => return None,
        DestinationState::Marked { ops, .. } if *ops != found.destination.ops => (
            format!("the destination `{path}` belongs to the ops `{ops}`"),
            "name a directory of its own in `to`; to add copies of this one as well: --accept-destination",
        ),
        DestinationState::Marked {
            standing: WriterStanding::Other(hosts),
            ..
        } => (
            format!(
                "the destination `{path}` contains copies of {}, and this machine is not in its list of writers",
                other_hosts(hosts)
            ),
            "name a directory of its own in `to`; to add this machine to the list: --accept-destination",
        ),
        _ => return None,
    };
    (!request.accept_destination).then(|| refusal(Guard::Destination, message, help))
}

/// The hosts of other writers. A container, or a machine without an id, may have been this host before.
fn other_hosts(hosts: &[String]) -> String {
    const MAX_NAMED: usize = 5;
    let named: Vec<String> = hosts
        .iter()
        .take(MAX_NAMED)
        .map(|host| format!("`{}`", Shown(host.as_bytes())))
        .collect();
    let more = hosts.len().saturating_sub(MAX_NAMED);
    match (hosts.len(), more) {
        (0 | 1, _) => format!("host {}", named.concat()),
        (_, 0) => format!("hosts {}", named.join(", ")),
        (_, more) => format!("hosts {} and {more} more", named.join(", ")),
    }
}

/// Why the copy of a source is not trusted to represent it.
pub(super) struct ShrunkSource {
    pub(super) why: String,
    /// It has nothing that could be stored.
    pub(super) empty: bool,
}

/// A source that is empty, or that has under half of the files or bytes of the newest copy that is trusted; an
/// incomplete one too, since it counts what was listed, not what could be read. What cleanups in the same source, or
/// below it, deleted since is not lost. Cleanups in a source above are not counted: how many of them lay here is not
/// known.
pub(super) fn shrink(facts: &PlanFacts, model: &Model, backup: &Backup) -> Option<ShrunkSource> {
    let found = facts.backups.get(&backup.name)?;
    let scan = found.source.as_ref().ok()?;
    let place = shown(&backup.source);
    let now = scan.selected;
    let empty = is_empty(backup, scan);
    let shrunk = |why| Some(ShrunkSource { why, empty });
    let Some(last) = found.destination.copies.iter().find(|copy| copy.suspect.is_none()) else {
        let why = || {
            format!(
                "`{place}` is empty{}, and no copy says that it was before",
                why_empty(scan)
            )
        };
        return empty.then(why).and_then(shrunk);
    };
    let related = |other: &&Backup| other.source.starts_with(&backup.source);
    let deletions = model
        .backups
        .iter()
        .filter(related)
        .filter_map(|other| facts.backups.get(&other.name))
        .flat_map(|other| &other.destination.copies)
        .flat_map(|copy| copy.deleted_at.range(last.at..));
    let deleted = total(deletions.map(|(_, n)| *n));
    let (files_now, files_then, bytes_then) = match last.source {
        // Excluded directories were listed too. Where there are such, the numbers cannot be compared.
        SizeRecord::Listed { .. } if scan.unopened > 0 && scan.files() > 0 => return None,
        SizeRecord::Listed { files } => (scan.files(), files, None),
        SizeRecord::Selected(size) => (now.files, size.files, Some(size.bytes)),
    };
    let files_then = files_then.saturating_sub(deleted);
    if files_now < files_then.div_ceil(2) {
        return shrunk(format!(
            "`{place}` contains {}{}, but {} were left there after copy `{}`",
            plural(files_now, "file", "files"),
            why_empty(scan),
            show_count(files_then),
            last.name
        ));
    }
    let bytes_then = bytes_then?.saturating_sub(found.deleted_bytes);
    let lost = bytes_then.saturating_sub(now.bytes);
    let halved = now.bytes < bytes_then.div_ceil(2) && (lost >= MIN_LOST_BYTES || now.bytes == 0);
    halved.then_some(()).and_then(|()| {
        shrunk(format!(
            "`{place}` contains {} in {}, but {} were left there after copy `{}`",
            show_size(now.bytes),
            plural(files_now, "file", "files"),
            show_size(bytes_then),
            last.name
        ))
    })
}

/// True when the listing has nothing that a copy could ever hold. Where copies hold only what has expired, patterns may
/// select nothing for a while; a listing without any file is an unmounted disk. Directories that were not opened are not on
/// an unmounted disk.
pub(super) fn is_empty(backup: &Backup, scan: &Scan) -> bool {
    match backup.contents {
        Contents::All => scan.selected.files == 0,
        Contents::Expired => {
            // Directories that no pattern leads into were not opened.
            let all_listed = backup.select.include.is_empty() && backup.select.exclude.is_empty();
            scan.files() == 0 && (all_listed || scan.entries.is_empty())
        }
    }
}

/// What there is in a source from which nothing can be stored, in parentheses; nothing where something can be.
fn why_empty(scan: &Scan) -> String {
    if scan.selected.files > 0 {
        return String::new();
    }
    let mut parts = Vec::new();
    if scan.unselected > 0 {
        parts.push(plural(
            scan.unselected,
            "entry is not selected",
            "entries are not selected",
        ));
    }
    if !scan.left_out.is_empty() {
        parts.push(format!("left out: {}", joined(&scan.left_out.parts())));
    }
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join("; "))
    }
}

pub(super) fn of_budget(
    request: &RunRequest,
    retention: &Retention,
    verdicts: &[Verdict],
    (files, bytes): (u64, u64),
) -> Option<Refusal> {
    let job = JobName::new(JobKind::Retention, &retention.name);
    if request.over_budget.contains(&job) {
        return None;
    }
    let budget = retention.max_delete;
    let matched = verdicts.iter().filter(|v| v.class().is_some()).count() as u64;
    let mut over = Vec::new();
    if let Some(most) = budget.files.filter(|most| files > *most) {
        let files = plural(files, "file", "files");
        over.push(format!("{files} (at most {})", show_count(most)));
    }
    if let Some(most) = budget.bytes.filter(|most| bytes > *most) {
        over.push(format!("{} (at most {})", show_size(bytes), show_size(most)));
    }
    if let Some(most) = budget.share.filter(|most| files * 100 > matched * u64::from(*most)) {
        let percent = files * 100 / matched.max(1);
        over.push(format!("{files} of {matched} files, {percent}% (at most {most}%)"));
    }
    let over = over.join(", ");
    (!over.is_empty()).then(|| {
        refusal(
            Guard::Budget,
            format!("{job} would delete more than `max-delete` allows in one run: {over}"),
            format!("look at `opsrun plan --files`; if it is as it should be, once: --over-budget {job}"),
        )
    })
}
