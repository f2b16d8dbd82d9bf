//! Jobs in words: what each does, its time limit and its retries.
//!
//! Takes parts of the model, gives one line each. Reads no secret and no environment. Probes, command lines and the sources
//! of secrets have their words in the model.

use crate::model::check::Probe;
use crate::model::{Check, Class, Contents, Job, Keep, Retry};
use crate::path::shown;
use crate::units::show_duration;
use std::time::Duration;

pub fn check_limit(check: &Check) -> String {
    let limit = show_duration(check.timeout);
    if matches!(check.probe, Probe::Command { .. }) {
        time_limit(&limit, check.kill_after)
    } else {
        limit
    }
}

pub fn job(job: &Job<'_>) -> String {
    match job {
        Job::Check(check) => format!("checks {}", check.probe.text().question),
        Job::Target(target) => format!("runs: {}", target.command.program),
        Job::Backup(backup) => {
            let what = match backup.contents {
                Contents::All => "",
                Contents::Expired => "expired files of ",
            };
            format!("copies {what}{} to {}", shown(&backup.source), shown(&backup.to))
        }
        Job::Retention(retention) => {
            let one = |class: &Class| match class.keep {
                Keep::Forever => format!("{} forever", class.name),
                Keep::For(age) => format!("{} {}", class.name, show_duration(age)),
            };
            let classes: Vec<String> = retention.classes.iter().map(one).collect();
            format!("keeps {}", classes.join(", "))
        }
    }
}

/// The time limit of a command, and how long it has to end after SIGTERM.
pub fn time_limit(limit: &str, kill_after: Duration) -> String {
    format!("{limit}, then SIGTERM, and SIGKILL after {}", show_duration(kill_after))
}

/// How often and when a failed attempt is retried.
pub fn retries(retry: &Retry) -> String {
    let wait = show_duration(retry.wait);
    if retry.max == 1 {
        return format!("once, after {wait}");
    }
    let grows = if retry.factor > 1.0 && retry.cap > retry.wait {
        format!(
            ", each wait {} times the previous one, at most {}",
            retry.factor,
            show_duration(retry.cap)
        )
    } else {
        String::new()
    };
    format!("up to {} times, the first after {wait}{grows}", retry.max)
}
