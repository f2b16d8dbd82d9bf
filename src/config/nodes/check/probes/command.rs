//! What a command says, like Nagios.

use crate::config::language::spec::{Args, node};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::command::{ENVIRONMENT, PIPEFAIL, command};
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::exactly_one::KindRow;
use crate::model::check::Probe;

pub const COMMAND: KindRow<Probe> = KindRow {
    spec: node("command", Args::Then(Type::Program, Type::Argument))
        .doc("the exit code of a command: 0 is ok, 1 a warning, 2 critical, any other unknown")
        .example("command \"bin/queue-depth\" \"--max\" \"1000\"")
        .block(&[ENVIRONMENT]),
    decode: run,
};

pub const SHELL: KindRow<Probe> = KindRow {
    spec: node("shell", Args::One(Type::Argument))
        .doc("the same for a command line for /bin/sh")
        .example("shell \"test -s run/state\"")
        .with(PIPEFAIL)
        .block(&[ENVIRONMENT]),
    decode: run,
};

fn run(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let command = command(node, node, decoder)?;
    Some(Probe::Command { command })
}
