//! What a channel knows about each of its delivery methods, and settings that may be secret.

use crate::config::findings::{Code, Finding};
use crate::config::language::spec::Spec;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::text_or_secret::value;
use crate::model::Value;
use crate::model::channel::ChannelKind;

#[derive(Clone, Copy)]
pub struct MethodRow {
    pub spec: Spec,
    /// `None` when something in the node is wrong, and reported.
    pub decode: fn(&CheckedNode, &mut Decoder<'_>) -> Option<ChannelKind>,
    /// The feature that a build needs for it, and whether this one has it.
    pub feature: Option<(&'static str, bool)>,
}

/// A setting that may be secret, or must be. `None` in the outer place: wrong, and reported; in the inner one: not given.
#[expect(clippy::option_option, reason = "not given and wrong are two things")]
pub fn method_setting(
    node: &CheckedNode,
    name: &'static str,
    variable: &str,
    secret: bool,
    decoder: &mut Decoder<'_>,
) -> Option<Option<Value>> {
    let Some(child) = node.child(name) else {
        return Some(None);
    };
    let empty = child.args.is_empty() && child.props.is_empty() && child.children.is_empty();
    if secret && empty && !child.damaged && !child.lost {
        decoder.report(
            Finding::new(
                Code::Missing,
                child.head,
                format!("`{name}` has no source"),
                "a secret, which is not written in the file",
            )
            .help(format!(
                "write `{name} from-env=\"{variable}\"`, `from-file=\"…\"` or `{{ from-command \"…\"; }}`"
            )),
        );
        return None;
    }
    value(child, variable, 0, decoder).map(Some)
}
