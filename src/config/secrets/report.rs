//! OPS7001: values in the file that are surely secrets.
//!
//! Takes parsed nodes and the secrets in the text of their file; gives a finding for each value that is or holds one, and
//! these values, so that all of them can be masked.
//! Invariant: one finding per value; what is only likely to be a secret is not reported.

use super::names::{NAMED_VALUES, is_node, is_secret_setting, is_trivial, names_secret};
use super::patterns::Literal;
use super::{FileSecrets, literals};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::channel::usual_variable;
use crate::config::nodes::suggested_variable;
use crate::config::source::Span;
use crate::config::syntax::tree::{Data, SyntaxNode, SyntaxValue};
use std::collections::HashSet;

impl FileSecrets<'_> {
    /// Reports the secrets of nodes, and of all that is inside of them; `block` is the node that they are in.
    pub fn report(&mut self, block: Option<&str>, nodes: &[SyntaxNode], findings: &mut Vec<Finding>) {
        for node in nodes {
            let reported = self.named_values(block, node, findings);
            let props = node
                .props
                .iter()
                .filter(|prop| is_secret_setting(Some(&node.name), &prop.key));
            self.values
                .extend(props.filter_map(|prop| Some((prop.value.span, text(&prop.value)?.to_owned()))));
            for value in node.args.iter().chain(node.props.iter().map(|prop| &prop.value)) {
                if !reported.contains(&value.span) {
                    self.literal_in(block, node, value, findings);
                }
            }
            self.report(Some(&node.name), node.children.as_deref().unwrap_or_default(), findings);
        }
    }

    /// Settings of a channel that the schema marks as secret, and variables and headers whose name says that they hold one.
    fn named_values(&mut self, block: Option<&str>, node: &SyntaxNode, findings: &mut Vec<Finding>) -> HashSet<Span> {
        let mut reported = HashSet::new();
        let kind = node.name.as_str();
        let setting = is_secret_setting(block, kind);
        let name = node.args.first().and_then(text).filter(|name| names_secret(name));
        // A misspelt `env` is reported as such.
        let known = NAMED_VALUES.contains(&kind);
        let (values, message, help) = match name.filter(|_| known || !is_node(kind)) {
            _ if setting => {
                let variable = usual_variable(block.unwrap_or_default(), kind);
                let message = format!("`{kind}` is a secret in plain text");
                (node.args.as_slice(), message, from_source(kind, &variable))
            }
            Some(name) => {
                reported.extend(node.args.first().map(|first| first.span));
                // Name and value may have been written as one text, whose stretch is found in the text of the file.
                let (name, value) = name.split_once(['=', ':']).unwrap_or((name, ""));
                let name = name.trim_end();
                self.values.push((Span::new(0, 0), value.trim().to_owned()));
                let message = format!("`{}` contains a secret in plain text", excerpt(name));
                let values = node.args.get(1..).unwrap_or_default();
                (values, message, named_source(kind, name))
            }
            None => return reported,
        };
        for value in values {
            let number = setting && matches!(value.data, Data::Integer(_) | Data::Float(_));
            if number || text(value).is_some_and(|text| setting || !is_trivial(text)) {
                reported.insert(value.span);
                findings.extend((setting || known).then(|| finding(value, &message, &help)));
                let text = text(value).unwrap_or(&value.typed);
                self.values.push((value.span, text.to_owned()));
            }
        }
        reported
    }

    /// A secret within a value: known by its form, or named in a command line.
    fn literal_in(&mut self, block: Option<&str>, node: &SyntaxNode, value: &SyntaxValue, findings: &mut Vec<Finding>) {
        let Some(text) = text(value) else {
            return;
        };
        let command = matches!(node.name.as_str(), "command" | "shell" | "from-command");
        let reported = |literal: &&Literal| literal.sure && (command || literal.by_form);
        let (start, end) = (value.span.start - self.base, value.span.end - self.base);
        let from = self.literals.partition_point(|literal| literal.start < start);
        let within = self.literals.get(from..).unwrap_or_default();
        let mut within = within.iter().take_while(|literal| literal.start < end);
        let escaped = self.text.get(start..end).is_some_and(|raw| raw.contains('\\'));
        let unescaped = || literals(text).into_iter().find(|literal| reported(&literal));
        let literal = within.find(reported).cloned();
        if let Some(literal) = literal.or_else(|| escaped.then(unescaped).flatten()) {
            let help = help(block, node, value, &literal.variable);
            findings.push(finding(value, &literal.message, &help));
            if escaped {
                self.values.push((value.span, text.to_owned()));
            }
        }
    }
}

fn finding(value: &SyntaxValue, message: &str, help: &str) -> Finding {
    let label = "anyone who reads this file can see it";
    Finding::new(Code::SecretLiteral, value.span, message, label).help(help)
}

fn text(value: &SyntaxValue) -> Option<&str> {
    match &value.data {
        Data::Text(text) => Some(text),
        Data::Integer(_) | Data::Float(_) | Data::Bool(_) | Data::Null | Data::Replaced => None,
    }
}

fn from_source(setting: &str, variable: &str) -> String {
    format!("write `{setting} from-env=\"{variable}\"`, or use `from-file=\"…\"` or `{{ from-command \"…\"; }}`")
}

fn named_source(kind: &str, name: &str) -> String {
    from_source(&format!("{kind} \"{}\"", excerpt(name)), &suggested_variable(name))
}

fn help(block: Option<&str>, node: &SyntaxNode, value: &SyntaxValue, variable: &str) -> String {
    let first = node.args.first().filter(|first| first.span != value.span);
    match (node.name.as_str(), first.and_then(text)) {
        (kind, Some(name)) if NAMED_VALUES.contains(&kind) => named_source(kind, name),
        (kind @ ("url" | "api-url"), _) => {
            let variable = usual_variable(block.unwrap_or_default(), kind);
            format!("write `{kind} from-env=\"{variable}\"`, and put the whole URL into that variable")
        }
        ("http", _) => "write `http from-env=\"CHECK_URL\"`, and put the whole URL into that variable".to_owned(),
        ("command" | "shell", _) => format!(
            "write `env \"{variable}\" from-env=\"{variable}\"`, and let the program read that variable, or use \
             `${variable}` in a `shell` line"
        ),
        ("from-command", _) => "let the program read it from a file that only its user can read".to_owned(),
        _ => "remove it from the file, and replace it: others may have read it".to_owned(),
    }
}
