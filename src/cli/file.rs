//! From FILE to a model.
//!
//! Takes a path and the overrides of the command line, gives a valid [`Model`]. Errors go to stderr, warnings only where a run
//! follows a change of the file. Used by every command but `check`, whose data are the findings.
//! Invariant: an invalid ops file exits with 78, an unreadable one with 66, before anything else happens.

use super::args::{FileArgs, StateArgs};
use super::exit::{Exit, Failure};
use super::terminal::Terminal;
use crate::config::{self, Loaded};
use crate::daemon::reload::Reload;
use crate::error_chain::error_chain;
use crate::launch::served::{self, OtherServer};
use crate::launch::state_place;
use crate::model::Model;
use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::store::Store;
use crate::time_zone::Zone;
use crate::units::plural;
use std::io::Read;
use std::path::Path;

/// In the state: the opsrun, the digest of the file and the zone data whose warnings were printed.
const FINDINGS_SHOWN: &str = "findings-shown";

pub fn model(file: &Path, state: Option<&StateArgs>, terminal: &Terminal) -> Result<Model, Failure> {
    Ok(model_and_server(file, state, terminal)?.0)
}

/// The model, and the process that serves the file with another state: reported, and the answer is not the whole one.
pub fn model_and_server(
    file: &Path,
    state: Option<&StateArgs>,
    terminal: &Terminal,
) -> Result<(Model, Option<OtherServer>), Failure> {
    let (model, _) = load(file, state, terminal)?;
    let other = state.and_then(|_| served::elsewhere(file, &model.ops.state_dir));
    if let Some(other) = &other {
        let (warning, dir) = (terminal.err.warn("warning:"), shown(&model.ops.state_dir));
        output::to_stderr(&format!(
            "{warning} {other}; this command uses `{dir}`\n  help: {}\n",
            other.help()
        ));
    }
    Ok((model, other))
}

/// The model for a command that writes to the state: refused while a process serves the file with another one.
pub fn model_to_write(file: &Path, state: &StateArgs, terminal: &Terminal) -> Result<Model, Failure> {
    Ok(load_to_write(file, state, terminal)?.0)
}

/// The same for a command that runs jobs. The first one after a change of the file shows its warnings.
pub fn model_to_run(file: &Path, state: &StateArgs, terminal: &Terminal) -> Result<Model, Failure> {
    let (model, findings) = load_to_write(file, state, terminal)?;
    show_once(&findings, &model, terminal);
    Ok(model)
}

fn load_to_write(file: &Path, state: &StateArgs, terminal: &Terminal) -> Result<(Model, String), Failure> {
    let (model, findings) = load(file, Some(state), terminal)?;
    match served::elsewhere(file, &model.ops.state_dir) {
        None => Ok((model, findings)),
        Some(other) => {
            let message = format!("{other}; this command would use `{}`", shown(&model.ops.state_dir));
            let help = format!("{}, or stop that process; nothing was done", other.help());
            Err(Failure::new(Exit::Busy, message, Some(&help)))
        }
    }
}

/// The model with the warnings about it, as text. Errors are printed.
fn load(file: &Path, state: Option<&StateArgs>, terminal: &Terminal) -> Result<(Model, String), Failure> {
    let loaded = config::load(file)?;
    let findings = loaded.render(terminal.err.is_color(), terminal.err_page());
    if loaded.errors() > 0 {
        output::to_stderr(&findings);
    }
    let model = valid(loaded, file, state)?;
    let by_default = state.is_some_and(|state| state.state_dir.is_none());
    if by_default && terminal.detail > Detail::Quiet && state_place::is_earlier(&model.ops) {
        output::to_stderr(&state_place::note(&model.ops.state_dir));
    }
    Ok((model, findings))
}

/// Prints the warnings about a file, unless they were printed before: then the state knows it.
fn show_once(findings: &str, model: &Model, terminal: &Terminal) {
    if findings.is_empty() || terminal.detail == Detail::Quiet {
        return;
    }
    // Another opsrun may find something else, and so may this one with other zone data.
    let mut this = format!(
        "{} {} {}",
        env!("CARGO_PKG_VERSION"),
        model.ops.digest,
        model.ops.zone_data
    );
    for refused in model.refused_zone_files() {
        this.extend([", ", &refused.to_string()]);
    }
    let dir = &model.ops.state_dir;
    let known = Store::open_read_only(dir).and_then(|store| store.map_or(Ok(None), |store| store.fact(FINDINGS_SHOWN)));
    if known.is_ok_and(|known| known.as_ref() == Some(&this)) {
        return;
    }
    output::to_stderr(findings);
    if let Err(error) = Store::open(dir).and_then(|store| store.remember_fact(FINDINGS_SHOWN, &this)) {
        // The run that follows reports it.
        tracing::debug!("cannot remember the findings that were shown: {error}");
    }
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
        model.ops.state_named = true;
    } else if state.is_some() {
        match state_place::earlier(&model.ops) {
            Ok(Some(place)) => model.ops.state_dir = place,
            Ok(None) => {}
            Err(several) => return Err(Failure::new(Exit::Refused, several.to_string(), Some(&several.help()))),
        }
    }
    Ok(model)
}

pub fn reload(file: &Path, state: Option<&StateArgs>, terminal: &Terminal) -> Reload {
    let (message, findings) = match config::load(file) {
        Ok(loaded) => {
            let findings = loaded.render(terminal.err.is_color(), terminal.err_page());
            match valid(loaded, file, state) {
                Ok(model) => {
                    show_once(&findings, &model, terminal);
                    return Reload::Valid(Box::new(model));
                }
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
    file: &FileArgs,
    from: Option<&Path>,
    state: &StateArgs,
    terminal: &Terminal,
) -> Result<Option<Model>, Failure> {
    match from {
        None => model(&file.path()?, Some(state), terminal).map(Some),
        Some(_) if file.given() => {
            let message = "`--from` and an ops file cannot be used together";
            Err(Failure::new(Exit::Usage, message, Some("remove one of them")))
        }
        Some(dir) => copies_at(dir).map(|()| None),
    }
}

/// That there is a directory of copies.
pub fn copies_at(dir: &Path) -> Result<(), Failure> {
    if dir.is_dir() {
        return Ok(());
    }
    let message = format!("`{}` is not a directory", shown(dir));
    let help = "give the directory of the copies, and check that its disk is mounted";
    Err(Failure::new(Exit::NoInput, message, Some(help)))
}

/// Not done while another state has the rest of the answer.
pub fn exit(other: Option<&OtherServer>) -> Exit {
    if other.is_some() { Exit::Failed } else { Exit::Done }
}

/// The zone of times that are shown and read.
pub fn zone(model: Option<&Model>) -> Zone {
    model.map_or_else(Zone::utc, |model| model.ops.timezone.clone())
}
