//! `command` and `shell` in a check: the exit code of a command is the state, as with Nagios plugins.

use super::probe::ProbeRow;
use crate::config::language::spec::{Args, node};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::command::{ENVIRONMENT, command};
use crate::config::nodes::decoder::Decoder;
use crate::model::check::Probe;

pub const COMMAND: ProbeRow = ProbeRow {
    spec: node(
        "command",
        Args::Then(Type::Program, Type::Argument),
        "the exit code of a command: 0 is ok, 1 a warning, 2 critical, any other unknown",
        "command \"bin/queue-depth\" \"--max\" \"1000\"",
    )
    .block(&[ENVIRONMENT]),
    decode,
};

pub const SHELL: ProbeRow = ProbeRow {
    spec: node(
        "shell",
        Args::One(Type::Argument),
        "the same for a command line for /bin/sh",
        "shell \"test -s run/state\"",
    )
    .block(&[ENVIRONMENT]),
    decode,
};

fn decode(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    command(node, node, decoder).map(Probe::Command)
}
