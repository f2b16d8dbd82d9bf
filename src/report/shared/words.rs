//! What jobs do, in words: command lines, questions and their limits, where secrets come from.
//!
//! Takes parts of the model, gives one line each. Reads no secret and no environment.
//! Invariant: a command line that is shown can be typed again; a secret is shown as where it comes from, and of a
//! variable or header that is none only the name.

use crate::model::{Contents, Job, Keep, Retry, Value};
use crate::path::shown;
use crate::units::show_duration;
use std::time::Duration;

/// Names of variables or headers; with those that are secret, where they come from.
#[must_use]
pub fn names(pairs: &[(String, Value)]) -> String {
    let one = |(name, value): &(String, Value)| match value {
        Value::Plain(_) => name.clone(),
        Value::Secret(from) => format!("{name} {}", from.words()),
    };
    let names: Vec<String> = pairs.iter().map(one).collect();
    names.join(", ")
}

#[must_use]
pub fn job(job: &Job<'_>) -> String {
    match job {
        Job::Check(check) => format!("asks: {}", check.probe.question()),
        Job::Target(target) => format!("runs: {}", target.command.program.command_line()),
        Job::Backup(backup) => {
            let what = match backup.contents {
                Contents::All => "",
                Contents::Expired => "what has expired in ",
            };
            format!("copies {what}{} to {}", shown(&backup.source), shown(&backup.to))
        }
        Job::Retention(retention) => {
            let one = |class: &crate::model::Class| match class.keep {
                Keep::Forever => format!("{} for ever", class.name),
                Keep::For(age) => format!("{} {}", class.name, show_duration(age)),
            };
            let classes: Vec<String> = retention.classes.iter().map(one).collect();
            format!("keeps {}", classes.join(", "))
        }
    }
}

/// A command's time limit, and how long it has to end by itself when that is over.
#[must_use]
pub fn limited(limit: &str, kill_after: Duration) -> String {
    format!(
        "{limit}; killed {} after it was told to stop",
        show_duration(kill_after)
    )
}

/// How often and when a failed attempt is repeated.
#[must_use]
pub fn repeated(retry: &Retry) -> String {
    let wait = show_duration(retry.wait);
    if retry.max == 1 {
        return format!("once, after {wait}");
    }
    let grows = if retry.factor > 1.0 && retry.cap > retry.wait {
        format!(
            ", each wait {} times the one before, at most {}",
            retry.factor,
            show_duration(retry.cap)
        )
    } else {
        String::new()
    };
    format!("up to {} times, the first after {wait}{grows}", retry.max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SecretSource;

    #[test]
    fn names_are_shown_and_values_are_not() {
        let pairs = [
            ("MODE".to_owned(), Value::Plain("live".into())),
            ("TOKEN".to_owned(), Value::Secret(SecretSource::Env("OPS_TOKEN".into()))),
        ];
        assert_eq!(names(&pairs), "MODE, TOKEN from env OPS_TOKEN");
    }
}
