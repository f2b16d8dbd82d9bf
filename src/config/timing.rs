//! What is wrong or doubtful about times: schedules that do something else than they seem, and settings that do not fit
//! the time from one run to the next.
//!
//! Takes the schedules, which job runs by which, and the present: clocks change at dates, and what is said names the next
//! ones. Judges nothing that is no time.
//! Invariant: pure; the same file at the same time gives the same findings.

use super::document::{Document, ProbeNode, RhythmNode};
use super::findings::{Code, Finding};
use super::references::Needs;
use super::schedules::{Schedules, Timed};
use super::source::Span;
use crate::model::check::Levels;
use crate::model::schedule::{ChangeKind, ClockChange, Rhythm, WallClock, clock_changes};
use crate::model::{JobKind, JobName};
use crate::units::show_duration;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::time::Duration;

/// How far ahead changes of the clocks are looked for.
const HORIZON: Duration = Duration::from_hours(24 * 800);
const DAY: Duration = Duration::from_hours(24);
/// How many coming runs are shown.
const SHOWN: usize = 5;
/// How many coming changes are.
const CHANGES: usize = 2;

/// Judges all that is about time.
pub(super) fn judge(
    document: &Document,
    schedules: &Schedules<'_>,
    needs: &Needs,
    now: DateTime<Utc>,
    findings: &mut Vec<Finding>,
) {
    let mut changes = Changes::default();
    for timed in schedules.all() {
        match (&timed.schedule.rhythm, timed.rhythm) {
            (Rhythm::Cron(clock), RhythmNode::Cron(_)) => cron(timed, clock, now, &mut changes, findings),
            _ => every(timed, findings),
        }
        jitter(timed, now, findings);
    }
    let by_job = by_job(document, schedules);
    long_jobs(document, &by_job, now, findings);
    retries(document, &by_job, now, findings);
    probes(document, &by_job, now, findings);
    freshness(document, &by_job, now, findings);
    within(document, &by_job, now, findings);
    elsewhere(document, &by_job, needs, findings);
}

/// Which schedule each job runs by.
type ByJob<'a> = HashMap<JobName, &'a Timed<'a>>;

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

/// OPS4001, OPS4002, OPS4005 and OPS4007 of a cron line.
fn cron(timed: &Timed<'_>, clock: &WallClock, now: DateTime<Utc>, changes: &mut Changes, findings: &mut Vec<Finding>) {
    let RhythmNode::Cron(node) = timed.rhythm else {
        return;
    };
    let line = clock.cron.to_string();
    if clock.cron.never_fires() {
        findings.push(
            Finding::new(
                Code::NeverFires,
                node.span,
                format!("`{line}` never comes"),
                "no date is like this",
            )
            .help("choose a day that the month has: the last of February is `cron \"0 0 28 2 *\"`, and 31 lies in seven months only"),
        );
        return;
    }
    for (place, what) in clock.cron.uneven_steps() {
        findings.push(
            Finding::new(
                Code::Uneven,
                node.part(place.start, place.end),
                "the steps are not all alike",
                what,
            )
            .help("write the values out, such as `0,20,40`, or use `every \"…\"` for what is to come at even times"),
        );
    }
    if clock.cron.both_days_restricted() {
        either_day(timed, node.span, &line, clock, now, findings);
    }
    if clock.cron.fixed_time() && !clock.dst_given {
        let changes = changes
            .entry((line, clock.zone))
            .or_insert_with(|| next_changes(clock, now));
        clock_change(timed, node.span, clock, changes, findings);
    }
}

/// OPS4005.
fn either_day(
    timed: &Timed<'_>,
    span: Span,
    line: &str,
    clock: &WallClock,
    now: DateTime<Utc>,
    findings: &mut Vec<Finding>,
) {
    let runs = std::iter::successors(timed.schedule.next(now), |last| timed.schedule.next(*last));
    let runs: Vec<String> = runs
        .take(SHOWN)
        .map(|run| run.with_timezone(&clock.zone).format("%a %Y-%m-%d %H:%M").to_string())
        .collect();
    let fields: Vec<&str> = line.split(' ').collect();
    let with = |at: usize| -> String {
        let fields = fields.iter().enumerate();
        let fields: Vec<&str> = fields
            .map(|(field, text)| if field == at { "*" } else { text })
            .collect();
        fields.join(" ")
    };
    findings.push(
        Finding::new(
            Code::EitherDay,
            span,
            "runs on the days of the month and on the days of the week, not only when both match",
            format!("the next: {}", runs.join(", ")),
        )
        .help(format!(
            "write `*` for one of them, `cron \"{}\"` or `cron \"{}\"`; if both are meant, add `allow \"{}\" reason=\"…\"`",
            with(4),
            with(2),
            Code::EitherDay.slug()
        )),
    );
}

/// The changes that the same line in the same zone meets: a large file has few of them, many times.
type Changes = HashMap<(String, chrono_tz::Tz), Vec<ClockChange>>;

/// The first time on the wall that is affected on each of the next days of a change.
fn next_changes(clock: &WallClock, now: DateTime<Utc>) -> Vec<ClockChange> {
    let mut shown: Vec<ClockChange> = Vec::new();
    for change in clock_changes(clock, now, HORIZON) {
        let day = change.wall.date();
        if shown.last().is_none_or(|last| last.wall.date() != day) {
            if shown.len() == CHANGES {
                break;
            }
            shown.push(change);
        }
    }
    shown
}

/// OPS4002.
fn clock_change(timed: &Timed<'_>, span: Span, clock: &WallClock, shown: &[ClockChange], findings: &mut Vec<Finding>) {
    if shown.is_empty() {
        return;
    }
    let words: Vec<String> = shown
        .iter()
        .map(|change| {
            let what = match change.kind {
                ChangeKind::Gap => "is skipped",
                ChangeKind::Fold => "comes twice",
            };
            format!(
                "{} {what} on {}",
                change.wall.format("%H:%M"),
                change.wall.format("%Y-%m-%d")
            )
        })
        .collect();
    let has = |kind| shown.iter().any(|change| change.kind == kind);
    let (line, what) = match (has(ChangeKind::Gap), has(ChangeKind::Fold)) {
        (true, true) => (
            "dst gap=\"run-after\" fold=\"first\"",
            "to run right after the gap, and once; or choose `gap=\"skip\"`, `fold=\"both\"`, or another hour",
        ),
        (true, false) => (
            "dst gap=\"run-after\"",
            "to run right after the gap; or choose `gap=\"skip\"`, or another hour",
        ),
        (false, _) => (
            "dst fold=\"first\"",
            "to run once; or choose `fold=\"both\"`, or another hour",
        ),
    };
    findings.push(
        Finding::new(
            Code::ClockChange,
            span,
            format!("the clocks of {} change at this time", clock.zone.name()),
            words.join(", "),
        )
        .help(if timed.declared.is_some() {
            format!("say what is meant: add `{line}` {what}")
        } else {
            format!(
                "say what is meant: declare `schedule \"{}\" {{ cron \"{}\" timezone=\"{}\"; {line}; }}` and name it, {what}",
                timed.schedule.name.replace(':', "-"),
                clock.cron,
                clock.zone.name()
            )
        }),
    );
}

/// OPS4007 of a period.
fn every(timed: &Timed<'_>, findings: &mut Vec<Finding>) {
    let (RhythmNode::Every(node), Rhythm::Every(period)) = (timed.rhythm, &timed.schedule.rhythm) else {
        return;
    };
    if *period < DAY {
        return;
    }
    let days = period.as_secs() / DAY.as_secs();
    let even = period.as_nanos() % DAY.as_nanos() == 0;
    let label = match (even, days) {
        (true, 1) => "each day at 00:00 UTC, whatever the zone".to_owned(),
        (true, 7) => "each Thursday at 00:00 UTC, whatever the zone".to_owned(),
        (true, _) => format!("each {days} days at 00:00 UTC, counted from 1970-01-01"),
        (false, _) => format!("each {}, counted from 1970-01-01 00:00 UTC", show_duration(*period)),
    };
    findings.push(
        Finding::new(
            Code::Uneven,
            node.span,
            "a period of a day or more follows no calendar",
            label,
        )
        .help(if even && days == 7 {
            "write `cron \"0 3 * * MON\"` for each Monday at three by the clock on the wall"
        } else {
            "write `cron \"0 3 * * *\"` for each day at three by the clock on the wall"
        }),
    );
}

/// OPS4006 of the jitter.
fn jitter(timed: &Timed<'_>, now: DateTime<Utc>, findings: &mut Vec<Finding>) {
    let Some(jitter) = timed.declared.and_then(|node| node.jitter.as_ref()) else {
        return;
    };
    if let Some((shortest, _)) = timed.gaps(now)
        && jitter.value >= shortest
    {
        findings.push(
            Finding::new(
                Code::TooLong,
                jitter.span,
                "the jitter reaches the next run",
                format!("the shortest time between two is {}", show_duration(shortest)),
            )
            .also(timed.rhythm.span(), "when it runs")
            .help(format!(
                "write a part of it, such as `jitter \"{}\"`",
                part_of(shortest)
            )),
        );
    }
}

/// A tenth of a time, in a number that people would write.
fn part_of(time: Duration) -> String {
    let tenth = time / 10;
    let whole = |unit: u64| Duration::from_secs((tenth.as_secs() / unit) * unit);
    show_duration(match tenth.as_secs() {
        0 => Duration::from_millis((tenth.as_millis().max(1)).try_into().unwrap_or(1)),
        1..60 => whole(1),
        60..3600 => whole(60),
        3600..86_400 => whole(3600),
        _ => whole(86_400),
    })
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
                "it may take until it is due again",
                format!("the shortest time between two runs is {}", show_duration(shortest)),
            )
            .also(timed.rhythm.span(), "when it runs")
            .help(format!(
                "allow less, such as `timeout \"{}\"`, or let it run less often",
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
            format!("the waits alone come to {}", show_duration(total))
        } else {
            format!("attempts and waits come to {}", show_duration(total))
        };
        findings.push(
            Finding::new(
                Code::TooLong,
                retry.span,
                "it may be tried again until it is due again",
                what,
            )
            .also(
                timed.rhythm.span(),
                format!("the shortest time between two runs is {}", show_duration(shortest)),
            )
            .help("repeat less often, wait less, or give each attempt a shorter `timeout`"),
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
        let longest = timeout.map_or(super::build::CHECK_TIMEOUT, |timeout| timeout.value);
        if longest < shortest {
            continue;
        }
        let finding = match timeout {
            Some(timeout) => Finding::new(
                Code::ThresholdsOrder,
                timeout.span,
                "an answer may take until the check is due again",
                format!("the shortest time between two is {}", show_duration(shortest)),
            )
            .also(timed.rhythm.span(), "when it asks"),
            None => Finding::new(
                Code::ThresholdsOrder,
                name.span,
                "an answer may take until the check is due again",
                format!("`timeout` is {} unless it is given", show_duration(longest)),
            )
            .also(
                timed.rhythm.span(),
                format!("the shortest time between two is {}", show_duration(shortest)),
            ),
        };
        findings.push(finding.help(format!(
            "write `timeout \"{}\"`, or ask less often",
            show_duration(half(shortest))
        )));
    }
}

/// OPS6004: a threshold that the asked job reaches whenever all is well.
fn freshness(document: &Document, by_job: &ByJob<'_>, now: DateTime<Utc>, findings: &mut Vec<Finding>) {
    for node in &document.checks {
        let Some(ProbeNode::Job { job, age, .. }) = &node.probe else {
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
                    "`{word}=\"{}\"` is reached before `{asked}` is due again",
                    show_duration(level)
                ),
                "asks for more than the schedule gives",
            )
            .also(
                timed.rhythm.span(),
                format!("the longest time between two runs is {}", show_duration(longest)),
            )
            .help(format!(
                "allow the time between two runs and that of a run, such as `age {word}=\"{}\"`",
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
                    "the time ends before the next copy is made",
                    format!("the longest time between two copies is {}", show_duration(longest)),
                )
                .also(timed.rhythm.span(), "when copies are made")
                .help(format!(
                    "write `within=\"{}\"` or more, or count copies instead, as in `keep last=7`",
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
                    "`{}` has another schedule, and would run whenever `{own}` does as well",
                    needed.value
                ),
                "runs it, each time",
            )
            .also(other.rhythm.span(), "when it runs by itself");
            if timed.rhythm.span() != other.rhythm.span() {
                finding = finding.also(timed.rhythm.span(), "when it would run, too");
            }
            findings.push(finding.help(format!(
                "to depend on its last result instead, declare `check \"{0}-fresh\" {{ job \"{1}\" {{ age critical=\"1h\"; }}; }}` \
                 and write `needs \"check:{0}-fresh\"`",
                needed.value.name, needed.value
            )));
        }
    }
}
