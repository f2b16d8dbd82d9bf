//! `check`: a reading becomes a [`CheckNode`] with its one probe.
//!
//! Takes a checked reading, gives the node; reports a check with no probe or several (OPS6001), thresholds and values of
//! probes that are missing or contradict one another.
//! Invariant: a reading's every value is used here.

use super::command::{command, headers, value};
use super::levels::{Bad, spaces, times};
use super::target::{KILL_AFTER, kill_after};
use super::{arg, hurt, job, number, path, path_of, small, text};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::{CheckNode, HttpNode, JobNode, ProbeNode};
use crate::config::nodes::reader::{Datum, Reading};
use crate::config::nodes::schema::PROBES;
use crate::config::source::{Span, Spanned};
use crate::model::check::{Address, Levels, Worst};
use std::collections::HashMap;
use std::time::Duration;

pub(in crate::config) fn check(reading: &Reading, findings: &mut Vec<Finding>) -> CheckNode {
    let probes: Vec<&Reading> = reading
        .children
        .iter()
        .filter(|child| PROBES.iter().any(|spec| spec.name == child.spec_name))
        .collect();
    let mut read: Vec<Option<ProbeNode>> = probes.iter().map(|node| probe(node, findings)).collect();
    let name = reading.args.first().and_then(text);
    let name = name.as_ref().map_or("…", |name| name.value.as_str());
    match probes.as_slice() {
        [] if reading.damaged || reading.lost => {}
        [] => findings.push(
            Finding::new(
                Code::ProbeCount,
                reading.head,
                format!("the check `{}` asks nothing", excerpt(name)),
                "needs exactly one probe",
            )
            .help(format!(
                "add one of: {}; for example `disk-space \"/srv\" critical=\"15%\"`",
                PROBES.iter().map(|spec| spec.name).collect::<Vec<_>>().join(", ")
            )),
        ),
        [only] => only_commands_are_killed(reading, only, findings),
        [first, others @ ..] => {
            let mut finding = Finding::new(
                Code::ProbeCount,
                others.first().map_or(first.head, |other| other.head),
                format!("the check `{}` has {} probes", excerpt(name), probes.len()),
                "a second one",
            )
            .also(first.head, "the first");
            for other in others.iter().skip(1) {
                finding = finding.also(other.head, "another one");
            }
            findings.push(finding.help(format!(
                "make a check of each, such as `check \"{0}-2\" {{ … }}`; what needs both writes `needs \"check:{0}\" \"check:{0}-2\"`",
                excerpt(name)
            )));
        }
    }
    let warning = arg(reading, "severity")
        .and_then(text)
        .is_some_and(|word| word.value == "warning");
    CheckNode {
        job: JobNode {
            damaged: hurt(reading),
            ..job(reading, findings)
        },
        probe: if read.len() == 1 { read.pop().flatten() } else { None },
        worst: if warning { Worst::Warning } else { Worst::Critical },
        kill_after: kill_after(reading).unwrap_or(KILL_AFTER),
        fail_after: arg(reading, "fail-after").and_then(small).unwrap_or(1),
        recover_after: arg(reading, "recover-after").and_then(small).unwrap_or(1),
        silenced_by: arg(reading, "silenced-by").and_then(text),
    }
}

fn only_commands_are_killed(reading: &Reading, probe: &Reading, findings: &mut Vec<Finding>) {
    let given = reading.child("timeout").and_then(|node| node.prop("kill-after"));
    if let Some(given) = given
        && !matches!(probe.spec_name, "command" | "shell")
    {
        findings.push(
            Finding::new(
                Code::UnknownProperty,
                given.span,
                format!("`kill-after` is nothing to `{}`", probe.spec_name),
                "only a command has to be killed",
            )
            .also(probe.name_span, "starts no program")
            .help("delete `kill-after=`"),
        );
    }
}

/// One probe; `None` when something in it is wrong, and reported.
fn probe(node: &Reading, findings: &mut Vec<Finding>) -> Option<ProbeNode> {
    let given = node.args.first();
    let address = || match given.map(|value| &value.value) {
        Some(Datum::Address(address)) => Some(address.clone()),
        _ => None,
    };
    match node.spec_name {
        "file-age" => {
            let age = times(
                node,
                Bad::Large,
                "file-age \"run/heartbeat\" warn=\"60s\" critical=\"90s\"",
                findings,
            );
            let path = path_of(given?)?;
            Some(ProbeNode::FileAge { path, age })
        }
        "disk-space" => {
            let free = spaces(node, "disk-space \"/srv\" warn=\"25%\" critical=\"15%\"", findings);
            let path = path_of(given?)?;
            Some(ProbeNode::DiskSpace { path, free })
        }
        "tcp" => {
            let latency = latency(node, findings);
            tcp(address(), latency)
        }
        "http" => http(node, findings),
        "tls-expiry" => {
            let example = "tls-expiry \"example.com:443\" warn=\"21d\" critical=\"7d\"";
            let left = times(node, Bad::Small, example, findings);
            Some(ProbeNode::TlsExpiry {
                address: address()?,
                left,
                ca_file: path(node, "ca-file"),
            })
        }
        "job" => job_probe(node, findings),
        _ => command(node, node, findings).map(ProbeNode::Command),
    }
}

fn tcp(address: Option<Address>, latency: Levels<Duration>) -> Option<ProbeNode> {
    Some(ProbeNode::Tcp {
        address: address?,
        latency,
    })
}

fn latency(node: &Reading, findings: &mut Vec<Finding>) -> Levels<Duration> {
    thresholds(node, "latency", "latency warn=\"200ms\" critical=\"800ms\"", findings)
}

/// Those of a child, when it is there.
fn thresholds(node: &Reading, child: &str, example: &str, findings: &mut Vec<Finding>) -> Levels<Duration> {
    node.child(child)
        .map(|child| times(child, Bad::Large, example, findings))
        .unwrap_or_default()
}

fn job_probe(node: &Reading, findings: &mut Vec<Finding>) -> Option<ProbeNode> {
    let age = thresholds(node, "age", "age warn=\"25h\" critical=\"26h\"", findings);
    let duration = thresholds(node, "duration", "duration warn=\"2h\"", findings);
    let asked = node.child("age").is_some() || node.child("duration").is_some();
    let job = text(node.args.first()?)?;
    if !asked && !node.damaged && !node.lost {
        findings.push(
            Finding::new(
                Code::Missing,
                node.head,
                "`job` asks nothing about the job",
                "needs `age`, `duration` or both",
            )
            .help(format!(
                "for example `job \"{}\" {{ age critical=\"26h\"; }}`",
                excerpt(&job.value)
            )),
        );
    }
    Some(ProbeNode::Job { job, age, duration })
}

fn http(node: &Reading, findings: &mut Vec<Finding>) -> Option<ProbeNode> {
    let url = value(node, "CHECK_URL", 0, findings);
    let headers = headers(node, findings);
    let latency = latency(node, findings);
    let status = node
        .child("status")
        .map(|node| node.args.as_slice())
        .unwrap_or_default();
    let status = status
        .iter()
        .filter_map(number)
        .filter_map(|code| u16::try_from(code).ok());
    Some(ProbeNode::Http(Box::new(HttpNode {
        status: status.collect(),
        latency,
        json: json(node, findings),
        ca_file: path(node, "ca-file"),
        headers,
        url: url?,
    })))
}

/// What must stand where; each place once.
fn json(node: &Reading, findings: &mut Vec<Finding>) -> Vec<(String, serde_json::Value)> {
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut all = Vec::new();
    for child in node.children_named("json") {
        let Some(pointer) = child.args.first().and_then(text) else {
            continue;
        };
        if let Some(first) = seen.get(&pointer.value) {
            findings.push(
                Finding::new(
                    Code::Repeated,
                    pointer.span,
                    format!("`json \"{}\"` is given twice", excerpt(&pointer.value)),
                    "again here",
                )
                .also(*first, "first here")
                .help("delete one of them: one place of an answer holds one value"),
            );
            continue;
        }
        if let Some(Spanned {
            value: Datum::Scalar(wanted),
            ..
        }) = child.prop("eq")
        {
            all.push((pointer.value.clone(), wanted.clone()));
        }
        seen.insert(pointer.value, pointer.span);
    }
    all
}
