//! `check --fix` and `--diff`: writes fixed files, or shows the changes.
//!
//! Takes files one after the other, gives their remaining findings. Reports fixes on stderr.
//! Invariant: without `--fix` nothing is written; a file is written completely or not at all.

use super::super::args::CheckArgs;
use super::super::exit::Failure;
use super::super::terminal::Terminal;
use crate::config::findings::apply_fixes::{self, AppliedFix, FixResult};
use crate::config::{CheckOptions, Loaded};
use crate::launch::rewrite;
use crate::report::findings::diff;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::units::plural;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Fixes that are listed one by one.
const MAX_LISTED: usize = 50;

pub(super) struct Fixer<'a> {
    args: &'a CheckArgs,
    terminal: &'a Terminal,
    options: CheckOptions,
    /// Files whose changes were shown: several roots may import the same file.
    shown: HashSet<PathBuf>,
    /// Something can be fixed.
    pub(super) found: bool,
}

impl<'a> Fixer<'a> {
    pub(super) fn new(args: &'a CheckArgs, terminal: &'a Terminal, options: CheckOptions) -> Self {
        Self {
            args,
            terminal,
            options,
            shown: HashSet::new(),
            found: false,
        }
    }

    /// Fixes or shows one file and its imports. Returns the findings afterwards, and why a file could not be written.
    pub(super) fn run(
        &mut self,
        file: &Path,
        name: &Path,
        text: Vec<u8>,
    ) -> Result<(Loaded, Option<Failure>), Failure> {
        let stdin = file == Path::new("-");
        let original = text.clone();
        let fixed = apply_fixes::fix(name, text, !stdin, self.options);
        self.found |= !fixed.files.is_empty();
        if self.args.diff {
            self.show(&fixed)?;
        }
        if !self.args.fix {
            self.report("would fix", &fixed.done);
            return Ok((fixed.before, None));
        }
        if stdin {
            let new = fixed.files.first().map(|file| file.new.as_bytes());
            output::bytes_to_stdout(new.unwrap_or(&original))?;
            self.report("fixed", &fixed.done);
            return Ok((fixed.after, None));
        }
        for file in &fixed.files {
            if let Err(error) = rewrite(&file.path, file.old.as_bytes(), file.new.as_bytes()) {
                return Ok((fixed.before, Some(error.into())));
            }
        }
        self.report("fixed", &fixed.done);
        Ok((fixed.after, None))
    }

    fn show(&mut self, fixed: &FixResult) -> Result<(), Failure> {
        for file in &fixed.files {
            if self.shown.insert(file.path.clone()) {
                let (old, new) = &file.shown;
                output::to_stdout(&diff::unified(&file.name, old, new, self.terminal.out))?;
            }
        }
        Ok(())
    }

    fn report(&self, what: &str, done: &[AppliedFix]) {
        if self.terminal.detail == Detail::Quiet {
            return;
        }
        let line = |done: &AppliedFix| {
            let (at, code) = (&done.place, done.code);
            let place = format!("{}:{}:{}", at.file, at.line, at.column);
            format!("{what} {place}: {} ({} {})\n", done.title, code.id(), code.slug())
        };
        let mut lines: Vec<String> = done.iter().take(MAX_LISTED).map(line).collect();
        let over = done.len().saturating_sub(MAX_LISTED) as u64;
        if over > 0 {
            lines.push(format!("{what} {} more\n", plural(over, "place", "places")));
        }
        output::to_stderr(&lines.concat());
    }
}
