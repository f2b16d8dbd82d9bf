//! Values that may be secret, and names with such values: a text, or where a secret comes from.
//!
//! Takes checked nodes, gives values of the model; reports a value with two sources or none, and names given twice.
//! Invariant: a value has exactly one source.

use super::argv::argv;
use super::checked_node::{CheckedNode, EachOnce, text};
use super::decoder::{Decoder, HostObject, SearchPath};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, Prop, Spec, node, prop};
use crate::config::language::types::Type;
use crate::config::source::Span;
use crate::config::values::Datum;
use crate::model::{SecretSource, Value};

pub const SOURCES: &[Prop] = &[
    prop(
        "from-env",
        Type::Variable,
        "an environment variable of opsrun that contains it",
    ),
    prop("from-file", Type::File, "a file that contains it"),
];

pub const ONE_SOURCE: &str = "a value or one source of a secret";

pub const FROM_COMMAND: &[Spec] = &[node("from-command", Args::Then(Type::Program, Type::Argument))
    .doc("a command that prints it")
    .example("from-command \"pass\" \"show\" \"token\"")];

pub const HEADER: Spec = node("header", Args::Pair(Type::Header, Type::Argument))
    .doc("a request header")
    .example("header \"Accept\" \"application/json\"")
    .with(SOURCES)
    .block(&[FROM_COMMAND])
    .rule("each name once; a value or one source of a secret")
    .repeats();

pub const CA_FILE: Spec = node("ca-file", Args::One(Type::File))
    .doc("a PEM file with certificates to trust in addition to the system's")
    .example("ca-file \"ca.pem\"")
    .otherwise("only the system's certificates");

/// A setting that may be secret, or must be: a value of [`Type::Secret`] is not written in the file.
pub const fn setting(name: &'static str, ty: Type, variable: &'static str) -> Spec {
    node(name, Args::Maybe(ty))
        .with(SOURCES)
        .block(&[FROM_COMMAND])
        .variable(variable)
}

/// `env` or `header` nodes: names, each once, and their values.
pub fn named_values(
    place: &CheckedNode,
    child: &'static str,
    fold_case: bool,
    decoder: &mut Decoder<'_>,
) -> Vec<(String, Value)> {
    let mut once = EachOnce::default();
    let mut all = Vec::new();
    for node in place.children_named(child) {
        let name = node.text();
        let value = value(node, name.as_ref().map_or("…", |name| name.value.as_str()), 1, decoder);
        let Some(name) = name else {
            continue;
        };
        let key = if fold_case {
            name.value.to_ascii_lowercase()
        } else {
            name.value.clone()
        };
        let shown = || format!("`{child} \"{}\"`", excerpt(&name.value));
        if let Some(finding) = once.again(key, name.span, shown) {
            decoder.report(finding);
        } else if let Some(value) = value {
            all.push((name.value, value));
        }
    }
    all
}

/// `header` nodes: each name once, and values of one line.
pub fn headers(place: &CheckedNode, decoder: &mut Decoder<'_>) -> Vec<(String, Value)> {
    let headers = named_values(place, "header", true, decoder);
    for header in place.children_named("header") {
        if let Some(value) = header.args.get(1).and_then(text)
            && value.value.chars().any(|c| c.is_control() && c != '\t')
        {
            decoder.report(
                Finding::new(
                    Code::BadValue,
                    value.span,
                    "the value of a header must be one line",
                    "contains a line break or another invisible character",
                )
                .help("write it on one line, without `\\n`"),
            );
        }
    }
    headers
}

/// The value of `env`, `header`, `http` or a setting of a channel: the argument at `at`, or where a secret comes from.
pub fn value(node: &CheckedNode, name: &str, at: usize, decoder: &mut Decoder<'_>) -> Option<Value> {
    let from_command = node.child("from-command");
    let mut sources: Vec<(&str, Span)> = Vec::new();
    sources.extend(node.args.get(at).map(|arg| ("", arg.span)));
    sources.extend(node.props.iter().map(|(key, value)| (*key, value.span)));
    sources.extend(from_command.map(|child| ("from-command", child.head)));
    let words = from_command.and_then(|child| argv(child, decoder));
    if let [_] = sources.as_slice() {
        return one_source(node, at, words, decoder);
    }
    // Without a name, the node was already reported as incomplete.
    let unread = node.args.iter().any(|arg| arg.value == Datum::Bad);
    let incomplete = node.damaged || node.lost || unread || node.args.len() < at;
    if !sources.is_empty() || !incomplete {
        let written = if at == 0 {
            node.spec_name.to_owned()
        } else {
            format!("{} \"{}\"", node.spec_name, excerpt(name))
        };
        decoder.report(none_or_several(node, &written, &suggested_variable(name), &sources));
    }
    None
}

fn one_source(node: &CheckedNode, at: usize, words: Option<Vec<String>>, decoder: &mut Decoder<'_>) -> Option<Value> {
    if let Some(child) = node.child("from-command") {
        let words = words?;
        let program = words.first()?.clone();
        decoder.refer(child.head, HostObject::Program(program, SearchPath::Inherited));
        return Some(Value::Secret(SecretSource::Command(words, decoder.root.to_path_buf())));
    }
    if let Some(arg) = node.args.get(at) {
        return arg.value.string().map(Value::Plain);
    }
    if let Some(variable) = node.prop("from-env") {
        let name = variable.value.string()?;
        decoder.refer(variable.span, HostObject::Variable(name.clone()));
        return Some(Value::Secret(SecretSource::Env(name)));
    }
    let file = decoder.path(node.prop("from-file")?)?;
    decoder.refer(file.span, HostObject::File(file.value.clone(), "from-file"));
    Some(Value::Secret(SecretSource::File(file.value)))
}

/// A value without a source, or with several. `written` is the node as far as its value.
fn none_or_several(node: &CheckedNode, written: &str, variable: &str, sources: &[(&str, Span)]) -> Finding {
    let from_env = format!("`{written} from-env=\"{variable}\"`");
    match sources {
        [("", value), (source, span), ..] => {
            let message = format!("`{written}` has a value and `{source}`");
            Finding::new(Code::SurplusArgument, *span, message, "the source of a secret")
                .also(*value, "the value")
                .help(format!("delete one: a secret is written {from_env} and nothing else"))
        }
        [(first, one), (second, other), ..] => {
            let message = format!("`{written}` has two sources: `{first}` and `{second}`");
            Finding::new(Code::Repeated, *other, message, "the second")
                .also(*one, "the first")
                .help(format!("keep one of them, such as {from_env}"))
        }
        _ => {
            let (message, label) = (
                format!("`{written}` has no value"),
                "needs a text, or the source of a secret",
            );
            Finding::new(Code::Missing, node.head, message, label)
                .help(format!("write `{written} \"…\"`, or {from_env} for a secret"))
        }
    }
}

/// A name in the form of environment variables.
pub fn suggested_variable(name: &str) -> String {
    let fine = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let name: String = name.chars().take(60).map(fine).collect();
    match name.trim_matches('_') {
        "" => "SECRET".to_owned(),
        name => name.to_owned(),
    }
}
