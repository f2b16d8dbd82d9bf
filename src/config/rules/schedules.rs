//! Which schedule each job runs by.
//!
//! Takes the document, gives every schedule as the model has it, also the schedules of single jobs (`cron` or `every` in
//! the job); reports names that are given twice (OPS3001) or name nothing (OPS3002), and schedules that nothing uses (OPS3004).
//! Invariant: a schedule is here if and only if its rhythm is valid; a doubt that rests on text that could not be read is
//! not reported.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::Document;
use crate::config::nodes::{DstNode, JobNode, RhythmNode, ScheduleNode};
use crate::config::rules::name_lists::{self, NameSearch, listed};
use crate::config::source::Spanned;
use crate::config::values::as_name;
use crate::model::schedule::{Cron, FoldPolicy, GapPolicy, Rhythm, Schedule};
use crate::model::{JobKind, JobName};
use crate::time_zone::Zone;
use crate::units::parse_duration;
use chrono::{DateTime, Utc};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

/// How far ahead gaps between runs are looked for: every change of the clocks of a year.
const LOOK_AHEAD: Duration = Duration::from_hours(24 * 400);

/// A schedule with its nodes.
#[derive(Debug)]
pub struct KnownSchedule<'a> {
    pub schedule: Schedule,
    pub rhythm: &'a RhythmNode,
    /// `None` when it belongs to a single job.
    pub declared: Option<&'a ScheduleNode>,
    gaps: Rc<Gaps>,
}

/// Found once for all schedules of the same rhythm: a large file has few of them, many times.
type Gaps = OnceCell<Option<(Duration, Duration)>>;

impl KnownSchedule<'_> {
    /// The shortest and the longest time from one run to the next.
    pub fn gaps(&self, now: DateTime<Utc>) -> Option<(Duration, Duration)> {
        *self.gaps.get_or_init(|| {
            let shortest = self.schedule.shortest_gap(now, LOOK_AHEAD)?;
            Some((shortest, self.schedule.longest_gap(now, LOOK_AHEAD)?))
        })
    }
}

/// All schedules, and which job runs by which.
#[derive(Debug)]
pub struct Schedules<'a> {
    /// Declared ones in order of reading, then the schedules of single jobs.
    pub all: Vec<KnownSchedule<'a>>,
    /// In the order of [`Document::jobs`].
    of_jobs: Vec<Option<usize>>,
}

impl<'a> Schedules<'a> {
    /// `zone` is where clocks hang that say nothing else.
    pub fn of(document: &'a Document, zone: &Zone, findings: &mut Vec<Finding>) -> Self {
        let names = document.schedules.iter().filter_map(|node| node.name.as_ref());
        name_lists::unique("schedule", names, findings);
        let declared = document.schedules.iter().filter_map(|node| declared(node, zone));
        let mut all: Vec<KnownSchedule<'a>> = declared.collect();
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for (at, timed) in all.iter().enumerate() {
            if let Some(name) = timed.declared.and_then(|node| node.name.as_ref()) {
                by_name.entry(&name.value).or_insert(at);
            }
        }
        let names = ScheduleNames::of(document);
        let mut of_jobs = Vec::new();
        for (kind, job) in document.jobs() {
            if let Some(reference) = &job.when.schedule {
                names.look_at(reference, findings);
            }
            let named = job.when.schedule.as_ref();
            let named = named.and_then(|name| by_name.get(name.value.as_str()));
            let own = job.when.own.as_ref().zip(job.name.as_ref());
            of_jobs.push(named.copied().or_else(|| {
                let (rhythm, name) = own?;
                all.push(KnownSchedule {
                    schedule: Schedule {
                        name: JobName::new(kind, &name.value).to_string(),
                        rhythm: rhythm.lower(DstNode::default(), zone),
                        jitter: None,
                        missed: rhythm.default_missed(),
                    },
                    rhythm,
                    declared: None,
                    gaps: Rc::default(),
                });
                Some(all.len() - 1)
            }));
        }
        unused(document, findings);
        let mut shared: HashMap<(String, Zone, bool, bool), Rc<Gaps>> = HashMap::new();
        for timed in &mut all {
            if let Rhythm::Cron(clock) = &timed.schedule.rhythm {
                let (skips, both) = (clock.gap == GapPolicy::Skip, clock.fold == FoldPolicy::Both);
                let key = (clock.cron.to_string(), clock.zone.clone(), skips, both);
                timed.gaps = Rc::clone(shared.entry(key).or_default());
            }
        }
        Self { all, of_jobs }
    }

    /// By which schedule each job runs, in the order of [`Document::jobs`].
    pub fn of_jobs<'s>(
        &'s self,
        document: &'s Document,
    ) -> impl Iterator<Item = (JobKind, &'s JobNode, Option<&'s KnownSchedule<'a>>)> {
        let of_jobs = self.of_jobs.iter().map(|at| self.all.get((*at)?));
        let jobs = document.jobs().zip(of_jobs);
        jobs.map(|((kind, job), timed)| (kind, job, timed))
    }
}

fn declared<'a>(node: &'a ScheduleNode, zone: &Zone) -> Option<KnownSchedule<'a>> {
    let rhythm = node.rhythm.as_ref()?;
    Some(KnownSchedule {
        schedule: node.lower(zone)?,
        rhythm,
        declared: Some(node),
        gaps: Rc::default(),
    })
}

/// The names of schedules, right or wrong.
struct ScheduleNames<'a> {
    document: &'a Document,
    all: Vec<&'a str>,
    known: HashSet<&'a str>,
    search: NameSearch,
}

impl<'a> ScheduleNames<'a> {
    fn of(document: &'a Document) -> Self {
        let names = document.schedules.iter().filter_map(|node| node.name.as_ref());
        let all: Vec<&str> = names.map(|name| name.value.as_str()).collect();
        Self {
            document,
            known: all.iter().copied().collect(),
            all,
            search: NameSearch::default(),
        }
    }

    /// OPS3002.
    fn look_at(&self, reference: &Spanned<String>, findings: &mut Vec<Finding>) {
        let wanted = reference.value.as_str();
        if self.known.contains(wanted) || !self.document.surely_lacks(wanted) {
            return;
        }
        let shown = excerpt(wanted);
        let bare = wanted
            .strip_prefix("schedule:")
            .filter(|bare| self.known.contains(bare));
        let help = if let Some(bare) = bare {
            format!("write `schedule \"{bare}\"`, without the kind")
        } else if Cron::parse(wanted).is_ok() {
            format!("write `cron \"{shown}\"`")
        } else if parse_duration(wanted).is_ok() {
            format!("write `every \"{shown}\"`")
        } else if let Some(near) = self.search.nearest(wanted, self.all.iter().copied()) {
            format!("did you mean `schedule \"{near}\"`?")
        } else if self.all.is_empty() {
            let name = as_name(wanted).unwrap_or_else(|| "nightly".to_owned());
            format!("declare it: `schedule \"{name}\" {{ cron \"0 21 * * *\"; }}`")
        } else {
            format!("declared: {}", listed(self.all.iter().copied()))
        };
        let message = format!("unknown schedule `{shown}`");
        findings.push(Finding::new(Code::BadReference, reference.span, message, "not declared").help(help));
    }
}

/// OPS3004.
fn unused(document: &Document, findings: &mut Vec<Finding>) {
    let unsure = |job: &JobNode| job.damaged || job.when.damaged;
    if !document.fully_read() || document.jobs().any(|(_, job)| unsure(job)) {
        return;
    }
    let used = document.jobs().filter_map(|(_, job)| job.when.schedule.as_ref());
    let used: HashSet<&str> = used.map(|name| name.value.as_str()).collect();
    for name in document.schedules.iter().filter_map(|node| node.name.as_ref()) {
        let shown = &name.value;
        if !used.contains(shown.as_str()) {
            let message = format!("schedule `{shown}` is not used");
            let help = format!("write `schedule \"{shown}\"` in a job, or delete it");
            findings.push(Finding::new(Code::Unused, name.span, message, "no job uses it").help(help));
        }
    }
}
