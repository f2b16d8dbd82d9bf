//! A question at a terminal, answered with yes or no.

use super::exit::{Exit, Failure};
use super::terminal::{Prompt, Terminal};
use crate::report::shared::output;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::{BufRead, Write};

/// Prints `before` and the question; `None` if no terminal can answer, and then nothing is printed. A signal counts as no. A
/// terminal at which asking is impossible is a failure, whose help is `instead`.
pub fn ask(
    before: impl FnOnce() -> String,
    question: String,
    instead: &'static str,
    terminal: &Terminal,
    stopped: &dyn Fn() -> bool,
) -> Result<Option<bool>, Failure> {
    let mut tty = match terminal.prompt {
        Prompt::None => return Ok(None),
        Prompt::Stderr => None,
        Prompt::Tty => Some(
            File::options()
                .write(true)
                .open("/dev/tty")
                .map_err(|error| cannot_ask(&error, instead))?,
        ),
    };
    let mut print = |text: &str| match &mut tty {
        None => {
            output::to_stderr(text);
            Ok(())
        }
        Some(tty) => tty
            .write_all(text.as_bytes())
            .map_err(|error| cannot_ask(&error, instead)),
    };
    print(&(before() + &terminal.err.bold(question)))?;
    let answer = answer(stopped);
    if answer.as_ref().is_none_or(|answer| !answer.ends_with('\n')) {
        // The answer did not end the line of the question.
        print("\n")?;
    }
    Ok(Some(answer.is_some_and(|answer| is_yes(&answer))))
}

fn cannot_ask(error: &std::io::Error, instead: &'static str) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("cannot ask for confirmation: stderr is not a terminal, and `/dev/tty` cannot be opened: {error}"),
        Some(instead),
    )
}

/// A line from stdin; `None` once `stopped`. A blocked read would continue after a signal, so it starts only when there
/// is input.
fn answer(stopped: &dyn Fn() -> bool) -> Option<String> {
    let stdin = std::io::stdin();
    let slice = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    loop {
        if stopped() {
            return None;
        }
        let mut waiting = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut waiting, Some(&slice)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => break,
            Err(_) => return None,
        }
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line).ok()?;
    Some(line)
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        assert!(["y\n", "Y", " yes \n", "YES"].into_iter().all(is_yes));
        assert!(!["", "\n", "n", "yep", "j", "1"].into_iter().any(is_yes));
    }
}
