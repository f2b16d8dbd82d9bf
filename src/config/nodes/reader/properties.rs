//! The properties of a node: each checked against its row, and what was meant by those without one.
//!
//! Takes a node and its row, adds to its [`CheckedNode`]; reports properties that are unknown, missing or given twice.

use super::NodeReader;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, Spec};
use crate::config::language::suggest::{advice, fixable_name, near_name};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::{CheckedNode, given_twice};
use crate::config::nodes::job::ABSENT_PROPS;
use crate::config::source::Spanned;
use crate::config::syntax::kdl_string;
use crate::config::syntax::tree::{Data, SyntaxNode, SyntaxProperty};
use crate::config::values::is_variable;

impl NodeReader {
    pub(super) fn props(
        &mut self,
        node: &SyntaxNode,
        spec: &'static Spec,
        parent: &'static Spec,
        checked: &mut CheckedNode,
    ) {
        let mut seen: Vec<&SyntaxProperty> = Vec::new();
        let command = matches!(spec.args, Args::Then(Type::Program, _));
        if command {
            self.options_with_sign(node);
        }
        for prop in &node.props {
            if command && is_option(prop) {
                checked.damaged = true;
                continue;
            }
            let Some(row) = spec.prop(&prop.key) else {
                if command && !is_setting(&prop.key, spec, parent) {
                    self.neither(prop, spec);
                } else {
                    self.unknown_prop(prop, node, spec, parent);
                }
                checked.damaged = true;
                continue;
            };
            if let Some(first) = seen.iter().find(|p| p.key == prop.key) {
                let (again, first) = (prop.key_span.to(prop.value.span), first.key_span.to(first.value.span));
                self.findings
                    .push(given_twice(&format!("`{}`", row.name), again, first));
                continue;
            }
            // Given before, without its `=`.
            if checked.prop(row.name).is_some() {
                checked.damaged = true;
                continue;
            }
            seen.push(prop);
            let value = self.value(&prop.value, row.ty, spec.name, Some(row));
            let span = prop.value.span;
            checked.props.push((row.name, Spanned { value, span }));
        }
        for row in spec.props.iter().filter(|row| row.required) {
            if checked.prop(row.name).is_none() && !checked.damaged {
                self.findings.push(
                    Finding::new(
                        Code::Missing,
                        node.head,
                        format!("`{}` has no `{}`", spec.name, row.name),
                        format!("`{}=` is missing: {}", row.name, row.doc),
                    )
                    .help(format!("add `{}={}`", row.name, row.ty.placeholder())),
                );
            }
        }
    }

    /// `command rsync --delete=yes`: options that KDL reads as properties, reported together. Nothing else is surely an
    /// argument: `user="app"` after a program is a setting in the wrong place.
    fn options_with_sign(&mut self, node: &SyntaxNode) {
        let all: Vec<&SyntaxProperty> = node.props.iter().filter(|prop| is_option(prop)).collect();
        let Some(first) = all.first() else {
            return;
        };
        let written: Option<Vec<String>> = all
            .iter()
            .map(|prop| {
                let value = match &prop.value.data {
                    Data::Text(text) => text.as_str(),
                    _ if prop.value.typed.is_empty() => return None,
                    _ => prop.value.typed.as_str(),
                };
                Some(kdl_string(&format!("{}={value}", prop.key)))
            })
            .collect();
        let finding = Finding::new(
            Code::UnknownProperty,
            first.key_span.to(first.value.span),
            format!("argument `{}` with an `=` is not in quotes", excerpt(&first.key)),
            "read as a property",
        );
        self.findings.push(match written {
            Some(written) => {
                let spans = all.iter().map(|prop| prop.key_span.to(prop.value.span));
                let title = format!("write {}", excerpt(&written.join(" ")));
                finding.help(title.clone()).fixes(title, spans.zip(written).collect())
            }
            None => finding.help(format!("write \"{}=…\"", excerpt(&first.key))),
        });
    }

    /// `command dd if=/dev/zero`: an argument or a setting, which only its author knows. Not fixed.
    fn neither(&mut self, prop: &SyntaxProperty, spec: &'static Spec) {
        let key = excerpt(&prop.key);
        let value = match &prop.value.data {
            Data::Text(text) => text.as_str(),
            _ => prop.value.typed.as_str(),
        };
        let argument = excerpt(&kdl_string(&format!("{}={value}", prop.key)));
        let finding = Finding::new(
            Code::UnknownProperty,
            prop.key_span.to(prop.value.span),
            format!("`{}` has no setting `{key}`", spec.name),
            "read as a property, not passed to the program",
        );
        let variable = prop.key.starts_with(|c: char| c.is_ascii_uppercase()) && is_variable(&prop.key);
        self.findings.push(if variable {
            let given = excerpt(&kdl_string(value));
            finding.help(format!(
                "for a variable write `env \"{key}\" {given}`; an argument of the program is in quotes: {argument}"
            ))
        } else {
            finding.help(format!(
                "an argument of the program is in quotes: {argument}; a setting of opsrun is a node of its own"
            ))
        });
    }

    fn unknown_prop(&mut self, prop: &SyntaxProperty, node: &SyntaxNode, spec: &'static Spec, parent: &'static Spec) {
        let key = excerpt(&prop.key);
        if let Some((_, name, instead)) = ABSENT_PROPS.iter().find(|(n, p, _)| *n == spec.name && *p == prop.key) {
            self.findings.push(
                Finding::new(
                    Code::UnknownProperty,
                    prop.key_span,
                    format!("`{name}` is not in this build"),
                    "known to the language, but not supported here",
                )
                .help(*instead),
            );
            return;
        }
        let finding = Finding::new(
            Code::UnknownProperty,
            prop.key_span,
            format!("`{}` has no property `{key}`", spec.name),
            "unknown property",
        );
        let known: Vec<&str> = spec.props.iter().map(|p| p.name).collect();
        let children: Vec<&str> = spec.all_children().map(|child| child.name).collect();
        let given = match &prop.value.data {
            Data::Text(text) => excerpt(&kdl_string(text)),
            _ if prop.value.typed.is_empty() => "…".to_owned(),
            _ => prop.value.typed.clone(),
        };
        let finding = if matches!(spec.args, Args::Pair(..)) && near_name(&prop.key, known.iter().copied()).is_none() {
            finding.help(format!(
                "write name and value separately: `{} \"{key}\" \"…\"`, or `{0} \"{key}\" from-env=\"…\"` for a secret",
                spec.name
            ))
        } else if let Some(line) = line_beside(&prop.key, spec, parent) {
            finding.help(format!(
                "`{0}` is a node of its own, beside `{1}`: write `{0} {given}`",
                line.name, spec.name
            ))
        } else if let Some(child) = spec.child(&prop.key).filter(|child| child.absent.is_none()) {
            let example = match &prop.value.data {
                Data::Text(text) if child.args != Args::None => format!("{key} \"{}\"", excerpt(text)),
                Data::Integer(number) if child.args != Args::None => format!("{key} {number}"),
                _ => child.example.to_owned(),
            };
            finding.help(format!("`{key}` is a child node: write `{{ {example}; }}`"))
        } else if let Some(child) = spec.child(&prop.key) {
            finding.help(format!(
                "`{}` is not in this build; {}",
                child.name,
                child.absent.unwrap_or_default()
            ))
        } else if let Some(help) = advice(&prop.key, spec, &[]) {
            finding.help(help.replace("{given}", &given))
        } else if let Some(near) = near_name(&prop.key, known.iter().copied()) {
            let finding = finding.help(format!("did you mean `{near}=`?"));
            let sure = fixable_name(&prop.key, known.iter().copied());
            match sure.filter(|sure| node.props.iter().all(|other| other.key != *sure)) {
                Some(sure) => finding.fix(prop.key_span, sure),
                None => finding,
            }
        } else if let Some(near) = near_name(&prop.key, children.iter().copied()) {
            finding.help(format!("did you mean the child node `{near}`?"))
        } else if let Some(near) = near_name(&prop.key, beside(parent).map(|line| line.name)) {
            finding.help(format!(
                "did you mean the node `{near}`, beside `{}`? Write `{near} {given}`",
                spec.name
            ))
        } else if let Some(help) = advice(&prop.key, parent, &[]).filter(|_| parent.name != "file") {
            finding.help(help.replace("{given}", &given))
        } else if known.is_empty() {
            finding.help(format!("for example `{}`", spec.example))
        } else {
            finding.help(format!("allowed here: {}", known.join(", ")))
        };
        self.findings.push(finding);
    }
}

/// An option of a program, surely not a setting.
fn is_option(prop: &SyntaxProperty) -> bool {
    prop.key.starts_with('-')
}

/// The settings of the block around a node; none at the top of a file.
fn beside(parent: &'static Spec) -> impl Iterator<Item = &'static Spec> + Clone {
    let settings = parent.children.iter().flat_map(|group| group.iter());
    settings.filter(|line| line.absent.is_none() && parent.name != "file")
}

/// A setting that is written beside a node, on a line of its own.
fn line_beside(key: &str, spec: &'static Spec, parent: &'static Spec) -> Option<&'static Spec> {
    beside(parent).find(|line| line.name == key && line.name != spec.name && spec.child(key).is_none())
}

/// What is a setting in this node or beside it, would be one but for a typing error, or is one of another tool.
fn is_setting(key: &str, spec: &'static Spec, parent: &'static Spec) -> bool {
    let own = spec.all_children().map(|child| child.name).collect::<Vec<_>>();
    let own = own.into_iter().chain(spec.props.iter().map(|prop| prop.name));
    let names: Vec<&str> = own.chain(beside(parent).map(|line| line.name)).collect();
    names.contains(&key)
        || ABSENT_PROPS
            .iter()
            .any(|(node, name, _)| *node == spec.name && *name == key)
        || near_name(key, names.iter().copied()).is_some()
        || advice(key, spec, &[]).is_some()
        || parent.name != "file" && advice(key, parent, &[]).is_some()
}
