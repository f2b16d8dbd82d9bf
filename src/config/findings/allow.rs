//! `allow "slug"`: warnings that a job, a schedule or a channel accepts.
//!
//! Takes all findings, removes those that an `allow` names within its node, and reports each `allow` that is wrong or has no
//! effect.
//! Invariant: an error is never removed.

use crate::config::findings::{Code, Finding, FindingSeverity, excerpt};
use crate::config::language::suggest::nearest;
use crate::config::nodes::document::Document;
use crate::config::source::{SourceMap, Span};

/// Applies every `allow`. `unchecked` are codes that were not looked for this time.
pub(crate) fn apply(document: &Document, sources: &SourceMap, unchecked: &[Code], findings: &mut Vec<Finding>) {
    let mut reported = Vec::new();
    for node in document.allowing() {
        for allow in node.allows {
            let slug = &allow.slug;
            let Some(code) = Code::ALL.iter().copied().find(|code| code.slug() == slug.value) else {
                reported.push(unknown_slug(&slug.value, slug.span));
                continue;
            };
            let here = |finding: &Finding| {
                let start = finding.span().start;
                finding.code == code && start >= node.extent.start && start < node.extent.end
            };
            let is_warning = |finding: &Finding| finding.severity == FindingSeverity::Warning;
            // A few errors are warnings when they lack a proof: those can be allowed.
            let only_warned = findings.iter().any(here) && findings.iter().all(|f| !here(f) || is_warning(f));
            if code.severity() == FindingSeverity::Error && !only_warned {
                let message = format!("`{}` cannot be allowed", code.slug());
                let finding = Finding::new(Code::BadValue, slug.span, message, format!("{} is an error", code.id()));
                reported.push(finding.help("only warnings can be allowed: delete this line, and fix the error"));
                continue;
            }
            let before = findings.len();
            findings.retain(|finding| !(here(finding) && is_warning(finding)));
            if findings.len() == before && !node.damaged && !unchecked.contains(&code) {
                let message = format!("`allow \"{}\"` has no effect", code.slug());
                reported.push(
                    Finding::new(Code::UnusedAllow, slug.span, message, "no such warning here")
                        .help("delete the line, so that it cannot hide a later finding")
                        .fix(sources.statement(allow.extent), ""),
                );
            }
        }
    }
    findings.extend(reported);
}

fn unknown_slug(slug: &str, span: Span) -> Finding {
    let all = || Code::ALL.iter();
    let by_id = all().find(|code| code.id().eq_ignore_ascii_case(slug));
    let near = by_id.map(|code| code.slug());
    let help = if let Some(near) = near.or_else(|| nearest(slug, all().map(|code| code.slug()))) {
        format!("did you mean `allow \"{near}\" reason=\"…\"`?")
    } else {
        let warnings = all().filter(|code| code.severity() == FindingSeverity::Warning);
        let slugs: Vec<&str> = warnings.map(|code| code.slug()).collect();
        format!("these warnings can be allowed: {}", slugs.join(", "))
    };
    let (message, label) = match by_id {
        Some(code) => (
            format!("`{}` is a code, not a name", code.id()),
            "`allow` takes the name of a finding",
        ),
        None => (
            format!("unknown finding `{}`", excerpt(slug)),
            "not the name of a finding",
        ),
    };
    Finding::new(Code::BadValue, span, message, label).help(help)
}
