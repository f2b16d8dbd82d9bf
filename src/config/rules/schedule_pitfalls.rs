//! Schedules that do not do what they seem to do.
//!
//! Reports lines that never run (OPS4001), times affected by clock changes (OPS4002), days that match in two ways
//! (OPS4005), uneven steps and periods (OPS4007), and a jitter that reaches the next run (OPS4006). Knows nothing of jobs.
//! Invariant: pure; the same file at the same time gives the same findings.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::RhythmNode;
use crate::config::rules::schedules::{KnownSchedule, Schedules};
use crate::config::source::Span;
use crate::model::schedule::{ChangeKind, ClockChange, Rhythm, WallClock, clock_changes};
use crate::time_zone::Zone;
use crate::units::show_duration;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::time::Duration;

/// How far ahead changes of the clocks are looked for.
const LOOK_AHEAD: Duration = Duration::from_hours(24 * 800);
const DAY: Duration = Duration::from_hours(24);
/// How many coming runs are shown.
const SHOWN_RUNS: usize = 5;
const SHOWN_CHANGES: usize = 2;

/// Judges every schedule by itself.
pub fn check(schedules: &Schedules<'_>, now: DateTime<Utc>, findings: &mut Vec<Finding>) {
    let mut changes = ChangesByLine::default();
    for timed in &schedules.all {
        match &timed.schedule.rhythm {
            Rhythm::Cron(clock) => cron(timed, clock, now, &mut changes, findings),
            Rhythm::Every(_) => every(timed, findings),
        }
        jitter(timed, now, findings);
    }
}

/// OPS4001, OPS4002, OPS4005 and OPS4007 of a cron line.
fn cron(
    timed: &KnownSchedule<'_>,
    clock: &WallClock,
    now: DateTime<Utc>,
    changes: &mut ChangesByLine,
    findings: &mut Vec<Finding>,
) {
    let RhythmNode::Cron(node) = timed.rhythm else {
        return;
    };
    let line = clock.cron.to_string();
    if clock.cron.never_fires() {
        let help = "choose a day that exists in the month: February has 28 days, and only seven months have 31";
        let message = format!("`{line}` never runs");
        findings.push(Finding::new(Code::NeverFires, node.span, message, "no date matches").help(help));
        return;
    }
    for step in clock.cron.uneven_steps() {
        let help = format!(
            "list the values, for example `{}`, or use `every \"…\"` for even intervals",
            step.list
        );
        let span = node.part(step.at.start, step.at.end);
        findings.push(Finding::new(Code::Uneven, span, "the steps are uneven", step.label.clone()).help(help));
    }
    if clock.cron.both_days_restricted() {
        findings.push(either_day(timed, node.span, &line, clock, now));
    }
    let fixed = clock.cron.fixed_time();
    if fixed && !clock.dst_given || !fixed && !clock.gap_given {
        let changes = changes.entry((line, clock.zone.clone())).or_insert_with(|| {
            if fixed {
                next_changes(clock, now)
            } else {
                lost_days(clock, now)
            }
        });
        if fixed {
            findings.extend(clock_change(timed, node.span, clock, changes));
        } else {
            findings.extend(lost_day(timed, node.span, clock, changes));
        }
    }
}

/// OPS4005.
fn either_day(timed: &KnownSchedule<'_>, span: Span, line: &str, clock: &WallClock, now: DateTime<Utc>) -> Finding {
    let runs = std::iter::successors(timed.schedule.next(now), |last| timed.schedule.next(*last));
    let runs: Vec<String> = runs
        .take(SHOWN_RUNS)
        .map(|run| {
            let offset = if clock.zone.repeats(run) { " %:z" } else { "" };
            let form = format!("%a %Y-%m-%d %H:%M{offset}");
            clock.zone.local(run).format(&form).to_string()
        })
        .collect();
    let with = |at: usize| -> String {
        let fields = line.split(' ').enumerate();
        let fields: Vec<&str> = fields
            .map(|(field, text)| if field == at { "*" } else { text })
            .collect();
        fields.join(" ")
    };
    let message = "runs when the day of the month or the day of the week matches, not only when both do";
    let label = format!("next runs: {}", runs.join(", "));
    Finding::new(Code::EitherDay, span, message, label).help(format!(
        "write `*` for one of them, `cron \"{}\"` or `cron \"{}\"`; if both are meant, add `allow \"{}\" reason=\"…\"`",
        with(4),
        with(2),
        Code::EitherDay.slug()
    ))
}

/// The changes that the same line in the same zone meets: a large file has few of them, many times.
type ChangesByLine = HashMap<(String, Zone), Vec<ClockChange>>;

/// The first time on the wall that is affected on each of the next days of a change.
fn next_changes(clock: &WallClock, now: DateTime<Utc>) -> Vec<ClockChange> {
    let mut shown: Vec<ClockChange> = Vec::new();
    for change in clock_changes(clock, now, LOOK_AHEAD) {
        let day = change.wall.date();
        if shown.last().is_none_or(|last| last.wall.date() != day) {
            if shown.len() == SHOWN_CHANGES {
                break;
            }
            shown.push(change);
        }
    }
    shown
}

/// The first and the last time of each of the next days that a gap leaves without a run.
fn lost_days(clock: &WallClock, now: DateTime<Utc>) -> Vec<ClockChange> {
    let skipped = clock_changes(clock, now, LOOK_AHEAD);
    let skipped: Vec<ClockChange> = skipped.into_iter().filter(|change| change.runs.is_empty()).collect();
    let days = skipped.chunk_by(|a, b| a.wall.date() == b.wall.date());
    let lost = days.filter(|day| day.len() as u64 == u64::from(clock.cron.times_a_day()));
    let ends = lost.filter_map(|day| Some([day.first()?.clone(), day.last()?.clone()]));
    ends.take(SHOWN_CHANGES).flatten().collect()
}

/// OPS4002 of a line that follows real minutes: a whole day without a run.
fn lost_day(timed: &KnownSchedule<'_>, span: Span, clock: &WallClock, shown: &[ClockChange]) -> Option<Finding> {
    let words = shown.chunks_exact(2).filter_map(|ends| {
        let (first, last) = (ends.first()?.wall, ends.last()?.wall);
        let times = if first == last {
            format!("{} is skipped", first.format("%H:%M"))
        } else {
            format!("{} to {} are skipped", first.format("%H:%M"), last.format("%H:%M"))
        };
        Some(format!("no run on {}: {times}", first.format("%Y-%m-%d")))
    });
    let label = words.collect::<Vec<_>>().join("; ");
    if label.is_empty() {
        return None;
    }
    let message = format!("a day without a run: the clocks in {} change at this time", clock.zone);
    let what = "to run right after the gap; or use `gap=\"skip\"`, or another hour";
    let help = if clock.dst_given {
        format!("add `gap=\"run-after\"` to `dst` {what}")
    } else {
        help(timed, clock, "dst gap=\"run-after\"", what)
    };
    Some(Finding::new(Code::ClockChange, span, message, label).help(help))
}

/// OPS4002 of fixed times.
fn clock_change(timed: &KnownSchedule<'_>, span: Span, clock: &WallClock, shown: &[ClockChange]) -> Option<Finding> {
    if shown.is_empty() {
        return None;
    }
    let words = shown.iter().map(|change| {
        let what = match change.kind {
            ChangeKind::Gap => "is skipped",
            ChangeKind::Fold => "occurs twice",
        };
        format!(
            "{} {what} on {}",
            change.wall.format("%H:%M"),
            change.wall.format("%Y-%m-%d")
        )
    });
    let label = words.collect::<Vec<_>>().join(", ");
    let has = |kind| shown.iter().any(|change| change.kind == kind);
    let (line, what) = match (has(ChangeKind::Gap), has(ChangeKind::Fold)) {
        (true, true) => (
            "dst gap=\"run-after\" fold=\"first\"",
            "to run once, right after the gap; or use `gap=\"skip\"`, `fold=\"both\"`, or another hour",
        ),
        (true, false) => (
            "dst gap=\"run-after\"",
            "to run right after the gap; or use `gap=\"skip\"`, or another hour",
        ),
        (false, _) => (
            "dst fold=\"first\"",
            "to run once; or use `fold=\"both\"`, or another hour",
        ),
    };
    let message = format!("the clocks in {} change at this time", clock.zone);
    let help = help(timed, clock, line, what);
    Some(Finding::new(Code::ClockChange, span, message, label).help(help))
}

/// Where to write `dst`.
fn help(timed: &KnownSchedule<'_>, clock: &WallClock, line: &str, what: &str) -> String {
    if timed.declared.is_some() {
        return format!("add `{line}` {what}");
    }
    let (name, cron, zone) = (timed.schedule.name.replace(':', "-"), &clock.cron, &clock.zone);
    format!("declare `schedule \"{name}\" {{ cron \"{cron}\" timezone=\"{zone}\"; {line}; }}` and use it, {what}")
}

/// OPS4007 of a period.
fn every(timed: &KnownSchedule<'_>, findings: &mut Vec<Finding>) {
    let (RhythmNode::Every(node), Rhythm::Every(period)) = (timed.rhythm, &timed.schedule.rhythm) else {
        return;
    };
    if *period < DAY {
        return;
    }
    let days = period.as_secs() / DAY.as_secs();
    let even = period.as_nanos() % DAY.as_nanos() == 0;
    let label = match (even, days) {
        (true, 1) => "every day at 00:00 UTC, in any time zone".to_owned(),
        (true, 7) => "every Thursday at 00:00 UTC, in any time zone".to_owned(),
        (true, _) => format!("every {days} days at 00:00 UTC, counted from 1970-01-01"),
        (false, _) => format!("every {}, counted from 1970-01-01 00:00 UTC", show_duration(*period)),
    };
    let message = "a period of a day or more does not follow the calendar";
    findings.push(
        Finding::new(Code::Uneven, node.span, message, label).help(if even && days == 7 {
            "write `cron \"0 3 * * MON\"` for every Monday at 03:00 local time"
        } else {
            "write `cron \"0 3 * * *\"` for every day at 03:00 local time"
        }),
    );
}

/// OPS4006 of the jitter.
fn jitter(timed: &KnownSchedule<'_>, now: DateTime<Utc>, findings: &mut Vec<Finding>) {
    let Some(jitter) = timed.declared.and_then(|node| node.jitter.as_ref()) else {
        return;
    };
    if let Some((shortest, _)) = timed.gaps(now)
        && jitter.value >= shortest
    {
        let message = "the jitter is as long as the time between two runs";
        let label = format!("the shortest time between two runs is {}", show_duration(shortest));
        let shorter = part_of(shortest);
        findings.push(
            Finding::new(Code::TooLong, jitter.span, message, label)
                .also(timed.rhythm.span(), "when it runs")
                .help(format!("use a shorter jitter, for example `jitter \"{shorter}\"`")),
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
