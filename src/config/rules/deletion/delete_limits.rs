//! Retentions without a limit (OPS5009), and retentions that delete from directories of the system (OPS5008).
//!
//! Invariant: paths are compared as text; nothing on disk is looked at.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::document::Document;
use crate::config::rules::names::ResolvedRetention;
use crate::config::source::paths::shown;
use crate::model::Budget;
use std::path::Component;

/// Directories that belong to the system, and whose removal of old files would break it.
const SYSTEM_DIRECTORIES: &[&str] = &[
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin",
    "srv", "sys", "tmp", "usr", "var",
];

/// OPS5008.
pub fn system_sources(claims: &[ResolvedRetention<'_>], findings: &mut Vec<Finding>) {
    for claim in claims {
        let Some(source) = &claim.backup.source else {
            continue;
        };
        let parts: Vec<String> = source
            .value
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let what = match parts.as_slice() {
            [] => Some("the whole system"),
            [root] if root == "root" => Some("a home directory"),
            [top] if SYSTEM_DIRECTORIES.contains(&top.as_str()) => Some("a system directory"),
            [home, _] if home == "home" => Some("a home directory"),
            _ => None,
        };
        if let Some(what) = what {
            let span = claim.node.backup.as_ref().map_or(claim.node.job.head, |b| b.span);
            let (name, dir) = (claim.node.name(), shown(&source.value));
            let message = format!("retention `{name}` would delete from `{dir}`, {what}");
            let data = shown(&source.value.join("data"));
            findings.push(
                Finding::new(Code::SystemSource, span, message, "this backup copies it")
                    .also(source.span, "its source")
                    .help(format!(
                        "use the directory that contains the data as source, for example `source \"{data}\"`"
                    )),
            );
        }
    }
}

/// OPS5009.
pub fn budgets(document: &Document, findings: &mut Vec<Finding>) {
    for node in document.retentions.iter().filter(|node| !node.job.damaged) {
        let finding = match (&node.max_delete, &node.job.name) {
            (Some(budget), _) => {
                let Budget { files, bytes, share } = budget.value;
                if share != Some(100) || files.is_some() || bytes.is_some() {
                    continue;
                }
                let label = "one run may delete every file that the classes match";
                Finding::new(Code::NoMaxDelete, budget.span, "a share of 100% is not a limit", label)
                    .help("write a smaller share, such as `max-delete share=\"20%\"`, or limit `files=` or `bytes=`")
            }
            (None, Some(name)) => {
                let message = format!("retention `{}` has no limit on what one run may delete", name.value);
                let label = "nothing stops a wrong clock or a wrong class";
                Finding::new(Code::NoMaxDelete, name.span, message, label)
                    .help("add `max-delete files=50000 share=\"20%\"`")
            }
            (None, None) => continue,
        };
        findings.push(finding);
    }
}
