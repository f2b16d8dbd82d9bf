//! Retentions without a limit (OPS5009), and retentions that delete from directories of the system (OPS5008).
//!
//! Invariant: paths are compared as text; nothing on disk is looked at.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::document::Document;
use crate::config::rules::resolved::ResolvedRetention;
use crate::config::source::paths::shown;
use std::path::Component;

/// Directories that belong to the system, and whose removal of old files would break it.
const SYSTEM_DIRECTORIES: &[&str] = &[
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin",
    "srv", "sys", "tmp", "usr", "var",
];

/// OPS5008.
pub(in crate::config) fn system_sources(claims: &[ResolvedRetention<'_>], findings: &mut Vec<Finding>) {
    for claim in claims {
        let (Some(source), Some(written)) = (&claim.backup.source, &claim.backup.node.source) else {
            continue;
        };
        let parts: Vec<String> = source
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
            findings.push(
                Finding::new(
                    Code::SystemSource,
                    claim.node.backup.as_ref().map_or(claim.node.job.head, |b| b.span),
                    format!(
                        "retention `{}` would delete from `{}`, {what}",
                        claim.name,
                        shown(source)
                    ),
                    "this backup copies it",
                )
                .also(written.span, "its source")
                .help(format!(
                    "use the directory that contains the data as source, for example `source \"{}\"`",
                    shown(&source.join("data"))
                )),
            );
        }
    }
}

/// OPS5009.
pub(in crate::config) fn budgets(document: &Document, findings: &mut Vec<Finding>) {
    for node in &document.retentions {
        if node.job.damaged {
            continue;
        }
        if let Some(budget) = &node.max_delete {
            if budget.value.share == Some(100) && budget.value.files.is_none() && budget.value.bytes.is_none() {
                findings.push(
                    Finding::new(
                        Code::NoMaxDelete,
                        budget.span,
                        "a share of 100% is not a limit",
                        "one run may delete every file that the classes match",
                    )
                    .help("write a smaller share, such as `max-delete share=\"20%\"`, or limit `files=` or `bytes=`"),
                );
            }
            continue;
        }
        let Some(name) = &node.job.name else {
            continue;
        };
        findings.push(
            Finding::new(
                Code::NoMaxDelete,
                name.span,
                format!("retention `{}` has no limit on what one run may delete", name.value),
                "nothing stops a wrong clock or a wrong class",
            )
            .help("add `max-delete files=50000 share=\"20%\"`"),
        );
    }
}
