//! Settings of jobs that do not fit the time from one run to the next.
//!
//! Takes the schedules, which job runs by which, and the present; reports what may last until the next run (OPS4006,
//! OPS6002), thresholds and copies that are too young for the schedule (OPS6004, OPS5006), and targets that another job
//! would run at other times (OPS3006). What schedules are by themselves is for `rhythm`.
//! Invariant: pure; the same file at the same time gives the same findings.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::check::DEFAULT_CHECK_TIMEOUT;
use crate::config::nodes::document::Document;
use crate::config::rules::names::Needs;
use crate::config::rules::schedules::{KnownSchedule, Schedules};
use crate::model::check::{Levels, Probe};
use crate::model::{JobKind, JobName};
use crate::units::show_duration;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::time::Duration;

/// Judges how jobs and schedules fit together.
pub(in crate::config) fn check(
    document: &Document,
    schedules: &Schedules<'_>,
    needs: &Needs,
    now: DateTime<Utc>,
    findings: &mut Vec<Finding>,
) {
    let by_job = by_job(document, schedules);
    long_jobs(document, &by_job, now, findings);
    retries(document, &by_job, now, findings);
    probes(document, &by_job, now, findings);
    freshness(document, &by_job, now, findings);
    within(document, &by_job, now, findings);
    elsewhere(document, &by_job, needs, findings);
}

/// Which schedule each job runs by.
type ByJob<'a> = HashMap<JobName, &'a KnownSchedule<'a>>;

/// A retention without a schedule runs with its backup.
fn by_job<'a>(document: &'a Document, schedules: &'a Schedules<'a>) -> ByJob<'a> {
    let mut by_job: ByJob<'a> = schedules
        .of_jobs(document)
        .filter_map(|(kind, job, timed)| Some((JobName::new(kind, &job.name.as_ref()?.value), timed?)))
        .collect();
    for node in &document.retentions {
        let (Some(name), Some(backup)) = (&node.job.name, &node.backup) else {
            continue;
        };
        let own = JobName::new(JobKind::Retention, &name.value);
        let backup = by_job.get(&JobName::new(JobKind::Backup, &backup.value)).copied();
        if let Some(timed) = backup {
            by_job.entry(own).or_insert(timed);
        }
    }
    by_job
}

/// OPS4006 of the timeout.
fn long_jobs(document: &Document, by_job: &ByJob<'_>, now: DateTime<Utc>, findings: &mut Vec<Finding>) {
    for (kind, job) in document.jobs().filter(|(kind, _)| *kind != JobKind::Check) {
        let (Some(timeout), Some(name)) = (&job.timeout, &job.name) else {
            continue;
        };
        let timed = by_job.get(&JobName::new(kind, &name.value));
        let Some((timed, (shortest, _))) = timed.and_then(|timed| Some((timed, timed.gaps(now)?))) else {
            continue;
        };
        if timeout.value < shortest {
            continue;
        }
        findings.push(
            Finding::new(
                Code::TooLong,
                timeout.span,
                "the timeout is as long as the time between two runs",
                format!("the shortest time between two runs is {}", show_duration(shortest)),
            )
            .also(timed.rhythm.span(), "when it runs")
            .help(format!(
                "use a shorter timeout, for example `timeout \"{}\"`, or run the job less often",
                show_duration(half(shortest))
            )),
        );
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
fn retries(document: &Document, by_job: &ByJob<'_>, now: DateTime<Utc>, findings: &mut Vec<Finding>) {
    for node in &document.targets {
        let (Some(retry), Some(name)) = (&node.retry, &node.job.name) else {
            continue;
        };
        let timed = by_job.get(&JobName::new(JobKind::Target, &name.value));
        let Some((timed, (shortest, _))) = timed.and_then(|timed| Some((timed, timed.gaps(now)?))) else {
            continue;
        };
        let timeout = node
            .job
            .timeout
            .as_ref()
            .map_or(Duration::ZERO, |timeout| timeout.value);
        let waits = (1..=retry.value.max).map(|n| retry.value.wait_before(n));
        let waits = waits.fold(Duration::ZERO, Duration::saturating_add);
        let total = timeout.saturating_mul(retry.value.max + 1).saturating_add(waits);
        if timeout >= shortest || total < shortest {
            continue;
        }
        let what = if timeout.is_zero() {
            format!("the waits alone add up to {}", show_duration(total))
        } else {
            format!("attempts and waits add up to {}", show_duration(total))
        };
        findings.push(
            Finding::new(
                Code::TooLong,
                retry.span,
                "retries can take as long as the time between two runs",
                what,
            )
            .also(
                timed.rhythm.span(),
                format!("the shortest time between two runs is {}", show_duration(shortest)),
            )
            .help("retry less often, wait less, or give each attempt a shorter `timeout`"),
        );
    }
}

/// OPS6002 of the time that a probe may take.
fn probes(document: &Document, by_job: &ByJob<'_>, now: DateTime<Utc>, findings: &mut Vec<Finding>) {
    for node in &document.checks {
        let Some(name) = &node.job.name else {
            continue;
        };
        let timed = by_job.get(&JobName::new(JobKind::Check, &name.value));
        let Some((timed, (shortest, _))) = timed.and_then(|timed| Some((timed, timed.gaps(now)?))) else {
            continue;
        };
        let timeout = node.job.timeout.as_ref();
        let longest = timeout.map_or(DEFAULT_CHECK_TIMEOUT, |timeout| timeout.value);
        if longest < shortest {
            continue;
        }
        let finding = match timeout {
            Some(timeout) => Finding::new(
                Code::ThresholdsOrder,
                timeout.span,
                "the timeout is as long as the time between two checks",
                format!("the shortest time between two runs is {}", show_duration(shortest)),
            )
            .also(timed.rhythm.span(), "when it runs"),
            None => Finding::new(
                Code::ThresholdsOrder,
                name.span,
                "the timeout is as long as the time between two checks",
                format!("the default `timeout` is {}", show_duration(longest)),
            )
            .also(
                timed.rhythm.span(),
                format!("the shortest time between two runs is {}", show_duration(shortest)),
            ),
        };
        findings.push(finding.help(format!(
            "write `timeout \"{}\"`, or check less often",
            show_duration(half(shortest))
        )));
    }
}

/// OPS6004: a threshold that the asked job reaches whenever all is well.
fn freshness(document: &Document, by_job: &ByJob<'_>, now: DateTime<Utc>, findings: &mut Vec<Finding>) {
    for node in &document.checks {
        let (Some(Probe::Job { age, .. }), Some(job)) = (&node.probe, &node.asked_job) else {
            continue;
        };
        let Ok(asked) = job.value.parse::<JobName>() else {
            continue;
        };
        let Some((timed, (_, longest))) = by_job.get(&asked).and_then(|timed| Some((timed, timed.gaps(now)?))) else {
            continue;
        };
        let Levels { warn, critical } = *age;
        let (word, level) = match (warn, critical) {
            (_, Some(critical)) if critical <= longest => ("critical", critical),
            (Some(warn), _) if warn <= longest => ("warn", warn),
            _ => continue,
        };
        findings.push(
            Finding::new(
                Code::TooFresh,
                job.span,
                format!(
                    "`{word}=\"{}\"` is reached before the next run of `{asked}`",
                    show_duration(level)
                ),
                "shorter than the schedule allows",
            )
            .also(
                timed.rhythm.span(),
                format!("the longest time between two runs is {}", show_duration(longest)),
            )
            .help(format!(
                "allow for the time between two runs and the run itself, for example `age {word}=\"{}\"`",
                show_duration(roomy(longest))
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
fn within(document: &Document, by_job: &ByJob<'_>, now: DateTime<Utc>, findings: &mut Vec<Finding>) {
    for node in &document.backups {
        let (Some(within), Some(name)) = (node.keep.as_ref().and_then(|keep| keep.within.as_ref()), &node.job.name)
        else {
            continue;
        };
        let timed = by_job.get(&JobName::new(JobKind::Backup, &name.value));
        let Some((timed, (_, longest))) = timed.and_then(|timed| Some((timed, timed.gaps(now)?))) else {
            continue;
        };
        if within.value < longest {
            findings.push(
                Finding::new(
                    Code::ShortWithin,
                    within.span,
                    "`within=` is shorter than the time between two copies",
                    format!("the longest time between two copies is {}", show_duration(longest)),
                )
                .also(timed.rhythm.span(), "when copies are made")
                .help(format!(
                    "write `within=\"{}\"` or more, or count copies instead, for example `keep last=7`",
                    show_duration(roomy(longest))
                )),
            );
        }
    }
}

/// OPS3006.
fn elsewhere(document: &Document, by_job: &ByJob<'_>, needs: &Needs, findings: &mut Vec<Finding>) {
    for ((kind, job), needs) in document.jobs().zip(needs) {
        let Some(name) = &job.name else {
            continue;
        };
        let own = JobName::new(kind, &name.value);
        let Some(timed) = by_job.get(&own) else {
            continue;
        };
        for needed in needs.iter().filter(|needed| needed.value.kind == JobKind::Target) {
            let Some(other) = by_job.get(&needed.value) else {
                continue;
            };
            let same = timed.schedule.rhythm == other.schedule.rhythm && timed.schedule.jitter == other.schedule.jitter;
            if same {
                continue;
            }
            let mut finding = Finding::new(
                Code::RunsHereToo,
                needed.span,
                format!(
                    "`{}` has another schedule, but also runs whenever `{own}` runs",
                    needed.value
                ),
                "runs it every time",
            )
            .also(other.rhythm.span(), "its own schedule");
            if timed.rhythm.span() != other.rhythm.span() {
                finding = finding.also(timed.rhythm.span(), "when it also runs");
            }
            findings.push(finding.help(format!(
                "to depend on its last result instead, declare `check \"{0}-fresh\" {{ job \"{1}\" {{ age critical=\"1h\"; }}; }}` \
                 and write `needs \"check:{0}-fresh\"`",
                needed.value.name, needed.value
            )));
        }
    }
}
