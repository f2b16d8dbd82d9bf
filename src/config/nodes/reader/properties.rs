//! The properties of a node: each checked against its row, and what was meant by those without one.
//!
//! Takes a node and its row, adds to its [`CheckedNode`]; reports properties that are unknown, missing or given twice.

use super::NodeReader;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, Spec};
use crate::config::language::suggest::{advice, fixable_name, line_beside, near_name};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::{CheckedNode, given_twice};
use crate::config::nodes::job::ABSENT_PROPS;
use crate::config::source::Spanned;
use crate::config::syntax::kdl_string;
use crate::config::syntax::tree::{Data, SyntaxNode, SyntaxProperty};

impl NodeReader {
    pub(super) fn props(&mut self, node: &SyntaxNode, spec: &'static Spec, checked: &mut CheckedNode) {
        let mut seen: Vec<&SyntaxProperty> = Vec::new();
        let arguments = self.arguments_with_sign(node, spec);
        for prop in &node.props {
            if arguments && is_argument(prop, spec) {
                checked.damaged = true;
                continue;
            }
            let Some(row) = spec.prop(&prop.key) else {
                self.unknown_prop(prop, node, spec);
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

    /// `command rsync --delete=yes`: arguments that KDL reads as properties, reported together.
    fn arguments_with_sign(&mut self, node: &SyntaxNode, spec: &'static Spec) -> bool {
        if !matches!(spec.args, Args::Then(Type::Program, _)) {
            return false;
        }
        let all: Vec<&SyntaxProperty> = node.props.iter().filter(|prop| is_argument(prop, spec)).collect();
        let Some(first) = all.first() else {
            return false;
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
        true
    }

    fn unknown_prop(&mut self, prop: &SyntaxProperty, node: &SyntaxNode, spec: &'static Spec) {
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
        } else if let Some(line) = line_beside(&prop.key, spec.name) {
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
        } else if known.is_empty() {
            finding.help(format!("for example `{}`", spec.example))
        } else {
            finding.help(format!("allowed here: {}", known.join(", ")))
        };
        self.findings.push(finding);
    }
}

/// An argument of a program, not one of its settings.
fn is_argument(prop: &SyntaxProperty, spec: &Spec) -> bool {
    spec.prop(&prop.key).is_none()
        && spec.child(&prop.key).is_none()
        && line_beside(&prop.key, spec.name).is_none()
        && ABSENT_PROPS
            .iter()
            .all(|(node, name, _)| *node != spec.name || *name != prop.key)
}
