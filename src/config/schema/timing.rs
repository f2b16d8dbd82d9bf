//! The rows of `schedule`, and what jobs say about when they run.
//!
//! Part of the table in `schema`: with types, examples and a line about each.
//! Invariant: that of the table.

use super::{Args, Prop, Spec, Type, needed, node, prop};

const ZONE: &[Prop] = &[prop(
    "timezone",
    Type::Zone,
    "where its clock hangs; default: that of `ops`",
)];

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
    ),
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
            "a time that is skipped; default \"run-after\"",
        ),
        prop(
            "fold",
            Type::Word(&["first", "both"], &[]),
            "a time that comes twice; default \"first\"",
        ),
    ]),
    node(
        "missed",
        Args::One(Type::Word(&["latest", "skip", "all"], &[])),
        "what is done about times at which nothing ran; default \"latest\" with `cron`, \"skip\" with `every`",
        "missed \"latest\" window=\"24h\"",
    )
    .with(&[
        prop("window", Type::Duration, "older ones are let go"),
        prop(
            "max",
            Type::Integer(1, 1000),
            "with \"all\": at most so many, the newest; default 10",
        ),
    ]),
];

/// When a job runs, and who is told of it.
pub(super) const WHEN: &[Spec] = &[
    node(
        "schedule",
        Args::One(Type::Text),
        "the schedule that it runs by",
        "schedule \"nightly\"",
    ),
    node(
        "cron",
        Args::One(Type::Cron),
        "or: a schedule of its own, by the clock on the wall",
        "cron \"30 4 * * *\" timezone=\"Europe/Berlin\"",
    )
    .with(ZONE),
    node(
        "every",
        Args::One(Type::Duration),
        "or: a schedule of its own, by time that has passed",
        "every \"5m\"",
    ),
    node(
        "notify",
        Args::Many(Type::Text),
        "the channels that are told of it; default: all, by severity",
        "notify \"ops\" \"mail\"",
    ),
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
        needed("after", Type::Integer(1, 1000), "failed runs in a row"),
        prop("wait", Type::Duration, "before the next try; default \"1m\""),
        prop(
            "factor",
            Type::Decimal(1, 10),
            "by how much the wait grows; default 2.0",
        ),
        prop("cap", Type::Duration, "the longest wait; default \"1h\""),
    ]),
    node(
        "overlap",
        Args::One(Type::Word(&["skip", "queue", "replace", "allow"], &[])),
        "what happens when it is due and still runs; default \"skip\"",
        "overlap \"queue\"",
    ),
];
