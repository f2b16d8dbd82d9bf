//! `check --fix` and `--diff`: mended files are written, or shown.
//!
//! Takes files one after the other, gives what is left of their findings. Says on stderr what was mended.
//! Must not decide what is mended: that is `config::findings::apply_fixes`. A file is written whole or not at all, by `launch::rewrite`.
//! Invariant: without `--fix` nothing is written.

use super::super::args::CheckArgs;
use super::super::exit::{Exit, Failure};
use super::super::terminal::Terminal;
use crate::config::findings::apply_fixes::{self, AppliedFix, FixResult};
use crate::config::{CheckOptions, Loaded};
use crate::launch;
use crate::report::findings::diff;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::units::plural;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// How many fixes are told one by one.
const TOLD: usize = 50;

pub(super) struct Fixer<'a> {
    args: &'a CheckArgs,
    terminal: &'a Terminal,
    look: CheckOptions,
    /// Files whose changes were shown: two roots may import one.
    shown: HashSet<PathBuf>,
    found: bool,
}

impl<'a> Fixer<'a> {
    pub(super) fn new(args: &'a CheckArgs, terminal: &'a Terminal, look: CheckOptions) -> Self {
        Self {
            args,
            terminal,
            look,
            shown: HashSet::new(),
            found: false,
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.args.fix || self.args.diff
    }

    /// `--diff` alone: whether something can be mended is all that counts.
    pub(super) fn only_shows(&self) -> bool {
        self.args.diff && !self.args.fix
    }

    /// Whether something could be mended.
    pub(super) fn has_found(&self) -> bool {
        self.found
    }

    /// Mends or shows one file and its imports. Gives what stands there then, and why it could not be written.
    pub(super) fn run(
        &mut self,
        file: &Path,
        name: &Path,
        text: Vec<u8>,
    ) -> Result<(Loaded, Option<Failure>), Failure> {
        let stdin = file == Path::new("-");
        let original = text.clone();
        let fixed = apply_fixes::fix(name, text, !stdin, self.look);
        self.found |= !fixed.files.is_empty();
        if self.args.diff {
            self.show(&fixed)?;
        }
        if !self.args.fix {
            self.tell("would fix", &fixed.done);
            return Ok((fixed.before, None));
        }
        if stdin {
            let mended = fixed
                .files
                .first()
                .map_or(original, |file| file.new.clone().into_bytes());
            output::bytes_to_stdout(&mended)?;
            self.tell("fixed", &fixed.done);
            return Ok((fixed.after, None));
        }
        for file in &fixed.files {
            if let Err(error) = launch::rewrite(&file.path, file.old.as_bytes(), file.new.as_bytes()) {
                let failure = Failure::from(error);
                let code = failure.exit.max(Exit::CannotWrite.into());
                return Ok((fixed.before, Some(Failure { exit: code, ..failure })));
            }
        }
        self.tell("fixed", &fixed.done);
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

    fn tell(&self, what: &str, done: &[AppliedFix]) {
        if self.terminal.detail == Detail::Quiet {
            return;
        }
        let mut lines: Vec<String> = done.iter().take(TOLD).map(|one| line(what, one)).collect();
        let over = done.len().saturating_sub(TOLD) as u64;
        if over > 0 {
            lines.push(format!("{what} {} more\n", plural(over, "place", "places")));
        }
        output::to_stderr(&lines.concat());
    }
}

fn line(what: &str, done: &AppliedFix) -> String {
    let (at, code) = (&done.place, done.code);
    let place = format!("{}:{}:{}", at.file, at.line, at.column);
    format!("{what} {place}: {} ({} {})\n", done.title, code.id(), code.slug())
}
