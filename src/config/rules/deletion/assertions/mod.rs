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
use crate::config::nodes::{AssertedNode, AssertionNode, BackupNode, Expectation, FileNode, JobLinks, RetentionNode};
use crate::config::rules::name_lists::{NameSearch, distinct, includes_kind, listed};
use crate::config::rules::names::ResolvedRetention;
use crate::config::source::Spanned;
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

/// OPS5015, and OPS3001 and OPS3002 for assertions.
pub fn check(document: &Document, claims: &[ResolvedRetention<'_>], findings: &mut Vec<Finding>) {
    // Reports identify an assertion by its text.
    let texts = document.assertions.iter().filter_map(|node| node.claim.as_ref());
    distinct(texts, Code::DuplicateName, findings, |text| {
        let message = format!("there are two assertions `{}`", excerpt(text));
        (message, "give each assertion its own text".to_owned())
    });
    // Grouped by retention and backup, so that their patterns are compiled once.
    let mut of_retentions: BTreeMap<&str, Vec<&AssertionNode>> = BTreeMap::new();
    let mut of_backups: BTreeMap<&str, Vec<&AssertionNode>> = BTreeMap::new();
    let retentions = document.retentions.iter().map(RetentionNode::name);
    let retentions: BTreeSet<&str> = retentions.filter(|name| !name.is_empty()).collect();
    let backups = document.backups.iter().map(BackupNode::name);
    let backups: BTreeSet<&str> = backups.filter(|name| !name.is_empty()).collect();
    let search = NameSearch::default();
    for node in &document.assertions {
        let Some(of) = &node.of else {
            continue;
        };
        let (reference, known, others, groups) = match of {
            AssertedNode::Retention(name) => (name, &retentions, &backups, &mut of_retentions),
            AssertedNode::Backup(name) => (name, &backups, &retentions, &mut of_backups),
        };
        if let Some(name) = known.get(reference.value.as_str()) {
            groups.entry(name).or_default().push(node);
        } else if document.surely_lacks(&reference.value) {
            findings.push(unknown(of, known, others, &search));
        }
    }
    // Of two of one name, which is an error of its own, the first is asked.
    let by_retention: HashMap<&str, &ResolvedRetention<'_>> =
        claims.iter().rev().map(|claim| (claim.node.name(), claim)).collect();
    for (name, nodes) in of_retentions {
        if let Some(claim) = by_retention.get(name) {
            of_retention(claim, &nodes, findings);
        }
    }
    let mut by_backup: HashMap<&str, Vec<&ResolvedRetention<'_>>> = HashMap::new();
    for claim in claims {
        by_backup.entry(claim.backup.name()).or_default().push(claim);
    }
    let places: HashMap<&str, &BackupNode> = document.backups.iter().rev().map(|node| (node.name(), node)).collect();
    let unsure = document.hidden_retention || document.blind;
    for (name, nodes) in of_backups {
        if let Some(place) = places.get(name) {
            let claims = by_backup.get(name).map_or(&[][..], Vec::as_slice);
            of_backup(place, claims, unsure, &nodes, findings);
        }
    }
}

/// OPS3002.
fn unknown(of: &AssertedNode, known: &BTreeSet<&str>, others: &BTreeSet<&str>, search: &NameSearch) -> Finding {
    let (setting, other, answers, reference) = match of {
        AssertedNode::Retention(name) => ("retention", "backup", "\"stored\" or \"left-out\"", name),
        AssertedNode::Backup(name) => ("backup", "retention", "\"expired\", \"kept\" or \"untouched\"", name),
    };
    let wanted = reference.value.as_str();
    let shown = excerpt(wanted);
    let bare = wanted.strip_prefix(setting).and_then(|rest| rest.strip_prefix(':'));
    if let Some(bare) = bare.filter(|bare| known.contains(*bare)) {
        return includes_kind(reference, setting, bare);
    }
    let help = match search.nearest(wanted, known.iter().copied()) {
        Some(near) => format!("did you mean `{setting}=\"{near}\"`?"),
        None if others.contains(wanted) => {
            format!("there is a {other} with that name: write `{other}=\"{shown}\"` and expect {answers}")
        }
        None if known.is_empty() => format!("declare the {setting}, or delete the assertion"),
        None => format!("declared: {}", listed(known.iter().copied())),
    };
    let message = format!("unknown {setting} `{shown}`");
    Finding::new(Code::BadReference, reference.span, message, "not declared").help(help)
}

struct AssertedRetention<'a> {
    claim: &'a ResolvedRetention<'a>,
    retention: Retention,
    selection: Selection,
}

impl<'a> AssertedRetention<'a> {
    /// `None` when a part of it could not be read.
    fn new(claim: &'a ResolvedRetention<'a>) -> Option<Self> {
        let known = claim.node.patterns_known && claim.backup.patterns_known && !claim.node.job.damaged;
        Some(Self {
            claim,
            retention: known.then(|| claim.node.lower(JobLinks::default())).flatten()?,
            selection: claim.backup.selection(),
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
        let mut classes = asked.retention.classes.iter();
        let class = node
            .class
            .as_ref()
            .and_then(|name| classes.position(|class| class.name == name.value));
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
    let message = format!("retention `{}` has no class `{}`", retention.name, excerpt(&name.value));
    let help = match nearest(&name.value, names()) {
        Some(near) => format!("did you mean `class=\"{near}\"`?"),
        None => format!("declared: {}", listed(names())),
    };
    Finding::new(Code::BadReference, name.span, message, "not declared").help(help)
}

fn of_backup(
    place: &BackupNode,
    claims: &[&ResolvedRetention<'_>],
    unsure: bool,
    nodes: &[&AssertionNode],
    findings: &mut Vec<Finding>,
) {
    if !place.patterns_known || place.job.damaged {
        return;
    }
    let contents = place.contents.as_ref().map(|contents| contents.value);
    let only_expired = contents == Some(Contents::Expired);
    // What is stored depends on the retentions only then.
    let deciding = if only_expired { claims } else { &[] };
    let asked: Option<Vec<AssertedRetention<'_>>> =
        deciding.iter().map(|claim| AssertedRetention::new(claim)).collect();
    let Some(asked) = asked.filter(|_| !only_expired || !unsure) else {
        return;
    };
    let abouts: Vec<Circumstances<'_>> = asked.iter().map(AssertedRetention::about).collect();
    let judges = asked.iter().zip(&abouts);
    let mut judges: Vec<(&Retention, RetentionJudge<'_>)> = judges
        .map(|(asked, about)| (&asked.retention, RetentionJudge::new(&asked.retention, about)))
        .collect();
    let mut selector = Selector::new(&place.selection());
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
