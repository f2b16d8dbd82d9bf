//! What programs can rely on: the language of ops files, and the JSON Schemas of what we print.
//!
//! Takes a name, gives JSON. `opsrun schema` prints it, the files in `schemas/` hold it, and tests compare the two.
//! Invariant: all that is printed as JSON has its schema here.

use crate::alert::Message;
use crate::config::language::vocabulary::Vocabulary;
use crate::plan::document::PlanDocument;
use crate::report::alerts::AlertsDocument;
use crate::report::copies::list::ListDocument;
use crate::report::findings::json::FindingsDocument;
use crate::report::run::history::HistoryDocument;
use crate::report::run::json_lines::Line;
use crate::report::schedule::simulation::SimulationDocument;
use crate::report::schedule::status::StatusDocument;
use crate::report::schedule::upcoming::NextDocument;
use crate::report::schedule::why::Why;
use schemars::{Schema, schema_for};

/// The name of the language itself, which is no schema.
pub const LANGUAGE: &str = "ops";

#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// What `opsrun schema` knows it by; its file is `schemas/<name>.schema.json`.
    pub name: &'static str,
    pub of: &'static str,
    pub schema: fn() -> Schema,
}

pub const FORMS: &[Form] = &[
    form("language", "what `opsrun schema ops` prints", || {
        schema_for!(Vocabulary)
    }),
    form("plan", "`opsrun plan --json`", || schema_for!(PlanDocument)),
    form("event", "a line of `opsrun apply --json`", || schema_for!(Line)),
    form("list", "`opsrun list --json`", || schema_for!(ListDocument)),
    form("status", "`opsrun status --json`", || schema_for!(StatusDocument)),
    form("alert", "what webhooks and commands are given", || schema_for!(Message)),
    form("alerts", "`opsrun alerts list --json`", || schema_for!(AlertsDocument)),
    form("history", "`opsrun history --json`", || schema_for!(HistoryDocument)),
    form("why", "`opsrun why JOB --json`", || schema_for!(Why)),
    form("next", "`opsrun plan --next N --json`", || schema_for!(NextDocument)),
    form("simulation", "`opsrun simulate --json`", || {
        schema_for!(SimulationDocument)
    }),
    form("findings", "`opsrun check --format json`", || {
        schema_for!(FindingsDocument)
    }),
];

const fn form(name: &'static str, of: &'static str, schema: fn() -> Schema) -> Form {
    Form { name, of, schema }
}

/// The language or a schema, as JSON; `None` when there is nothing of that name.
///
/// # Errors
/// None that these types can give rise to.
pub fn json(name: &str) -> serde_json::Result<Option<String>> {
    let text = if name == LANGUAGE {
        serde_json::to_string_pretty(&Vocabulary::of_this_build())?
    } else {
        let Some(form) = FORMS.iter().find(|form| form.name == name) else {
            return Ok(None);
        };
        serde_json::to_string_pretty(&(form.schema)())?
    };
    Ok(Some(text + "\n"))
}
