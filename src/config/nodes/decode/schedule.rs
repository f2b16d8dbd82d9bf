//! `schedule`, and when jobs run: readings become [`ScheduleNode`]s and [`WhenNode`]s.
//!
//! Takes checked readings, gives nodes; reports mistakes in cron lines with their place within the line (OPS4004),
//! schedules with no rhythm or two, and settings that mean nothing beside the others.
//! Invariant: a reading's every value is used here.

use super::{allows, arg, duration, hurt, small, spanned_duration, text, zone};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::{CronNode, RhythmNode, ScheduleNode, WhenNode, part};
use crate::config::nodes::reader::Reading;
use crate::config::nodes::schema::RHYTHM;
use crate::model::schedule::{Cron, Fold, Gap, Missed};

/// How many missed runs are made up for, when the file names no number.
const MOST_MISSED: u32 = 10;

pub(in crate::config) fn schedule(reading: &Reading, findings: &mut Vec<Finding>) -> ScheduleNode {
    let given: Vec<&Reading> = reading
        .children
        .iter()
        .filter(|child| RHYTHM.iter().any(|spec| spec.name == child.spec_name))
        .collect();
    let mut read: Vec<Option<RhythmNode>> = given.iter().map(|node| rhythm(node, findings)).collect();
    let name = reading.args.first().and_then(text);
    let shown = name.as_ref().map_or("…", |name| name.value.as_str());
    match given.as_slice() {
        [] if reading.damaged || reading.lost => {}
        [] => findings.push(
            Finding::new(
                Code::Missing,
                reading.head,
                format!("the schedule `{}` says no time", excerpt(shown)),
                "needs `cron` or `every`",
            )
            .help("add `cron \"0 21 * * *\"`, or `every \"5m\"`"),
        ),
        [only] => beside(reading, only, findings),
        [first, second, ..] => findings.push(twice(first, second)),
    }
    let dst = reading.child("dst");
    if let Some(dst) = dst.filter(|dst| dst.props.is_empty() && !dst.damaged) {
        findings.push(
            Finding::new(
                Code::Missing,
                dst.head,
                "`dst` says nothing",
                "needs `gap=`, `fold=` or both",
            )
            .help("write `dst gap=\"run-after\" fold=\"first\"`, which is what happens without it, too"),
        );
    }
    ScheduleNode {
        name,
        extent: reading.extent,
        rhythm: if read.len() == 1 { read.pop().flatten() } else { None },
        jitter: arg(reading, "jitter").and_then(spanned_duration),
        dst: dst.map(|dst| {
            let is = |prop: &str, word: &str| dst.prop(prop).and_then(text).is_some_and(|given| given.value == word);
            (
                if is("gap", "skip") { Gap::Skip } else { Gap::RunAfter },
                if is("fold", "both") { Fold::Both } else { Fold::First },
            )
        }),
        missed: reading.child("missed").and_then(|node| missed(node, findings)),
        allows: allows(reading),
        damaged: hurt(reading),
    }
}

pub(super) fn when(reading: &Reading, findings: &mut Vec<Finding>) -> WhenNode {
    let given: Vec<&Reading> = reading
        .children
        .iter()
        .filter(|child| child.spec_name == "schedule" || RHYTHM.iter().any(|spec| spec.name == child.spec_name))
        .collect();
    let mut own: Vec<RhythmNode> = given.iter().filter_map(|node| rhythm(node, findings)).collect();
    if let [first, second, ..] = given.as_slice() {
        findings.push(twice(first, second));
    }
    let schedule = arg(reading, "schedule").and_then(text);
    WhenNode {
        damaged: given.len() > 1 || given.len() > own.len() + usize::from(schedule.is_some()),
        schedule,
        own: if own.len() == 1 { own.pop() } else { None },
    }
}

fn twice(first: &Reading, second: &Reading) -> Finding {
    Finding::new(
        Code::Repeated,
        second.head,
        format!("`{}` and `{}` both say when", first.spec_name, second.spec_name),
        "again here",
    )
    .also(first.head, "first here")
    .help("delete one of them: what is to run at both times stands in two nodes")
}

/// `cron` or `every`; `None` for what is neither, or wrong and reported.
fn rhythm(node: &Reading, findings: &mut Vec<Finding>) -> Option<RhythmNode> {
    let value = node.args.first();
    match node.spec_name {
        "every" => value.and_then(spanned_duration).map(RhythmNode::Every),
        "cron" => {
            let zone = node.prop("timezone").and_then(|value| zone(value, "=", findings));
            let line = text(value?)?;
            // Quotes, and nothing that is written otherwise than it is.
            let before = match line.span.len().checked_sub(line.value.len()) {
                Some(0) => Some(0),
                Some(2) => Some(1),
                _ => None,
            };
            match Cron::parse(&line.value) {
                Ok(cron) => Some(RhythmNode::Cron(Box::new(CronNode {
                    cron,
                    span: line.span,
                    before,
                    zone,
                }))),
                Err(mistakes) => {
                    findings.extend(mistakes.into_iter().map(|mistake| {
                        let span = part(line.span, before, mistake.start, mistake.end);
                        Finding::new(Code::BadCron, span, excerpt(&mistake.message), excerpt(&mistake.label))
                            .help(excerpt(&mistake.help))
                    }));
                    None
                }
            }
        }
        _ => None,
    }
}

/// What only one of the rhythms knows.
fn beside(reading: &Reading, rhythm: &Reading, findings: &mut Vec<Finding>) {
    let Some(dst) = reading.child("dst").filter(|_| rhythm.spec_name == "every") else {
        return;
    };
    findings.push(
        Finding::new(
            Code::UnknownNode,
            dst.head,
            "`dst` is nothing to `every`",
            "time that passes knows no summer time",
        )
        .also(rhythm.head, "counts what has passed")
        .help("delete it, or write `cron` for times on the clock"),
    );
}

fn missed(node: &Reading, findings: &mut Vec<Finding>) -> Option<Missed> {
    let word = text(node.args.first()?)?;
    let window = node.prop("window");
    let max = node.prop("max");
    let needless = match word.value.as_str() {
        "skip" => window
            .map(|value| ("window", value))
            .or(max.map(|value| ("max", value))),
        "latest" => max.map(|value| ("max", value)),
        _ => None,
    };
    if let Some((name, value)) = needless {
        findings.push(
            Finding::new(
                Code::UnknownProperty,
                value.span,
                format!("`{name}` is nothing to `missed \"{}\"`", word.value),
                if word.value == "skip" {
                    "nothing is made up for"
                } else {
                    "only one is made up for"
                },
            )
            .also(word.span, "this is what happens")
            .help(format!("delete `{name}=`, or write `missed \"all\" …`")),
        );
    }
    let window = window.and_then(duration);
    Some(match word.value.as_str() {
        "skip" => Missed::Skip,
        "all" => Missed::All {
            max: max.and_then(small).unwrap_or(MOST_MISSED),
            window,
        },
        _ => Missed::Latest { window },
    })
}
