//! `allow "slug"`: warnings that a job, a schedule or a channel takes upon itself.
//!
//! Takes all findings, takes those away that one of them allows within its node, and says which `allow`s are wrong or silence
//! nothing.
//! Invariant: an error is never taken away.

use crate::config::findings::{Code, Finding, FindingSeverity, excerpt};
use crate::config::language::suggest::nearest;
use crate::config::nodes::document::Document;
use crate::config::source::SourceMap;

/// `allow`: takes findings away, and says which of them are wrong or do nothing. `unasked` are codes that were not
/// looked for this time.
pub(in crate::config) fn apply(
    document: &Document,
    sources: &SourceMap,
    unasked: &[Code],
    findings: &mut Vec<Finding>,
) {
    let mut said = Vec::new();
    for node in document.allowing() {
        for allow in node.allows {
            let slug = &allow.slug;
            let Some(code) = Code::ALL.iter().copied().find(|code| code.slug() == slug.value) else {
                let warnings = || {
                    Code::ALL
                        .iter()
                        .filter(|code| code.severity() == FindingSeverity::Warning)
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
                    format!("no finding is called `{}`", excerpt(&slug.value)),
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
                finding.code == code && start >= node.extent.start && start < node.extent.end
            };
            // An error cannot be silenced; the few that are warnings when they lack a proof can be then.
            let only_warned = findings.iter().any(&here)
                && findings
                    .iter()
                    .all(|f| !here(f) || f.severity == FindingSeverity::Warning);
            if code.severity() == FindingSeverity::Error && !only_warned {
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
            findings.retain(|finding| !(here(finding) && finding.severity == FindingSeverity::Warning));
            if findings.len() == before && !node.damaged && !unasked.contains(&code) {
                said.push(
                    Finding::new(
                        Code::UnusedAllow,
                        slug.span,
                        format!("nothing here is silenced by `allow \"{}\"`", code.slug()),
                        "not needed",
                    )
                    .help("delete the line, so that it cannot hide a later finding")
                    .fix(sources.statement(allow.extent), ""),
                );
            }
        }
    }
    findings.extend(said);
}
