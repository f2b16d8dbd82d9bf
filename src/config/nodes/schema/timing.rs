//! The rows of `schedule`, and what jobs say about when they run.
//!
//! Part of the table in `schema`: with types, examples and a line about each.
//! Invariant: that of the table.

use super::{Args, Prop, Spec, Type, needed, node, prop};

const ZONE: &[Prop] = &[prop("timezone", Type::Zone, "where its clock hangs").otherwise("that of `ops`")];

/// When a schedule fires: exactly one of these.
pub(in crate::config) const RHYTHM: &[Spec] = &[
    node(
        "cron",
        Args::One(Type::Cron),
        "when the clock on the wall shows this: minute, hour, day of the month, month, day of the week",
        "cron \"0 21 * * MON-FRI\" timezone=\"Europe/Berlin\"",
    )
    .with(ZONE),
    node(
        "every",
        Args::One(Type::Duration),
        "each time that so much time has passed, counted from 1970 on",
        "every \"30s\"",
    ),
];

pub(super) const SCHEDULE: &[Spec] = &[
    node(
        "jitter",
        Args::One(Type::Duration),
        "begins later by up to so much, by always the same for one schedule",
        "jitter \"2m\"",
    )
    .otherwise("none"),
    node(
        "dst",
        Args::None,
        "what a change of the clock does to a fixed time",
        "dst gap=\"run-after\" fold=\"first\"",
    )
    .with(&[
        prop(
            "gap",
            Type::Word(&["run-after", "skip"], &[]),
            "a time that is skipped: it comes right after the gap, or not at all",
        )
        .default("\"run-after\"")
        .example("\"skip\""),
        prop(
            "fold",
            Type::Word(&["first", "both"], &[]),
            "a time that comes twice: the first of the two, or both",
        )
        .default("\"first\"")
        .example("\"both\""),
    ])
    .rule("`gap=`, `fold=` or both")
    .otherwise("both at their defaults, and a warning where it matters (OPS4002)"),
    node(
        "missed",
        Args::One(Type::Word(&["latest", "skip", "all"], &[])),
        "what is done about times at which nothing ran: the latest is made up for, none is, or all are",
        "missed \"latest\" window=\"24h\"",
    )
    .with(&[
        prop("window", Type::Duration, "older ones are let go").otherwise("none is too old"),
        prop(
            "max",
            Type::Integer(1, 1000),
            "with `\"all\"`: at most so many, the newest",
        )
        .default("10"),
    ])
    .otherwise("`\"latest\"` with `cron`, `\"skip\"` with `every`"),
];

/// When a job runs, and who is told of it.
pub(super) const WHEN: &[Spec] = &[
    node(
        "schedule",
        Args::One(Type::Text),
        "the schedule that it runs by",
        "schedule \"nightly\"",
    )
    .rule("at most one of `schedule`, `cron` and `every`")
    .otherwise("only `opsrun apply` runs it; a retention runs with its backup"),
    node(
        "cron",
        Args::One(Type::Cron),
        "or: a schedule of its own, by the clock on the wall",
        "cron \"30 4 * * *\" timezone=\"Europe/Berlin\"",
    )
    .with(ZONE)
    .otherwise("see `schedule`"),
    node(
        "every",
        Args::One(Type::Duration),
        "or: a schedule of its own, by time that has passed",
        "every \"5m\"",
    )
    .otherwise("see `schedule`"),
    node(
        "notify",
        Args::Many(Type::Text),
        "the channels that are told of it; `\"log\"` is nobody",
        "notify \"ops\" \"mail\"",
    )
    .otherwise("all channels, by severity"),
];

/// What only runs that come again and again have to say about a target.
pub(super) const AGAIN: &[Spec] = &[
    node(
        "back-off",
        Args::None,
        "how long it is left alone after runs that failed",
        "back-off after=3 wait=\"1m\" factor=2.0 cap=\"1h\"",
    )
    .with(&[
        needed("after", Type::Integer(1, 1000), "failed runs in a row").example("3"),
        prop("wait", Type::Duration, "before the next try")
            .default("\"1m\"")
            .example("\"5m\""),
        prop("factor", Type::Decimal(1, 10), "so many times as long is each later wait").default("2.0"),
        prop("cap", Type::Duration, "the longest wait")
            .default("\"1h\"")
            .rule("not shorter than `wait=`")
            .example("\"2h\""),
    ])
    .otherwise("every time that is due"),
    node(
        "overlap",
        Args::One(Type::Word(&["skip", "queue", "replace", "allow"], &[])),
        "what happens when it is due and still runs: this time is left out, waits for the end, stops the other one, or runs beside it",
        "overlap \"queue\"",
    )
    .default("\"skip\""),
];
