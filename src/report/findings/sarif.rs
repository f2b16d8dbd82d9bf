//! Findings as SARIF 2.1.0, for code scanning.
//!
//! Takes a [`FindingsDocument`], gives one run of the Static Analysis Results Interchange Format 2.1.0 (OASIS): the broken
//! rules, and one result per finding with its places, its fix and a fingerprint.
//! Invariant: a fingerprint depends on code, file, the text at the place and its number among equal ones, but not on
//! lines, so that a result keeps its identity when lines move. A secret is masked before it is hashed.

use crate::config::findings::{Code, FindingSeverity};
use crate::config::source::Location;
use crate::report::findings::document::{EditDocument, FindingDocument, FindingsDocument};
use crate::report::shared::output;
use crate::units::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub fn text(findings: &FindingsDocument) -> String {
    // A value always serialises.
    output::json(&sarif(findings)).unwrap_or_default()
}

fn sarif(findings: &FindingsDocument) -> Value {
    let codes: BTreeSet<Code> = findings.findings.iter().map(|finding| finding.code).collect();
    let codes: Vec<Code> = codes.into_iter().collect();
    let results = findings.findings.iter().map(|finding| result(finding, &codes));
    let notes = findings.unread.iter().map(|unread| {
        let mut text = unread.message.clone();
        text.extend(unread.help.iter().map(|help| format!("\nhelp: {help}")));
        json!({
            "level": "error",
            "message": { "text": literal(&text) },
            "locations": [{ "physicalLocation": { "artifactLocation": artifact(&unread.file) } }],
        })
    });
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "opsrun",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { ROOT: { "description": { "text": "the working directory of `opsrun check`" } } },
            "invocations": [{
                "executionSuccessful": findings.unread.is_empty(),
                "toolExecutionNotifications": notes.collect::<Vec<_>>(),
            }],
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn rule(code: Code) -> Value {
    let help = match code.severity() {
        FindingSeverity::Error => "An error: opsrun does not use the file until it is fixed.".to_owned(),
        FindingSeverity::Warning => format!(
            "A warning: if it is intended, write `allow \"{}\" reason=\"…\"` in the job.",
            code.slug()
        ),
    };
    json!({
        "id": code.id(),
        "name": pascal(code.slug()),
        "shortDescription": { "text": literal(code.title()) },
        "help": { "text": literal(&format!("{}.\n{help}", code.title())) },
        "defaultConfiguration": { "level": code.severity().word() },
    })
}

/// `unknown-node` → `UnknownNode`.
fn pascal(slug: &str) -> String {
    let parts = slug.split('-').map(|part| {
        let mut chars = part.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    });
    parts.collect()
}

fn result(finding: &FindingDocument, codes: &[Code]) -> Value {
    let mut location = physical(&finding.place);
    if let Some(region) = location.get_mut("region").and_then(Value::as_object_mut)
        && !finding.snippet.is_empty()
    {
        region.insert("snippet".to_owned(), json!({ "text": finding.snippet }));
    }
    let related = finding.related.iter().enumerate().map(|(id, related)| {
        let mut one = json!({ "id": id + 1, "physicalLocation": physical(&related.place) });
        if !related.label.is_empty() {
            one["message"] = json!({ "text": literal(&related.label) });
        }
        one
    });
    let mut result = json!({
        "ruleId": finding.code.id(),
        "ruleIndex": codes.binary_search(&finding.code).unwrap_or_default(),
        "level": finding.severity.word(),
        "message": { "text": literal(&finding.lines().join("\n")) },
        "locations": [{ "physicalLocation": location }],
        "partialFingerprints": { "opsrunFinding/v1": fingerprint(finding) },
    });
    if !finding.related.is_empty() {
        result["relatedLocations"] = related.collect();
    }
    if let Some(fix) = &finding.fix {
        let replacement = |edit: &EditDocument| json!({ "deletedRegion": region(&edit.place), "insertedContent": { "text": edit.text } });
        let replacements: Vec<Value> = fix.edits.iter().map(replacement).collect();
        result["fixes"] = json!([{
            "description": { "text": literal(&fix.title) },
            "artifactChanges": [{ "artifactLocation": artifact(&finding.place.file), "replacements": replacements }],
        }]);
    }
    result
}

/// The base of relative paths.
const ROOT: &str = "%SRCROOT%";

fn physical(place: &Location) -> Value {
    json!({ "artifactLocation": artifact(&place.file), "region": region(place) })
}

fn region(place: &Location) -> Value {
    json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    })
}

fn artifact(name: &str) -> Value {
    let encoded = encoded(name.strip_prefix("./").unwrap_or(name));
    if name.starts_with('/') {
        json!({ "uri": format!("file://{encoded}") })
    } else {
        json!({ "uri": encoded, "uriBaseId": ROOT })
    }
}

/// The path of a URI: all but unreserved characters and `/` in percents (RFC 3986, 2.3).
fn encoded(name: &str) -> String {
    let parts = name.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    parts.collect::<Vec<_>>().concat()
}

/// Text without Markdown links: escapes `[` if `](` follows.
fn literal(text: &str) -> String {
    if text.contains("](") {
        text.replace('[', "\\[")
    } else {
        text.to_owned()
    }
}

fn fingerprint(finding: &FindingDocument) -> String {
    let mut hash = Sha256::new();
    let occurrence = finding.occurrence.to_string();
    for part in [finding.code.id(), &finding.place.file, &finding.snippet, &occurrence] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(hash.finalize().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use std::path::Path;

    fn fingerprints(text: &str) -> Vec<String> {
        let name = Path::new("ops.kdl");
        let mut document = FindingsDocument::default();
        document.add(name, &load_text(name, text.as_bytes().to_vec()));
        document.findings.iter().map(fingerprint).collect()
    }

    #[test]
    fn fingerprints_do_not_move_with_lines() {
        let text = "targte \"a\" { command \"x\"; }\ntargte \"b\" { command \"x\"; }\n";
        let plain = fingerprints(text);
        assert_eq!(plain.len(), 2);
        assert_ne!(plain[0], plain[1], "they differ");
        assert_eq!(plain, fingerprints(&format!("// moved\n\n  {text}")));
    }

    #[test]
    fn fingerprints_do_not_depend_on_a_secret() {
        let with = |secret: &str| {
            fingerprints(&format!(
                "target \"a\" {{ command \"x\"; env \"DB_PASSWORD\" \"{secret}\"; }}\n"
            ))
        };
        assert_eq!(with("hunter2"), with("hunter3"));
    }

    #[test]
    fn names_become_uris() {
        assert_eq!(artifact("./a b:é.kdl")["uri"], "a%20b%3A%C3%A9.kdl");
        assert_eq!(artifact("/etc/x.kdl")["uri"], "file:///etc/x.kdl");
        assert_eq!(pascal("glued-comment"), "GluedComment");
    }
}
