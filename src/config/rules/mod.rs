//! The [`Document`] as a whole → the [`Model`], or what is wrong between its parts.
//!
//! Takes decoded nodes, resolves paths and references, runs the checks across nodes in order, applies `allow`, and builds
//! the model. Knows no KDL.
//! Invariant: the model is built only when no finding is an error; a doubt that rests on text that could not be read
//! is not reported.

mod channels;
mod cycles;
mod deletion;
mod destinations;
mod host;
mod name_lists;
mod names;
mod nested_directories;
mod never_ready;
mod notify;
mod schedule_fit;
mod schedule_pitfalls;
mod schedules;
mod zone_data;

use crate::config::findings::{Code, Finding, allow, sorted};
use crate::config::nodes::document::Document;
use crate::config::nodes::{JobLinks, lower_ops};
use crate::config::source::{SourceMap, Span};
use crate::model::{Model, Ops};
use crate::time_zone::ZoneDatabase;
use chrono::{DateTime, Utc};
use deletion::deletable::Deletable;
use deletion::path_cache::PathSetCache;
use deletion::{
    assertions, class_overlap, copies_kept, delete_limits, empty_class, empty_selection, protected_paths,
    retention_overlap,
};
use names::ResolvedRetention;

/// The whole, judged.
#[derive(Debug)]
pub struct CheckResult {
    pub model: Option<Model>,
    pub findings: Vec<Finding>,
    /// How much of the host was not looked at.
    pub unasked: usize,
}

/// Judges everything and builds the model when nothing is wrong; with `host`, also what the files say of the host.
pub fn check(
    document: &Document,
    sources: &SourceMap,
    digest: String,
    now: DateTime<Utc>,
    host: bool,
    zones: &ZoneDatabase,
    mut findings: Vec<Finding>,
) -> CheckResult {
    let ops = lower_ops(document.ops.as_ref(), sources, digest, zones);
    names::unique(document, &mut findings);
    let claims = names::claims(document, &mut findings);

    let names = names::JobNames::of(document);
    let needs = names.needs(&mut findings);
    cycles::check(document, &names, &needs, &mut findings);
    never_ready::check(document, &needs, &mut findings);
    let schedules = schedules::Schedules::of(document, &ops.timezone, &mut findings);
    zone_data::check(document, sources, zones, (now, host), &mut findings);
    schedule_pitfalls::check(&schedules, now, &mut findings);
    schedule_fit::check(document, &schedules, &needs, now, &mut findings);
    notify::check(document, &names, &mut findings);
    channels::check(document, &names, &schedules, &mut findings);

    destinations::check(&document.backups, &mut findings);
    delete_limits::system_sources(&claims, &mut findings);
    copies_kept::copies(document, &claims, &mut findings);
    delete_limits::budgets(document, &mut findings);
    copies_kept::without_effect(document, &mut findings);
    deletion(document, sources, &ops, &claims, &mut findings);
    nested_directories::check(&document.backups, &claims, &ops, &mut findings);
    assertions::check(document, &claims, &mut findings);
    let asks = host::asks(document, &claims);
    let (unasked, unasked_codes) = if host {
        host::look(&asks, &mut findings);
        (0, [].as_slice())
    } else {
        (asks.len(), host::CODES)
    };
    allow::apply(document, sources, unasked_codes, &mut findings);
    // What is wrong with a file may be why no job is seen in it.
    if !findings.iter().any(Finding::is_error) {
        findings.extend(no_jobs(document, sources));
    }

    // What took the place of a character of several bytes may be shorter than it.
    for label in findings.iter_mut().flat_map(|finding| &mut finding.labels) {
        label.span = sources.whole(label.span);
    }
    let findings = sorted(findings);
    let fine = !findings.iter().any(Finding::is_error);
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
            let all = schedules.all.iter().map(|timed| timed.schedule.clone());
            document.lower(ops, all.collect(), links.collect())
        })
        .flatten();
    CheckResult {
        model,
        findings,
        unasked,
    }
}

/// What patterns mean together; retentions of backups that store nothing are left out.
fn deletion(
    document: &Document,
    sources: &SourceMap,
    ops: &Ops,
    claims: &[ResolvedRetention<'_>],
    findings: &mut Vec<Finding>,
) {
    let sets = PathSetCache::default();
    let empty = empty_selection::check(&document.backups, &sets, findings);
    let precious = protected_paths::all(document, ops, sources);
    let reaches: Vec<Deletable<'_>> = claims
        .iter()
        .filter(|claim| claim.node.patterns_known && claim.backup.patterns_known)
        .filter(|claim| !empty.contains(claim.backup.name()))
        .filter_map(|claim| Deletable::new(claim, &sets))
        .collect();
    for reach in &reaches {
        empty_class::classes(reach, &sets, findings);
        class_overlap::overlapping_classes(reach, &sets, findings);
    }
    protected_paths::own_files(&reaches, &sets, &precious, findings);
    retention_overlap::pairs(&reaches, &sets, findings);
}

/// OPS3007: a file that was cut off, or not yet written.
fn no_jobs(document: &Document, sources: &SourceMap) -> Option<Finding> {
    if document.jobs().next().is_some() || !document.fully_read() || document.hidden_retention {
        return None;
    }
    let root = sources.files().first()?;
    let first = root.text.split(['\n', '\r']).next().unwrap_or_default();
    let span = Span::new(root.base, root.base + first.len());
    let message = "the ops file does not declare any jobs";
    let label = "expected a target, check, backup or retention";
    Some(Finding::new(Code::NoJobs, span, message, label).help(
        "check that the file is complete, or declare a job: `backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; }`",
    ))
}
