//! `command` and `shell`, with `cwd` and `env`.

use super::argv::argv;
use super::checked_node::CheckedNode;
use super::decoder::{Decoder, HostObject, SearchPath};
use super::text_or_secret::{FROM_COMMAND, ONE_SOURCE, SOURCES, named_values};
use crate::config::language::spec::{Args, Spec, node};
use crate::config::language::types::Type;
use crate::model::{Command, Program, Value};

/// Where and with which variables a command runs.
pub const ENVIRONMENT: &[Spec] = &[
    node("cwd", Args::One(Type::Path))
        .doc("the working directory of the command")
        .example("cwd \"app\"")
        .otherwise("the directory of the first file"),
    node("env", Args::Pair(Type::Variable, Type::Argument))
        .doc("an environment variable, added to the environment of opsrun")
        .example("env \"MODE\" \"live\"")
        .with(SOURCES)
        .block(&[FROM_COMMAND])
        .rule(ONE_SOURCE)
        .repeats(),
];

/// `command` or `shell`; `None` when it is wrong. `place` holds `cwd` and `env`.
pub fn command(node: &CheckedNode, place: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Command> {
    let cwd = decoder.path_of(place, "cwd");
    if let Some(cwd) = &cwd {
        decoder.refer(cwd.span, HostObject::Directory(cwd.value.clone(), "cwd"));
    }
    let env = named_values(place, "env", false, decoder);
    let program = if node.spec_name == "shell" {
        Program::Shell(node.text()?.value)
    } else {
        let words = argv(node, decoder)?;
        let program = words.first()?.clone();
        decoder.refer(node.head, HostObject::Program(program, search_path(&env)));
        Program::Argv(words)
    };
    Some(Command {
        program,
        cwd: cwd.map_or_else(|| decoder.root.to_path_buf(), |cwd| cwd.value),
        env,
    })
}

/// A command with a `PATH` of its own is looked up there.
fn search_path(env: &[(String, Value)]) -> SearchPath {
    match env.iter().find(|(name, _)| name == "PATH") {
        None => SearchPath::Inherited,
        Some((_, Value::Plain(path))) => SearchPath::Own(path.clone()),
        Some((_, Value::Secret(_))) => SearchPath::Unknown,
    }
}
