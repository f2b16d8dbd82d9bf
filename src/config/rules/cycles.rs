//! Jobs that wait for each other, so that none of them could ever run (OPS3003).
//!
//! Takes the resolved `needs` and the backups of retentions as edges, follows them depth first in file order, and reports
//! every edge back into the path as one cycle. Uses no recursion: a path may be as long as a file.
//! Invariant: the same files give the same cycles, and no cycle is left once the reported edges are removed.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::document::Document;
use crate::config::rules::names::{JobNames, Needs};
use crate::config::source::Span;
use crate::model::{JobKind, JobName};
use crate::units::show_count;
use std::collections::{HashMap, HashSet};

/// Most edges of one cycle that are labelled.
const MAX_CYCLE_LABELS: usize = 64;
const MAX_CYCLES: usize = 100;

/// `from` waits for `to`.
#[derive(Debug, Clone, Copy)]
struct WaitEdge {
    from: usize,
    to: usize,
    span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VisitState {
    Not,
    OnPath,
    Done,
}

/// OPS3003.
pub fn check(document: &Document, names: &JobNames<'_>, needs: &Needs, findings: &mut Vec<Finding>) {
    let jobs = names.all.as_slice();
    let edges = edges(document, jobs, needs);
    let mut seen = vec![VisitState::Not; jobs.len()];
    let mut reported = 0;
    for start in 0..jobs.len() {
        // The edges that led here, and for every job on the path which of its edges comes next.
        let mut taken: Vec<WaitEdge> = Vec::new();
        let mut path: Vec<(usize, usize)> = Vec::new();
        if seen.get(start) == Some(&VisitState::Not) {
            path.push((start, 0));
        }
        while let Some((job, next)) = path.last_mut() {
            let at = *job;
            mark(&mut seen, at, VisitState::OnPath);
            let edge = edges.get(at).and_then(|own| own.get(*next)).copied();
            *next += 1;
            let Some(edge) = edge else {
                mark(&mut seen, at, VisitState::Done);
                path.pop();
                taken.pop();
                continue;
            };
            match seen.get(edge.to) {
                Some(VisitState::Not) => {
                    taken.push(edge);
                    path.push((edge.to, 0));
                }
                Some(VisitState::OnPath) if reported < MAX_CYCLES => {
                    reported += 1;
                    let from = path.iter().position(|(job, _)| *job == edge.to).unwrap_or(0);
                    let mut circle: Vec<WaitEdge> = taken.get(from..).unwrap_or_default().to_vec();
                    circle.push(edge);
                    findings.extend(finding(circle, jobs));
                }
                _ => {}
            }
        }
    }
}

fn mark(seen: &mut [VisitState], at: usize, as_what: VisitState) {
    if let Some(seen) = seen.get_mut(at) {
        *seen = as_what;
    }
}

/// What each job waits for, each once, in the order written.
fn edges(document: &Document, jobs: &[JobName], needs: &Needs) -> Vec<Vec<WaitEdge>> {
    let numbers: HashMap<&JobName, usize> = jobs.iter().enumerate().map(|(at, name)| (name, at)).collect();
    let mut edges: Vec<Vec<WaitEdge>> = vec![Vec::new(); jobs.len()];
    let mut known: HashSet<(usize, usize)> = HashSet::new();
    let mut add = |from: &JobName, to: &JobName, span: Span| {
        if let (Some(&from), Some(&to)) = (numbers.get(from), numbers.get(to))
            && known.insert((from, to))
            && let Some(own) = edges.get_mut(from)
        {
            own.push(WaitEdge { from, to, span });
        }
    };
    for node in &document.retentions {
        if let (Some(from), Some(backup)) = (node.job.full_name(JobKind::Retention), &node.backup) {
            add(&from, &JobName::new(JobKind::Backup, &backup.value), backup.span);
        }
    }
    for ((kind, job), needs) in document.jobs().zip(needs) {
        if let Some(from) = job.full_name(kind) {
            for needed in needs {
                add(&from, &needed.value, needed.span);
            }
        }
    }
    edges
}

fn finding(mut circle: Vec<WaitEdge>, jobs: &[JobName]) -> Option<Finding> {
    let first = (0..circle.len()).min_by_key(|at| circle.get(*at).map(|edge| edge.span));
    circle.rotate_left(first.unwrap_or(0));
    let name = |job: usize| jobs.get(job).map(ToString::to_string).unwrap_or_default();
    let message = match circle.as_slice() {
        [own] => format!("`{}` needs itself", name(own.from)),
        few if few.len() <= 4 => {
            let way: Vec<String> = few
                .iter()
                .chain(few.first())
                .map(|edge| format!("`{}`", name(edge.from)))
                .collect();
            format!("jobs wait for each other: {}", way.join(", "))
        }
        many => format!("{} jobs wait for each other in a cycle", show_count(many.len() as u64)),
    };
    let label = |edge: &WaitEdge| {
        let label = if edge.from == edge.to {
            "waits for itself".to_owned()
        } else {
            format!("`{}` waits for `{}`", name(edge.from), name(edge.to))
        };
        (edge.span, label)
    };
    let help = match circle.as_slice() {
        [_] => "delete it",
        _ => "delete one of these references, so that one of the jobs can run first",
    };
    labelled(message, circle.iter().map(label), help)
}

/// OPS3003 with the places of a cycle; `None` without any.
pub fn labelled(message: String, places: impl Iterator<Item = (Span, String)>, help: &str) -> Option<Finding> {
    let mut places = places.take(MAX_CYCLE_LABELS);
    let (span, label) = places.next()?;
    let finding = Finding::new(Code::Cycle, span, message, label).help(help);
    Some(places.fold(finding, |finding, (span, label)| finding.also(span, label)))
}
