//! `command`: the message as a JSON document on the standard input of a command.
//!
//! Exit code 0 is delivered. 64, 65 and 78 (wrong usage, data or configuration in sysexits.h) are final. After any other
//! end the message is sent again, also after 75, which asks for that.
//! Invariant: no process of the command survives its timeout, and its output is redacted.

use crate::channel::answer::Delivery;
use crate::channel::line::short_line;
use crate::process::{self, Captured, Ending, Spawn};
use crate::secret::Vault;
use crate::signal::Stop;

/// With these another attempt would end in the same way.
const FINAL_EXIT_CODES: [u8; 3] = [64, 65, 78];

pub(super) async fn run(spawn: &Spawn, vault: &Vault, stop: &Stop) -> Delivery {
    match process::run(spawn, vault, stop).await {
        Ok(done) => verdict(done.ending, &done.stdout, &done.stderr),
        Err(error) => Delivery::retry(short_line(&vault.redact(&error.to_string()))),
    }
}

fn verdict(ending: Ending, stdout: &Captured, stderr: &Captured) -> Delivery {
    let with = |line: Option<String>| match line {
        Some(line) => short_line(&format!("{ending}: {line}")),
        None => ending.to_string(),
    };
    let why = || with(last(stderr).or_else(|| last(stdout)));
    match ending {
        Ending::Exited(0) => Delivery::Sent {
            answer: with(first(stdout)),
        },
        Ending::Exited(code) if FINAL_EXIT_CODES.contains(&code) => Delivery::dead(why()),
        _ => Delivery::retry(why()),
    }
}

fn first(printed: &Captured) -> Option<String> {
    let text = String::from_utf8_lossy(&printed.head);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.map(str::to_owned)
}

fn last(printed: &Captured) -> Option<String> {
    let tail = Some(&printed.tail).filter(|tail| !tail.is_empty());
    let text = String::from_utf8_lossy(tail.unwrap_or(&printed.head));
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_decides() {
        let printed = |text: &str| Captured {
            head: text.as_bytes().to_vec(),
            ..Captured::default()
        };
        let verdict = |ending| match verdict(ending, &printed("\nfine\nmore\n"), &printed("a\nno route \n")) {
            Delivery::Sent { answer } => ("sent", answer),
            Delivery::Retry { why, .. } => ("retry", why),
            Delivery::Dead { why } => ("dead", why),
            Delivery::Partial { why, .. } => ("partial", why),
        };
        for code in 0..=255 {
            let expected = match code {
                0 => "sent",
                64 | 65 | 78 => "dead",
                _ => "retry",
            };
            assert_eq!(verdict(Ending::Exited(code)).0, expected, "{code}");
        }
        assert_eq!(verdict(Ending::Exited(0)).1, "exit code 0: fine");
        assert_eq!(verdict(Ending::Exited(75)).1, "exit code 75: no route");
        assert_eq!(verdict(Ending::Signalled(9)).0, "retry");
    }
}
