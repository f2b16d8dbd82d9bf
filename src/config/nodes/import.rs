//! `import`: other ops files to read. `source/import` follows it.

use super::checked_node::CheckedNode;
use crate::config::language::spec::{Args, Spec, node, prop};
use crate::config::language::types::Type;
use crate::config::source::Spanned;
use crate::config::values::Datum;

pub const IMPORT: Spec = node("import", Args::One(Type::Path))
    .doc("reads other ops files")
    .example("import \"conf.d/*.kdl\"")
    .with(&[prop("optional", Type::Bool, "not an error when no file is found").default("#false")])
    .rule("below the directory of the first file, at most 8 levels deep, without a cycle")
    .repeats();

#[derive(Debug)]
pub struct ImportNode {
    /// As written: it may be a pattern.
    pub path: Spanned<String>,
    pub optional: bool,
}

pub fn import(node: &CheckedNode) -> Option<ImportNode> {
    Some(ImportNode {
        path: node.text()?,
        optional: node
            .prop("optional")
            .is_some_and(|value| value.value == Datum::Bool(true)),
    })
}
