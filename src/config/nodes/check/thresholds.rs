//! `warn=` and `critical=`: the values from which an answer is a warning or critical.
//!
//! Reports a node without a threshold, thresholds in an order in which one of them has no effect, a percentage beside a
//! size, and percentages that were meant as used, not free, space (OPS6002).
//! Invariant: where a larger value is worse, `warn` is below `critical`; where a smaller value is worse, above.

use crate::config::findings::{Code, Finding};
use crate::config::language::spec::{Args, Prop, Spec, node, prop};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::source::Span;
use crate::config::values::Datum;
use crate::model::check::{Levels, Space};
use std::time::Duration;

pub const ONE_THRESHOLD: &str = "`warn=`, `critical=` or both";

/// An alert while more than this is still free was probably meant as used space.
const MAX_FREE_PERCENT: u8 = 50;

/// Thresholds of a time that is worse the longer it is.
pub const MAX_TIMES: &[Prop] = &[
    prop("warn", Type::Duration, "a warning from this time on")
        .otherwise("never")
        .example("\"60s\""),
    prop("critical", Type::Duration, "critical from this time on")
        .otherwise("never")
        .example("\"90s\""),
];

pub const LATENCY: Spec = node("latency", Args::None)
    .doc("how long the answer may take")
    .example("latency warn=\"200ms\" critical=\"800ms\"")
    .with(MAX_TIMES)
    .rule(ONE_THRESHOLD)
    .otherwise("as long as `timeout`");

/// Which measured values are bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorseWhen {
    Larger,
    Smaller,
}

/// Both thresholds, and their spans; reports a node without any.
pub fn thresholds<T>(
    node: &CheckedNode,
    take: impl Fn(&Datum) -> Option<T>,
    example: &str,
    findings: &mut Vec<Finding>,
) -> (Levels<T>, Option<(Span, Span)>) {
    let (warn, critical) = (node.prop("warn"), node.prop("critical"));
    if warn.is_none() && critical.is_none() && !node.damaged {
        findings.push(
            Finding::new(
                Code::Missing,
                node.head,
                format!("`{}` has no threshold", node.spec_name),
                "needs `warn=`, `critical=` or both",
            )
            .help(format!("for example `{example}`")),
        );
    }
    let levels = Levels {
        warn: warn.and_then(|value| take(&value.value)),
        critical: critical.and_then(|value| take(&value.value)),
    };
    (
        levels,
        warn.zip(critical).map(|(warn, critical)| (warn.span, critical.span)),
    )
}

pub fn times(node: &CheckedNode, worse: WorseWhen, example: &str, findings: &mut Vec<Finding>) -> Levels<Duration> {
    let (levels, spans) = thresholds(node, Datum::duration, example, findings);
    if let (Some(warn), Some(critical), Some(spans)) = (levels.warn, levels.critical, spans) {
        check_order(&warn, &critical, spans, worse, findings);
    }
    levels
}

/// Thresholds of a child that may be absent.
pub fn times_of(node: &CheckedNode, child: &str, example: &str, findings: &mut Vec<Finding>) -> Levels<Duration> {
    node.child(child)
        .map(|child| times(child, WorseWhen::Larger, example, findings))
        .unwrap_or_default()
}

pub fn latency(node: &CheckedNode, findings: &mut Vec<Finding>) -> Levels<Duration> {
    times_of(node, "latency", LATENCY.example, findings)
}

/// OPS6002.
pub fn check_order<T: Ord>(warn: &T, critical: &T, spans: (Span, Span), worse: WorseWhen, findings: &mut Vec<Finding>) {
    let (fine, needed) = match worse {
        WorseWhen::Larger => (warn < critical, "smaller"),
        WorseWhen::Smaller => (warn > critical, "larger"),
    };
    if fine {
        return;
    }
    let finding = if warn == critical {
        Finding::new(
            Code::ThresholdsOrder,
            spans.0,
            "`warn=` and `critical=` are equal",
            "has no effect: it is already critical",
        )
        .help(format!("give `warn=` a {needed} value, or delete it"))
    } else {
        Finding::new(
            Code::ThresholdsOrder,
            spans.0,
            "`warn=` comes after `critical=`",
            "has no effect: the check is critical first",
        )
        .help(format!("swap the two values: the {needed} one belongs to `warn=`"))
    };
    findings.push(finding.also(spans.1, "critical from here on"));
}

/// Thresholds of `disk-space`: both percentages or both sizes, of free space.
pub fn spaces(node: &CheckedNode, example: &str, findings: &mut Vec<Finding>) -> Levels<Space> {
    let take = |value: &Datum| match value {
        Datum::Space(space) => Some(*space),
        _ => None,
    };
    let (levels, spans) = thresholds(node, take, example, findings);
    if let (Some(warn), Some(critical), Some(spans)) = (levels.warn, levels.critical, spans) {
        match (warn, critical) {
            (Space::Percent(warn), Space::Percent(critical)) if critical >= warn && warn > MAX_FREE_PERCENT => {
                findings.push(used_space(spans.0, warn, critical).also(spans.1, "critical from here on"));
            }
            (Space::Percent(warn), Space::Percent(critical)) => {
                check_order(&warn, &critical, spans, WorseWhen::Smaller, findings);
                if warn > critical && warn > MAX_FREE_PERCENT {
                    findings.push(used_space(spans.0, warn, critical).warning());
                }
            }
            (Space::Bytes(warn), Space::Bytes(critical)) => {
                check_order(&warn, &critical, spans, WorseWhen::Smaller, findings);
            }
            (Space::Percent(_), Space::Bytes(_)) | (Space::Bytes(_), Space::Percent(_)) => findings.push(
                Finding::new(
                    Code::BadValue,
                    spans.1,
                    "a percentage and a size cannot be compared",
                    unit(critical),
                )
                .also(spans.0, unit(warn))
                .help("write both as percentages, such as `warn=\"25%\" critical=\"15%\"`, or both as sizes"),
            ),
        }
    } else {
        for value in ["warn", "critical"].into_iter().filter_map(|name| node.prop(name)) {
            if let Datum::Space(Space::Percent(percent)) = value.value
                && percent > MAX_FREE_PERCENT
            {
                findings.push(used_space(value.span, percent, percent).warning());
            }
        }
    }
    levels
}

/// OPS6002, for percentages that were meant as used space.
fn used_space(span: Span, warn: u8, critical: u8) -> Finding {
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
        "`disk-space` counts free space, not used space",
        format!("reached as soon as less than {warn}% is free"),
    )
    .help(meant)
}

fn unit(space: Space) -> &'static str {
    match space {
        Space::Percent(_) => "a percentage",
        Space::Bytes(_) => "a size",
    }
}
