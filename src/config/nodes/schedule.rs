//! `schedule`, and `schedule`, `cron` and `every` in jobs: when jobs run.
//!
//! Reports mistakes in cron lines with their place within the line (OPS4004), schedules with no time or two, and settings
//! without effect.

use super::allow::{ALLOW, Allow, allows};
use super::checked_node::{CheckedNode, one_of, spanned};
use crate::config::findings::{Code, Finding, advice_text, excerpt};
use crate::config::language::spec::{Args, Prop, Spec, node, prop, words};
use crate::config::language::types::Type;
use crate::config::source::{Span, Spanned};
use crate::config::values::Datum;
use crate::model::schedule::{
    Cron, FoldPolicy, GapPolicy, Missed, Rhythm, Schedule, WallClock, ZonePrefix, zone_prefix,
};
use crate::time_zone::{Zone, is_zone_name};
use std::time::Duration;

/// How many missed runs `missed "all"` catches up with by default.
const DEFAULT_MAX_MISSED: u32 = 10;

/// Zones of the IANA data that are abbreviations.
const ABBREVIATIONS: &[&str] = &[
    "CET", "CST6CDT", "EET", "EST", "EST5EDT", "HST", "MET", "MST", "MST7MDT", "PST8PDT", "WET",
];

const ZONE: &[Prop] = &[prop("timezone", Type::Zone, "the time zone of its clock").otherwise("the zone of `ops`")];

const GAPS: [(&str, GapPolicy); 2] = [("run-after", GapPolicy::RunAfter), ("skip", GapPolicy::Skip)];
const FOLDS: [(&str, FoldPolicy); 2] = [("first", FoldPolicy::First), ("both", FoldPolicy::Both)];

/// When a schedule fires: exactly one of these.
const RHYTHMS: &[Spec] = &[
    node("cron", Args::One(Type::Cron))
        .doc("at clock times: minute, hour, day of month, month, day of week")
        .example("cron \"0 21 * * MON-FRI\" timezone=\"Europe/Berlin\"")
        .with(ZONE),
    node("every", Args::One(Type::Duration))
        .doc("at a fixed interval, counted from 1970")
        .example("every \"30s\""),
];

pub const SCHEDULE: Spec = node("schedule", Args::One(Type::Name))
    .doc("the times at which the jobs run that name it")
    .example("schedule \"nightly\" { cron \"0 21 * * *\"; }")
    .block(&[
        RHYTHMS,
        &[
            node("jitter", Args::One(Type::Duration))
                .doc("starts later by up to this time; the delay is always the same for one schedule")
                .example("jitter \"2m\"")
                .otherwise("none"),
            node("dst", Args::None)
                .doc("what happens to a clock time when daylight saving begins or ends")
                .example("dst gap=\"run-after\" fold=\"first\"")
                .with(&[
                    prop(
                        "gap",
                        Type::Word(&words(&GAPS), &[]),
                        "a time that is skipped: it runs right after the gap, or not at all",
                    )
                    .otherwise("`\"run-after\"`; `\"skip\"` if the minute or hour begins with `*`")
                    .example("\"skip\""),
                    prop(
                        "fold",
                        Type::Word(&words(&FOLDS), &[]),
                        "a time that occurs twice: it runs at the first one, or at both",
                    )
                    .otherwise("`\"first\"`; `\"both\"` if the minute or hour begins with `*`")
                    .example("\"both\""),
                ])
                .rule("`gap=`, `fold=` or both")
                .otherwise("both at their defaults, and a warning where it matters (OPS4002)"),
            node("missed", Args::One(Type::Word(&["latest", "skip", "all"], &[])))
                .doc("which runs to catch up with that were missed while nothing ran: the latest, none, or all")
                .example("missed \"latest\" window=\"24h\"")
                .with(&[
                    prop("window", Type::Duration, "older missed runs are skipped").otherwise("no limit"),
                    prop(
                        "max",
                        Type::Integer(1, 1000),
                        "with `\"all\"`: the maximum number, the newest first",
                    )
                    .default("10"),
                ])
                .otherwise("`\"latest\"` with `cron`, `\"skip\"` with `every`"),
        ],
        &[ALLOW],
    ])
    .rule("exactly one of `cron` and `every`")
    .repeats();

/// When a job runs.
pub const JOB_SCHEDULE: &[Spec] = &[
    node("schedule", Args::One(Type::Text))
        .doc("the schedule that the job runs by")
        .example("schedule \"nightly\"")
        .rule("at most one of `schedule`, `cron` and `every`")
        .otherwise("only `opsrun apply` runs it; a retention runs with its backup"),
    node("cron", Args::One(Type::Cron))
        .doc("a schedule of its own, at clock times")
        .example("cron \"30 4 * * *\" timezone=\"Europe/Berlin\"")
        .with(ZONE)
        .otherwise("see `schedule`"),
    node("every", Args::One(Type::Duration))
        .doc("a schedule of its own, at a fixed interval")
        .example("every \"5m\"")
        .otherwise("see `schedule`"),
];

#[derive(Debug)]
pub struct ScheduleNode {
    /// Missing or wrong, and reported, when `None`.
    pub name: Option<Spanned<String>>,
    pub extent: Span,
    pub rhythm: Option<RhythmNode>,
    pub jitter: Option<Spanned<Duration>>,
    /// Empty without a `dst` node.
    pub dst: DstNode,
    /// `None` is the default of the rhythm.
    pub missed: Option<Missed>,
    pub allows: Vec<Allow>,
    /// A part of it could not be read.
    pub damaged: bool,
}

impl ScheduleNode {
    /// `zone` is the zone of clock times without one.
    pub fn lower(&self, zone: &Zone) -> Option<Schedule> {
        let rhythm = self.rhythm.as_ref()?;
        Some(Schedule {
            name: self.name.as_ref()?.value.clone(),
            rhythm: rhythm.lower(self.dst, zone),
            jitter: self.jitter.as_ref().map(|jitter| jitter.value),
            missed: self.missed.unwrap_or_else(|| rhythm.default_missed()),
        })
    }
}

/// What `dst` sets.
#[derive(Debug, Clone, Copy, Default)]
pub struct DstNode {
    pub gap: Option<GapPolicy>,
    pub fold: Option<FoldPolicy>,
}

/// `schedule`, `cron` or `every` in a job.
#[derive(Debug, Default)]
pub struct JobScheduleNode {
    pub schedule: Option<Spanned<String>>,
    /// `cron` or `every` in the job itself.
    pub own: Option<RhythmNode>,
    /// One of them was wrong, and reported.
    pub damaged: bool,
}

/// `cron` or `every`.
#[derive(Debug)]
pub enum RhythmNode {
    Cron(Box<CronNode>),
    Every(Spanned<Duration>),
}

impl RhythmNode {
    pub fn span(&self) -> Span {
        match self {
            Self::Cron(node) => node.span,
            Self::Every(every) => every.span,
        }
    }

    pub fn lower(&self, dst: DstNode, zone: &Zone) -> Rhythm {
        match self {
            Self::Every(every) => Rhythm::Every(every.value),
            Self::Cron(node) => {
                let zone = node.zone.as_ref().map_or(zone, |own| &own.value).clone();
                Rhythm::Cron(Box::new(WallClock::new(node.cron.clone(), zone, dst.gap, dst.fold)))
            }
        }
    }

    /// A clock time that was missed is caught up with; the next interval comes soon enough.
    pub fn default_missed(&self) -> Missed {
        match self {
            Self::Cron(_) => Missed::Latest { window: None },
            Self::Every(_) => Missed::Skip,
        }
    }
}

#[derive(Debug)]
pub struct CronNode {
    pub cron: Cron,
    /// Of the value, with its quotes.
    pub span: Span,
    /// How many bytes of the value precede its text; `None` when text and value differ, as with escapes.
    pub before: Option<usize>,
    pub zone: Option<Spanned<Zone>>,
}

impl CronNode {
    /// The span of a part of the line, or of the whole value where that is unknown.
    pub fn part(&self, start: usize, end: usize) -> Span {
        part(self.span, self.before, start, end)
    }
}

fn part(span: Span, before: Option<usize>, start: usize, end: usize) -> Span {
    match before {
        Some(before) => Span::new(span.start + before + start, span.start + before + end),
        None => span,
    }
}

fn is_rhythm(node: &CheckedNode) -> bool {
    RHYTHMS.iter().any(|spec| spec.name == node.spec_name)
}

pub fn schedule(node: &CheckedNode, findings: &mut Vec<Finding>) -> ScheduleNode {
    let given: Vec<&CheckedNode> = node.children.iter().filter(|child| is_rhythm(child)).collect();
    let mut read: Vec<Option<RhythmNode>> = given.iter().map(|node| rhythm(node, findings)).collect();
    match given.as_slice() {
        [] if node.damaged || node.lost => {}
        [] => findings.push(
            Finding::new(
                Code::Missing,
                node.head,
                format!("schedule `{}` has no time", node.shown_name()),
                "needs `cron` or `every`",
            )
            .help("add `cron \"0 21 * * *\"`, or `every \"5m\"`"),
        ),
        [only] => dst_with_every(node, only, findings),
        [first, second, ..] => findings.push(two_times(first, second)),
    }
    let dst = node.child("dst");
    if let Some(dst) = dst.filter(|dst| dst.props.is_empty() && !dst.damaged) {
        findings.push(
            Finding::new(
                Code::Missing,
                dst.head,
                "`dst` has no setting",
                "needs `gap=`, `fold=` or both",
            )
            .help("write `dst gap=\"run-after\" fold=\"first\"`"),
        );
    }
    ScheduleNode {
        name: node.text(),
        extent: node.extent,
        rhythm: if read.len() == 1 { read.pop().flatten() } else { None },
        jitter: node.value("jitter", Datum::duration),
        dst: DstNode {
            gap: dst.and_then(|dst| dst.get_prop("gap", one_of(&GAPS))),
            fold: dst.and_then(|dst| dst.get_prop("fold", one_of(&FOLDS))),
        },
        missed: node.child("missed").and_then(|node| missed(node, findings)),
        allows: allows(node),
        damaged: node.is_incomplete(),
    }
}

pub fn job_schedule(node: &CheckedNode, findings: &mut Vec<Finding>) -> JobScheduleNode {
    let is_time = |child: &&CheckedNode| child.spec_name == "schedule" || is_rhythm(child);
    let given: Vec<&CheckedNode> = node.children.iter().filter(is_time).collect();
    let mut own: Vec<RhythmNode> = given.iter().filter_map(|node| rhythm(node, findings)).collect();
    if let [first, second, ..] = given.as_slice() {
        findings.push(two_times(first, second));
    }
    let schedule = node.value("schedule", Datum::string);
    JobScheduleNode {
        damaged: given.len() > 1 || given.len() > own.len() + usize::from(schedule.is_some()),
        schedule,
        own: if own.len() == 1 { own.pop() } else { None },
    }
}

fn two_times(first: &CheckedNode, second: &CheckedNode) -> Finding {
    Finding::new(
        Code::Repeated,
        second.head,
        format!("`{}` and `{}` both set the time", first.spec_name, second.spec_name),
        "again here",
    )
    .also(first.head, "first here")
    .help("delete one of them; for both times, write two nodes")
}

/// `cron` or `every`; `None` for another node, or one that is wrong and reported.
fn rhythm(node: &CheckedNode, findings: &mut Vec<Finding>) -> Option<RhythmNode> {
    match node.spec_name {
        "every" => spanned(node.args.first()?, Datum::duration).map(RhythmNode::Every),
        "cron" => cron(node, findings),
        _ => None,
    }
}

fn cron(node: &CheckedNode, findings: &mut Vec<Finding>) -> Option<RhythmNode> {
    let zone = node.prop("timezone").and_then(|value| zone(value, "=", findings));
    let line = node.text()?;
    // Only quotes around it: other forms are written with escapes.
    let before = match line.span.len().checked_sub(line.value.len()) {
        Some(0) => Some(0),
        Some(2) => Some(1),
        _ => None,
    };
    if let Some(prefix) = zone_prefix(&line.value) {
        zone_in_line(node, &line, before, &prefix, findings);
        return None;
    }
    match Cron::parse(&line.value) {
        Ok(cron) => Some(RhythmNode::Cron(Box::new(CronNode {
            cron,
            span: line.span,
            before,
            zone,
        }))),
        Err(mistakes) => {
            findings.extend(mistakes.into_iter().map(|mistake| {
                let span = part(line.span, before, mistake.at.start, mistake.at.end);
                Finding::new(Code::BadCron, span, excerpt(&mistake.message), excerpt(&mistake.label))
                    .help(advice_text(&mistake.help))
            }));
            None
        }
    }
}

/// A line with a time zone in front, as other programs take it: the zone is part of every line that is proposed.
fn zone_in_line(
    node: &CheckedNode,
    line: &Spanned<String>,
    before: Option<usize>,
    prefix: &ZonePrefix<'_>,
    findings: &mut Vec<Finding>,
) {
    let end = prefix.start + prefix.text.len();
    let span = part(line.span, before, prefix.start, end);
    let set = match node.prop("timezone").map(|value| &value.value) {
        Some(Datum::Zone(zone)) => Some(zone.name().to_owned()),
        Some(_) => Some(String::new()),
        None => None,
    };
    let known = is_zone_name(prefix.zone);
    let property = match &set {
        None if known => format!(" timezone=\"{}\"", prefix.zone),
        _ => String::new(),
    };
    // What is proposed for the rest keeps the zone.
    let with_zone = |help: &str| {
        let mut parts = help.split("`cron \"");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            text = text + "`cron \"" + &part.replacen("\"`", &format!("\"{property}`"), 1);
        }
        text
    };
    let rest = prefix.rest.split_whitespace().collect::<Vec<_>>().join(" ");
    let (meant, mistakes) = match Cron::parse(&rest) {
        Ok(_) => (Some(rest), Vec::new()),
        Err(mistakes) => (mistakes.iter().find_map(|mistake| mistake.line.clone()), mistakes),
    };
    let message = "the time zone of a cron line is a property, not a part of the line";
    let finding = Finding::new(Code::BadCron, span, message, "the zone is in the line");
    let other = set.as_deref().filter(|set| *set != prefix.zone);
    findings.push(match (meant, other) {
        (_, Some(other)) => finding.help(advice_text(&format!(
            "`timezone=\"{other}\"` is set too: keep the zone that is meant as `timezone=`, and delete `{}`",
            prefix.text
        ))),
        (_, None) if !known => finding.help("name a place behind the line: `timezone=\"Europe/Berlin\"`"),
        (None, None) => finding.help(advice_text(&format!(
            "write five fields, and the zone behind them: `timezone=\"{}\"`",
            prefix.zone
        ))),
        (Some(meant), None) => {
            let text = format!("\"{meant}\"{property}");
            let finding = finding.help(advice_text(&format!("write `cron {text}`")));
            if before == Some(1) {
                finding.fix(line.span, text)
            } else {
                finding
            }
        }
    });
    for mistake in mistakes {
        let span = part(line.span, before, end, line.value.len());
        findings.push(
            Finding::new(Code::BadCron, span, excerpt(&mistake.message), excerpt(&mistake.label))
                .help(advice_text(&with_zone(&mistake.help))),
        );
    }
}

/// A zone; a warning for an abbreviation. `set` is written between the setting and its value.
pub fn zone(value: &Spanned<Datum>, set: &str, findings: &mut Vec<Finding>) -> Option<Spanned<Zone>> {
    let Datum::Zone(zone) = &value.value else {
        return None;
    };
    if ABBREVIATIONS.contains(&zone.name()) {
        findings.push(
            Finding::new(
                Code::UnknownTimezone,
                value.span,
                format!("`{}` is an abbreviation, not a place", zone.name()),
                "its rules for daylight saving time may not match any place",
            )
            .warning()
            .help(format!(
                "name a place, such as `timezone{set}\"Europe/Berlin\"` or `timezone{set}\"America/New_York\"`, or \"UTC\""
            )),
        );
    }
    Some(Spanned {
        value: zone.clone(),
        span: value.span,
    })
}

fn dst_with_every(node: &CheckedNode, rhythm: &CheckedNode, findings: &mut Vec<Finding>) {
    let Some(dst) = node.child("dst").filter(|_| rhythm.spec_name == "every") else {
        return;
    };
    findings.push(
        Finding::new(
            Code::UnknownNode,
            dst.head,
            "`dst` has no effect with `every`",
            "an interval does not depend on the clock",
        )
        .also(rhythm.head, "an interval")
        .help("delete it, or use `cron` for clock times"),
    );
}

fn missed(node: &CheckedNode, findings: &mut Vec<Finding>) -> Option<Missed> {
    let word = node.text()?;
    let window = node.get_prop("window", Datum::duration);
    let max = node.get_prop("max", Datum::small);
    let (missed, unused, label): (_, &[&str], _) = match word.value.as_str() {
        "skip" => (Missed::Skip, &["window", "max"], "no missed run is caught up with"),
        "latest" => (
            Missed::Latest { window },
            &["max"],
            "only one missed run is caught up with",
        ),
        "all" => {
            let max = max.unwrap_or(DEFAULT_MAX_MISSED);
            (Missed::All { max, window }, &[], "")
        }
        _ => return None,
    };
    if let Some((name, value)) = unused.iter().find_map(|name| Some((name, node.prop(name)?))) {
        let message = format!("`{name}=` has no effect with `missed \"{}\"`", word.value);
        findings.push(
            Finding::new(Code::UnknownProperty, value.span, message, label)
                .also(word.span, "set here")
                .help(format!("delete `{name}=`, or write `missed \"all\" …`")),
        );
    }
    Some(missed)
}
