//! Words of other tools, and their names here: `src` is `source`, `depends_on` is `needs`.
//!
//! Takes a word that is unknown where it is written, and the row of the node around it; gives help that names the word of
//! this language, or says what to do where there is none. Also decides which misspelt words may be fixed by a program: only
//! typing errors.
//! Invariant: every name suggested here is in the language; settings that decide which files are deleted or what is run are
//! never fixed, only suggested.

use super::nearest::{certain, nearest};
use crate::config::findings::excerpt;
use crate::config::language::spec::{Prop, Spec};
use crate::config::nodes::ROOT;

/// Words of other tools: the names here that they may mean, the likeliest first, and the words.
const SYNONYMS: &[(&str, &str)] = &[
    ("source to file-age", "path"),
    ("source from", "from src source-dir root input"),
    ("to", "dest dst destination target output out backup-dir"),
    ("command shell", "cmd exec run script args program entrypoint"),
    ("cwd", "workdir working-directory working-dir chdir dir pwd"),
    ("env", "environment variables vars"),
    ("user", "run-as runas username uid sudo become-user"),
    ("group", "gid groupname"),
    (
        "needs",
        "depends-on after requires require dependencies depends need before",
    ),
    ("every", "interval period frequency"),
    ("cron schedule", "at on time when timer date on-calendar crontab"),
    ("retry", "retries attempts tries max-retries restart"),
    ("paused", "enabled disabled active enable disable skip"),
    (
        "notify channel",
        "on-failure on-success on-error alert alerts alerting notification notifications notify notifier",
    ),
    ("target", "job jobs task tasks service step steps targets"),
    ("check", "healthcheck health-check health monitor probe checks"),
    ("backup", "backups"),
    ("keep retention", "rotate rotation prune"),
    ("retention keep", "policy cleanup delete expire retain"),
    ("disk-space", "disk disk-usage df"),
    ("http", "url uri endpoint get"),
    ("tcp", "port socket ping"),
    ("tls-expiry", "tls ssl certificate cert"),
    ("warn", "warning warn-at"),
    ("warning warn", "warn"),
    ("critical", "crit error critical-at"),
    ("status", "expect code status-code codes"),
    ("ok-codes", "exit-code exit-codes code codes success-codes"),
    (
        "keep",
        "max-age ttl days age older-than expires keep-days retention-days keep-for",
    ),
    ("webhook", "webhook-url hook"),
    ("email", "mail smtp-to"),
    ("timezone", "tz time-zone"),
    ("exclude", "ignore skip-files"),
    ("max-delete", "budget limit max-deletes"),
    ("class", "rule"),
    ("max files", "times count"),
    ("wait", "delay sleep backoff"),
    ("name", "title project"),
    ("import", "includes"),
];

/// Features that the language does not have: their words, the nodes that they are written in (none: all), and what to do.
const UNSUPPORTED: &[(&str, &str, &str)] = &[
    (
        "include",
        "retention",
        "a retention deletes the files of its classes and has no `include`: \
         `class \"logs\" \"*.log\" keep=\"30d\"` for what may go, `exclude \"…\"` for what must stay",
    ),
    (
        "source to path src from dest dst destination dir",
        "retention",
        "a retention deletes from the `source` of its backup: `retention \"data\" backup=\"data\" { … }`",
    ),
    (
        "include",
        "file",
        "`import \"conf.d/*.kdl\"` reads other ops files; the files to copy are selected in the `backup`",
    ),
    (
        "comment description desc doc note label title",
        "target check backup retention schedule channel",
        "the language has no such setting: write a comment, `// …`",
    ),
    (
        "env-file dotenv",
        "",
        "files of variables are not supported: write `env \"NAME\" from-file=\"…\"` for each, or `shell \". ./.env && …\"`",
    ),
    (
        "user group run-as",
        "ops backup retention file",
        "only commands can run as another user: `target \"…\" { command \"…\"; user \"postgres\"; }`",
    ),
    (
        "compress compression",
        "",
        "compression is part of the archive: `strategy \"archive\" level=6`",
    ),
    (
        "encrypt encryption passphrase gpg",
        "",
        "encryption is not supported: let `to` be on an encrypted file system",
    ),
    (
        "notify on-failure on-success alert alerts notification notifications",
        "file ops",
        "alerts go to a channel: write `channel \"ops\" { webhook { url from-env=\"OPS_WEBHOOK\"; }; }` at the top of the file, \
         then `notify \"ops\"` in each job",
    ),
    (
        "on-failure on-success on-error alert alerts notification notifications",
        "target check backup retention",
        "write `notify \"ops\"` here, and at the top of the file \
         `channel \"ops\" { webhook { url from-env=\"OPS_WEBHOOK\"; }; }`",
    ),
    (
        "args arguments argv",
        "target check channel",
        "arguments follow the program: `command \"rsync\" \"-a\" \"--delete\"`",
    ),
    (
        "enabled enable active",
        "target check backup retention",
        "a job runs unless it is paused: delete this line, or write `paused`",
    ),
    (
        "expect code status-code expect-status",
        "http",
        "accepted status codes are in the block: `http \"…\" { status {given}; }`",
    ),
    (
        "url uri address endpoint",
        "http",
        "the URL comes first, without a name: `http {given}`",
    ),
    (
        "time date time-zone tz",
        "ops",
        "the time zone is `timezone \"Europe/Berlin\"`",
    ),
    (
        "notify",
        "schedule channel",
        "jobs name the channels to notify: write `notify \"ops\"` in the job",
    ),
    (
        "retries attempts tries max-retries",
        "target",
        "write `retry max=3`, the number of attempts after the first",
    ),
];

/// Decide which files are deleted and what is run. A typing error may mean another of them, so they are never fixed.
const NEVER_FIXED: [&str; 6] = ["include", "exclude", "command", "shell", "user", "group"];

/// The form in which words are compared: `depends_on` is `depends-on`, `workingDirectory` is `working-directory`.
fn normal(word: &str) -> String {
    let mut plain = String::new();
    let mut small = false;
    for c in word.trim_end_matches(':').chars().take(80) {
        if c.is_ascii_uppercase() && small {
            plain.push('-');
        }
        small = c.is_ascii_lowercase();
        plain.push(if c == '_' { '-' } else { c.to_ascii_lowercase() });
    }
    plain
}

/// Whether a word is among others with spaces between.
fn has(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

/// The names that a word may mean, the likeliest first.
fn meant(word: &str) -> impl Iterator<Item = &'static str> {
    let word = normal(word);
    let rows = SYNONYMS.iter().filter(move |(_, words)| has(words, &word));
    rows.flat_map(|(here, _)| here.split(' '))
}

pub fn may_mean(word: &str, name: &str) -> bool {
    meant(word).any(|meant| meant == name)
}

/// The help for a word of another tool in a node of this row. `siblings` are the names beside it.
pub fn advice(word: &str, spec: &'static Spec, siblings: &[&str]) -> Option<String> {
    let plain = normal(word);
    let lacking = UNSUPPORTED
        .iter()
        .find(|(words, at, _)| has(words, &plain) && (at.is_empty() || has(at, spec.name)));
    if let Some((_, _, instead)) = lacking {
        return Some((*instead).to_owned());
    }
    let shown = excerpt(word);
    let children: Vec<&'static Spec> = meant(word)
        .filter_map(|name| spec.child(name))
        .filter(|child| child.absent.is_none())
        .collect();
    // A setting that is there already is not meant again.
    let free = children
        .iter()
        .filter(|_| plain == "path")
        .find(|child| child.repeats || !siblings.contains(&child.name));
    if let Some(child) = free.or(children.first()) {
        return Some(format!(
            "`{shown}` is called `{}` here: write `{}`",
            child.name, child.example
        ));
    }
    if let Some(prop) = meant(word).find_map(|name| spec.prop(name)) {
        return Some(format!(
            "`{shown}` is called `{0}=` here: write `{0}={1}`",
            prop.name, prop.example
        ));
    }
    // A setting of the block, written as one of the node, or the other way about.
    for child in spec.all_children().filter(|child| child.absent.is_none()) {
        if let Some(prop) = meant(word).find_map(|name| child.prop(name)) {
            return Some(format!(
                "`{shown}` is called `{}=` here, and belongs to `{}`: write `{}`",
                prop.name, child.name, child.example
            ));
        }
    }
    // `where_allowed` helps with names that the language has elsewhere.
    if is_name(&plain, &ROOT) {
        return None;
    }
    let top = meant(word).find_map(|name| ROOT.child(name))?;
    Some(format!(
        "`{shown}` is called `{0}` here, and belongs at the top of a file: `{1}`",
        top.name, top.example
    ))
}

/// The one of `words` that a word of another tool means.
pub fn synonym_among(word: &str, words: &[&'static str]) -> Option<&'static str> {
    meant(word).find(|meant| words.contains(meant))
}

/// A name of the language, in any node, or a known word of another tool.
fn is_known(word: &str) -> bool {
    let plain = normal(word);
    let foreign = SYNONYMS.iter().map(|(_, words)| words);
    let mut foreign = foreign.chain(UNSUPPORTED.iter().map(|(words, ..)| words));
    foreign.any(|words| has(words, &plain)) || is_name(&plain, &ROOT)
}

fn is_name(word: &str, spec: &Spec) -> bool {
    let named = |prop: &Prop| prop.name == word;
    spec.all_children()
        .any(|child| child.name == word || child.props.iter().any(named) || is_name(word, child))
}

/// "Did you mean": not for a word that is known elsewhere, which is not a typing error.
pub fn near_name<'a>(given: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let same = names.clone().find(|name| normal(name) == normal(given));
    same.or_else(|| nearest(given, names).filter(|_| !is_known(given)))
}

/// The name that a program may write in its place.
pub fn fixable_name<'a>(given: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let sure = certain(given, names)?;
    let other = normal(given) != normal(sure);
    let refused = NEVER_FIXED.contains(&sure) || other && is_known(given);
    (!refused).then_some(sure)
}

/// Where the language has this name, for a word that is written elsewhere.
pub fn where_allowed(word: &str) -> Option<String> {
    let holders: Vec<&str> = ROOT
        .all_children()
        .filter(|top| top.child(word).is_some_and(|child| child.absent.is_none()))
        .map(|top| top.name)
        .collect();
    if let Some(top) = ROOT.child(word) {
        return Some(format!(
            "`{word}` belongs at the top of a file, after the closing `}}`: `{}`",
            top.example
        ));
    }
    (!holders.is_empty()).then(|| format!("`{word}` is a setting of `{}`", holders.join("`, `")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suggested_name_is_in_the_language() {
        for (here, words) in SYNONYMS {
            for name in here.split(' ') {
                let word = name == "warning" || is_name(name, &ROOT);
                assert!(word, "{words:?} → {name}");
            }
            for word in words.split(' ') {
                assert_eq!(normal(word), word, "never matches");
                assert!(here.split(' ').any(|name| name != word), "{word} means itself");
            }
        }
        for (words, places, _) in UNSUPPORTED {
            assert!(words.split(' ').all(|word| normal(word) == word));
            for place in places.split_whitespace() {
                assert!(place == "file" || is_name(place, &ROOT), "{place}");
            }
        }
    }

    fn names(spec: &Spec) -> Vec<&'static str> {
        spec.all_children()
            .map(|child| child.name)
            .chain(spec.props.iter().map(|prop| prop.name))
            .collect()
    }

    fn every(spec: &'static Spec, seen: &mut Vec<&'static Spec>) {
        seen.push(spec);
        spec.all_children().for_each(|child| every(child, seen));
    }

    #[test]
    fn no_known_word_is_fixed_into_another() {
        let mut specs = Vec::new();
        every(&ROOT, &mut specs);
        let mut words: Vec<&str> = specs.iter().flat_map(|spec| names(spec)).collect();
        words.extend(SYNONYMS.iter().flat_map(|(_, words)| words.split(' ')));
        words.extend(["comment", "includ", "exlude", "comand", "shel", "inclde", "excude"]);
        for spec in specs {
            let names = names(spec);
            for word in words.iter().filter(|word| !names.contains(word)) {
                assert_eq!(
                    fixable_name(word, names.iter().copied()),
                    None,
                    "{word} in {}",
                    spec.name
                );
            }
        }
    }

    #[test]
    fn typing_errors_are_fixed() {
        let target = ROOT.child("target").unwrap();
        let children = || names(target).into_iter();
        assert_eq!(fixable_name("scheduel", children()), Some("schedule"));
        assert_eq!(fixable_name("Timeout", children()), Some("timeout"));
        assert_eq!(fixable_name("timeuot", children()), Some("timeout"));
        assert_eq!(fixable_name("ok_codes", children()), Some("ok-codes"));
        assert_eq!(fixable_name("evry", children()), Some("every"));
        assert_eq!(fixable_name("evy", children()), None);
    }

    #[test]
    fn words_of_other_tools_have_advice_by_node() {
        let help = |word, at: &str, siblings: &[&str]| {
            let spec = if at == "file" { &ROOT } else { ROOT.child(at).unwrap() };
            advice(word, spec, siblings).unwrap_or_default()
        };
        for (word, at, siblings, wanted) in [
            ("src", "backup", &[][..], "`source`"),
            ("path", "backup", &[], "`source`"),
            ("path", "backup", &["source"], "`to`"),
            ("depends_on", "target", &[], "`needs`"),
            ("dependsOn", "target", &[], "`needs`"),
            ("cmd", "target", &[], "`command`"),
            ("workdir", "target", &[], "`cwd`"),
            ("retries", "target", &[], "`retry max=3`"),
            ("interval", "check", &[], "`every`"),
            ("job", "file", &[], "`target`"),
            ("healthcheck", "file", &[], "`check`"),
            ("rotate", "backup", &[], "`keep`"),
            ("rotate", "file", &[], "`retention`"),
            ("policy", "file", &[], "`retention`"),
            ("disk", "check", &[], "`disk-space`"),
            ("url", "check", &[], "`http`"),
            ("alert", "file", &[], "`channel \"ops\""),
            ("include", "retention", &[], "`class \"logs\""),
            ("encryption", "backup", &[], "not supported"),
            ("ttl", "retention", &[], "`keep=`"),
        ] {
            let help = help(word, at, siblings);
            assert!(help.contains(wanted), "{word} in {at}: {help}");
        }
        assert_eq!(help("frobnicate", "backup", &[]), "");
    }

    #[test]
    fn absurd_guesses_are_not_made() {
        for (word, at) in [
            ("cmd", "target"),
            ("code", "target"),
            ("glob", "check"),
            ("shell", "backup"),
            ("step", "backup"),
            ("from", "backup"),
            ("crit", "target"),
            ("time", "ops"),
            ("date", "ops"),
            ("alert", "file"),
            ("port", "file"),
            ("notify", "channel"),
        ] {
            let spec = if at == "file" { &ROOT } else { ROOT.child(at).unwrap() };
            let names = names(spec);
            assert_eq!(near_name(word, names.iter().copied()), None, "{word} in {at}");
        }
    }
}
