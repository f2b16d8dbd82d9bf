//! `disk-space`: how much is free on the file system of a path.
//!
//! Reports a percentage beside a size, and percentages that were meant as used, not free, space (OPS6002).

use super::probe::ProbeRow;
use super::thresholds::{WorseWhen, check_order, thresholds};
use crate::config::findings::{Code, Finding};
use crate::config::language::spec::{Args, node, prop};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::config::source::Span;
use crate::config::values::Datum;
use crate::model::check::{Levels, Probe, Space};

/// An alert while more than this is still free was probably meant as used space.
const MAX_FREE_PERCENT: u8 = 50;

pub const DISK_SPACE: ProbeRow = ProbeRow {
    spec: node(
        "disk-space",
        Args::One(Type::Path),
        "how much is free on the file system of this path",
        "disk-space \"/srv\" warn=\"25%\" critical=\"15%\"",
    )
    .with(&[
        prop("warn", Type::Space, "a warning below this").otherwise("never"),
        prop("critical", Type::Space, "critical below this").otherwise("never"),
    ])
    .rule("`warn=`, `critical=` or both; both percentages or both sizes"),
    decode,
};

fn decode(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let free = spaces(node, decoder.findings);
    let path = decoder.path(node.args.first()?)?.value;
    Some(Probe::DiskSpace { path, free })
}

fn spaces(node: &CheckedNode, findings: &mut Vec<Finding>) -> Levels<Space> {
    let take = |value: &Datum| match value {
        Datum::Space(space) => Some(*space),
        _ => None,
    };
    let (levels, spans) = thresholds(node, take, DISK_SPACE.spec.example, findings);
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
