//! From FILE to a model.
//!
//! Takes a path and the overrides of the command line, gives a valid [`Model`]; findings go to stderr. Used by every
//! command but `check`, whose data are the findings.
//! Invariant: an invalid ops file exits with 78, an unreadable one with 66, before anything else happens.

use super::args::StateArgs;
use super::exit::{Exit, Failure};
use super::terminal::Terminal;
use crate::config::{self, Loaded};
use crate::daemon::reload::Reload;
use crate::error_chain::error_chain;
use crate::model::Model;
use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::units::plural;
use std::io::Read;
use std::path::Path;

pub fn model(file: &Path, state: Option<&StateArgs>, terminal: &Terminal) -> Result<Model, Failure> {
    let loaded = config::load(file)?;
    if loaded.errors() > 0 || terminal.detail > Detail::Quiet {
        output::to_stderr(&loaded.render(terminal.err.is_color(), terminal.err_page()));
    }
    valid(loaded, file, state)
}

/// The model with the state directory of the command line, or why there is none.
fn valid(loaded: Loaded, file: &Path, state: Option<&StateArgs>) -> Result<Model, Failure> {
    let errors = plural(loaded.errors() as u64, "error", "errors");
    let Some(mut model) = loaded.model else {
        let message = format!("`{}` is invalid: {errors}", shown(file));
        let help = "fix the errors above; nothing was done";
        return Err(Failure::new(Exit::Config, message, Some(help)));
    };
    if let Some(dir) = state.and_then(|state| state.state_dir.as_deref()) {
        model.ops.state_dir = std::path::absolute(dir).map_err(|error| {
            let message = format!("cannot resolve `{}`: {error}", shown(dir));
            let help = "use an absolute path for the state directory";
            Failure::new(Exit::Usage, message, Some(help))
        })?;
    }
    Ok(model)
}

pub fn reload(file: &Path, state: Option<&StateArgs>, terminal: &Terminal) -> Reload {
    let (message, findings) = match config::load(file) {
        Ok(loaded) => {
            let findings = loaded.render(terminal.err.is_color(), terminal.err_page());
            match valid(loaded, file, state) {
                Ok(model) => return Reload::Valid(Box::new(model)),
                Err(failure) => (failure.message, findings),
            }
        }
        Err(error) => (error_chain(&error), String::new()),
    };
    Reload::Invalid { message, findings }
}

/// The bytes of a file, or of stdin for `-`.
pub fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    if file != Path::new("-") {
        return Ok(config::text_of(file)?);
    }
    let mut text = Vec::new();
    match std::io::stdin().lock().read_to_end(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::new(Exit::NoInput, format!("cannot read stdin: {error}"), None)),
    }
}

/// The model of an ops file, or none: then the copies of the directory `from` need neither an ops file nor a state.
pub fn model_of_copies(
    file: &Path,
    from: Option<&Path>,
    state: &StateArgs,
    terminal: &Terminal,
) -> Result<Option<Model>, Failure> {
    match from {
        None => model(file, Some(state), terminal).map(Some),
        Some(dir) if dir.is_dir() => Ok(None),
        Some(dir) => {
            let message = format!("`{}` is not a directory", shown(dir));
            let help = "give the directory of the copies, and check that its disk is mounted";
            Err(Failure::new(Exit::NoInput, message, Some(help)))
        }
    }
}

/// The zone of times that are shown and read.
pub fn zone(model: Option<&Model>) -> chrono_tz::Tz {
    model.map_or(chrono_tz::UTC, |model| model.ops.timezone)
}
