//! Assertions: does the file do what it asserts (OPS5015)?
//!
//! Takes the resolved document, asks `model::retention` and `model::pattern` what would happen to each file at its age,
//! and gives a finding for every answer that is not the asserted one. `messages` has the texts. Touches no data: the files need not be there.
//! Invariant: the deciding functions are those that plans are made with; nothing is decided here a second time. What rests
//! on text that could not be read is not judged.

mod messages;

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::suggest::nearest;
use crate::config::nodes::document::Document;
use crate::config::nodes::{AssertedNode, AssertionNode, Expectation, FileNode, JobLinks};
use crate::config::rules::resolved::{ResolvedBackup, ResolvedRetention};
use crate::config::source::{Span, Spanned};
use crate::entry::{Entry, EntryKind, Identity};
use crate::model::pattern::{Selection, Selector};
use crate::model::retention::{Circumstances, Classifier, RetentionJudge, Verdict};
use crate::model::{Contents, Retention};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// The oldest file that is asked about was written at the start of 2000.
const WRITTEN_NS: i128 = 946_684_800 * 1_000_000_000;

/// The moment of every question: late enough for every age that can be written.
#[expect(clippy::cast_possible_wrap, reason = "2^94 nanoseconds are far from 2^127")]
const NOW_NS: i128 = WRITTEN_NS + Duration::MAX.as_nanos() as i128;

/// How many names are compared in search of similar ones.
const MAX_NAME_COMPARISONS: usize = 500_000;

/// OPS5015, and OPS3001 and OPS3002 for assertions.
pub(in crate::config) fn check(
    document: &Document,
    places: &[ResolvedBackup<'_>],
    claims: &[ResolvedRetention<'_>],
    findings: &mut Vec<Finding>,
) {
    unique(&document.assertions, findings);
    // Grouped by retention and backup, so that their patterns are compiled once.
    let mut of_retentions: BTreeMap<&str, Vec<&AssertionNode>> = BTreeMap::new();
    let mut of_backups: BTreeMap<&str, Vec<&AssertionNode>> = BTreeMap::new();
    let names = AssertableNames::of(document);
    let mut compared = 0;
    for node in &document.assertions {
        let Some(of) = &node.of else {
            continue;
        };
        let (reference, known, others) = match of {
            AssertedNode::Retention(name) => (name, &names.retentions, &names.backups),
            AssertedNode::Backup(name) => (name, &names.backups, &names.retentions),
        };
        if let Some(name) = known.get(reference.value.as_str()) {
            let groups = match of {
                AssertedNode::Retention(_) => &mut of_retentions,
                AssertedNode::Backup(_) => &mut of_backups,
            };
            groups.entry(name).or_default().push(node);
        } else if !document.blind && !document.hidden.contains(&reference.value) {
            compared += known.len();
            findings.push(unknown(of, known, others, compared < MAX_NAME_COMPARISONS));
        }
    }
    // Of two of one name, which is an error of its own, the first is asked.
    let mut by_retention: HashMap<&str, &ResolvedRetention<'_>> = HashMap::new();
    let mut by_backup: HashMap<&str, Vec<&ResolvedRetention<'_>>> = HashMap::new();
    for claim in claims {
        by_retention.entry(claim.name).or_insert(claim);
        by_backup.entry(claim.backup.name).or_default().push(claim);
    }
    for (name, nodes) in of_retentions {
        if let Some(claim) = by_retention.get(name) {
            of_retention(claim, &nodes, findings);
        }
    }
    let mut by_place: HashMap<&str, &ResolvedBackup<'_>> = HashMap::new();
    for place in places {
        by_place.entry(place.name).or_insert(place);
    }
    for (name, nodes) in of_backups {
        if let Some(place) = by_place.get(name) {
            let claims = by_backup.get(name).map_or(&[][..], Vec::as_slice);
            of_backup(
                place,
                claims,
                document.hidden_retention || document.blind,
                &nodes,
                findings,
            );
        }
    }
}

/// OPS3001: reports identify an assertion by its text.
fn unique(assertions: &[AssertionNode], findings: &mut Vec<Finding>) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for claim in assertions.iter().filter_map(|node| node.claim.as_ref()) {
        if let Some(first) = seen.get(claim.value.as_str()) {
            findings.push(
                Finding::new(
                    Code::DuplicateName,
                    claim.span,
                    format!("there are two assertions `{}`", excerpt(&claim.value)),
                    "again here",
                )
                .also(*first, "first here")
                .help("give each assertion its own text"),
            );
        } else {
            seen.insert(&claim.value, claim.span);
        }
    }
}

struct AssertableNames<'a> {
    retentions: BTreeSet<&'a str>,
    backups: BTreeSet<&'a str>,
}

impl<'a> AssertableNames<'a> {
    fn of(document: &'a Document) -> Self {
        let retentions = document.retentions.iter().filter_map(|node| node.job.name.as_ref());
        let backups = document.backups.iter().filter_map(|node| node.job.name.as_ref());
        Self {
            retentions: retentions.map(|name| name.value.as_str()).collect(),
            backups: backups.map(|name| name.value.as_str()).collect(),
        }
    }
}

/// OPS3002.
fn unknown(of: &AssertedNode, known: &BTreeSet<&str>, others: &BTreeSet<&str>, may_compare: bool) -> Finding {
    let (setting, other, reference) = match of {
        AssertedNode::Retention(name) => ("retention", "backup", name),
        AssertedNode::Backup(name) => ("backup", "retention", name),
    };
    let wanted = reference.value.as_str();
    let shown = excerpt(wanted);
    let bare = wanted.strip_prefix(setting).and_then(|rest| rest.strip_prefix(':'));
    if let Some(bare) = bare.filter(|bare| known.contains(*bare)) {
        return Finding::new(
            Code::BadReference,
            reference.span,
            format!("`{shown}` includes the kind"),
            "expected a name without a kind",
        )
        .help(format!("write `{setting}=\"{bare}\"`"));
    }
    let near = nearest(wanted, known.iter().copied().filter(|_| may_compare));
    let finding = Finding::new(
        Code::BadReference,
        reference.span,
        format!("unknown {setting} `{shown}`"),
        "not declared",
    );
    finding.help(match near {
        Some(near) => format!("did you mean `{setting}=\"{near}\"`?"),
        None if others.contains(wanted) => format!(
            "there is a {other} with that name: write `{other}=\"{shown}\"` and expect {}",
            if other == "backup" {
                "\"stored\" or \"left-out\""
            } else {
                "\"expired\", \"kept\" or \"untouched\""
            }
        ),
        None if known.is_empty() => format!("declare the {setting}, or delete the assertion"),
        None => {
            let some: Vec<&str> = known.iter().take(12).copied().collect();
            format!("declared: {}", some.join(", "))
        }
    })
}

struct AssertedRetention<'a> {
    claim: &'a ResolvedRetention<'a>,
    retention: Retention,
    selection: Selection,
}

impl<'a> AssertedRetention<'a> {
    /// `None` when a part of it could not be read.
    fn new(claim: &'a ResolvedRetention<'a>) -> Option<Self> {
        let known = claim.node.patterns_known && claim.backup.node.patterns_known && !claim.node.job.damaged;
        Some(Self {
            claim,
            retention: known.then(|| claim.node.lower(JobLinks::default())).flatten()?,
            selection: claim.backup.node.selection(),
        })
    }

    /// The world of every question: nothing is on hold, and nothing is opsrun's own.
    fn about(&self) -> Circumstances<'_> {
        Circumstances {
            now_ns: NOW_NS,
            covered: &self.selection,
            held: &|_| false,
            protected: &|_| false,
        }
    }
}

/// The ages at which something must hold: when none is given, the first and the last, since files only ever expire.
fn ages(file: &FileNode) -> impl Iterator<Item = Duration> {
    let (first, last) = match &file.age {
        Some(age) => (age.value, None),
        None => (Duration::ZERO, Some(Duration::MAX)),
    };
    std::iter::once(first).chain(last)
}

/// The file as a listing would show it.
fn entry(file: &FileNode, age: Duration) -> Entry {
    let mtime_ns = NOW_NS.saturating_sub(i128::try_from(age.as_nanos()).unwrap_or(i128::MAX));
    Entry {
        path: file.path.clone(),
        kind: EntryKind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        nlink: 1,
        blocks: 0,
        identity: Identity {
            dev: 0,
            ino: 0,
            size: 0,
            mtime_ns,
            ctime_ns: mtime_ns,
        },
    }
}

fn verdict(judge: &mut RetentionJudge<'_>, retention: &Retention, file: &FileNode, age: Duration) -> Verdict {
    let verdict = judge.verdict(&entry(file, age));
    let places = verdict
        .class()
        .and_then(|class| retention.classes.get(class))
        .map_or(0, |class| u64::from(class.keep_newest));
    match &file.newest {
        Some(newest) if newest.value <= places => verdict.among_newest(),
        _ => verdict,
    }
}

fn of_retention(claim: &ResolvedRetention<'_>, nodes: &[&AssertionNode], findings: &mut Vec<Finding>) {
    let Some(asked) = AssertedRetention::new(claim) else {
        return;
    };
    let about = asked.about();
    let mut judge = RetentionJudge::new(&asked.retention, &about);
    let classifier = Classifier::new(&asked.retention);
    for node in nodes {
        let Some(expect) = &node.expect else {
            continue;
        };
        let position = |name: &Spanned<String>| {
            asked
                .retention
                .classes
                .iter()
                .position(|class| class.name == name.value)
        };
        let class = node.class.as_ref().and_then(position);
        if let (Some(name), None) = (&node.class, class) {
            findings.push(no_class(name, &asked.retention));
            continue;
        }
        for file in &node.files {
            for age in ages(file) {
                let verdict = verdict(&mut judge, &asked.retention, file, age);
                let wrong_class = class.is_some_and(|class| verdict.class() != Some(class));
                if !wrong_class && messages::as_expected(expect.value, verdict) {
                    continue;
                }
                let question = messages::AssertionCase {
                    node,
                    file,
                    expected: expect.value,
                    class,
                };
                let matching: Vec<usize> = classifier.matching(&file.path).collect();
                findings.push(messages::of_retention(asked.claim, &question, verdict, &matching));
                break;
            }
        }
    }
}

/// OPS3002.
fn no_class(name: &Spanned<String>, retention: &Retention) -> Finding {
    let names = || retention.classes.iter().map(|class| class.name.as_str());
    let finding = Finding::new(
        Code::BadReference,
        name.span,
        format!("retention `{}` has no class `{}`", retention.name, excerpt(&name.value)),
        "not declared",
    );
    finding.help(match nearest(&name.value, names()) {
        Some(near) => format!("did you mean `class=\"{near}\"`?"),
        None => format!("declared: {}", names().take(12).collect::<Vec<_>>().join(", ")),
    })
}

fn of_backup(
    place: &ResolvedBackup<'_>,
    claims: &[&ResolvedRetention<'_>],
    unsure: bool,
    nodes: &[&AssertionNode],
    findings: &mut Vec<Finding>,
) {
    if !place.node.patterns_known || place.node.job.damaged {
        return;
    }
    let only_expired = place
        .node
        .contents
        .as_ref()
        .is_some_and(|contents| contents.value == Contents::Expired);
    let mut asked = Vec::new();
    if only_expired {
        for claim in claims {
            match AssertedRetention::new(claim) {
                Some(known) => asked.push(known),
                None => return,
            }
        }
        if unsure {
            return;
        }
    }
    let abouts: Vec<Circumstances<'_>> = asked.iter().map(AssertedRetention::about).collect();
    let judges = asked.iter().zip(&abouts);
    let mut judges: Vec<(&Retention, RetentionJudge<'_>)> = judges
        .map(|(asked, about)| (&asked.retention, RetentionJudge::new(&asked.retention, about)))
        .collect();
    let mut selector = Selector::new(&place.node.selection());
    for node in nodes {
        let Some(expect) = &node.expect else {
            continue;
        };
        for file in &node.files {
            if only_expired && file.age.is_none() && expect.value == Expectation::Stored {
                findings.push(messages::ageless(place, file));
                continue;
            }
            for age in ages(file) {
                let standing = selector.standing(&file.path);
                let mut goes = |(retention, judge): &mut (&Retention, RetentionJudge<'_>)| {
                    matches!(verdict(judge, retention, file, age), Verdict::Delete(_))
                };
                let stored = standing.selected() && (!only_expired || judges.iter_mut().any(&mut goes));
                if stored != (expect.value == Expectation::Stored) {
                    findings.push(messages::of_backup(place, node, file, standing, stored));
                    break;
                }
            }
        }
    }
}
