//! Files in another format: YAML, TOML, JSON and crontabs are reported once, not line by line.
//!
//! Takes the text of a file, gives the format it looks like and the line that shows it. Looks at lines, not at tokens, and
//! knows of the language of ops files only the names of top-level nodes.
//! Invariant: a file with one line that starts like a node of an ops file is one, whatever else is in it.

use crate::config::nodes::ROOT;
use crate::config::syntax::lexer;
use std::ops::Range;

/// Lines that are searched for the kind of job that a file is about.
const MAX_TOPIC_LINES: usize = 50;

#[derive(Debug, PartialEq, Eq)]
pub struct ForeignFormat {
    /// The first line that shows it.
    pub range: Range<usize>,
    pub message: &'static str,
    pub help: String,
}

const YAML: (&str, &str) = (
    "this file looks like YAML, not KDL",
    "write blocks in braces, text in quotes and lists after their name, without `:` and `-`: \
     `backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; include \"*.csv\" \"*.json\"; }`",
);
const JSON: (&str, &str) = (
    "this file looks like JSON, not KDL",
    "write names without quotes and lists after their name, without outer braces, `:` and `,`: \
     `backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; include \"*.csv\" \"*.json\"; }`",
);
const TOML: (&str, &str) = (
    "this file looks like TOML or INI, not KDL",
    "write a section as a node with braces, without `[…]`, and values after their name, without `=`: \
     `backup \"data\" { source \"/srv/data\"; to \"/backup/data\"; }`",
);
const CRONTAB: (&str, &str) = (
    "this file looks like a crontab, not KDL",
    "`opsrun init ops.kdl --from crontab FILE` converts it; each line becomes a target: \
     `target \"report\" { cron \"0 3 * * *\"; command \"/srv/bin/report\" \"--daily\"; }`",
);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineShape {
    Section,
    /// `key: value`, `key:`, `- item`, `---`
    Colon,
    /// `key = value`
    Equals,
    Cron,
    Other,
}

/// The other format that the whole text is in. `tops` are the names of top-level nodes.
pub fn detect(text: &str, tops: &[&str]) -> Option<ForeignFormat> {
    let found = |(message, help): (&'static str, &'static str), range| {
        let help = fitting(help, text, tops);
        Some(ForeignFormat { range, message, help })
    };
    let body = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let start = text.len() - body.len();
    if json(body) {
        return found(JSON, start..start + 1);
    }
    // By shape: the first such line, and how many there are.
    let mut first: [Option<Range<usize>>; 5] = [const { None }; 5];
    let mut counts = [0_usize; 5];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let from = at;
        at += line.len();
        let shown = line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if shown.is_empty() || shown.starts_with(['#', ';']) || shown.starts_with("//") {
            continue;
        }
        if line.starts_with(shown) && starts_a_node(shown, tops) {
            return None;
        }
        let shape = shape(shown) as usize;
        if let (Some(first), Some(count)) = (first.get_mut(shape), counts.get_mut(shape)) {
            let start = from + line.find(shown).unwrap_or(0);
            first.get_or_insert(start..start + shown.len());
            *count += 1;
        }
    }
    let [sections, colons, equals, crons, others] = counts;
    let [section, colon, equal, cron, _] = first;
    if sections > 0 && sections + equals + colons >= others {
        found(TOML, section?)
    } else if crons > 0 && crons + equals > others + colons {
        found(CRONTAB, cron?)
    } else if colons > 1 && colons > others + equals {
        found(YAML, colon?)
    } else if equals > 1 && others + colons == 0 {
        found(TOML, equal?)
    } else {
        None
    }
}

/// The help, with an example of the job that the file is about.
fn fitting(help: &str, text: &str, tops: &[&str]) -> String {
    let (Some((rules, _)), false) = (help.split_once("`backup"), help.contains("--from")) else {
        return help.to_owned();
    };
    let about = text.lines().take(MAX_TOPIC_LINES).find_map(|line| {
        let word = line.trim_start().trim_start_matches(['[', '{', '"', '-', ' ']);
        let end = word
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .unwrap_or(word.len());
        let word = word.get(..end)?;
        let one = word.strip_suffix('s').unwrap_or(word);
        let top = tops.iter().find(|top| **top == word || **top == one)?;
        ROOT.child(top)
    });
    match about.filter(|spec| !matches!(spec.name, "backup" | "ops")) {
        Some(spec) => format!("{rules}`{}`", spec.example),
        None => help.to_owned(),
    }
}

/// `backup "a"`, `ops {`: but not `backup: a`, nor `backup = "a"`.
fn starts_a_node(line: &str, tops: &[&str]) -> bool {
    let word = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let (word, rest) = line.split_at(word.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(lexer::is_space);
    tops.contains(&word) && !rest.starts_with([':', '=', ','])
}

fn json(body: &str) -> bool {
    let mut chars = body.chars();
    let open = chars.next();
    let inside = chars.as_str().trim_start();
    match open {
        Some('[') => inside.starts_with(['{', '"']) && !inside.contains('='),
        Some('{') => {
            let key = inside.strip_prefix('"').and_then(|key| key.split_once('"'));
            inside.trim_end() == "}"
                || key.is_some_and(|(name, after)| !name.contains('\n') && after.trim_start().starts_with(':'))
        }
        _ => false,
    }
}

fn shape(line: &str) -> LineShape {
    let word = |text: &str| {
        let text = text.trim_matches(['"', '\'']);
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c))
    };
    let name = |text: &str| word(text) && !text.contains(' ');
    if line.ends_with(['{', '}']) && !line.contains(": {") {
        return LineShape::Other;
    }
    let uncommented = line.split(" #").next().unwrap_or(line).trim_end();
    if let Some(inside) = uncommented.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        && word(inside.trim_matches(['[', ']']).trim())
    {
        return LineShape::Section;
    }
    if line == "---" || line.starts_with("- ") || line.starts_with("%YAML") {
        return LineShape::Colon;
    }
    if cron(line) {
        return LineShape::Cron;
    }
    if let Some((key, rest)) = line.split_once(':')
        && name(key)
        && (rest.is_empty() || rest.starts_with([' ', '\t']))
    {
        return LineShape::Colon;
    }
    if let Some((key, _)) = line.split_once('=')
        && name(key.trim_end())
    {
        return LineShape::Equals;
    }
    LineShape::Other
}

/// Five fields of a crontab and a command, or `@daily` and a command.
fn cron(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    if line.starts_with('@') {
        return words.nth(1).is_some();
    }
    let field = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_digit() || c == '*')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "*,/-".contains(c))
    };
    let named = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "*,/-".contains(c));
    let fields: Vec<&str> = words.by_ref().take(5).collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return false;
    };
    [minute, hour, day].into_iter().all(|word| field(word)) && named(month) && named(weekday) && words.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPS: &[&str] = &["ops", "backup", "target"];

    fn format_of(text: &str) -> &'static str {
        detect(text, TOPS).map_or("", |found| found.message)
    }

    #[test]
    fn other_formats_are_detected() {
        for (text, wanted) in [
            ("backups:\n  a:\n    source: /srv\n    include:\n      - x\n", YAML.0),
            ("---\nversion: 1\n", YAML.0),
            ("# c\nbackup:\n  source: /srv\n", YAML.0),
            ("{\n \"backup\": {}\n}", JSON.0),
            ("\u{feff}[{\"a\": 1}]", JSON.0),
            ("{}", JSON.0),
            ("[backup.a]\nsource = \"/srv\"\n", TOML.0),
            ("# c\n[[target]]\ncommand = [\n  \"a\",\n]\n", TOML.0),
            ("name = \"a\"\nstate = 'b'\n", TOML.0),
            ("MAILTO=a\n0 21 * * 1-5 /srv/bin/a\n@daily b\n", CRONTAB.0),
        ] {
            assert_eq!(format_of(text), wanted, "{text}");
        }
    }

    #[test]
    fn an_ops_file_with_mistakes_is_one() {
        for text in [
            "",
            "backup \"a\" {\n    source: \"/srv\"\n    to: \"/backup\"\n}\n",
            "ops {\n    name = \"a\"\n}\n",
            "# x\ntarget a\n    command: b\n    cwd: c\n",
            "{ source \"/srv\"; }",
            "\n{\n}\nx",
            "nonsense\n",
            "[a, b]\n",
        ] {
            assert_eq!(format_of(text), "", "{text}");
        }
    }

    #[test]
    fn the_span_is_the_first_line_that_shows_it() {
        let text = "\n  é: 1\n  b: 2\n";
        let found = detect(text, TOPS).unwrap();
        assert_eq!(&text[found.range.clone()], "é: 1");
    }
}
