//! Nodes of which exactly one kind of child is wanted: the probe of a check, the delivery method of a channel.
//!
//! Reports none, and several.

use super::checked_node::CheckedNode;
use super::decoder::Decoder;
use crate::config::findings::{Code, Finding};
use crate::config::language::spec::Spec;

pub struct KindRow<T> {
    pub spec: Spec,
    /// `None` when something in the node is wrong, and reported.
    pub decode: fn(&CheckedNode, &mut Decoder<'_>) -> Option<T>,
}

pub const fn specs<T, const N: usize>(rows: &[KindRow<T>; N]) -> [Spec; N] {
    let mut specs = [rows[0].spec; N];
    let mut at = 0;
    while at < N {
        specs[at] = rows[at].spec;
        at += 1;
    }
    specs
}

pub struct Kinds<T: 'static> {
    pub rows: &'static [KindRow<T>],
    pub noun: &'static str,
    pub needed: &'static str,
    pub missing: Code,
    pub several: Code,
    pub example: &'static str,
    /// What to do about several in a node of this name.
    pub split: fn(&str) -> String,
}

/// The one child of these kinds; its value is `None` when something in it is wrong, and reported.
pub fn exactly_one<'a, T>(
    node: &'a CheckedNode,
    kinds: &Kinds<T>,
    decoder: &mut Decoder<'_>,
) -> Option<(&'a CheckedNode, Option<T>)> {
    let mut found = Vec::new();
    for child in &node.children {
        if let Some(row) = kinds.rows.iter().find(|row| row.spec.name == child.spec_name) {
            found.push((child, (row.decode)(child, decoder)));
        }
    }
    let (of, name, noun) = (node.spec_name, node.shown_name(), kinds.noun);
    match found.as_slice() {
        [] if node.damaged || node.lost => {}
        [] => {
            let names: Vec<&str> = kinds.rows.iter().map(|row| row.spec.name).collect();
            let message = format!("{of} `{name}` has no {noun}");
            decoder.report(
                Finding::new(kinds.missing, node.head, message, kinds.needed).help(format!(
                    "add one of: {}; for example `{}`",
                    names.join(", "),
                    kinds.example
                )),
            );
        }
        [_] => {}
        [(first, _), (second, _), others @ ..] => {
            let message = format!("{of} `{name}` has {} {noun}s", found.len());
            let finding = Finding::new(kinds.several, second.head, message, "the second").also(first.head, "the first");
            let finding = others
                .iter()
                .fold(finding, |finding, (other, _)| finding.also(other.head, "another one"));
            decoder.report(finding.help((kinds.split)(&name)));
            decoder.host_references.clear();
        }
    }
    found.pop().filter(|_| found.is_empty())
}
