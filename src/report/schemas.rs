//! The language of ops files, and the JSON Schemas of all outputs, for programs.
//!
//! Takes a name, gives JSON: a file of `schemas/`, or the language. The files are generated from the types of the outputs,
//! by the test below.
//! Invariant: every JSON output has its schema here.

use crate::config::language::vocabulary::Vocabulary;

/// The name of the language itself, which is not a schema.
pub const LANGUAGE: &str = "ops";

#[derive(Debug, Clone, Copy)]
pub struct OutputSchema {
    /// Its name in `opsrun schema`; its file is `schemas/<name>.schema.json`.
    pub name: &'static str,
    pub of: &'static str,
    pub text: &'static str,
}

macro_rules! output {
    ($name:literal, $of:literal) => {
        OutputSchema {
            name: $name,
            of: $of,
            text: include_str!(concat!("../../schemas/", $name, ".schema.json")),
        }
    };
}

pub const OUTPUT_SCHEMAS: &[OutputSchema] = &[
    output!("language", "`opsrun schema ops`"),
    output!("plan", "`opsrun plan --json`"),
    output!("event", "a line of `opsrun apply --json`"),
    output!("list", "`opsrun list --json`"),
    output!("status", "`opsrun status --json`"),
    output!("alert", "the input of webhooks and commands"),
    output!("alerts", "`opsrun alerts list --json`"),
    output!("history", "`opsrun history --json`"),
    output!("why", "`opsrun why JOB --json`"),
    output!("next", "`opsrun plan --next N --json`"),
    output!("simulation", "`opsrun simulate --json`"),
    output!("findings", "`opsrun check --format json`"),
];

/// The language or a schema, as JSON; `None` for an unknown name.
pub fn json(name: &str) -> serde_json::Result<Option<String>> {
    if name == LANGUAGE {
        return Ok(Some(serde_json::to_string_pretty(&Vocabulary::of_this_build())? + "\n"));
    }
    let output = OUTPUT_SCHEMAS.iter().find(|output| output.name == name);
    Ok(output.map(|output| output.text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::message::Message;
    use crate::keep_reason::KeepReason;
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

    fn generated(name: &str) -> Schema {
        match name {
            "language" => schema_for!(Vocabulary),
            "plan" => schema_for!(PlanDocument),
            "event" => schema_for!(JsonLine),
            "list" => schema_for!(ListDocument),
            "status" => schema_for!(StatusDocument),
            "alert" => schema_for!(Message),
            "alerts" => schema_for!(AlertsDocument),
            "history" => schema_for!(HistoryDocument),
            "why" => schema_for!(WhyDocument),
            "next" => schema_for!(NextDocument),
            "simulation" => schema_for!(SimulationDocument),
            "findings" => schema_for!(FindingsDocument),
            _ => panic!("no type is known for the schema `{name}`"),
        }
    }

    /// `UPDATE_SCHEMAS=1` rewrites them.
    #[test]
    fn the_files_are_up_to_date() {
        let schema = |output: &OutputSchema| {
            let text = serde_json::to_string_pretty(&generated(output.name)).unwrap() + "\n";
            (format!("{}.schema.json", output.name), text)
        };
        let language = ("language.json".to_owned(), json(LANGUAGE).unwrap().unwrap());
        for (file, text) in OUTPUT_SCHEMAS.iter().map(schema).chain([language]) {
            let path = format!("{}/schemas/{file}", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("UPDATE_SCHEMAS").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                found == text,
                "{file} is out of date: run this test with UPDATE_SCHEMAS=1"
            );
        }
    }

    #[test]
    fn no_keep_reason_is_missing() {
        let schema = schema_for!(KeepReason);
        let words: Vec<_> = schema
            .get("oneOf")
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["const"])
            .collect();
        assert_eq!(words, KeepReason::ALL.map(KeepReason::word));
    }
}
