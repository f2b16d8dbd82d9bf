//! The names of jobs: which are given twice, and which job each reference means.
//!
//! Takes the document, gives retentions with their backups, and every `needs` and every `job` of a check resolved;
//! reports names that are given twice (OPS3001), name nothing or the wrong kind (OPS3002), and retentions without a
//! backup (OPS5001).
//! Invariant: a reference to a name that may be in text that could not be read is not reported.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::suggest::nearest;
use crate::config::nodes::document::Document;
use crate::config::nodes::{BackupNode, RetentionNode};
use crate::config::rules::name_lists::{self, NameSearch, distinct, includes_kind, listed};
use crate::config::source::{Span, Spanned};
use crate::model::{JobKind, JobName};
use std::collections::{HashMap, HashSet};

/// OPS3001.
pub fn unique(document: &Document, findings: &mut Vec<Finding>) {
    for kind in JobKind::ALL {
        let jobs = document.jobs().filter(|(of, _)| *of == kind);
        name_lists::unique(kind.word(), jobs.filter_map(|(_, job)| job.name.as_ref()), findings);
    }
}

/// A retention whose backup is known.
#[derive(Debug)]
pub struct ResolvedRetention<'a> {
    pub node: &'a RetentionNode,
    pub backup: &'a BackupNode,
}

/// OPS5001, OPS3002, and duplicate classes. Gives the retentions whose backup is known.
pub fn claims<'a>(document: &'a Document, findings: &mut Vec<Finding>) -> Vec<ResolvedRetention<'a>> {
    // Of two of one name the first.
    let by_name: HashMap<&str, &BackupNode> = document.backups.iter().rev().map(|node| (node.name(), node)).collect();
    let mut claims = Vec::new();
    for node in &document.retentions {
        let classes = node.classes.iter().filter_map(|class| class.name.as_ref());
        distinct(classes, Code::DuplicateName, findings, |name| {
            let message = format!("there are two classes named `{name}` in this retention");
            (
                message,
                "rename one of them, or put their globs into one class".to_owned(),
            )
        });
        let Some(reference) = &node.backup else {
            if !node.backup_given {
                findings.push(without_backup(
                    node,
                    document,
                    document.fully_read() && !node.job.damaged,
                ));
            }
            continue;
        };
        if let Some(backup) = by_name.get(reference.value.as_str()) {
            claims.push(ResolvedRetention { node, backup });
        } else if document.surely_lacks(&reference.value) {
            findings.push(bad_reference(reference, document));
        }
    }
    claims
}

/// The names of the backups, each once.
fn backups_of(document: &Document) -> Vec<&str> {
    let mut seen = HashSet::new();
    let names = document.backups.iter().map(BackupNode::name);
    names.filter(|name| !name.is_empty() && seen.insert(*name)).collect()
}

const DECLARE_BACKUP: &str = "declare a backup first: `backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; }`";

fn bad_reference(reference: &Spanned<String>, document: &Document) -> Finding {
    let wanted = reference.value.as_str();
    let shown = excerpt(wanted);
    let known = backups_of(document);
    let finding = |message: String, label: &str| Finding::new(Code::BadReference, reference.span, message, label);
    match wanted.split_once(':') {
        Some(("backup", name)) if known.contains(&name) => return includes_kind(reference, "backup", name),
        Some((kind, _)) if kind != "backup" => {
            return finding(format!("`{shown}` is not a backup"), "a retention needs a backup").help(
                match known.first() {
                    Some(name) => format!("name a backup, such as `backup=\"{name}\"`"),
                    None => DECLARE_BACKUP.to_owned(),
                },
            );
        }
        _ => {}
    }
    let mut retentions = document.retentions.iter().filter_map(|node| node.job.name.as_ref());
    let retention = retentions.find(|name| name.value == wanted);
    finding(format!("unknown backup `{shown}`"), "not declared")
        .also(retention.map(|name| name.span), "this is a retention, not a backup")
        .help(match (nearest(wanted, known.iter().copied()), known.as_slice()) {
            (Some(near), _) => format!("did you mean `backup=\"{near}\"`?"),
            (None, []) => DECLARE_BACKUP.to_owned(),
            (None, [only]) => format!("the only backup is \"{only}\": write `backup=\"{only}\"`"),
            (None, _) => format!("declared: {}", listed(known)),
        })
}

/// OPS5001; with `sure`, no other backup can be in text that could not be read.
fn without_backup(node: &RetentionNode, document: &Document, sure: bool) -> Finding {
    let name = node.job.name.as_ref().map_or("…", |name| name.value.as_str());
    let backups = backups_of(document);
    let guess = match backups.as_slice() {
        [only] => Some(*only),
        many => many.iter().copied().find(|backup| *backup == name),
    };
    let help = match guess {
        Some(guess) => format!("write `retention \"{name}\" backup=\"{guess}\" {{`"),
        None if backups.is_empty() => format!(
            "declare one, `backup \"{name}\" {{ source \"…\"; to \"…\"; }}`, then write `retention \"{name}\" backup=\"{name}\" {{`"
        ),
        None => {
            let names = listed(backups);
            format!("write `retention \"{name}\" backup=\"…\" {{` with one of: {names}")
        }
    };
    let message = format!("retention `{name}` has no `backup=`");
    let label = "files are deleted only after they are copied and verified";
    let finding = Finding::new(Code::RetentionWithoutBackup, node.job.head, message, label).help(help);
    // Without a valid name there is no place to insert it.
    match guess.filter(|_| sure && node.job.name.is_some()) {
        Some(guess) => {
            let end = node.job.head.end;
            finding.fix(Span::new(end, end), format!(" backup=\"{guess}\""))
        }
        None => finding,
    }
}

/// Steps that are written like jobs, and the kind of job that they belong to.
const STEP_PREFIXES: &[(&str, JobKind)] = &[
    ("verify", JobKind::Backup),
    ("prune", JobKind::Backup),
    ("cleanup", JobKind::Retention),
];

/// Every job that the files declare.
pub struct JobNames<'a> {
    document: &'a Document,
    known: HashSet<JobName>,
    /// In the order of [`Document::jobs`], each once.
    pub all: Vec<JobName>,
    /// The same as references write them.
    written: Vec<String>,
    search: NameSearch,
}

/// The resolved `needs` of each job, in the order of [`Document::jobs`].
pub type Needs = Vec<Vec<Spanned<JobName>>>;

impl<'a> JobNames<'a> {
    pub fn of(document: &'a Document) -> Self {
        let names = document.jobs().filter_map(|(kind, job)| job.full_name(kind));
        let mut known = HashSet::new();
        let all: Vec<JobName> = names.filter(|name| known.insert(name.clone())).collect();
        Self {
            document,
            known,
            written: all.iter().map(ToString::to_string).collect(),
            all,
            search: NameSearch::default(),
        }
    }

    /// Resolves every `needs`, and has every `job` of a check looked at.
    pub fn needs(&self, findings: &mut Vec<Finding>) -> Needs {
        for job in self.document.checks.iter().filter_map(|check| check.asked_job.as_ref()) {
            self.resolve(job, "job", findings);
        }
        let again = |name: &str| {
            let message = format!("`{}` appears twice in `needs`", excerpt(name));
            (message, "delete one of them".to_owned())
        };
        let mut needs = Vec::new();
        for (_, job) in self.document.jobs() {
            let references = distinct(&job.needs, Code::Repeated, findings, again).into_iter();
            let resolved = references.filter_map(|reference| {
                let value = self.resolve(reference, "needs", findings)?;
                let span = reference.span;
                Some(Spanned { value, span })
            });
            needs.push(resolved.collect());
        }
        needs
    }

    /// The job that is meant; `None` when there is none, and it was reported if that is sure.
    pub fn resolve(&self, reference: &Spanned<String>, setting: &str, findings: &mut Vec<Finding>) -> Option<JobName> {
        let parsed = reference.value.parse::<JobName>().ok();
        if let Some(name) = &parsed {
            if self.known.contains(name) {
                return parsed;
            }
            if !self.document.surely_lacks(&name.name) {
                return None;
            }
        }
        findings.push(self.unresolved(reference, parsed, setting));
        None
    }

    fn unresolved(&self, reference: &Spanned<String>, parsed: Option<JobName>, setting: &str) -> Finding {
        let wanted = reference.value.as_str();
        let shown = excerpt(wanted);
        let step = |kind| STEP_PREFIXES.iter().find(|(step, _)| *step == kind);
        let (message, label, help) = match (parsed, wanted.split_once(':')) {
            (Some(name), _) => (
                format!("unknown {} `{}`", name.kind.word(), excerpt(&name.name)),
                "not declared",
                self.did_you_mean(self.of_name(&name.name).first(), wanted, setting),
            ),
            (None, None) => (
                format!("`{shown}` has no kind"),
                "write jobs as `kind:name`",
                self.with_kind(wanted, setting),
            ),
            (None, Some((kind, name))) => match step(kind) {
                Some((_, job)) => (
                    format!("`{shown}` is a step, not a job"),
                    "expected a job",
                    self.job_of_step(&JobName::new(*job, name), setting),
                ),
                None => (
                    format!("unknown kind of job `{}`", excerpt(kind)),
                    "expected check, target, backup or retention",
                    self.other_kind(kind, name, wanted, setting),
                ),
            },
        };
        Finding::new(Code::BadReference, reference.span, message, label).help(help)
    }

    fn did_you_mean(&self, other: Option<&JobName>, wanted: &str, setting: &str) -> String {
        match other {
            Some(other) => format!("did you mean `{setting} \"{other}\"`?"),
            None => self.guess(wanted, setting),
        }
    }

    /// The help for a name without a kind.
    fn with_kind(&self, name: &str, setting: &str) -> String {
        let all = self.of_name(name);
        let all: Vec<String> = all.iter().map(|job| format!("`{setting} \"{job}\"`")).collect();
        match all.as_slice() {
            [] => self.guess(name, setting),
            [only] => format!("write {only}"),
            _ => format!("write one of: {}", all.join(", ")),
        }
    }

    /// The help for the name of a step.
    fn job_of_step(&self, job: &JobName, setting: &str) -> String {
        if self.known.contains(job) {
            return format!("write `{setting} \"{job}\"`: a job includes all of its steps");
        }
        let job = job.to_string();
        format!(
            "the job `{}` is not declared; {}",
            excerpt(&job),
            self.guess(&job, setting)
        )
    }

    /// The help for an unknown kind.
    fn other_kind(&self, kind: &str, name: &str, wanted: &str, setting: &str) -> String {
        let near = nearest(kind, JobKind::ALL.iter().map(|kind| kind.word()));
        let near = near.and_then(|near| format!("{near}:{name}").parse::<JobName>().ok());
        let near = near.filter(|near| self.known.contains(near));
        self.did_you_mean(
            near.or_else(|| self.of_name(name).into_iter().next()).as_ref(),
            wanted,
            setting,
        )
    }

    /// The jobs of that name, of whatever kind.
    fn of_name(&self, name: &str) -> Vec<JobName> {
        let all = JobKind::ALL.into_iter().map(|kind| JobName::new(kind, name));
        all.filter(|name| self.known.contains(name)).collect()
    }

    /// The help when nothing fits: the nearest job, or what there is.
    fn guess(&self, wanted: &str, setting: &str) -> String {
        let all = || self.written.iter().map(String::as_str);
        let bare = |name: &'_ str| name.split_once(':').map_or(0, |(kind, _)| kind.len() + 1);
        let near = self.search.nearest(wanted, all()).or_else(|| {
            let names = all().map(|name| name.get(bare(name)..).unwrap_or_default());
            let name = self.search.nearest(wanted, names)?;
            all().find(|written| written.get(bare(written)..) == Some(name))
        });
        match near {
            Some(near) => format!("did you mean `{setting} \"{near}\"`?"),
            None if self.written.is_empty() => "declare the job, or delete this reference".to_owned(),
            None => format!("declared: {}", listed(all())),
        }
    }
}
