//! What programs can rely on: the language of ops files, and the JSON Schemas of what we print.
//!
//! Takes a name, gives JSON. `opsrun schema` prints it, the files in `schemas/` hold it, and tests compare the two.
//! Invariant: all that is printed as JSON has its schema here.

use crate::config::vocabulary::Vocabulary;
use crate::plan::document::PlanDocument;
use crate::report::copies::ListDocument;
use crate::report::history::HistoryDocument;
use crate::report::status::StatusDocument;
use crate::report::stream::Line;
use schemars::{Schema, schema_for};

/// The name of the language itself, which is no schema.
pub const LANGUAGE: &str = "ops";

/// What there are schemas of, what is told about each, and how it is made.
pub const SCHEMAS: &[(&str, &str, fn() -> Schema)] = &[
    ("language", "what `opsrun schema ops` prints", || {
        schema_for!(Vocabulary)
    }),
    ("plan", "`opsrun plan --json`", || schema_for!(PlanDocument)),
    ("event", "a line of `opsrun apply --json`", || schema_for!(Line)),
    ("list", "`opsrun list --json`", || schema_for!(ListDocument)),
    ("status", "`opsrun status --json`", || schema_for!(StatusDocument)),
    ("history", "`opsrun history --json`", || schema_for!(HistoryDocument)),
];

/// The language or a schema, as JSON; `None` when there is nothing of that name.
///
/// # Errors
/// None that these types can give rise to.
pub fn json(name: &str) -> serde_json::Result<Option<String>> {
    let text = if name == LANGUAGE {
        serde_json::to_string_pretty(&Vocabulary::of_this_build())?
    } else {
        let Some((_, _, made)) = SCHEMAS.iter().find(|(of, ..)| *of == name) else {
            return Ok(None);
        };
        serde_json::to_string_pretty(&made())?
    };
    Ok(Some(text + "\n"))
}
