//! What opsrun promises, tried from the outside: through its library and through the program.
//!
//! One program, so that opsrun is linked once. What several modules need is in `support`; what kills the program at
//! every call is in `tests/faults`.

mod alerts;
mod archive;
mod assertions;
mod channels;
mod checks;
mod cli;
mod copy_formats;
mod daemon;
mod documents;
mod engine;
mod examples;
mod findings;
mod format;
mod generated;
mod graph;
mod groups;
mod host;
mod hostile_copies;
mod jobs;
mod layering;
mod model;
mod promise;
mod properties;
mod properties_config;
mod reasoning;
mod reports;
mod restore;
mod retentions;
mod schedules;
mod simulate;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod terminal_json;
mod tree_copies;
mod words;
