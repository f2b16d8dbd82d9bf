//! From FILE to a model.
//!
//! Takes a path and the overrides of the command line, gives a valid [`Model`]; findings go to stderr. Used by
//! every command but `check`, for which the findings are the data.
//! Invariant: an invalid ops file ends with 78, one that cannot be read with 66, before anything else happens.

use super::args::{StateArgs, ThreadArgs};
use super::exit::{Exit, Failure};
use super::terminal::Terminal;
use crate::config;
use crate::daemon::reload::Reread;
use crate::launch::{self, copies::CopySource};
use crate::model::Model;
use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::units::plural;
use std::path::Path;

pub fn model(file: &Path, place: Option<&StateArgs>, terminal: &Terminal) -> Result<Model, Failure> {
    let loaded = config::load(file)?;
    if loaded.errors() > 0 || terminal.detail > Detail::Quiet {
        output::to_stderr(&loaded.render(terminal.err.is_color(), terminal.err_page()));
    }
    let errors = loaded.errors() as u64;
    let Some(mut model) = loaded.model else {
        let count = plural(errors, "error", "errors");
        return Err(Failure::new(
            Exit::Config,
            format!("`{}` is invalid: {count}", shown(file)),
            Some("mend what is marked above; nothing was done"),
        ));
    };
    placed(&mut model, place)?;
    Ok(model)
}

/// Puts the state where the command line wants it.
fn placed(model: &mut Model, place: Option<&StateArgs>) -> Result<(), Failure> {
    if let Some(dir) = place.and_then(|place| place.state_dir.as_deref()) {
        model.ops.state_dir = std::path::absolute(dir).map_err(|error| {
            let message = format!("cannot find `{}`: {error}", shown(dir));
            Failure::new(Exit::Usage, message, Some("name the state directory absolutely"))
        })?;
    }
    Ok(())
}

/// The model of `file` once more, for somebody who has one already.
#[must_use]
pub fn reread(file: &Path, place: Option<&StateArgs>, terminal: &Terminal) -> Reread {
    let loaded = match config::load(file) {
        Ok(loaded) => loaded,
        Err(error) => {
            return Reread::Invalid {
                message: crate::error_chain::error_chain(&error),
                findings: String::new(),
            };
        }
    };
    let errors = loaded.errors() as u64;
    let findings = loaded.render(terminal.err.is_color(), terminal.err_page());
    let invalid = |message| Reread::Invalid { message, findings };
    let Some(mut model) = loaded.model else {
        let count = plural(errors, "error", "errors");
        return invalid(format!("`{}` is invalid: {count}", shown(file)));
    };
    match placed(&mut model, place) {
        Ok(()) => Reread::Valid(Box::new(model)),
        Err(failure) => invalid(failure.message),
    }
}

#[derive(Debug)]
pub enum Copies {
    /// At the destinations of an ops file.
    Declared(Box<Model>),
    /// In one directory, without ops file or state.
    Directory(std::path::PathBuf),
}

impl Copies {
    /// `--from` or the ops file.
    pub fn find(
        file: &Path,
        from: Option<&Path>,
        place: Option<&StateArgs>,
        terminal: &Terminal,
    ) -> Result<Self, Failure> {
        match from {
            None => Ok(Self::Declared(Box::new(model(file, place, terminal)?))),
            Some(dir) if dir.is_dir() => Ok(Self::Directory(dir.to_owned())),
            Some(dir) => Err(Failure::new(
                Exit::NoInput,
                format!("`{}` is no directory", shown(dir)),
                Some("name the directory that holds the copies, and check that its disk is mounted"),
            )),
        }
    }

    /// As the rooms below take it.
    #[must_use]
    pub fn from(&self) -> CopySource<'_> {
        match self {
            Self::Declared(model) => CopySource::Model(model),
            Self::Directory(path) => CopySource::Directory(path),
        }
    }

    /// The ops file, where there is one.
    #[must_use]
    pub fn model(&self) -> Option<&Model> {
        match self {
            Self::Declared(model) => Some(model),
            Self::Directory(_) => None,
        }
    }

    /// Threads: as asked for, as the ops file has it, or as many as there are cores.
    #[must_use]
    pub fn threads(&self, asked: ThreadArgs) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        match self.model() {
            Some(model) => launch::threads(model, asked.count()),
            None => asked.count().unwrap_or_else(cores),
        }
    }

    /// In which times are shown and read.
    #[must_use]
    pub fn zone(&self) -> chrono_tz::Tz {
        match self {
            Self::Declared(model) => model.ops.timezone,
            Self::Directory(_) => chrono_tz::UTC,
        }
    }
}
