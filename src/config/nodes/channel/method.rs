//! What delivery methods have in common: the feature that they need, and settings that may be secret.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::text_or_secret::value;
use crate::model::Value;

/// Reports a delivery method that this build does not have.
pub fn missing_feature(node: &CheckedNode, feature: &str, built: bool, decoder: &mut Decoder<'_>) {
    if !built {
        decoder.report(
            Finding::new(
                Code::BadValue,
                node.head,
                format!("this build of opsrun cannot send by `{}`", node.spec_name),
                format!("needs the feature `{feature}`"),
            )
            .help("use a build with that feature, or a `command`"),
        );
    }
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
