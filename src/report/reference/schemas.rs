//! The language of ops files, and the JSON Schemas of all outputs, for programs.
//!
//! Takes a name, gives JSON. `opsrun schema` prints it, the files in `schemas/` contain it, and tests compare the two.
//! Invariant: every JSON output has its schema here.

use crate::alert::Message;
use crate::config::language::vocabulary::Vocabulary;
use crate::plan::document::PlanDocument;
use crate::report::alerts::AlertsDocument;
use crate::report::copies::list::ListDocument;
use crate::report::findings::document::FindingsDocument;
use crate::report::run::history::HistoryDocument;
use crate::report::run::json_lines::JsonLine;
use crate::report::schedule::simulation::SimulationDocument;
use crate::report::schedule::status::StatusDocument;
use crate::report::schedule::upcoming::NextDocument;
use crate::report::schedule::why::WhyDocument;
use schemars::{Schema, schema_for};

/// The name of the language itself, which is not a schema.
pub const LANGUAGE: &str = "ops";

#[derive(Debug, Clone, Copy)]
pub struct OutputSchema {
    /// For `opsrun schema`; the file is `schemas/<name>.schema.json`.
    pub name: &'static str,
    pub of: &'static str,
    pub schema: fn() -> Schema,
}

pub const OUTPUT_SCHEMAS: &[OutputSchema] = &[
    output("language", "`opsrun schema ops`", || schema_for!(Vocabulary)),
    output("plan", "`opsrun plan --json`", || schema_for!(PlanDocument)),
    output("event", "a line of `opsrun apply --json`", || schema_for!(JsonLine)),
    output("list", "`opsrun list --json`", || schema_for!(ListDocument)),
    output("status", "`opsrun status --json`", || schema_for!(StatusDocument)),
    output("alert", "the input of webhooks and commands", || schema_for!(Message)),
    output("alerts", "`opsrun alerts list --json`", || schema_for!(AlertsDocument)),
    output("history", "`opsrun history --json`", || schema_for!(HistoryDocument)),
    output("why", "`opsrun why JOB --json`", || schema_for!(WhyDocument)),
    output("next", "`opsrun plan --next N --json`", || schema_for!(NextDocument)),
    output("simulation", "`opsrun simulate --json`", || {
        schema_for!(SimulationDocument)
    }),
    output("findings", "`opsrun check --format json`", || {
        schema_for!(FindingsDocument)
    }),
];

const fn output(name: &'static str, of: &'static str, schema: fn() -> Schema) -> OutputSchema {
    OutputSchema { name, of, schema }
}

/// The language or a schema, as JSON; `None` for an unknown name.
pub fn json(name: &str) -> serde_json::Result<Option<String>> {
    let text = if name == LANGUAGE {
        serde_json::to_string_pretty(&Vocabulary::of_this_build())?
    } else {
        let Some(form) = OUTPUT_SCHEMAS.iter().find(|form| form.name == name) else {
            return Ok(None);
        };
        serde_json::to_string_pretty(&(form.schema)())?
    };
    Ok(Some(text + "\n"))
}
