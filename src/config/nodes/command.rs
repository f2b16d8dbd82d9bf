//! `command` and `shell`, with `cwd` and `env`.

use super::argv::argv;
use super::checked_node::CheckedNode;
use super::decoder::{Decoder, HostObject, SearchPath};
use super::text_or_secret::{FROM_COMMAND, ONE_SOURCE, SOURCES, named_values};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, Prop, Spec, node, prop};
use crate::config::language::types::Type;
use crate::config::shell;
use crate::config::source::Span;
use crate::config::syntax::kdl_string;
use crate::config::values::Datum;
use crate::model::{Command, Program, Value};
use crate::user_database::RunAs;

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
    node("user", Args::One(Type::Account))
        .doc(
            "the user that the command runs as, by name or number, with its groups, HOME, USER, LOGNAME and SHELL; of \
             opsrun's environment it gets PATH, TZ and the language only",
        )
        .example("user \"postgres\"")
        .otherwise("the user of opsrun"),
    node("group", Args::One(Type::Account))
        .doc("the group that the command runs with, by name or number")
        .example("group \"adm\"")
        .otherwise("the group of the user"),
];

/// Of a `shell`.
pub const PIPEFAIL: &[Prop] = &[prop(
    "pipefail",
    Type::Bool,
    "the line runs under bash, and fails when any command of a pipe fails",
)
.default("#false")];

/// `command` or `shell`; `None` when it is wrong. `place` holds `cwd` and `env`.
pub fn command(node: &CheckedNode, place: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Command> {
    let cwd = decoder.path_of(place, "cwd");
    if let Some(cwd) = &cwd {
        decoder.refer(cwd.span, HostObject::Directory(cwd.value.clone(), "cwd"));
    }
    let env = named_values(place, "env", false, decoder);
    let run_as = run_as(place, decoder);
    let program = if node.spec_name == "shell" {
        let line = node.text()?;
        if node
            .prop("pipefail")
            .is_some_and(|value| value.value == Datum::Bool(true))
        {
            decoder.refer(line.span, HostObject::Program("bash".to_owned(), search_path(&env)));
            Program::Pipefail(line.value)
        } else {
            if node.prop("pipefail").is_none() {
                hidden_failure(&line.value, line.span, true, decoder);
            }
            Program::Shell(line.value)
        }
    } else {
        let words = argv(node, decoder)?;
        if let Some((at, script)) = script_without_pipefail(&words) {
            let span = node.args.get(at).map_or(node.head, |arg| arg.span);
            hidden_failure(script, span, false, decoder);
        }
        let program = words.first()?.clone();
        decoder.refer(node.head, HostObject::Program(program, search_path(&env)));
        Program::Argv(words)
    };
    Some(Command {
        program,
        cwd: cwd.map_or_else(|| decoder.root.to_path_buf(), |cwd| cwd.value),
        env,
        run_as,
    })
}

fn run_as(place: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<RunAs> {
    let (user, group) = (place.value("user", Datum::string), place.value("group", Datum::string));
    let span = user.as_ref().or(group.as_ref())?.span;
    let run_as = RunAs {
        user: user.map(|user| user.value),
        group: group.map(|group| group.value),
    };
    decoder.refer(span, HostObject::Account(run_as.clone()));
    Some(run_as)
}

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// The script that a shell is given as an argument, and its place; `None` where its failures are not hidden.
fn script_without_pipefail(words: &[String]) -> Option<(usize, &str)> {
    let is_shell = |word: &String| SHELLS.contains(&word.rsplit('/').next().unwrap_or_default());
    let shell = words.iter().position(is_shell)?;
    let options = words.iter().enumerate().skip(shell + 1);
    let mut options = options.take_while(|(_, word)| word.starts_with(['-', '+']) || *word == "pipefail");
    let is_script = |word: &str| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
    let (at, _) = options
        .by_ref()
        .find(|(_, word)| *word == "pipefail" || is_script(word))?;
    if words.get(at)? == "pipefail" {
        return None;
    }
    Some((at + 1, words.get(at + 1)?))
}

/// OPS7004.
fn hidden_failure(script: &str, span: Span, is_shell: bool, decoder: &mut Decoder<'_>) {
    let Some(command) = shell::hidden_failure(script) else {
        return;
    };
    let command = excerpt(&command);
    let pipefail = if is_shell {
        "add `pipefail=#true`: bash runs the line, and it fails when any command of a pipe fails".to_owned()
    } else {
        "write `\"bash\" \"-o\" \"pipefail\" \"-c\"`: then it fails when any command of a pipe fails".to_owned()
    };
    let help = match shell::dump(script) {
        Some(dump) => {
            let words: Vec<String> = dump.argv.iter().map(|word| kdl_string(word)).collect();
            let line = excerpt(&format!("command {}", words.join(" ")));
            format!(
                "in a target, write `{line}` and `stdout \"…-{{time}}{}\"`; or {pipefail}",
                dump.suffix
            )
        }
        None => pipefail,
    };
    decoder.report(
        Finding::new(
            Code::HiddenFailure,
            span,
            format!("a pipe hides whether `{command}` fails"),
            "a pipe ends with the exit code of its last command",
        )
        .help(help),
    );
}

/// A command with a `PATH` of its own is looked up there.
fn search_path(env: &[(String, Value)]) -> SearchPath {
    match env.iter().find(|(name, _)| name == "PATH") {
        None => SearchPath::Inherited,
        Some((_, Value::Plain(path))) => SearchPath::Own(path.clone()),
        Some((_, Value::Secret(_))) => SearchPath::Unknown,
    }
}
