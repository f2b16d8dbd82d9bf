//! Is the process that began a run still there?
//!
//! Runs that do not touch each other proceed side by side, so a run without an end may be going on.
//! Rule: a run whose process can be asked ([`crate::liveness::process_token`]) goes on as long as that is there. One that
//! cannot be asked, since it has no lock and is of another PID namespace or a host without `/proc`, goes on until
//! [`MAX_SILENCE`] after its last event: neither called interrupted on a guess, nor running forever.

use super::columns::Stamp;
use super::statements::Statements as _;
use crate::clock;
use crate::liveness::process_token::{Presence, presence};
use chrono::TimeDelta;
use rusqlite::Connection;
use std::path::Path;

/// Longer than most runs; short enough to be noticed.
const MAX_SILENCE: TimeDelta = TimeDelta::days(1);

/// True while the process with this token, which began the run, is there.
pub(super) fn is_running(db: &Connection, state_dir: &Path, run: &str, token: &str) -> rusqlite::Result<bool> {
    match presence(state_dir, token) {
        Presence::Present => Ok(true),
        Presence::Gone => Ok(false),
        Presence::Unknown => {
            let sql = "SELECT max(at) FROM (SELECT begun_at AS at FROM runs WHERE run = ?1
                 UNION ALL SELECT max(at) FROM events WHERE run = ?1)";
            let last: Option<Option<Stamp>> = db.first(sql, [run], |row| row.get(0))?;
            Ok(last.flatten().is_some_and(|last| clock::now() - last.0 < MAX_SILENCE))
        }
    }
}
