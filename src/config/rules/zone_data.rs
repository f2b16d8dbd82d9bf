//! The data of the time zones that a file names (OPS4008).
//!
//! Reports zones for which the zone file of this host could not be used and, with `host`, zones for which the host's data
//! are older than the built-in data and differ in what comes. Invariant: one finding for a zone, where it is named first.

use crate::config::findings::{Code, Finding, advice_text};
use crate::config::nodes::RhythmNode;
use crate::config::nodes::document::Document;
use crate::config::source::{SourceMap, Span, Spanned};
use crate::time_zone::{Zone, ZoneData, ZoneDatabase, ZoneOrigin, built_in, built_in_version};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashSet;

/// How far ahead differences matter.
const LOOK_AHEAD: TimeDelta = TimeDelta::days(800);
const UPDATE: &str = "update the time zone data of this host: the package is usually called `tzdata`";

pub fn check(
    document: &Document,
    sources: &SourceMap,
    zones: &ZoneDatabase,
    (now, host): (DateTime<Utc>, bool),
    findings: &mut Vec<Finding>,
) {
    if let (Some(refused), Some(root)) = (zones.refused(), sources.files().first()) {
        let span = Span::new(root.base, root.base);
        let message = "the variable TZDIR does not name a directory of time zones";
        findings.push(
            Finding::new(Code::ZoneData, span, message, advice_text(&refused.to_string()))
                .help(format!("correct or unset TZDIR; in use are {}", zones.data())),
        );
    }
    let mut seen = HashSet::new();
    for zone in named(document).filter(|zone| seen.insert(zone.value.name())) {
        match (zone.value.origin(), zones.data()) {
            (ZoneOrigin::BuiltIn(Some(refused)), _) => findings.push(
                Finding::new(
                    Code::ZoneData,
                    zone.span,
                    format!("this host has no usable data for the time zone `{}`", zone.value),
                    advice_text(&refused.to_string()),
                )
                .help(format!(
                    "repair the file, or install the package `tzdata`; until then the built-in data {} decide",
                    built_in_version()
                )),
            ),
            (ZoneOrigin::Host, ZoneData::Host { version, .. }) if host => {
                findings.extend(outdated(zone, version.as_deref(), now));
            }
            _ => {}
        }
    }
}

/// Every zone, where it is named.
fn named(document: &Document) -> impl Iterator<Item = &Spanned<Zone>> {
    let of_ops = document.ops.iter().filter_map(|ops| ops.timezone.as_ref());
    let declared = document.schedules.iter().filter_map(|node| node.rhythm.as_ref());
    let own = document.jobs().filter_map(|(_, job)| job.when.own.as_ref());
    let of_lines = declared.chain(own).filter_map(|rhythm| match rhythm {
        RhythmNode::Cron(node) => node.zone.as_ref(),
        RhythmNode::Every(_) => None,
    });
    of_ops.chain(of_lines)
}

/// The host has another opinion on the coming years than the newer data of this build.
fn outdated(zone: &Spanned<Zone>, version: Option<&str>, now: DateTime<Utc>) -> Option<Finding> {
    let version = version.filter(|version| *version < built_in_version())?;
    let newer = built_in(zone.value.name())?;
    let at = first_difference(&zone.value, &newer, now)?;
    let local = |zone: &Zone| zone.local(at).format("%Y-%m-%d %H:%M %:z").to_string();
    let message = format!(
        "the time zone data of this host are old: {version} for `{}`",
        zone.value
    );
    let label = format!(
        "{} by {version}, {} by {}",
        local(&zone.value),
        local(&newer),
        built_in_version()
    );
    Some(Finding::new(Code::ZoneData, zone.span, message, label).help(UPDATE))
}

/// The first coming instant at which two zones have another time.
pub fn first_difference(one: &Zone, other: &Zone, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (from, until) = (now.timestamp(), (now + LOOK_AHEAD).timestamp());
    let changes = [one, other].into_iter().flat_map(Zone::shifts).map(|shift| shift.at);
    let mut instants: Vec<i64> = changes.filter(|at| (from..=until).contains(at)).chain([from]).collect();
    instants.sort_unstable();
    let differs = instants.into_iter().find(|at| one.offset(*at) != other.offset(*at));
    DateTime::from_timestamp(differs?, 0)
}
