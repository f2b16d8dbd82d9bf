//! `target`: a reading becomes a [`TargetNode`].
//!
//! Takes a checked reading, gives the node; reports two commands or none, and waits that contradict one another.
//! Invariant: a reading's every value is used here.

use super::command::{command, named};
use super::{arg, duration, hurt, job, number, small, text};
use crate::config::findings::{Code, Finding};
use crate::config::nodes::document::{JobNode, TargetNode};
use crate::config::nodes::reader::{Datum, Reading};
use crate::config::source::Spanned;
use crate::model::backoff::BackOff;
use crate::model::{Overlap, Retry};
use crate::units::show_duration;
use std::time::Duration;

/// Between TERM and KILL, when the file names no time.
pub(super) const KILL_AFTER: Duration = Duration::from_secs(10);
const FACTOR: f64 = 2.0;
const WAIT: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_mins(5);
const LONG_WAIT: Duration = Duration::from_mins(1);
const LONG_CAP: Duration = Duration::from_hours(1);

pub(in crate::config) fn target(reading: &Reading, findings: &mut Vec<Finding>) -> TargetNode {
    let run = |name: &str| reading.child(name);
    let command = match (run("command"), run("shell")) {
        (Some(argv), Some(shell)) => {
            let (first, second) = if argv.head.start <= shell.head.start {
                (argv, shell)
            } else {
                (shell, argv)
            };
            findings.push(
                Finding::new(
                    Code::Repeated,
                    second.head,
                    "`command` and `shell` both say what is run",
                    "again here",
                )
                .also(first.head, "first here")
                .help("delete one of them: a target runs one command"),
            );
            // What is wrong with the rest is said in the same go.
            let _ = command(argv, reading, findings);
            None
        }
        (Some(one), None) | (None, Some(one)) => command(one, reading, findings),
        (None, None) => {
            let _ = named(reading, "env", false, findings);
            if !reading.damaged && !reading.lost {
                findings.push(
                    Finding::new(
                        Code::Missing,
                        reading.head,
                        "`target` has no `command`",
                        "needs `command` or `shell`: what is run",
                    )
                    .help("add `command \"bin/report\" \"--daily\"`, or `shell \"bin/list | wc -l\"`"),
                );
            }
            None
        }
    };
    TargetNode {
        job: JobNode {
            damaged: hurt(reading),
            ..job(reading, findings)
        },
        command,
        kill_after: kill_after(reading).unwrap_or(KILL_AFTER),
        retry: reading.child("retry").and_then(|node| {
            Some(Spanned {
                value: retry(node, findings)?,
                span: node.head,
            })
        }),
        ok_codes: ok_codes(reading),
        back_off: reading.child("back-off").and_then(|node| back_off(node, findings)),
        overlap: overlap(reading),
    }
}

/// `timeout … kill-after=`
pub(super) fn kill_after(reading: &Reading) -> Option<Duration> {
    duration(reading.child("timeout")?.prop("kill-after")?)
}

fn overlap(reading: &Reading) -> Overlap {
    let word = arg(reading, "overlap").and_then(text);
    match word.as_ref().map(|word| word.value.as_str()) {
        Some("queue") => Overlap::Queue,
        Some("replace") => Overlap::Replace,
        Some("allow") => Overlap::Allow,
        _ => Overlap::Skip,
    }
}

/// Each once, in the order written.
fn ok_codes(reading: &Reading) -> Vec<u8> {
    let mut codes: Vec<u8> = Vec::new();
    for value in reading
        .child("ok-codes")
        .map(|node| node.args.as_slice())
        .unwrap_or_default()
    {
        if let Some(code) = number(value).and_then(|code| u8::try_from(code).ok())
            && !codes.contains(&code)
        {
            codes.push(code);
        }
    }
    if codes.is_empty() {
        codes.push(0);
    }
    codes
}

fn retry(reading: &Reading, findings: &mut Vec<Finding>) -> Option<Retry> {
    let (wait, factor, cap) = waits(reading, WAIT, CAP, findings);
    Some(Retry {
        max: reading.prop("max").and_then(small)?,
        wait,
        factor,
        cap,
    })
}

fn back_off(reading: &Reading, findings: &mut Vec<Finding>) -> Option<BackOff> {
    let (wait, factor, cap) = waits(reading, LONG_WAIT, LONG_CAP, findings);
    Some(BackOff {
        after: reading.prop("after").and_then(small)?,
        wait,
        factor,
        cap,
    })
}

/// Waits that grow: the first, the factor, the longest.
fn waits(
    reading: &Reading,
    usual_wait: Duration,
    usual_cap: Duration,
    findings: &mut Vec<Finding>,
) -> (Duration, f64, Duration) {
    let time = |name: &str| reading.prop(name).and_then(duration);
    let bad = |name: &str| reading.prop(name).is_some_and(|value| value.value == Datum::Bad);
    let (wait, cap) = (time("wait").unwrap_or(usual_wait), time("cap").unwrap_or(usual_cap));
    if wait > cap && !bad("wait") && !bad("cap") {
        let (wait_shown, cap_shown) = (show_duration(wait), show_duration(cap));
        let finding = |span, label: String| {
            Finding::new(
                Code::BadValue,
                span,
                "the first wait is longer than the longest one",
                label,
            )
        };
        findings.push(match (reading.prop("wait"), reading.prop("cap")) {
            (Some(first), Some(longest)) => finding(first.span, "longer than `cap`".to_owned())
                .also(longest.span, "no wait is longer")
                .help(format!("write `wait=\"{cap_shown}\"`, or `cap=\"{wait_shown}\"`")),
            (Some(first), None) => finding(first.span, format!("`cap` is {cap_shown} unless it is given"))
                .help(format!("add `cap=\"{wait_shown}\"`, or a longer one")),
            (_, longest) => finding(
                longest.map_or(reading.head, |longest| longest.span),
                format!("`wait` is {wait_shown} unless it is given"),
            )
            .help(format!("add `wait=\"{cap_shown}\"`, or a shorter one")),
        });
    }
    let factor = match reading.prop("factor").map(|value| &value.value) {
        Some(Datum::Decimal(factor)) => *factor,
        _ => FACTOR,
    };
    (wait, factor, cap)
}
