//! Small facts that outlive a run: destinations that were used, files on hold, what later looks at copies found.
//!
//! Takes and gives plain values by name and path. Decides nothing from them.
//! Invariant: a hold is only ever extended; one that has run out counts for nothing.

use super::columns::{Stamp, path_value};
use super::statements::Statements as _;
use super::{Store, StoreError};
use crate::path::RelPath;
use chrono::{DateTime, Utc};
use rusqlite::OptionalExtension as _;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

impl Store {
    /// The id of the marker that was last seen at `path` by this backup.
    pub fn marker_of(&self, backup: &str, path: &Path) -> Result<Option<String>, StoreError> {
        let values = params![backup, path_value(path.as_os_str().as_bytes())];
        self.read(|db| {
            db.first(
                "SELECT id FROM markers WHERE backup = ?1 AND path = ?2",
                values,
                |row| row.get(0),
            )
        })
    }

    /// Notes the id of the marker at `path`; replaces an earlier one.
    pub fn remember_marker(&self, backup: &str, path: &Path, id: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO markers (backup, path, id) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET id = excluded.id";
        self.execute(sql, params![backup, path_value(path.as_os_str().as_bytes()), id])
    }

    /// What a check measured when it was last asked.
    pub fn reading(&self, check: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT json FROM readings WHERE job = ?1";
        self.read(|db| db.query_row(sql, [check], |row| row.get(0)).optional())
    }

    pub fn remember_reading(&self, check: &str, now: DateTime<Utc>, json: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO readings (job, at, json) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET at = excluded.at, json = excluded.json";
        self.execute(sql, params![check, Stamp(now), json])
    }

    /// Files below `source` that may not be deleted yet, in path order.
    pub fn holds(&self, source: &Path, now: DateTime<Utc>) -> Result<Vec<RelPath>, StoreError> {
        let source = path_value(source.as_os_str().as_bytes());
        let path = |row: &Row<'_>| {
            Ok(match row.get_ref(0)? {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => RelPath::new(bytes),
                _ => None,
            })
        };
        let sql = "SELECT path FROM holds WHERE source = ?1 AND until > ?2";
        let paths = self.read(|db| db.rows(sql, params![source, Stamp(now)], path))?;
        let mut paths: Vec<RelPath> = paths.into_iter().flatten().collect();
        paths.sort();
        Ok(paths)
    }

    /// Keeps `paths` below `source` from deletion until `until`; a later end that was set before stays.
    pub fn add_holds(
        &self,
        source: &Path,
        paths: &[RelPath],
        until: DateTime<Utc>,
        run: &str,
    ) -> Result<(), StoreError> {
        let source = path_value(source.as_os_str().as_bytes());
        let until = Stamp(until);
        self.write(|db| {
            let mut statement = db.prepare(
                "INSERT INTO holds (source, path, until, run) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET until = excluded.until, run = excluded.run WHERE excluded.until > until",
            )?;
            for path in paths {
                statement.execute(params![source, path_value(path.as_bytes()), until, run])?;
            }
            Ok(())
        })
    }

    /// The id that this state made for a machine without one.
    pub fn writer(&self) -> Result<Option<String>, StoreError> {
        self.read(|db| {
            // A state of an earlier version, opened for reading.
            if !db.table_exists(None, "writer")? {
                return Ok(None);
            }
            db.first("SELECT id FROM writer", [], |row| row.get(0))
        })
    }

    /// The same; makes it of `new` where there is none.
    pub fn writer_or(&self, new: &str) -> Result<String, StoreError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO writer (id) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM writer)",
                [new],
            )?;
            db.query_row("SELECT id FROM writer", [], |row| row.get(0))
        })
    }

    /// Something of which there is one. `None` where it was never noted.
    pub fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|db| fact(db, name))
    }

    pub fn remember_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.write(|db| remember_fact(db, name, value))
    }

    /// Notes what a look at a copy after its own run found.
    pub fn record_verification(&self, copy: &str, at: DateTime<Utc>, ok: bool, detail: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO verifications (copy, at, ok, detail) VALUES (?1, ?2, ?3, ?4)";
        self.execute(sql, params![copy, Stamp(at), ok, detail])
    }
}

pub(super) fn fact(db: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    // A state of an earlier version, opened for reading.
    if !db.table_exists(None, "facts")? {
        return Ok(None);
    }
    db.first("SELECT value FROM facts WHERE name = ?1", [name], |row| row.get(0))
}

pub(super) fn remember_fact(db: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO facts (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    db.run(sql, params![name, value])
}
