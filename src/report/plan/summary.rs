//! A plan in one line: what would happen, or what is refused.
//!
//! Invariant: every refusal is included: the first of its kind by name, the others as a count.

use crate::plan::document::totals;
use crate::plan::{Action, Plan, Step};
use crate::report::plan::step_summary::REFUSED_FOR_NOW;
use crate::report::shared::style::one_line;
use crate::units::{plural, show_files};

pub fn plan_summary(plan: &Plan) -> String {
    let totals = totals(plan);
    let copy = show_files(totals.copy_files, totals.copy_bytes);
    let delete = show_files(totals.delete_files, totals.delete_bytes);
    let copies = plan
        .steps()
        .iter()
        .any(|step| plan.will_run(step) && matches!(&step.action, Action::Backup(backup) if !backup.nothing));
    let work = match (copies, totals.delete_files > 0) {
        (true, true) => Some(format!("copy {copy}, then delete {delete}")),
        (true, false) => Some(format!("copy {copy} and delete nothing")),
        (false, true) => Some(format!("verify older copies again, then delete {delete}")),
        (false, false) => None,
    };
    let jobs = [
        (totals.checks, "check", "checks"),
        (totals.targets, "target", "targets"),
    ];
    let jobs = jobs.into_iter().filter(|(n, ..)| *n > 0);
    let runs: Vec<String> = jobs.map(|(n, one, many)| plural(n, one, many)).collect();
    let runs = (!runs.is_empty()).then(|| format!("run {}", runs.join(" and ")));
    let parts: Vec<String> = runs.into_iter().chain(work).collect();
    let work = (!parts.is_empty()).then(|| format!("will {}", parts.join(", ")));
    let (for_now, for_good): (Vec<&Step>, Vec<&Step>) = plan
        .steps()
        .iter()
        .filter(|step| !step.refusals.is_empty())
        .partition(|step| plan.refused_for_now(step));
    let again = format!("{REFUSED_FOR_NOW}, decided again when its turn comes");
    let refused = [refusals("refused", &for_good), refusals(&again, &for_now)];
    let refused: Vec<String> = refused.into_iter().flatten().collect();
    let refused = (!refused.is_empty()).then(|| refused.join("; "));
    match (work, refused) {
        (Some(work), Some(refused)) => format!("{work}; {refused}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "nothing to do".to_owned(),
    }
}

/// The first refusal of `steps`, and the number of others.
fn refusals(word: &str, steps: &[&Step]) -> Option<String> {
    let mut all = steps
        .iter()
        .flat_map(|step| step.refusals.iter().map(|refusal| (&step.name, refusal)));
    let (step, refusal) = all.next()?;
    let first = format!("{word}: {step}: {}", one_line(&refusal.message));
    Some(match all.count() {
        0 => first,
        more => format!("{first} (and {more} more)"),
    })
}
