//! A node and its row of the schema → typed values, and findings for all that does not fit.
//!
//! Takes a [`SyntaxNode`] and its [`Spec`], gives a [`Reading`] in which every value has been checked. Knows the table, not
//! what single settings mean.
//! Invariant: every node, argument and property is either in the reading or in a finding.

mod properties;

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::suggest::nearest;
use crate::config::nodes::schema::{Args, Prop, Spec, Type};
use crate::config::source::{Span, Spanned};
use crate::config::syntax::kdl_string;
use crate::config::syntax::other_formats::loanwords;
use crate::config::syntax::tree::{Data, SyntaxNode, SyntaxValue};
use crate::config::values;
use crate::model::check::{Address, Space};
use crate::model::pattern::Pattern;
use properties::example_value;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) enum Datum {
    Text(String),
    Number(u64),
    Percent(u8),
    Duration(Duration),
    Forever,
    Glob(Pattern),
    Bool(bool),
    Zone(chrono_tz::Tz),
    Decimal(f64),
    Space(Space),
    Address(Address),
    Scalar(serde_json::Value),
    Bad,
}

/// What a node says, in the types of the schema.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) struct Reading {
    pub(in crate::config) spec_name: &'static str,
    pub(in crate::config) name_span: Span,
    pub(in crate::config) head: Span,
    pub(in crate::config) extent: Span,
    pub(in crate::config) args: Vec<Spanned<Datum>>,
    pub(in crate::config) props: Vec<(&'static str, Spanned<Datum>)>,
    pub(in crate::config) children: Vec<Reading>,
    /// Settings were lost to a slip in this node: what is missing may have been there.
    pub(in crate::config) damaged: bool,
    /// A setting of the parent was read as an argument of this one.
    pub(in crate::config) swallowed: bool,
    /// A node in its block was reported and not read.
    pub(in crate::config) lost: bool,
}

impl Reading {
    pub(in crate::config) fn prop(&self, name: &str) -> Option<&Spanned<Datum>> {
        self.props.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(in crate::config) fn child(&self, name: &str) -> Option<&Reading> {
        self.children.iter().find(|child| child.spec_name == name)
    }

    pub(in crate::config) fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Reading> {
        self.children.iter().filter(move |child| child.spec_name == name)
    }
}

/// Reads nodes and collects what is wrong with them.
#[derive(Debug, Default)]
pub(in crate::config) struct Reader {
    pub(in crate::config) findings: Vec<Finding>,
}

impl Reader {
    /// Which row of the table a node is; reports those that the language or this build does not have.
    pub(in crate::config) fn spec_of(
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
                    "ops files use none",
                )
                .help(format!(
                    "write `{}` without the part in parentheses",
                    excerpt(&node.name)
                )),
            );
        }
        let Some(spec) = parent.child(&node.name) else {
            let meant = self.unknown_node(node, parent, siblings);
            // A job under a misspelt name is read all the same, so that its other mistakes are told in one go.
            return meant.filter(|spec| parent.name == "file" && spec.name != "import");
        };
        if let Some(instead) = spec.absent {
            self.findings.push(
                Finding::new(
                    Code::UnknownNode,
                    node.name_span,
                    format!("`{}` is not in this build", spec.name),
                    "known to the language, but not built in",
                )
                .help(instead),
            );
            return None;
        }
        Some(spec)
    }

    /// Reports it, and gives the node that was probably meant.
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
            format!("there is no `{name}` {place}"),
            "unknown node",
        );
        let near = loanwords::near(&node.name, known.iter().copied());
        let there: Vec<&str> = siblings
            .iter()
            .take(MOST_SIBLINGS)
            .map(|other| other.name.as_str())
            .collect();
        let finding = if let Some(help) = loanwords::help(&node.name, parent, &there) {
            finding.help(help.replace("{given}", "…"))
        } else if let Some(near) = near {
            let finding = finding.help(format!("did you mean `{near}`?"));
            // What is there already is not meant a second time.
            let few = parent.name != "file" && siblings.len() <= MOST_SIBLINGS;
            let free = |spec: &Spec| spec.repeats || few && siblings.iter().all(|other| other.name != spec.name);
            let sure = loanwords::slip(&node.name, known.iter().copied());
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
        } else if let Some(place) = loanwords::place(&node.name) {
            finding.help(place)
        } else {
            finding.help(format!("allowed here: {}", known.join(", ")))
        };
        self.findings.push(finding);
        near.and_then(|near| parent.child(near))
    }

    pub(in crate::config) fn read(&mut self, node: &SyntaxNode, spec: &'static Spec, parent: &'static Spec) -> Reading {
        let mut reading = Reading {
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
        let args = self.args(node, spec, parent, &mut reading);
        self.check_args(&args, node, spec, &mut reading);
        // What its properties lack may stand in a block that it does not take.
        let block = node.children.as_deref().unwrap_or_default();
        reading.damaged |= spec.children.is_empty() && block.iter().any(|child| spec.prop(&child.name).is_some());
        self.props(node, spec, &mut reading);
        self.children(node, spec, &mut reading);
        reading
    }

    /// The arguments that are this node's own: a bare word that is a sibling's name begins another setting.
    fn args<'a>(
        &mut self,
        node: &'a SyntaxNode,
        spec: &'static Spec,
        parent: &'static Spec,
        reading: &mut Reading,
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
                self.no_sign(arg, value, prop, reading);
                taken = true;
                continue;
            }
            if let Data::Text(text) = &arg.data
                && arg.bare
                && (!own.is_empty() || matches!(spec.args, Args::None | Args::Flag | Args::Maybe(_)))
                && let Some(other) = parent.child(text).or_else(|| spec.child(text))
            {
                let finding = Finding::new(
                    Code::SurplusArgument,
                    arg.span,
                    format!("two settings ran together: `{}` and `{}`", spec.name, other.name),
                    format!("read as an argument of `{}`", spec.name),
                )
                .also(node.name_span, "begins here")
                .help(format!(
                    "put a `;` before `{0}`, or a new line that no `\\` joins with the one before",
                    other.name
                ));
                let behind = last_before(node, arg);
                let sibling = parent.name != "file" && parent.child(text).is_some();
                self.findings.push(if sibling {
                    finding.fixes(
                        format!("put a `;` before `{}`", other.name),
                        vec![(Span::new(behind, behind), ";".to_owned())],
                    )
                } else {
                    finding
                });
                reading.damaged = true;
                reading.swallowed = true;
                return own;
            }
            own.push(arg);
        }
        own
    }

    /// `backup "a"` for `backup="a"`: read as meant.
    fn no_sign(&mut self, key: &SyntaxValue, value: &SyntaxValue, prop: &'static Prop, reading: &mut Reading) {
        let given = match &value.data {
            Data::Text(text) if value.bare => excerpt(text),
            Data::Text(text) => excerpt(&kdl_string(text)),
            _ if value.typed.is_empty() => example_value(prop.ty).to_owned(),
            _ => value.typed.clone(),
        };
        let mut finding = Finding::new(
            Code::SurplusArgument,
            key.span.to(value.span),
            format!("an `=` is missing between `{}` and its value", prop.name),
            "read as two arguments",
        )
        .help(format!("write `{}={given}`", prop.name));
        if reading.prop(prop.name).is_none() && reading.damaged {
            self.findings.push(finding);
            return;
        }
        let end = key.span.start + prop.name.len();
        finding = finding.fixes(
            format!("write `{}={given}`", prop.name),
            vec![(Span::new(end, value.span.start), "=".to_owned())],
        );
        self.findings.push(finding);
        let datum = self.value(value, prop.ty, reading.spec_name, Some(prop));
        let span = value.span;
        reading.props.push((prop.name, Spanned { value: datum, span }));
    }

    fn check_args(&mut self, args: &[&SyntaxValue], node: &SyntaxNode, spec: &'static Spec, reading: &mut Reading) {
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
                    reading.args.push(Spanned { value, span: arg.span });
                }
                // What was mended was reported already.
                None if arg.data == Data::Replaced => reading.damaged = true,
                None => {
                    self.surplus(args, at, spec);
                    reading.damaged = true;
                    break;
                }
            }
        }
        // `env NAME="value"`: what is wrong there is said once.
        let inside = node
            .children
            .iter()
            .flatten()
            .any(|child| spec.child(&child.name).is_none());
        let misplaced =
            matches!(spec.args, Args::Pair(..)) && (inside || node.props.iter().any(|p| spec.prop(&p.key).is_none()));
        if args.len() < least && !reading.damaged && !misplaced {
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
                    format!("a {what} belongs after it"),
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
            if at == 0 { "not allowed here" } else { "one too many" },
        );
        let before = at.checked_sub(1).and_then(|at| args.get(at));
        if let Data::Text(text) = &first.data
            && let Some(prop) = spec.prop(text.trim_end_matches(':'))
        {
            let given = match args.get(at + 1).map(|value| &value.data) {
                Some(Data::Text(text)) => format!("\"{}\"", excerpt(text)),
                Some(Data::Integer(number)) => number.to_string(),
                _ => example_value(prop.ty).to_string(),
            };
            finding = finding.help(format!("write `{}={given}`", prop.name));
        } else if first.bare && before.is_some_and(|value| value.bare && value.data == Data::Replaced) {
            // What stands before it was said to need quotes.
            finding = finding.help(format!(
                "if it belongs to the value before it, put quotes around both: `{} \"… …\"`",
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

    fn children(&mut self, node: &SyntaxNode, spec: &'static Spec, reading: &mut Reading) {
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
                            example_value(prop.ty)
                        ),
                        None => format!("for example `{}`", spec.example),
                    }),
                );
            }
            return;
        }
        if matches!(spec.args, Args::Pair(..)) && node.args.is_empty() && self.named_in_block(children, spec) {
            reading.damaged = true;
            return;
        }
        let mut seen: Vec<&SyntaxNode> = Vec::new();
        let mut mended = reading.damaged;
        for child in children {
            mended |= child.name_replaced;
            let Some(row) = self.spec_of(child, spec, children) else {
                reading.lost = true;
                // A misspelt required setting is reported once, not also as missing.
                mended |= spec
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
            mended |= read.swallowed;
            reading.children.push(read);
        }
        reading.damaged = mended;
        for row in spec.all_children().filter(|row| row.required) {
            if reading.child(row.name).is_none() && !mended {
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

    /// `env { MODE "live" }`: names and values in a block; said once, with the lines to write.
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
        let finding = Finding::new(
            Code::Repeated,
            again.head,
            format!("`{}` is given twice", row.name),
            "again here",
        )
        .also(first.head, "first here");
        self.findings.push(if let Args::Many(_) = row.args {
            let all: Vec<String> = first
                .args
                .iter()
                .chain(&again.args)
                .map(|value| match &value.data {
                    Data::Text(text) => format!("\"{}\"", excerpt(text)),
                    _ => "…".to_owned(),
                })
                .collect();
            finding.help(format!("write one line: `{} {}`", row.name, all.join(" ")))
        } else {
            finding.help("delete one of them")
        });
    }

    fn value(&mut self, value: &SyntaxValue, ty: Type, node: &'static str, prop: Option<&Prop>) -> Datum {
        if value.annotated {
            self.findings.push(
                Finding::new(
                    Code::WrongType,
                    value.span,
                    "a value has a type annotation",
                    "ops files use none",
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
        match values::check(value, ty, setting, &line) {
            Ok(datum) => datum,
            Err(Some(finding)) => {
                self.findings.push(*finding);
                Datum::Bad
            }
            Err(None) => Datum::Bad,
        }
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

/// How many nodes of one block are looked at for one name.
const MOST_SIBLINGS: usize = 1_000;

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

fn near_enough(given: &str, name: &'static str) -> bool {
    nearest(given, [name].into_iter()).is_some() || loanwords::may_mean(given, name)
}
