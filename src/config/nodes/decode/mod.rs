//! Readings → the [`Document`]: each node of the schema becomes its own type.
//!
//! Takes checked readings, gives document nodes; reports only what concerns one node by itself and the schema cannot
//! say (globs or a keyword, a `keep` without rules, two probes). One file a kind of job; here is what they share, and
//! `ops` and `import`. Knows nothing of other nodes.
//! Invariant: a reading's every value is used here.

mod assertion;
mod backup;
mod channel;
mod check;
mod command;
mod levels;
mod retention;
mod schedule;
mod target;

pub(in crate::config) use assertion::assertion;
pub(in crate::config) use backup::backup;
pub(in crate::config) use channel::{channel, usual_variable};
pub(in crate::config) use check::check;
pub(in crate::config) use command::suggested_variable;
pub(in crate::config) use retention::retention;
pub(in crate::config) use schedule::schedule;
pub(in crate::config) use target::target;

use crate::config::findings::{Code, Finding};
use crate::config::nodes::document::{Allow, JobNode, NotifyNode, OpsNode};
use crate::config::nodes::reader::{Datum, Reading};
use crate::config::nodes::schema::VERSION;
use crate::config::source::{Span, Spanned};
use crate::model::pattern::Pattern;
use std::path::PathBuf;
use std::time::Duration;

/// Zones of the IANA data that only stand for old habits.
const ABBREVIATIONS: &[&str] = &[
    "CET", "CST6CDT", "EET", "EST", "EST5EDT", "HST", "MET", "MST", "MST7MDT", "PST8PDT", "WET",
];

fn text(value: &Spanned<Datum>) -> Option<Spanned<String>> {
    match &value.value {
        Datum::Text(text) => Some(Spanned {
            value: text.clone(),
            span: value.span,
        }),
        _ => None,
    }
}

fn number(value: &Spanned<Datum>) -> Option<u64> {
    match value.value {
        Datum::Number(number) => Some(number),
        _ => None,
    }
}

fn small(value: &Spanned<Datum>) -> Option<u32> {
    number(value).and_then(|number| u32::try_from(number).ok())
}

fn duration(value: &Spanned<Datum>) -> Option<Duration> {
    match value.value {
        Datum::Duration(duration) => Some(duration),
        _ => None,
    }
}

fn spanned_duration(value: &Spanned<Datum>) -> Option<Spanned<Duration>> {
    spanned(Some(value), duration)
}

/// A value with its place, when it is there and right.
fn spanned<T>(value: Option<&Spanned<Datum>>, read: impl FnOnce(&Spanned<Datum>) -> Option<T>) -> Option<Spanned<T>> {
    let value = value?;
    Some(Spanned {
        value: read(value)?,
        span: value.span,
    })
}

/// A zone; an abbreviation is said to be one. `set` is what stands between the setting and its value.
fn zone(value: &Spanned<Datum>, set: &str, findings: &mut Vec<Finding>) -> Option<chrono_tz::Tz> {
    let Datum::Zone(zone) = value.value else {
        return None;
    };
    if ABBREVIATIONS.contains(&zone.name()) {
        findings.push(
            Finding::new(
                Code::UnknownTimezone,
                value.span,
                format!("`{}` is an abbreviation, not a place", zone.name()),
                "its rules for summer time may not be those of any place",
            )
            .warning()
            .help(format!(
                "name a place, such as `timezone{set}\"Europe/Berlin\"` or `timezone{set}\"America/New_York\"`, or \"UTC\""
            )),
        );
    }
    Some(zone)
}

fn arg<'a>(reading: &'a Reading, child: &str) -> Option<&'a Spanned<Datum>> {
    reading.child(child)?.args.first()
}

fn path(reading: &Reading, child: &str) -> Option<Spanned<PathBuf>> {
    path_of(arg(reading, child)?)
}

fn path_of(value: &Spanned<Datum>) -> Option<Spanned<PathBuf>> {
    let text = text(value)?;
    Some(Spanned {
        value: PathBuf::from(text.value),
        span: text.span,
    })
}

/// A flag is on when it stands bare. What is wrong and reported is off: nothing more is concluded from it.
fn flag(reading: &Reading, child: &str) -> bool {
    let value = reading
        .child(child)
        .map(|node| node.args.first().map(|value| &value.value));
    matches!(value, Some(None | Some(Datum::Bool(true))))
}

fn globs<'a>(values: impl Iterator<Item = &'a Spanned<Datum>>) -> (Vec<Spanned<Pattern>>, bool) {
    let mut all_known = true;
    let mut patterns = Vec::new();
    for value in values {
        match &value.value {
            Datum::Glob(pattern) => patterns.push(Spanned {
                value: pattern.clone(),
                span: value.span,
            }),
            _ => all_known = false,
        }
    }
    (patterns, all_known)
}

fn glob_list(reading: &Reading, child: &str) -> (Vec<Spanned<Pattern>>, bool) {
    match reading.child(child) {
        None => (Vec::new(), true),
        Some(node) => {
            let (patterns, known) = globs(node.args.iter());
            (patterns, known && !node.damaged && !node.args.is_empty())
        }
    }
}

fn allows(reading: &Reading) -> Vec<Allow> {
    let allows = reading.children_named("allow");
    let slugs = allows.filter_map(|allow| {
        Some(Allow {
            slug: text(allow.args.first()?)?,
            extent: allow.head,
        })
    });
    slugs.collect()
}

fn job(reading: &Reading, findings: &mut Vec<Finding>) -> JobNode {
    JobNode {
        name: reading.args.first().and_then(text),
        head: reading.head,
        extent: reading.extent,
        needs: reading
            .child("needs")
            .map(|node| node.args.iter().filter_map(text).collect())
            .unwrap_or_default(),
        timeout: arg(reading, "timeout").and_then(spanned_duration),
        paused: flag(reading, "paused"),
        when: schedule::when(reading, findings),
        notify: reading.child("notify").map(notify),
        allows: allows(reading),
        damaged: reading.damaged,
    }
}

fn notify(reading: &Reading) -> NotifyNode {
    let channels: Vec<Spanned<String>> = reading.args.iter().filter_map(text).collect();
    NotifyNode {
        span: reading.head,
        damaged: channels.is_empty() || channels.len() < reading.args.len() || reading.damaged,
        channels,
    }
}

/// True when something in a node or below it could not be used: what it would have given rise to is not there.
fn hurt(reading: &Reading) -> bool {
    let values = reading.args.iter().chain(reading.props.iter().map(|(_, value)| value));
    reading.damaged
        || reading.lost
        || values.into_iter().any(|value| value.value == Datum::Bad)
        || reading.children.iter().any(hurt)
}

pub(in crate::config) fn ops(reading: &Reading, findings: &mut Vec<Finding>) -> OpsNode {
    if let Some(version) = reading.prop("version")
        && let Some(number) = number(version)
        && number != VERSION
    {
        findings.push(
            Finding::new(
                Code::Version,
                version.span,
                format!("this build does not know version {number} of the language"),
                "unknown version",
            )
            .help(format!("write `ops version={VERSION}`, or use a newer opsrun")),
        );
    }
    let timezone = arg(reading, "timezone").and_then(|value| zone(value, " ", findings));
    OpsNode {
        span: reading.name_span,
        name: arg(reading, "name").and_then(text),
        timezone,
        state_dir: path(reading, "state-dir"),
        concurrency: arg(reading, "concurrency").and_then(small),
    }
}

/// `import`: the path, and whether it may match nothing.
pub(in crate::config) fn import(reading: &Reading) -> Option<(Spanned<String>, bool, Span)> {
    let path = text(reading.args.first()?)?;
    let optional = reading
        .prop("optional")
        .is_some_and(|value| value.value == Datum::Bool(true));
    Some((path, optional, reading.head))
}
