//! Lists of names: which are given twice, which is nearest to a wrong one, and how some of them are shown.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::suggest::nearest;
use crate::config::source::{Span, Spanned};
use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// How many names are compared in search of similar ones: a hostile file has very many of both.
const MAX_COMPARISONS: usize = 500_000;
/// Names that a help lists.
const MAX_LISTED: usize = 12;

/// Searches for similar names as long as that is cheap.
#[derive(Debug, Default)]
pub struct NameSearch {
    compared: Cell<usize>,
}

impl NameSearch {
    pub fn nearest<'n>(&self, wanted: &str, names: impl ExactSizeIterator<Item = &'n str>) -> Option<&'n str> {
        let compared = self.compared.get();
        self.compared.set(compared + names.len());
        (compared < MAX_COMPARISONS).then(|| nearest(wanted, names)).flatten()
    }
}

/// The names of a list, each once. Reports every other; `words` gives the message and the help.
pub fn distinct<'a>(
    names: impl IntoIterator<Item = &'a Spanned<String>>,
    code: Code,
    findings: &mut Vec<Finding>,
    words: impl Fn(&str) -> (String, String),
) -> Vec<&'a Spanned<String>> {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    let mut distinct = Vec::new();
    for name in names {
        match seen.entry(&name.value) {
            Entry::Vacant(free) => {
                free.insert(name.span);
                distinct.push(name);
            }
            Entry::Occupied(first) => {
                let (message, help) = words(&name.value);
                let finding = Finding::new(code, name.span, message, "again here");
                findings.push(finding.also(*first.get(), "first here").help(help));
            }
        }
    }
    distinct
}

/// OPS3001.
pub fn unique<'a>(what: &str, names: impl Iterator<Item = &'a Spanned<String>>, findings: &mut Vec<Finding>) {
    distinct(names, Code::DuplicateName, findings, |name| {
        let message = format!("there are two {what}s named `{name}`");
        (message, format!("rename one of them, for example to \"{name}-2\""))
    });
}

/// OPS3002: a name that is written with its kind, in a setting that needs none.
pub fn includes_kind(reference: &Spanned<String>, setting: &str, bare: &str) -> Finding {
    let message = format!("`{}` includes the kind", excerpt(&reference.value));
    let label = "expected a name without a kind";
    Finding::new(Code::BadReference, reference.span, message, label).help(format!("write `{setting}=\"{bare}\"`"))
}

/// The first names of a list.
pub fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().take(MAX_LISTED).collect::<Vec<_>>().join(", ")
}
