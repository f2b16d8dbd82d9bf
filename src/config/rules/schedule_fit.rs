//! Settings of jobs that do not fit the time from one run to the next.
//!
//! Takes the schedules, which job runs by which, and the present; reports what may last until the next run (OPS4006,
//! OPS6002), thresholds and copies that are too young for the schedule (OPS6004, OPS5006), and targets that another job
//! would run at other times (OPS3006). What schedules are by themselves is for `schedule_pitfalls`.
//! Invariant: pure; the same file at the same time gives the same findings.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::check::DEFAULT_CHECK_TIMEOUT;
use crate::config::nodes::document::Document;
use crate::config::rules::names::Needs;
use crate::config::rules::schedules::{KnownSchedule, Schedules};
use crate::config::source::{Span, Spanned};
use crate::model::check::Probe;
use crate::model::{JobKind, JobName};
use crate::units::show_duration;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::time::Duration;

/// Judges how jobs and schedules fit together.
pub fn check(
    document: &Document,
    schedules: &Schedules<'_>,
    needs: &Needs,
    now: DateTime<Utc>,
    findings: &mut Vec<Finding>,
) {
    let by_job = by_job(document, schedules);
    elsewhere(document, &by_job, needs, findings);
    let timed = TimedJobs { by_job, now };
    long_jobs(document, &timed, findings);
    retries(document, &timed, findings);
    probes(document, &timed, findings);
    freshness(document, &timed, findings);
    within(document, &timed, findings);
}

/// Which schedule each job runs by.
type ByJob<'a> = HashMap<JobName, &'a KnownSchedule<'a>>;

/// A retention without a schedule runs with its backup.
fn by_job<'a>(document: &'a Document, schedules: &'a Schedules<'a>) -> ByJob<'a> {
    let timed = schedules.of_jobs(document);
    let mut by_job: ByJob<'a> = timed
        .filter_map(|(kind, job, timed)| Some((job.full_name(kind)?, timed?)))
        .collect();
    for node in &document.retentions {
        if let (Some(own), Some(backup)) = (node.job.full_name(JobKind::Retention), &node.backup)
            && let Some(timed) = by_job.get(&JobName::new(JobKind::Backup, &backup.value)).copied()
        {
            by_job.entry(own).or_insert(timed);
        }
    }
    by_job
}

struct TimedJobs<'a> {
    by_job: ByJob<'a>,
    now: DateTime<Utc>,
}

/// How often a job runs.
struct Interval {
    /// Where its schedule is written.
    span: Span,
    shortest: Duration,
    longest: Duration,
}

impl Interval {
    fn shown(&self) -> String {
        format!("the shortest time between two runs is {}", show_duration(self.shortest))
    }
}

impl TimedJobs<'_> {
    /// `None` for a job without a name or a schedule, or with a schedule that does not run twice.
    fn interval(&self, job: Option<JobName>) -> Option<Interval> {
        let timed = self.by_job.get(&job?)?;
        let (shortest, longest) = timed.gaps(self.now)?;
        Some(Interval {
            span: timed.rhythm.span(),
            shortest,
            longest,
        })
    }
}

/// OPS4006 of the timeout.
fn long_jobs(document: &Document, timed: &TimedJobs<'_>, findings: &mut Vec<Finding>) {
    for (kind, job) in document.jobs().filter(|(kind, _)| *kind != JobKind::Check) {
        if let Some(timeout) = &job.timeout
            && let Some(interval) = timed.interval(job.full_name(kind))
            && timeout.value >= interval.shortest
        {
            let message = "the timeout is as long as the time between two runs";
            let half = show_duration(half(interval.shortest));
            findings.push(
                Finding::new(Code::TooLong, timeout.span, message, interval.shown())
                    .also(interval.span, "when it runs")
                    .help(format!(
                        "use a shorter timeout, for example `timeout \"{half}\"`, or run the job less often"
                    )),
            );
        }
    }
}

fn half(time: Duration) -> Duration {
    let half = time / 2;
    if half.as_secs() > 0 {
        Duration::from_secs(half.as_secs())
    } else {
        half
    }
}

/// OPS4006 of all that `retry` may take.
fn retries(document: &Document, timed: &TimedJobs<'_>, findings: &mut Vec<Finding>) {
    for node in &document.targets {
        let interval = timed.interval(node.job.full_name(JobKind::Target));
        let (Some(retry), Some(interval)) = (&node.retry, interval) else {
            continue;
        };
        let timeout = node.job.lower_timeout().unwrap_or_default();
        let waits = (1..=retry.value.max).map(|n| retry.value.wait_before(n));
        let waits = waits.fold(Duration::ZERO, Duration::saturating_add);
        let total = timeout.saturating_mul(retry.value.max + 1).saturating_add(waits);
        if timeout >= interval.shortest || total < interval.shortest {
            continue;
        }
        let what = if timeout.is_zero() {
            format!("the waits alone add up to {}", show_duration(total))
        } else {
            format!("attempts and waits add up to {}", show_duration(total))
        };
        let message = "retries can take as long as the time between two runs";
        findings.push(
            Finding::new(Code::TooLong, retry.span, message, what)
                .also(interval.span, interval.shown())
                .help("retry less often, wait less, or give each attempt a shorter `timeout`"),
        );
    }
}

/// OPS6002 of the time that a probe may take.
fn probes(document: &Document, timed: &TimedJobs<'_>, findings: &mut Vec<Finding>) {
    for job in document.checks.iter().map(|node| &node.job) {
        let Some(interval) = timed.interval(job.full_name(JobKind::Check)) else {
            continue;
        };
        let longest = job.lower_timeout().unwrap_or(DEFAULT_CHECK_TIMEOUT);
        if longest < interval.shortest {
            continue;
        }
        let (span, label, when) = if let Some(timeout) = &job.timeout {
            (timeout.span, interval.shown(), "when it runs".to_owned())
        } else {
            let label = format!("the default `timeout` is {}", show_duration(longest));
            (job.name_span(), label, interval.shown())
        };
        let message = "the timeout is as long as the time between two checks";
        let half = show_duration(half(interval.shortest));
        findings.push(
            Finding::new(Code::ThresholdsOrder, span, message, label)
                .also(interval.span, when)
                .help(format!("write `timeout \"{half}\"`, or check less often")),
        );
    }
}

/// OPS6004: a threshold that the asked job reaches whenever all is well.
fn freshness(document: &Document, timed: &TimedJobs<'_>, findings: &mut Vec<Finding>) {
    for node in &document.checks {
        let (Some(Probe::Job { age, .. }), Some(job)) = (&node.probe, &node.asked_job) else {
            continue;
        };
        let Ok(asked) = job.value.parse::<JobName>() else {
            continue;
        };
        let Some(Interval { span, longest, .. }) = timed.interval(Some(asked.clone())) else {
            continue;
        };
        let (word, level) = match (age.warn, age.critical) {
            (_, Some(critical)) if critical <= longest => ("critical", critical),
            (Some(warn), _) if warn <= longest => ("warn", warn),
            _ => continue,
        };
        let message = format!(
            "`{word}=\"{}\"` is reached before the next run of `{asked}`",
            show_duration(level)
        );
        let roomy = show_duration(roomy(longest));
        findings.push(
            Finding::new(Code::TooFresh, job.span, message, "shorter than the schedule allows")
                .also(
                    span,
                    format!("the longest time between two runs is {}", show_duration(longest)),
                )
                .help(format!(
                    "allow for the time between two runs and the run itself, for example `age {word}=\"{roomy}\"`"
                )),
        );
    }
}

/// Half as much again, in a number that people would write.
fn roomy(time: Duration) -> Duration {
    let more = time + time / 2;
    let whole = |unit: u64| Duration::from_secs(more.as_secs().div_ceil(unit) * unit);
    match more.as_secs() {
        0..60 => whole(1),
        60..7200 => whole(60),
        7200..172_800 => whole(3600),
        _ => whole(86_400),
    }
}

/// OPS5006.
fn within(document: &Document, timed: &TimedJobs<'_>, findings: &mut Vec<Finding>) {
    for node in &document.backups {
        if let Some(within) = node.keep.as_ref().and_then(|keep| keep.within.as_ref())
            && let Some(Interval { span, longest, .. }) = timed.interval(node.job.full_name(JobKind::Backup))
            && within.value < longest
        {
            let message = "`within=` is shorter than the time between two copies";
            let label = format!("the longest time between two copies is {}", show_duration(longest));
            let roomy = show_duration(roomy(longest));
            findings.push(
                Finding::new(Code::ShortWithin, within.span, message, label)
                    .also(span, "when copies are made")
                    .help(format!(
                        "write `within=\"{roomy}\"` or more, or count copies instead, for example `keep last=7`"
                    )),
            );
        }
    }
}

/// OPS3006.
fn elsewhere(document: &Document, by_job: &ByJob<'_>, needs: &Needs, findings: &mut Vec<Finding>) {
    for ((kind, job), needs) in document.jobs().zip(needs) {
        let Some(own) = job.full_name(kind) else {
            continue;
        };
        let Some(timed) = by_job.get(&own) else {
            continue;
        };
        for Spanned { value: needed, span } in needs.iter().filter(|needed| needed.value.kind == JobKind::Target) {
            let Some(other) = by_job.get(needed) else {
                continue;
            };
            if timed.schedule.rhythm == other.schedule.rhythm && timed.schedule.jitter == other.schedule.jitter {
                continue;
            }
            let (here, there) = (timed.rhythm.span(), other.rhythm.span());
            let message = format!("`{needed}` has another schedule, but also runs whenever `{own}` runs");
            findings.push(
                Finding::new(Code::RunsHereToo, *span, message, "runs it every time")
                    .also(there, "its own schedule")
                    .also(Some(here).filter(|here| *here != there), "when it also runs")
                    .help(format!(
                        "to depend on its last result instead, declare `check \"{0}-fresh\" {{ job \"{needed}\" \
                         {{ age critical=\"1h\"; }}; }}` and write `needs \"check:{0}-fresh\"`",
                        needed.name
                    )),
            );
        }
    }
}
