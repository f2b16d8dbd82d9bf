//! `opsrun man`: the manual pages.
//!
//! Prints the page of opsrun on stdout; with a directory, writes that page and one per command. All pages are generated
//! from the arguments and their help.
//! Invariant: a line of help is a line of the page, and never a roff request.

use super::args::{Cli, ManArgs};
use super::exit::{Exit, Failure};
use super::terminal::Terminal;
use crate::launch::{rewrite, write_new};
use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::units::plural;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::io::ErrorKind;
use std::path::Path;

pub fn run(args: &ManArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let pages = pages()?;
    let Some(dir) = &args.dir else {
        output::to_stdout(pages.first().map_or("", |(_, page)| page))?;
        return Ok(Exit::Done.into());
    };
    std::fs::create_dir_all(dir).map_err(|error| unwritten(dir, &error))?;
    for (name, page) in &pages {
        write(&dir.join(name), page)?;
    }
    if terminal.detail > Detail::Quiet {
        let count = plural(pages.len() as u64, "page", "pages");
        output::to_stderr(&format!("{}: {count}\n", shown(dir)));
    }
    Ok(Exit::Done.into())
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot write `{}`: {error}", shown(path));
    let help = "give a directory that you can write to";
    Failure::new(Exit::CannotWrite, message, Some(help))
}

fn write(path: &Path, page: &str) -> Result<(), Failure> {
    match std::fs::read(path) {
        Ok(old) if old == page.as_bytes() => Ok(()),
        Ok(old) => Ok(rewrite(path, &old, page.as_bytes())?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(write_new(path, page.as_bytes(), 0o666)?),
        Err(error) => Err(unwritten(path, &error)),
    }
}

/// File names and pages; opsrun itself comes first.
fn pages() -> Result<Vec<(String, String)>, Failure> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    std::iter::once(&command).chain(commands).map(page).collect()
}

fn page(command: &Command) -> Result<(String, String), Failure> {
    let sections = sections(&command.get_after_help().map(ToString::to_string).unwrap_or_default());
    let man = Man::new(command.clone())
        .source(format!("opsrun {}", env!("CARGO_PKG_VERSION")))
        .manual("opsrun");
    let mut out = Vec::new();
    let mut render = || {
        man.render_title(&mut out)?;
        man.render_name_section(&mut out)?;
        man.render_synopsis_section(&mut out)?;
        man.render_description_section(&mut out)?;
        man.render_options_section(&mut out)?;
        if command.has_subcommands() {
            man.render_subcommands_section(&mut out)?;
        }
        std::io::Result::Ok(())
    };
    render().map_err(|error| Failure::new(Exit::Software, format!("cannot generate a page: {error}"), None))?;
    let text = String::from_utf8_lossy(&out).into_owned() + &sections;
    Ok((man.get_filename(), text))
}

/// The text after the help of a command: paragraphs, and titled lists, each as a section.
fn sections(help: &str) -> String {
    let mut out = String::new();
    let mut last = "";
    for part in help.split("\n\n").filter(|part| !part.trim().is_empty()) {
        let (title, lines) = match part.split_once('\n') {
            Some((title, lines)) if title.ends_with(':') && lines.starts_with(' ') => (title, lines),
            _ => ("Notes:", part),
        };
        let heading = match title {
            "Exit codes:" => "EXIT STATUS".to_owned(),
            title => title.trim_end_matches(':').to_uppercase(),
        };
        let begin = if title == last {
            ".PP\n".to_owned()
        } else {
            format!(".SH {heading}\n")
        };
        let lines: Vec<String> = lines.lines().map(|line| literal(line) + "\n").collect();
        out = out + &begin + ".nf\n" + &lines.concat() + ".fi\n";
        last = title;
    }
    out
}

/// A literal line: no request, no escape, no hyphenation.
fn literal(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) {
        format!("\\&{line}")
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_all_sections() {
        let pages = pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.first(), Some(&"opsrun.1"));
        for command in Cli::command().get_subcommands() {
            assert!(names.contains(&format!("opsrun-{}.1", command.get_name()).as_str()));
        }
        for (name, page) in &pages {
            let title = page.lines().find(|line| line.starts_with(".TH "));
            assert!(title.is_some_and(|line| line.contains("opsrun")), "{name}");
            for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH EXAMPLES"] {
                assert_eq!(
                    page.lines().filter(|line| *line == section).count(),
                    1,
                    "{name}: {section}"
                );
            }
            // A line that starts with a dot is a known request.
            let known = [
                ".TH", ".SH", ".SS", ".TP", ".PP", ".RS", ".RE", ".nf", ".fi", ".br", ".ie", ".el", ".IP",
            ];
            for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
                let request = line.split_whitespace().next().unwrap();
                assert!(known.contains(&request), "{name}: {line}");
            }
            assert_eq!(
                page.lines().filter(|line| *line == ".nf").count(),
                page.lines().filter(|line| *line == ".fi").count()
            );
        }
    }

    #[test]
    fn help_is_taken_literally() {
        assert_eq!(
            sections("Exit codes:\n  0  done\n\nSome-thing.\n.x\\y\n\nMore."),
            ".SH EXIT STATUS\n.nf\n  0  done\n.fi\n.SH NOTES\n.nf\nSome\\-thing.\n\\&.x\\ey\n.fi\n.PP\n.nf\nMore.\n.fi\n"
        );
    }
}
