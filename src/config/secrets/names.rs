//! Names whose value is a secret: of variables, headers, options, and of the settings that the schema marks.
//!
//! Takes a name and, for a setting, the block it is in. Pure.
//! Invariant: the name of something about a secret (`DB_PASSWORD_FILE`, `TOKEN_URL`) is not the name of a secret.

use crate::config::language::spec::{Args, Spec};
use crate::config::nodes::ROOT;
use crate::config::nodes::channel::METHOD_SPECS;

/// Nodes of a name and a value.
pub(super) const NAMED_VALUES: [&str; 2] = ["env", "header"];
/// A word of the name ends with one of these.
const SECRET_WORDS: &str =
    "PASSWORD PASSWORDS PASSWD PASSPHRASE SECRET SECRETS TOKEN BEARER APIKEY CREDENTIAL CREDENTIALS STOREPASS KEYPASS";
/// Words that name a secret when `KEY` follows.
const KEY_WORDS: &str = "API PRIVATE ACCESS SECRET ENCRYPTION SIGNING AUTH MASTER";
/// Words that name a secret at the end of a name.
const LAST_WORDS: &str = "AUTHORIZATION COOKIE";
/// Words at the end that turn the name of a secret into the name of something about it.
const ABOUT_WORDS: &str = "FILE PATH DIR DIRECTORY URL URI NAME TTL TIMEOUT LENGTH LEN SIZE EXPIRY EXPIRES LIFETIME TYPE \
     ALGORITHM COMMAND CMD HELPER ENDPOINT ISSUER AUDIENCE HOST PORT ENABLED REQUIRED POLICY COUNT LIMIT MIN MAX REGEX \
     PATTERN PREFIX FORMAT DOMAIN PROMPT STORE ENV STDIN FD ID";
/// Longer names are not judged.
const MAX_NAME_BYTES: usize = 200;

/// True for the name of a variable, header or option that holds a secret.
pub(super) fn names_secret(name: &str) -> bool {
    if name.len() > MAX_NAME_BYTES {
        return false;
    }
    let words = words(name);
    let Some(last) = words.last().filter(|last| !among(ABOUT_WORDS, last)) else {
        return false;
    };
    let key = words
        .windows(2)
        .any(|pair| matches!(pair, [what, key] if key == "KEY" && among(KEY_WORDS, what)));
    let option = name.starts_with('-');
    let pass = last == "PASS" && (words.len() > 1 || option);
    let secret = |word: &String| SECRET_WORDS.split(' ').any(|known| word.ends_with(known));
    words.iter().any(secret) || key || pass || words.concat() == "MYSQLPWD" || !option && among(LAST_WORDS, last)
}

fn among(list: &str, word: &str) -> bool {
    list.split(' ').any(|known| known == word)
}

/// In capitals, split at punctuation and where a capital follows a small letter.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut starts, mut small) = (true, false);
    for c in name.chars() {
        if !c.is_alphanumeric() {
            starts = true;
            continue;
        }
        if starts || small && c.is_uppercase() {
            words.push(String::new());
        }
        (starts, small) = (false, c.is_lowercase());
        if let Some(word) = words.last_mut() {
            word.extend(c.to_uppercase());
        }
    }
    words
}

/// True for a setting that the schema marks as secret. Outside of a known delivery method (`None`, or another block),
/// every method that has a setting of this name must mark it.
pub(super) fn is_secret_setting(block: Option<&str>, name: &str) -> bool {
    let setting = |method: &'static Spec| method.child(name).map(Spec::is_secret);
    if let Some(method) = METHOD_SPECS.iter().find(|method| Some(method.name) == block) {
        return setting(method).unwrap_or(false);
    }
    let mut marks = METHOD_SPECS.iter().filter_map(setting).peekable();
    marks.peek().is_some() && marks.all(|secret| secret)
}

/// The same where names may be misspelt: also a setting that its method does not have, a secret one of any method in an
/// unknown block, and a value written before the block of its method.
pub(super) fn may_be_secret_setting(block: Option<&str>, name: &str) -> bool {
    let methods = || METHOD_SPECS.iter();
    let method = methods().find(|method| Some(method.name) == block);
    let unknown_block = block.is_some_and(|block| !is_node(block));
    methods().any(|method| method.name == name && method.args == Args::None)
        || is_secret_setting(block, name)
        || method.is_some_and(|method| method.child(name).is_none())
        || unknown_block && methods().filter_map(|method| method.child(name)).any(Spec::is_secret)
}

/// True for a node that the language has somewhere.
pub(super) fn is_node(name: &str) -> bool {
    fn has(spec: &Spec, name: &str) -> bool {
        spec.all_children().any(|child| child.name == name || has(child, name))
    }
    has(&ROOT, name)
}

/// A value that is too ordinary to be a secret.
pub(super) fn is_trivial(value: &str) -> bool {
    let word = ["", "-", "true", "false", "yes", "no", "on", "off", "none", "null"];
    word.iter().any(|word| word.eq_ignore_ascii_case(value))
        || value.len() <= 3 && value.bytes().all(|b| b.is_ascii_digit())
}

/// A value that says where the secret is, or only that there is one.
pub(super) fn is_reference(value: &str) -> bool {
    let starts = ["$", "<", "{", "…", "env:", "file:"];
    starts.iter().any(|start| value.starts_with(start))
        || value.contains("$(")
        || value.bytes().all(|b| matches!(b, b'*' | b'.' | b'x' | b'X'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_hold_secrets() {
        for name in [
            "DB_PASSWORD",
            "PGPASSWORD",
            "mysql_passwd",
            "SECRET",
            "clientSecret",
            "BROKER_TOKEN",
            "API_KEY",
            "APIKEY",
            "SSH_PRIVATE_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "GOOGLE_CREDENTIALS",
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Set-Cookie",
            "X-Api-Key",
            "X-Auth-Token",
            "SMTP_PASS",
            "MYSQL_PWD",
            "--password",
            "--pass",
            "-storepass",
            "--oauth2-bearer",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in [
            "",
            "MODE",
            "PWD",
            "DB_PASSWORD_FILE",
            "TOKEN_URL",
            "TOKENIZERS_PARALLELISM",
            "MAX_TOKENS",
            "BYPASS",
            "KEY",
            "AWS_ACCESS_KEY_ID",
            "SECRETARY",
            "COOKIE_DOMAIN",
            "Accept",
            "PASS",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn settings_that_the_schema_marks() {
        assert!(is_secret_setting(Some("slack"), "url") && !is_secret_setting(Some("ntfy"), "url"));
        assert!(is_secret_setting(None, "token") && !is_secret_setting(None, "url"));
        assert!(may_be_secret_setting(Some("telegram"), "tokn") && may_be_secret_setting(Some("slak"), "url"));
        assert!(!may_be_secret_setting(Some("ntfy"), "url") && !may_be_secret_setting(Some("check"), "url"));
    }
}
