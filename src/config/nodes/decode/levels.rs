//! `warn=` and `critical=`: from where on an answer is a warning or critical.
//!
//! Takes the reading of a node with thresholds, gives [`Levels`]; reports that there is none, and thresholds in an order
//! in which one of them can never be what decides (OPS6002).
//! Invariant: for what is bad when it grows `warn` comes first, for what is bad when it shrinks `critical` does.

use super::duration;
use crate::config::findings::{Code, Finding};
use crate::config::nodes::reader::{Datum, Reading};
use crate::config::source::{Span, Spanned};
use crate::model::check::{Levels, Space};
use std::time::Duration;

/// What is bad about the measured value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    Large,
    Small,
}

/// Both thresholds, and where they stand; said when there is neither.
fn both<T>(
    reading: &Reading,
    take: impl Fn(&Spanned<Datum>) -> Option<T>,
    example: &str,
    findings: &mut Vec<Finding>,
) -> (Levels<T>, Option<(Span, Span)>) {
    let (warn, critical) = (reading.prop("warn"), reading.prop("critical"));
    if warn.is_none() && critical.is_none() && !reading.damaged {
        findings.push(
            Finding::new(
                Code::Missing,
                reading.head,
                format!("`{}` has no threshold", reading.spec_name),
                "needs `warn=`, `critical=` or both",
            )
            .help(format!("for example `{example}`")),
        );
    }
    let levels = Levels {
        warn: warn.and_then(&take),
        critical: critical.and_then(&take),
    };
    (
        levels,
        warn.zip(critical).map(|(warn, critical)| (warn.span, critical.span)),
    )
}

pub(super) fn times(reading: &Reading, bad: Bad, example: &str, findings: &mut Vec<Finding>) -> Levels<Duration> {
    let (levels, spans) = both(reading, duration, example, findings);
    if let (Some(warn), Some(critical), Some(spans)) = (levels.warn, levels.critical, spans) {
        order(&warn, &critical, spans, bad, findings);
    }
    levels
}

pub(super) fn spaces(reading: &Reading, example: &str, findings: &mut Vec<Finding>) -> Levels<Space> {
    let take = |value: &Spanned<Datum>| match value.value {
        Datum::Space(space) => Some(space),
        _ => None,
    };
    let (levels, spans) = both(reading, take, example, findings);
    if let (Some(warn), Some(critical), Some(spans)) = (levels.warn, levels.critical, spans) {
        match (warn, critical) {
            (Space::Percent(warn), Space::Percent(critical)) if critical >= warn && warn > MOST_FREE => {
                findings.push(used(spans.0, warn, critical).also(spans.1, "critical from here on"));
            }
            (Space::Percent(warn), Space::Percent(critical)) => {
                order(&warn, &critical, spans, Bad::Small, findings);
                if warn > critical && warn > MOST_FREE {
                    findings.push(used(spans.0, warn, critical).warning());
                }
            }
            (Space::Bytes(warn), Space::Bytes(critical)) => order(&warn, &critical, spans, Bad::Small, findings),
            _ => findings.push(
                Finding::new(
                    Code::BadValue,
                    spans.1,
                    "a percentage and a size cannot be compared",
                    kind(critical),
                )
                .also(spans.0, kind(warn))
                .help("write both as percentages, such as `warn=\"25%\" critical=\"15%\"`, or both as sizes"),
            ),
        }
    } else {
        for value in ["warn", "critical"].into_iter().filter_map(|name| reading.prop(name)) {
            if let Datum::Space(Space::Percent(percent)) = value.value
                && percent > MOST_FREE
            {
                findings.push(used(value.span, percent, percent).warning());
            }
        }
    }
    levels
}

/// Nobody is told when more than so much of a disk is still free: it was meant as what is used.
const MOST_FREE: u8 = 50;

/// OPS6002, for percentages of what is used.
fn used(span: Span, warn: u8, critical: u8) -> Finding {
    let free = |used: u8| 100_u8.saturating_sub(used).max(1);
    let meant = if warn == critical {
        format!("{warn}% used is \"{}%\"", free(warn))
    } else {
        let (first, last) = (warn.min(critical), warn.max(critical));
        format!(
            "{first}% used is `warn=\"{}%\" critical=\"{}%\"`",
            free(first),
            free(last).min(free(first).saturating_sub(1).max(1))
        )
    };
    Finding::new(
        Code::ThresholdsOrder,
        span,
        "`disk-space` counts what is free, not what is used",
        format!("said as soon as less than {warn}% is free"),
    )
    .help(meant)
}

fn kind(space: Space) -> &'static str {
    match space {
        Space::Percent(_) => "a percentage",
        Space::Bytes(_) => "a size",
    }
}

/// OPS6002.
fn order<T: Ord>(warn: &T, critical: &T, spans: (Span, Span), bad: Bad, findings: &mut Vec<Finding>) {
    let (fine, less) = match bad {
        Bad::Large => (warn < critical, "smaller"),
        Bad::Small => (warn > critical, "larger"),
    };
    if fine {
        return;
    }
    let finding = if warn == critical {
        Finding::new(
            Code::ThresholdsOrder,
            spans.0,
            "`warn` and `critical` are the same",
            "can never decide: it is critical already",
        )
        .help(format!("give `warn` a {less} value, or delete it"))
    } else {
        Finding::new(
            Code::ThresholdsOrder,
            spans.0,
            "`warn` comes after `critical`",
            "can never decide: it is critical before",
        )
        .help(format!("swap the two values: the {less} one belongs to `warn`"))
    };
    findings.push(finding.also(spans.1, "critical from here on"));
}
