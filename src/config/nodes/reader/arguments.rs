//! The arguments of a node: each checked against its row, and what was meant by surplus ones.
//!
//! Takes a node and its row, adds to its [`CheckedNode`]; reports arguments that are missing, surplus, or meant as properties.

use super::NodeReader;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, Prop, Spec};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::source::{Span, Spanned};
use crate::config::syntax::kdl_string;
use crate::config::syntax::tree::{Data, SyntaxNode, SyntaxValue};

impl NodeReader {
    /// The arguments that are this node's own: a bare word that is a sibling's name begins another setting.
    pub(super) fn args<'a>(
        &mut self,
        node: &'a SyntaxNode,
        spec: &'static Spec,
        parent: &'static Spec,
        checked: &mut CheckedNode,
    ) -> Vec<&'a SyntaxValue> {
        let mut own = Vec::new();
        let mut taken = false;
        for (at, arg) in node.args.iter().enumerate() {
            if std::mem::take(&mut taken) {
                continue;
            }
            if let Some(value) = node.args.get(at + 1)
                && let Some(prop) = property_without_sign(arg, value, spec, parent)
            {
                self.no_sign(arg, value, prop, checked);
                taken = true;
                continue;
            }
            if let Data::Text(text) = &arg.data
                && arg.bare
                && (!own.is_empty() || matches!(spec.args, Args::None | Args::Flag | Args::Maybe(_)))
                && let name = text.strip_suffix(':').unwrap_or(text)
                && let Some(other) = parent.child(name).or_else(|| spec.child(name))
            {
                let finding = Finding::new(
                    Code::SurplusArgument,
                    arg.span,
                    format!("two settings on one line: `{}` and `{}`", spec.name, other.name),
                    format!("read as an argument of `{}`", spec.name),
                )
                .also(node.name_span, "starts here")
                .help(format!("put a `;` or a line break before `{0}`", other.name));
                let after = last_before(node, arg);
                // What a program is called with is not changed.
                let command = matches!(spec.args, Args::Then(Type::Program, _));
                let finding = if command {
                    let help =
                        "put a `;` or a line break before it; or quotes around it, for an argument of the program";
                    finding.help(help)
                } else {
                    finding
                };
                let sibling = parent.name != "file" && parent.child(name).is_some() && !command;
                self.findings.push(if sibling {
                    finding.fixes(
                        format!("put a `;` before `{}`", other.name),
                        vec![(Span::new(after, after), ";".to_owned())],
                    )
                } else {
                    finding
                });
                checked.damaged = true;
                checked.swallowed = true;
                return own;
            }
            own.push(arg);
        }
        own
    }

    /// `backup "a"` for `backup="a"`: read as it was meant.
    fn no_sign(&mut self, key: &SyntaxValue, value: &SyntaxValue, prop: &'static Prop, checked: &mut CheckedNode) {
        let given = match &value.data {
            Data::Text(text) if value.bare => excerpt(text),
            Data::Text(text) => excerpt(&kdl_string(text)),
            _ if value.typed.is_empty() => prop.ty.placeholder().to_owned(),
            _ => value.typed.clone(),
        };
        let mut finding = Finding::new(
            Code::SurplusArgument,
            key.span.to(value.span),
            format!("`=` is missing after `{}`", prop.name),
            "read as two arguments",
        )
        .help(format!("write `{}={given}`", prop.name));
        if checked.prop(prop.name).is_none() && checked.damaged {
            self.findings.push(finding);
            return;
        }
        let end = key.span.start + prop.name.len();
        finding = finding.fixes(
            format!("write `{}={given}`", prop.name),
            vec![(Span::new(end, value.span.start), "=".to_owned())],
        );
        self.findings.push(finding);
        let datum = self.value(value, prop.ty, checked.spec_name, Some(prop));
        let span = value.span;
        checked.props.push((prop.name, Spanned { value: datum, span }));
    }

    pub(super) fn check_args(
        &mut self,
        args: &[&SyntaxValue],
        node: &SyntaxNode,
        spec: &'static Spec,
        checked: &mut CheckedNode,
    ) {
        let (types, rest, least): ([Option<Type>; 2], Option<Type>, usize) = match spec.args {
            Args::None => ([None, None], None, 0),
            Args::Flag => ([Some(Type::Bool), None], None, 0),
            Args::Maybe(ty) => ([Some(ty), None], None, 0),
            Args::One(ty) => ([Some(ty), None], None, 1),
            Args::Pair(first, second) => ([Some(first), Some(second)], None, 1),
            Args::Many(ty) => ([None, None], Some(ty), 1),
            Args::Then(first, ty) => ([Some(first), None], Some(ty), 1),
        };
        for (at, arg) in args.iter().enumerate() {
            match types.get(at).copied().flatten().or(rest) {
                Some(ty) => {
                    let value = self.value(arg, ty, spec.name, None);
                    checked.args.push(Spanned { value, span: arg.span });
                }
                // A repaired value was reported already.
                None if arg.data == Data::Replaced => checked.damaged = true,
                None => {
                    self.surplus(args, at, spec);
                    checked.damaged = true;
                    break;
                }
            }
        }
        // `env NAME="value"` is reported once.
        let inside = node
            .children
            .iter()
            .flatten()
            .any(|child| spec.child(&child.name).is_none());
        let misplaced =
            matches!(spec.args, Args::Pair(..)) && (inside || node.props.iter().any(|p| spec.prop(&p.key).is_none()));
        if args.len() < least && !checked.damaged && !misplaced {
            let what = match spec.args {
                Args::Then(Type::Name, _) | Args::Pair(..) | Args::One(Type::Name) => "name",
                Args::Then(Type::Program, _) => "program",
                _ => "value",
            };
            self.findings.push(
                Finding::new(
                    Code::Missing,
                    node.head,
                    format!("`{}` has no {what}", spec.name),
                    format!("needs a {what}"),
                )
                .help(format!("for example `{}`", spec.example)),
            );
        }
    }

    fn surplus(&mut self, args: &[&SyntaxValue], at: usize, spec: &'static Spec) {
        let (Some(first), Some(last)) = (args.get(at), args.last()) else {
            return;
        };
        let span = first.span.to(last.span);
        let takes = match spec.args {
            Args::None => "no arguments",
            Args::Flag => "only #true or #false",
            Args::Pair(..) => "a name and one value",
            _ => "one argument",
        };
        let mut finding = Finding::new(
            Code::SurplusArgument,
            span,
            format!("`{}` takes {takes}", spec.name),
            if at == 0 { "not allowed here" } else { "surplus" },
        );
        let before = at.checked_sub(1).and_then(|at| args.get(at));
        if let Data::Text(text) = &first.data
            && let Some(prop) = spec.prop(text.trim_end_matches(':'))
        {
            let given = match args.get(at + 1).map(|value| &value.data) {
                Some(Data::Text(text)) => format!("\"{}\"", excerpt(text)),
                Some(Data::Integer(number)) => number.to_string(),
                _ => prop.ty.placeholder().to_string(),
            };
            finding = finding.help(format!("write `{}={given}`", prop.name));
        } else if first.bare && before.is_some_and(|value| value.bare && value.data == Data::Replaced) {
            // The value before it was reported as unquoted.
            finding = finding.help(format!(
                "if it is part of the value before it, put both in quotes: `{} \"… …\"`",
                spec.name
            ));
        } else if matches!(spec.name, "source" | "to")
            && let (Data::Text(text), Args::One(Type::Path)) = (&first.data, spec.args)
        {
            let second = excerpt(&kdl_string(text));
            finding = finding.help(if spec.name == "source" {
                format!("a backup has one source: write another backup, `backup \"…\" {{ source {second}; to \"…\"; }}`")
            } else {
                format!("a backup has one destination: write another backup, `backup \"…\" {{ source \"…\"; to {second}; }}`")
            });
        } else if !spec.example.is_empty() {
            finding = finding.help(format!("for example `{}`", spec.example));
        }
        self.findings.push(finding);
    }
}

/// A bare word that is the name of a property, and what follows it.
fn property_without_sign(
    key: &SyntaxValue,
    value: &SyntaxValue,
    spec: &'static Spec,
    parent: &'static Spec,
) -> Option<&'static Prop> {
    let Data::Text(text) = &key.data else {
        return None;
    };
    let name = text.strip_suffix(':').unwrap_or(text);
    // In a block the name of a sibling begins another setting.
    let sibling = parent.name != "file" && parent.child(name).is_some();
    let another = matches!(&value.data, Data::Text(text) if value.bare && spec.prop(text).is_some());
    let known = value.data != Data::Replaced;
    spec.prop(name).filter(|_| key.bare && known && !sibling && !another)
}

/// Where the last part of a node before `arg` ends.
fn last_before(node: &SyntaxNode, arg: &SyntaxValue) -> usize {
    let args = node.args.iter().map(|value| value.span);
    let props = node.props.iter().map(|prop| prop.value.span);
    let ends = args
        .chain(props)
        .filter(|span| span.end <= arg.span.start)
        .map(|span| span.end);
    ends.max().unwrap_or(node.name_span.end)
}
