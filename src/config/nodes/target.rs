//! `target`: a command to run.
//!
//! Reports two commands or none, and waits that contradict one another.

use super::checked_node::{CheckedNode, one_of};
use super::command::{ENVIRONMENT, PIPEFAIL, command};
use super::decoder::Decoder;
use super::job::{JOB, JobLinks, JobNode, job};
use super::schedule::JOB_SCHEDULE;
use super::stdout_file::{STDOUT, stdout_file};
use super::text_or_secret::named_values;
use crate::config::findings::{Code, Finding};
use crate::config::language::spec::{Args, Prop, Spec, node, prop, required_prop, words};
use crate::config::language::types::Type;
use crate::config::source::Spanned;
use crate::config::values::Datum;
use crate::model::backoff::BackOff;
use crate::model::{Command, Overlap, Retry, StdoutFile, Target};
use crate::units::show_duration;
use std::time::Duration;

const DEFAULT_KILL_AFTER: Duration = Duration::from_secs(10);
const DEFAULT_FACTOR: f64 = 2.0;
const RETRY_WAIT: Duration = Duration::from_secs(1);
const RETRY_CAP: Duration = Duration::from_mins(5);
const BACK_OFF_WAIT: Duration = Duration::from_mins(1);
const BACK_OFF_CAP: Duration = Duration::from_hours(1);

const OVERLAPS: [(&str, Overlap); 4] = [
    ("skip", Overlap::Skip),
    ("queue", Overlap::Queue),
    ("replace", Overlap::Replace),
    ("allow", Overlap::Allow),
];

pub const KILL_AFTER: &[Prop] = &[prop("kill-after", Type::Duration, "the time between TERM and KILL")
    .default("\"10s\"")
    .example("\"10s\"")];

/// How many, and waits that grow; the longest one has a default and an example.
const fn growing_waits(count: Prop, wait: Prop, cap: (&'static str, &'static str)) -> [Prop; 4] {
    let factor = prop(
        "factor",
        Type::Decimal(1, 10),
        "each later wait is this many times as long",
    );
    let longest = prop("cap", Type::Duration, "the longest wait").default(cap.0);
    let longest = longest.rule("not shorter than `wait=`").example(cap.1);
    [count, wait, factor.default("2.0"), longest]
}

pub const TARGET: Spec = node("target", Args::One(Type::Name))
    .doc("a command to run")
    .example("target \"report\" { command \"bin/report\" \"--daily\"; }")
    .block(&[
        &[
            node("command", Args::Then(Type::Program, Type::Argument))
                .doc("the program and its arguments, without a shell")
                .example("command \"bin/report\" \"--daily\""),
            node("shell", Args::One(Type::Argument))
                .doc("a command line for /bin/sh")
                .example("shell \"cd run && bin/report > today\"")
                .with(PIPEFAIL),
            STDOUT,
            node("timeout", Args::One(Type::Duration))
                .doc("the time limit for one attempt")
                .example("timeout \"4m\" kill-after=\"10s\"")
                .with(KILL_AFTER)
                .otherwise("none"),
            node("retry", Args::None)
                .doc("how a failed attempt is retried within a run")
                .example("retry max=3 wait=\"2s\" factor=2.0 cap=\"30s\"")
                .with(&growing_waits(
                    required_prop("max", Type::Integer(1, 1000), "the number of retries").example("3"),
                    prop("wait", Type::Duration, "the wait before the first retry")
                        .default("\"1s\"")
                        .example("\"2s\""),
                    ("\"5m\"", "\"30s\""),
                ))
                .otherwise("one attempt"),
            node("ok-codes", Args::Many(Type::Integer(0, 255)))
                .doc("the exit codes that mean success")
                .example("ok-codes 0 3")
                .default("0"),
            node("back-off", Args::None)
                .doc("how long scheduled runs are skipped after failed ones")
                .example("back-off after=3 wait=\"1m\" factor=2.0 cap=\"1h\"")
                .with(&growing_waits(
                    required_prop("after", Type::Integer(1, 1000), "the number of failed runs in a row").example("3"),
                    prop("wait", Type::Duration, "the wait before the next run")
                        .default("\"1m\"")
                        .example("\"5m\""),
                    ("\"1h\"", "\"2h\""),
                ))
                .otherwise("no run is skipped"),
            node("overlap", Args::One(Type::Word(&words(&OVERLAPS), &[])))
                .doc(
                    "what happens when it is due while it still runs: it skips this time, waits for the end, \
                     replaces the running one, or runs beside it",
                )
                .example("overlap \"queue\"")
                .default("\"skip\""),
        ],
        ENVIRONMENT,
        JOB_SCHEDULE,
        JOB,
    ])
    .rule("exactly one of `command` and `shell`")
    .repeats();

#[derive(Debug)]
pub struct TargetNode {
    pub job: JobNode,
    pub command: Option<Command>,
    pub stdout: Option<StdoutFile>,
    pub kill_after: Duration,
    pub retry: Option<Spanned<Retry>>,
    /// Each once, in the order written. Not empty.
    pub ok_codes: Vec<u8>,
    pub back_off: Option<BackOff>,
    pub overlap: Overlap,
}

impl TargetNode {
    pub fn lower(&self, links: JobLinks) -> Option<Target> {
        Some(Target {
            name: self.job.lower_name()?,
            job: self.job.lower(links),
            command: self.command.clone()?,
            stdout: self.stdout.clone(),
            timeout: self.job.lower_timeout(),
            kill_after: self.kill_after,
            retry: self.retry.as_ref().map(|retry| retry.value),
            back_off: self.back_off,
            ok_codes: self.ok_codes.clone(),
            overlap: self.overlap,
        })
    }
}

pub fn target(node: &CheckedNode, decoder: &mut Decoder<'_>) -> TargetNode {
    TargetNode {
        command: one_command(node, decoder),
        stdout: stdout_file(node, decoder),
        job: JobNode {
            damaged: node.is_incomplete(),
            ..job(node, decoder)
        },
        kill_after: kill_after(node),
        retry: node.child("retry").and_then(|node| retry(node, decoder.findings)),
        ok_codes: ok_codes(node),
        back_off: node.child("back-off").and_then(|node| back_off(node, decoder.findings)),
        overlap: node.get("overlap", one_of(&OVERLAPS)).unwrap_or_default(),
    }
}

fn one_command(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Command> {
    match (node.child("command"), node.child("shell")) {
        (Some(argv), Some(shell)) => {
            let (first, second) = if argv.head.start <= shell.head.start {
                (argv, shell)
            } else {
                (shell, argv)
            };
            decoder.report(
                Finding::new(
                    Code::Repeated,
                    second.head,
                    "`command` and `shell` both set the command",
                    "again here",
                )
                .also(first.head, "first here")
                .help("delete one of them: a target runs one command"),
            );
            // Report the other mistakes in the same pass.
            let _ = command(argv, node, decoder);
            decoder.host_references.clear();
            None
        }
        (Some(one), None) | (None, Some(one)) => command(one, node, decoder),
        (None, None) => {
            let _ = named_values(node, "env", false, decoder);
            decoder.host_references.clear();
            if !node.damaged && !node.lost {
                decoder.report(
                    Finding::new(
                        Code::Missing,
                        node.head,
                        "`target` has no `command`",
                        "needs `command` or `shell`",
                    )
                    .help("add `command \"bin/report\" \"--daily\"`, or `shell \"cd run && bin/report > today\"`"),
                );
            }
            None
        }
    }
}

/// `timeout … kill-after=`
pub fn kill_after(node: &CheckedNode) -> Duration {
    let given = node
        .child("timeout")
        .and_then(|node| node.get_prop("kill-after", Datum::duration));
    given.unwrap_or(DEFAULT_KILL_AFTER)
}

/// Each once; 0 when there is none.
fn ok_codes(node: &CheckedNode) -> Vec<u8> {
    let given = node.child("ok-codes").into_iter().flat_map(|node| &node.args);
    let mut codes: Vec<u8> = Vec::new();
    for code in given.filter_map(|value| u8::try_from(value.value.number()?).ok()) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    if codes.is_empty() { vec![0] } else { codes }
}

fn retry(node: &CheckedNode, findings: &mut Vec<Finding>) -> Option<Spanned<Retry>> {
    let (wait, factor, cap) = waits(node, RETRY_WAIT, RETRY_CAP, findings);
    let max = node.get_prop("max", Datum::small)?;
    Some(Spanned {
        value: Retry { max, wait, factor, cap },
        span: node.head,
    })
}

fn back_off(node: &CheckedNode, findings: &mut Vec<Finding>) -> Option<BackOff> {
    let (wait, factor, cap) = waits(node, BACK_OFF_WAIT, BACK_OFF_CAP, findings);
    Some(BackOff {
        after: node.get_prop("after", Datum::small)?,
        wait,
        factor,
        cap,
    })
}

/// Waits that grow: the first, the factor, the longest.
fn waits(
    node: &CheckedNode,
    default_wait: Duration,
    default_cap: Duration,
    findings: &mut Vec<Finding>,
) -> (Duration, f64, Duration) {
    let time = |name: &str| node.get_prop(name, Datum::duration);
    let bad = |name: &str| node.prop(name).is_some_and(|value| value.value == Datum::Bad);
    let (wait, cap) = (time("wait").unwrap_or(default_wait), time("cap").unwrap_or(default_cap));
    if wait > cap && !bad("wait") && !bad("cap") {
        let (wait_shown, cap_shown) = (show_duration(wait), show_duration(cap));
        let finding = |span, label: String| Finding::new(Code::BadValue, span, "`wait=` is longer than `cap=`", label);
        findings.push(match (node.prop("wait"), node.prop("cap")) {
            (Some(first), Some(longest)) => finding(first.span, "the first wait".to_owned())
                .also(longest.span, "the longest wait")
                .help(format!("write `wait=\"{cap_shown}\"`, or `cap=\"{wait_shown}\"`")),
            (Some(first), None) => finding(first.span, format!("`cap=` is {cap_shown} by default"))
                .help(format!("add `cap=\"{wait_shown}\"`, or a longer one")),
            (_, longest) => finding(
                longest.map_or(node.head, |longest| longest.span),
                format!("`wait=` is {wait_shown} by default"),
            )
            .help(format!("add `wait=\"{cap_shown}\"`, or a shorter one")),
        });
    }
    let factor = node.get_prop("factor", Datum::decimal).unwrap_or(DEFAULT_FACTOR);
    (wait, factor, cap)
}
