//! The language as one table: nodes, arguments, properties, their types, defaults, bounds and a line about each.
//!
//! Takes nothing, gives [`ROOT`]; the rows are in `copies` (backups, retentions), `running` (targets, checks), `timing`
//! (schedules) and `telling` (channels). Decoding, "did you mean", required settings and their examples come from here, and
//! so do, through `vocabulary`, `docs/reference.md` and `schemas/language.json`. What the language knows and this build does
//! not have stands here too, to be refused by name.
//! Invariant: a name stands once among its siblings; every example and every default is itself valid, and means what the
//! decoder makes of its absence.

mod copies;
mod running;
mod telling;
#[cfg(test)]
mod tests;
mod timing;

use copies::{ASSERT, ASSERT_OF, BACKUP, RETENTION, TIMEOUT};
pub(in crate::config) use running::PROBES;
use running::{CHECK, RUN, TARGET, WHERE};
use telling::CHANNEL;
pub(in crate::config) use telling::{WAYS, WEB_SERVICES};
pub(in crate::config) use timing::RHYTHM;
use timing::{AGAIN, SCHEDULE, WHEN};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Type {
    Text,
    /// `[a-z0-9][a-z0-9_-]{0,62}`.
    Name,
    /// A path; not empty.
    Path,
    /// `"90s"`.
    Duration,
    /// `"30d"` or `"forever"`.
    Age,
    /// A duration that also knows years.
    Years,
    /// `"10GiB"`.
    Size,
    /// `"20%"`.
    Percent,
    /// A whole number in a range.
    Integer(u64, u64),
    /// One of the first list; the second is known to the language, but not in this build.
    Word(&'static [&'static str], &'static [&'static str]),
    Glob,
    /// `#true` or `#false`.
    Bool,
    Zone,
    /// What is run: a name, or a path with a `/` in it.
    Program,
    /// Any text that a program can be given.
    Argument,
    /// The name of an environment variable.
    Variable,
    /// A path to a file; not empty.
    File,
    Job,
    Address,
    /// `http://` or `https://`.
    Url,
    Header,
    /// A JSON pointer.
    Pointer,
    /// What JSON knows besides lists and objects.
    Scalar,
    /// A number that may have a fraction, in a range.
    Decimal(u32, u32),
    /// A percentage or a size.
    Space,
    /// Five fields, as crontab has them.
    Cron,
    Mail,
    /// What must not stand in the file at all.
    Secret,
}

impl Type {
    pub(in crate::config) fn form(self) -> String {
        match self {
            Self::Text | Self::Argument => "text in quotes".to_owned(),
            Self::Name => "a name in quotes, such as \"observer\"".to_owned(),
            Self::Path => "a path in quotes, such as \"/srv/data\"".to_owned(),
            Self::Duration => "a duration in quotes, such as \"90s\", \"36h\" or \"7d\"".to_owned(),
            Self::Age => "a duration in quotes, such as \"30d\", or \"forever\"".to_owned(),
            Self::Years => "a duration in quotes, such as \"90d\" or \"2y\"".to_owned(),
            Self::Size => "a size in quotes, such as \"500MB\" or \"10GiB\"".to_owned(),
            Self::Percent => "a percentage in quotes, such as \"20%\"".to_owned(),
            Self::Integer(low, u64::MAX) => format!("a whole number from {low} up"),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::Word(words, _) => words
                .iter()
                .map(|word| format!("\"{word}\""))
                .collect::<Vec<_>>()
                .join(" or "),
            Self::Glob => "a glob in quotes, such as \"*.csv\"".to_owned(),
            Self::Bool => "#true or #false".to_owned(),
            Self::Zone => "an IANA time zone in quotes, such as \"Europe/Berlin\"".to_owned(),
            Self::Program => "a program in quotes, such as \"rsync\" or \"bin/report\"".to_owned(),
            Self::Variable => "the name of an environment variable in quotes, such as \"MODE\"".to_owned(),
            Self::File => "the path of a file in quotes, such as \"/srv/data/heartbeat\"".to_owned(),
            Self::Job => "a job in quotes, such as \"backup:data\"".to_owned(),
            Self::Address => "host and port in quotes, such as \"db.example.com:5432\" or \"[::1]:5432\"".to_owned(),
            Self::Url => "a URL in quotes, such as \"https://example.com/health\"".to_owned(),
            Self::Header => "the name of a header in quotes, such as \"Accept\"".to_owned(),
            Self::Pointer => "a JSON pointer in quotes, such as \"/status\"".to_owned(),
            Self::Scalar => "text in quotes, a number, #true, #false or #null".to_owned(),
            Self::Decimal(low, high) => format!("a number from {low}.0 to {high}.0"),
            Self::Space => "a percentage or a size in quotes, such as \"15%\" or \"10GiB\"".to_owned(),
            Self::Cron => "five fields in quotes, such as \"30 4 * * *\"".to_owned(),
            Self::Mail => "an address in quotes, such as \"ops@example.com\"".to_owned(),
            Self::Secret => "no text: say where it comes from, such as `from-env=\"TOKEN\"`".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Args {
    /// None at all.
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
pub(in crate::config) enum Fallback {
    /// The same as with these arguments, or this value, written as in an ops file.
    Given(&'static str),
    /// Something that no value says.
    Words(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Prop {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) ty: Type,
    pub(in crate::config) required: bool,
    pub(in crate::config) doc: &'static str,
    /// What holds without it.
    pub(in crate::config) default: Option<Fallback>,
    /// What its type does not say about its values.
    pub(in crate::config) rule: Option<&'static str>,
    /// A value, as it is written; that of the type unless the row has one of its own.
    pub(in crate::config) example: &'static str,
}

impl Prop {
    /// Without it, it is as if this value were given.
    const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(Fallback::Given(value));
        self
    }

    /// Without it, this holds, which no value says.
    const fn otherwise(mut self, words: &'static str) -> Self {
        self.default = Some(Fallback::Words(words));
        self
    }

    /// What must hold besides the type.
    const fn rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    /// A better value to show than that of the type.
    const fn example(mut self, value: &'static str) -> Self {
        self.example = value;
        self
    }
}

#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Spec {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) args: Args,
    pub(in crate::config) props: &'static [Prop],
    /// Groups of children, so that groups can be shared. Empty: takes no block.
    pub(in crate::config) children: &'static [&'static [Spec]],
    /// May stand more than once.
    pub(in crate::config) repeats: bool,
    pub(in crate::config) required: bool,
    /// Known to the language, not to this build: what to do instead.
    pub(in crate::config) absent: Option<&'static str>,
    pub(in crate::config) doc: &'static str,
    pub(in crate::config) example: &'static str,
    /// What holds without it.
    pub(in crate::config) default: Option<Fallback>,
    /// What its arguments, properties and children do not say.
    pub(in crate::config) rule: Option<&'static str>,
    /// The environment variable that usually holds its value, where that may be secret.
    pub(in crate::config) variable: Option<&'static str>,
}

impl Spec {
    /// All children, in order.
    pub(in crate::config) fn all_children(&self) -> impl Iterator<Item = &'static Spec> {
        self.children.iter().flat_map(|group| group.iter())
    }

    pub(in crate::config) fn child(&self, name: &str) -> Option<&'static Spec> {
        self.all_children().find(|spec| spec.name == name)
    }

    pub(in crate::config) fn prop(&self, name: &str) -> Option<&'static Prop> {
        self.props.iter().find(|prop| prop.name == name)
    }

    /// What must not stand in the file: only where it comes from.
    pub(in crate::config) fn is_secret(&self) -> bool {
        self.args == Args::Maybe(Type::Secret)
    }

    const fn with(mut self, props: &'static [Prop]) -> Self {
        self.props = props;
        self
    }

    const fn block(mut self, children: &'static [&'static [Spec]]) -> Self {
        self.children = children;
        self
    }

    const fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Without it, it is as if it stood there with these arguments.
    const fn default(mut self, args: &'static str) -> Self {
        self.default = Some(Fallback::Given(args));
        self
    }

    /// Without it, this holds, which no argument says.
    const fn otherwise(mut self, words: &'static str) -> Self {
        self.default = Some(Fallback::Words(words));
        self
    }

    const fn rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    const fn variable(mut self, name: &'static str) -> Self {
        self.variable = Some(name);
        self
    }
}

const fn node(name: &'static str, args: Args, doc: &'static str, example: &'static str) -> Spec {
    Spec {
        name,
        args,
        props: &[],
        children: &[],
        repeats: false,
        required: false,
        absent: None,
        doc,
        example,
        default: None,
        rule: None,
        variable: None,
    }
}

const fn absent(name: &'static str, instead: &'static str) -> Spec {
    let mut spec = node(name, Args::None, "", "");
    spec.absent = Some(instead);
    spec.repeats = true;
    spec
}

const fn prop(name: &'static str, ty: Type, doc: &'static str) -> Prop {
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

const fn needed(name: &'static str, ty: Type, doc: &'static str) -> Prop {
    let mut prop = prop(name, ty, doc);
    prop.required = true;
    prop
}

/// Properties that the language has and this build has not: node, property, what to do instead.
pub(in crate::config) const ABSENT_PROPS: &[(&str, &str, &str)] = &[(
    "timeout",
    "kill-after",
    "backups and retentions start no programs that would have to be killed: delete it",
)];

/// What every job, schedule and channel takes.
const ALLOW: Spec = node(
    "allow",
    Args::One(Type::Text),
    "silence a warning within this node, by its slug",
    "allow \"no-max-delete\" reason=\"small tree\"",
)
.with(&[needed("reason", Type::Text, "why it is fine").example("\"small tree\"")])
.rule("a warning that can be silenced; errors cannot")
.repeats();

/// What every job takes.
const JOB: &[Spec] = &[
    node(
        "needs",
        Args::Many(Type::Job),
        "jobs that must have succeeded in the run before",
        "needs \"check:disk\" \"backup:data\"",
    )
    .otherwise("nothing; a retention always needs its backup"),
    node(
        "paused",
        Args::Flag,
        "leave the job out of every run, and all that needs it",
        "paused",
    )
    .default("#false"),
    ALLOW,
];

const OPS: &[Spec] = &[
    node(
        "name",
        Args::One(Type::Name),
        "names the whole; stands in every copy",
        "name \"observer\"",
    )
    .otherwise("the file's stem"),
    node(
        "timezone",
        Args::One(Type::Zone),
        "where times are shown and days are counted",
        "timezone \"Europe/Berlin\"",
    )
    .default("\"UTC\""),
    node(
        "state-dir",
        Args::One(Type::Path),
        "where history and locks are; `--state-dir` and `OPSRUN_STATE_DIR` come first",
        "state-dir \".opsrun/observer\"",
    )
    .otherwise("`.opsrun/NAME` beside the first file"),
    node(
        "concurrency",
        Args::One(Type::Integer(1, 1024)),
        "most steps at once, and most threads; `--threads` comes first",
        "concurrency 4",
    )
    .otherwise("the number of cores"),
];

const TOP: &[Spec] = &[
    node(
        "ops",
        Args::None,
        "settings of the whole",
        "ops version=1 { name \"observer\"; }",
    )
    .with(&[prop("version", Type::Integer(0, u64::MAX), "of the language")
        .default("1")
        .rule("1 is the only one so far")
        .example("1")])
    .block(&[OPS])
    .otherwise("every setting at its default"),
    node(
        "import",
        Args::One(Type::Path),
        "reads other files as well",
        "import \"conf.d/*.kdl\"",
    )
    .with(&[prop("optional", Type::Bool, "no error when nothing is there").default("#false")])
    .rule("below the directory of the first file, at most 8 deep, and not in a circle")
    .repeats(),
    node(
        "target",
        Args::One(Type::Name),
        "a command",
        "target \"report\" { command \"bin/report\" \"--daily\"; }",
    )
    .block(&[RUN, TARGET, AGAIN, WHERE, WHEN, JOB])
    .rule("exactly one of `command` and `shell`")
    .repeats(),
    node(
        "check",
        Args::One(Type::Name),
        "a question about the state of something",
        "check \"disk\" { disk-space \"/srv\" critical=\"15%\"; }",
    )
    .block(&[PROBES, CHECK, WHEN, JOB])
    .rule("exactly one probe")
    .repeats(),
    node(
        "backup",
        Args::One(Type::Name),
        "a copy of a directory, made and proven in a run",
        "backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; }",
    )
    .block(&[BACKUP, TIMEOUT, WHEN, JOB])
    .repeats(),
    node(
        "retention",
        Args::One(Type::Name),
        "what may be deleted from a backup's source",
        "retention \"data\" backup=\"data\" { class \"raw\" \"raw/**\" keep=\"30d\"; }",
    )
    .with(&[prop(
        "backup",
        Type::Text,
        "the backup whose source is cleaned, and whose proof every deletion needs",
    )
    .otherwise("an error (OPS5001)")
    .rule("the name of a `backup`")
    .example("\"data\"")])
    .block(&[RETENTION, TIMEOUT, WHEN, JOB])
    .repeats(),
    node(
        "assert",
        Args::One(Type::Text),
        "what must be true of a retention or a backup, or the file is refused",
        "assert \"raw files go after a week\" retention=\"data\" { file \"raw/a.csv\" age=\"8d\"; expect \"expired\"; }",
    )
    .with(ASSERT_OF)
    .block(&[ASSERT])
    .repeats(),
    node(
        "schedule",
        Args::One(Type::Name),
        "when jobs run that name it",
        "schedule \"nightly\" { cron \"0 21 * * *\"; }",
    )
    .block(&[RHYTHM, SCHEDULE, &[ALLOW]])
    .rule("exactly one of `cron` and `every`")
    .repeats(),
    node(
        "channel",
        Args::One(Type::Name),
        "somebody who is told",
        "channel \"ops\" { webhook { url from-env=\"OPS_WEBHOOK\"; }; min-severity \"warning\"; }",
    )
    .block(&[WAYS, CHANNEL, &[ALLOW]])
    .rule("exactly one way")
    .repeats(),
];

pub(in crate::config) const ROOT: Spec = node("file", Args::None, "an ops file", "").block(&[TOP]);

/// What may stand where it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Wanted {
    /// `#true` and `#false`.
    Flag,
    Null,
}

/// Whether any setting of that name takes it; `None`: there is no such setting.
pub(in crate::config) fn takes(name: &str, wanted: Wanted) -> Option<bool> {
    fn look(spec: &Spec, name: &str, wanted: Wanted, found: &mut Option<bool>) {
        let flag = |ty| ty == Type::Scalar || ty == Type::Bool && wanted == Wanted::Flag;
        for child in spec.all_children() {
            if child.name == name {
                let takes = child.args == Args::Flag && wanted == Wanted::Flag;
                *found = Some(found.unwrap_or(false) || takes);
            }
            for prop in child.props.iter().filter(|prop| prop.name == name) {
                *found = Some(found.unwrap_or(false) || flag(prop.ty));
            }
            look(child, name, wanted, found);
        }
    }
    let mut found = None;
    look(&ROOT, name, wanted, &mut found);
    found
}

/// The versions of the language that this build reads.
pub(in crate::config) const VERSION: u64 = 1;

/// Names that stand at the top of a file and nowhere else: one of them at the left margin begins a new node.
/// `schedule` is none of them: jobs name theirs by the same word.
pub(in crate::config) const TOPS: &[&str] = &[
    "ops",
    "import",
    "target",
    "check",
    "backup",
    "retention",
    "assert",
    "channel",
];
