//! What the steps of a plan do, and why some will not be done, in one line each.
//!
//! Takes a plan and one of its steps, gives text for whoever shows the plan. Decides nothing.
//! Invariant: a step that will not be done is never worded as if it would.

use crate::plan::{Action, Plan, Step, VerifyStep};
use crate::report::shared::style::one_line;
use crate::report::shared::words;
use crate::units::{joined, plural, show_size};

/// Of a step that guards refuse as things are now, and that is judged again when its turn comes.
pub const FOR_NOW: &str = "refused for now";

/// What a step does, or that it is refused (for good or for now) or blocked.
#[must_use]
pub fn deed(plan: &Plan, step: &Step) -> String {
    let deed = work(plan, step);
    let word = match (plan.will_run(step), step.refusals.is_empty()) {
        (true, true) => return deed,
        (true, false) => FOR_NOW,
        (false, true) => "blocked",
        (false, false) => "refused",
    };
    // What a step would have done is known only when its source could be listed.
    let unlisted = match &step.action {
        Action::Backup(backup) => backup.scan.is_none(),
        Action::Verify(_) => true,
        Action::Check(_) | Action::Target(_) => false,
        Action::Cleanup(cleanup) => cleanup.scan.is_none(),
    };
    if unlisted {
        word.to_owned()
    } else {
        format!("{word} ({deed})")
    }
}

fn work(plan: &Plan, step: &Step) -> String {
    match &step.action {
        Action::Check(check) => format!("asks: {}", one_line(&words::question(&check.probe))),
        Action::Target(target) => format!("runs: {}", one_line(&words::program(&target.command.program))),
        Action::Backup(backup) if backup.nothing => "nothing to store".to_owned(),
        Action::Backup(backup) => {
            let files = plural(backup.files, "file", "files");
            format!("copies {files} ({})", show_size(backup.bytes))
        }
        Action::Verify(verify) => proof(plan, verify),
        Action::Cleanup(cleanup) if cleanup.candidates.is_empty() => "nothing to delete".to_owned(),
        Action::Cleanup(cleanup) => {
            let files = plural(cleanup.candidates.len() as u64, "file", "files");
            format!("deletes {files} ({})", show_size(cleanup.bytes))
        }
    }
}

fn proof(plan: &Plan, verify: &VerifyStep) -> String {
    let backup = plan.steps().get(verify.backup.step()).map(|step| &step.action);
    let nothing = matches!(backup, Some(Action::Backup(backup)) if backup.nothing);
    let older = plural(verify.older.len() as u64, "older copy", "older copies");
    match (nothing, verify.older.is_empty()) {
        (true, true) => "nothing to prove".to_owned(),
        (true, false) => format!("proves {older} again"),
        (false, true) => "proves the copy".to_owned(),
        (false, false) => format!("proves the copy, and {older} again"),
    }
}

/// What keeps a step from being done that no guard refuses: `backup:observer is refused`; `None` when nothing does.
#[must_use]
pub fn blocked_by(plan: &Plan, step: &Step) -> Option<String> {
    let names = plan.blockers(step);
    let verb = if names.len() == 1 { "is" } else { "are" };
    (!names.is_empty()).then(|| format!("{} {verb} refused", one_line(&joined(&names))))
}
