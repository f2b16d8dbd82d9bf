//! `command` and `shell` in a channel: a command is given the message as a JSON document on its standard input.

use crate::config::language::spec::{Args, node};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::command::{ENVIRONMENT, PIPEFAIL, command};
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::exactly_one::KindRow;
use crate::model::channel::ChannelKind;

pub const COMMAND: KindRow<ChannelKind> = KindRow {
    spec: node("command", Args::Then(Type::Program, Type::Argument))
        .doc("a command that is given a JSON document on its standard input")
        .example("command \"bin/page\"")
        .block(&[ENVIRONMENT]),
    decode,
};

pub const SHELL: KindRow<ChannelKind> = KindRow {
    spec: node("shell", Args::One(Type::Argument))
        .doc("the same for a command line for /bin/sh")
        .example("shell \"bin/page --quiet 2>> page.log\"")
        .with(PIPEFAIL)
        .block(&[ENVIRONMENT]),
    decode,
};

fn decode(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<ChannelKind> {
    command(node, node, decoder).map(ChannelKind::Command)
}
