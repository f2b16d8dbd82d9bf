//! The [`Document`] as a whole → the [`Model`], or what is wrong between its parts.
//!
//! Takes decoded nodes, resolves names and paths, fills in defaults, asks `lexical` and `reasons` for what the parts
//! mean together, applies `allow`, and builds the model. Knows no KDL.
//! Invariant: the model is built only when no finding is an error; a doubt that rests on text which could not be read
//! is not reported.

use super::document::{BackupNode, ClassNode, Document, JobNode, RetentionNode};
use super::findings::{Code, Finding, Severity, sorted};
use super::lexical;
use super::mend::one_line;
use super::nearest::nearest;
use super::paths;
use super::reasons;
use super::source::{Sources, Span, Spanned};
use super::values::as_name;
use crate::model::pattern::{Pattern, Selection};
use crate::model::{Backup, Budget, Class, Contents, Keep, KeepCopies, Matches, Model, Ops, Retention, Strategy};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// A backup whose paths are resolved.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) node: &'a BackupNode,
    pub(super) name: &'a str,
    pub(super) source: Option<PathBuf>,
    pub(super) to: Option<PathBuf>,
}

/// A retention whose backup is known.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) node: &'a RetentionNode,
    pub(super) name: &'a str,
    pub(super) backup: &'a Place<'a>,
}

/// Judges everything and builds the model when nothing is wrong.
pub(super) fn validate(
    document: &Document,
    sources: &Sources,
    digest: String,
    mut findings: Vec<Finding>,
) -> (Option<Model>, Vec<Finding>) {
    let ops = ops(document, sources, digest);
    unique("backup", document.backups.iter().map(|b| &b.job), &mut findings);
    unique("retention", document.retentions.iter().map(|r| &r.job), &mut findings);
    let places: Vec<Place<'_>> = document.backups.iter().map(|node| place(node, sources)).collect();
    let by_name: HashMap<&str, &Place<'_>> = places.iter().rev().map(|place| (place.name, place)).collect();
    let claims = claims(document, &places, &by_name, &mut findings);

    lexical::destinations(&places, &mut findings);
    lexical::system_sources(&claims, &mut findings);
    lexical::copies(document, &places, &claims, &mut findings);
    lexical::budgets(document, &mut findings);
    reasons::judge(&claims, &places, &ops, sources, &mut findings);
    allows(document, &mut findings);
    // What is wrong with a file may be why no job is seen in it.
    if findings.iter().all(|finding| finding.severity != Severity::Error) {
        findings.extend(no_jobs(document, sources));
    }

    let findings = sorted(findings);
    let fine = findings.iter().all(|finding| finding.severity != Severity::Error);
    let model = fine.then(|| build(document, &places, ops)).flatten();
    (model, findings)
}

/// The settings of the whole, with defaults.
fn ops(document: &Document, sources: &Sources, digest: String) -> Ops {
    let node = document.ops.as_ref();
    let root = sources.files().first();
    let root_path = root.map_or(Path::new("/ops.kdl"), |file| file.path.as_path());
    let dir = root_path.parent().unwrap_or(Path::new("/"));
    let name = node
        .and_then(|node| node.name.as_ref())
        .map(|name| name.value.clone())
        .or_else(|| as_name(&root_path.file_stem()?.to_string_lossy()))
        .unwrap_or_else(|| "ops".to_owned());
    let state_dir = match node.and_then(|node| node.state_dir.as_ref()) {
        Some(path) => paths::normal(&dir.join(&path.value)),
        None => dir.join(".opsrun").join(&name),
    };
    Ops {
        name,
        timezone: node.and_then(|node| node.timezone).unwrap_or(chrono_tz::UTC),
        state_dir,
        concurrency: node.and_then(|node| node.concurrency),
        files: sources.files().iter().map(|file| file.path.clone()).collect(),
        digest,
    }
}

/// OPS3007: a file that was cut off, or not yet written.
fn no_jobs(document: &Document, sources: &Sources) -> Option<Finding> {
    let jobs = !document.backups.is_empty() || !document.retentions.is_empty();
    let unsure = document.blind || document.hidden_retention || !document.hidden_backups.is_empty();
    if jobs || unsure {
        return None;
    }
    let root = sources.files().first()?;
    let first = root.text.split(['\n', '\r']).next().unwrap_or_default();
    let span = Span::new(root.base, root.base + first.len());
    let finding = Finding::new(
        Code::NoJobs,
        span,
        "the ops file declares no job",
        "neither a backup nor a retention",
    );
    Some(
        finding.help(
            "if it is not cut off, declare one: `backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; }`",
        ),
    )
}

/// OPS3001.
fn unique<'a>(kind: &str, jobs: impl Iterator<Item = &'a JobNode>, findings: &mut Vec<Finding>) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for name in jobs.filter_map(|job| job.name.as_ref()) {
        match seen.get(name.value.as_str()) {
            Some(first) => findings.push(
                Finding::new(
                    Code::DuplicateName,
                    name.span,
                    format!("there are two {kind}s named `{}`", name.value),
                    "again here",
                )
                .also(*first, "first here")
                .help(format!("give one of them another name, such as \"{}-2\"", name.value)),
            ),
            None => {
                seen.insert(&name.value, name.span);
            }
        }
    }
}

fn place<'a>(node: &'a BackupNode, sources: &Sources) -> Place<'a> {
    let resolve = |path: &Option<Spanned<PathBuf>>| {
        let path = path.as_ref()?;
        let dir = sources.file_of(path.span)?.dir();
        Some(paths::normal(&dir.join(&path.value)))
    };
    Place {
        node,
        name: node.job.name.as_ref().map_or("", |name| name.value.as_str()),
        source: resolve(&node.source),
        to: resolve(&node.to),
    }
}

/// OPS5001, OPS3002, and duplicate classes. Gives the retentions whose backup is known.
fn claims<'a>(
    document: &'a Document,
    places: &'a [Place<'a>],
    by_name: &HashMap<&str, &'a Place<'a>>,
    findings: &mut Vec<Finding>,
) -> Vec<Claim<'a>> {
    let mut claims = Vec::new();
    for node in &document.retentions {
        classes(node, findings);
        let Some(reference) = &node.backup else {
            if !node.backup_given {
                without_backup(node, places, findings);
            }
            continue;
        };
        if let Some(backup) = by_name.get(reference.value.as_str()) {
            claims.push(Claim {
                node,
                name: node.job.name.as_ref().map_or("", |name| name.value.as_str()),
                backup,
            });
            continue;
        }
        let hidden = document.hidden_backups.contains(&reference.value);
        if document.blind || hidden {
            continue;
        }
        findings.push(bad_reference(reference, document, places));
    }
    claims
}

/// The names of the backups, each once.
fn names_of<'a>(places: &[Place<'a>]) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    let names = places.iter().map(|place| place.name);
    names.filter(|name| !name.is_empty() && seen.insert(*name)).collect()
}

fn bad_reference(reference: &Spanned<String>, document: &Document, places: &[Place<'_>]) -> Finding {
    let wanted = reference.value.as_str();
    let shown = one_line(wanted);
    let known = names_of(places);
    let names = || known.iter().copied();
    let finding = |message: String, label: &str| Finding::new(Code::BadReference, reference.span, message, label);
    if let Some((kind, name)) = wanted.split_once(':') {
        if kind == "backup" && names().any(|n| n == name) {
            return finding(
                format!("`{shown}` holds the kind as well"),
                "the name alone belongs here",
            )
            .help(format!("write `backup=\"{name}\"`"));
        }
        if kind != "backup" {
            return finding(
                format!("`{shown}` is of the wrong kind"),
                "a retention waits for a backup",
            )
            .help(match names().next() {
                Some(name) => format!("name a backup, such as `backup=\"{name}\"`"),
                None => "declare a backup first: `backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; }`"
                    .to_owned(),
            });
        }
    }
    let is_retention = document
        .retentions
        .iter()
        .filter_map(|r| r.job.name.as_ref())
        .find(|name| name.value == wanted && names().all(|n| n != wanted));
    let mut result = finding(format!("there is no backup `{shown}`"), "names nothing");
    if let Some(other) = is_retention {
        result = result.also(other.span, "a retention of that name, not a backup");
    }
    result.help(match nearest(wanted, names()) {
        Some(near) => format!("did you mean `backup=\"{near}\"`?"),
        None => match known.as_slice() {
            [] => "declare a backup first: `backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; }`".to_owned(),
            [only] => format!("the only backup is \"{only}\": write `backup=\"{only}\"`"),
            many => format!(
                "there are: {}",
                many.iter().take(12).copied().collect::<Vec<_>>().join(", ")
            ),
        },
    })
}

fn without_backup(node: &RetentionNode, places: &[Place<'_>], findings: &mut Vec<Finding>) {
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
    findings.push(
        Finding::new(
            Code::RetentionWithoutBackup,
            node.job.head,
            format!("the retention `{name}` names no backup"),
            "nothing may be deleted that was not copied and verified before",
        )
        .help(help),
    );
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
                .help("give one of them another name, or put their globs into one class"),
            );
        }
    }
}

/// `allow`: takes findings away, and says which of them are wrong or do nothing.
fn allows(document: &Document, findings: &mut Vec<Finding>) {
    let jobs = document
        .backups
        .iter()
        .map(|b| &b.job)
        .chain(document.retentions.iter().map(|r| &r.job));
    let mut said = Vec::new();
    for job in jobs {
        for allow in &job.allows {
            let slug = &allow.slug;
            let Some(code) = Code::ALL.iter().copied().find(|code| code.slug() == slug.value) else {
                let warnings = || {
                    Code::ALL
                        .iter()
                        .filter(|code| code.severity() == Severity::Warning)
                        .map(|code| code.slug())
                };
                let by_id = Code::ALL
                    .iter()
                    .find(|code| code.id().eq_ignore_ascii_case(&slug.value));
                let near = by_id
                    .map(|code| code.slug())
                    .or_else(|| nearest(&slug.value, Code::ALL.iter().map(|code| code.slug())));
                let finding = Finding::new(
                    Code::BadValue,
                    slug.span,
                    format!("no finding is called `{}`", one_line(&slug.value)),
                    "unknown slug",
                );
                said.push(match near {
                    Some(near) => finding.help(format!("did you mean `allow \"{near}\" reason=\"…\"`?")),
                    None => finding.help(format!(
                        "the warnings are: {}",
                        warnings().collect::<Vec<_>>().join(", ")
                    )),
                });
                continue;
            };
            let here = |finding: &Finding| {
                let start = finding.span().start;
                finding.code == code && start >= job.extent.start && start < job.extent.end
            };
            // An error cannot be silenced; the few that are warnings when they lack a proof can be then.
            let only_warned =
                findings.iter().any(&here) && findings.iter().all(|f| !here(f) || f.severity == Severity::Warning);
            if code.severity() == Severity::Error && !only_warned {
                said.push(
                    Finding::new(
                        Code::BadValue,
                        slug.span,
                        format!("`{}` cannot be allowed", code.slug()),
                        format!("{} is an error", code.id()),
                    )
                    .help("only warnings can be silenced: delete this line and mend what it was about"),
                );
                continue;
            }
            let before = findings.len();
            findings.retain(|finding| !(here(finding) && finding.severity == Severity::Warning));
            if findings.len() == before && !job.damaged {
                said.push(
                    Finding::new(
                        Code::UnusedAllow,
                        slug.span,
                        format!("nothing here is silenced by `allow \"{}\"`", code.slug()),
                        "not needed",
                    )
                    .help("delete the line, so that it cannot hide a later finding"),
                );
            }
        }
    }
    findings.extend(said);
}

/// Only called without errors: whatever is missing here would have been reported, so nothing is.
fn build(document: &Document, places: &[Place<'_>], ops: Ops) -> Option<Model> {
    let backups = places.iter().map(backup).collect::<Option<Vec<_>>>()?;
    let retentions = document.retentions.iter().map(retention).collect::<Option<Vec<_>>>()?;
    Some(Model {
        ops,
        checks: Vec::new(),
        targets: Vec::new(),
        backups,
        retentions,
    })
}

fn backup(place: &Place<'_>) -> Option<Backup> {
    let node = place.node;
    let patterns = |list: &[Spanned<Pattern>]| list.iter().map(|p| p.value.clone()).collect();
    Some(Backup {
        name: place.name.to_owned(),
        source: place.source.clone()?,
        select: Selection {
            include: patterns(&node.include),
            exclude: patterns(&node.exclude),
        },
        to: place.to.clone()?,
        strategy: node.level.map_or(Strategy::Copy, |level| Strategy::Archive { level }),
        contents: node.contents.as_ref().map_or(Contents::All, |contents| contents.value),
        keep: node.keep.as_ref().map(|keep| {
            let count = |name: &str| {
                keep.counts
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map_or(0, |(_, count)| count.value)
            };
            KeepCopies {
                last: count("last"),
                hourly: count("hourly"),
                daily: count("daily"),
                weekly: count("weekly"),
                monthly: count("monthly"),
                yearly: count("yearly"),
                within: keep.within.as_ref().map(|d| d.value),
                deleted: keep.deleted.as_ref().map(|d| d.value),
            }
        }),
        floor: node.floor,
        stall: node.stall,
        cross_mounts: node.cross_mounts,
        needs: Vec::new(),
        timeout: node.job.timeout,
        paused: node.job.paused,
    })
}

fn retention(node: &RetentionNode) -> Option<Retention> {
    let max_delete = node.max_delete.as_ref().map_or_else(Budget::default, |budget| Budget {
        files: budget.files,
        bytes: budget.bytes,
        share: budget.share,
    });
    Some(Retention {
        name: node.job.name.as_ref()?.value.clone(),
        backup: node.backup.as_ref()?.value.clone(),
        classes: node.classes.iter().map(class).collect::<Option<Vec<_>>>()?,
        exclude: node.exclude.iter().map(|p| p.value.clone()).collect(),
        max_delete,
        remove_empty_dirs: node.remove_empty_dirs,
        in_use: node.in_use,
        needs: Vec::new(),
        timeout: node.job.timeout,
        paused: node.job.paused,
    })
}

fn class(node: &ClassNode) -> Option<Class> {
    let keep: Keep = node.keep.as_ref()?.value;
    Some(Class {
        name: node.name.as_ref()?.value.clone(),
        matches: match &node.keyword {
            Some(word) => Matches::Keyword(word.value.clone()),
            None => Matches::Globs(node.globs.iter().map(|p| p.value.clone()).collect()),
        },
        keep,
        keep_newest: node.keep_newest,
    })
}
