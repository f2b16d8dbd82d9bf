//! `allow`: silences a warning within a job, a schedule or a channel.

use super::checked_node::CheckedNode;
use crate::config::language::spec::{Args, Spec, node, required_prop};
use crate::config::language::types::Type;
use crate::config::source::{Span, Spanned};

pub const ALLOW: Spec = node("allow", Args::One(Type::Text))
    .doc("silences a warning within this node, by its name")
    .example("allow \"no-max-delete\" reason=\"small tree\"")
    .with(&[required_prop("reason", Type::Text, "why the warning does not matter here").example("\"small tree\"")])
    .rule("only warnings can be silenced")
    .repeats();

#[derive(Debug)]
pub struct Allow {
    pub slug: Spanned<String>,
    pub extent: Span,
}

pub fn allows(node: &CheckedNode) -> Vec<Allow> {
    let slugs = node.children_named("allow").filter_map(|allow| {
        Some(Allow {
            slug: allow.text()?,
            extent: allow.head,
        })
    });
    slugs.collect()
}
