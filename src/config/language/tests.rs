//! The language as a value: nodes, arguments, properties, defaults, bounds and examples, and the kinds of findings.
//!
//! Takes the rows of `nodes` and the codes of `findings`, gives a [`Vocabulary`] for editors and the reference.
//! `schemas/language.json` holds it, which `opsrun schema` prints; a test of `report::schemas` compares the two.
//! Invariant: everything here comes from those rows and codes.

use crate::config::findings::{Code, FindingSeverity};
use crate::config::language::spec::{Args, Fallback, Prop, Spec};
use crate::config::language::types::Type;
use crate::config::nodes::ROOT;
use crate::config::nodes::job::ABSENT_PROPS;
use crate::config::nodes::ops::VERSION;
use schemars::JsonSchema;
use serde::Serialize;

pub const FORMAT: u32 = 1;

/// The language of ops files.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "opsrun language, format 1")]
pub struct Vocabulary {
    /// Number of this format: 1.
    pub format: u32,
    /// The version of the language, as in `ops version=1`.
    pub version: u64,
    /// The nodes at the top of a file.
    pub nodes: Vec<NodeEntry>,
    /// Parts of the language that this build does not support.
    pub absent: Vec<AbsentEntry>,
    /// The kinds of findings.
    pub findings: Vec<FindingKind>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Node")]
pub struct NodeEntry {
    /// As it is written.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// In order.
    pub arguments: Vec<ArgumentEntry>,
    /// In the order of the reference; a file may have any.
    pub properties: Vec<PropertyEntry>,
    /// The nodes in its block; empty: it takes none.
    pub children: Vec<NodeEntry>,
    /// True when it must be given.
    pub required: bool,
    /// True when it may be given several times.
    pub repeats: bool,
    /// What holds without it.
    pub default: Option<DefaultEntry>,
    /// A further condition, in words.
    pub rule: Option<&'static str>,
    /// A short use of it.
    pub example: &'static str,
}

/// An argument, or the last of them and all that follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Argument")]
pub struct ArgumentEntry {
    /// What it must be.
    #[serde(flatten)]
    pub form: ValueForm,
    /// True when it must be given.
    pub required: bool,
    /// True when several may follow one another.
    pub repeats: bool,
}

/// A property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Property")]
pub struct PropertyEntry {
    /// As it is written, without the `=`.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// What its value must be.
    #[serde(flatten)]
    pub form: ValueForm,
    /// True when it must be given.
    pub required: bool,
    /// What holds without it.
    pub default: Option<DefaultEntry>,
    /// A further condition, in words.
    pub rule: Option<&'static str>,
    /// A value, as it is written.
    pub example: &'static str,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Form")]
pub struct ValueForm {
    /// The name of its type.
    #[serde(rename = "type")]
    pub ty: &'static str,
    /// The accepted form, for people.
    pub form: String,
    /// The least number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<u64>,
    /// The greatest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<u64>,
    /// The words, where only some are allowed.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub words: &'static [&'static str],
}

/// What holds without a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Unset")]
#[serde(rename_all = "lowercase")]
pub enum DefaultEntry {
    /// The same as with these arguments, or this value, as they are written.
    Value(&'static str),
    /// What no value says, in words.
    Words(&'static str),
}

/// A part of the language that this build does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Absent")]
pub struct AbsentEntry {
    /// The node in which it would be written; none at the top of a file.
    pub within: Option<&'static str>,
    /// As it would be written; a property ends with `=`.
    pub name: String,
    /// What to do instead.
    pub instead: &'static str,
}

/// A kind of finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Kind")]
pub struct FindingKind {
    /// Such as `OPS2001`; it never changes its meaning.
    pub code: &'static str,
    /// What `allow` names.
    pub slug: &'static str,
    /// Unless a finding says otherwise.
    pub severity: FindingSeverity,
    /// What it is about, in one line.
    pub title: &'static str,
}

impl Vocabulary {
    pub fn of_this_build() -> Self {
        let mut absent = Vec::new();
        missing(&ROOT, None, &mut absent);
        absent.extend(ABSENT_PROPS.iter().map(|(node, prop, instead)| AbsentEntry {
            within: Some(node),
            name: format!("{prop}="),
            instead,
        }));
        Self {
            format: FORMAT,
            version: VERSION,
            nodes: children(&ROOT),
            absent,
            findings: Code::ALL.iter().map(|code| kind(*code)).collect(),
        }
    }
}

fn children(spec: &Spec) -> Vec<NodeEntry> {
    spec.all_children()
        .filter(|child| child.absent.is_none())
        .map(node)
        .collect()
}

fn node(spec: &'static Spec) -> NodeEntry {
    NodeEntry {
        name: spec.name,
        summary: spec.doc,
        arguments: arguments(spec.args),
        properties: spec.props.iter().map(property).collect(),
        children: children(spec),
        required: spec.required,
        repeats: spec.repeats,
        default: spec.default.map(default),
        rule: spec.rule,
        example: spec.example,
    }
}

fn arguments(args: Args) -> Vec<ArgumentEntry> {
    let one = |ty, required, repeats| ArgumentEntry {
        form: form(ty),
        required,
        repeats,
    };
    match args {
        Args::None => Vec::new(),
        Args::Flag => vec![one(Type::Bool, false, false)],
        Args::One(ty) => vec![one(ty, true, false)],
        Args::Maybe(ty) => vec![one(ty, false, false)],
        Args::Many(ty) => vec![one(ty, true, true)],
        Args::Then(first, rest) => vec![one(first, true, false), one(rest, false, true)],
        Args::Pair(first, second) => vec![one(first, true, false), one(second, false, false)],
    }
}

fn property(prop: &'static Prop) -> PropertyEntry {
    PropertyEntry {
        name: prop.name,
        summary: prop.doc,
        form: form(prop.ty),
        required: prop.required,
        default: prop.default.map(default),
        rule: prop.rule,
        example: prop.example,
    }
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Cron => "cron",
            Self::Mail => "mail",
            Self::Secret => "secret",
            Self::Name => "name",
            Self::Path => "path",
            Self::Duration => "duration",
            Self::Age => "age",
            Self::Years => "years",
            Self::Size => "size",
            Self::Percent => "percentage",
            Self::Integer(..) => "integer",
            Self::Word(..) => "word",
            Self::Glob => "glob",
            Self::Bool => "flag",
            Self::Zone => "zone",
            Self::Program => "program",
            Self::Argument => "argument",
            Self::Variable => "variable",
            Self::Account => "account",
            Self::File => "file",
            Self::Job => "job",
            Self::Address => "address",
            Self::Url => "url",
            Self::Header => "header",
            Self::Pointer => "pointer",
            Self::Scalar => "scalar",
            Self::Decimal(..) => "decimal",
            Self::Space => "space",
        }
    }

    /// The least and the greatest number.
    fn bounds(self) -> Option<(u64, u64)> {
        match self {
            Self::Integer(low, high) => Some((low, high)),
            Self::Decimal(low, high) => Some((low.into(), high.into())),
            _ => None,
        }
    }

    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Word(words, _) => words,
            _ => &[],
        }
    }
}

fn form(ty: Type) -> ValueForm {
    let bounds = ty.bounds();
    ValueForm {
        ty: ty.name(),
        form: ty.form(),
        minimum: bounds.map(|(least, _)| least),
        maximum: bounds.map(|(_, greatest)| greatest).filter(|most| *most != u64::MAX),
        words: ty.words(),
    }
}

fn default(fallback: Fallback) -> DefaultEntry {
    match fallback {
        Fallback::Given(text) => DefaultEntry::Value(text),
        Fallback::Words(text) => DefaultEntry::Words(text),
    }
}

/// What is known in `spec` and below it, and not built in.
fn missing(spec: &'static Spec, within: Option<&'static str>, found: &mut Vec<AbsentEntry>) {
    for child in spec.all_children() {
        match child.absent {
            Some(instead) => found.push(AbsentEntry {
                within,
                name: child.name.to_owned(),
                instead,
            }),
            None => missing(child, Some(child.name), found),
        }
    }
}

fn kind(code: Code) -> FindingKind {
    FindingKind {
        code: code.id(),
        slug: code.slug(),
        severity: code.severity(),
        title: code.title(),
    }
}

#[test]
fn types_differ_in_their_names() {
    fn forms<'a>(nodes: &'a [NodeEntry], found: &mut Vec<(&'a str, String)>) {
        for node in nodes {
            let shapes = node.arguments.iter().map(|argument| &argument.form);
            for form in shapes.chain(node.properties.iter().map(|property| &property.form)) {
                // Of words and numbers the bounds are part of the form.
                if form.words.is_empty() && form.minimum.is_none() {
                    found.push((form.ty, form.form.clone()));
                }
            }
            forms(&node.children, found);
        }
    }
    let all = Vocabulary::of_this_build();
    let mut found = Vec::new();
    forms(&all.nodes, &mut found);
    found.sort();
    found.dedup();
    assert!(found.len() > 10);
    assert!(found.windows(2).all(|two| two[0].0 != two[1].0), "{found:?}");
}
