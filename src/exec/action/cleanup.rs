//! Delete what the proof covers, and only that.
//!
//! Takes the candidates of the plan and the [`Proof`] that the verify step of this run left; for each candidate
//! there must be evidence in a proven copy for exactly the state that was listed. Works in batches: the index
//! of the quarantine is durable, then the intent in the store, then files go, one by one.
//! Invariant: a file whose state is not, at that moment, the one whose content the proven copy holds stays.

use super::{Context, Ended, Proof, Settled, failure, outcome, source_failure, tree_failure};
use crate::archive::{self, Deletion, Evidence, FileEntry, VerifiedCopy};
use crate::entry::{Entry, Identity};
use crate::error_chain::error_chain;
use crate::exec::{Deadline, locked};
use crate::kept::KeepReason;
use crate::model::InUse;
use crate::path::RelPath;
use crate::plan::{Candidate, CleanupStep, Cover};
use crate::run::{Event, Outcome, State};
use crate::tree::quarantine::{Expected, Quarantine, Removal, remove_empty_dir};
use crate::tree::{Dir, Opener};
use crate::units::{plural, show_size};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

/// Files whose removal is announced together.
const BATCH: usize = 1000;

/// Paths named in an outcome; the rest are counted.
const NAMED: usize = 20;

pub fn run(context: &Context<'_>, step: &CleanupStep) -> Ended {
    let proof = locked(context.slots).proofs.get(&step.verify.step()).cloned();
    match proof {
        Some(proof) => with_proof(context, step, &proof),
        None => Ok(outcome(State::Failed, "there is no proof of a copy in this run")),
    }
}

fn with_proof(context: &Context<'_>, step: &CleanupStep, proof: &Proof) -> Ended {
    if step.candidates.is_empty() {
        let shortfall = step.kept.iter().filter(|(_, reason)| reason.is_shortfall()).count() as u64;
        return Ok(if shortfall == 0 {
            outcome(State::Nothing, "nothing has expired")
        } else {
            let mut work = Work::default();
            work.keep_planned(step);
            work.outcome(None)
        });
    }
    let copies: Vec<&VerifiedCopy> = proof.this_run.iter().chain(&proof.older).collect();
    let backup = &step.retention.backup;
    let open = {
        let world = locked(context.world);
        let destination = world.destinations.get(backup).map(Dir::try_clone);
        world.sources.get(backup).map(Dir::try_clone).zip(destination)
    };
    let Some((source, destination)) = open else {
        return Ok(outcome(State::Failed, "the source or the destination is not open"));
    };
    let source = source.map_err(|e| source_failure(&e))?;
    let destination = destination.map_err(|e| tree_failure(&e))?;
    for copy in &copies {
        // What cannot be continued must be known before anything goes.
        archive::receipt::read(&destination, copy.name()).map_err(|e| Outcome {
            help: Some(format!(
                "move `{}` out of the destination: every entry of the copy counts as deleted then",
                copy.name().receipt()
            )),
            ..outcome(State::Failed, error_chain(&e))
        })?;
    }

    for dir in [&source, &destination] {
        // Before anything is made in it: what would be left there no later run would find.
        if !dir.in_place() {
            return Ok(elsewhere(dir));
        }
    }
    let deadline = Deadline::new(&context.how.stop, step.retention.timeout);
    let mut quarantine = Quarantine::open(&source, &context.how.run, step.cross_mounts).map_err(|e| Outcome {
        help: Some(format!(
            "the user that runs opsrun must be able to make `.opsrun-quarantine` in `{}`",
            step.source.display()
        )),
        ..source_failure(&e)
    })?;
    let mut work = Work::default();
    work.keep_planned(step);
    context.progress.begin(
        context.step.id,
        &context.step.name.to_string(),
        step.candidates.len() as u64,
        step.bytes,
    );
    let result = batches(
        context,
        step,
        proof,
        &copies,
        &source,
        &destination,
        &mut quarantine,
        &deadline,
        &mut work,
    );
    context.progress.end(context.step.id);

    // Whatever happened above, what is gone must be in the receipts before the index goes.
    let closing = close(context, &copies, &destination, quarantine, &work);
    // While an index is left, the directories that it speaks of stay.
    if step.retention.remove_empty_dirs && closing.is_none() {
        work.dirs = remove_emptied(&source, step, &work);
    }
    let problem = match result {
        Err(Settled::Record(error)) => return Err(Settled::Record(error)),
        Err(Settled::Outcome(outcome)) => Some(outcome),
        Ok(()) if !work.cut_short => None,
        Ok(()) => deadline
            .signal()
            .map(super::interrupted)
            .or_else(|| Some(outcome(State::Failed, "the step's timeout was reached"))),
    };
    Ok(work.outcome(problem.or(closing)))
}

/// One candidate with the evidence for it.
struct Item<'a> {
    entry: &'a Entry,
    evidence: Evidence,
    copy: usize,
}

#[expect(clippy::too_many_arguments, reason = "the parts of one step, each used once")]
fn batches(
    context: &Context<'_>,
    step: &CleanupStep,
    proof: &Proof,
    copies: &[&VerifiedCopy],
    source: &Dir,
    destination: &Dir,
    quarantine: &mut Quarantine<'_>,
    deadline: &Deadline<'_>,
    work: &mut Work,
) -> Result<(), Settled> {
    let Some(scan) = step.scan.as_deref() else {
        return Err(outcome(State::Failed, "the source was not listed").into());
    };
    let mut cursors: Vec<Cursor<'_>> = copies.iter().map(|copy| Cursor::new(copy)).collect();
    let offset = usize::from(proof.this_run.is_some());
    let mut opener = Opener::new(source, step.cross_mounts);
    let mut refreshed: HashMap<(u64, u64), (Identity, Identity)> = HashMap::new();

    for (number, chunk) in step.candidates.chunks(BATCH).enumerate() {
        if deadline.reached() {
            work.cut_short = true;
            return Ok(());
        }
        let kept_before = work.kept.clone();
        let mut items: Vec<Item<'_>> = Vec::with_capacity(chunk.len());
        for Candidate { entry, cover, .. } in chunk {
            let Some(entry) = scan.entries.get(*entry) else {
                continue;
            };
            let copy = match cover {
                // Nothing came of this run's copy: what it should have held was gone or could not be read.
                Cover::ThisRun if offset == 0 => {
                    let there = opener.dir(&entry.path).and_then(|dir| dir.has(entry.path.name()));
                    let gone = matches!(there, Ok(false));
                    work.keep(
                        &entry.path,
                        if gone {
                            KeepReason::Vanished
                        } else {
                            KeepReason::Unreadable
                        },
                    );
                    continue;
                }
                Cover::ThisRun => 0,
                Cover::Older(at) => offset + at,
            };
            let row = match cursors.get_mut(copy).map(|cursor| cursor.find(&entry.path)) {
                Some(Ok(row)) => row,
                Some(Err(error)) => return Err(failure(&error, deadline).into()),
                None => None,
            };
            match judge(row.as_ref(), entry, copies.get(copy).copied(), &mut opener) {
                Ok(evidence) => items.push(Item { entry, evidence, copy }),
                Err(reason) => work.keep(&entry.path, reason),
            }
        }
        if items.is_empty() {
            continue;
        }
        for dir in [source, destination] {
            if !dir.in_place() {
                return Err(elsewhere(dir).into());
            }
        }
        let used: BTreeSet<usize> = items.iter().map(|item| item.copy).collect();
        for (at, copy) in used.iter().filter_map(|at| Some((*at, copies.get(*at)?))) {
            let relied = items.iter().filter(|item| item.copy == at);
            let relied: Vec<&RelPath> = relied.map(|item| &item.entry.path).collect();
            copy.still_there(&relied).map_err(|e| failure(&e, deadline))?;
        }
        let names: Vec<String> = copies.iter().map(|copy| copy.name().to_string()).collect();
        let name_of = |copy: usize| names.get(copy).map_or("", String::as_str);
        let first = quarantine
            .announce(
                items
                    .iter()
                    .map(|item| (&item.entry.path, item.evidence.sha256, name_of(item.copy))),
            )
            .map_err(|e| source_failure(&e))?;
        let shown = |item: Option<&Item<'_>>| item.map(|i| i.entry.path.to_string()).unwrap_or_default();
        context.record(&Event::DeleteIntended {
            step: context.step.name.clone(),
            batch: number as u64,
            copies: used.iter().map(|at| name_of(*at).to_owned()).collect(),
            files: items.len() as u64,
            bytes: items.iter().map(|i| i.entry.identity.size).sum(),
            first: shown(items.first()),
            last: shown(items.last()),
        })?;

        let (files, bytes) = (work.files, work.bytes);
        let mut lost = None;
        for (n, item) in (first..).zip(&items) {
            if deadline.reached() {
                work.cut_short = true;
                break;
            }
            // Right before it goes, not once for many: hashing what is large takes its time.
            if let Some(error) = copies
                .get(item.copy)
                .and_then(|c| c.still_there(&[&item.entry.path]).err())
            {
                lost = Some(failure(&error, deadline));
                break;
            }
            let id = (item.entry.identity.dev, item.entry.identity.ino);
            let lease = step.retention.in_use == InUse::Keep;
            let identity = match refreshed.get(&id) {
                Some((before, now)) if *before == item.evidence.identity => *now,
                _ => item.evidence.identity,
            };
            let expected = Expected {
                path: &item.entry.path,
                identity,
                sha256: item.evidence.sha256,
                lease,
            };
            match quarantine.remove(n, &expected) {
                Removal::Gone(after) => {
                    if let Some(now) = after {
                        refreshed.insert(id, (item.evidence.identity, now));
                    }
                    work.gone(item);
                }
                Removal::Kept(reason) => work.keep(&item.entry.path, reason),
                Removal::Stuck(error) => work
                    .stuck
                    .push(format!("`{}`: {}", item.entry.path, error_chain(&error))),
            }
            context.progress.advance(context.step.id, 1, item.entry.identity.size);
        }
        quarantine.sync().map_err(|e| source_failure(&e))?;
        let kept = work
            .kept
            .iter()
            .map(|(reason, n)| (*reason, n - kept_before.get(reason).copied().unwrap_or(0)))
            .filter(|(_, n)| *n > 0)
            .collect();
        context.record(&Event::Deleted {
            step: context.step.name.clone(),
            batch: number as u64,
            files: work.files - files,
            bytes: work.bytes - bytes,
            kept,
        })?;
        if let Some(outcome) = lost {
            return Err(outcome.into());
        }
    }
    Ok(())
}

/// A source or destination whose path leads somewhere else by now.
fn elsewhere(dir: &Dir) -> Outcome {
    Outcome {
        help: Some("something moved or mounted it during the run: look what did, and run again".to_owned()),
        ..outcome(
            State::Failed,
            format!("`{}` is another directory now", crate::path::shown(dir.path())),
        )
    }
}

/// Whether a row of a proven copy is evidence for exactly the listed state of a file.
fn judge(
    row: Option<&FileEntry>,
    entry: &Entry,
    copy: Option<&VerifiedCopy>,
    opener: &mut Opener<'_>,
) -> Result<Evidence, KeepReason> {
    let Some(row) = row else {
        let unread = copy.is_some_and(|c| {
            c.manifest()
                .incomplete
                .iter()
                .any(|i| i.path.as_ref() == Some(&entry.path))
        });
        let there = opener
            .dir(&entry.path)
            .and_then(|dir| dir.has(entry.path.name()))
            .unwrap_or(false);
        return Err(match (unread, there) {
            (true, _) => KeepReason::Unreadable,
            (false, true) => KeepReason::NotCovered,
            (false, false) => KeepReason::Vanished,
        });
    };
    if row.is_torn() {
        return Err(KeepReason::Torn);
    }
    if row.is_fresh() {
        return Err(KeepReason::TooFresh);
    }
    let evidence = row.evidence().ok_or(KeepReason::NotCovered)?;
    // The decision to delete was made about the listed state, not about what came after.
    if evidence.identity == entry.identity {
        Ok(evidence)
    } else {
        Err(KeepReason::Changed)
    }
}

/// Rows of a copy, looked up in path order.
struct Cursor<'a> {
    rows: Box<dyn Iterator<Item = Result<FileEntry, archive::CopyError>> + 'a>,
    next: Option<FileEntry>,
}

impl<'a> Cursor<'a> {
    fn new(copy: &'a VerifiedCopy) -> Self {
        Self {
            rows: Box::new(copy.rows()),
            next: None,
        }
    }

    fn find(&mut self, path: &RelPath) -> Result<Option<FileEntry>, archive::CopyError> {
        loop {
            match &self.next {
                Some(row) if row.path() > path => return Ok(None),
                Some(row) if row.path() == path => return Ok(self.next.take()),
                _ => match self.rows.next() {
                    Some(row) => self.next = Some(row?),
                    None => return Ok(None),
                },
            }
        }
    }
}

/// Receipts, then the index. A problem here leaves the index: the next run writes the receipts from it.
fn close(
    context: &Context<'_>,
    copies: &[&VerifiedCopy],
    destination: &Dir,
    quarantine: Quarantine<'_>,
    work: &Work,
) -> Option<Outcome> {
    let deadline = Deadline::new(&context.how.stop, None);
    if let Err(e) = quarantine.sync() {
        return Some(source_failure(&e));
    }
    for (at, copy) in copies.iter().enumerate() {
        let Some(deletions) = work.deletions.get(&at) else {
            continue;
        };
        if let Err(e) = archive::receipt::append(
            destination,
            copy.name(),
            &context.how.run,
            crate::clock::now(),
            deletions,
        ) {
            return Some(Outcome {
                help: Some("the next run completes the receipt".to_owned()),
                ..failure(&e, &deadline)
            });
        }
    }
    quarantine.close().err().map(|e| source_failure(&e))
}

fn remove_emptied(source: &Dir, step: &CleanupStep, work: &Work) -> u64 {
    let mut dirs: BTreeSet<RelPath> = work
        .deletions
        .values()
        .flatten()
        .filter_map(|d| d.path.parent())
        .collect();
    let mut removed = 0;
    // Deepest first: the last in path order has nothing of the set below it.
    while let Some(dir) = dirs.pop_last() {
        if remove_empty_dir(source, &dir, step.cross_mounts).unwrap_or(false) {
            removed += 1;
            dirs.extend(dir.parent());
        }
    }
    removed
}

#[derive(Default)]
struct Work {
    files: u64,
    bytes: u64,
    dirs: u64,
    deletions: BTreeMap<usize, Vec<Deletion>>,
    kept: BTreeMap<KeepReason, u64>,
    named: Vec<String>,
    /// A signal or the timeout came before the last file.
    cut_short: bool,
    stuck: Vec<String>,
}

impl Work {
    fn keep(&mut self, path: &RelPath, reason: KeepReason) {
        *self.kept.entry(reason).or_default() += 1;
        if reason.is_shortfall() && self.named.len() < NAMED {
            self.named
                .push(format!("`{path}` kept ({}): {}", reason.word(), reason.meaning()));
        }
    }

    fn keep_planned(&mut self, step: &CleanupStep) {
        for (entry, reason) in &step.kept {
            if let Some(entry) = step.scan.as_ref().and_then(|scan| scan.entries.get(*entry)) {
                self.keep(&entry.path, *reason);
            }
        }
    }

    fn gone(&mut self, item: &Item<'_>) {
        self.files += 1;
        self.bytes += item.entry.identity.size;
        self.deletions.entry(item.copy).or_default().push(Deletion {
            path: item.entry.path.clone(),
            sha256: item.evidence.sha256,
        });
    }

    fn outcome(&self, problem: Option<Outcome>) -> Outcome {
        let mut summary = format!(
            "{} deleted ({})",
            plural(self.files, "file", "files"),
            show_size(self.bytes)
        );
        if self.dirs > 0 {
            let _ = write!(
                summary,
                ", {} removed",
                plural(self.dirs, "empty directory", "empty directories")
            );
        }
        for (reason, n) in &self.kept {
            let _ = write!(summary, ", {n} kept ({})", reason.word());
        }
        let mut details = self.named.clone();
        details.extend(self.stuck.iter().cloned());
        if !self.stuck.is_empty() {
            return Outcome {
                state: State::Failed,
                summary: format!(
                    "{summary}; {} in quarantine",
                    plural(self.stuck.len() as u64, "file is stuck", "files are stuck")
                ),
                help: Some(
                    "its old name was taken meanwhile; move what stands there away: the next run puts the file back"
                        .to_owned(),
                ),
                details,
            };
        }
        if let Some(problem) = problem {
            details.extend(problem.details);
            return Outcome {
                state: problem.state,
                summary: format!("{}; {summary}", problem.summary),
                help: problem.help,
                details,
            };
        }
        let short = self.kept.keys().any(|reason| reason.is_shortfall());
        Outcome {
            state: if short { State::Partial } else { State::Ok },
            summary,
            help: None,
            details,
        }
    }
}
