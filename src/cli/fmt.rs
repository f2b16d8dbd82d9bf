//! `opsrun fmt`: brings ops files into their usual form.
//!
//! Takes files or stdin; writes the files anew where something changes, and says which on stderr. With `--check` and
//! `--diff` it writes nothing, and what it found is the data on stdout.
//! Invariant: a file that is no KDL, or was written meanwhile, stays as it is, whatever becomes of the others.

use super::args::FmtArgs;
use super::exit::{Exit, Failure};
use super::terminal::Terminal;
use crate::config::{self, FormatError};
use crate::launch;
use crate::path::shown;
use crate::report::findings::diff;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::units::plural;
use std::io::Read;
use std::path::Path;

pub fn run(args: &FmtArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let mut exit: u8 = Exit::Done.into();
    for file in &args.files {
        match one(file, args, terminal) {
            Ok(code) => exit = exit.max(code),
            Err(failure) => {
                output::failure(&failure.message, failure.help.as_deref(), terminal.err);
                exit = exit.max(failure.exit);
            }
        }
    }
    Ok(exit)
}

fn one(file: &Path, args: &FmtArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let stdin = file == Path::new("-");
    let name = if stdin { args.stdin_name.as_path() } else { file };
    let old = read(file, stdin)?;
    let new = config::format(name, old.clone()).map_err(|error| refused(name, error, terminal))?;
    let differs = old != new.as_bytes();
    let asked = args.check || args.diff;
    if args.diff {
        // Without secrets; what is formatted is UTF-8.
        let old = config::masked(&String::from_utf8_lossy(&old));
        let text = diff::unified(&shown(name).to_string(), &old, &config::masked(&new), terminal.out);
        output::to_stdout(&text)?;
    } else if args.check && differs {
        output::to_stdout(&format!("{}\n", shown(name)))?;
    } else if stdin && !asked {
        output::to_stdout(&new)?;
    } else if differs && !asked {
        launch::rewrite(file, &old, new.as_bytes())?;
        if terminal.detail > Detail::Quiet {
            output::to_stderr(&format!("{}: formatted\n", shown(name)));
        }
    }
    Ok(if args.check && differs {
        Exit::Failed
    } else {
        Exit::Done
    }
    .into())
}

fn read(file: &Path, stdin: bool) -> Result<Vec<u8>, Failure> {
    if !stdin {
        return Ok(config::text_of(file)?);
    }
    let mut text = Vec::new();
    match std::io::stdin().lock().read_to_end(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::new(Exit::NoInput, format!("cannot read stdin: {error}"), None)),
    }
}

fn refused(name: &Path, error: FormatError, terminal: &Terminal) -> Failure {
    match error {
        FormatError::Invalid(loaded) => {
            output::to_stderr(&loaded.render(terminal.err.is_color(), terminal.err_page()));
            let errors = plural(loaded.errors() as u64, "error", "errors");
            Failure::new(
                Exit::Config,
                format!("`{}` is no KDL: {errors}", shown(name)),
                Some("mend what is marked above; the file was left as it is"),
            )
        }
        FormatError::Oversized => Failure::new(
            Exit::Config,
            format!("`{}` is larger than 4 MiB", shown(name)),
            Some("is this the right file? Several can be joined by `import`; it was left as it is"),
        ),
        FormatError::TooLarge => Failure::new(
            Exit::Config,
            format!("`{}` would be larger than 4 MiB", shown(name)),
            Some("divide it into several files, joined by `import`; it was left as it is"),
        ),
        FormatError::Changed => Failure::new(
            Exit::Software,
            format!("`{}` would have come to mean something else", shown(name)),
            Some("the file was left as it is; please report this with the file"),
        ),
    }
}
