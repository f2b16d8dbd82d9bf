//! `opsrun graph`: the jobs of an ops file and their dependencies.
//!
//! Takes an ops file, gives text, dot or Mermaid on stdout. Reads only the file and its imports.
//! Invariant: the same file gives the same output on every machine.

use super::args::{GraphArgs, GraphFormat};
use super::exit::{Exit, Failure};
use super::file;
use super::terminal::Terminal;
use crate::report::plan::graph::Graph;
use crate::report::shared::output;

pub fn run(args: &GraphArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let graph = Graph::of_model(&file::model(&args.file.path()?, None, terminal)?);
    output::to_stdout(&match args.format {
        GraphFormat::Text => graph.text(terminal.out),
        GraphFormat::Dot => graph.dot(),
        GraphFormat::Mermaid => graph.mermaid(),
    })?;
    Ok(Exit::Done.into())
}
