//! What can be typed for commands that only look: `graph`, `status`, `history`, `why`, `simulate`, `explain`, `schema`.
//!
//! Takes nothing but clap's derive; gives plain structs.
//! Invariant: none of them has a flag that changes anything.

use super::{DEFAULT_FILE, StateArgs, values};
use crate::model::JobName;
use crate::report::schemas;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use values::Moment;

/// `opsrun graph`.
#[derive(Debug, Clone, Args)]
pub struct GraphArgs {
    /// The ops file.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file")]
    pub file: PathBuf,
    /// In which form.
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        hide_possible_values = true,
        help = "text, dot or mermaid"
    )]
    pub format: GraphFormat,
}

/// `graph --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum GraphFormat {
    /// For people.
    #[default]
    Text,
    /// For Graphviz.
    Dot,
    /// For Mermaid.
    Mermaid,
}

/// `opsrun status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// The ops file.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file")]
    pub file: PathBuf,
    /// JSON.
    #[arg(long, help = "Print it as JSON (schemas/status.schema.json)")]
    pub json: bool,
    /// The state.
    #[command(flatten)]
    pub place: StateArgs,
}

/// `opsrun history`.
#[derive(Debug, Clone, Args)]
pub struct HistoryArgs {
    /// A run.
    #[arg(
        value_name = "RUN",
        help = "What happened in this run: its id, as much of it as no other begins with, or `last`"
    )]
    pub run: Option<String>,
    /// The ops file.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file")]
    pub file: PathBuf,
    /// A job.
    #[arg(
        long,
        value_name = "JOB",
        value_parser = values::job,
        conflicts_with = "run",
        help = "Only runs in which this job took part"
    )]
    pub job: Option<JobName>,
    /// How many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 20, conflicts_with = "run", help = "So many runs at most")]
    pub limit: u32,
    /// JSON.
    #[arg(
        long,
        help = "Print the runs as JSON (schemas/history.schema.json); what happened in one run as one object a line (schemas/event.schema.json)"
    )]
    pub json: bool,
    /// The state.
    #[command(flatten)]
    pub place: StateArgs,
}

/// `opsrun why`.
#[derive(Debug, Clone, Args)]
pub struct WhyArgs {
    /// The job.
    #[arg(value_name = "JOB", value_parser = values::job, help = "The job, as kind:name")]
    pub job: JobName,
    /// The ops file.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file")]
    pub file: PathBuf,
    /// How many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), default_value_t = 5, help = "So many decisions and runs at most")]
    pub limit: u32,
    /// JSON.
    #[arg(long, help = "Print it as JSON (schemas/why.schema.json)")]
    pub json: bool,
    /// The state.
    #[command(flatten)]
    pub place: StateArgs,
}

/// `opsrun simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// The ops file.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file")]
    pub file: PathBuf,
    /// The first moment.
    #[arg(long, value_name = "TIME", value_parser = values::moment, help = "What starts at this moment or later counts: 2026-11-23, \"2026-11-23 21:00\" or RFC 3339")]
    pub from: Moment,
    /// The end.
    #[arg(long, value_name = "TIME", value_parser = values::moment, help = "What starts at this moment or later does not count")]
    pub to: Moment,
    /// When opsrun does not run.
    #[arg(
        long,
        value_name = "A..B",
        value_parser = values::span,
        help = "opsrun does not run from A up to B, as in 2026-12-24..2026-12-27; repeatable"
    )]
    pub down: Vec<(Moment, Moment)>,
    /// Single runs.
    #[arg(long, help = "List every run, and what is left out")]
    pub runs: bool,
    /// JSON.
    #[arg(long, help = "Print it as JSON (schemas/simulation.schema.json)")]
    pub json: bool,
}

/// `opsrun explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Codes or slugs.
    #[arg(
        value_name = "CODE",
        help = "Codes such as OPS5001, or slugs such as no-max-delete; without any all are listed"
    )]
    pub codes: Vec<String>,
}

/// `opsrun schema`.
#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {
    /// Of what.
    #[arg(
        value_name = "WHAT",
        default_value = schemas::LANGUAGE,
        value_parser = schema_names(),
        help = "The language itself, or what there is a JSON Schema of"
    )]
    pub of: String,
}

fn schema_names() -> PossibleValuesParser {
    let language = PossibleValue::new(schemas::LANGUAGE)
        .help("the language of ops files: nodes, types, defaults, examples, findings");
    let others = schemas::FORMS
        .iter()
        .map(|form| PossibleValue::new(form.name).help(format!("the schema of {}", form.of)));
    PossibleValuesParser::new(std::iter::once(language).chain(others))
}
