//! The rows of `backup`, `retention` and `assert`.
//!
//! Part of the table in `schema`: what may stand in the two jobs that copy and delete, and in what is asserted of them,
//! with types, examples and a line about each.
//! Invariant: that of the table.

use super::{Args, Prop, Spec, Type, absent, needed, node, prop};

/// How long a job that starts no programs may take.
pub(super) const TIMEOUT: &[Spec] = &[node(
    "timeout",
    Args::One(Type::Duration),
    "longest time for each of the job's steps",
    "timeout \"4h\"",
)
.otherwise("none")];

pub(super) const BACKUP: &[Spec] = &[
    node(
        "source",
        Args::One(Type::Path),
        "the directory copied from",
        "source \"/srv/data\"",
    )
    .required(),
    node(
        "include",
        Args::Many(Type::Glob),
        "what of it; hidden files too",
        "include \"*.csv\" \"*.json\"",
    )
    .otherwise("everything"),
    node(
        "exclude",
        Args::Many(Type::Glob),
        "what not; beats `include`",
        "exclude \"tmp/**\"",
    )
    .otherwise("nothing"),
    node(
        "to",
        Args::One(Type::Path),
        "the directory copied to",
        "to \"/backup/data\"",
    )
    .rule("made when it is missing")
    .required(),
    node(
        "strategy",
        Args::One(Type::Word(&["archive", "copy"], &[])),
        "the form of a copy: one archive, or a dated tree of plain files that shares the data of unchanged files with the one before",
        "strategy \"archive\" level=6",
    )
    .with(&[
        prop("format", Type::Word(&["tar.gz"], &["tar.zst"]), "the archive's format").default("\"tar.gz\"").example("\"tar.gz\""),
        prop("level", Type::Integer(1, 12), "gzip level").default("6").example("6"),
    ])
    .rule("`\"copy\"` takes neither `format=` nor `level=`")
    .default("\"archive\""),
    node(
        "contents",
        Args::One(Type::Word(&["all", "expired"], &[])),
        "how much of the selection a run stores: everything, or only what the retentions on this backup may delete now",
        "contents \"expired\"",
    )
    .rule("`\"expired\"` needs a retention on this backup (OPS5012), and no counting rules in `keep` (OPS5011)")
    .default("\"all\""),
    node(
        "keep",
        Args::None,
        "which copies rotation may keep; checked, and not yet carried out: this build removes no copies",
        "keep last=7 daily=14",
    )
    .with(&[
        prop("last", COUNT, "newest copies").default("0"),
        prop("hourly", COUNT, "one an hour, for so many hours").default("0"),
        prop("daily", COUNT, "one a day").default("0"),
        prop("weekly", COUNT, "one an ISO week").default("0"),
        prop("monthly", COUNT, "one a month").default("0"),
        prop("yearly", COUNT, "one a year").default("0"),
        prop("within", Type::Duration, "all copies this young").otherwise("none"),
        prop("deleted", Type::Years, "how long a deleted file's last copy stays").otherwise("for ever"),
    ])
    .rule("at least one rule that keeps something (OPS5010)")
    .otherwise("every copy stays"),
    node(
        "floor",
        Args::One(Type::Integer(1, 1_000_000)),
        "newest complete copies that no rule removes",
        "floor 2",
    )
    .default("1"),
    node(
        "stall",
        Args::One(Type::Duration),
        "no copy is removed when the newest complete one is older",
        "stall \"3d\"",
    )
    .otherwise("twice the longest time between two runs of its schedule; without a schedule none"),
    node(
        "cross-mounts",
        Args::Flag,
        "enter other file systems below `source`",
        "cross-mounts",
    )
    .default("#false"),
    absent(
        "incremental",
        "`contents \"expired\"` stores each expired file once; delete this line",
    ),
];

const COUNT: Type = Type::Integer(0, 1_000_000);

pub(super) const RETENTION: &[Spec] = &[
    node(
        "class",
        Args::Then(Type::Name, Type::Glob),
        "which files stay how long",
        "class \"raw\" \"raw/**\" keep=\"30d\"",
    )
    .with(&[
        prop(
            "keyword",
            Type::Text,
            "the files whose path below `source`, directories included, contains this word; case does not matter",
        )
        .rule("at least three characters")
        .example("\"decision\""),
        needed("keep", Type::Age, "how long a file stays"),
        prop(
            "keep-newest",
            Type::Integer(0, 4_000_000_000),
            "so many of the class's newest files stay, however old",
        )
        .default("0")
        .example("24"),
    ])
    .rule("the files that match one of the globs, or those with the `keyword=`")
    .repeats()
    .required(),
    node(
        "exclude",
        Args::Many(Type::Glob),
        "never touched, whatever a class says",
        "exclude \"raw/pinned/**\"",
    )
    .otherwise("nothing"),
    node(
        "max-delete",
        Args::None,
        "how much one run may delete; above one of its limits the run is refused, unless `--over-budget retention:NAME` lifts it once",
        "max-delete files=50000 bytes=\"200GiB\" share=\"20%\"",
    )
    .with(&[
        prop("files", Type::Integer(1, u64::MAX), "files")
            .otherwise("no limit")
            .example("50000"),
        prop("bytes", Type::Size, "bytes").otherwise("no limit"),
        prop("share", Type::Percent, "percent of the files that the classes hold").otherwise("no limit"),
    ])
    .rule("at least one limit")
    .otherwise("no limit"),
    node(
        "remove-empty-dirs",
        Args::Flag,
        "remove directories that this run emptied; never `source`",
        "remove-empty-dirs",
    )
    .default("#false"),
    node(
        "in-use",
        Args::One(Type::Word(&["keep", "ignore"], &[])),
        "what becomes of a file that a writer may have open: it stays, or it is deleted all the same",
        "in-use \"keep\"",
    )
    .default("\"keep\""),
];

/// What an assertion is about: one of them.
pub(super) const ASSERT_OF: &[Prop] = &[
    prop("retention", Type::Text, "the retention that must treat the files so")
        .rule("the name of a `retention`; exactly one of `retention=` and `backup=`")
        .example("\"data\""),
    prop("backup", Type::Text, "the backup that must treat the files so")
        .rule("the name of a `backup`")
        .example("\"data\""),
];

pub(super) const ASSERT: &[Spec] = &[
    node(
        "file",
        Args::One(Type::Text),
        "a file, by its path below the source; it need not be there",
        "file \"raw/a.csv\" age=\"8d\"",
    )
    .with(&[
        prop("age", Type::Duration, "how old it is").otherwise("whatever its age"),
        prop(
            "newest",
            Type::Integer(1, 4_000_000_000),
            "which of its class it is, the newest being 1",
        )
        .otherwise("not among the newest"),
    ])
    .repeats()
    .required(),
    node(
        "expect",
        Args::One(Type::Word(&["expired", "kept", "untouched", "stored", "left-out"], &[])),
        "what becomes of each file",
        "expect \"expired\" class=\"raw\"",
    )
    .with(&[prop("class", Type::Name, "the class that decides it").otherwise("whichever")])
    .required(),
];
