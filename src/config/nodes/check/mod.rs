//! `check`: a question about the state of something, asked by one probe.
//!
//! A new probe is two new files and three touched:
//! - new: `exec/action/check/<probe>.rs`, which asks; `probes/<probe>.rs` here, with its row and its decoding
//! - touched: `probes`, the list of them; `model/check.rs`, with its settings, what JSON calls them, and its
//!   words in the plan; `exec/action/check/mod.rs`, which calls the new file
//!
//! Reports a check without a probe, or with several (OPS6001).

mod probes;
mod thresholds;

use super::checked_node::{CheckedNode, one_of};
use super::decoder::Decoder;
use super::exactly_one::{Kinds, exactly_one, specs};
use super::job::{JOB, JobLinks, JobNode, job};
use super::schedule::JOB_SCHEDULE;
use super::target::{KILL_AFTER, kill_after};
use crate::config::findings::{Code, Finding};
use crate::config::language::spec::{Args, Spec, node, words};
use crate::config::language::types::Type;
use crate::config::source::Spanned;
use crate::config::values::Datum;
use crate::model::check::{Probe, Worst};
use crate::model::{Check, JobName};
use probes::PROBES;
use std::time::Duration;

/// The rows of the probes.
pub const PROBE_SPECS: &[Spec] = &specs(&PROBES);

const KINDS: Kinds<Probe> = Kinds {
    rows: &PROBES,
    noun: "probe",
    needed: "needs exactly one probe",
    missing: Code::ProbeCount,
    several: Code::ProbeCount,
    example: "disk-space \"/srv\" critical=\"15%\"",
    split: |name| {
        format!(
            "write one check for each, such as `check \"{name}-2\" {{ … }}`; \
             a job that needs both writes `needs \"check:{name}\" \"check:{name}-2\"`"
        )
    },
};

const SEVERITIES: [(&str, Worst); 2] = [("warning", Worst::Warning), ("critical", Worst::Critical)];

/// The time limit of a check without a `timeout`.
pub const DEFAULT_CHECK_TIMEOUT: Duration = Duration::from_secs(10);

pub const CHECK: Spec = node("check", Args::One(Type::Name))
    .doc("a question about the state of something")
    .example("check \"disk\" { disk-space \"/srv\" critical=\"15%\"; }")
    .block(&[
        PROBE_SPECS,
        &[
            node("timeout", Args::One(Type::Duration))
                .doc("the time limit for an answer")
                .example("timeout \"5s\"")
                .with(KILL_AFTER)
                .rule("`kill-after=` only with a command")
                .default("\"10s\""),
            node("severity", Args::One(Type::Word(&words(&SEVERITIES), &[])))
                .doc("the worst state of the check: `\"warning\"` turns critical into warning")
                .example("severity \"warning\"")
                .default("\"critical\""),
            node("fail-after", Args::One(Type::Integer(1, 1000)))
                .doc("the number of bad answers in a row before an alert; `needs` does not wait for them")
                .example("fail-after 3")
                .default("1"),
            node("recover-after", Args::One(Type::Integer(1, 1000)))
                .doc("the number of good answers in a row before a recovery")
                .example("recover-after 2")
                .default("1"),
            node("silenced-by", Args::One(Type::Job))
                .doc("a check; while it is bad, this one's alerts are held back, but never its recovery")
                .example("silenced-by \"check:network\"")
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
            job: self.job.lower(links),
            probe: self.probe.clone()?,
            timeout: self.job.lower_timeout().unwrap_or(DEFAULT_CHECK_TIMEOUT),
            kill_after: self.kill_after,
            worst: self.worst,
            fail_after: self.fail_after,
            recover_after: self.recover_after,
            silenced_by,
        })
    }
}

pub fn check(node: &CheckedNode, decoder: &mut Decoder<'_>) -> CheckNode {
    let probe = exactly_one(node, &KINDS, decoder);
    if let Some((probe, _)) = &probe {
        kill_after_without_command(node, probe, decoder.findings);
    }
    let asked_job = decoder.asked_job.take().filter(|_| probe.is_some());
    let count = |name| node.get(name, Datum::small).unwrap_or(1);
    CheckNode {
        job: JobNode {
            damaged: node.is_incomplete(),
            ..job(node, decoder)
        },
        probe: probe.and_then(|(_, probe)| probe),
        asked_job,
        worst: node.get("severity", one_of(&SEVERITIES)).unwrap_or_default(),
        kill_after: kill_after(node),
        fail_after: count("fail-after"),
        recover_after: count("recover-after"),
        silenced_by: node.value("silenced-by", Datum::string),
    }
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
