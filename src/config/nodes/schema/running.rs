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

/// What is true of every value that may be secret.
pub(super) const ONE_SOURCE: &str = "a value or one source of a secret";

pub(super) const FROM_COMMAND: &[Spec] = &[node(
    "from-command",
    Args::Then(Type::Program, Type::Argument),
    "a command that prints it",
    "from-command \"pass\" \"show\" \"token\"",
)];

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
    node("cwd", Args::One(Type::Path), "the directory it runs in", "cwd \"app\"").otherwise("that of the first file"),
    node(
        "env",
        Args::Pair(Type::Variable, Type::Argument),
        "a variable, set on top of those that opsrun itself was given",
        "env \"MODE\" \"live\"",
    )
    .with(SOURCES)
    .block(&[FROM_COMMAND])
    .rule(ONE_SOURCE)
    .repeats(),
];

pub(super) const TARGET: &[Spec] = &[
    node(
        "timeout",
        Args::One(Type::Duration),
        "longest time for one attempt",
        "timeout \"4m\" kill-after=\"10s\"",
    )
    .with(KILL_AFTER)
    .otherwise("none"),
    node(
        "retry",
        Args::None,
        "how a failed attempt is repeated",
        "retry max=3 wait=\"2s\" factor=2.0 cap=\"30s\"",
    )
    .with(&[
        needed("max", Type::Integer(1, 1000), "attempts after the first").example("3"),
        prop("wait", Type::Duration, "before the first repetition")
            .default("\"1s\"")
            .example("\"2s\""),
        prop(
            "factor",
            Type::Decimal(1, 10),
            "so many times as long is each later wait",
        )
        .default("2.0"),
        prop("cap", Type::Duration, "the longest wait")
            .default("\"5m\"")
            .rule("not shorter than `wait=`")
            .example("\"30s\""),
    ])
    .otherwise("one attempt"),
    node(
        "ok-codes",
        Args::Many(Type::Integer(0, 255)),
        "exit codes that mean success",
        "ok-codes 0 3",
    )
    .default("0"),
];

const KILL_AFTER: &[Prop] = &[prop("kill-after", Type::Duration, "from TERM to KILL")
    .default("\"10s\"")
    .example("\"10s\"")];

/// Of every node with thresholds.
const ONE_LEVEL: &str = "`warn=`, `critical=` or both";

const AGES: &[Prop] = &[
    prop("warn", Type::Duration, "a warning from here on")
        .otherwise("never")
        .example("\"60s\""),
    prop("critical", Type::Duration, "critical from here on")
        .otherwise("never")
        .example("\"90s\""),
];

const LATENCY: Spec = node(
    "latency",
    Args::None,
    "how long the answer may take",
    "latency warn=\"200ms\" critical=\"800ms\"",
)
.with(AGES)
.rule(ONE_LEVEL)
.otherwise("as long as `timeout`");

pub(super) const CA_FILE: Spec = node(
    "ca-file",
    Args::One(Type::File),
    "trusted besides the system's own certificates: a PEM file",
    "ca-file \"ca.pem\"",
)
.otherwise("the system's own alone");

pub(super) const HEADER: Spec = node(
    "header",
    Args::Pair(Type::Header, Type::Argument),
    "a request header",
    "header \"Accept\" \"application/json\"",
)
.with(SOURCES)
.block(&[FROM_COMMAND])
.rule("each name once; a value or one source of a secret")
.repeats();

/// What a check asks; exactly one of these.
pub(in crate::config) const PROBES: &[Spec] = &[
    node(
        "file-age",
        Args::One(Type::File),
        "how long ago the file was written; a missing file is critical",
        "file-age \"run/heartbeat\" warn=\"60s\" critical=\"90s\"",
    )
    .with(AGES)
    .rule(ONE_LEVEL),
    node(
        "disk-space",
        Args::One(Type::Path),
        "how much is free on the file system of this path",
        "disk-space \"/srv\" warn=\"25%\" critical=\"15%\"",
    )
    .with(&[
        prop("warn", Type::Space, "a warning below").otherwise("never"),
        prop("critical", Type::Space, "critical below").otherwise("never"),
    ])
    .rule("`warn=`, `critical=` or both; both percentages or both sizes"),
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
        "what a web server answers to GET",
        "http \"https://example.com/health\" { status 200; }",
    )
    .with(SOURCES)
    .block(&[HTTP, FROM_COMMAND])
    .rule("a URL or one source of a secret one"),
    node(
        "tls-expiry",
        Args::One(Type::Address),
        "how long the certificate of a TLS server is still valid; one that cannot be trusted is critical",
        "tls-expiry \"example.com:443\" warn=\"21d\" critical=\"7d\"",
    )
    .with(&[
        prop("warn", Type::Duration, "a warning with less time left")
            .otherwise("never")
            .example("\"21d\""),
        prop("critical", Type::Duration, "critical with less time left")
            .otherwise("never")
            .example("\"7d\""),
    ])
    .rule(ONE_LEVEL)
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
        "how fresh and how slow another job is, by the history",
        "job \"backup:data\" { age critical=\"26h\"; }",
    )
    .rule("`age`, `duration` or both")
    .block(&[&[
        node(
            "age",
            Args::None,
            "how long ago its last success is",
            "age warn=\"25h\" critical=\"26h\"",
        )
        .with(AGES)
        .rule(ONE_LEVEL),
        node(
            "duration",
            Args::None,
            "how long its last run that ended took",
            "duration warn=\"2h\"",
        )
        .with(AGES)
        .rule(ONE_LEVEL),
    ]]),
];

const HTTP: &[Spec] = &[
    node(
        "status",
        Args::Many(Type::Integer(100, 599)),
        "accepted status codes",
        "status 200 204",
    )
    .otherwise("200 to 299"),
    LATENCY,
    HEADER,
    node(
        "json",
        Args::One(Type::Pointer),
        "what must stand at a place of the answer",
        "json \"/status\" eq=\"UP\"",
    )
    .with(&[needed("eq", Type::Scalar, "what must stand there").example("\"UP\"")])
    .rule("each place once")
    .repeats(),
    CA_FILE,
];

pub(super) const CHECK: &[Spec] = &[
    node(
        "timeout",
        Args::One(Type::Duration),
        "longest time for an answer",
        "timeout \"5s\"",
    )
    .with(KILL_AFTER)
    .rule("`kill-after=` only where the probe is a command")
    .default("\"10s\""),
    node(
        "severity",
        Args::One(Type::Word(&["warning", "critical"], &[])),
        "the worst state that it may have: `\"warning\"` turns critical into warning",
        "severity \"warning\"",
    )
    .default("\"critical\""),
    node(
        "fail-after",
        Args::One(Type::Integer(1, 1000)),
        "bad answers in a row before somebody is told; `needs` does not wait for them",
        "fail-after 3",
    )
    .default("1"),
    node(
        "recover-after",
        Args::One(Type::Integer(1, 1000)),
        "good answers in a row before it counts as recovered",
        "recover-after 2",
    )
    .default("1"),
    node(
        "silenced-by",
        Args::One(Type::Job),
        "while that check is bad, this one's alerts are held, but never its recovery",
        "silenced-by \"check:network\"",
    )
    .otherwise("nothing"),
];
