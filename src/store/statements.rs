//! Statements in one call: run, or their rows read.

use rusqlite::{Connection, OptionalExtension as _, Params, Result, Row};

pub(super) trait Statements {
    /// Executes it, however many rows it changes.
    fn run(&self, sql: &str, values: impl Params) -> Result<()>;

    fn rows<T>(&self, sql: &str, values: impl Params, read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>>;

    /// The first row, if there is one.
    fn first<T>(&self, sql: &str, values: impl Params, read: impl FnOnce(&Row<'_>) -> Result<T>) -> Result<Option<T>>;
}

impl Statements for Connection {
    fn run(&self, sql: &str, values: impl Params) -> Result<()> {
        self.prepare_cached(sql)?.execute(values).map(drop)
    }

    fn rows<T>(&self, sql: &str, values: impl Params, read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
        self.prepare_cached(sql)?.query_map(values, read)?.collect()
    }

    fn first<T>(&self, sql: &str, values: impl Params, read: impl FnOnce(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
        self.prepare_cached(sql)?.query_row(values, read).optional()
    }
}
