//! The rows of `target` and `check`.
//!
//! Part of the table in `schema`: commands and where they run, values that may be secret, probes, with types, examples
//! and a line about each.
//! Invariant: that of the table. Every node of [`PROBES`] is a probe, and no other node is.

use super::{Args, Prop, Spec, Type, needed, node, prop};

const FROM_ENV: Prop = prop(
    "from-env",
    Type::Variable,
    "an environment variable of opsrun that holds it",
);
const FROM_FILE: Prop = prop("from-file", Type::File, "a file that holds it");

/// Where a secret comes from when it stands in the file nowhere.
pub(super) const SOURCES: &[Prop] = &[FROM_ENV, FROM_FILE];

pub(super) const FROM_COMMAND: &[Spec] = &[node(
    "from-command",
    Args::Then(Type::Program, Type::Argument),
    "a command that prints it",
    "from-command \"pass\" \"show\" \"token\"",
)];

/// What is run.
pub(super) const RUN: &[Spec] = &[
    node(
        "command",
        Args::Then(Type::Program, Type::Argument),
        "program and arguments, without a shell",
        "command \"bin/report\" \"--daily\"",
    ),
    node(
        "shell",
        Args::One(Type::Argument),
        "a line for /bin/sh",
        "shell \"bin/list | wc -l\"",
    ),
];

/// Where and with what a command runs.
pub(super) const WHERE: &[Spec] = &[
    node(
        "cwd",
        Args::One(Type::Path),
        "the directory it runs in; default: that of the first file",
        "cwd \"app\"",
    ),
    node(
        "env",
        Args::Pair(Type::Variable, Type::Argument),
        "a variable of its environment",
        "env \"MODE\" \"live\"",
    )
    .with(SOURCES)
    .block(&[FROM_COMMAND])
    .repeats(),
];

pub(super) const TARGET: &[Spec] = &[
    node(
        "timeout",
        Args::One(Type::Duration),
        "longest time for one attempt",
        "timeout \"4m\" kill-after=\"10s\"",
    )
    .with(KILL_AFTER),
    node(
        "retry",
        Args::None,
        "how a failed attempt is repeated",
        "retry max=3 wait=\"2s\" factor=2.0 cap=\"30s\"",
    )
    .with(&[
        needed("max", Type::Integer(1, 1000), "attempts after the first"),
        prop("wait", Type::Duration, "before the first repetition; default \"1s\""),
        prop(
            "factor",
            Type::Decimal(1, 10),
            "by how much the wait grows; default 2.0",
        ),
        prop("cap", Type::Duration, "the longest wait; default \"5m\""),
    ]),
    node(
        "ok-codes",
        Args::Many(Type::Integer(0, 255)),
        "exit codes that mean success; default 0",
        "ok-codes 0 3",
    ),
];

const KILL_AFTER: &[Prop] = &[prop("kill-after", Type::Duration, "from TERM to KILL; default \"10s\"")];

const AGES: &[Prop] = &[
    prop("warn", Type::Duration, "a warning from here on"),
    prop("critical", Type::Duration, "critical from here on"),
];

const LATENCY: Spec = node(
    "latency",
    Args::None,
    "how long the answer may take",
    "latency warn=\"200ms\" critical=\"800ms\"",
)
.with(AGES);

pub(super) const CA_FILE: Spec = node(
    "ca-file",
    Args::One(Type::File),
    "trusted besides the system's own certificates: a PEM file",
    "ca-file \"ca.pem\"",
);

pub(super) const HEADER: Spec = node(
    "header",
    Args::Pair(Type::Header, Type::Argument),
    "a request header",
    "header \"Accept\" \"application/json\"",
)
.with(SOURCES)
.block(&[FROM_COMMAND])
.repeats();

/// What a check asks; exactly one of these.
pub(in crate::config) const PROBES: &[Spec] = &[
    node(
        "file-age",
        Args::One(Type::File),
        "how long ago the file was written",
        "file-age \"run/heartbeat\" warn=\"60s\" critical=\"90s\"",
    )
    .with(AGES),
    node(
        "disk-space",
        Args::One(Type::Path),
        "how much is free on the file system of this path",
        "disk-space \"/srv\" warn=\"25%\" critical=\"15%\"",
    )
    .with(&[
        prop("warn", Type::Space, "a warning below"),
        prop("critical", Type::Space, "critical below"),
    ]),
    node(
        "tcp",
        Args::One(Type::Address),
        "whether a connection can be made",
        "tcp \"db.example.com:5432\"",
    )
    .block(&[&[LATENCY]]),
    node(
        "http",
        Args::Maybe(Type::Url),
        "what a web server answers",
        "http \"https://example.com/health\" { status 200; }",
    )
    .with(SOURCES)
    .block(&[HTTP, FROM_COMMAND]),
    node(
        "tls-expiry",
        Args::One(Type::Address),
        "how long the certificate of a server is valid",
        "tls-expiry \"example.com:443\" warn=\"21d\" critical=\"7d\"",
    )
    .with(&[
        prop("warn", Type::Duration, "a warning with less time left"),
        prop("critical", Type::Duration, "critical with less time left"),
    ])
    .block(&[&[CA_FILE]]),
    node(
        "command",
        Args::Then(Type::Program, Type::Argument),
        "what a command says: exit code 0 ok, 1 warning, 2 critical, else unknown",
        "command \"bin/queue-depth\" \"--max\" \"1000\"",
    )
    .block(&[WHERE]),
    node(
        "shell",
        Args::One(Type::Argument),
        "the same for a line for /bin/sh",
        "shell \"test -s run/state\"",
    )
    .block(&[WHERE]),
    node(
        "job",
        Args::One(Type::Job),
        "how fresh and how slow another job is",
        "job \"backup:data\" { age critical=\"26h\"; }",
    )
    .block(&[&[
        node(
            "age",
            Args::None,
            "since its last success",
            "age warn=\"25h\" critical=\"26h\"",
        )
        .with(AGES),
        node(
            "duration",
            Args::None,
            "of its last run that ended",
            "duration warn=\"2h\"",
        )
        .with(AGES),
    ]]),
];

const HTTP: &[Spec] = &[
    node(
        "status",
        Args::Many(Type::Integer(100, 599)),
        "accepted status codes; default 200 to 299",
        "status 200 204",
    ),
    LATENCY,
    HEADER,
    node(
        "json",
        Args::One(Type::Pointer),
        "what must stand at a place of the answer",
        "json \"/status\" eq=\"UP\"",
    )
    .with(&[needed("eq", Type::Scalar, "what must stand there")])
    .repeats(),
    CA_FILE,
];

pub(super) const CHECK: &[Spec] = &[
    node(
        "timeout",
        Args::One(Type::Duration),
        "longest time for an answer; default \"10s\"",
        "timeout \"5s\"",
    )
    .with(KILL_AFTER),
    node(
        "severity",
        Args::One(Type::Word(&["warning", "critical"], &[])),
        "the worst state that it may have; default \"critical\"",
        "severity \"warning\"",
    ),
    node(
        "fail-after",
        Args::One(Type::Integer(1, 1000)),
        "bad answers in a row before somebody is told; default 1",
        "fail-after 3",
    ),
    node(
        "recover-after",
        Args::One(Type::Integer(1, 1000)),
        "good answers in a row before it counts as recovered; default 1",
        "recover-after 2",
    ),
    node(
        "silenced-by",
        Args::One(Type::Job),
        "while that check is bad, this one's alerts are held, but never its recovery",
        "silenced-by \"check:network\"",
    ),
];
