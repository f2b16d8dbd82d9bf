//! Deletes what the proof covers, and nothing else.
//!
//! Takes the candidates of the plan and the [`Proof`] that the verify step of this run left. For each candidate, a
//! proven copy must hold evidence for exactly the listed state (`evidence`). `Cleanup` works in batches: first the
//! index of the quarantine becomes durable, then the intent in the store, then files are deleted one by one. `tally`
//! counts what was deleted and what was kept.
//! Invariant: a file stays unless its state, at that moment, is the one whose content the proven copy holds.

mod evidence;
mod tally;

use super::{Context, Ended, Proof, StepAbort, failure, interrupted, outcome, source_failure, tree_failure};
use crate::archive::{VerifiedCopy, receipt};
use crate::entry::Identity;
use crate::error_chain::error_chain;
use crate::exec::{Deadline, locked};
use crate::keep_reason::KeepReason;
use crate::model::InUse;
use crate::path::RelPath;
use crate::plan::facts::Scan;
use crate::plan::{Candidate, CleanupStep, Cover, DURABLE_HELP, not_durable};
use crate::run::{Event, Outcome, State};
use crate::tree::Dir;
use crate::tree::handle::is_missing;
use crate::tree::quarantine::{ExpectedFile, Quarantine, Removal, remove_empty_dir};
use crate::units::total;
use evidence::{EvidenceReader, ProvenFile};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tally::Tally;

/// How many files one intent announces.
const BATCH_SIZE: usize = 1000;

pub fn run(context: &Context<'_>, step: &CleanupStep) -> Ended {
    let proof = locked(context.slots).proofs.get(&step.verify.step()).cloned();
    match proof {
        Some(proof) => with_proof(context, step, &proof),
        None => Ok(outcome(State::Failed, "no copy was verified in this run")),
    }
}

fn with_proof(context: &Context<'_>, step: &CleanupStep, proof: &Proof) -> Ended {
    // Under `serve` no one reads the plan: what it says about files that will be kept, the run says too.
    for note in &context.step.notes {
        context.note(note.clone())?;
    }
    if step.candidates.is_empty() {
        let shortfall = step.kept.iter().any(|(_, reason)| reason.is_shortfall());
        return Ok(if shortfall {
            Tally::of_planned(step).outcome(None)
        } else {
            outcome(State::Nothing, "no file has expired")
        });
    }
    let copies: Vec<&VerifiedCopy> = proof.this_run.iter().chain(&proof.older).collect();
    let (source, destination) = open(context, &step.retention.backup)?;
    if copies.iter().any(|copy| !copy.is_durable()) {
        let place = copies.first().map(|copy| copy.place()).unwrap_or_default();
        return Ok(outcome(State::Refused, not_durable(&place)).with_help(DURABLE_HELP));
    }
    for copy in &copies {
        readable_receipt(copy, &destination)?;
    }
    // Before anything is made in them: no later run would find what would be left there.
    in_place(&[&source, &destination])?;
    let deadline = Deadline::new(&context.how.stop, step.retention.timeout);
    let quarantine = Quarantine::open(&source, &context.how.run, step.cross_mounts).map_err(|e| {
        let place = step.source.display();
        if e.call == "sync" && e.errno().is_some_and(is_missing) {
            let summary = format!(
                "the file system of `{place}` does not offer fsync: what is taken away could not be put back after a power cut, \
                 so nothing is deleted"
            );
            return outcome(State::Refused, summary);
        }
        source_failure(&e).with_help(format!(
            "let the user that runs opsrun create `.opsrun-quarantine` in `{place}`"
        ))
    })?;
    let mut cleanup = Cleanup {
        context,
        step,
        has_this_run: proof.this_run.is_some(),
        copies,
        source: &source,
        destination: &destination,
        quarantine,
        deadline,
        refreshed: HashMap::new(),
        tally: Tally::of_planned(step),
    };
    let files = step.candidates.len() as u64;
    let shown = context.show(&context.step.name.to_string(), files, step.bytes);
    let result = cleanup.delete_all();
    drop(shown);
    cleanup.finish(result)
}

/// The source and the destination, through handles of their own.
fn open(context: &Context<'_>, backup: &str) -> Result<(Dir, Dir), StepAbort> {
    let open = {
        let world = locked(context.world);
        let destination = world.destinations.get(backup).map(Dir::try_clone);
        world.sources.get(backup).map(Dir::try_clone).zip(destination)
    };
    let Some((source, destination)) = open else {
        return Err(outcome(State::Failed, "the source or the destination is not open").into());
    };
    let source = source.map_err(|e| source_failure(&e))?;
    Ok((source, destination.map_err(|e| tree_failure(&e))?))
}

/// A receipt that cannot be continued must be known before anything is deleted.
fn readable_receipt(copy: &VerifiedCopy, destination: &Dir) -> Result<(), Outcome> {
    receipt::check(destination, copy.name()).map_err(|e| {
        let name = copy.name().receipt();
        let help = format!("move `{name}` out of the destination; every entry of the copy then counts as deleted");
        outcome(State::Failed, error_chain(&e)).with_help(help)
    })
}

/// Fails when the path of one of these directories leads to another one by now.
fn in_place(dirs: &[&Dir]) -> Result<(), Outcome> {
    let Some(moved) = dirs.iter().find(|dir| !dir.in_place()) else {
        return Ok(());
    };
    let summary = format!("`{}` is another directory now", crate::path::shown(moved.path()));
    let help = "it was moved or mounted over during the run: find out by what, then run again";
    Err(outcome(State::Failed, summary).with_help(help))
}

struct Cleanup<'a> {
    context: &'a Context<'a>,
    step: &'a CleanupStep,
    /// This run's copy first, when there is one; then the older ones, in the order of the plan.
    copies: Vec<&'a VerifiedCopy>,
    has_this_run: bool,
    source: &'a Dir,
    destination: &'a Dir,
    quarantine: Quarantine<'a>,
    deadline: Deadline<'a>,
    /// By inode with several names: the proven state, and the state after the deletion of a name.
    refreshed: HashMap<(u64, u64), (Identity, Identity)>,
    tally: Tally,
}

impl<'a> Cleanup<'a> {
    fn delete_all(&mut self) -> Result<(), StepAbort> {
        let Some(scan) = self.step.scan.as_deref() else {
            return Err(outcome(State::Failed, "the source was not listed").into());
        };
        let mut reader = EvidenceReader::new(&self.copies, self.source, self.step.cross_mounts);
        for (number, candidates) in self.step.candidates.chunks(BATCH_SIZE).enumerate() {
            if self.deadline.reached() {
                self.tally.cut_short = true;
                return Ok(());
            }
            let kept_before = self.tally.kept.clone();
            let batch = self.with_evidence(candidates, scan, &mut reader)?;
            if !batch.is_empty() {
                self.delete_batch(number as u64, &batch, &kept_before)?;
            }
        }
        Ok(())
    }

    /// The candidates for which a proven copy holds evidence; the others are kept.
    fn with_evidence(
        &mut self,
        candidates: &[Candidate],
        scan: &'a Scan,
        reader: &mut EvidenceReader<'a>,
    ) -> Result<Vec<ProvenFile<'a>>, StepAbort> {
        let mut batch = Vec::with_capacity(candidates.len());
        for Candidate { entry, cover, .. } in candidates {
            let Some(entry) = scan.entries.get(*entry) else {
                continue;
            };
            let copy = match cover {
                // This run's copy holds nothing: the file was already gone, or could not be read.
                Cover::ThisRun if !self.has_this_run => {
                    self.tally.keep(&entry.path, reader.why_not_stored(entry));
                    continue;
                }
                Cover::ThisRun => 0,
                Cover::Older(at) => usize::from(self.has_this_run) + at,
            };
            match reader.evidence(entry, copy).map_err(|e| failure(&e, &self.deadline))? {
                Ok(evidence) => batch.push(ProvenFile { entry, evidence, copy }),
                Err(reason) => self.tally.keep(&entry.path, reason),
            }
        }
        Ok(batch)
    }

    fn delete_batch(
        &mut self,
        number: u64,
        batch: &[ProvenFile<'_>],
        kept_before: &BTreeMap<KeepReason, u64>,
    ) -> Result<(), StepAbort> {
        let first = self.announce(number, batch)?;
        let (files, bytes) = (self.tally.files, self.tally.bytes);
        let lost = self.remove(first, batch);
        for remark in self.quarantine.remarks() {
            if self.tally.remark(&remark) {
                self.context.note(remark)?;
            }
        }
        self.quarantine.sync().map_err(|e| source_failure(&e))?;
        self.context.record(&Event::Deleted {
            step: self.context.step.name.clone(),
            batch: number,
            files: self.tally.files - files,
            bytes: self.tally.bytes - bytes,
            kept: self.tally.kept_since(kept_before),
        })?;
        lost.map_or(Ok(()), |outcome| Err(outcome.into()))
    }

    /// Makes the index of the quarantine durable, then the intent. Gives the number of the first file in the index.
    fn announce(&mut self, number: u64, batch: &[ProvenFile<'_>]) -> Result<u64, StepAbort> {
        in_place(&[self.source, self.destination])?;
        let used: BTreeSet<usize> = batch.iter().map(|file| file.copy).collect();
        for (at, copy) in used.iter().filter_map(|at| Some((*at, self.copies.get(*at)?))) {
            let relied = batch.iter().filter(|file| file.copy == at);
            let relied: Vec<&RelPath> = relied.map(|file| &file.entry.path).collect();
            copy.still_there(&relied).map_err(|e| failure(&e, &self.deadline))?;
        }
        let names: Vec<String> = self.copies.iter().map(|copy| copy.name().to_string()).collect();
        let name_of = |copy: usize| names.get(copy).map_or("", String::as_str);
        let lines = batch
            .iter()
            .map(|file| (&file.entry.path, file.evidence.sha256, name_of(file.copy)));
        let first = self.quarantine.announce(lines).map_err(|e| source_failure(&e))?;
        let path = |file: Option<&ProvenFile<'_>>| file.map(|file| file.entry.path.to_string()).unwrap_or_default();
        self.context.record(&Event::DeleteIntended {
            step: self.context.step.name.clone(),
            batch: number,
            copies: used.iter().map(|at| name_of(*at).to_owned()).collect(),
            files: batch.len() as u64,
            bytes: total(batch.iter().map(|file| file.entry.identity.size)),
            first: path(batch.first()),
            last: path(batch.last()),
        })?;
        Ok(first)
    }

    /// Deletes the announced files one by one; gives an outcome if a copy has changed since its proof.
    fn remove(&mut self, first: u64, batch: &[ProvenFile<'_>]) -> Option<Outcome> {
        for (n, file) in (first..).zip(batch) {
            if self.deadline.reached() {
                self.tally.cut_short = true;
                break;
            }
            // Right before each deletion, not once for many: hashing large files takes time.
            let copy = self.copies.get(file.copy);
            if let Some(error) = copy.and_then(|copy| copy.still_there(&[&file.entry.path]).err()) {
                return Some(failure(&error, &self.deadline));
            }
            self.remove_one(n, file);
            self.context
                .progress
                .advance(self.context.step.id, 1, file.entry.identity.size);
        }
        None
    }

    fn remove_one(&mut self, n: u64, file: &ProvenFile<'_>) {
        let id = (file.entry.identity.dev, file.entry.identity.ino);
        let identity = match self.refreshed.get(&id) {
            Some((before, now)) if *before == file.evidence.identity => *now,
            _ => file.evidence.identity,
        };
        let expected = ExpectedFile {
            path: &file.entry.path,
            identity,
            sha256: file.evidence.sha256,
            lease: self.step.retention.in_use == InUse::Keep,
        };
        match self.quarantine.remove(n, &expected) {
            Removal::Gone(after) => {
                if let Some(now) = after {
                    self.refreshed.insert(id, (file.evidence.identity, now));
                }
                self.tally.deleted(file);
            }
            Removal::Kept(reason) => self.tally.keep(&file.entry.path, reason),
            Removal::Stuck(error) => {
                let stuck = format!("`{}`: {}", file.entry.path, error_chain(&error));
                self.tally.stuck.push(stuck);
            }
        }
    }

    /// Whatever happened before: what was deleted must be in the receipts before the index is removed.
    fn finish(self, result: Result<(), StepAbort>) -> Ended {
        let Self {
            context,
            step,
            copies,
            source,
            destination,
            quarantine,
            deadline,
            mut tally,
            ..
        } = self;
        let unclosed = close(context, &copies, destination, quarantine, &tally);
        // While an index is left, the directories that it names stay.
        if step.retention.remove_empty_dirs && unclosed.is_none() && tally.stuck.is_empty() {
            tally.dirs = remove_emptied(source, step, &tally);
        }
        let problem = match result {
            Err(StepAbort::Record(error)) => return Err(StepAbort::Record(error)),
            Err(StepAbort::Outcome(outcome)) => Some(outcome),
            Ok(()) if !tally.cut_short => None,
            Ok(()) => {
                let late = || outcome(State::Failed, "the step reached its timeout");
                Some(deadline.signal().map_or_else(late, interrupted))
            }
        };
        Ok(tally.outcome(problem.or(unclosed)))
    }
}

/// Receipts first, then the index. A problem here leaves the index: the next run writes the receipts from it.
fn close(
    context: &Context<'_>,
    copies: &[&VerifiedCopy],
    destination: &Dir,
    quarantine: Quarantine<'_>,
    tally: &Tally,
) -> Option<Outcome> {
    let deadline = Deadline::new(&context.how.stop, None);
    if let Err(e) = quarantine.sync() {
        return Some(source_failure(&e));
    }
    for (at, copy) in copies.iter().enumerate() {
        let Some(deletions) = tally.deletions.get(&at) else {
            continue;
        };
        let now = crate::clock::now();
        if let Err(e) = receipt::append(destination, copy.name(), &context.how.run, now, deletions) {
            return Some(failure(&e, &deadline).with_help("the next run will complete the receipt"));
        }
    }
    quarantine.close().err().map(|e| source_failure(&e))
}

fn remove_emptied(source: &Dir, step: &CleanupStep, tally: &Tally) -> u64 {
    let deletions = tally.deletions.values().flatten();
    let mut dirs: BTreeSet<RelPath> = deletions.filter_map(|d| d.path.parent()).collect();
    let mut removed = 0;
    // Deepest first: nothing of the set is below the last in path order.
    while let Some(dir) = dirs.pop_last() {
        if !step.sources_below.contains(&dir) && remove_empty_dir(source, &dir, step.cross_mounts).unwrap_or(false) {
            removed += 1;
            dirs.extend(dir.parent());
        }
    }
    removed
}
