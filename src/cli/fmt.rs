//! `opsrun fmt`: formats ops files.
//!
//! Takes files or stdin; rewrites files that change, and names them on stderr. With `--check` and `--diff` it writes
//! nothing, and prints the result on stdout.
//! Invariant: an invalid file, or one that changed meanwhile, is left unchanged; the others are still formatted.

use super::args::FmtArgs;
use super::exit::{Exit, Failure};
use super::file::read;
use super::ops_file;
use super::terminal::Terminal;
use crate::config::{self, FormatError};
use crate::launch::rewrite;
use crate::path::shown;
use crate::report::findings::diff;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::units::plural;
use std::path::Path;

pub fn run(args: &FmtArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let mut exit: u8 = Exit::Done.into();
    for file in &ops_file::paths(&args.files, &args.file)? {
        match one(file, args, terminal) {
            Ok(code) => exit = exit.max(code),
            Err(failure) => {
                failure.print(terminal.err);
                exit = exit.max(failure.exit);
            }
        }
    }
    Ok(exit)
}

fn one(file: &Path, args: &FmtArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let stdin = file == Path::new("-");
    let name = if stdin { args.stdin_name.as_path() } else { file };
    let old = read(file)?;
    let new = config::format(name, old.clone()).map_err(|error| failure(name, error, terminal))?;
    let differs = old != new.as_bytes();
    let read_only = args.check || args.diff;
    if args.diff {
        // Secrets are masked. A formatted file is UTF-8.
        let old = config::masked(&String::from_utf8_lossy(&old));
        let text = diff::unified(&shown(name).to_string(), &old, &config::masked(&new), terminal.out);
        output::to_stdout(&text)?;
    } else if args.check && differs {
        output::to_stdout(&format!("{}\n", shown(name)))?;
    } else if stdin && !read_only {
        output::to_stdout(&new)?;
    } else if differs && !read_only {
        rewrite(file, &old, new.as_bytes())?;
        if terminal.detail > Detail::Quiet {
            output::to_stderr(&format!("{}: formatted\n", shown(name)));
        }
    }
    let failed = args.check && differs;
    Ok(if failed { Exit::Failed } else { Exit::Done }.into())
}

fn failure(name: &Path, error: FormatError, terminal: &Terminal) -> Failure {
    let name = shown(name);
    let (exit, message, help) = match error {
        FormatError::Invalid(loaded) => {
            output::to_stderr(&loaded.render(terminal.err.is_color(), terminal.err_page()));
            let errors = plural(loaded.errors() as u64, "error", "errors");
            let message = format!("`{name}` is not valid KDL: {errors}");
            (
                Exit::Config,
                message,
                "fix the errors above; the file was left unchanged",
            )
        }
        FormatError::Oversized => {
            let help = "check the path, or split the file and use `import`; it was left unchanged";
            (Exit::Config, format!("`{name}` is larger than 4 MiB"), help)
        }
        FormatError::TooLarge => {
            let help = "split it into several files and use `import`; it was left unchanged";
            (Exit::Config, format!("`{name}` would be larger than 4 MiB"), help)
        }
        FormatError::Changed => {
            let help = "the file was left unchanged; please report this bug with the file";
            (
                Exit::Software,
                format!("formatting `{name}` would change its meaning"),
                help,
            )
        }
    };
    Failure::new(exit, message, Some(help))
}
