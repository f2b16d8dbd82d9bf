-- The state as schema 5 has it. Never changed: tests bring states of it up to date.
CREATE TABLE runs (
    run TEXT PRIMARY KEY,
    command TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    process TEXT NOT NULL,
    finished_at TEXT,
    exit INTEGER,
    interrupted_at TEXT
) STRICT;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES runs (run),
    at TEXT NOT NULL,
    step TEXT,
    kind TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_run ON events (run, seq);
CREATE INDEX events_by_kind ON events (kind, seq);
CREATE TABLE markers (
    backup TEXT NOT NULL,
    path ANY NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (backup, path)
) STRICT;
CREATE TABLE holds (
    source ANY NOT NULL,
    path ANY NOT NULL,
    until TEXT NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (source, path)
) STRICT;
CREATE TABLE verifications (
    copy TEXT NOT NULL,
    at TEXT NOT NULL,
    ok INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX verifications_by_copy ON verifications (copy, at);
CREATE TABLE forgotten (
    copy TEXT PRIMARY KEY,
    at TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_begin ON runs (begun_at, run);
CREATE INDEX events_by_step ON events (step, kind, seq) WHERE step IS NOT NULL;
CREATE INDEX settled_by_step ON events (step, json_extract(json, '$.outcome.state'), seq) WHERE kind = 'step-finished';
CREATE TABLE schedules (
    schedule TEXT PRIMARY KEY,
    definition TEXT NOT NULL,
    since TEXT NOT NULL,
    handled TEXT NOT NULL
) STRICT;
CREATE TABLE claims (
    schedule TEXT NOT NULL,
    instant TEXT NOT NULL,
    run TEXT NOT NULL REFERENCES runs (run),
    at TEXT NOT NULL,
    PRIMARY KEY (schedule, instant, run)
) STRICT;
CREATE INDEX claims_by_run ON claims (run);
CREATE TABLE queue (
    job TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    instant TEXT NOT NULL
) STRICT;
CREATE TABLE decisions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    job TEXT NOT NULL,
    schedule TEXT NOT NULL,
    instant TEXT NOT NULL,
    last TEXT NOT NULL,
    count INTEGER NOT NULL,
    more INTEGER NOT NULL,
    decision TEXT NOT NULL,
    reason TEXT NOT NULL,
    run TEXT
) STRICT;
CREATE INDEX decisions_by_job ON decisions (job, seq);
CREATE UNIQUE INDEX ran_once ON decisions (job, schedule, instant) WHERE run IS NOT NULL;
CREATE TABLE back_offs (
    job TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    opened TEXT,
    open_until TEXT,
    run TEXT
) STRICT;
CREATE TABLE alert_states (
    key TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'held', 'sent', 'dead', 'merged', 'dropped')),
    created_at TEXT NOT NULL,
    due_at TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    first_attempt_at TEXT,
    lease TEXT,
    leased_until TEXT,
    waited INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    settled_at TEXT,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_open ON outbox (state, channel, key, seq) WHERE state IN ('pending', 'held', 'dead');
CREATE INDEX outbox_settled ON outbox (channel, settled_at) WHERE settled_at IS NOT NULL;
CREATE TABLE writer (
    id TEXT PRIMARY KEY
) STRICT;
