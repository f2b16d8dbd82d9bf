//! Words of other languages, and what they are called here: `src` is `source`, `depends_on` is `needs`.
//!
//! Takes a word that is not known where it stands, and the row of the table in `schema` that it stands in; gives the
//! help that names the word of this language, or says what to do where there is none. Also decides which misspelt
//! words a program may mend: only the same word with a slip of the hand in it.
//! Invariant: every word given here as the right one is one of the language; what decides which files are deleted or
//! what is run is never mended, only asked about.

use crate::config::language::suggest::{nearest, surely};
use crate::config::nodes::schema::{Prop, ROOT, Spec};

/// Foreign words, and what may be meant, the likeliest first.
const CALLED: &[(&[&str], &[&str])] = &[
    (&["path"], &["source", "to", "file-age"]),
    (&["from", "src", "source-dir", "root", "input"], &["source", "from"]),
    (
        &["dest", "dst", "destination", "target", "output", "out", "backup-dir"],
        &["to"],
    ),
    (
        &["cmd", "exec", "run", "script", "args", "program", "entrypoint"],
        &["command", "shell"],
    ),
    (
        &["workdir", "working-directory", "working-dir", "chdir", "dir", "pwd"],
        &["cwd"],
    ),
    (&["environment", "variables", "vars"], &["env"]),
    (
        &[
            "depends-on",
            "after",
            "requires",
            "require",
            "dependencies",
            "depends",
            "need",
            "before",
        ],
        &["needs"],
    ),
    (&["interval", "period", "frequency"], &["every"]),
    (
        &["at", "on", "time", "when", "timer", "date", "on-calendar", "crontab"],
        &["cron", "schedule"],
    ),
    (&["retries", "attempts", "tries", "max-retries", "restart"], &["retry"]),
    (
        &["enabled", "disabled", "active", "enable", "disable", "skip"],
        &["paused"],
    ),
    (
        &[
            "on-failure",
            "on-success",
            "on-error",
            "alert",
            "alerts",
            "alerting",
            "notification",
            "notifications",
            "notify",
            "notifier",
        ],
        &["notify", "channel"],
    ),
    (
        &["job", "jobs", "task", "tasks", "service", "step", "steps", "targets"],
        &["target"],
    ),
    (
        &["healthcheck", "health-check", "health", "monitor", "probe", "checks"],
        &["check"],
    ),
    (&["backups"], &["backup"]),
    (&["rotate", "rotation", "prune"], &["keep", "retention"]),
    (
        &["policy", "cleanup", "delete", "expire", "retain"],
        &["retention", "keep"],
    ),
    (&["disk", "disk-usage", "df"], &["disk-space"]),
    (&["url", "uri", "endpoint", "get"], &["http"]),
    (&["port", "socket", "ping"], &["tcp"]),
    (&["tls", "ssl", "certificate", "cert"], &["tls-expiry"]),
    (&["warning", "warn-at"], &["warn"]),
    (&["warn"], &["warning", "warn"]),
    (&["crit", "error", "critical-at"], &["critical"]),
    (&["expect", "code", "status-code", "codes"], &["status"]),
    (
        &["exit-code", "exit-codes", "code", "codes", "success-codes"],
        &["ok-codes"],
    ),
    (
        &[
            "max-age",
            "ttl",
            "days",
            "age",
            "older-than",
            "expires",
            "keep-days",
            "retention-days",
            "keep-for",
        ],
        &["keep"],
    ),
    (&["webhook-url", "hook"], &["webhook"]),
    (&["mail", "smtp-to"], &["email"]),
    (&["tz", "time-zone"], &["timezone"]),
    (&["ignore", "skip-files"], &["exclude"]),
    (&["budget", "limit", "max-deletes"], &["max-delete"]),
    (&["group", "rule"], &["class"]),
    (&["times", "count"], &["max", "files"]),
    (&["delay", "sleep", "backoff"], &["wait"]),
    (&["title", "project"], &["name"]),
    (&["includes"], &["import"]),
];

/// Words for what the language does not have, where they stand, and what to do instead.
const LACKING: &[(&[&str], &[&str], &str)] = &[
    (
        &["include"],
        &["retention"],
        "a retention deletes what its classes name, and `include` is none of its settings: \
         `class \"logs\" \"*.log\" keep=\"30d\"` for what may go, `exclude \"…\"` for what must stay",
    ),
    (
        &[
            "source",
            "to",
            "path",
            "src",
            "from",
            "dest",
            "dst",
            "destination",
            "dir",
        ],
        &["retention"],
        "a retention cleans the `source` of the backup that it names: `retention \"data\" backup=\"data\" { … }`",
    ),
    (
        &["include"],
        &["file"],
        "other ops files are read by `import \"conf.d/*.kdl\"`; which files a backup takes stands in the `backup`",
    ),
    (
        &["comment", "description", "desc", "doc", "note", "label", "title"],
        &["target", "check", "backup", "retention", "schedule", "channel"],
        "the language has no setting for that: write it as a comment, `// …`",
    ),
    (
        &["env-file", "dotenv"],
        &[],
        "files of variables are not in this build: write `env \"NAME\" from-file=\"…\"` for each, or `shell \". ./.env && …\"`",
    ),
    (
        &["user", "group", "run-as"],
        &["target", "check", "ops", "backup", "retention", "file"],
        "changing the user is not in this build: start opsrun as that user, or write `command \"sudo\" \"-u\" \"NAME\" …`",
    ),
    (
        &["compress", "compression"],
        &[],
        "compression is part of the archive: `strategy \"archive\" level=6`",
    ),
    (
        &["encrypt", "encryption", "passphrase", "gpg"],
        &[],
        "encryption is not in this build: let `to` lie on an encrypted file system",
    ),
    (
        &[
            "notify",
            "on-failure",
            "on-success",
            "alert",
            "alerts",
            "notification",
            "notifications",
        ],
        &["file", "ops"],
        "who is told is a channel: `channel \"ops\" { webhook { url from-env=\"OPS_WEBHOOK\"; }; }` at the top of the file, \
         then `notify \"ops\"` in each job",
    ),
    (
        &[
            "on-failure",
            "on-success",
            "on-error",
            "alert",
            "alerts",
            "notification",
            "notifications",
        ],
        &["target", "check", "backup", "retention"],
        "write `notify \"ops\"` here, and at the top of the file \
         `channel \"ops\" { webhook { url from-env=\"OPS_WEBHOOK\"; }; }`",
    ),
    (
        &["args", "arguments", "argv"],
        &["target", "check", "channel"],
        "arguments stand behind the program: `command \"rsync\" \"-a\" \"--delete\"`",
    ),
    (
        &["enabled", "enable", "active"],
        &["target", "check", "backup", "retention"],
        "a job runs unless it is paused: delete this, or write `paused`",
    ),
    (
        &["expect", "code", "status-code", "expect-status"],
        &["http"],
        "what is accepted stands in the block: `http \"…\" { status {given}; }`",
    ),
    (
        &["url", "uri", "address", "endpoint"],
        &["http"],
        "the URL stands first, without a name: `http {given}`",
    ),
    (
        &["time", "date", "time-zone", "tz"],
        &["ops"],
        "times are read and shown in a zone: `timezone \"Europe/Berlin\"`",
    ),
    (
        &["notify"],
        &["schedule", "channel"],
        "jobs say who is told: write `notify \"ops\"` in the job",
    ),
    (
        &["retries", "attempts", "tries", "max-retries"],
        &["target"],
        "write `retry max=3`: so many attempts after the first",
    ),
];

/// What decides which files are deleted and what is run: meant by one slip as well as by another, so never mended.
const GRAVE: [&str; 4] = ["include", "exclude", "command", "shell"];

/// As it is compared: `depends_on` is `depends-on`, `workingDirectory` is `working-directory`.
fn plain(word: &str) -> String {
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

/// What may be meant by it, the likeliest first.
fn meant(word: &str) -> impl Iterator<Item = &'static str> {
    let word = plain(word);
    let rows = CALLED.iter().filter(move |(words, _)| words.contains(&word.as_str()));
    rows.flat_map(|(_, here)| here.iter().copied())
}

/// Whether `word` may stand for `name`.
pub(in crate::config) fn may_mean(word: &str, name: &str) -> bool {
    meant(word).any(|meant| meant == name)
}

/// The help for a foreign word in a node of this row. `there` are the names that stand beside it.
pub(in crate::config) fn help(word: &str, spec: &'static Spec, there: &[&str]) -> Option<String> {
    let plain = plain(word);
    let lacking = LACKING
        .iter()
        .find(|(words, at, _)| words.contains(&plain.as_str()) && (at.is_empty() || at.contains(&spec.name)));
    if let Some((_, _, instead)) = lacking {
        return Some((*instead).to_owned());
    }
    let shown = crate::config::findings::excerpt(word);
    let children: Vec<&'static Spec> = meant(word)
        .filter_map(|name| spec.child(name))
        .filter(|child| child.absent.is_none())
        .collect();
    // What stands there already is not meant a second time.
    let free = children
        .iter()
        .filter(|_| plain == "path")
        .find(|child| child.repeats || !there.contains(&child.name));
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
    // What the language has elsewhere is told by `place`.
    if is_name(&plain, &ROOT) {
        return None;
    }
    let top = meant(word).find_map(|name| ROOT.child(name))?;
    Some(format!(
        "`{shown}` is called `{0}` here, and stands at the top of a file: `{1}`",
        top.name, top.example
    ))
}

/// Which of these words is meant by a foreign one.
pub(in crate::config) fn value(word: &str, words: &[&'static str]) -> Option<&'static str> {
    meant(word).find(|meant| words.contains(meant))
}

/// A name of the language, wherever it stands, or a foreign word that has one.
pub(in crate::config) fn is_known(word: &str) -> bool {
    let plain = plain(word);
    let foreign = CALLED
        .iter()
        .map(|(words, _)| words)
        .chain(LACKING.iter().map(|(words, ..)| words));
    foreign.into_iter().any(|words| words.contains(&plain.as_str())) || is_name(&plain, &ROOT)
}

fn is_name(word: &str, spec: &Spec) -> bool {
    let named = |prop: &Prop| prop.name == word;
    spec.all_children()
        .any(|child| child.name == word || child.props.iter().any(named) || is_name(word, child))
}

/// "Did you mean": not for a word that is known elsewhere, which is no slip of the hand.
pub(in crate::config) fn near<'a>(given: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let same = names.clone().find(|name| plain(name) == plain(given));
    same.or_else(|| nearest(given, names).filter(|_| !is_known(given)))
}

/// The name that a program may put in its place.
pub(in crate::config) fn slip<'a>(given: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let sure = surely(given, names)?;
    let other = plain(given) != plain(sure);
    let refused = GRAVE.contains(&sure) || other && is_known(given);
    (!refused).then_some(sure)
}

/// A setting that stands beside nodes of this name, in a line of its own.
pub(in crate::config) fn line_beside(word: &str, node: &str) -> Option<&'static Spec> {
    ROOT.all_children()
        .filter(|top| top.child(node).is_some_and(|child| child.child(word).is_none()))
        .find_map(|top| {
            top.child(word)
                .filter(|line| line.absent.is_none() && line.name != node)
        })
}

/// Where the language has this name, to be told to those who wrote it elsewhere.
pub(in crate::config) fn place(word: &str) -> Option<String> {
    let holders: Vec<&str> = ROOT
        .all_children()
        .filter(|top| top.child(word).is_some_and(|child| child.absent.is_none()))
        .map(|top| top.name)
        .collect();
    if let Some(top) = ROOT.child(word) {
        return Some(format!(
            "`{word}` stands at the top of a file, behind the closing `}}`: `{}`",
            top.example
        ));
    }
    (!holders.is_empty()).then(|| format!("`{word}` is a setting of `{}`", holders.join("`, `")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_word_is_one_of_the_language() {
        for (words, here) in CALLED {
            for name in *here {
                let word = *name == "warning" || is_name(name, &ROOT);
                assert!(word, "{words:?} → {name}");
            }
            for word in *words {
                assert_eq!(plain(word), *word, "never found as it is compared");
                assert!(here.iter().any(|name| name != word), "{word} means itself");
            }
        }
        for (words, places, _) in LACKING {
            assert!(words.iter().all(|word| plain(word) == **word));
            for place in *places {
                assert!(*place == "file" || is_name(place, &ROOT), "{place}");
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

    /// Whatever is known anywhere is mended nowhere.
    #[test]
    fn no_known_word_is_mended_into_another() {
        let mut specs = Vec::new();
        every(&ROOT, &mut specs);
        let mut words: Vec<&str> = specs.iter().flat_map(|spec| names(spec)).collect();
        words.extend(CALLED.iter().flat_map(|(words, _)| words.iter().copied()));
        words.extend(["comment", "includ", "exlude", "comand", "shel", "inclde", "excude"]);
        for spec in specs {
            let names = names(spec);
            for word in words.iter().filter(|word| !names.contains(word)) {
                assert_eq!(slip(word, names.iter().copied()), None, "{word} in {}", spec.name);
            }
        }
    }

    #[test]
    fn slips_of_the_hand_are_mended() {
        let target = ROOT.child("target").unwrap();
        let children = || names(target).into_iter();
        assert_eq!(slip("scheduel", children()), Some("schedule"));
        assert_eq!(slip("Timeout", children()), Some("timeout"));
        assert_eq!(slip("timeuot", children()), Some("timeout"));
        assert_eq!(slip("ok_codes", children()), Some("ok-codes"));
        assert_eq!(slip("evry", children()), Some("every"));
        assert_eq!(slip("evy", children()), None);
    }

    #[test]
    fn foreign_words_are_told_by_where_they_stand() {
        let told = |word, at: &str, there: &[&str]| {
            let spec = if at == "file" { &ROOT } else { ROOT.child(at).unwrap() };
            help(word, spec, there).unwrap_or_default()
        };
        for (word, at, there, wanted) in [
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
            ("encryption", "backup", &[], "not in this build"),
            ("ttl", "retention", &[], "`keep=`"),
        ] {
            let told = told(word, at, there);
            assert!(told.contains(wanted), "{word} in {at}: {told}");
        }
        assert_eq!(told("frobnicate", "backup", &[]), "");
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
            assert_eq!(near(word, names.iter().copied()), None, "{word} in {at}");
        }
    }
}
