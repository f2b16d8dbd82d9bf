//! A KDL node and its row of the language → a [`CheckedNode`], and findings for all that does not fit.
//!
//! Knows the rows, not what single settings mean.
//! Invariant: every node, argument and property is either in the result or in a finding.

mod arguments;
mod properties;

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, Prop, Spec};
use crate::config::language::suggest::{advice, fixable_name, may_mean, near_name, nearest, where_allowed};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::{CheckedNode, given_twice};
use crate::config::syntax::kdl_string;
use crate::config::syntax::tree::{Data, SyntaxNode, SyntaxValue};
use crate::config::values::{self, Datum};
use crate::time_zone::ZoneDatabase;
use std::rc::Rc;

/// How many nodes of one block are compared with one name.
const MAX_SIBLINGS: usize = 1_000;

#[derive(Debug)]
pub struct NodeReader {
    pub findings: Vec<Finding>,
    zones: Rc<ZoneDatabase>,
}

impl NodeReader {
    /// Names of time zones are looked up in `zones`.
    pub fn new(zones: Rc<ZoneDatabase>) -> Self {
        Self {
            findings: Vec::new(),
            zones,
        }
    }

    /// The row of a node; reports nodes that the language or this build does not have.
    pub fn spec_of(
        &mut self,
        node: &SyntaxNode,
        parent: &'static Spec,
        siblings: &[SyntaxNode],
    ) -> Option<&'static Spec> {
        if node.name_replaced {
            return None;
        }
        if node.annotated {
            self.findings.push(
                Finding::new(
                    Code::WrongType,
                    node.name_span,
                    "a node has a type annotation",
                    "not used in ops files",
                )
                .help(format!(
                    "write `{}` without the part in parentheses",
                    excerpt(&node.name)
                )),
            );
        }
        let Some(spec) = parent.child(&node.name) else {
            let meant = self.unknown_node(node, parent, siblings);
            // A job with a misspelt name is read nevertheless, so that its other mistakes are reported in the same pass.
            return meant.filter(|spec| parent.name == "file" && spec.name != "import");
        };
        if let Some(instead) = spec.absent {
            self.findings.push(
                Finding::new(
                    Code::UnknownNode,
                    node.name_span,
                    format!("`{}` is not in this build", spec.name),
                    "known to the language, but not supported yet",
                )
                .help(instead),
            );
            return None;
        }
        Some(spec)
    }

    /// Reports an unknown node, and gives the one that was probably meant.
    fn unknown_node(
        &mut self,
        node: &SyntaxNode,
        parent: &'static Spec,
        siblings: &[SyntaxNode],
    ) -> Option<&'static Spec> {
        let name = excerpt(&node.name);
        let known: Vec<&str> = parent
            .all_children()
            .filter(|spec| spec.absent.is_none())
            .map(|spec| spec.name)
            .collect();
        let place = if parent.name == "file" {
            "at the top of a file".to_owned()
        } else {
            format!("in `{}`", parent.name)
        };
        let finding = Finding::new(
            Code::UnknownNode,
            node.name_span,
            format!("unknown node `{name}` {place}"),
            "not part of the language here",
        );
        let near = near_name(&node.name, known.iter().copied());
        let there: Vec<&str> = siblings
            .iter()
            .take(MAX_SIBLINGS)
            .map(|other| other.name.as_str())
            .collect();
        let finding = if let Some(help) = advice(&node.name, parent, &there) {
            finding.help(help.replace("{given}", "…"))
        } else if let Some(near) = near {
            let finding = finding.help(format!("did you mean `{near}`?"));
            // A setting that is there already is not meant again.
            let few = parent.name != "file" && siblings.len() <= MAX_SIBLINGS;
            let free = |spec: &Spec| spec.repeats || few && siblings.iter().all(|other| other.name != spec.name);
            let sure = fixable_name(&node.name, known.iter().copied());
            match sure.filter(|sure| parent.child(sure).is_some_and(free)) {
                Some(sure) => finding.fix(node.name_span, sure),
                None => finding,
            }
        } else if let Some(prop) = parent.prop(&node.name) {
            finding.help(format!(
                "`{0}` is a property of `{1}`: write `{1} … {0}=…`",
                prop.name, parent.name
            ))
        } else if let Some(child) = parent
            .all_children()
            .find(|child| child.absent.is_none() && child.prop(&node.name).is_some())
        {
            finding.help(format!(
                "`{name}` is a property of `{0}`: write `{0} … {name}=…`",
                child.name
            ))
        } else if let Some(place) = where_allowed(&node.name) {
            finding.help(place)
        } else {
            finding.help(format!("allowed here: {}", known.join(", ")))
        };
        self.findings.push(finding);
        near.and_then(|near| parent.child(near))
    }

    pub fn read(&mut self, node: &SyntaxNode, spec: &'static Spec, parent: &'static Spec) -> CheckedNode {
        let mut checked = CheckedNode {
            spec_name: spec.name,
            name_span: node.name_span,
            head: node.head,
            extent: node.extent,
            args: Vec::new(),
            props: Vec::new(),
            children: Vec::new(),
            damaged: false,
            swallowed: false,
            lost: false,
        };
        let args = self.args(node, spec, parent, &mut checked);
        self.check_args(&args, node, spec, &mut checked);
        // A missing property may have been written in a block that the node does not take.
        let block = node.children.as_deref().unwrap_or_default();
        checked.damaged |= spec.children.is_empty() && block.iter().any(|child| spec.prop(&child.name).is_some());
        self.props(node, spec, parent, &mut checked);
        self.children(node, spec, &mut checked);
        checked
    }

    fn children(&mut self, node: &SyntaxNode, spec: &'static Spec, checked: &mut CheckedNode) {
        let children = node.children.as_deref().unwrap_or_default();
        if spec.children.is_empty() {
            if let Some(first) = children.first() {
                self.findings.push(
                    Finding::new(
                        Code::UnknownNode,
                        first.name_span,
                        format!("`{}` takes no block", spec.name),
                        "not allowed here",
                    )
                    .help(match spec.prop(&first.name) {
                        Some(prop) => format!(
                            "`{}` is a property: write `{} {}={}`",
                            prop.name,
                            spec.name,
                            prop.name,
                            prop.ty.placeholder()
                        ),
                        None => format!("for example `{}`", spec.example),
                    }),
                );
            }
            return;
        }
        if matches!(spec.args, Args::Pair(..)) && node.args.is_empty() && self.named_in_block(children, spec) {
            checked.damaged = true;
            return;
        }
        let mut seen: Vec<&SyntaxNode> = Vec::new();
        let mut incomplete = checked.damaged;
        for child in children {
            incomplete |= child.name_replaced;
            let Some(row) = self.spec_of(child, spec, children) else {
                checked.lost = true;
                // A misspelt required setting is reported once, not also as missing.
                incomplete |= spec
                    .all_children()
                    .any(|s| s.required && near_enough(&child.name, s.name));
                continue;
            };
            if let Some(first) = seen.iter().find(|n| n.name == child.name)
                && !row.repeats
            {
                self.repeated(child, first, row);
                continue;
            }
            seen.push(child);
            let read = self.read(child, row, spec);
            incomplete |= read.swallowed;
            checked.children.push(read);
        }
        checked.damaged = incomplete;
        for row in spec.all_children().filter(|row| row.required) {
            if checked.child(row.name).is_none() && !incomplete {
                self.findings.push(
                    Finding::new(
                        Code::Missing,
                        node.head,
                        format!("`{}` has no `{}`", spec.name, row.name),
                        format!("`{}` is missing: {}", row.name, row.doc),
                    )
                    .help(format!("add `{}`", row.example)),
                );
            }
        }
    }

    /// `env { MODE "live" }`: names and values in a block; reported once, with the lines to write.
    fn named_in_block(&mut self, children: &[SyntaxNode], spec: &'static Spec) -> bool {
        let mut own = children.iter().filter(|child| spec.child(&child.name).is_none());
        let Some(first) = own.next() else {
            return false;
        };
        let line = |child: &SyntaxNode| {
            let value = match child.args.first() {
                Some(SyntaxValue {
                    data: Data::Text(text), ..
                }) => kdl_string(text),
                Some(value) if !value.typed.is_empty() => kdl_string(&value.typed),
                _ => "\"…\"".to_owned(),
            };
            excerpt(&format!("{} {} {value}", spec.name, kdl_string(&child.name)))
        };
        let lines: Vec<String> = std::iter::once(first).chain(own).take(3).map(line).collect();
        self.findings.push(
            Finding::new(
                Code::UnknownNode,
                first.name_span,
                format!("`{}` takes no block of names and values", spec.name),
                "a name and a value",
            )
            .help(format!("write `{}`", lines.join("; "))),
        );
        true
    }

    fn repeated(&mut self, again: &SyntaxNode, first: &SyntaxNode, row: &'static Spec) {
        let mut finding = given_twice(&format!("`{}`", row.name), again.head, first.head);
        if let Args::Many(_) = row.args {
            let all = first.args.iter().chain(&again.args).map(|value| match &value.data {
                Data::Text(text) => format!("\"{}\"", excerpt(text)),
                _ => "…".to_owned(),
            });
            let all: Vec<String> = all.collect();
            finding = finding.help(format!("write one line: `{} {}`", row.name, all.join(" ")));
        }
        self.findings.push(finding);
    }

    fn value(&mut self, value: &SyntaxValue, ty: Type, node: &'static str, prop: Option<&Prop>) -> Datum {
        if value.annotated {
            self.findings.push(
                Finding::new(
                    Code::WrongType,
                    value.span,
                    "a value has a type annotation",
                    "not used in ops files",
                )
                .help("write the value without the part in parentheses"),
            );
            return Datum::Bad;
        }
        let setting = prop.map_or(node, |p| p.name);
        let line = |text: &str| match prop {
            Some(prop) => format!("{}={text}", prop.name),
            None => format!("{node} {text}"),
        };
        match values::check(value, ty, setting, &line, &self.zones) {
            Ok(datum) => datum,
            Err(Some(finding)) => {
                self.findings.push(*finding);
                Datum::Bad
            }
            Err(None) => Datum::Bad,
        }
    }
}

fn near_enough(given: &str, name: &'static str) -> bool {
    nearest(given, [name].into_iter()).is_some() || may_mean(given, name)
}
