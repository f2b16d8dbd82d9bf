//! What secrets look like: names that hold one, tokens that are known by their form, passwords in URLs.
//!
//! Takes text, gives the stretches of it that are secrets by themselves, or tells whether a name holds one. Pure.
//! Invariant: a reference to a secret (`DB_PASSWORD_FILE`, `$TOKEN`) is none.

/// Words that name a secret, at the end of a word.
const SECRET_WORDS: &[&str] = &[
    "PASSWORD",
    "PASSWORDS",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
];
/// Words that do so when `KEY` follows.
const KEYS: &[&str] = &[
    "API",
    "PRIVATE",
    "ACCESS",
    "SECRET",
    "ENCRYPTION",
    "SIGNING",
    "AUTH",
    "MASTER",
];
/// Words that do so at the end of a name.
const LAST_WORDS: &[&str] = &["AUTHORIZATION", "COOKIE"];
/// Words at the end that make of a secret's name the name of something about it.
const ABOUT: &[&str] = &[
    "FILE",
    "PATH",
    "DIR",
    "DIRECTORY",
    "URL",
    "URI",
    "NAME",
    "TTL",
    "TIMEOUT",
    "LENGTH",
    "LEN",
    "SIZE",
    "EXPIRY",
    "EXPIRES",
    "LIFETIME",
    "TYPE",
    "ALGORITHM",
    "COMMAND",
    "CMD",
    "HELPER",
    "ENDPOINT",
    "ISSUER",
    "AUDIENCE",
    "HOST",
    "PORT",
    "ENABLED",
    "REQUIRED",
    "POLICY",
    "COUNT",
    "LIMIT",
    "MIN",
    "MAX",
    "REGEX",
    "PATTERN",
    "PREFIX",
    "FORMAT",
    "DOMAIN",
    "PROMPT",
    "STORE",
    "ENV",
    "STDIN",
    "FD",
];
/// Words at the end of an option that surely has the secret itself behind it.
const OF_VALUES: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "APIKEY",
    "KEY",
    "PASS",
    "PWD",
];

/// True for the name of a variable or header that holds a secret.
pub(in crate::config) fn holds_secret(name: &str) -> bool {
    if name.len() > 200 {
        return false;
    }
    let words = words(name);
    let Some(last) = words.last() else {
        return false;
    };
    if ABOUT.contains(&last.as_str()) {
        return false;
    }
    let named = words
        .iter()
        .any(|word| SECRET_WORDS.iter().any(|secret| word.ends_with(secret)));
    let key = words.windows(2).any(|pair| match pair {
        [what, key] => key == "KEY" && KEYS.contains(&what.as_str()) && !(what == "ACCESS" && last == "ID"),
        _ => false,
    });
    let pass = words.len() > 1 && (last == "PASS" || words.concat() == "MYSQLPWD");
    named || key || pass || LAST_WORDS.contains(&last.as_str())
}

/// True when a name says that its value is the secret, and not what identifies one.
pub(in crate::config) fn names_value(name: &str) -> bool {
    let words = words(name);
    let last = words.last().map_or("", String::as_str);
    holds_secret(name) && OF_VALUES.iter().any(|word| last.ends_with(word))
}

/// In capitals, split at signs and where small letters meet capitals.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut fresh = true;
    let mut small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            fresh = true;
            continue;
        }
        if fresh || small && c.is_uppercase() {
            words.push(String::new());
        }
        (fresh, small) = (false, c.is_lowercase());
        if let Some(word) = words.last_mut() {
            word.extend(c.to_uppercase());
        }
    }
    words
}

/// A value that can be no secret.
pub(in crate::config) fn trivial(value: &str) -> bool {
    let word = matches!(
        value.to_ascii_lowercase().as_str(),
        "" | "true" | "false" | "yes" | "no" | "on" | "off" | "none" | "null"
    );
    word || value.len() <= 3 && value.bytes().all(|b| b.is_ascii_digit())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Form {
    GitHub,
    GitLab,
    Slack,
    Aws,
    Google,
    Stripe,
    WebToken,
    PrivateKey,
    UrlPassword,
    WebhookUrl,
    TelegramBot,
}

impl Form {
    pub(in crate::config) fn words(self) -> &'static str {
        match self {
            Self::GitHub => "a GitHub token",
            Self::GitLab => "a GitLab token",
            Self::Slack => "a Slack token",
            Self::Aws => "an AWS access key",
            Self::Google => "a Google API key",
            Self::Stripe => "a Stripe key",
            Self::WebToken => "a JSON web token",
            Self::PrivateKey => "a private key",
            Self::UrlPassword => "the password of a URL",
            Self::WebhookUrl => "the URL of a webhook, by which everybody can write,",
            Self::TelegramBot => "the token of a Telegram bot",
        }
    }

    /// The variable that it would usually stand in.
    pub(in crate::config) fn variable(self) -> &'static str {
        match self {
            Self::GitHub => "GITHUB_TOKEN",
            Self::GitLab => "GITLAB_TOKEN",
            Self::Slack => "SLACK_TOKEN",
            Self::Aws => "AWS_ACCESS_KEY_ID",
            Self::Google | Self::Stripe => "API_KEY",
            Self::WebToken => "TOKEN",
            Self::PrivateKey => "PRIVATE_KEY",
            Self::UrlPassword => "SERVICE_URL",
            Self::WebhookUrl => "WEBHOOK_URL",
            Self::TelegramBot => "TELEGRAM_TOKEN",
        }
    }
}

/// A secret within a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Found {
    pub(in crate::config) start: usize,
    pub(in crate::config) end: usize,
    pub(in crate::config) what: Form,
}

/// How a form begins, and how many characters follow at least.
const BEGINNINGS: &[(&str, usize, Form)] = &[
    ("ghp_", 16, Form::GitHub),
    ("gho_", 16, Form::GitHub),
    ("ghu_", 16, Form::GitHub),
    ("ghs_", 16, Form::GitHub),
    ("ghr_", 16, Form::GitHub),
    ("github_pat_", 20, Form::GitHub),
    ("glpat-", 16, Form::GitLab),
    ("xoxa-", 10, Form::Slack),
    ("xoxb-", 10, Form::Slack),
    ("xoxp-", 10, Form::Slack),
    ("xoxr-", 10, Form::Slack),
    ("xoxs-", 10, Form::Slack),
    ("AKIA", 16, Form::Aws),
    ("ASIA", 16, Form::Aws),
    ("AIza", 35, Form::Google),
    ("sk_live_", 16, Form::Stripe),
    ("rk_live_", 16, Form::Stripe),
    ("eyJ", 8, Form::WebToken),
];
const KEY_BEGIN: &str = "-----BEGIN ";

/// Every secret in a text that is known by its form.
pub(in crate::config) fn all(text: &str) -> impl Iterator<Item = Found> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(offset) = text
            .get(at..)
            .and_then(|rest| rest.find(['g', 'x', 'A', 's', 'r', 'e', '-', ':']))
        {
            let start = at + offset;
            at = start + 1;
            let before = text.get(..start).and_then(|before| before.chars().next_back());
            if let Some(found) = token(text, start, before).or_else(|| private_key(text, start)) {
                at = found.end.max(at);
                return Some(found);
            }
            let found = url_password(text, start)
                .or_else(|| webhook_url(text, start))
                .or_else(|| telegram_bot(text, start));
            if let Some(found) = found {
                at = found.end.max(at);
                return Some(found);
            }
        }
        None
    })
}

fn token(text: &str, start: usize, before: Option<char>) -> Option<Found> {
    if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return None;
    }
    let rest = text.get(start..)?;
    let (beginning, least, what) = BEGINNINGS.iter().find(|(beginning, ..)| rest.starts_with(beginning))?;
    let after = rest.get(beginning.len()..)?;
    let run = |text: &str| {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        text.find(|c| !word(c)).unwrap_or(text.len())
    };
    let length = run(after);
    if length < *least {
        return None;
    }
    let body = after.get(..length)?;
    let length = match what {
        Form::Aws => {
            let fits = length == 16
                && body.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
                && body.bytes().any(|b| b.is_ascii_digit());
            fits.then_some(length)?
        }
        Form::WebToken => {
            let second = after.get(length..)?.strip_prefix('.')?;
            let payload = run(second);
            if payload < 8 {
                return None;
            }
            let third = second
                .get(payload..)?
                .strip_prefix('.')
                .map_or(0, |third| run(third) + 1);
            length + 1 + payload + third
        }
        _ => length,
    };
    Some(Found {
        start,
        end: start + beginning.len() + length,
        what: *what,
    })
}

/// From its first line to its last, or to the end of the string that holds it.
fn private_key(text: &str, start: usize) -> Option<Found> {
    let rest = text.get(start..)?.strip_prefix(KEY_BEGIN)?;
    let line = rest.get(..rest.find("-----")?)?;
    if line.len() > 40 || !line.ends_with("PRIVATE KEY") {
        return None;
    }
    let from = start + KEY_BEGIN.len() + line.len() + "-----".len();
    let body = text.get(from..)?;
    let body = body.split('"').next().unwrap_or_default();
    let end = body.find("-----END").unwrap_or(body.len());
    Some(Found {
        start,
        end: from + end,
        what: Form::PrivateKey,
    })
}

/// `://user:password@host`, at the colon.
fn url_password(text: &str, start: usize) -> Option<Found> {
    let rest = text.get(start..)?.strip_prefix("://")?;
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | '<' | '>'));
    let authority = rest.get(..end.unwrap_or(rest.len()).min(rest.len()))?;
    let (user, _) = authority.rsplit_once('@')?;
    let (name, password) = user.split_once(':')?;
    let reference = password.starts_with(['$', '{', '…']) || password.bytes().all(|b| b == b'*');
    let from = start + "://".len() + name.len() + 1;
    (!password.is_empty() && !reference).then_some(Found {
        start: from,
        end: from + password.len(),
        what: Form::UrlPassword,
    })
}

/// Hosts and beginnings of paths behind which the secret of a webhook stands.
const WEBHOOKS: &[(&str, &str)] = &[
    ("hooks.slack.com", "/services/"),
    ("hooks.slack.com", "/workflows/"),
    ("hooks.slack.com", "/triggers/"),
    ("discord.com", "/api/webhooks/"),
    ("discordapp.com", "/api/webhooks/"),
    ("ptb.discord.com", "/api/webhooks/"),
    ("canary.discord.com", "/api/webhooks/"),
];

/// `://hooks.slack.com/services/…`, at the colon.
fn webhook_url(text: &str, start: usize) -> Option<Found> {
    let rest = text.get(start..)?.strip_prefix("://")?;
    let path = rest.find('/')?;
    let host = rest.get(..path)?;
    let (_, beginning) = WEBHOOKS.iter().find(|(known, beginning)| {
        known.eq_ignore_ascii_case(host) && rest.get(path..).is_some_and(|path| path.starts_with(beginning))
    })?;
    let from = path + beginning.len();
    let body = rest.get(from..)?;
    let end = body.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '?' | '#'));
    let body = body.get(..end.unwrap_or(body.len()))?;
    let reference = body.starts_with(['$', '{', '…']) || body.len() < 8;
    (!reference).then_some(Found {
        start: start + "://".len() + from,
        end: start + "://".len() + from + body.len(),
        what: Form::WebhookUrl,
    })
}

/// `123456789:AAF…`: the number of the bot, and 35 characters; at the colon.
fn telegram_bot(text: &str, start: usize) -> Option<Found> {
    let before = text.get(..start)?;
    let after = text.get(start..)?.strip_prefix(':')?;
    let number = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let length = after.find(|c| !word(c)).unwrap_or(after.len());
    let fits = (8..=10).contains(&number) && length == 35 && after.starts_with("AA");
    fits.then_some(Found {
        start: start - number,
        end: start + 1 + length,
        what: Form::TelegramBot,
    })
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
        ] {
            assert!(holds_secret(name), "{name}");
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
            assert!(!holds_secret(name), "{name}");
        }
    }

    #[test]
    fn forms_of_secrets() {
        let of = |text: &'static str| -> Vec<(&str, Form)> {
            all(text)
                .map(|found| (&text[found.start..found.end], found.what))
                .collect()
        };
        let github = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
        assert_eq!(
            of("a ghp_0123456789abcdefghijABCDEFGHIJ012345 b"),
            [(github, Form::GitHub)]
        );
        assert_eq!(of("\"AKIAIOSFODNN7EXAMPLE\""), [("AKIAIOSFODNN7EXAMPLE", Form::Aws)]);
        assert_eq!(of("xoxb-1234567890-abc"), [("xoxb-1234567890-abc", Form::Slack)]);
        assert_eq!(
            of("Bearer eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln."),
            [("eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln", Form::WebToken)]
        );
        assert_eq!(of("postgres://u:hunter2@db/x"), [("hunter2", Form::UrlPassword)]);
        assert_eq!(
            of("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END")[0].1,
            Form::PrivateKey
        );
        assert_eq!(
            of("https://hooks.slack.com/services/T00000000/B00000000/abcdefgh"),
            [("T00000000/B00000000/abcdefgh", Form::WebhookUrl)]
        );
        assert_eq!(
            of("https://discord.com/api/webhooks/1234567890/abc-def?wait=true"),
            [("1234567890/abc-def", Form::WebhookUrl)]
        );
        assert_eq!(
            of("https://api.telegram.org/bot123456789:AAabcdefghijklmnopqrstuvwxyz0123456/send"),
            [("123456789:AAabcdefghijklmnopqrstuvwxyz0123456", Form::TelegramBot)]
        );
        for text in [
            "https://hooks.slack.com/services/",
            "https://example.com/services/T00000000",
            "https://discord.com/api/webhooks/$HOOK",
            "12345678:AA",
            "ghp_short",
            "AKIA",
            "AKIAabcdefghijklmnop",
            "eyJhbGciOiJIUzI1",
            "https://host:80/a@b",
            "https://u:$P@host",
            "https://user@host",
            "-----BEGIN CERTIFICATE-----",
            "asia-northeast3-a",
            "xghp_0123456789abcdefghij",
        ] {
            assert_eq!(of(text), [], "{text}");
        }
    }
}
