//! What opsrun remembers from run to run: one SQLite file, `<state dir>/opsrun.db`.
//!
//! Takes events and small facts, gives them back to later runs. Knows nothing of copies' contents, of steps'
//! work or of how anything is shown. The file is private, or readable by the group of its directory, in WAL mode with
//! `synchronous=FULL`: what a method returned `Ok` for survives a power cut.
//! Invariant: an event is one transaction, durable before [`crate::run::Record::record`] returns; a file of a
//! newer schema, of another program, or one that was taken away from its place is never written.
//!
//! People may read it with `sqlite3 opsrun.db`. Times are UTC text that sorts; paths are text, or blobs where
//! they are not UTF-8.
//!
//! | table | a row is | columns |
//! |---|---|---|
//! | `runs` | a run | `run` its ULID · `command` · `begun_at` · `process` who writes it ([`crate::liveness::process_token`]) · `finished_at`, `exit` once it is over · `interrupted_at` once a later run found it cut short |
//! | `events` | an event of a run | `seq` counts up over all runs · `run` · `at` · `step` where it has one · `kind` (`copy-published`) · `json` the whole |
//! | `markers` | a destination that was used | `backup` · `path` · `id` of its `.opsrun-destination` |
//! | `holds` | a restored file that may not be deleted yet | `source` · `path` below it · `until` · `run` that restored it |
//! | `verifications` | a later look at a copy | `copy` · `at` · `ok` · `detail` |
//! | `forgotten` | a copy that was begun, never published, and whose debris is cleared | `copy` · `at` |
//! | `copies` | a copy whose run is no longer remembered | `copy` · `destination` · `published`, or begun only |
//! | `relied_on` | a deletion that relied on a copy, whose run is no longer remembered | `copy` · `run` |
//! | `sequences` | the highest number of a copy in what is no longer remembered | `step` that published it · `sequence` |
//! | `facts` | something of which there is one | `name` · `value` |
//! | `writer` | who makes copies here, where the machine has no id: one row | `id` |
//! | `schedules` | how far a schedule has come | `schedule` · `definition` when it is due · `since` it is so defined · `handled` the last instant that was decided about |
//! | `claims` | an instant for which a run was begun | `schedule` · `instant` · `run` · `at` |
//! | `waits` | what a run waited for before it began | `run` · `reason` · `at` it was last so |
//! | `queue` | a job that waits for its own earlier run | `job` · `schedule` · `instant` |
//! | `decisions` | what was decided about a job | `at` · `job` · `schedule` · `instant` to `last`, `count` of them, or `more` · `decision` · `reason` · `run` that was begun |
//! | `back_offs` | a target that failed of late | `job` · `failures` in a row · `opened` to `open_until` it is left alone · `run` in which it is being tried |
//! | `alert_states` | the alert state of a key | `key` a step, `run` or `config` · `at` · `json` the whole |
//! | `outbox` | a message for a channel | `seq` counts up · `id` its ULID · `channel` · `key`, `kind`, `severity` as in `json`, the message · `state` · `created_at` · `due_at` not sent before · `attempts`, `first_attempt_at`, `last_error` · `lease` who is sending it, `leased_until` when · `waited` for room under a rate limit · `settled_at` |
//!
//! - [`journal`]: runs and their events, written · [`history`]: read again, by run and by job
//! - [`prune`]: old history, removed in small steps
//! - [`outbox`]: messages until they are delivered
//! - [`remembered`]: markers, holds, verifications, the id of a writer
//! - [`schedules`]: which instants were decided about, which runs were begun for them, and why ·
//!   `tick_record`: the values of it
//! - [`unbegun`]: runs that are claimed and have not begun: what they wait for, and what becomes of them
//! - `schema`: tables and migrations · `statements`: in one call · `alive`: is the process that began a run still there · `error`

mod alive;
mod columns;
mod error;
pub mod history;
pub mod journal;
pub mod outbox;
pub mod prune;
pub mod remembered;
pub mod schedules;
mod schema;
mod statements;
mod tick_record;
pub mod unbegun;

pub use error::StoreError;
pub use history::{
    BegunJob, JobResult, JobStatus, OutcomeFilter, RunEnd, RunFilter, RunJob, RunSearch, RunSummary, StoredEvent,
};
pub use journal::RunJournal;

use crate::liveness::process_token;
use rusqlite::{Connection, OpenFlags};
use statements::Statements as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Name of the file in the state directory.
pub const FILE_NAME: &str = "opsrun.db";

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
    path: PathBuf,
    /// Device and inode of the file that was opened.
    file: (u64, u64),
}

impl Store {
    /// Opens the store in `state_dir` for writing; makes the directory and the file where they are lacking.
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        make_directories(state_dir)?;
        let path = state_dir.join(FILE_NAME);
        // One process at a time makes the file and its tables: half-way it would look foreign to others.
        regular(&path)?;
        let _turn = File::open(state_dir)
            .and_then(|dir| dir.lock().map(|()| dir))
            .map_err(|e| StoreError::Reach(path.clone(), e))?;
        let made = make_file(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = |e| StoreError::Open(path.clone(), e);
        let mut connection = Connection::open_with_flags(&path, flags).map_err(opened)?;
        connection.busy_timeout(BUSY).map_err(opened)?;
        // Looked at before anything is written: a foreign or newer file stays as it is.
        if schema::inspect(&connection, &path)? == 0 {
            schema::prepare(&connection).map_err(opened)?;
        }
        connection
            .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
            .and_then(|()| connection.pragma_update(None, "synchronous", "full"))
            .and_then(|()| connection.pragma_update(None, "foreign_keys", true))
            .map_err(opened)?;
        schema::migrate(&mut connection, &path)?;
        if made {
            sync(state_dir).map_err(|e| StoreError::Make(state_dir.to_owned(), e))?;
        }
        let file = identity(&path)?;
        Ok(Self {
            connection: Mutex::new(connection),
            path,
            file,
        })
    }

    /// Opens the store in `state_dir` for reading; `None` when there is none. Makes no file and changes none.
    ///
    /// While a writer is alive, or after one was killed, its `-shm` file is there and used. One case makes a
    /// `-shm` file all the same: a `-wal` file with content whose `-shm` was removed by hand. What it holds
    /// counts for more than an untouched directory.
    pub fn open_read_only(state_dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = state_dir.join(FILE_NAME);
        let absent = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
        match std::fs::metadata(&path) {
            Ok(found) if !found.is_file() => return Err(StoreError::NotAFile(path)),
            Ok(found) if found.len() == 0 && wal_bytes(&path) == 0 => return Ok(None),
            Ok(_) => {}
            Err(e) if absent(&e) => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Err(denied(state_dir, path)),
            Err(e) => return Err(StoreError::Reach(path, e)),
        }
        if File::open(&path).is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied) {
            return Err(denied(&path.clone(), path));
        }
        let mode = if wal_bytes(&path) > 0 || beside(&path, "-shm").exists() {
            "mode=ro"
        } else {
            "immutable=1"
        };
        let opened = |e| StoreError::Open(path.clone(), e);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let open = |mode| {
            let connection = Connection::open_with_flags(uri(&path, mode), flags).map_err(opened)?;
            connection.busy_timeout(BUSY).map_err(opened)?;
            let schema = schema::inspect(&connection, &path)?;
            Ok((connection, schema))
        };
        let (connection, schema) = match open(mode) {
            // On a full disk a writer leaves a `-shm` file that cannot grow. No one writes there.
            Err(error) if wal_bytes(&path) == 0 && StoreError::is_cannot_write(&error) => open("immutable=1")?,
            result => result?,
        };
        if schema == 0 {
            return Ok(None);
        }
        let file = identity(&path)?;
        Ok(Some(Self {
            connection: Mutex::new(connection),
            path,
            file,
        }))
    }

    /// As [`Self::open_read_only`]; without a state an empty one, in memory only.
    pub fn open_or_empty(state_dir: &Path) -> Result<Self, StoreError> {
        if let Some(store) = Self::open_read_only(state_dir)? {
            return Ok(store);
        }
        let path = state_dir.join(FILE_NAME);
        let mut memory = Connection::open_in_memory().map_err(|e| StoreError::Open(path.clone(), e))?;
        schema::migrate(&mut memory, &path)?;
        Ok(Self {
            connection: Mutex::new(memory),
            path,
            // Of no file: it is never written.
            file: (0, 0),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn state_dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The token of this process, for runs that it begins. What may not be written gets no lock beside it either.
    fn own_process(&self, db: &Connection) -> String {
        if db.is_readonly(rusqlite::MAIN_DB).unwrap_or(false) {
            return String::new();
        }
        process_token::token(self.state_dir())
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic within a transaction rolled it back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to write into a file that is no longer at its path: it would be lost with the process.
    fn still_there(&self) -> Result<(), StoreError> {
        match identity(&self.path) {
            Ok(found) if found == self.file => Ok(()),
            _ => Err(StoreError::Gone(self.path.clone())),
        }
    }

    /// Runs `work` as one durable transaction.
    fn write<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.transaction(|db| Ok((work(db)?, true)))
    }

    /// Runs `work` as one durable transaction. If it returns false, nothing is written.
    fn attempt(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<bool>) -> Result<bool, StoreError> {
        self.transaction(|db| work(db).map(|done| (done, done)))
    }

    /// `work` also decides whether to commit.
    fn transaction<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<(T, bool)>) -> Result<T, StoreError> {
        self.still_there()?;
        let connection = self.connection();
        let all = || {
            let transaction =
                rusqlite::Transaction::new_unchecked(&connection, rusqlite::TransactionBehavior::Immediate)?;
            let (value, commit) = work(&transaction)?;
            let end = if commit {
                transaction.commit()
            } else {
                transaction.rollback()
            };
            end.map(|()| value)
        };
        all().map_err(|e| StoreError::Write(self.path.clone(), e))
    }

    /// Executes one statement, durably.
    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
        self.write(|db| db.run(sql, values))
    }

    /// Runs `work`, which only reads.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&self.connection()).map_err(|e| StoreError::Read(self.path.clone(), e))
    }
}

/// Who may read what this process may not.
fn denied(what: &Path, path: PathBuf) -> StoreError {
    let found = what.ancestors().find_map(|what| std::fs::metadata(what).ok());
    let gid = found.map_or(0, |found| found.gid());
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let name = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == gid.to_string()).then(|| name.to_owned())
    });
    let group = name.unwrap_or_else(|| gid.to_string());
    StoreError::Denied { path, group }
}

/// Refuses a pipe, a device or a directory: opening it could wait forever.
fn regular(path: &Path) -> Result<(), StoreError> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(StoreError::NotAFile(path.to_owned())),
        _ => Ok(()),
    }
}

fn identity(path: &Path) -> Result<(u64, u64), StoreError> {
    let found = std::fs::metadata(path).map_err(|e| StoreError::Reach(path.to_owned(), e))?;
    Ok((found.dev(), found.ino()))
}

/// Makes `path` and what lacks above it, 0700 each; every new name is on disk when this returns.
fn make_directories(path: &Path) -> Result<(), StoreError> {
    let make = |path: &Path| {
        let absent: Vec<&Path> = path
            .ancestors()
            .take_while(|dir| !dir.as_os_str().is_empty() && !dir.is_dir())
            .collect();
        for dir in absent.into_iter().rev() {
            match DirBuilder::new().mode(directory_mode(dir)).create(dir) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
                other => other?,
            }
            if let Some(parent) = dir.parent() {
                let here = parent.as_os_str().is_empty();
                sync(if here { Path::new(".") } else { parent })?;
            }
        }
        Ok(())
    };
    make(path).map_err(|e| StoreError::Make(path.to_owned(), e))
}

/// The group of root reads nothing that root does not give it. What a user makes is private, unless it is in a directory
/// that was opened for the group alone.
fn directory_mode(dir: &Path) -> u32 {
    let shared = dir.parent().is_some_and(is_for_group);
    if rustix::process::geteuid().is_root() || shared {
        0o750
    } else {
        0o700
    }
}

/// True for a directory that its group may read and others may not.
fn is_for_group(dir: &Path) -> bool {
    std::fs::metadata(dir).is_ok_and(|found| found.mode() & 0o057 == 0o050)
}

/// Makes an empty file when there is none; the database's own would be as wide as the umask allows. Its group reads it where
/// it reads the directory.
fn make_file(path: &Path) -> Result<bool, StoreError> {
    let mode = if path.parent().is_some_and(is_for_group) {
        0o640
    } else {
        0o600
    };
    match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(StoreError::Make(path.to_owned(), e)),
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // Some file systems have nothing to sync in a directory and say so.
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn wal_bytes(path: &Path) -> u64 {
    std::fs::metadata(beside(path, "-wal")).map_or(0, |found| found.len())
}

/// `file:` URI of a path of any bytes.
fn uri(path: &Path, mode: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            out.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out + "?" + mode
}

#[cfg(test)]
mod tests;
