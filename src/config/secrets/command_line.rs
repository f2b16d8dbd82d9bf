//! Secrets among the arguments of programs: `mysql -p…`, `curl -u name:…`, `PGPASSWORD=… pg_dump`, `X-Api-Key: …`.
//!
//! Takes a text of any kind, or the words of a command; gives the stretches that are secrets, and of each whether that
//! is sure. Masking, findings and the translation of crontabs all ask here.
//! Invariant: what refers to a secret (`$TOKEN`, `@file`, `env:NAME`) is none, and what is not sure is never reported.

use crate::config::secrets::patterns::{holds_secret, names_value, trivial};
use crate::config::secrets::words::{self, Gap, Word};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Argument {
    pub(in crate::config) start: usize,
    pub(in crate::config) end: usize,
    /// In which word it begins.
    pub(in crate::config) word: usize,
    /// Only then it is more than hidden.
    pub(in crate::config) sure: bool,
    /// The program, option or name that it belongs to.
    pub(in crate::config) of: String,
    pub(in crate::config) way: Way,
}

/// How it can be given without standing in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum Way {
    /// The program reads this variable by itself.
    Reads(&'static str),
    Named(String),
    /// As `$NAME` in a line for a shell.
    Shell(String),
}

#[derive(Clone, Copy)]
enum Place {
    /// Behind the letter of the option.
    Attached,
    Either,
    /// The same; the secret is what follows this sign.
    Behind(char),
}

struct Form {
    programs: &'static [&'static str],
    options: &'static [&'static str],
    place: Place,
    /// A word that must stand before.
    verb: &'static str,
    reads: Option<&'static str>,
    variable: &'static str,
}

const MYSQL: &[&str] = &[
    "mysql",
    "mysqldump",
    "mysqladmin",
    "mysqlimport",
    "mysqlcheck",
    "mysqlshow",
    "mysqlpump",
    "mysqlsh",
    "mysqlbinlog",
    "mariadb",
    "mariadb-dump",
    "mariadb-admin",
    "mariadb-backup",
    "mariadb-check",
    "mariadb-import",
    "mariadb-binlog",
    "xtrabackup",
    "innobackupex",
];

const fn form(
    programs: &'static [&'static str],
    options: &'static [&'static str],
    place: Place,
    variable: &'static str,
) -> Form {
    Form {
        programs,
        options,
        place,
        verb: "",
        reads: None,
        variable,
    }
}

/// Programs, and options that have a secret behind them. Options that say so by their name need no row.
const FORMS: &[Form] = &[
    Form {
        reads: Some("MYSQL_PWD"),
        ..form(MYSQL, &["-p"], Place::Attached, "MYSQL_PWD")
    },
    form(
        &["curl"],
        &["-u", "--user", "-U", "--proxy-user"],
        Place::Behind(':'),
        "CURL_USER",
    ),
    form(&["curl"], &["--oauth2-bearer", "--pass"], Place::Either, "CURL_TOKEN"),
    form(
        &["http", "https", "xh"],
        &["-a", "--auth"],
        Place::Behind(':'),
        "HTTP_USER",
    ),
    Form {
        reads: Some("REDISCLI_AUTH"),
        ..form(&["redis-cli", "valkey-cli"], &["-a", "--pass"], Place::Either, "")
    },
    form(&["sshpass"], &["-p"], Place::Either, "SSHPASS"),
    form(&["openssl"], &["-k", "-K"], Place::Either, "PASSPHRASE"),
    form(
        &["openssl"],
        &["-pass", "-passin", "-passout"],
        Place::Behind(':'),
        "PASSPHRASE",
    ),
    form(
        &["keytool", "jarsigner"],
        &["-storepass", "-keypass"],
        Place::Either,
        "KEYSTORE_PASS",
    ),
    form(
        &["zip", "unzip", "zipcloak", "zipinfo"],
        &["-P"],
        Place::Either,
        "ZIP_PASSWORD",
    ),
    form(
        &["7z", "7za", "7zr", "7zz", "rar", "unrar"],
        &["-p", "-hp"],
        Place::Attached,
        "ARCHIVE_PASSWORD",
    ),
    form(
        &[
            "ldapsearch",
            "ldapadd",
            "ldapmodify",
            "ldapdelete",
            "ldapwhoami",
            "ldappasswd",
        ],
        &["-w"],
        Place::Either,
        "LDAP_PASSWORD",
    ),
    form(
        &[
            "mongo",
            "mongosh",
            "mongodump",
            "mongorestore",
            "mongoexport",
            "mongoimport",
            "mydumper",
            "myloader",
        ],
        &["-p"],
        Place::Either,
        "DB_PASSWORD",
    ),
    form(
        &["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"],
        &["-P"],
        Place::Either,
        "MQTT_PASSWORD",
    ),
    form(&["sqlcmd", "bcp", "ipmitool"], &["-P"], Place::Either, "DB_PASSWORD"),
    form(&["ssh-keygen"], &["-N", "-P"], Place::Either, "PASSPHRASE"),
    form(&["lftp"], &["-u", "--user"], Place::Behind(','), "LFTP_USER"),
    form(
        &["smbclient", "rpcclient", "net"],
        &["-U", "--user"],
        Place::Behind('%'),
        "SMB_USER",
    ),
    form(
        &["ncftp", "ncftpget", "ncftpput"],
        &["-p"],
        Place::Either,
        "FTP_PASSWORD",
    ),
    Form {
        verb: "login",
        ..form(
            &["docker", "podman", "nerdctl", "buildah", "helm", "oc"],
            &["-p"],
            Place::Either,
            "REGISTRY_PASSWORD",
        )
    },
];

/// Words behind which the program still comes.
const WRAPPERS: &[&str] = &[
    "sudo",
    "doas",
    "env",
    "nice",
    "ionice",
    "chrt",
    "nohup",
    "setsid",
    "timeout",
    "time",
    "exec",
    "command",
    "chronic",
    "cronic",
    "stdbuf",
    "flock",
    "if",
    "then",
    "else",
    "do",
    "while",
    "until",
    "!",
    "{",
    "export",
    "declare",
    "local",
    "readonly",
    "set",
    "from-command",
    "shell",
];
/// Programs that are given the words of another.
const CARRIERS: &[&str] = &[
    "ssh",
    "docker",
    "podman",
    "nerdctl",
    "kubectl",
    "docker-compose",
    "xargs",
    "su",
    "runuser",
    "nsenter",
    "chroot",
    "watch",
    "parallel",
    "systemd-run",
    "sshpass",
    "sh",
    "bash",
    "dash",
    "zsh",
    "ksh",
];
/// Programs to which a text with `=` in it is only text.
const OF_TEXT: &[&str] = &[
    "grep", "egrep", "fgrep", "rg", "sed", "awk", "gawk", "mawk", "jq", "yq", "perl", "tr",
];

pub(in crate::config) fn in_text(text: &str) -> Vec<Argument> {
    let mut found = Vec::new();
    for (start, line) in words::lines(text) {
        if line.contains(['-', '=', ':']) {
            Line::of(&words::words(line, start)).all(&mut found);
        }
    }
    found
}

/// All among the words of a command; `word` says in which.
pub(in crate::config) fn in_command(command: &[&str]) -> Vec<Argument> {
    let mut at = 0;
    let mut words = Vec::with_capacity(command.len());
    for (number, text) in command.iter().enumerate() {
        let gap = if number == 0 { Gap::Command } else { Gap::Blank };
        let reach = at + text.len();
        words.push(Word {
            text,
            start: at,
            reach,
            gap,
            quoted: true,
        });
        at = reach + 1;
    }
    let mut found = Vec::new();
    Line::of(&words).all(&mut found);
    found
}

struct Line<'w, 't> {
    words: &'w [Word<'t>],
    /// The program of the command that a word belongs to, where that is known surely.
    program: &'t str,
    /// A program of the table that stands before, wherever.
    near: &'t str,
    open: bool,
    carries: bool,
    verb: bool,
    /// What `echo` prints into the pipe: word numbers.
    printed: Vec<usize>,
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

impl<'w, 't> Line<'w, 't> {
    fn of(words: &'w [Word<'t>]) -> Self {
        Self {
            words,
            program: "",
            near: "",
            open: true,
            carries: false,
            verb: false,
            printed: Vec::new(),
        }
    }

    fn all(mut self, found: &mut Vec<Argument>) {
        for (at, word) in self.words.iter().enumerate() {
            if word.gap == Gap::Command {
                self.open = true;
                self.carries = false;
            }
            self.place(at, word);
            self.named(at, word, found);
            if word.text.starts_with('-') {
                self.option(at, word, found);
            }
            self.piped(at, word, found);
        }
    }

    /// What the word is to the command.
    fn place(&mut self, at: usize, word: &Word<'t>) {
        let name = base(word.text);
        let known = FORMS.iter().any(|form| form.programs.contains(&name)) && !word.text.starts_with('-');
        if known {
            self.near = name;
        }
        self.verb |= word.text == "login";
        if self.carries && known {
            self.program = name;
        }
        if !self.open {
            self.carries |= matches!(word.text, "-exec" | "-execdir" | "-c" | "--");
            if matches!(self.program, "echo" | "printf") && !word.text.starts_with('-') {
                self.printed.push(at);
            }
            return;
        }
        // `sudo -u app …`
        let valued = !known
            && at
                .checked_sub(1)
                .and_then(|before| self.words.get(before))
                .is_some_and(|before| before.text.len() == 2 && before.text.starts_with('-') && word.gap == Gap::Blank);
        let passing = valued
            || word.text.starts_with('-')
            || word.text.contains('=')
            || WRAPPERS.contains(&name)
            || word.text.starts_with(|c: char| c.is_ascii_digit())
                && word.text.trim_end_matches(['s', 'm', 'h', 'd']).parse::<f64>().is_ok();
        if !passing {
            self.program = name;
            self.open = false;
            self.carries = CARRIERS.contains(&name);
            if matches!(name, "echo" | "printf") {
                self.printed.clear();
            }
        }
    }

    /// `NAME=value` in any word, and `Name: value` of a header.
    fn named(&self, at: usize, word: &Word<'t>, found: &mut Vec<Argument>) {
        let sign = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let mut from = 0;
        while let Some(offset) = word.text.get(from..).and_then(|text| text.find(['=', ':'])) {
            let cut = from + offset;
            from = cut + 1;
            let before = word.text.get(..cut).unwrap_or_default();
            let start = before.rfind(|c| !sign(c)).map_or(0, |at| {
                at + before
                    .get(at..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(1, char::len_utf8)
            });
            let name = before.get(start..).unwrap_or_default();
            let header = word.text.get(cut..).is_some_and(|rest| rest.starts_with(':'));
            let short = start > 0 && matches!(name, "pass" | "password" | "passwd");
            if header {
                // `Authorization: Basic …`: up to the end of the quotes, or of the line.
                let is_header = name.contains('-') || name.eq_ignore_ascii_case("authorization");
                // `token-service:8080` is a host.
                let fields = word
                    .text
                    .get(cut + 1..)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
                    || name.eq_ignore_ascii_case("authorization")
                    || name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case("x-"));
                let begins = start <= 2 || before.get(..start).is_some_and(|before| before.ends_with('='));
                if !is_header || !fields || !begins || name.starts_with('-') || !holds_secret(name) {
                    continue;
                }
                if let Some((from, to)) = self.header_value(at, word, cut + 1) {
                    found.push(Self::argument(at, from, to, name, Way::Shell(variable(name)), true));
                }
                return;
            }
            if name.is_empty() || !(short || holds_secret(name)) || name.starts_with("from-") {
                continue;
            }
            let option = name.starts_with('-');
            let plain = name.trim_start_matches('-');
            let rest = word.text.get(cut + 1..).unwrap_or_default();
            let (start_at, end) = if rest.is_empty() {
                match self
                    .words
                    .get(at + 1)
                    .filter(|next| next.gap == Gap::Glued && next.quoted)
                {
                    Some(next) => (next.start, next.reach.max(next.end())),
                    None => continue,
                }
            } else {
                (word.start + cut + 1, self.reach(at, word))
            };
            let value = self.value(at, start_at, rest);
            if refers(value) || end <= start_at + value.len() && is_nothing(value) {
                continue;
            }
            let sure = !OF_TEXT.contains(&self.program)
                && !is_path(value)
                && (if option {
                    names_value(plain)
                } else {
                    start == 0 || short || names_value(plain)
                });
            let way = if MYSQL.contains(&self.program) && plain == "password" {
                Way::Reads("MYSQL_PWD")
            } else if option {
                Way::Shell(variable(plain))
            } else {
                Way::Named(variable_as_written(plain))
            };
            let of = match way {
                Way::Reads(_) => self.program,
                _ if option => name,
                _ => plain,
            };
            found.push(Self::argument(at, start_at, end, of, way, sure));
            return;
        }
    }

    /// How far a value goes that begins in this word.
    fn reach(&self, at: usize, word: &Word<'t>) -> usize {
        let before = at.checked_sub(1).and_then(|before| self.words.get(before));
        // The whole line for a shell stands in these quotes.
        let script = before.is_some_and(|before| {
            matches!(before.text, "shell" | "-c" | "-lc" | "-ec" | "echo") || before.gap == Gap::Glued
        });
        let mut end = if script { word.end() } else { word.reach.max(word.end()) };
        // `pa'ss'word`.
        for next in self.words.get(at + 1..).unwrap_or_default() {
            if next.gap != Gap::Glued || next.start > end + 2 {
                break;
            }
            end = end.max(next.end());
        }
        end
    }

    fn header_value(&self, at: usize, word: &Word<'t>, cut: usize) -> Option<(usize, usize)> {
        let rest = word.text.get(cut..).unwrap_or_default();
        let cut = cut + (rest.len() - rest.trim_start().len());
        let rest = rest.trim_start();
        let quoted = word.quoted && word.reach > word.end();
        let mut first = word.start + cut;
        let mut text = rest;
        let mut end = if quoted { word.reach } else { word.end() };
        if rest.is_empty() {
            let next = self.words.get(at + 1).filter(|next| next.gap != Gap::Command)?;
            first = next.start;
            text = next.text;
            end = end.max(next.end());
        }
        let scheme = ["bearer", "basic", "token", "digest", "negotiate"];
        let within = text.split_once(' ');
        if let Some((_, after)) = within.filter(|(word, _)| scheme.iter().any(|known| word.eq_ignore_ascii_case(known)))
        {
            first += text.len() - after.len();
            text = after;
        } else if scheme.iter().any(|scheme| text.eq_ignore_ascii_case(scheme)) {
            let number = if rest.is_empty() { at + 2 } else { at + 1 };
            let next = self.words.get(number).filter(|next| next.gap != Gap::Command)?;
            (first, text) = (next.start, next.text);
            end = end.max(next.end());
        }
        let shown = refers(text) || end <= first + text.len() && is_nothing(text);
        (!shown).then_some((first, end))
    }

    /// Options with a secret behind them.
    fn option(&self, at: usize, word: &Word<'t>, found: &mut Vec<Argument>) {
        let name = word.text.split('=').next().unwrap_or_default();
        for form in FORMS {
            let sure = form.programs.contains(&self.program) && (form.verb.is_empty() || self.verb);
            let near = form.programs.contains(&self.near) && (form.verb.is_empty() || self.verb);
            if !sure && !near {
                continue;
            }
            for option in form.options {
                let long = option.len() > 2;
                let Some(rest) = word.text.strip_prefix(option) else {
                    continue;
                };
                let rest = if long && !option.starts_with("-hp") {
                    match rest.strip_prefix('=') {
                        Some(rest) => rest,
                        None if rest.is_empty() => rest,
                        None => continue,
                    }
                } else {
                    rest
                };
                let (number, start, end, text) = if !rest.is_empty() {
                    let start = word.end() - rest.len();
                    (at, start, self.reach(at, word), rest)
                } else if let Some(next) = self.words.get(at + 1).filter(|next| match form.place {
                    Place::Attached => next.gap == Gap::Glued && next.quoted,
                    _ => next.gap != Gap::Command && (next.quoted || !next.text.starts_with('-')),
                }) {
                    (at + 1, next.start, next.reach.max(self.reach(at + 1, next)), next.text)
                } else {
                    continue;
                };
                let (start, value) = match form.place {
                    Place::Behind(sign) => match text.split_once(sign) {
                        Some((kind, _)) if form.programs == ["openssl"] && kind != "pass" => continue,
                        Some((name, value)) => (start + name.len() + 1, value),
                        None => continue,
                    },
                    _ => (start, text),
                };
                if refers(value) || end <= start + value.len() && is_nothing(value) {
                    continue;
                }
                let way = match form.reads {
                    Some(variable) => Way::Reads(variable),
                    None => Way::Shell(form.variable.to_owned()),
                };
                let of = if sure { self.program } else { option };
                found.push(Self::argument(number, start, end, of, way, sure));
                return;
            }
        }
        // Options that say it by their name, and have the value behind them.
        if name.len() == word.text.len() && holds_secret(name) {
            let next = self.words.get(at + 1);
            if let Some(next) = next.filter(|next| next.gap != Gap::Command && !next.text.starts_with('-'))
                && !refers(next.text)
                && (next.reach > next.end() || !is_nothing(next.text))
            {
                let sure = names_value(name) && !is_path(next.text) && !next.text.starts_with("id=");
                let sure = sure && !OF_TEXT.contains(&self.program) && !self.program.is_empty();
                let end = next.reach.max(self.reach(at + 1, next));
                let way = Way::Shell(variable(name));
                found.push(Self::argument(at + 1, next.start, end, name, way, sure));
            }
        }
    }

    fn piped(&mut self, at: usize, word: &Word<'t>, found: &mut Vec<Argument>) {
        let option = word.text;
        let takes = matches!(
            option,
            "--stdin" | "--password-stdin" | "stdin" | "--passphrase-fd" | "chpasswd"
        ) || option == "-S"
            && self
                .words
                .get(..at)
                .is_some_and(|before| before.iter().any(|w| base(w.text) == "sudo"));
        if takes {
            let mut to = 0;
            for number in std::mem::take(&mut self.printed) {
                let word = self.words.get(number).filter(|word| word.start >= to);
                if let Some(word) = word.filter(|word| !refers(word.text) && !is_nothing(word.text)) {
                    to = word.reach;
                    let way = Way::Shell("PASSWORD".to_owned());
                    let end = word.reach.max(word.end());
                    found.push(Self::argument(number, word.start, end, "echo", way, true));
                }
            }
        }
        if takes {
            let here = self
                .words
                .iter()
                .enumerate()
                .skip(at)
                .find(|(_, word)| word.gap == Gap::Here);
            if let Some((number, word)) = here.filter(|(_, word)| !refers(word.text) && !is_nothing(word.text)) {
                let way = Way::Shell("PASSWORD".to_owned());
                found.push(Self::argument(
                    number,
                    word.start,
                    word.reach.max(word.end()),
                    "<<<",
                    way,
                    true,
                ));
            }
        }
    }

    fn value(&self, at: usize, start: usize, rest: &'t str) -> &'t str {
        if rest.is_empty() {
            let next = self.words.get(at + 1).filter(|next| next.start == start);
            return next.map_or("", |next| next.text);
        }
        rest
    }

    fn argument(word: usize, start: usize, end: usize, of: &str, way: Way, sure: bool) -> Argument {
        Argument {
            start,
            end: end.max(start),
            word,
            sure,
            of: of.to_owned(),
            way,
        }
    }
}

/// Says where a secret is, or is surely none.
fn refers(value: &str) -> bool {
    value.starts_with(['$', '<', '…'])
        || value.starts_with("{{")
        || value.contains("$(")
        || value.starts_with("env:")
        || value.starts_with("file:")
}

/// Nothing, or nothing that anybody would hide.
fn is_nothing(value: &str) -> bool {
    value == "-" || trivial(value) || value.bytes().all(|b| matches!(b, b'*' | b'.' | b'x' | b'X'))
}

fn is_path(value: &str) -> bool {
    value.starts_with('/') || value.starts_with("./") || value.starts_with("~/")
}

/// A variable for what an option or header holds.
fn variable(name: &str) -> String {
    crate::config::nodes::decode::suggested_variable(name)
}

fn variable_as_written(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(plain) {
        name.to_owned()
    } else {
        variable(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(&str, bool)> {
        let found = in_text(text);
        found
            .iter()
            .map(|found| (&text[found.start..found.end], found.sure))
            .collect()
    }

    #[test]
    fn in_lines_of_a_shell() {
        for (line, secret) in [
            ("mysqldump -u app -phunter2pass shop | gzip > /b/x", "hunter2pass"),
            ("/usr/bin/mysql -p'hunter2 pass' x", "hunter2 pass"),
            ("curl -u admin:hunter2pass https://x", "hunter2pass"),
            ("curl -sfu admin:x https://x", ""),
            ("curl --user 'admin:hunter2 pass' https://x", "hunter2 pass"),
            ("curl --user=admin:hunter2pass https://x", "hunter2pass"),
            ("curl -uadmin:hunter2pass https://x", "hunter2pass"),
            (
                "wget --header='Authorization: Basic aHVudGVyMg==' https://x",
                "aHVudGVyMg==",
            ),
            ("curl -H \"X-Api-Key: hunter2pass\" https://x", "hunter2pass"),
            ("curl -H 'Authorization: Bearer hunter2 x' https://x", "hunter2 x"),
            (
                "wget --header 'Authorization: Basic hunter2pass' https://x",
                "hunter2pass",
            ),
            ("wget --password=hunter2pass https://x", "hunter2pass"),
            ("wget --http-password hunter2pass https://x", "hunter2pass"),
            ("redis-cli -a hunter2pass ping", "hunter2pass"),
            ("sshpass -p hunter2pass ssh a", "hunter2pass"),
            ("sshpass -phunter2pass rsync a b", "hunter2pass"),
            ("openssl enc -aes-256-cbc -pass pass:hunter2pass -in a", "hunter2pass"),
            ("zip -P hunter2pass a.zip b", "hunter2pass"),
            ("7z a -phunter2pass a.7z b", "hunter2pass"),
            ("PGPASSWORD=hunter2pass pg_dump app", "hunter2pass"),
            ("cd /x && PGPASSWORD='hunter2 pass' pg_dump app", "hunter2 pass"),
            ("export API_KEY='x y'; run", "x y"),
            ("export API_KEY=\"hunter2 pass\"; run", "hunter2 pass"),
            ("echo hunter2pass | sudo -S reboot", "hunter2pass"),
            ("echo 'hunter2 pass' | docker login --password-stdin x", "hunter2 pass"),
            ("sudo -S reboot <<< hunter2pass", "hunter2pass"),
            ("docker login -u a -p hunter2pass x", "hunter2pass"),
            ("docker run -e DB_PASSWORD=hunter2pass x", "hunter2pass"),
            ("docker exec db mysqldump -phunter2pass x", "hunter2pass"),
            ("sudo -u x mysqldump -phunter2pass x", "hunter2pass"),
            ("mount -o username=a,password=hunter2pass //x /y", "hunter2pass"),
            ("PGPASSWORD=pa'ss'word psql", "pa'ss'word"),
            ("for f in a; do sshpass -p hunter2pass scp $f b:; done", "hunter2pass"),
        ] {
            let expected = if secret.is_empty() {
                vec![]
            } else {
                vec![(secret, true)]
            };
            let mut found = of(line);
            found.dedup();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn what_is_none_or_not_sure() {
        for line in [
            "mysql -p shop",
            "mysql -P3306 shop",
            "find . -name mysql -print",
            "curl -u admin https://x",
            "curl -u $LOGIN https://x",
            "curl -u \"$NAME:$PASS\" https://x",
            "curl -H \"Authorization: Bearer $TOKEN\" https://x",
            "PGPASSWORD=$PW pg_dump app",
            "PGPASSWORD=$(cat /run/pw) pg_dump app",
            "PGPASSFILE=/root/.pgpass pg_dump app",
            "rsync --password-file /etc/pw a b",
            "rsync --password-file=/etc/pw a b",
            "openssl enc -pass env:PW -in a",
            "openssl enc -pass file:/etc/pw -in a",
            "docker run -p 80:80 x",
            "docker login --password-stdin x",
            "mkdir -p /a/b",
            "ssh -p 2222 host",
            "echo done | mail -s x y",
            "grep 'PASSWORD=hunter2pass' /etc/x",
            "docker build --secret id=a,src=b .",
            "aws secretsmanager get-secret-value --secret-id prod/db",
            "tool --token /run/token",
            "a: b",
        ] {
            assert!(of(line).iter().all(|(_, sure)| !sure), "{line} {:?}", of(line));
        }
    }

    #[test]
    fn in_an_ops_file_and_its_comments() {
        for text in [
            "command 'mysql' '-phunter2pass'",
            "command \"curl\" \"-u\" \"admin:hunter2pass\" \"https://x\"",
            "    shell \"curl -u admin:hunter2pass https://x\"",
            "// curl -u admin:hunter2pass https://x",
            "# mysqldump -phunter2pass",
            "command curl -u admin:hunter2pass; }",
            "command \"tool\" \"--password=hunter2pass\"",
            "command \"tool\" \"--password\" \"hunter2pass\"",
            "shell #\"curl -u \"admin:hunter2pass\" https://x\"#",
            "shell \"curl -u \\\"admin:x hunter2pass\\\" https://x\"",
            "command \"curl\" \\\n    \"-u\" \"admin:hunter2pass\"",
            "command \"curl\" \"-H\" \"X-Api-Key: hunter2pass\"",
        ] {
            let found = in_text(text);
            let mut left = text.to_owned();
            for found in found.iter().rev() {
                left.replace_range(found.start..found.end, "");
            }
            assert!(!left.contains("hunter2pass"), "{text} {left}");
        }
    }

    #[test]
    fn among_the_words_of_a_command() {
        let words = |words: &[&str]| -> Vec<(usize, bool)> {
            in_command(words).iter().map(|found| (found.word, found.sure)).collect()
        };
        assert_eq!(words(&["mysqldump", "-phunter2pass"]), [(1, true)]);
        assert_eq!(words(&["curl", "-u", "admin:hunter;2 pass"]), [(2, true)]);
        assert_eq!(words(&["tool", "--password=hunter2pass"]), [(1, true)]);
        assert_eq!(words(&["tool", "--token", "hunter2pass"]), [(2, true)]);
        assert_eq!(words(&["env", "PGPASSWORD=hunter2 pass", "psql"]), [(1, true)]);
        assert_eq!(words(&["curl", "-H", "Authorization: Bearer hunter2"]), [(2, true)]);
        assert_eq!(words(&["mysql", "-p", "shop"]), []);
        assert_eq!(words(&["grep", "-p", "mysql"]), []);
    }
}
