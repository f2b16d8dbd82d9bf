//! The findings of `check` for programs: JSON, annotations of GitHub, SARIF, JUnit.
//!
//! Takes files that were read (`Loaded`) and those that could not be, gives one `FindingsDocument`: the JSON itself,
//! and the source of the other formats. The text for people belongs to `config`, since it draws the excerpts.
//! - [`document`]: the JSON, as in `schemas/findings.schema.json` · [`sarif`]: SARIF 2.1.0
//! - [`github`]: workflow commands · [`junit`]: one suite per file, one case per finding
//! - [`diff`]: the changes of `--fix` · [`explain`]: pages about findings

pub mod diff;
pub mod document;
pub mod explain;
pub mod github;
pub mod junit;
pub mod sarif;
