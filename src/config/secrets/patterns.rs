//! Secrets that are known by how they look, wherever they are: tokens, private keys, passwords and secret parts of URLs,
//! and passwords after the options of a few programs that do not name them.
//!
//! Takes text, gives the stretches of it that are secrets. Pure; linear in the text.
//! Invariant: what refers to a secret (`https://me:$PASSWORD@host`) is not one.

use super::names::{is_reference, is_trivial};
use crate::model::address::is_secret_parameter;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::sync::LazyLock;

/// A secret within a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    pub start: usize,
    pub end: usize,
    /// What is not sure is masked, but not reported.
    pub sure: bool,
    /// It is known by its form, wherever it is.
    pub(super) by_form: bool,
    pub(super) message: String,
    /// The variable that should hold it.
    pub(super) variable: String,
}

/// What it is, the variable that usually holds it, and an expression; one of its groups is the secret.
type SecretPattern = (&'static str, &'static str, &'static str);

const PATTERNS: &[SecretPattern] = &[
    (
        "a GitHub token",
        "GITHUB_TOKEN",
        r"\b(gh[opsru]_[\w-]{16,}|github_pat_[\w-]{20,})",
    ),
    ("a GitLab token", "GITLAB_TOKEN", r"\b(glpat-[\w-]{16,})"),
    ("a Slack token", "SLACK_TOKEN", r"\b(xox[abprs]-[\w-]{10,})"),
    ("an AWS access key", "AWS_ACCESS_KEY_ID", r"\b(A[KS]IA[A-Z0-9]{16})\b"),
    ("a Google API key", "API_KEY", r"\b(AIza[\w-]{35,})"),
    ("a Stripe key", "API_KEY", r"\b([rs]k_live_[\w-]{16,})"),
    ("a JSON web token", "TOKEN", r"\b(eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?)"),
    (
        "a private key",
        "PRIVATE_KEY",
        r#"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[^"-]|-[^"-])*)"#,
    ),
    (
        "a password in a URL",
        "SERVICE_URL",
        r#"://[^\s/?#"'`<>@:]*:([^\s/?#"'`<>]+)@"#,
    ),
    (
        "a webhook URL that lets anyone post",
        "WEBHOOK_URL",
        r#"(?i)://(?:hooks\.slack\.com/(?:services|workflows|triggers)|(?:[a-z]+\.)?discord(?:app)?\.com/api/webhooks)/([^\s"'`<>?#]{8,})"#,
    ),
    (
        "the token of a Telegram bot",
        "TELEGRAM_TOKEN",
        r"(?:\b|bot)([0-9]{8,10}:AA[\w-]{33})\b",
    ),
    (
        "the value of an authorization header",
        "AUTHORIZATION",
        r#"(?i)\b(?:authorization|cookie):["']?\s*["']?(?:(?:bearer|basic|token|digest|negotiate)\s+)?([^"'\s][^"'\n]*)"#,
    ),
    (
        "the value of a secret header",
        "API_KEY",
        r#"(?i)\b(?:x-[\w-]*|[a-z][\w-]*-)(?:api-?key|auth-?key|access-?key|token|secret|password):\s*([^"'\s][^"'\n]*)"#,
    ),
    (
        "a password for curl",
        "CURL_PASSWORD",
        r#"\bcurl\b(?:[^|;&\n]|\\\n)*?[\s"'](?:-[uU]|--(?:proxy-)?user[\s"'=])["']??[\s\\]*(?:["'][^\s:"']+:([^"'\n]+?)\\?["'\n]|[^\s:"']+:([^\s"'\\]+))"#,
    ),
    (
        "a password for the MySQL client",
        "MYSQL_PWD",
        r#"(?m)(?:^|[;&|("'`/]|sudo |exec )\s*(?:mysql|mariadb)[\w-]*(?:[^|;&\n]|\\\n)*?(?:["']-p([^"'\n]+)|\s-p(?:'([^'\s][^'\n]*)|"([^"\s][^"\n]*)|([^\s"'\\]+)))"#,
    ),
    (
        "a password for sshpass",
        "SSHPASS",
        r#"\bsshpass["']?\s+["']?-p["']?\s*(?:["']([^"'\n]+)|([^\s"'\\]+))"#,
    ),
];

/// Every secret in a text that is known by its form.
pub(super) fn find(text: &str) -> Vec<Literal> {
    // One expression each: together they would take quadratic time on a hostile text.
    static EXPRESSIONS: LazyLock<Vec<(Regex, &'static SecretPattern)>> = LazyLock::new(|| {
        let bytes = syntax::Config::new().unicode(false).utf8(false);
        let built = PATTERNS.iter().filter_map(|pattern| {
            let expression = Regex::builder().syntax(bytes).build(pattern.2).ok()?;
            Some((expression, pattern))
        });
        built.collect()
    });
    let mut found = Vec::new();
    for (expression, pattern) in EXPRESSIONS.iter() {
        for captures in expression.captures_iter(text) {
            let Some(secret) = captures.iter().skip(1).flatten().next() else {
                continue;
            };
            let value = text.get(secret.range()).unwrap_or_default();
            if !is_reference(value) && !is_trivial(value) {
                found.push(Literal {
                    start: secret.start,
                    end: secret.end,
                    sure: true,
                    by_form: true,
                    message: format!("the file contains {}", pattern.0),
                    variable: pattern.1.to_owned(),
                });
            }
        }
    }
    found.extend(parameters(text));
    found
}

/// The values of parameters of URLs whose names say that they are secrets: `?token=…`.
fn parameters(text: &str) -> Vec<Literal> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '\\');
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begins) = text
        .get(at..)
        .and_then(|rest| rest.find("://"))
        .map(|begins| at + begins)
    {
        let url = text.get(begins..).unwrap_or_default();
        let url = url.get(..url.find(ends).unwrap_or(url.len())).unwrap_or_default();
        let mut start = begins;
        for piece in url.split_inclusive(['?', '&', '#', ';']) {
            let pair = piece.trim_end_matches(['?', '&', '#', ';']);
            if let Some((name, value)) = pair.split_once('=')
                && is_secret_parameter(name)
                && !is_reference(value)
                && !is_trivial(value)
            {
                let start = start + name.len() + 1;
                found.push(Literal {
                    start,
                    end: start + value.len(),
                    // A name such as `key` may mean something else.
                    sure: false,
                    by_form: true,
                    message: "the file contains a secret parameter of a URL".to_owned(),
                    variable: "SERVICE_URL".to_owned(),
                });
            }
            start += piece.len();
        }
        at = begins + url.len().max(3);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MYSQL: &str = "a password for the MySQL client";
    const AUTHORIZATION: &str = "the value of an authorization header";
    const HEADER: &str = "the value of a secret header";
    const CURL: &str = "a password for curl";

    #[test]
    fn forms_of_secrets() {
        let of = |text: &str| -> Vec<(String, String)> {
            let found = find(text).into_iter();
            found
                .map(|secret| (text[secret.start..secret.end].to_owned(), secret.message))
                .collect()
        };
        for (text, secret, form) in [
            (
                "a ghp_0123456789abcdefghijABCDEFGHIJ012345 b",
                "ghp_0123456789abcdefghijABCDEFGHIJ012345",
                "a GitHub token",
            ),
            ("\"AKIAIOSFODNN7EXAMPLE\"", "AKIAIOSFODNN7EXAMPLE", "an AWS access key"),
            ("xoxb-1234567890-abc", "xoxb-1234567890-abc", "a Slack token"),
            (
                "Bearer eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln.",
                "eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln",
                "a JSON web token",
            ),
            ("postgres://u:hunter2@db/x", "hunter2", "a password in a URL"),
            (
                "\"https://x/in?room=ops&token=hunter\"",
                "hunter",
                "a secret parameter of a URL",
            ),
            ("postgres://u:hunt@er2é@db/x", "hunt@er2é", "a password in a URL"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMI-IE\n-----END",
                "-----BEGIN RSA PRIVATE KEY-----\nMI-IE\n",
                "a private key",
            ),
            (
                "https://hooks.slack.com/services/T00000000/B00000000/abcdefgh",
                "T00000000/B00000000/abcdefgh",
                "a webhook URL that lets anyone post",
            ),
            (
                "https://discord.com/api/webhooks/1234567890/abc-def?wait=true",
                "1234567890/abc-def",
                "a webhook URL that lets anyone post",
            ),
            (
                "mysqldump -u app -phunter2pass shop | gzip > /b/x",
                "hunter2pass",
                MYSQL,
            ),
            ("/usr/bin/mysql -p'hunter2 pass' x", "hunter2 pass", MYSQL),
            ("sudo mysqldump -phunter2pass x", "hunter2pass", MYSQL),
            ("command \"mysqldump\" \"-phunter2 pass\"", "hunter2 pass", MYSQL),
            ("cd /x && curl -u admin:hunter2pass https://x", "hunter2pass", CURL),
            ("curl --user 'admin:hunter2 pass' https://x", "hunter2 pass", CURL),
            ("curl --user=admin:hunter2pass https://x", "hunter2pass", CURL),
            ("curl -uadmin:hunter2pass https://x", "hunter2pass", CURL),
            (
                "command \"curl\" \\\n    \"-u\" \"admin:hunter2pass\"",
                "hunter2pass",
                CURL,
            ),
            (
                "shell \"curl -u \\\"admin:hunter2pass\\\" https://x\"",
                "hunter2pass",
                CURL,
            ),
            ("sshpass -p hunter2pass ssh a", "hunter2pass", "a password for sshpass"),
            (
                "sshpass -phunter2pass rsync a b",
                "hunter2pass",
                "a password for sshpass",
            ),
            (
                "wget --header='Authorization: Basic aHVudGVyMg==' https://x",
                "aHVudGVyMg==",
                AUTHORIZATION,
            ),
            (
                "curl -H 'Authorization: Bearer hunter2 x' https://x",
                "hunter2 x",
                AUTHORIZATION,
            ),
            ("curl -H \"X-Api-Key: hunter2pass\" https://x", "hunter2pass", HEADER),
            ("curl -H My-App-Token:hunter2pass", "hunter2pass", HEADER),
            (
                "https://api.telegram.org/bot123456789:AAabcdefghijklmnopqrstuvwxyz0123456/send",
                "123456789:AAabcdefghijklmnopqrstuvwxyz0123456",
                "the token of a Telegram bot",
            ),
        ] {
            assert_eq!(
                of(text),
                [(secret.to_owned(), format!("the file contains {form}"))],
                "{text}"
            );
        }
        for text in [
            "https://hooks.slack.com/services/",
            "https://example.com/services/T00000000",
            "https://discord.com/api/webhooks/$HOOK_OF_OPS",
            "12345678:AA",
            "mysql -p shop",
            "mysql -P3306 shop",
            "command \"mysql\" \"-p\" \"shop\"",
            "mysql --defaults-file=/x-production/y",
            "curl --user-agent=Foo:bar https://x",
            "find . -name mysql -print",
            "docker run --name mysql -p3306:3306 x",
            "curl -u admin https://x",
            "curl -u $LOGIN https://x",
            "curl -u \"$NAME:$PASS\" https://x",
            "curl -H \"Authorization: Bearer $TOKEN\" https://x",
            "curl -H \"Authorization: Bearer ${TOKEN}\" https://x",
            "nc token-service:8080",
            "Idempotency-Key: 0815",
            "ghp_short",
            "AKIA",
            "AKIAabcdefghijklmnop",
            "eyJhbGciOiJIUzI1",
            "https://host:80/a@b",
            "https://u:$P@host",
            "https://u:***@host",
            "https://user@host",
            "https://x/in?token=$TOKEN&room=ops&page=2",
            "-----BEGIN CERTIFICATE-----",
            "asia-northeast3-a",
            "xghp_0123456789abcdefghij",
        ] {
            assert_eq!(of(text), [], "{text}");
        }
    }
}
