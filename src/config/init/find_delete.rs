//! `find DIR -name … -mtime +N -delete` → the backup and the retention that opsrun would have instead.
//!
//! Takes a command line, gives what it deletes. Only lines of exactly that kind: what else `find` can ask has no counterpart.

use crate::config::shell::{ShellToken, tokens};
use crate::config::syntax::kdl_string;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct FindDelete {
    directory: String,
    pattern: String,
    /// Files of this age in days are deleted.
    days: u64,
}

/// What a line deletes, if it is such a `find`.
pub(super) fn find_delete(line: &str) -> Option<FindDelete> {
    let words = tokens(line).into_iter().map(|token| match token {
        ShellToken::Word { text, .. } => Some(text),
        // `\;` is a word.
        _ => None,
    });
    let words = words.collect::<Option<Vec<String>>>()?;
    let mut words = words.iter().map(String::as_str);
    let program = words.next()?;
    let directory = words.next().filter(|directory| directory.starts_with('/'))?;
    if program.rsplit('/').next() != Some("find") || directory.contains(['*', '?', '$', '`']) {
        return None;
    }
    let (mut name, mut days, mut top, mut deletes) = ("*", None, false, false);
    while let Some(word) = words.next() {
        match word {
            "-name" => name = words.next()?.trim_matches(['"', '\'']),
            "-mtime" => days = Some(words.next()?.strip_prefix('+')?.parse::<u64>().ok()?),
            "-type" => words.next().filter(|kind| *kind == "f").map(drop)?,
            "-maxdepth" => {
                words.next().filter(|depth| *depth == "1")?;
                top = true;
            }
            "-delete" => deletes = true,
            "-exec" => {
                let command: Vec<&str> = words.by_ref().take_while(|word| !matches!(*word, ";" | "+")).collect();
                deletes = matches!(
                    command.as_slice(),
                    ["rm" | "/bin/rm", "{}"] | ["rm" | "/bin/rm", "-f", "{}"]
                );
                if !deletes {
                    return None;
                }
            }
            "-print" => {}
            _ => return None,
        }
    }
    // `-mtime +14` is true from 15 whole days on.
    let days = days.filter(|_| deletes)?.checked_add(1).filter(|days| *days < 36_500)?;
    let pattern = match (top, name) {
        (true, name) => name.to_owned(),
        (false, "*") => "**".to_owned(),
        (false, name) => format!("**/{name}"),
    };
    Some(FindDelete {
        directory: directory.to_owned(),
        pattern,
        days,
    })
}

impl FindDelete {
    /// A backup and a retention of one name.
    pub(super) fn jobs(&self, name: &str, schedule: &str) -> [String; 2] {
        let Self {
            directory,
            pattern,
            days,
        } = self;
        let (name, source) = (kdl_string(name), kdl_string(directory));
        let to = kdl_string(&format!("/backup{}", directory.trim_end_matches('/')));
        [
            format!("backup {name} {{\nsource {source}\nto {to}\n{schedule}\n}}"),
            format!(
                "retention {name} backup={name} {{\nclass \"old\" {} keep=\"{days}d\"\nmax-delete share=\"50%\"\n{schedule}\n}}",
                kdl_string(pattern)
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deleted_by_age() {
        let found = |line: &str| find_delete(line).map(|found| (found.directory, found.pattern, found.days));
        let is = |directory: &str, pattern: &str, days| Some((directory.to_owned(), pattern.to_owned(), days));
        assert_eq!(
            found("find /b -name '*.gz' -mtime +14 -delete"),
            is("/b", "**/*.gz", 15)
        );
        assert_eq!(
            found("/usr/bin/find /b -type f -mtime +7 -exec rm -f {} \\;"),
            is("/b", "**", 8)
        );
        assert_eq!(
            found("find /b -maxdepth 1 -type f -name \"*.log\" -mtime +0 -exec rm {} +"),
            is("/b", "*.log", 1)
        );
        for line in [
            "find /b -mtime +7",
            "find /b -delete",
            "find b -mtime +7 -delete",
            "find /b -mtime -7 -delete",
            "find /b -type d -mtime +7 -delete",
            "find /b -mtime +7 -exec gzip {} \\;",
            "find /b -size +1M -mtime +7 -delete",
            "find /b -mtime +7 -delete | wc -l",
            "find $DIR -mtime +7 -delete",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }
}
