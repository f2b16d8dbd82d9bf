//! Which settings take `#true`, `#false` or `#null`.

use super::spec::{Args, Spec};
use super::types::Type;
use crate::config::nodes::ROOT;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// `#true` and `#false`.
    Flag,
    Null,
}

/// Whether any setting of that name takes it; `None` when no setting has that name.
pub fn takes_keyword(name: &str, keyword: Keyword) -> Option<bool> {
    fn search(spec: &Spec, name: &str, keyword: Keyword, found: &mut Option<bool>) {
        let takes = |ty| ty == Type::Scalar || ty == Type::Bool && keyword == Keyword::Flag;
        for child in spec.all_children() {
            if child.name == name {
                let takes = child.args == Args::Flag && keyword == Keyword::Flag;
                *found = Some(found.unwrap_or(false) || takes);
            }
            for prop in child.props.iter().filter(|prop| prop.name == name) {
                *found = Some(found.unwrap_or(false) || takes(prop.ty));
            }
            search(child, name, keyword, found);
        }
    }
    let mut found = None;
    search(&ROOT, name, keyword, &mut found);
    found
}
