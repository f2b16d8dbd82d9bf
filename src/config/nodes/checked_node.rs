//! A node whose values have been checked against its row of the language.
//!
//! Made by `reader`, decoded by the files of the single nodes. Knows the table, not what single settings mean.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::source::{Span, Spanned};
use crate::config::values::Datum;
use crate::model::pattern::Pattern;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

#[derive(Debug, Clone, PartialEq)]
pub struct CheckedNode {
    pub spec_name: &'static str,
    pub name_span: Span,
    pub head: Span,
    pub extent: Span,
    pub args: Vec<Spanned<Datum>>,
    pub props: Vec<(&'static str, Spanned<Datum>)>,
    pub children: Vec<CheckedNode>,
    /// A mistake hides settings of this node: what is missing may be there.
    pub damaged: bool,
    /// A setting of the parent was read as an argument of this one.
    pub swallowed: bool,
    /// A node in its block was reported and not read.
    pub lost: bool,
}

impl CheckedNode {
    pub fn prop(&self, name: &str) -> Option<&Spanned<Datum>> {
        self.props.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub fn child(&self, name: &str) -> Option<&CheckedNode> {
        self.children.iter().find(|child| child.spec_name == name)
    }

    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a CheckedNode> {
        self.children.iter().filter(move |child| child.spec_name == name)
    }

    /// The first argument, as text.
    pub fn text(&self) -> Option<Spanned<String>> {
        text(self.args.first()?)
    }

    /// The first argument for a message, `…` without one.
    pub fn shown_name(&self) -> String {
        let name = self.args.first().and_then(|name| name.value.text());
        excerpt(name.unwrap_or("…"))
    }

    /// The first argument of a child.
    pub fn arg(&self, child: &str) -> Option<&Spanned<Datum>> {
        self.child(child)?.args.first()
    }

    /// The first argument of a child, where it is given and right.
    pub fn value<T>(&self, child: &str, read: impl Fn(&Datum) -> Option<T>) -> Option<Spanned<T>> {
        spanned(self.arg(child)?, read)
    }

    /// The same without its span.
    pub fn get<T>(&self, child: &str, read: impl Fn(&Datum) -> Option<T>) -> Option<T> {
        read(&self.arg(child)?.value)
    }

    /// A property, where it is given and right.
    pub fn prop_value<T>(&self, name: &str, read: impl Fn(&Datum) -> Option<T>) -> Option<Spanned<T>> {
        spanned(self.prop(name)?, read)
    }

    /// The same without its span.
    pub fn get_prop<T>(&self, name: &str, read: impl Fn(&Datum) -> Option<T>) -> Option<T> {
        read(&self.prop(name)?.value)
    }

    /// A flag without a value is on. One with a wrong value is off: nothing more is concluded from it.
    pub fn flag(&self, child: &str) -> bool {
        let value = self.child(child).map(|node| node.args.first());
        value.is_some_and(|value| value.is_none_or(|value| value.value == Datum::Bool(true)))
    }

    /// The globs of a child; false when one of them was wrong.
    pub fn globs(&self, child: &str) -> (Vec<Spanned<Pattern>>, bool) {
        match self.child(child) {
            None => (Vec::new(), true),
            Some(node) => {
                let (patterns, known) = globs(node.args.iter());
                (patterns, known && !node.damaged && !node.args.is_empty())
            }
        }
    }

    /// True when something in this node or below it was wrong: a rule must not rely on what is missing.
    pub fn is_incomplete(&self) -> bool {
        let mut values = self.args.iter().chain(self.props.iter().map(|(_, value)| value));
        self.damaged
            || self.lost
            || values.any(|value| value.value == Datum::Bad)
            || self.children.iter().any(Self::is_incomplete)
    }
}

/// Names that may be given once.
#[derive(Default)]
pub struct EachOnce(HashMap<String, Span>);

impl EachOnce {
    /// The finding for a name that was given before.
    pub fn again(&mut self, name: String, span: Span, shown: impl FnOnce() -> String) -> Option<Finding> {
        let first = match self.0.entry(name) {
            Entry::Occupied(first) => *first.get(),
            Entry::Vacant(free) => {
                free.insert(span);
                return None;
            }
        };
        Some(given_twice(&shown(), span, first))
    }
}

pub fn given_twice(what: &str, again: Span, first: Span) -> Finding {
    Finding::new(Code::Repeated, again, format!("{what} is given twice"), "again here")
        .also(first, "first here")
        .help("delete one of them")
}

pub fn spanned<T>(value: &Spanned<Datum>, read: impl Fn(&Datum) -> Option<T>) -> Option<Spanned<T>> {
    Some(Spanned {
        value: read(&value.value)?,
        span: value.span,
    })
}

pub fn text(value: &Spanned<Datum>) -> Option<Spanned<String>> {
    spanned(value, Datum::string)
}

/// What a word means, by a table.
pub fn one_of<T: Copy>(table: &[(&str, T)]) -> impl Fn(&Datum) -> Option<T> {
    |datum| {
        let word = datum.text()?;
        table
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, meaning)| *meaning)
    }
}

/// Patterns; false when one of them was wrong.
pub fn globs<'a>(values: impl Iterator<Item = &'a Spanned<Datum>>) -> (Vec<Spanned<Pattern>>, bool) {
    let (mut patterns, mut all_known) = (Vec::new(), true);
    for value in values {
        let pattern = spanned(value, |datum| match datum {
            Datum::Glob(pattern) => Some(pattern.clone()),
            _ => None,
        });
        all_known &= pattern.is_some();
        patterns.extend(pattern);
    }
    (patterns, all_known)
}
