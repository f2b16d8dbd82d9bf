//! `check`: a question about the state of something, asked by one probe.
//!
//! Each probe has a file here with its row and its decoding; [`PROBES`] is the only list of them. How a probe is asked is in
//! `exec/action/check`. Reports a check without a probe, or with several (OPS6001).

mod command;
mod disk_space;
mod file_age;
mod http;
mod job;
mod probe;
mod tcp;
mod thresholds;
mod tls_expiry;

use super::checked_node::CheckedNode;
use super::decoder::Decoder;
use super::job::{JOB, JobLinks, JobNode, job};
use super::schedule::JOB_SCHEDULE;
use super::target::{KILL_AFTER, kill_after};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, Spec, node};
use crate::config::language::types::Type;
use crate::config::source::Spanned;
use crate::model::check::{Probe, Worst};
use crate::model::{Check, JobName};
use probe::ProbeRow;
use std::time::Duration;

/// Every probe; a check has exactly one.
const PROBES: [ProbeRow; 8] = [
    file_age::FILE_AGE,
    disk_space::DISK_SPACE,
    tcp::TCP,
    http::HTTP,
    tls_expiry::TLS_EXPIRY,
    command::COMMAND,
    command::SHELL,
    job::JOB,
];

/// The rows of [`PROBES`].
pub const PROBE_SPECS: &[Spec] = &{
    let mut specs = [PROBES[0].spec; PROBES.len()];
    let mut at = 0;
    while at < specs.len() {
        specs[at] = PROBES[at].spec;
        at += 1;
    }
    specs
};

/// The time limit of a check without a `timeout`.
pub const DEFAULT_CHECK_TIMEOUT: Duration = Duration::from_secs(10);

pub const CHECK: Spec = node(
    "check",
    Args::One(Type::Name),
    "a question about the state of something",
    "check \"disk\" { disk-space \"/srv\" critical=\"15%\"; }",
)
.block(&[
    PROBE_SPECS,
    &[
        node(
            "timeout",
            Args::One(Type::Duration),
            "the time limit for an answer",
            "timeout \"5s\"",
        )
        .with(KILL_AFTER)
        .rule("`kill-after=` only with a command")
        .default("\"10s\""),
        node(
            "severity",
            Args::One(Type::Word(&["warning", "critical"], &[])),
            "the worst state of the check: `\"warning\"` turns critical into warning",
            "severity \"warning\"",
        )
        .default("\"critical\""),
        node(
            "fail-after",
            Args::One(Type::Integer(1, 1000)),
            "the number of bad answers in a row before an alert; `needs` does not wait for them",
            "fail-after 3",
        )
        .default("1"),
        node(
            "recover-after",
            Args::One(Type::Integer(1, 1000)),
            "the number of good answers in a row before a recovery",
            "recover-after 2",
        )
        .default("1"),
        node(
            "silenced-by",
            Args::One(Type::Job),
            "a check; while it is bad, this one's alerts are held back, but never its recovery",
            "silenced-by \"check:network\"",
        )
        .otherwise("nothing"),
    ],
    JOB_SCHEDULE,
    JOB,
])
.rule("exactly one probe")
.repeats();

#[derive(Debug)]
pub struct CheckNode {
    pub job: JobNode,
    pub probe: Option<Probe>,
    /// The job that the probe asks about, as written.
    pub asked_job: Option<Spanned<String>>,
    pub worst: Worst,
    pub kill_after: Duration,
    pub fail_after: u32,
    pub recover_after: u32,
    /// As written.
    pub silenced_by: Option<Spanned<String>>,
}

impl CheckNode {
    pub fn lower(&self, links: JobLinks) -> Option<Check> {
        let silenced_by = match &self.silenced_by {
            Some(name) => Some(name.value.parse::<JobName>().ok()?.name),
            None => None,
        };
        Some(Check {
            name: self.job.lower_name()?,
            probe: self.probe.clone()?,
            needs: links.needs,
            timeout: self.job.lower_timeout().unwrap_or(DEFAULT_CHECK_TIMEOUT),
            kill_after: self.kill_after,
            worst: self.worst,
            fail_after: self.fail_after,
            recover_after: self.recover_after,
            silenced_by,
            schedule: links.schedule,
            notify: self.job.lower_notify(),
            paused: self.job.paused,
        })
    }
}

fn row(node: &CheckedNode) -> Option<&'static ProbeRow> {
    const ROWS: &[ProbeRow] = &PROBES;
    ROWS.iter().find(|row| row.spec.name == node.spec_name)
}

pub fn check(node: &CheckedNode, decoder: &mut Decoder<'_>) -> CheckNode {
    let mut probes: Vec<(&CheckedNode, Option<Probe>)> = Vec::new();
    for child in &node.children {
        if let Some(row) = row(child) {
            probes.push((child, (row.decode)(child, decoder)));
        }
    }
    let name = node.text();
    let name = name.as_ref().map_or("…", |name| name.value.as_str());
    match probes.as_slice() {
        [] if node.damaged || node.lost => {}
        [] => decoder.report(without_probe(node, name)),
        [(only, _)] => kill_after_without_command(node, only, decoder.findings),
        [(first, _), others @ ..] => {
            decoder.report(several_probes(name, first, others));
            decoder.host_references.clear();
        }
    }
    let one = probes.len() == 1;
    let asked_job = decoder.asked_job.take();
    CheckNode {
        job: JobNode {
            damaged: node.is_incomplete(),
            ..job(node, decoder)
        },
        probe: probes.pop().filter(|_| one).and_then(|(_, probe)| probe),
        asked_job: asked_job.filter(|_| one),
        worst: match node.word("severity") {
            Some("warning") => Worst::Warning,
            _ => Worst::Critical,
        },
        kill_after: kill_after(node),
        fail_after: node
            .arg("fail-after")
            .and_then(|value| value.value.small())
            .unwrap_or(1),
        recover_after: node
            .arg("recover-after")
            .and_then(|value| value.value.small())
            .unwrap_or(1),
        silenced_by: node.text_of("silenced-by"),
    }
}

fn without_probe(node: &CheckedNode, name: &str) -> Finding {
    let names: Vec<&str> = PROBE_SPECS.iter().map(|spec| spec.name).collect();
    Finding::new(
        Code::ProbeCount,
        node.head,
        format!("check `{}` has no probe", excerpt(name)),
        "needs exactly one probe",
    )
    .help(format!(
        "add one of: {}; for example `disk-space \"/srv\" critical=\"15%\"`",
        names.join(", ")
    ))
}

fn several_probes(name: &str, first: &CheckedNode, others: &[(&CheckedNode, Option<Probe>)]) -> Finding {
    let name = excerpt(name);
    let mut finding = Finding::new(
        Code::ProbeCount,
        others.first().map_or(first.head, |(other, _)| other.head),
        format!("check `{name}` has {} probes", others.len() + 1),
        "the second",
    )
    .also(first.head, "the first");
    for (other, _) in others.iter().skip(1) {
        finding = finding.also(other.head, "another one");
    }
    finding.help(format!(
        "write one check for each, such as `check \"{name}-2\" {{ … }}`; a job that needs both writes `needs \"check:{name}\" \"check:{name}-2\"`",
    ))
}

fn kill_after_without_command(node: &CheckedNode, probe: &CheckedNode, findings: &mut Vec<Finding>) {
    let given = node.child("timeout").and_then(|node| node.prop("kill-after"));
    if let Some(given) = given
        && !matches!(probe.spec_name, "command" | "shell")
    {
        findings.push(
            Finding::new(
                Code::UnknownProperty,
                given.span,
                format!("`kill-after=` has no effect with `{}`", probe.spec_name),
                "only a command has to be killed",
            )
            .also(probe.name_span, "starts no program")
            .help("delete `kill-after=`"),
        );
    }
}
