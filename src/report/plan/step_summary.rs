//! A step of a plan in one line.
//!
//! Takes a plan and one of its steps, gives text. Decides nothing.
//! Invariant: a step that will not run is never described as if it would.

use crate::plan::{Action, Plan, Step, VerifyStep};
use crate::report::shared::style::one_line;
use crate::units::{joined, plural, show_files};

/// Of a step that a guard refuses now, and that is decided again when its turn comes.
pub const REFUSED_FOR_NOW: &str = "refused for now";

pub fn step_summary(plan: &Plan, step: &Step) -> String {
    let work = work(plan, step);
    let word = match (plan.will_run(step), step.refusals.is_empty()) {
        (true, true) => return work,
        (true, false) => REFUSED_FOR_NOW,
        (false, true) => "blocked",
        (false, false) => "refused",
    };
    // The work of a step is known only if its source could be listed.
    let unlisted = match &step.action {
        Action::Backup(backup) => backup.scan.is_none(),
        Action::Verify(_) => true,
        Action::Check(_) | Action::Target(_) => false,
        Action::Cleanup(cleanup) => cleanup.scan.is_none(),
    };
    if unlisted {
        word.to_owned()
    } else {
        format!("{word} ({work})")
    }
}

fn work(plan: &Plan, step: &Step) -> String {
    match &step.action {
        Action::Check(check) => format!("checks {}", one_line(&check.probe.text().question)),
        Action::Target(target) => format!("runs: {}", one_line(&target.command.program.to_string())),
        Action::Backup(backup) if backup.nothing => "nothing to store".to_owned(),
        Action::Backup(backup) => format!("copies {}", show_files(backup.files, backup.bytes)),
        Action::Verify(verify) => verification(plan, verify),
        Action::Cleanup(cleanup) if cleanup.candidates.is_empty() => "nothing to delete".to_owned(),
        Action::Cleanup(cleanup) => {
            let files = show_files(cleanup.candidates.len() as u64, cleanup.bytes);
            format!("deletes {files}")
        }
    }
}

fn verification(plan: &Plan, verify: &VerifyStep) -> String {
    let backup = plan.steps().get(verify.backup.step()).map(|step| &step.action);
    let nothing = matches!(backup, Some(Action::Backup(backup)) if backup.nothing);
    let older = plural(verify.older.len() as u64, "older copy", "older copies");
    match (nothing, verify.older.is_empty()) {
        (true, true) => "nothing to verify".to_owned(),
        (true, false) => format!("verifies {older} again"),
        (false, true) => "verifies the copy".to_owned(),
        (false, false) => format!("verifies the copy, and {older} again"),
    }
}

/// Why a step without a refusal of its own does not run: `backup:observer is refused`.
pub fn blocked_by(plan: &Plan, step: &Step) -> Option<String> {
    let names = plan.blockers(step);
    let verb = if names.len() == 1 { "is" } else { "are" };
    (!names.is_empty()).then(|| format!("{} {verb} refused", one_line(&joined(&names))))
}
