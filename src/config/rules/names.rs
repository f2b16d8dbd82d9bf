//! JobNames: which are given twice, and which job each reference means.
//!
//! Takes the document, gives retentions with their backups, and every `needs` and every `job` of a check resolved;
//! reports names that are given twice (OPS3001), name nothing or the wrong kind (OPS3002), and retentions without a
//! backup (OPS5001).
//! Invariant: a reference to a name that may be in text that could not be read is not reported.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::suggest::nearest;
use crate::config::nodes::RetentionNode;
use crate::config::nodes::document::Document;
use crate::config::rules::resolved::{ResolvedBackup, ResolvedRetention};
use crate::config::source::{Span, Spanned};
use crate::model::{JobKind, JobName};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};

/// OPS3001.
pub(in crate::config) fn unique(document: &Document, findings: &mut Vec<Finding>) {
    let mut seen: HashMap<(JobKind, &str), Span> = HashMap::new();
    for (kind, job) in document.jobs() {
        let Some(name) = &job.name else {
            continue;
        };
        match seen.get(&(kind, name.value.as_str())) {
            Some(first) => findings.push(
                Finding::new(
                    Code::DuplicateName,
                    name.span,
                    format!("there are two {}s named `{}`", kind.word(), name.value),
                    "again here",
                )
                .also(*first, "first here")
                .help(format!("rename one of them, for example to \"{}-2\"", name.value)),
            ),
            None => {
                seen.insert((kind, &name.value), name.span);
            }
        }
    }
}

/// OPS3001 for schedules and channels.
pub(in crate::config) fn twice<'a>(
    what: &str,
    names: impl Iterator<Item = &'a Spanned<String>>,
    findings: &mut Vec<Finding>,
) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for name in names {
        if let Some(first) = seen.get(name.value.as_str()) {
            findings.push(
                Finding::new(
                    Code::DuplicateName,
                    name.span,
                    format!("there are two {what}s named `{}`", name.value),
                    "again here",
                )
                .also(*first, "first here")
                .help(format!("rename one of them, for example to \"{}-2\"", name.value)),
            );
        } else {
            seen.insert(&name.value, name.span);
        }
    }
}

/// OPS5001, OPS3002, and duplicate classes. Gives the retentions whose backup is known.
pub(in crate::config) fn claims<'a>(
    document: &'a Document,
    places: &'a [ResolvedBackup<'a>],
    by_name: &HashMap<&str, &'a ResolvedBackup<'a>>,
    findings: &mut Vec<Finding>,
) -> Vec<ResolvedRetention<'a>> {
    let mut claims = Vec::new();
    for node in &document.retentions {
        classes(node, findings);
        let Some(reference) = &node.backup else {
            if !node.backup_given {
                let sure = !document.blind && document.hidden.is_empty();
                without_backup(node, places, sure && !node.job.damaged, findings);
            }
            continue;
        };
        if let Some(backup) = by_name.get(reference.value.as_str()) {
            claims.push(ResolvedRetention {
                node,
                name: node.job.name.as_ref().map_or("", |name| name.value.as_str()),
                backup,
            });
            continue;
        }
        let hidden = document.hidden.contains(&reference.value);
        if document.blind || hidden {
            continue;
        }
        findings.push(bad_reference(reference, document, places));
    }
    claims
}

/// The names of the backups, each once.
fn names_of<'a>(places: &[ResolvedBackup<'a>]) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    let names = places.iter().map(|place| place.name);
    names.filter(|name| !name.is_empty() && seen.insert(*name)).collect()
}

fn bad_reference(reference: &Spanned<String>, document: &Document, places: &[ResolvedBackup<'_>]) -> Finding {
    let wanted = reference.value.as_str();
    let shown = excerpt(wanted);
    let known = names_of(places);
    let names = || known.iter().copied();
    let finding = |message: String, label: &str| Finding::new(Code::BadReference, reference.span, message, label);
    if let Some((kind, name)) = wanted.split_once(':') {
        if kind == "backup" && names().any(|n| n == name) {
            return finding(format!("`{shown}` includes the kind"), "expected a name without a kind")
                .help(format!("write `backup=\"{name}\"`"));
        }
        if kind != "backup" {
            return finding(format!("`{shown}` is not a backup"), "a retention needs a backup").help(
                match names().next() {
                    Some(name) => format!("name a backup, such as `backup=\"{name}\"`"),
                    None => "declare a backup first: `backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; }`"
                        .to_owned(),
                },
            );
        }
    }
    let is_retention = document
        .retentions
        .iter()
        .filter_map(|r| r.job.name.as_ref())
        .find(|name| name.value == wanted && names().all(|n| n != wanted));
    let mut result = finding(format!("unknown backup `{shown}`"), "not declared");
    if let Some(other) = is_retention {
        result = result.also(other.span, "this is a retention, not a backup");
    }
    result.help(match nearest(wanted, names()) {
        Some(near) => format!("did you mean `backup=\"{near}\"`?"),
        None => match known.as_slice() {
            [] => "declare a backup first: `backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; }`".to_owned(),
            [only] => format!("the only backup is \"{only}\": write `backup=\"{only}\"`"),
            many => format!(
                "declared: {}",
                many.iter().take(12).copied().collect::<Vec<_>>().join(", ")
            ),
        },
    })
}

fn without_backup(node: &RetentionNode, places: &[ResolvedBackup<'_>], sure: bool, findings: &mut Vec<Finding>) {
    let name = node.job.name.as_ref().map_or("…", |name| name.value.as_str());
    let backups = names_of(places);
    let guess = backups
        .iter()
        .find(|backup| **backup == name)
        .or_else(|| backups.first().filter(|_| backups.len() == 1));
    let help = match guess {
        Some(guess) => format!("write `retention \"{name}\" backup=\"{guess}\" {{`"),
        None if backups.is_empty() => format!(
            "declare one, `backup \"{name}\" {{ source \"…\"; to \"…\"; }}`, then write `retention \"{name}\" backup=\"{name}\" {{`"
        ),
        None => format!(
            "write `retention \"{name}\" backup=\"…\" {{` with one of: {}",
            backups.iter().take(12).copied().collect::<Vec<_>>().join(", ")
        ),
    };
    let finding = Finding::new(
        Code::RetentionWithoutBackup,
        node.job.head,
        format!("retention `{name}` has no `backup=`"),
        "files are deleted only after they are copied and verified",
    )
    .help(help);
    // Without a valid name there is no place to insert it.
    let fits = guess.filter(|_| sure && node.job.name.is_some());
    findings.push(match fits {
        Some(guess) => {
            let end = node.job.head.end;
            finding.fix(Span::new(end, end), format!(" backup=\"{guess}\""))
        }
        None => finding,
    });
}

fn classes(node: &RetentionNode, findings: &mut Vec<Finding>) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for name in node.classes.iter().filter_map(|class| class.name.as_ref()) {
        if let Some(first) = seen.insert(&name.value, name.span) {
            findings.push(
                Finding::new(
                    Code::DuplicateName,
                    name.span,
                    format!("there are two classes named `{}` in this retention", name.value),
                    "again here",
                )
                .also(first, "first here")
                .help("rename one of them, or put their globs into one class"),
            );
        }
    }
}

/// Steps that are written like jobs, and the kind of job that they belong to.
const STEP_PREFIXES: &[(&str, JobKind)] = &[
    ("verify", JobKind::Backup),
    ("prune", JobKind::Backup),
    ("cleanup", JobKind::Retention),
];

/// How many names are compared in search of similar ones: a hostile file has very many of both.
const MAX_NAME_COMPARISONS: usize = 500_000;

/// Every job that the files declare.
pub(in crate::config) struct JobNames<'a> {
    document: &'a Document,
    known: HashSet<JobName>,
    /// In the order of [`Document::jobs`], each once.
    all: Vec<JobName>,
    /// The same as references write them.
    written: Vec<String>,
    compared: Cell<usize>,
}

/// The resolved `needs` of each job, in the order of [`Document::jobs`].
pub(in crate::config) type Needs = Vec<Vec<Spanned<JobName>>>;

impl<'a> JobNames<'a> {
    pub(in crate::config) fn of(document: &'a Document) -> Self {
        let jobs = document.jobs();
        let names = jobs.filter_map(|(kind, job)| Some(JobName::new(kind, &job.name.as_ref()?.value)));
        let mut known = HashSet::new();
        let all: Vec<JobName> = names.filter(|name| known.insert(name.clone())).collect();
        Self {
            document,
            known,
            written: all.iter().map(ToString::to_string).collect(),
            all,
            compared: Cell::new(0),
        }
    }

    pub(in crate::config) fn all(&self) -> &[JobName] {
        &self.all
    }

    /// Resolves every `needs`, and has every `job` of a check looked at.
    pub(in crate::config) fn needs(&self, document: &Document, findings: &mut Vec<Finding>) -> Needs {
        for check in &document.checks {
            if let Some(job) = &check.asked_job {
                let _ = self.resolve(job, "job", findings);
            }
        }
        let all = document.jobs().map(|(_, job)| {
            let mut seen: HashMap<&str, Span> = HashMap::new();
            let mut needs = Vec::new();
            for reference in &job.needs {
                if let Some(first) = seen.get(reference.value.as_str()) {
                    findings.push(
                        Finding::new(
                            Code::Repeated,
                            reference.span,
                            format!("`{}` appears twice in `needs`", excerpt(&reference.value)),
                            "again here",
                        )
                        .also(*first, "first here")
                        .help("delete one of them"),
                    );
                    continue;
                }
                seen.insert(&reference.value, reference.span);
                needs.extend(self.resolve(reference, "needs", findings).map(|value| Spanned {
                    value,
                    span: reference.span,
                }));
            }
            needs
        });
        all.collect()
    }

    /// The job that is meant; `None` when there is none, and it was reported if that is sure.
    pub(in crate::config) fn resolve(
        &self,
        reference: &Spanned<String>,
        setting: &str,
        findings: &mut Vec<Finding>,
    ) -> Option<JobName> {
        let parsed = reference.value.parse::<JobName>().ok();
        if let Some(name) = &parsed {
            if self.known.contains(name) {
                return parsed;
            }
            if self.document.blind || self.document.hidden.contains(&name.name) {
                return None;
            }
        }
        findings.push(self.unresolved(reference, parsed, setting));
        None
    }

    fn unresolved(&self, reference: &Spanned<String>, parsed: Option<JobName>, setting: &str) -> Finding {
        let wanted = reference.value.as_str();
        let shown = excerpt(wanted);
        let finding = |message: String, label: &str| Finding::new(Code::BadReference, reference.span, message, label);
        let write = |name: &dyn std::fmt::Display| format!("`{setting} \"{name}\"`");
        if let Some(name) = parsed {
            let finding = finding(
                format!("unknown {} `{}`", name.kind.word(), excerpt(&name.name)),
                "not declared",
            );
            return finding.help(match self.of_name(&name.name).first() {
                Some(other) => format!("did you mean {}?", write(other)),
                None => self.guess(wanted, setting),
            });
        }
        let Some((kind, name)) = wanted.split_once(':') else {
            let kinds = self.of_name(wanted);
            let finding = finding(format!("`{shown}` has no kind"), "write jobs as `kind:name`");
            let all: Vec<String> = kinds.iter().map(|name| write(name)).collect();
            return finding.help(match all.as_slice() {
                [] => self.guess(wanted, setting),
                [only] => format!("write {only}"),
                _ => format!("write one of: {}", all.join(", ")),
            });
        };
        if let Some((_, job)) = STEP_PREFIXES.iter().find(|(step, _)| *step == kind) {
            let meant = JobName::new(*job, name);
            let finding = finding(format!("`{shown}` is a step, not a job"), "expected a job");
            return finding.help(if self.known.contains(&meant) {
                format!("write {}: a job includes all of its steps", write(&meant))
            } else {
                let guess = self.guess(&meant.to_string(), setting);
                format!("the job `{}` is not declared; {guess}", excerpt(&meant.to_string()))
            });
        }
        let finding = finding(
            format!("unknown kind of job `{}`", excerpt(kind)),
            "expected check, target, backup or retention",
        );
        let near = nearest(kind, JobKind::ALL.iter().map(|kind| kind.word()));
        let near = near.and_then(|near| format!("{near}:{name}").parse::<JobName>().ok());
        finding.help(match near.filter(|near| self.known.contains(near)) {
            Some(near) => format!("did you mean {}?", write(&near)),
            None => match self.of_name(name).first() {
                Some(other) => format!("did you mean {}?", write(other)),
                None => self.guess(wanted, setting),
            },
        })
    }

    /// The jobs of that name, of whatever kind.
    fn of_name(&self, name: &str) -> Vec<JobName> {
        let all = JobKind::ALL.into_iter().map(|kind| JobName::new(kind, name));
        all.filter(|name| self.known.contains(name)).collect()
    }

    /// The help when nothing fits: the nearest job, or what there is.
    fn guess(&self, wanted: &str, setting: &str) -> String {
        let compared = self.compared.get();
        if compared < MAX_NAME_COMPARISONS {
            self.compared.set(compared + self.written.len());
            let all = || self.written.iter().map(String::as_str);
            let bare = |name: &str| name.split_once(':').map_or(0, |(kind, _)| kind.len() + 1);
            let near = nearest(wanted, all()).or_else(|| {
                let names = all().map(|name| name.get(bare(name)..).unwrap_or_default());
                let name = nearest(wanted, names)?;
                all().find(|written| written.get(bare(written)..) == Some(name))
            });
            if let Some(near) = near {
                return format!("did you mean `{setting} \"{near}\"`?");
            }
        }
        if self.written.is_empty() {
            return "declare the job, or delete this reference".to_owned();
        }
        let some: Vec<&str> = self.written.iter().take(12).map(String::as_str).collect();
        format!("declared: {}", some.join(", "))
    }
}
