//! The language as one table: nodes, arguments, properties, their types and a line about each.
//!
//! Takes nothing, gives [`ROOT`]; the rows are in `copies` (backups, retentions), `running` (targets, checks), `timing`
//! (schedules) and `telling` (channels). Decoding, "did you mean", required settings and their examples come from here, and
//! so will the reference. What the language knows and this build does not have stands here too, to be refused by name.
//! Invariant: a name stands once among its siblings; every example is itself valid.

mod copies;
mod running;
mod telling;
mod timing;

use copies::{BACKUP, RETENTION, TIMEOUT};
pub(in crate::config) use running::PROBES;
use running::{CHECK, RUN, TARGET, WHERE};
use telling::CHANNEL;
pub(in crate::config) use telling::WAYS;
pub(in crate::config) use timing::RHYTHM;
use timing::{AGAIN, SCHEDULE, WHEN};

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// Any text.
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
    /// A pattern.
    Glob,
    /// `#true` or `#false`.
    Bool,
    /// An IANA zone.
    Zone,
    /// What is run: a name, or a path with a `/` in it.
    Program,
    /// Any text that a program can be given.
    Argument,
    /// The name of an environment variable.
    Variable,
    /// A path to a file; not empty.
    File,
    /// `kind:name`.
    Job,
    /// `host:port`.
    Address,
    /// `http://` or `https://`.
    Url,
    /// The name of a request header.
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
    /// `name@host`.
    Mail,
    /// What must not stand in the file at all.
    Secret,
}

impl Type {
    /// The accepted form, for people.
    pub(super) fn form(self) -> String {
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

/// The arguments of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Args {
    /// None at all.
    None,
    /// Nothing, or `#true` or `#false`.
    Flag,
    /// Exactly one.
    One(Type),
    /// At least one.
    Many(Type),
    /// One, then any number of another type.
    Then(Type, Type),
    /// One, and perhaps one more.
    Pair(Type, Type),
    /// One, or none.
    Maybe(Type),
}

/// A property.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prop {
    pub(super) name: &'static str,
    pub(super) ty: Type,
    pub(super) required: bool,
    /// What it is, in one line.
    pub(super) doc: &'static str,
}

/// A node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) args: Args,
    pub(super) props: &'static [Prop],
    /// Groups of children, so that groups can be shared. Empty: takes no block.
    pub(super) children: &'static [&'static [Spec]],
    /// May stand more than once.
    pub(super) repeats: bool,
    pub(super) required: bool,
    /// Known to the language, not to this build: what to do instead.
    pub(super) absent: Option<&'static str>,
    /// What it is, in one line.
    pub(super) doc: &'static str,
    /// The shortest sensible use.
    pub(super) example: &'static str,
}

impl Spec {
    /// All children, in order.
    pub(super) fn all_children(&self) -> impl Iterator<Item = &'static Spec> {
        self.children.iter().flat_map(|group| group.iter())
    }

    pub(super) fn child(&self, name: &str) -> Option<&'static Spec> {
        self.all_children().find(|spec| spec.name == name)
    }

    pub(super) fn prop(&self, name: &str) -> Option<&'static Prop> {
        self.props.iter().find(|prop| prop.name == name)
    }

    /// What must not stand in the file: only where it comes from.
    pub(super) fn is_secret(&self) -> bool {
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
    }
}

const fn needed(name: &'static str, ty: Type, doc: &'static str) -> Prop {
    Prop {
        name,
        ty,
        required: true,
        doc,
    }
}

/// Properties that the language has and this build has not: node, property, what to do instead.
pub(super) const ABSENT_PROPS: &[(&str, &str, &str)] = &[(
    "timeout",
    "kill-after",
    "backups and retentions start no programs that would have to be killed: delete it",
)];

/// What every job, schedule and channel takes.
const ALLOW: Spec = node(
    "allow",
    Args::One(Type::Text),
    "silence a warning within this node",
    "allow \"no-max-delete\" reason=\"small tree\"",
)
.with(&[needed("reason", Type::Text, "why it is fine")])
.repeats();

/// What every job takes.
const JOB: &[Spec] = &[
    node(
        "needs",
        Args::Many(Type::Job),
        "jobs that must have succeeded in the run before",
        "needs \"check:disk\" \"backup:data\"",
    ),
    node("paused", Args::Flag, "leave the job out of every run", "paused"),
    ALLOW,
];

const OPS: &[Spec] = &[
    node(
        "name",
        Args::One(Type::Name),
        "names the whole; default: the file's stem",
        "name \"observer\"",
    ),
    node(
        "timezone",
        Args::One(Type::Zone),
        "where `keep` counts its days; default \"UTC\"",
        "timezone \"Europe/Berlin\"",
    ),
    node(
        "state-dir",
        Args::One(Type::Path),
        "where history and locks are",
        "state-dir \".opsrun/observer\"",
    ),
    node(
        "concurrency",
        Args::One(Type::Integer(1, 1024)),
        "steps at once; default: number of cores",
        "concurrency 4",
    ),
];

const JOBS_HERE: &str = "jobs are `target`, `check`, `backup` and `retention`: take the node out";

const TOP: &[Spec] = &[
    node(
        "ops",
        Args::None,
        "settings of the whole",
        "ops version=1 { name \"observer\"; }",
    )
    .with(&[prop("version", Type::Integer(0, u64::MAX), "of the language")])
    .block(&[OPS]),
    node(
        "import",
        Args::One(Type::Path),
        "reads other files as well",
        "import \"conf.d/*.kdl\"",
    )
    .with(&[prop("optional", Type::Bool, "no error when nothing is there")])
    .repeats(),
    node(
        "target",
        Args::One(Type::Name),
        "a command",
        "target \"report\" { command \"bin/report\" \"--daily\"; }",
    )
    .block(&[RUN, TARGET, AGAIN, WHERE, WHEN, JOB])
    .repeats(),
    node(
        "check",
        Args::One(Type::Name),
        "a question about the state of something",
        "check \"disk\" { disk-space \"/srv\" critical=\"15%\"; }",
    )
    .block(&[PROBES, CHECK, WHEN, JOB])
    .repeats(),
    node(
        "backup",
        Args::One(Type::Name),
        "a backup job",
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
        "the backup whose proof every deletion needs",
    )])
    .block(&[RETENTION, TIMEOUT, WHEN, JOB])
    .repeats(),
    node(
        "schedule",
        Args::One(Type::Name),
        "when jobs run that name it",
        "schedule \"nightly\" { cron \"0 21 * * *\"; }",
    )
    .block(&[RHYTHM, SCHEDULE, &[ALLOW]])
    .repeats(),
    node(
        "channel",
        Args::One(Type::Name),
        "somebody who is told",
        "channel \"ops\" { webhook { url from-env=\"OPS_WEBHOOK\"; }; min-severity \"warning\"; }",
    )
    .block(&[WAYS, CHANNEL, &[ALLOW]])
    .repeats(),
    absent("assert", JOBS_HERE),
];

/// The top of a file.
pub(super) const ROOT: Spec = node("file", Args::None, "an ops file", "").block(&[TOP]);

/// The versions of the language that this build reads.
pub(super) const VERSION: u64 = 1;

/// Names that stand at the top of a file and nowhere else: one of them at the left margin begins a new node.
/// `schedule` is none of them: jobs name theirs by the same word.
pub(super) const TOPS: &[&str] = &["ops", "import", "target", "check", "backup", "retention", "channel"];

#[cfg(test)]
mod tests {
    use super::super::reader::Reader;
    use super::super::{mend, tree};
    use super::*;

    fn unique(spec: &Spec) {
        let mut names: Vec<&str> = spec.all_children().map(|child| child.name).collect();
        let mut props: Vec<&str> = spec.props.iter().map(|prop| prop.name).collect();
        for list in [&mut names, &mut props] {
            let all = list.len();
            list.sort_unstable();
            list.dedup();
            assert_eq!(list.len(), all, "a name stands twice in `{}`", spec.name);
        }
        spec.all_children().for_each(unique);
    }

    #[test]
    fn a_name_stands_once_among_its_siblings() {
        unique(&ROOT);
    }

    #[test]
    fn examples_are_valid() {
        fn read(spec: &'static Spec, parent: &'static Spec) {
            if spec.absent.is_some() {
                return;
            }
            let mended = mend::mend(spec.example, 0, TOPS);
            assert_eq!((mended.findings.len(), mended.pieces.len()), (0, 1), "{}", spec.example);
            let nodes = tree::parse(&mended, &mended.pieces[0], 0).unwrap();
            assert_eq!(nodes[0].name, spec.name);
            let mut reader = Reader::default();
            reader.read(&nodes[0], spec, parent);
            assert_eq!(reader.findings, [], "{}", spec.example);
            spec.all_children().for_each(|child| read(child, spec));
        }
        const FILE: &Spec = &ROOT;
        FILE.all_children().for_each(|spec| read(spec, FILE));
    }

    #[test]
    fn names_at_the_top_stand_nowhere_else() {
        fn inside(spec: &Spec) {
            for child in spec.all_children() {
                assert!(!TOPS.contains(&child.name), "`{}` in `{}`", child.name, spec.name);
                inside(child);
            }
        }
        ROOT.all_children().for_each(inside);
        let known = ROOT
            .all_children()
            .filter(|spec| spec.absent.is_none() && spec.name != "schedule");
        assert_eq!(known.map(|spec| spec.name).collect::<Vec<_>>(), TOPS);
    }
}
