//! Arguments of the commands that only read: `graph`, `status`, `history`, `why`, `simulate`, `explain`, `schema`.
//!
//! Invariant: no flag here changes anything.

use super::common::{FileArgs, FileFlag, StateArgs};
use crate::cli::values::{self, Moment};
use crate::model::JobName;
use crate::model::state::State;
use crate::report::schemas;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Args)]
pub struct GraphArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// Output format: text, dot or mermaid
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        hide_possible_values = true
    )]
    pub format: GraphFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum GraphFormat {
    #[default]
    Text,
    Dot,
    Mermaid,
}

#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// Print the status as JSON (schemas/status.schema.json)
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub struct HistoryArgs {
    /// Show the details of this run: its ID, a unique prefix of it, or `last`
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    #[command(flatten)]
    pub file: FileFlag,
    /// Only runs that included this job
    #[arg(long, value_name = "JOB", value_parser = values::job, conflicts_with = "run")]
    pub job: Option<JobName>,
    /// Only runs in which a job, or JOB, ended so: ok, nothing, partial, warning, critical, unknown, refused, failed,
    /// no-space, blocked or interrupted
    #[arg(long, value_name = "OUTCOME", value_parser = values::outcome(), hide_possible_values = true, conflicts_with_all = ["run", "failed"])]
    pub outcome: Option<State>,
    /// Only runs that failed or were interrupted; with JOB, only those in which it did not succeed
    #[arg(long, conflicts_with = "run")]
    pub failed: bool,
    /// Maximum number of runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 20, conflicts_with = "run")]
    pub limit: u32,
    /// Print runs as JSON (schemas/history.schema.json), or the events of one run as JSON lines
    /// (schemas/event.schema.json)
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub struct WhyArgs {
    /// The job, as kind:name
    #[arg(value_name = "JOB", value_parser = values::job)]
    pub job: JobName,
    #[command(flatten)]
    pub file: FileFlag,
    /// Maximum number of decisions and of runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), default_value_t = 5)]
    pub limit: u32,
    /// Print the answer as JSON (schemas/why.schema.json)
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// Start of the span, included: 2026-11-23, "2026-11-23 21:00" or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub from: Moment,
    /// End of the span, excluded
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub to: Moment,
    /// Time when opsrun is not running, as in 2026-12-24..2026-12-27; repeatable
    #[arg(long, value_name = "A..B", value_parser = values::span)]
    pub down: Vec<(Moment, Moment)>,
    /// List every run, and every scheduled run that is skipped
    #[arg(long)]
    pub runs: bool,
    /// Print the result as JSON (schemas/simulation.schema.json)
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Codes such as OPS5001, or names such as no-max-delete [default: list all]
    #[arg(value_name = "CODE")]
    pub codes: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {
    /// The language itself, or the output whose JSON Schema to print
    #[arg(value_name = "WHAT", default_value = schemas::LANGUAGE, value_parser = schema_names())]
    pub name: String,
}

fn schema_names() -> PossibleValuesParser {
    let language = PossibleValue::new(schemas::LANGUAGE)
        .help("the language of ops files: nodes, types, defaults, examples, findings");
    let others = schemas::OUTPUT_SCHEMAS
        .iter()
        .map(|output| PossibleValue::new(output.name).help(format!("the schema of {}", output.of)));
    PossibleValuesParser::new(std::iter::once(language).chain(others))
}
