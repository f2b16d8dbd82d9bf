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
    "longest time for each step",
    "timeout \"4h\"",
)];

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
        "what of it; default everything",
        "include \"*.csv\" \"*.json\"",
    ),
    node(
        "exclude",
        Args::Many(Type::Glob),
        "what not; beats include",
        "exclude \"tmp/**\"",
    ),
    node(
        "to",
        Args::One(Type::Path),
        "the directory copied to",
        "to \"/backup/data\"",
    )
    .required(),
    node(
        "strategy",
        Args::One(Type::Word(&["archive", "copy"], &[])),
        "the form of a copy",
        "strategy \"archive\" level=6",
    )
    .with(&[
        prop("format", Type::Word(&["tar.gz"], &["tar.zst"]), "the archive's format"),
        prop("level", Type::Integer(1, 12), "gzip level; default 6"),
    ]),
    node(
        "contents",
        Args::One(Type::Word(&["all", "expired"], &[])),
        "how much of the selection a run stores",
        "contents \"expired\"",
    ),
    node(
        "keep",
        Args::None,
        "which copies rotation may keep",
        "keep last=7 daily=14",
    )
    .with(&[
        prop("last", COUNT, "newest copies"),
        prop("hourly", COUNT, "one an hour, for so many hours"),
        prop("daily", COUNT, "one a day"),
        prop("weekly", COUNT, "one an ISO week"),
        prop("monthly", COUNT, "one a month"),
        prop("yearly", COUNT, "one a year"),
        prop("within", Type::Duration, "all copies this young"),
        prop("deleted", Type::Years, "how long a deleted file's last copy stays"),
    ]),
    node(
        "floor",
        Args::One(Type::Integer(1, 1_000_000)),
        "newest complete copies that no rule removes; default 1",
        "floor 2",
    ),
    node(
        "stall",
        Args::One(Type::Duration),
        "no prune when the newest complete copy is older",
        "stall \"3d\"",
    ),
    node("cross-mounts", Args::Flag, "follow into other mounts", "cross-mounts"),
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
        prop("keyword", Type::Text, "the relative path contains it, without case"),
        needed("keep", Type::Age, "how long a file stays"),
        prop(
            "keep-newest",
            Type::Integer(0, 4_000_000_000),
            "the newest so many stay whatever their age",
        ),
    ])
    .repeats()
    .required(),
    node(
        "exclude",
        Args::Many(Type::Glob),
        "never touched, whatever a class says",
        "exclude \"raw/pinned/**\"",
    ),
    node(
        "max-delete",
        Args::None,
        "how much one run may delete",
        "max-delete files=50000 bytes=\"200GiB\" share=\"20%\"",
    )
    .with(&[
        prop("files", Type::Integer(1, u64::MAX), "files"),
        prop("bytes", Type::Size, "bytes"),
        prop("share", Type::Percent, "percent of the files that the classes match"),
    ]),
    node(
        "remove-empty-dirs",
        Args::Flag,
        "remove directories that this run emptied",
        "remove-empty-dirs",
    ),
    node(
        "in-use",
        Args::One(Type::Word(&["keep", "ignore"], &[])),
        "what to do about a file that a writer may have open",
        "in-use \"keep\"",
    ),
];

/// What an assertion is about: one of them.
pub(super) const ASSERT_OF: &[Prop] = &[
    prop("retention", Type::Text, "the retention that must treat the files so"),
    prop("backup", Type::Text, "the backup that must treat the files so"),
];

pub(super) const ASSERT: &[Spec] = &[
    node(
        "file",
        Args::One(Type::Text),
        "a file, by its path below the source; it need not be there",
        "file \"raw/a.csv\" age=\"8d\"",
    )
    .with(&[
        prop("age", Type::Duration, "how old it is; default: whatever its age"),
        prop(
            "newest",
            Type::Integer(1, 4_000_000_000),
            "which of its class it is, the newest being 1; default: not among the newest",
        ),
    ])
    .repeats()
    .required(),
    node(
        "expect",
        Args::One(Type::Word(&["expired", "kept", "untouched", "stored", "left-out"], &[])),
        "what becomes of each file",
        "expect \"expired\" class=\"raw\"",
    )
    .with(&[prop("class", Type::Name, "the class that decides it")])
    .required(),
];
