//! Read the copy back, compare every byte with what was recorded when the source was read, publish it; prove
//! again the older copies that deletions of this run rely on.
//!
//! Takes the written copy from the slot of its backup step, leaves a [`Proof`] in its own.
//! Invariant: only the success of this step gives a proof, and nothing is deleted without one.

use super::{Context, Ended, Proof, failure, outcome, tree_failure};
use crate::archive::{self, CopyName, VerifiedCopy};
use crate::exec::{Deadline, locked, step_progress::StepProgress};
use crate::plan::{SHRINK_HELP, VerifyStep};
use crate::run::{Event, Outcome, State};
use crate::tree::Dir;
use crate::units::{plural, show_size};
use std::sync::Arc;

pub fn run(context: &Context<'_>, step: &VerifyStep) -> Ended {
    let written = locked(context.slots).written.remove(&step.backup.step());
    let timeout = match context.plan.steps().get(step.backup.step()).map(|s| &s.action) {
        Some(crate::plan::Action::Backup(backup)) => backup.backup.timeout,
        _ => None,
    };
    let deadline = Deadline::new(&context.how.stop, timeout);
    let watch = StepProgress::new(&deadline, context.progress, context.step.id);
    let nothing = written.is_none() && step.older.is_empty();

    let mut lines: Vec<String> = Vec::new();
    let mut details: Vec<String> = Vec::new();
    let mut partial = false;
    let mut help = "make these paths readable, or exclude them";
    let mut this_run = None;
    if let Some(written) = written {
        let manifest = &written.manifest;
        let shown = context.show(&context.step.name.to_string(), manifest.record_count, manifest.bytes);
        let result =
            archive::verify(&written, context.threads(), &watch).and_then(|checked| archive::publish(written, checked));
        drop(shown);
        let verified = match result {
            Ok(verified) => verified,
            Err(error) => return Ok(failure(&error, &deadline)),
        };
        let manifest = verified.manifest();
        context.record(&Event::CopyPublished {
            step: context.step.name.clone(),
            copy: verified.name().to_string(),
            destination: verified.place(),
            records: manifest.record_count,
            bytes: manifest.bytes,
            archive_bytes: manifest.archive_bytes,
            complete: manifest.complete,
            suspect: manifest.suspect.clone(),
            sequence: Some(manifest.sequence),
        })?;
        proven(context, &verified)?;
        let dirs = match manifest.record_count.saturating_sub(manifest.files) {
            0 => String::new(),
            n => format!(" and {}", plural(n, "directory", "directories")),
        };
        lines.push(format!(
            "{} contains {}{dirs}, {} in {}",
            verified.name(),
            plural(manifest.files, "file", "files"),
            show_size(manifest.bytes),
            show_size(manifest.archive_bytes)
        ));
        if let Some(why) = &manifest.suspect {
            partial = true;
            lines.push(format!("suspect: {why}"));
            help = SHRINK_HELP;
        }
        if !manifest.complete {
            partial = true;
            let paths = plural(manifest.incomplete_total, "path", "paths");
            lines.push(format!("incomplete: {paths} could not be read"));
            for item in manifest.incomplete.iter().take(20) {
                details.push(format!("not in the copy: {}: {}", item.place(), item.why));
            }
        }
        for unread in &manifest.unread_attributes {
            partial = true;
            lines.push(format!("incomplete: {unread}"));
        }
        this_run = Some(verified);
    }

    let mut older = Vec::new();
    for copy in &step.older {
        let destination = locked(context.world).destinations.get(&step.name).map(Dir::try_clone);
        let Some((destination, name)) = destination.zip(CopyName::parse(&copy.name)) else {
            let summary = format!("copy `{}` cannot be reached", copy.name);
            return Ok(outcome(State::Failed, summary));
        };
        let destination = destination.map_err(|e| tree_failure(&e))?;
        let shown = context.show(&copy.name, copy.records, copy.bytes);
        let result = archive::verify_committed(&destination, &name, context.threads(), &watch);
        drop(shown);
        match result {
            Ok(verified) => {
                proven(context, &verified)?;
                lines.push(format!("{} verified again", verified.name()));
                older.push(verified);
            }
            Err(error) => {
                let failed = failure(&error, &deadline);
                if failed.help.is_some() {
                    return Ok(failed);
                }
                return Ok(failed.with_help(format!(
                    "move the files of `{}` out of the destination; the next run then stores what it needs again",
                    copy.name
                )));
            }
        }
    }
    let proof = Arc::new(Proof { this_run, older });
    locked(context.slots).proofs.insert(context.step.id, proof);
    if nothing {
        return Ok(outcome(State::Nothing, "no copy to verify"));
    }
    Ok(Outcome {
        state: if partial { State::Partial } else { State::Ok },
        summary: lines.join("; "),
        help: partial.then(|| help.to_owned()),
        details,
    })
}

fn proven(context: &Context<'_>, verified: &VerifiedCopy) -> Result<(), crate::run::RecordError> {
    context.record(&Event::CopyProven {
        step: context.step.name.clone(),
        copy: verified.name().to_string(),
    })
}
