//! One row of the language: a node or a property, with its type, default, rule, example and a line about it.
//!
//! The rows are constants beside the code that decodes them. Decoding, "did you mean", missing settings, the reference and
//! `schemas/language.json` all read these rows.
//! Invariant (held by `nodes/tests`): a name occurs once among its siblings, and every example and default is valid.

use super::types::Type;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Args {
    None,
    /// Nothing, or `#true` or `#false`.
    Flag,
    One(Type),
    /// At least one.
    Many(Type),
    /// One, then any number of another type.
    Then(Type, Type),
    Pair(Type, Type),
    Maybe(Type),
}

/// What holds where a setting is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// The same as with these arguments or this value, written as in an ops file.
    Given(&'static str),
    /// What no value says.
    Words(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub struct Prop {
    pub name: &'static str,
    pub ty: Type,
    pub required: bool,
    pub doc: &'static str,
    pub default: Option<Fallback>,
    /// What its type does not say about its values.
    pub rule: Option<&'static str>,
    /// As it is written.
    pub example: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub struct Spec {
    pub name: &'static str,
    pub args: Args,
    pub props: &'static [Prop],
    /// Groups of children, so that groups can be shared. Empty: takes no block.
    pub children: &'static [&'static [Spec]],
    /// May occur more than once.
    pub repeats: bool,
    pub required: bool,
    /// Known to the language, but not built in: what to do instead.
    pub absent: Option<&'static str>,
    pub doc: &'static str,
    pub example: &'static str,
    pub default: Option<Fallback>,
    /// What its arguments, properties and children do not say.
    pub rule: Option<&'static str>,
    /// The environment variable that usually holds its value, where that may be secret.
    pub variable: Option<&'static str>,
}

/// A row still without its line about it and its example.
pub const fn node(name: &'static str, args: Args) -> Spec {
    Spec {
        name,
        args,
        props: &[],
        children: &[],
        repeats: false,
        required: false,
        absent: None,
        doc: "",
        example: "",
        default: None,
        rule: None,
        variable: None,
    }
}

/// The words of a table of words and their meanings.
pub const fn words<T, const N: usize>(table: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut at = 0;
    while at < N {
        words[at] = table[at].0;
        at += 1;
    }
    words
}

/// A node that the language has and this build has not.
pub const fn absent(name: &'static str, instead: &'static str) -> Spec {
    let mut spec = node(name, Args::None);
    spec.absent = Some(instead);
    spec.repeats = true;
    spec
}

pub const fn prop(name: &'static str, ty: Type, doc: &'static str) -> Prop {
    Prop {
        name,
        ty,
        required: false,
        doc,
        default: None,
        rule: None,
        example: ty.example(),
    }
}

pub const fn required_prop(name: &'static str, ty: Type, doc: &'static str) -> Prop {
    let mut prop = prop(name, ty, doc);
    prop.required = true;
    prop
}

impl Prop {
    /// The default, as a value in an ops file.
    pub const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(Fallback::Given(value));
        self
    }

    /// The default, in words: no value says it.
    pub const fn otherwise(mut self, words: &'static str) -> Self {
        self.default = Some(Fallback::Words(words));
        self
    }

    pub const fn rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    pub const fn example(mut self, value: &'static str) -> Self {
        self.example = value;
        self
    }
}

impl Spec {
    pub fn all_children(&self) -> impl Iterator<Item = &'static Spec> {
        self.children.iter().flat_map(|group| group.iter())
    }

    pub fn child(&self, name: &str) -> Option<&'static Spec> {
        self.all_children().find(|spec| spec.name == name)
    }

    pub fn prop(&self, name: &str) -> Option<&'static Prop> {
        self.props.iter().find(|prop| prop.name == name)
    }

    /// True when its value must not be written in the file, only where it comes from.
    pub fn is_secret(&self) -> bool {
        self.args == Args::Maybe(Type::Secret)
    }

    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    pub const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }

    pub const fn with(mut self, props: &'static [Prop]) -> Self {
        self.props = props;
        self
    }

    pub const fn block(mut self, children: &'static [&'static [Spec]]) -> Self {
        self.children = children;
        self
    }

    pub const fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The default, as arguments in an ops file.
    pub const fn default(mut self, args: &'static str) -> Self {
        self.default = Some(Fallback::Given(args));
        self
    }

    /// The default, in words: no argument says it.
    pub const fn otherwise(mut self, words: &'static str) -> Self {
        self.default = Some(Fallback::Words(words));
        self
    }

    pub const fn rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    pub const fn variable(mut self, name: &'static str) -> Self {
        self.variable = Some(name);
        self
    }
}
