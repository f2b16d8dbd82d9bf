//! Asks a command, with the exit codes and the output of Nagios plugins.
//!
//! Takes a command and a time limit, gives an outcome: code 0 is ok, 1 a warning, 2 critical, and everything else,
//! also no answer at all, unknown. Knows nothing of what is asked.
//! Invariant: the summary is one line without performance data and without secrets.

use crate::exec::action::child;
use crate::exec::action::outcome;
use crate::model::Command;
use crate::process::{self, Captured, CompletedProcess, Ending, Streams};
use crate::run::{Outcome, State};
use crate::secret::{ChildLimits, Vault};
use crate::signal::Stop;
use std::time::Duration;

const DETAILS: usize = 5;

pub async fn probe(command: &Command, timeout: Duration, kill_after: Duration, vault: &Vault, stop: &Stop) -> Outcome {
    let terms = ChildLimits {
        timeout: Some(timeout),
        kill_after,
        streams: Streams::Separate,
    };
    let spawn = match vault.ready(command, terms, stop).await {
        Ok(spawn) => spawn,
        Err(error) => return child::without_secret(&error, State::Unknown, stop),
    };
    let shell = command.program.is_shell();
    match process::run(&spawn, vault, stop).await {
        Ok(done) => answer(&done, shell, stop),
        Err(error) => outcome(State::Unknown, vault.redact(&error.to_string())).with_help(error.help()),
    }
}

fn answer(done: &CompletedProcess, shell: bool, stop: &Stop) -> Outcome {
    let state = match done.ending {
        Ending::Stopped(ladder) => return child::stopped(stop, &ladder.to_string()),
        Ending::Exited(0) => State::Ok,
        Ending::Exited(1) => State::Warning,
        Ending::Exited(2) => State::Critical,
        Ending::Exited(_) | Ending::Signalled(_) | Ending::TimedOut(..) => State::Unknown,
    };
    let mut lines = answer_lines(&done.stdout).into_iter();
    let ending = done.ending.to_string();
    let (summary, mut details): (String, Vec<String>) = if matches!(done.ending, Ending::Exited(_)) {
        (lines.next().unwrap_or(ending), lines.take(DETAILS).collect())
    } else {
        // The output is not an answer, but may explain why there is none.
        (ending, lines.take(DETAILS).collect())
    };
    if state != State::Ok && details.is_empty() {
        details = child::last_lines(&done.stderr, DETAILS);
    }
    Outcome {
        help: (state == State::Unknown).then(|| help(done.ending, shell).to_owned()),
        details,
        ..outcome(state, summary)
    }
}

fn help(ending: Ending, shell: bool) -> &'static str {
    match ending {
        Ending::Exited(126 | 127) if shell => child::advice(ending, shell),
        Ending::Exited(_) => "the command must end with code 0 for ok, 1 for a warning or 2 for critical",
        other => child::advice(other, shell),
    }
}

/// The lines of an answer, without performance data: after `|` to the end of the first line, or of the output later.
fn answer_lines(stdout: &Captured) -> Vec<String> {
    let text = String::from_utf8_lossy(&stdout.head);
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (words, data) = line
            .split_once('|')
            .map_or((line, None), |(words, data)| (words, Some(data)));
        lines.extend(child::shown(words));
        if number > 0 && data.is_some() {
            break;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Program, SecretSource, Value};
    use std::path::PathBuf;

    fn shell(line: &str) -> Command {
        Command {
            program: Program::Shell(line.to_owned()),
            cwd: PathBuf::from("/"),
            env: Vec::new(),
            run_as: None,
        }
    }

    fn asked(command: &Command, timeout: Duration, stop: &Stop) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .unwrap()
            .block_on(probe(command, timeout, Duration::from_secs(2), &Vault::default(), stop))
    }

    fn says(line: &str) -> Outcome {
        asked(&shell(line), Duration::from_secs(60), &Stop::default())
    }

    #[test]
    fn codes_are_those_of_nagios() {
        let states = [0, 1, 2, 3, 4, 127].map(|code| says(&format!("exit {code}")).state);
        assert_eq!(
            states,
            [
                State::Ok,
                State::Warning,
                State::Critical,
                State::Unknown,
                State::Unknown,
                State::Unknown
            ]
        );
        assert_eq!(says("exit 2").summary, "exit code 2");
        let killed = says("echo fine; kill -9 $$");
        assert_eq!(killed.state, State::Unknown);
        assert_eq!(killed.summary, "killed by signal 9 (KILL)");
        assert_eq!(killed.details, ["fine"]);
    }

    #[test]
    fn the_first_line_is_the_summary_without_performance_data() {
        let answer =
            says("printf 'QUEUE OK - 3 jobs | jobs=3;10;20\\nsecond\\n\\nthird | more=1\\nmore=2\\n'; echo no >&2");
        assert_eq!(answer.summary, "QUEUE OK - 3 jobs");
        assert_eq!(answer.details, ["second", "third"]);
        assert_eq!(says("echo '| only=data'; exit 1").summary, "exit code 1");
        let long = says("head -c 500 /dev/zero | tr '\\0' x");
        assert_eq!(long.summary.chars().count(), 200);
    }

    #[test]
    fn a_silent_failure_shows_its_errors() {
        let answer = says("echo 'no route' >&2; exit 2");
        assert_eq!(
            (answer.state, answer.summary.as_str()),
            (State::Critical, "exit code 2")
        );
        assert_eq!(answer.details, ["no route"]);
        let fine = says("echo noise >&2; echo fine");
        assert!(fine.details.is_empty());
    }

    #[test]
    fn no_answer_is_unknown() {
        let late = asked(&shell("exec sleep 1000"), Duration::from_millis(50), &Stop::default());
        assert_eq!(late.state, State::Unknown);
        assert_eq!(late.summary, "timeout after 50ms; the group was ended with TERM");
        assert!(late.help.is_some());
        let mut nowhere = shell("true");
        nowhere.cwd = PathBuf::from("/no/such/directory");
        let nowhere = asked(&nowhere, Duration::from_secs(60), &Stop::default());
        assert_eq!(nowhere.state, State::Unknown);
        assert!(
            nowhere.summary.ends_with("the directory does not exist"),
            "{}",
            nowhere.summary
        );
        let stop = Stop::new().unwrap();
        stop.ask();
        let told = asked(&shell("exec sleep 1000"), Duration::from_secs(60), &stop);
        assert_eq!((told.state, told.help), (State::Interrupted, None));
    }

    #[test]
    fn secrets_do_not_show() {
        let mut command = shell("echo \"token $TOKEN is wrong\"; echo $TOKEN >&2; exit 2");
        let source = ["/bin/echo", "hunter2hunter2"].map(str::to_owned).to_vec();
        let value = |source| Value::Secret(SecretSource::Command(source, PathBuf::from("/")));
        command.env = vec![("TOKEN".to_owned(), value(source))];
        let answer = asked(&command, Duration::from_secs(60), &Stop::default());
        assert_eq!(answer.summary, "token [secret] is wrong");
        assert_eq!(answer.details, ["[secret]"]);
        command.env = vec![("TOKEN".to_owned(), value(vec!["/bin/false".to_owned()]))];
        let without = asked(&command, Duration::from_secs(60), &Stop::default());
        assert_eq!(without.state, State::Unknown);
        assert_eq!(
            without.summary,
            "cannot fetch the secret from the command `/bin/false`: exit code 1"
        );
    }
}
