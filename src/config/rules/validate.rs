//! The [`Document`] as a whole → the [`Model`], or what is wrong between its parts.
//!
//! Takes decoded nodes, resolves paths, asks `references`, `cycles`, `lexical`, `reasons` and `assertions` for what the
//! parts mean together, has `allow` applied and the model built. Knows no KDL.
//! Invariant: the model is built only when no finding is an error; a doubt that rests on text which could not be read
//! is not reported.

use crate::config::CheckOptions;
use crate::config::findings::{Code, Finding, FindingSeverity, allow, sorted};
use crate::config::nodes::document::Document;
use crate::config::nodes::lower::lower;
use crate::config::nodes::{BackupNode, JobLinks, RetentionNode, lower_ops};
use crate::config::rules::deletion::deletable::Sets;
use crate::config::rules::deletion::{assertions, empty_selection, protected_paths, reasons};
use crate::config::rules::{
    cycles, host, lexical, names, nested_directories, never_ready, notify, schedule_fit, schedule_pitfalls, schedules,
};
use crate::config::source::{SourceMap, Span, Spanned};
use crate::model::Model;
use std::collections::HashMap;
use std::path::PathBuf;

/// A backup whose paths are resolved.
#[derive(Debug)]
pub(in crate::config) struct Place<'a> {
    pub(in crate::config) node: &'a BackupNode,
    pub(in crate::config) name: &'a str,
    pub(in crate::config) source: Option<PathBuf>,
    pub(in crate::config) to: Option<PathBuf>,
}

/// A retention whose backup is known.
#[derive(Debug)]
pub(in crate::config) struct Claim<'a> {
    pub(in crate::config) node: &'a RetentionNode,
    pub(in crate::config) name: &'a str,
    pub(in crate::config) backup: &'a Place<'a>,
}

/// The whole, judged.
#[derive(Debug)]
pub(in crate::config) struct Judged {
    pub(in crate::config) model: Option<Model>,
    pub(in crate::config) findings: Vec<Finding>,
    /// How much of the host was not looked at.
    pub(in crate::config) unasked: usize,
}

/// Judges everything and builds the model when nothing is wrong; with `host`, also what the files say of the host.
pub(in crate::config) fn validate(
    document: &Document,
    sources: &SourceMap,
    digest: String,
    CheckOptions { now, host }: CheckOptions,
    mut findings: Vec<Finding>,
) -> Judged {
    let ops = lower_ops(document.ops.as_ref(), sources, digest);
    names::unique(document, &mut findings);
    let places: Vec<Place<'_>> = document.backups.iter().map(place).collect();
    let by_name: HashMap<&str, &Place<'_>> = places.iter().rev().map(|place| (place.name, place)).collect();
    let claims = names::claims(document, &places, &by_name, &mut findings);

    let names = names::Names::of(document);
    let needs = names.needs(document, &mut findings);
    cycles::judge(document, &names, &needs, &mut findings);
    never_ready::judge(document, &needs, &mut findings);
    let schedules = schedules::Schedules::of(document, ops.timezone, &mut findings);
    schedule_pitfalls::judge(&schedules, now, &mut findings);
    schedule_fit::judge(document, &schedules, &needs, now, &mut findings);
    notify::judge(document, &names, &mut findings);

    lexical::destinations(&places, &mut findings);
    lexical::system_sources(&claims, &mut findings);
    lexical::copies(document, &places, &claims, &mut findings);
    lexical::budgets(document, &mut findings);
    lexical::without_effect(document, &mut findings);
    let sets = Sets::default();
    let empty = empty_selection::judge(&places, &sets, &mut findings);
    let precious = protected_paths::all(document, &places, &ops, sources);
    reasons::judge(&claims, &sets, &precious, &empty, &mut findings);
    nested_directories::judge(&places, &claims, &ops, &mut findings);
    assertions::judge(document, &places, &claims, &mut findings);
    let asks = host::asks(document, &places);
    let (unasked, unasked_codes) = if host {
        host::look(&asks, &mut findings);
        (0, [].as_slice())
    } else {
        (asks.len(), host::CODES)
    };
    allow::apply(document, sources, unasked_codes, &mut findings);
    // What is wrong with a file may be why no job is seen in it.
    if findings
        .iter()
        .all(|finding| finding.severity != FindingSeverity::Error)
    {
        findings.extend(no_jobs(document, sources));
    }

    // What took the place of a character of several bytes may be shorter than it.
    for label in findings.iter_mut().flat_map(|finding| &mut finding.labels) {
        label.span = sources.whole(label.span);
    }
    let findings = sorted(findings);
    let fine = findings
        .iter()
        .all(|finding| finding.severity != FindingSeverity::Error);
    let model = fine
        .then(|| {
            let links = schedules
                .of_jobs(document)
                .zip(&needs)
                .map(|((_, _, timed), needs)| JobLinks {
                    needs: needs.iter().map(|name| name.value.clone()).collect(),
                    schedule: timed.map(|timed| timed.schedule.name.clone()),
                    longest_gap: timed.and_then(|timed| Some(timed.gaps(now)?.1)),
                });
            let all = schedules.all().iter().map(|timed| timed.schedule.clone());
            lower(document, ops, all.collect(), links.collect())
        })
        .flatten();
    Judged {
        model,
        findings,
        unasked,
    }
}

/// OPS3007: a file that was cut off, or not yet written.
fn no_jobs(document: &Document, sources: &SourceMap) -> Option<Finding> {
    let unsure = document.blind || document.hidden_retention || !document.hidden.is_empty();
    if document.jobs().next().is_some() || unsure {
        return None;
    }
    let root = sources.files().first()?;
    let first = root.text.split(['\n', '\r']).next().unwrap_or_default();
    let span = Span::new(root.base, root.base + first.len());
    let finding = Finding::new(
        Code::NoJobs,
        span,
        "the ops file declares no job",
        "no target, check, backup or retention",
    );
    Some(
        finding.help(
            "if it is not cut off, declare one: `backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; }`",
        ),
    )
}

fn place(node: &BackupNode) -> Place<'_> {
    let path = |path: &Option<Spanned<PathBuf>>| path.as_ref().map(|path| path.value.clone());
    Place {
        node,
        name: node.job.name.as_ref().map_or("", |name| name.value.as_str()),
        source: path(&node.source),
        to: path(&node.to),
    }
}
