//! `warn=` and `critical=`: the values from which an answer is a warning or critical.
//!
//! Reports a node without a threshold, and thresholds in an order in which one of them has no effect (OPS6002).
//! Invariant: where a larger value is worse, `warn` is below `critical`; where a smaller value is worse, above.

use crate::config::findings::{Code, Finding};
use crate::config::language::spec::{Args, Prop, Spec, node, prop};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::source::Span;
use crate::config::values::Datum;
use crate::model::check::Levels;
use std::time::Duration;

pub const ONE_THRESHOLD: &str = "`warn=`, `critical=` or both";

/// Thresholds of a time that is worse the longer it is.
pub const MAX_TIMES: &[Prop] = &[
    prop("warn", Type::Duration, "a warning from this time on")
        .otherwise("never")
        .example("\"60s\""),
    prop("critical", Type::Duration, "critical from this time on")
        .otherwise("never")
        .example("\"90s\""),
];

pub const LATENCY: Spec = node(
    "latency",
    Args::None,
    "how long the answer may take",
    "latency warn=\"200ms\" critical=\"800ms\"",
)
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
            "has no effect: it is critical before",
        )
        .help(format!("swap the two values: the {needed} one belongs to `warn=`"))
    };
    findings.push(finding.also(spans.1, "critical from here on"));
}
